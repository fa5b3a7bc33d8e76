"""Renews the README's pictures from the demo: `python -m tests.acceptance.pictures`."""

from __future__ import annotations

import asyncio
import re
import tempfile
from pathlib import Path

from playwright.async_api import Browser, expect

from tests.acceptance.demo_page import (
    DESKTOP,
    ROOT,
    Visitor,
    a_browser,
    a_demo,
    a_visitor,
)
from tests.needs import browser_path

FOLDER = ROOT / "docs" / "images"
LARGEST_BYTES = 250_000
TICKERS = ("BTC-USD", "ETH-USD", "SOL-USD")


async def main() -> None:
    """Plays the demo once and writes each picture. Raises ValueError when one is too large."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        async with a_demo(Path(folder) / "errors") as demo, a_browser(browser_path()) as browser:
            visitor = await a_visitor(browser, demo.address)
            await _onboarding(visitor)
            await _signal(visitor)
            await _desktop(browser, demo.address, await _message_without_secret(visitor))
            await _closed(visitor)
            await _positions(visitor)


async def _onboarding(visitor: Visitor) -> None:
    await visitor.opens_account()
    await visitor.page.locator("#messages").evaluate("node => node.scrollTop = 0")
    await _take(visitor, "onboarding")
    await visitor.taps("Copied, delete")
    await visitor.sees("The message with the secret of")


async def _signal(visitor: Visitor) -> None:
    await visitor.turns_to("Alert")
    await visitor.sends_alert("Buy")
    await visitor.back_to_chat()
    await visitor.sees("filled", "protected on chain")
    await _take(visitor, "signal")


async def _message_without_secret(visitor: Visitor) -> tuple[str, str]:
    """What the panel would send: address and message."""
    url = await visitor.page.locator("#alert-url").input_value()
    body = await visitor.page.locator("#alert-body").input_value()
    return url, re.sub(r'"secret": "[^"]+"', '"secret": "…"', body)


async def _desktop(browser: Browser, address: str, alert: tuple[str, str]) -> None:
    visitor = await a_visitor(browser, address, screen=DESKTOP)
    await visitor.sees("protected on chain")
    for name, value in zip(("#alert-url", "#alert-body"), alert, strict=True):
        await visitor.page.locator(name).fill(value)
        await visitor.page.locator(name).blur()
    await expect(visitor.page.locator("#price")).to_contain_text(",")
    await _take(visitor, "desktop")
    await visitor.page.context.close()


async def _closed(visitor: Visitor) -> None:
    await _move(visitor, "BTC-USD", "+5 %")
    await visitor.sees("closed: take profit")
    await _take(visitor, "closed")


async def _positions(visitor: Visitor) -> None:
    for number, ticker in enumerate(TICKERS):
        await visitor.turns_to("Alert")
        await visitor.picks(ticker)
        await visitor.sends_alert("Sell" if number == 1 else "Buy")
        await visitor.back_to_chat()
        await visitor.sees(ticker, "protected on chain")
    for ticker in TICKERS:
        await _move(visitor, ticker, "+1 %")
    await visitor.says("/positions")
    await visitor.sees("Positions", *TICKERS)
    await _take(visitor, "positions")


async def _move(visitor: Visitor, ticker: str, step: str) -> None:
    await visitor.turns_to("Price")
    await visitor.picks(ticker)
    await visitor.page.get_by_role("button", name=step).click()
    await expect(visitor.page.locator("#price-note")).to_contain_text(f"{ticker} was set to")
    await visitor.back_to_chat()


async def _take(visitor: Visitor, name: str) -> None:
    page = visitor.page
    await expect(page.locator(".toast")).to_have_count(0)
    await page.evaluate("Promise.all(document.getAnimations().map(one => one.finished))")
    path = FOLDER / f"{name}.png"
    await page.screenshot(path=path)
    if path.stat().st_size > LARGEST_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size} bytes")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    asyncio.run(main())
