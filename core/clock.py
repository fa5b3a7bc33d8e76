"""Time and randomness, handed in so that tests can move the one and repeat the other."""

from __future__ import annotations

import asyncio
import datetime as dt
import secrets
import time
import uuid
from typing import Protocol


class Clock(Protocol):
    """Wall time (UTC), a monotonic counter in seconds, and sleep."""

    def now(self) -> dt.datetime: ...

    def monotonic(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Random(Protocol):
    """Where unpredictable values come from."""

    def token_bytes(self, count: int) -> bytes: ...

    def token_urlsafe(self, count: int) -> str: ...

    def below(self, limit: int) -> int: ...

    def uuid4(self) -> uuid.UUID: ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class SystemRandom:
    """The operating system's generator."""

    def token_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)

    def token_urlsafe(self, count: int) -> str:
        return secrets.token_urlsafe(count)

    def below(self, limit: int) -> int:
        return secrets.randbelow(limit)

    def uuid4(self) -> uuid.UUID:
        return uuid.UUID(bytes=secrets.token_bytes(16), version=4)
