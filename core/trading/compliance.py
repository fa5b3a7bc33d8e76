"""What dYdX lets each account of a network do.

Blocked: nothing is served, so nothing new may be tried; the trader is told, and no way around it
is looked for. Close-only: positions may be reduced. A refusal of every account points at the place
where this process runs, which concerns its operator. Source: docs/protocol.md, REST.
"""

from __future__ import annotations

from enum import StrEnum

from core.dydx.enums import ComplianceStatus
from core.dydx.indexer import BlockCode, IndexerBlocked
from core.dydx.indexer_types import Compliance
from core.dydx.stream import SubscriptionRefused


class Standing(StrEnum):
    """Where an account stands with dYdX."""

    UNKNOWN = "unknown"
    """Nothing was heard yet: treated as served."""
    SERVED = "served"
    CLOSE_ONLY = "close_only"
    GEOBLOCKED = "geoblocked"
    COMPLIANCE_BLOCKED = "compliance_blocked"

    @property
    def blocked(self) -> bool:
        """Whether dYdX answers nothing about this account any more."""
        return self in (Standing.GEOBLOCKED, Standing.COMPLIANCE_BLOCKED)

    @property
    def may_open(self) -> bool:
        """Whether exposure may be added."""
        return self in (Standing.UNKNOWN, Standing.SERVED)


_OF_SCREEN = {
    ComplianceStatus.COMPLIANT: Standing.SERVED,
    ComplianceStatus.FIRST_STRIKE: Standing.SERVED,
    ComplianceStatus.FIRST_STRIKE_CLOSE_ONLY: Standing.CLOSE_ONLY,
    ComplianceStatus.CLOSE_ONLY: Standing.CLOSE_ONLY,
    ComplianceStatus.BLOCKED: Standing.COMPLIANCE_BLOCKED,
}
_OF_CODE = {
    BlockCode.GEOBLOCKED: Standing.GEOBLOCKED,
    BlockCode.COMPLIANCE_BLOCKED: Standing.COMPLIANCE_BLOCKED,
}
COMPLIANCE_TEXT = "violates our terms of use"
"""Part of the only text that the stream refuses a subscription with for compliance's sake."""


class ComplianceBook:
    """The standings of one network's accounts, by their number in the ledger."""

    def __init__(self) -> None:
        self._standings: dict[int, Standing] = {}
        self._told_all = False

    def expect(self, account_id: int, known: Standing = Standing.UNKNOWN) -> None:
        """An account is connected; `known` is its standing until something is heard of it."""
        self._standings.setdefault(account_id, known)

    def forget(self, account_id: int) -> None:
        """An account is disconnected."""
        self._standings.pop(account_id, None)

    def state(self, account_id: int) -> Standing:
        return self._standings.get(account_id, Standing.UNKNOWN)

    def note(self, account_id: int, found: Exception | SubscriptionRefused | Compliance) -> bool:
        """Takes over what a request, the stream or a screening said; True when that is new.

        Anything that says nothing of compliance changes nothing. The stream gives one text for
        both kinds of block; it does not overwrite the kind that a request named.
        """
        standing = self._standing_of(self.state(account_id), found)
        return standing is not None and self._set(account_id, standing)

    def served(self, account_id: int) -> bool:
        """A request for the account's own data was answered; True when that ends a block.

        Accounts that may only close are served too: only a screening lifts that.
        """
        if self.state(account_id) is Standing.CLOSE_ONLY:
            return False
        was_blocked = self.state(account_id).blocked
        self._set(account_id, Standing.SERVED)
        return was_blocked

    def blocked(self) -> tuple[int, ...]:
        """The accounts that dYdX does not serve."""
        return tuple(number for number, standing in self._standings.items() if standing.blocked)

    def all_blocked(self) -> bool:
        """Whether every account is blocked, so that it is the place and not one address.

        One account alone shows that only when the refusal names the place.
        """
        standings = self._standings.values()
        if not standings or not all(standing.blocked for standing in standings):
            return False
        return len(standings) > 1 or Standing.GEOBLOCKED in standings

    def newly_all_blocked(self) -> bool:
        """As `all_blocked`, but True once per time that it came true: one line for the operator."""
        now = self.all_blocked()
        told, self._told_all = self._told_all, now
        return now and not told

    def _set(self, account_id: int, standing: Standing) -> bool:
        changed = self.state(account_id) is not standing
        self._standings[account_id] = standing
        return changed

    @staticmethod
    def _standing_of(
        known: Standing, found: Exception | SubscriptionRefused | Compliance
    ) -> Standing | None:
        if isinstance(found, IndexerBlocked):
            return _OF_CODE[found.code]
        if isinstance(found, Compliance):
            return _OF_SCREEN[found.status]
        if isinstance(found, SubscriptionRefused) and COMPLIANCE_TEXT in found.message:
            return known if known.blocked else Standing.COMPLIANCE_BLOCKED
        return None
