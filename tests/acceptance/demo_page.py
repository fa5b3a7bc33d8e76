"""The demo as its user starts it, and its page in a browser of a phone's size."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

ROOT: Final = Path(__file__).parents[2]
PHONE: Final = ViewportSize(width=360, height=740)
DESKTOP: Final = ViewportSize(width=1120, height=800)
START_WITHIN_S: Final = 150.0
END_WITHIN_S: Final = 90.0
SEEN_WITHIN_MS: Final = 60_000
BOT_WORDS: Final = ".message.bot .words"


@dataclass
class Demo:
    """A running `perpgram demo` that leads a process group of its own."""

    process: asyncio.subprocess.Process
    address: str

    async def interrupt(self) -> int:
        """Ctrl-C; the exit status."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(END_WITHIN_S):
            return await self.process.wait()

    def has_left_processes(self) -> bool:
        """Whether any process of its group is still there."""
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


@contextlib.asynccontextmanager
async def a_demo(output: Path) -> AsyncIterator[Demo]:
    """Starts the demo on a free port and ends it; what is then left of it is killed."""
    environment = {key: value for key, value in os.environ.items() if "DYDX_" not in key}
    with output.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "demo", "--port", "0"),
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=environment,
            cwd=ROOT,
            start_new_session=True,
        )
    try:
        demo = Demo(process, await _printed_address(process, output))
        try:
            yield demo
        finally:
            if process.returncode is None:
                await demo.interrupt()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


async def _printed_address(process: asyncio.subprocess.Process, output: Path) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(START_WITHIN_S):
        async for line in process.stdout:
            found = re.search(r"Open (http://\S+)", line.decode())
            if found:
                return found.group(1)
    raise AssertionError(f"no address was printed: {output.read_text(errors='replace')}")


@dataclass
class Visitor:
    """Somebody with the page open. `complaints`: what the browser's console said."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    async def sees(self, *parts: str) -> None:
        """Waits for one message of the bot with all of these parts."""
        found = self.page.locator(BOT_WORDS)
        for part in parts:
            found = found.filter(has_text=part)
        await expect(found.last).to_be_visible(timeout=SEEN_WITHIN_MS)

    async def says(self, text: str) -> None:
        await self.page.get_by_label("Message", exact=True).fill(text)
        await self.page.keyboard.press("Enter")

    async def taps(self, label: str) -> None:
        """The latest button under a message whose label has this part."""
        await self.page.locator(".key", has_text=label).last.click()

    async def opens_account(self) -> None:
        """From the empty chat to the webhook."""
        await self.page.get_by_role("button", name="Start").click()
        await self.sees("Where do you want to start?")
        await self.taps("Paper")
        await self.sees("Paste these into the TradingView alert")

    async def turns_to(self, tab: Literal["Alert", "Price", "Blocks", "Faults", "You"]) -> None:
        """Opens the panel, on a phone, and one of its tabs."""
        await self.page.locator("#open-world").click()
        await self.page.get_by_role("tab", name=tab).click()

    async def back_to_chat(self) -> None:
        await self.page.locator("#close-world").click()
        await expect(self.page.locator("#world")).to_be_hidden()

    async def picks(self, ticker: str) -> None:
        await self.page.locator("#market").select_option(ticker)

    async def sends_alert(self, action: Literal["Buy", "Sell", "Close"] = "Buy") -> None:
        """The alert as the panel has it; returns once it was answered."""
        await self.page.get_by_role("radio", name=action).click()
        await self.page.locator("#alert-send").click()
        await expect(self.page.locator("#alert-answer")).to_contain_text("success", timeout=15_000)

    async def width_beyond_screen(self) -> int:
        """By how many pixels page or chat could be scrolled sideways."""
        found: int = await self.page.evaluate(
            "Math.max(...[document.documentElement, document.getElementById('messages'),"
            " document.getElementById('cards')].map(one => one.scrollWidth - one.clientWidth))"
        )
        return found


@contextlib.asynccontextmanager
async def a_browser(executable: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        try:
            yield browser
        finally:
            await browser.close()


async def a_visitor(
    browser: Browser,
    address: str,
    *,
    screen: ViewportSize = PHONE,
    theme: Literal["light", "dark"] = "light",
) -> Visitor:
    """Opens the address with a phone, or with a desktop where `screen` is as wide."""
    is_phone = screen["width"] < 600
    context = await browser.new_context(
        viewport=screen,
        device_scale_factor=1.75 if is_phone else 1,
        is_mobile=is_phone,
        has_touch=is_phone,
        color_scheme=theme,
        locale="en-GB",
    )
    page = await context.new_page()
    page.set_default_timeout(SEEN_WITHIN_MS)
    visitor = Visitor(page)
    page.on("pageerror", lambda error: visitor.complaints.append(str(error)))
    page.on(
        "console",
        lambda said: (
            visitor.complaints.append(said.text) if said.type in ("error", "warning") else None
        ),
    )
    await page.goto(address)
    return visitor
