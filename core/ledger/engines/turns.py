"""A lock in whose queue one may stand in front."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any


class Turns:
    """As asyncio.Lock, fair, but who asks for the `next_turn` goes before all that wait already."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    def locked(self) -> bool:
        return self._held

    async def acquire(self, *, next_turn: bool = False) -> bool:
        """Waits for its turn and holds the lock then."""
        if not self._held:
            self._held = True
            return True
        turn = asyncio.get_running_loop().create_future()
        if next_turn:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting.remove(turn)
            else:  # its turn came at the same moment
                self.release()
            raise
        return True

    def release(self) -> None:
        """Hands the lock to the next who waits."""
        for turn in self._waiting:
            if not turn.done():
                self._waiting.remove(turn)
                turn.set_result(None)
                return
        self._held = False

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *error: Any) -> None:
        self.release()
