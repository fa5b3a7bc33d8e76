"""The page in a real browser, on a phone's width."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright, expect

from bot.emulator import User
from core.clock import SystemClock
from tests.bot.emulator.emulator_kit import Stage, stage

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
URL = "http://127.0.0.1:8080/api/webhooks/signal/0b7f3c1e-6b3e-4a55-9d0e-0a1b2c3d4e5f"
TEMPLATE = '{"secret": "s", "symbol": "{{ticker}}", "action": "{{strategy.order.action}}"}'


@dataclass
class Phone:
    stage: Stage
    page: Page
    complaints: list[str]

    @property
    def alice(self) -> User:
        return self.stage.alice


@pytest_asyncio.fixture
async def phone() -> AsyncIterator[Phone]:
    async with stage() as scene, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = await browser.new_page(viewport={"width": 360, "height": 740})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if "Security Policy" in said.text else None,
        )
        await page.goto(scene.emulator.base_url)
        yield Phone(scene, page, complaints)
        await browser.close()


async def test_a_person_starts_chats_and_presses_buttons(phone: Phone) -> None:
    page, alice, bot = phone.page, phone.alice, phone.stage.bot
    await page.get_by_role("button", name="Start").click()
    await alice.wait_until(lambda screen: screen and screen[0].text == "/start", 10)
    await page.get_by_label("Message", exact=True).fill("hello <b>bot</b>")
    await page.keyboard.press("Enter")
    await alice.wait_until(lambda screen: screen[-1].text == "hello <b>bot</b>", 10)
    sent = await bot.do(
        "sendMessage",
        chat_id=alice.id,
        text="<script>alert(1)</script> close it?",
        entities=[{"type": "bold", "offset": 26, "length": 9}],
        reply_markup={
            "inline_keyboard": [
                [{"text": "Close", "callback_data": "c", "style": "danger"}],
                [{"text": "Closing…", "disabled": {}}],
            ]
        },
    )
    await expect(page.locator("strong")).to_have_text("close it?")
    await expect(page.get_by_role("button", name="Closing…")).to_be_disabled()
    await page.get_by_role("button", name="Close", exact=True).click()
    query_id = (await _next_query(phone))["id"]
    await bot.do("answerCallbackQuery", callback_query_id=query_id, text="On its way")
    await expect(page.locator(".toast")).to_have_text("On its way")
    await bot.do("editMessageText", chat_id=alice.id, message_id=sent["message_id"], text="closed")
    await expect(page.locator(".message.bot .words")).to_contain_text("closed")
    assert await page.locator(".message.bot").count() == 1
    await bot.do("deleteMessage", chat_id=alice.id, message_id=sent["message_id"])
    await expect(page.locator(".message.bot")).to_have_count(0)
    assert phone.complaints == []


async def test_nothing_is_wider_than_the_phone(phone: Phone) -> None:
    alice = phone.alice
    alice.start()
    await phone.stage.bot.do(
        "sendMessage",
        chat_id=alice.id,
        text="dydx1" + "k" * 200,
        entities=[{"type": "pre", "offset": 0, "length": 205}],
        reply_markup={
            "inline_keyboard": [
                [
                    {"text": "A very long label of a button " * 3, "callback_data": str(n)}
                    for n in "abc"
                ]
            ]
        },
    )
    await expect(phone.page.locator(".message.bot")).to_be_visible()
    await phone.page.get_by_role("button", name="World").click()
    for tab in ("Price", "Blocks", "Faults", "You", "Alert"):
        await phone.page.get_by_role("tab", name=tab).click()
        widest = await phone.page.evaluate(
            "Math.max(...[...document.querySelectorAll('*')]"
            ".map(node => node.getBoundingClientRect().right))"
        )
        assert widest <= 360, tab
    assert phone.complaints == []


async def test_the_composer_takes_what_the_bot_hands_out(phone: Phone) -> None:
    alice, page = phone.alice, phone.page
    alice.start()
    text = f"Webhook URL\n{URL}\nMessage\n{TEMPLATE}"
    await phone.stage.bot.do(
        "sendMessage",
        chat_id=alice.id,
        text=text,
        entities=[
            {"type": "code", "offset": text.index(URL), "length": len(URL)},
            {"type": "pre", "offset": text.index(TEMPLATE), "length": len(TEMPLATE)},
        ],
    )
    await page.get_by_role("button", name="World").click()
    await expect(page.get_by_label("Webhook URL")).to_have_value(URL)
    await expect(page.locator("#alert-body")).to_have_value(TEMPLATE)
    await page.get_by_role("radio", name="Sell").click()
    await page.get_by_text("What will be sent").click()
    await expect(page.locator("#alert-preview")).to_have_text(
        '{"secret": "s", "symbol": "BTC-USD", "action": "sell"}'
    )
    await page.locator("#alert-send").click()
    await expect(page.locator("#alert-answer")).to_contain_text("started without a bot")
    await expect(page.locator("#world-problem")).to_contain_text("without a paper network")


async def test_the_secret_of_a_deleted_message_is_not_replaced_by_an_older_one(
    phone: Phone,
) -> None:
    alice, page = phone.alice, phone.page
    alice.start()
    sent = []
    for secret in ("old", "new"):
        text = f"{URL}\n" + TEMPLATE.replace('"s"', f'"{secret}"')
        sent.append(
            await phone.stage.bot.do(
                "sendMessage",
                chat_id=alice.id,
                text=text,
                entities=[
                    {"type": "pre", "offset": len(URL) + 1, "length": len(text) - len(URL) - 1}
                ],
            )
        )
        await expect(page.locator("#alert-body")).to_have_value(re.compile(f'"{secret}"'))
    await phone.stage.bot.do("deleteMessage", chat_id=alice.id, message_id=sent[1]["message_id"])
    await expect(page.locator(".message.bot")).to_have_count(1)
    await expect(page.locator("#alert-body")).to_have_value(re.compile('"new"'))


async def _next_query(phone: Phone) -> dict[str, str]:
    clock = SystemClock()
    for _ in range(500):
        updates = await phone.stage.bot.do("getUpdates")
        queries = [update["callback_query"] for update in updates if "callback_query" in update]
        if queries:
            query: dict[str, str] = queries[0]
            return query
        await clock.sleep(0.01)
    raise AssertionError("no button was pressed")
