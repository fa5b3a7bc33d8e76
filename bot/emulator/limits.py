"""Telegram's rate limits, for those who want them enforced."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot.emulator.errors import too_many_requests


@dataclass
class _Bucket:
    tokens: float
    at: float

    def take(self, now: float, rate_per_s: float, burst: int) -> float:
        """0 where a token was there, else the seconds until one is."""
        self.tokens = min(float(burst), self.tokens + (now - self.at) * rate_per_s)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            return 0.0
        return (1 - self.tokens) / rate_per_s


class Limits:
    """One message a second in a chat (short bursts pass), thirty a second in all.

    Edits count like messages. Off until `enabled` is set.
    """

    def __init__(self, *, chat_burst: int = 3, overall_per_s: int = 30) -> None:
        self.enabled = False
        self.chat_burst = chat_burst
        self.overall_per_s = overall_per_s
        self._chats: dict[int, _Bucket] = {}
        self._overall: _Bucket | None = None

    def count(self, chat_id: int, now: float) -> None:
        """Count one message at `now` (monotonic seconds). Raises ApiError 429 above a limit."""
        if not self.enabled:
            return
        if self._overall is None:
            self._overall = _Bucket(float(self.overall_per_s), now)
        chat = self._chats.setdefault(chat_id, _Bucket(float(self.chat_burst), now))
        wait = max(
            chat.take(now, 1.0, self.chat_burst),
            self._overall.take(now, float(self.overall_per_s), self.overall_per_s),
        )
        if wait > 0:
            raise too_many_requests(max(1, math.ceil(wait)))
