"""Requests leave at a pace that Telegram accepts."""

from __future__ import annotations

from typing import Any

import pytest
from aiogram import Bot
from aiogram.client.session.base import BaseSession
from aiogram.exceptions import TelegramNetworkError, TelegramRetryAfter
from aiogram.methods import DeleteMessage, EditMessageText, SendMessage, TelegramMethod

from bot.telegram import Pace
from tests.handlers.chat.chat_world import TOKEN, RushingClock


class Recorder(BaseSession):
    """A session that notes when each request left, and fails as it is told."""

    def __init__(self, clock: RushingClock) -> None:
        super().__init__()
        self.clock = clock
        self.left: list[tuple[float, int]] = []
        self.errors: list[Exception] = []
        self.middleware(Pace(clock))

    async def make_request(
        self, bot: Bot, method: TelegramMethod[Any], timeout: int | None = None
    ) -> Any:
        self.left.append((self.clock.monotonic(), int(getattr(method, "chat_id", 0))))
        if self.errors:
            raise self.errors.pop(0)
        return True

    async def close(self) -> None:
        return None

    async def stream_content(self, *_: Any, **__: Any) -> Any:
        yield b""


@pytest.fixture
def clock() -> RushingClock:
    return RushingClock()


@pytest.fixture
def session(clock: RushingClock) -> Recorder:
    return Recorder(clock)


@pytest.fixture
def bot(session: Recorder) -> Bot:
    return Bot(TOKEN, session=session)


async def send(bot: Bot, chat_id: int) -> None:
    await bot(SendMessage(chat_id=chat_id, text="x"))


async def test_a_chat_gets_a_burst_of_three_and_then_one_a_second(
    bot: Bot, session: Recorder
) -> None:
    for _ in range(6):
        await send(bot, 1)
    assert [at for at, _ in session.left] == [0, 0, 0, 1, 2, 3]


async def test_edits_count_like_messages(bot: Bot, session: Recorder) -> None:
    for _ in range(5):
        await bot(EditMessageText(chat_id=1, message_id=1, text="x"))
    assert [at for at, _ in session.left] == [0, 0, 0, 1, 2]


async def test_all_chats_together_get_25_a_second(bot: Bot, session: Recorder) -> None:
    for chat_id in range(1, 101):
        await send(bot, chat_id)
    for start in (0.0, 1.0, 2.0):
        assert len([at for at, _ in session.left if start <= at < start + 1]) <= 50
    assert session.left[-1][0] == pytest.approx(3.0)


async def test_a_short_wait_is_waited_for(bot: Bot, session: Recorder, clock: RushingClock) -> None:
    session.errors = [TelegramRetryAfter(SendMessage(chat_id=1, text="x"), "slow", 3)]
    await send(bot, 1)
    assert [at for at, _ in session.left] == [0, 3]


async def test_a_long_wait_freezes_its_chat_without_asking_again(
    bot: Bot, session: Recorder, clock: RushingClock
) -> None:
    session.errors = [TelegramRetryAfter(SendMessage(chat_id=1, text="x"), "slow", 60)]
    with pytest.raises(TelegramRetryAfter):
        await send(bot, 1)
    with pytest.raises(TelegramRetryAfter) as held:
        await send(bot, 1)
    assert held.value.retry_after == 61
    await send(bot, 2)
    assert [chat for _, chat in session.left] == [1, 2]
    clock.move(61)
    await send(bot, 1)
    assert [chat for _, chat in session.left] == [1, 2, 1]


async def test_deleting_waits_for_nothing(bot: Bot, session: Recorder) -> None:
    session.errors = [TelegramRetryAfter(SendMessage(chat_id=1, text="x"), "slow", 60)]
    with pytest.raises(TelegramRetryAfter):
        await send(bot, 1)
    await bot(DeleteMessage(chat_id=1, message_id=1))
    assert [at for at, _ in session.left] == [0, 0]


async def test_a_second_refused_chat_freezes_everything(bot: Bot, session: Recorder) -> None:
    for chat_id in (1, 2):
        session.errors = [TelegramRetryAfter(SendMessage(chat_id=chat_id, text="x"), "slow", 60)]
        with pytest.raises(TelegramRetryAfter):
            await send(bot, chat_id)
    with pytest.raises(TelegramRetryAfter):
        await send(bot, 3)
    assert [chat for _, chat in session.left] == [1, 2]


async def test_an_edit_is_repeated_after_a_network_failure_and_a_message_is_not(
    bot: Bot, session: Recorder
) -> None:
    edit = EditMessageText(chat_id=1, message_id=1, text="x")
    session.errors = [TelegramNetworkError(edit, "gone")]
    await bot(edit)
    assert len(session.left) == 2
    session.errors = [TelegramNetworkError(edit, "gone")]
    with pytest.raises(TelegramNetworkError):
        await send(bot, 1)
    assert len(session.left) == 3
