"""The chat on the real ledger, through restarts."""

from __future__ import annotations

import asyncio
import datetime as dt
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from aiogram import Bot

from bot.emulator import Emulator
from bot.emulator.user import User
from bot.intake import TelegramIntake
from bot.notifier import Notifier
from bot.telegram import create_bot
from core.clock import SystemClock, SystemRandom
from core.events import Bell, PositionClosed, SignalChanged
from core.ledger import conversations, outbox, updates
from core.ledger.models import Conversation, OutgoingMessage, TelegramUpdate
from handlers.chat.deletions import Deletions
from handlers.chat.deps import ChatDeps
from handlers.chat.dispatcher import build_dispatcher
from handlers.chat.resuming import ask_them_again, find_interrupted
from tests.core.ledger.ledger_kit import opened
from tests.handlers.chat.chat_world import PHRASE, TOKEN, RushingClock, until
from tests.handlers.chat.fake_desk import FakeDesk
from tests.handlers.chat.fake_ledger import FakeOutbox


class Process:
    """What one run of the bot consists of; make another for a restart."""

    def __init__(self, emulator: Emulator, clock: RushingClock, desk: FakeDesk) -> None:
        self.emulator = emulator
        self.bot: Bot = create_bot(TOKEN, clock, emulator.base_url)
        random = SystemRandom()
        deletions = Deletions(conversations, clock)
        self.deps = ChatDeps(
            desk=desk,
            clock=clock,
            random=random,
            conversations=conversations,
            deletions=deletions,
            public_url_problem=lambda: None,
        )
        self.intake = TelegramIntake(self.bot, build_dispatcher(self.deps), updates, clock)
        self.notifier = Notifier(
            self.bot, desk, outbox, Bell(), clock, random, deletions, set_reachable=self._nobody
        )
        self._polling: asyncio.Task[None] | None = None

    async def _nobody(self, trader_id: int, reachable: bool) -> None:
        return None

    async def work(self) -> None:
        """Waits until all updates were worked."""
        if self._polling is None:
            self._polling = asyncio.create_task(self.intake.run_polling())
        await until(lambda: not self.emulator.pending_updates and not self.intake.under_way)

    async def notify(self) -> None:
        await self.notifier.start_due()
        await self.notifier.settled()

    async def end(self) -> None:
        await self.intake.close()
        if self._polling is not None:
            await self._polling
        await self.notifier.close()
        await self.bot.session.close()


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    made = Emulator(TOKEN, clock=SystemClock(), random=SystemRandom())
    await made.start()
    yield made
    await made.close()


def bot_texts(user: User) -> list[str]:
    return [one.text for one in user.screen() if one.sender == "bot"]


async def test_a_phrase_sent_to_a_process_that_dies_is_asked_for_again_and_never_stored(
    emulator: Emulator, ledger_url: str
) -> None:
    clock = RushingClock()
    desk = FakeDesk(clock, FakeOutbox())
    ann = emulator.user(1, "Ann")
    async with opened(ledger_url):
        first = Process(emulator, clock, desk)
        ann.start()
        await first.work()
        ann.press(ann.screen()[-1].id, "Testnet")
        await first.work()
        ann.press(ann.screen()[-1].id, "3 Keep phrase")
        await first.work()
        ann.say(" ".join(PHRASE))
        await first.work()
        preview = ann.screen()[-1]
        assert "Is this your account?" in preview.text
        await first.end()
        desk.previews.clear()
        second = Process(emulator, clock, desk)
        chats = await find_interrupted(second.deps)
        assert [chat.chat_id for chat in chats] == [1]
        await ask_them_again(second.bot, chats)
        assert "send the phrase again" in bot_texts(ann)[-1]
        ann.press(preview.id, "Yes, this one")
        await second.work()
        assert not await desk.accounts(await desk.trader_of(1, "Ann"))
        ann.say(" ".join(PHRASE))
        await second.work()
        ann.press(ann.screen()[-1].id, "Yes, this one")
        await second.work()
        assert "is ready" in bot_texts(ann)[-1]
        assert await find_interrupted(second.deps) == []
        await second.end()
        stored = await everything_stored(ledger_url)
    for first_word, second_word in pairwise(PHRASE):
        assert re.search(f"{first_word}[^a-z]{{1,4}}{second_word}", stored) is None
    assert not {"abandon", "absurd", "accident"} & set(re.findall("[a-z]+", stored))


async def everything_stored(url: str) -> str:
    """All rows that the chat writes, and on SQLite all bytes of the database and its log."""
    rows = [
        repr(await model.all().values())
        for model in (Conversation, OutgoingMessage, TelegramUpdate)
    ]
    if url.startswith("sqlite"):
        database = Path(url.removeprefix("sqlite://").partition("?")[0])
        rows += [part.read_bytes().decode("latin-1") for part in database.parent.glob("*.db*")]
    return "\n".join(rows)


async def test_a_card_is_edited_by_the_next_process(emulator: Emulator, ledger_url: str) -> None:
    clock = RushingClock()
    desk = FakeDesk(clock, FakeOutbox())
    ann = emulator.user(1, "Ann")
    async with opened(ledger_url) as ledger:
        first = Process(emulator, clock, desk)
        ann.start()
        await first.work()
        trader = await desk.trader_of(1, "Ann")
        position = desk.open_position(trader)
        assert position.signal_id is not None
        signal_id = position.signal_id

        async def card() -> None:
            async with ledger.executing():
                await outbox.put(trader.id, SignalChanged(signal_id), key="", now=clock.now())

        await card()
        await first.notify()
        shown = ann.screen()[-1]
        await first.end()
        second = Process(emulator, clock, desk)
        desk.change_position(position.id, size=Decimal("0.02"))
        await card()
        await second.notify()
        assert "½ Close 0.0100 BTC" in ann.message(shown.id).labels()
        desk.finish_position(position.id)
        await card()
        async with ledger.executing():
            await outbox.put(
                trader.id,
                PositionClosed(position.id),
                key="closed",
                now=clock.now(),
                signal_id=signal_id,
            )
        emulator.faults.flood(30)
        await second.notify()
        await second.end()
        clock.move(31)
        third = Process(emulator, clock, desk)
        await third.notify()
        assert ann.screen()[-1].reply_to == shown.id
        assert not ann.message(shown.id).buttons
        assert not await outbox.due(clock.now() + dt.timedelta(days=1))
        await third.end()


async def test_of_an_update_only_number_kind_and_fate_are_stored(
    emulator: Emulator, ledger_url: str
) -> None:
    clock = RushingClock()
    ann = emulator.user(1, "Ann")
    async with opened(ledger_url):
        process = Process(emulator, clock, FakeDesk(clock, FakeOutbox()))
        ann.say("hello from a private chat")
        await process.work()
        await until(lambda: bool(bot_texts(ann)))
        [row] = await TelegramUpdate.all()
        assert (row.kind, row.state) == ("message", "done")
        await process.end()
        assert "hello from" not in await everything_stored(ledger_url)
