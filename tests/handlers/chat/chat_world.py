"""A whole chat on loopback: the emulated Bot API, the bot with intake and notifier, and a desk in
memory.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiogram import Bot

from bot.emulator import Emulator
from bot.emulator.screen import Shown
from bot.emulator.user import User
from bot.intake import TelegramIntake
from bot.notifier import Notifier
from bot.telegram import create_bot
from core.clock import SystemClock, SystemRandom
from core.events import Bell
from core.trading.views import TraderView
from handlers.chat.deletions import Deletions
from handlers.chat.deps import ChatDeps
from handlers.chat.dispatcher import build_dispatcher
from tests.handlers.chat.fake_desk import FakeDesk
from tests.handlers.chat.fake_ledger import FakeConversations, FakeOutbox, FakeUpdates

TOKEN = "4242:emulated-token"
PHRASE = [
    "abandon",
    "ability",
    "able",
    "about",
    "above",
    "absent",
    "absorb",
    "abstract",
    "absurd",
    "abuse",
    "access",
    "accident",
]
START = dt.datetime(2026, 5, 4, 9, 41, 3, tzinfo=dt.UTC)


class RushingClock:
    """A clock whose sleepers do not wait: it jumps to where they would wake. Moved by hand, too."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> dt.datetime:
        return START + dt.timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def move(self, seconds: float) -> None:
        self._seconds += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._seconds += seconds
        await asyncio.sleep(0)


@dataclass
class ChatWorld:
    """What a test needs to talk and to look."""

    emulator: Emulator
    bot: Bot
    clock: RushingClock
    desk: FakeDesk
    outbox: FakeOutbox
    conversations: FakeConversations
    updates: FakeUpdates
    intake: TelegramIntake
    notifier: Notifier
    deps: ChatDeps
    reachable: dict[int, bool] = field(default_factory=dict)
    url_problem: str | None = None

    def user(self, telegram_id: int, name: str = "Ann") -> User:
        return self.emulator.user(telegram_id, name)

    async def trader(self, user: User) -> TraderView:
        return await self.desk.trader_of(user.id, user.person.name)

    async def tap(self, user: User, shown: Shown, label: str) -> Shown | None:
        """Presses a button, waits until the bot answered, and returns the message as it is then."""
        query = user.press(shown.id, label)
        await user.wait_answer(query)
        await self.quiet()
        return next((one for one in user.screen() if one.id == shown.id), None)

    async def forge(self, user: User, message_id: int, data: str) -> None:
        """Sends a press as a manipulated client can."""
        user.press(message_id, data=data, forged=True)
        await self.quiet()

    async def say(self, user: User, text: str) -> Shown:
        """Writes, and returns the bot's latest message after it was worked."""
        user.say(text)
        return await self.latest(user)

    async def start(self, user: User, payload: str = "") -> Shown:
        user.start(payload)
        return await self.latest(user)

    async def latest(self, user: User) -> Shown:
        await self.quiet()
        return [one for one in user.screen() if one.sender == "bot"][-1]

    async def quiet(self) -> None:
        """Waits until all updates were worked."""
        await until(
            lambda: (
                not self.emulator.pending_updates
                and all(state != "taken" for state in self.updates.states.values())
            )
        )

    async def notify(self) -> None:
        """Sends what is due."""
        await self.notifier.start_due()
        await self.notifier.settled()


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@asynccontextmanager
async def chat_world(*, polling: bool = True) -> AsyncIterator[ChatWorld]:
    """Everything started; polling unless told otherwise."""
    clock, random = RushingClock(), SystemRandom()
    emulator = Emulator(TOKEN, clock=SystemClock(), random=random)
    await emulator.start()
    bot = create_bot(TOKEN, clock, emulator.base_url)
    outbox, conversations, updates = FakeOutbox(), FakeConversations(), FakeUpdates()
    desk = FakeDesk(clock, outbox)
    deletions = Deletions(conversations, clock)
    reachable: dict[int, bool] = {}

    async def note(trader_id: int, value: bool) -> None:
        reachable[trader_id] = value

    deps = ChatDeps(
        desk=desk,
        clock=clock,
        random=random,
        conversations=conversations,
        deletions=deletions,
        public_url_problem=lambda: world.url_problem,
        note_reachable=note,
    )
    intake = TelegramIntake(bot, build_dispatcher(deps), updates, clock)
    notifier = Notifier(bot, desk, outbox, Bell(), clock, random, deletions, set_reachable=note)
    world = ChatWorld(
        emulator=emulator,
        bot=bot,
        clock=clock,
        desk=desk,
        outbox=outbox,
        conversations=conversations,
        updates=updates,
        intake=intake,
        notifier=notifier,
        deps=deps,
        reachable=reachable,
    )
    poll = asyncio.create_task(intake.run_polling()) if polling else None
    try:
        yield world
    finally:
        await intake.close()
        if poll is not None:
            await poll
        await notifier.close()
        await bot.session.close()
        await emulator.close()
