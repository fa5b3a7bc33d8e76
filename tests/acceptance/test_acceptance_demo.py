"""The demo as a person meets it: one command, one address, a browser on a phone."""

from __future__ import annotations

import asyncio
import re
import socket
import sys
from pathlib import Path

from playwright.async_api import expect

from tests.acceptance.demo_page import (
    BOT_WORDS,
    ROOT,
    SEEN_WITHIN_MS,
    Visitor,
    a_browser,
    a_demo,
    a_visitor,
)
from tests.needs import browser_path


async def test_a_person_gets_from_the_printed_address_to_a_profit_message(tmp_path: Path) -> None:
    executable = browser_path()
    async with a_demo(tmp_path / "errors") as demo:
        async with a_browser(executable) as browser:
            visitor = await a_visitor(browser, demo.address)
            await visitor.opens_account()
            assert await visitor.width_beyond_screen() == 0
            await sends_the_ready_alert(visitor)
            await watches_the_card(visitor)
            await pushes_the_price_to_the_target(visitor)
            await closes_another_by_button(visitor)
            assert await visitor.width_beyond_screen() == 0
            assert visitor.complaints == []
        assert await demo.interrupt() == 0
        assert not demo.has_left_processes()


async def sends_the_ready_alert(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.turns_to("Alert")
    await expect(page.get_by_label("Webhook URL")).to_have_value(
        re.compile(r"^http://127\.0\.0\.1:\d+/api/webhooks/signal/[0-9a-f-]{36}$")
    )
    await expect(page.locator("#alert-body")).to_have_value(re.compile(r"\{\{ticker\}\}"))
    await expect(page.locator("#market option")).not_to_have_count(1)
    assert await page.locator("#market option").count() >= 30
    await page.get_by_text("What will be sent").click()
    preview = await page.locator("#alert-preview").inner_text()
    assert "{{" not in preview
    assert '"action": "buy"' in preview
    await visitor.sends_alert("Buy")
    await expect(page.locator("#alert-answer")).to_contain_text(
        re.compile("ACCEPTED|FILLED|PENDING")
    )
    assert await visitor.width_beyond_screen() == 0
    await page.locator("#alert-again").click()
    await expect(page.locator("#alert-answer")).to_contain_text("DUPLICATE")
    await visitor.back_to_chat()


async def watches_the_card(visitor: Visitor) -> None:
    await visitor.sees("received", "accepted", "filled", "protected on chain")
    await visitor.sees("sent again 1 time; acted once")
    card = visitor.page.locator(".message.bot", has_text="protected on chain")
    await expect(card).to_have_count(1)
    for label in ("Adjust", "½ Close", "Close…"):
        await expect(card.locator(".key", has_text=label)).to_be_enabled()
    for key in await card.locator(".key").all():
        assert await key.evaluate("node => node.scrollWidth <= node.clientWidth")


async def pushes_the_price_to_the_target(visitor: Visitor) -> None:
    page = visitor.page
    await visitor.turns_to("Price")
    await page.get_by_role("button", name="+5 %").click()
    await expect(page.locator("#price-note")).to_contain_text("BTC-USD was set to")
    await visitor.back_to_chat()
    closing = page.locator(".message.bot", has_text="LONG closed: take profit")
    await expect(closing).to_be_visible(timeout=SEEN_WITHIN_MS)
    await expect(closing.locator(".quote")).to_contain_text("BTC-USD")
    assert re.search(r"\+\d+\.\d\d USDC after fees", await closing.inner_text())
    card = page.locator(BOT_WORDS).filter(has_text="received").last
    await expect(card).to_contain_text("closed: take profit", timeout=SEEN_WITHIN_MS)
    await visitor.says("/positions")
    await visitor.sees("Positions", "None is open.")


async def closes_another_by_button(visitor: Visitor) -> None:
    await visitor.turns_to("Alert")
    await visitor.picks("ETH-USD")
    await visitor.sends_alert("Sell")
    await visitor.back_to_chat()
    await visitor.sees("ETH-USD  SHORT", "protected on chain")
    await visitor.taps("Close…")
    await expect(visitor.page.locator(".key", has_text="at market")).to_have_count(1)
    await visitor.taps("at market")
    await expect(visitor.page.locator(".toast").first).to_contain_text("Closing")
    await visitor.sees("ETH-USD  SHORT closed: by your button", "USDC after fees")


async def test_a_taken_port_is_one_clear_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bot", "demo", "--port", port),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        async with asyncio.timeout(90):
            _, said = await process.communicate()
    assert process.returncode == 2
    (line,) = said.decode().splitlines()
    assert f"port {port} of 127.0.0.1 is taken" in line
    assert "--port 0" in line
