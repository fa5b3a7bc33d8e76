"""Updates from Telegram, by long polling or webhook, on one way: number and kind are stored, then
the update is worked in a tracked task, in order per chat. Its content is never stored or logged.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

import structlog
from aiogram import Bot, Dispatcher
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramConflictError,
    TelegramNetworkError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.types import Update
from aiohttp import web
from pydantic import ValidationError

from bot.raw_updates import GetRawUpdates, chat_id_of, kind_of
from core.clock import Clock
from core.ledger.models import TelegramUpdate
from handlers.chat.dispatcher import ALLOWED_UPDATES
from handlers.chat.errors import place_of

log = structlog.get_logger(__name__)

POLL_S: Final = 25
POLL_GRACE_S: Final = 10
BATCH: Final = 100
BATCH_GRACE_S: Final = 2.0
AGAIN_S: Final = 0.5
HOLD_S: Final = 60.0
ANSWER_WITHIN_S: Final = 20.0
DRAIN_S: Final = 10.0
BACKOFF_S: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
REFUSED_PAUSE_S: Final = 30.0
MAX_BODY_BYTES: Final = 1 << 20
SECRET_HEADER: Final = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105

Problem = Literal["conflict", "unauthorized", "unreachable"]


class UpdateStore(Protocol):
    """The rows of updates; `core.ledger.updates` is one. Never holds content."""

    async def take(self, update_id: int, kind: str, now: dt.datetime) -> bool:
        """Stores an update that came in; False when it came in before."""

    async def finish(self, update_id: int, state: str) -> None:
        """state: done, failed."""

    async def unfinished(self) -> list[TelegramUpdate]:
        """Taken, but neither done nor failed."""


@dataclass
class TelegramHealth:
    """How the connection to Telegram stands. Another poller and a refused token make the process
    unready; Telegram out of reach does not, as trading goes on without it.

    `on_problem` is called with each failed attempt, `on_update` with the fate of each update; the
    process hangs its metrics there.
    """

    problem: Problem | None = None
    on_problem: Callable[[Problem], None] = field(default=lambda problem: None)
    on_update: Callable[[str], None] = field(default=lambda fate: None)

    @property
    def ready(self) -> bool:
        return self.problem not in ("conflict", "unauthorized")


_WORDS: Final[dict[Problem, str]] = {
    "conflict": "another program takes this bot's updates: stop it, or give this one its own token",
    "unauthorized": "Telegram refuses the bot's token: put a valid one into BOT_TOKEN and restart",
    "unreachable": "Telegram is out of reach: trading goes on, messages wait",
}


class TelegramIntake:
    """Takes updates and has them worked. One of `run_polling` or `handle_webhook` is used."""

    def __init__(
        self,
        bot: Bot,
        dispatcher: Dispatcher,
        updates: UpdateStore,
        clock: Clock,
        health: TelegramHealth | None = None,
    ) -> None:
        self.health = health or TelegramHealth()
        self._bot = bot
        self._dispatcher = dispatcher
        self._updates = updates
        self._clock = clock
        self._stopping = asyncio.Event()
        self._chats: dict[int, asyncio.Task[None]] = {}
        self._cut_off: set[int] | None = None
        self._cut_off_lock = asyncio.Lock()
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._polled: dict[int, float] = {}

    @property
    def under_way(self) -> int:
        """How many updates are being worked."""
        return len(self._tasks)

    # polling

    async def run_polling(self) -> None:
        """Polls until `close`; lives through everything that Telegram does."""
        offset: int | None = None
        failures = 0
        while not self._stopping.is_set():
            try:
                batch = await self._or_stop(self._poll(offset))
            except TelegramAPIError as error:
                failures += 1
                await self._pause(self._failed(error, failures))
                await self._end_webhook(error)
                continue
            failures = 0
            self._recovered()
            if not batch:
                continue
            try:
                offset = await self._take_batch(batch, offset)
            except Exception as error:
                log.error("updates could not be stored", error=type(error).__name__)
                failures += 1
                await self._pause(BACKOFF_S[min(failures, len(BACKOFF_S)) - 1])

    async def _poll(self, offset: int | None) -> list[dict[str, Any]]:
        wait = POLL_S if self.health.problem is None else 0  # after a fault: know at once
        method = GetRawUpdates(
            offset=offset, timeout=wait, limit=BATCH, allowed_updates=list(ALLOWED_UPDATES)
        )
        return await self._bot(method, request_timeout=POLL_S + POLL_GRACE_S)

    async def _take_batch(self, batch: list[dict[str, Any]], offset: int | None) -> int | None:
        """Stores and starts a batch and returns the next offset: with the next poll Telegram
        forgets what lies before it. What is still being worked does not, for a minute, so that it
        comes again if a crash cuts it off.
        """
        started = False
        for raw in batch:
            update_id = raw.get("update_id")
            if not isinstance(update_id, int):
                continue
            if update_id not in self._polled:
                started |= await self.accept(raw) is not None
                self._polled[update_id] = self._clock.monotonic()
            offset = max(offset or 0, update_id + 1)
        under_way = [self._tasks[one] for one in self._polled if one in self._tasks]
        if under_way:
            await asyncio.wait(under_way, timeout=BATCH_GRACE_S if started else AGAIN_S)
        held = [] if len(batch) == BATCH or offset is None else self._held()
        if held:
            offset = min(held)
        self._polled = {one: at for one, at in self._polled.items() if one >= (offset or 0)}
        return offset

    def _held(self) -> list[int]:
        """The updates that Telegram is not to forget yet."""
        now = self._clock.monotonic()
        return [one for one, at in self._polled.items() if one in self._tasks and now - at < HOLD_S]

    def _failed(self, error: TelegramAPIError, failures: int) -> float:
        """Notes a failed poll and returns how long to wait."""
        problem: Problem = "unreachable"
        if isinstance(error, TelegramConflictError):
            problem = "conflict"
        elif isinstance(error, TelegramUnauthorizedError | TelegramNotFound):
            problem = "unauthorized"
        self.health.on_problem(problem)
        if self.health.problem != problem:
            self.health.problem = problem
            log.error(_WORDS[problem]) if problem != "unreachable" else log.warning(_WORDS[problem])
        if isinstance(error, TelegramRetryAfter):
            return float(error.retry_after)
        if problem == "unreachable":
            return BACKOFF_S[min(failures, len(BACKOFF_S)) - 1]
        return REFUSED_PAUSE_S if failures > 1 else BACKOFF_S[2]

    def _recovered(self) -> None:
        if self.health.problem is not None:
            log.info("Telegram answers again", after=self.health.problem)
            self.health.problem = None

    async def _end_webhook(self, error: TelegramAPIError) -> None:
        """A webhook that was set earlier stands in the way of polling."""
        if isinstance(error, TelegramConflictError) and "webhook" in error.message:
            try:
                await self._bot.delete_webhook(drop_pending_updates=False)
            except TelegramAPIError as failure:
                log.warning("the webhook was not removed", error=type(failure).__name__)

    async def _pause(self, seconds: float) -> None:
        await self._first_of(
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._stopping.wait()),
        )

    async def _first_of(self, *tasks: asyncio.Future[Any]) -> None:
        """Waits for the first and ends the others, also when this is cancelled itself."""
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _or_stop(self, work: Any) -> list[dict[str, Any]]:
        """The poll's answer, or nothing when the intake is stopped meanwhile."""
        poll = asyncio.ensure_future(work)
        await self._first_of(poll, asyncio.ensure_future(self._stopping.wait()))
        if poll.cancelled():
            return []
        error = poll.exception()
        if error is None:
            answer = poll.result()
            return answer if isinstance(answer, list) else []
        if isinstance(error, TelegramAPIError):
            raise error
        # An answer that is no JSON, or no Bot API answer; its content is not logged.
        raise TelegramNetworkError(GetRawUpdates(), type(error).__name__)

    # webhook

    async def set_webhook(self, url: str, secret: str) -> bool:
        """Tells Telegram where to call; False (and noted in `health`) when it could not be told."""
        try:
            await self._bot.set_webhook(
                url,
                secret_token=secret,
                allowed_updates=list(ALLOWED_UPDATES),
                drop_pending_updates=False,
            )
        except TelegramAPIError as error:
            self._failed(error, 1)
            return False
        self._recovered()
        return True

    async def keep_webhook(self, url: str, secret: str) -> None:
        """Sets the webhook, trying until it is set or the intake is closed."""
        failures = 0
        while not self._stopping.is_set() and not await self.set_webhook(url, secret):
            failures += 1
            await self._pause(BACKOFF_S[min(failures, len(BACKOFF_S)) - 1])

    def webhook_handler(self, secret: str) -> Callable[[web.Request], Any]:
        """A handler for the route that Telegram calls. It answers when the update was worked, or
        after 20 seconds: what a crash cuts off before comes again.
        """
        expected = secret.encode()

        async def handle(request: web.Request) -> web.Response:
            given = request.headers.get(SECRET_HEADER, "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, expected):
                return web.Response(status=404)
            if self._stopping.is_set():
                return web.Response(status=503)
            if (request.content_length or 0) > MAX_BODY_BYTES:
                return web.Response(status=413)
            try:
                raw = json.loads(await request.read())
            except ValueError:
                return web.Response(status=400)
            if not isinstance(raw, dict) or not isinstance(raw.get("update_id"), int):
                return web.Response(status=400)
            try:
                task = await self.accept(raw)
            except Exception as error:
                log.error("an update could not be stored", error=type(error).__name__)
                return web.Response(status=503)
            if task is not None:
                await asyncio.wait({task}, timeout=ANSWER_WITHIN_S)
            cut_off = task is not None and task.cancelled()
            return web.Response(status=503 if cut_off else 200)

        return handle

    # both ways

    async def accept(self, raw: dict[str, Any]) -> asyncio.Task[None] | None:
        """Stores an update's number and kind and starts working it; None when it is known already.
        Raises what the store raises; then nothing was started.
        """
        update_id = int(raw["update_id"])
        if update_id in self._tasks:
            return None
        kind = kind_of(raw)
        cut_off = await self._cut_off_before()
        if not await self._updates.take(update_id, kind, self._clock.now()):
            if update_id not in cut_off:
                return None
            cut_off.discard(update_id)
        chat_id = chat_id_of(raw, kind)
        before = self._chats.get(chat_id) if chat_id is not None else None
        task = asyncio.create_task(self._work(raw, update_id, kind, before))
        self._tasks[update_id] = task
        if chat_id is not None:
            self._chats[chat_id] = task
        task.add_done_callback(lambda done: self._forget(update_id, chat_id, done))
        return task

    async def _cut_off_before(self) -> set[int]:
        """The updates that an earlier process took and did not finish: if they come again they are
        worked. Read once, before anything is taken.
        """
        async with self._cut_off_lock:
            if self._cut_off is None:
                self._cut_off = {row.update_id for row in await self._updates.unfinished()}
            return self._cut_off

    def _forget(self, update_id: int, chat_id: int | None, task: asyncio.Task[None]) -> None:
        self._tasks.pop(update_id, None)
        if chat_id is not None and self._chats.get(chat_id) is task:
            del self._chats[chat_id]

    async def _work(
        self,
        raw: dict[str, Any],
        update_id: int,
        kind: str,
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        fate = "done" if kind in ALLOWED_UPDATES else "skipped"
        if fate == "done":
            fate = await self._feed(raw, update_id, kind)
        self.health.on_update(fate)
        try:
            await self._updates.finish(update_id, "failed" if fate == "failed" else "done")
        except Exception as error:
            log.error("an update's end was not stored", error=type(error).__name__)

    async def _feed(self, raw: dict[str, Any], update_id: int, kind: str) -> str:
        """Decodes and hands over; whatever is wrong with one update stays with it."""
        try:
            update = Update.model_validate(raw, context={"bot": self._bot})
        except ValidationError as error:
            log.error(
                "an update could not be decoded",
                update_id=update_id,
                kind=kind,
                faults=error.error_count(),
            )
            return "failed"
        try:
            await self._dispatcher.feed_update(self._bot, update)
        except Exception as error:
            log.error(
                "an update could not be worked",
                update_id=update_id,
                kind=kind,
                error=type(error).__name__,
                at=place_of(error),
            )
            return "failed"
        return "done"

    async def close(self, drain_s: float = DRAIN_S) -> bool:
        """Stops taking updates and waits for those under way; False when some had to be cut off."""
        self._stopping.set()
        tasks = set(self._tasks.values())
        if not tasks:
            return True
        _, late = await asyncio.wait(tasks, timeout=drain_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        if late:
            log.warning("updates were cut off at the end", count=len(late))
        return not late
