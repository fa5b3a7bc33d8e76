"""The queue of updates: what waits, what the bot has confirmed, who is asking."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from bot.emulator.errors import ApiError
from bot.emulator.faults import Faults

MAX_POLL_S = 50
_NOT_BY_DEFAULT = {"chat_member", "message_reaction", "message_reaction_count"}
_SECOND_POLLER = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
_WEBHOOK_SET = "Conflict: terminated by setWebhook request"

Update = dict[str, Any]


@dataclass
class Updates:
    """Updates in the order in which they happened."""

    first_id: int
    waiting: list[Update] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    _next_id: int = 0
    _again: list[Update] = field(default_factory=list)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _poller: asyncio.Future[str] | None = None

    def __post_init__(self) -> None:
        self._next_id = self.first_id

    def put(self, kind: str, content: Any) -> int:
        """Queue an update, unless the bot does not want its kind. Returns its id (0: unwanted)."""
        if kind in _NOT_BY_DEFAULT if not self.allowed else kind not in self.allowed:
            return 0
        update_id = self._next_id
        self._next_id += 1
        self.waiting.append({"update_id": update_id, kind: content})
        self._ring()
        return update_id

    @property
    def is_polled(self) -> bool:
        """Whether a poll is under way."""
        return self._poller is not None

    def allow(self, kinds: Any) -> None:
        """Remember which kinds the bot wants from now on; an empty list means the usual ones."""
        if isinstance(kinds, list):
            self.allowed = [kind for kind in kinds if isinstance(kind, str)]

    def confirm(self, offset: int) -> None:
        """Forget what lies before `offset`; a negative one counts from the end."""
        if offset < 0:
            self.waiting = self.waiting[offset:]
        elif offset > 0:
            self.waiting = [one for one in self.waiting if one["update_id"] >= offset]

    def remove(self, update: Update) -> None:
        """Forget one update that was delivered."""
        self.waiting = [one for one in self.waiting if one is not update]

    def drop_all(self) -> None:
        """Forget everything that waits."""
        self.waiting.clear()
        self._again.clear()

    def abort_poll(self, *, webhook_set: bool) -> None:
        """End the poll under way, if any, with 409."""
        if self._poller is not None and not self._poller.done():
            self._poller.set_result(_WEBHOOK_SET if webhook_set else _SECOND_POLLER)

    async def poll(self, offset: int, limit: int, timeout_s: int, faults: Faults) -> list[Update]:
        """What waits from `offset` on, waiting up to `timeout_s` seconds for the first.

        Raises ApiError 409 when another poll or a webhook takes over meanwhile.
        """
        self.abort_poll(webhook_set=False)
        self.confirm(offset)
        mine: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._poller = mine
        try:
            async with asyncio.timeout(timeout_s if timeout_s > 0 else None):
                while not self.waiting and not self._again and timeout_s > 0:
                    await self._wait(mine)
        except TimeoutError:
            return []
        finally:
            if self._poller is mine:
                self._poller = None
        return self._batch(limit, faults)

    async def _wait(self, mine: asyncio.Future[str]) -> None:
        arrived = asyncio.create_task(self._arrived.wait())
        waited: set[asyncio.Future[Any]] = {arrived, mine}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            arrived.cancel()
        if mine.done():
            raise ApiError(409, mine.result())

    def _batch(self, limit: int, faults: Faults) -> list[Update]:
        again, self._again = self._again, []
        batch = [*again, *self.waiting][:limit]
        if faults.duplicate_updates > 0 and self.waiting and batch:
            faults.duplicate_updates -= 1
            self._again.append(batch[-1])
        if faults.swap_updates > 0 and len(batch) > 1:
            faults.swap_updates -= 1
            batch.reverse()
        return batch

    async def next(self) -> Update:
        """The oldest update, once there is one; it stays until `confirm`."""
        while not self.waiting:
            await self._arrived.wait()
        return self.waiting[0]

    def _ring(self) -> None:
        self._arrived.set()
        self._arrived = asyncio.Event()
