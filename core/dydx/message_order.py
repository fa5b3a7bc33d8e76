"""Whether messages of a websocket were lost."""

from __future__ import annotations


class MessageOrder:
    """Watches the numbers of a connection's messages: 0, 1, 2, … over all channels.

    The confirmation of a subscription reserves its number when it is asked for and may come after
    later ones, so a gap is a loss only when it stays open. Errors may carry a number that was used.
    """

    def __init__(self) -> None:
        self._next = 0
        self._ahead: set[int] = set()
        self._open_since: float | None = None

    def take(self, message_id: int, now: float) -> bool:
        """Notes a number at the monotonic time `now`; False when it was there before."""
        if message_id < self._next or message_id in self._ahead:
            return False
        self._ahead.add(message_id)
        before = self._next
        while self._next in self._ahead:
            self._ahead.remove(self._next)
            self._next += 1
        if not self._ahead:
            self._open_since = None
        elif self._open_since is None or self._next != before:
            self._open_since = now
        return True

    @property
    def complete(self) -> bool:
        """Whether no message is missing between those that came."""
        return self._open_since is None

    def missing_for(self, now: float) -> float:
        """How many seconds the oldest missing message has been missing; 0 when none is."""
        return 0.0 if self._open_since is None else now - self._open_since
