"""What the conversations are built with."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from core.clock import Clock, Random
from core.trading.desk import Desk
from handlers.chat.deletions import Deletions
from handlers.chat.storage import ConversationStore

MAX_REMEMBERED: Final = 1000


class Once:
    """Remembers what was done lately, so that a double tap acts once where the desk has no key."""

    def __init__(self) -> None:
        self._done: OrderedDict[str, None] = OrderedDict()

    def first(self, key: str) -> bool:
        """True for the first caller with this key."""
        if key in self._done:
            return False
        self._done[key] = None
        if len(self._done) > MAX_REMEMBERED:
            self._done.popitem(last=False)
        return True


async def _nobody_is_told(_trader_id: int, _reachable: bool) -> None:
    return None


@dataclass(frozen=True)
class ChatDeps:
    """Handed to every handler as `deps`.

    `public_url_problem` says why TradingView cannot reach the webhook address (a whole sentence
    with what to do), or None. `note_reachable(trader_id, reachable)` stores whether a trader has
    blocked the bot.
    """

    desk: Desk
    clock: Clock
    random: Random
    conversations: ConversationStore
    deletions: Deletions
    public_url_problem: Callable[[], str | None]
    note_reachable: Callable[[int, bool], Awaitable[None]] = _nobody_is_told
    once: Once = field(default_factory=Once)

    def nonce(self) -> int:
        """Names a keyboard: a button pressed twice on it acts once."""
        return self.random.below(2**31 - 1) + 1
