"""Where conversations stand, kept in the ledger so that a restart loses none."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import OrderedDict
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from aiogram.fsm.state import State
from aiogram.fsm.storage.base import BaseEventIsolation, BaseStorage, StateType, StorageKey

from core.clock import Clock

MAX_IDLE_LOCKS: Final = 1024


class ConversationStore(Protocol):
    """The rows of conversations; `core.ledger.conversations` is one. Data is JSON and holds no
    secret.
    """

    async def get_state(self, key: str) -> str | None: ...

    async def set_state(self, key: str, state: str | None, now: dt.datetime) -> None: ...

    async def get_data(self, key: str) -> dict[str, Any]: ...

    async def set_data(self, key: str, data: dict[str, Any], now: dt.datetime) -> None: ...

    async def update_data(
        self, key: str, changes: dict[str, Any], now: dt.datetime
    ) -> dict[str, Any]: ...

    async def in_states(self, states: Collection[str], since: dt.datetime) -> list[str]:
        """The keys of conversations in one of these states that were touched since."""


def conversation_key(key: StorageKey) -> str:
    """The row of a chat's conversation."""
    parts = [str(key.bot_id), str(key.chat_id), str(key.user_id)]
    if key.thread_id is not None:
        parts.append(f"t{key.thread_id}")
    if key.destiny != "default":
        parts.append(key.destiny)
    return ":".join(parts)


class LedgerStorage(BaseStorage):
    """aiogram's port for states and data, on the ledger."""

    def __init__(self, store: ConversationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def set_state(self, key: StorageKey, state: StateType = None) -> None:
        name = state.state if isinstance(state, State) else state
        await self._store.set_state(conversation_key(key), name, self._clock.now())

    async def get_state(self, key: StorageKey) -> str | None:
        return await self._store.get_state(conversation_key(key))

    async def set_data(self, key: StorageKey, data: Mapping[str, Any]) -> None:
        await self._store.set_data(conversation_key(key), dict(data), self._clock.now())

    async def get_data(self, key: StorageKey) -> dict[str, Any]:
        return dict(await self._store.get_data(conversation_key(key)))

    async def update_data(self, key: StorageKey, data: Mapping[str, Any]) -> dict[str, Any]:
        return await self._store.update_data(conversation_key(key), dict(data), self._clock.now())

    async def close(self) -> None:
        return None


class ChatIsolation(BaseEventIsolation):
    """One update of a chat at a time. Locks that nobody holds are forgotten, the oldest first."""

    def __init__(self) -> None:
        self._locks: OrderedDict[tuple[int, int], asyncio.Lock] = OrderedDict()
        self._users: dict[tuple[int, int], int] = {}

    @asynccontextmanager
    async def lock(self, key: StorageKey) -> AsyncGenerator[None, None]:
        name = (key.bot_id, key.chat_id)
        lock = self._locks.setdefault(name, asyncio.Lock())
        self._locks.move_to_end(name)
        self._users[name] = self._users.get(name, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._users[name] -= 1
            if not self._users[name]:
                del self._users[name]
            self._trim()

    def _trim(self) -> None:
        if len(self._locks) <= MAX_IDLE_LOCKS:
            return
        for name in [name for name in self._locks if name not in self._users]:
            del self._locks[name]
            if len(self._locks) <= MAX_IDLE_LOCKS:
                return

    async def close(self) -> None:
        self._locks.clear()
