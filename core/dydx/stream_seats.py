"""The subaccounts of a stream: where each is carried and whether its news can be relied on."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.dydx.account_mirror import AccountMirror
from core.dydx.stream_events import NeedsBackfill
from core.dydx.stream_link import Link


@dataclass
class Seat:
    """One subaccount.

    `flowing`: its subscription is confirmed; `needs`: what is still to be read by request before
    its news are complete; `known_to`: the last block up to which they were complete; `look_after`:
    from which block on an awaited second snapshot shows whether something was missed.
    """

    address: str
    number: int
    link: Link
    mirror: AccountMirror = field(default_factory=AccountMirror)
    flowing: bool = False
    needs: NeedsBackfill | None = None
    known_to: int | None = None
    tickets: int = 0
    look_after: int | None = None

    def interrupt(self) -> None:
        """Its connection is gone, or its subscription ended."""
        if self.flowing and self.needs is None:
            self.known_to = self.link.known_to
        self.flowing = False
        self.look_after = None

    def resume(self, snapshot_height: int | None) -> NeedsBackfill:
        """Its subscription is confirmed: what must be read before its news are complete."""
        if self.flowing and self.needs is None:
            self.known_to = self.link.known_to
        self.flowing = True
        self.look_after = None
        self.tickets += 1
        self.needs = NeedsBackfill(
            self.address, self.number, self.known_to, snapshot_height, self.tickets
        )
        return self.needs

    def fill_in(self, done: NeedsBackfill) -> None:
        """A back-fill is done; one for an earlier subscription counts for nothing."""
        if self.needs is not None and done.ticket == self.needs.ticket:
            self.needs = None

    @property
    def complete(self) -> bool:
        """Whether all that happened so far is known."""
        return self.flowing and self.needs is None
