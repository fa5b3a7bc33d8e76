"""What /readyz looks at: ledger writable, accounts reconciled, streams fresh, Telegram serving."""

from __future__ import annotations

from bot.chat import ChatSide
from core.dydx.network import NetworkName
from core.ledger.database import Ledger
from core.trading.lanes import Lanes
from core.trading.quotes import FRESH_S
from core.trading.venue import Venue
from handlers.http.health import Check


class DeskReadiness:
    """Checks by name. Only networks with a connected account count."""

    def __init__(
        self, ledger: Ledger, lanes: Lanes, venues: dict[NetworkName, Venue], chat: ChatSide
    ) -> None:
        self._ledger = ledger
        self._lanes = lanes
        self._venues = venues
        self._chat = chat
        self._writable = True

    async def probe(self) -> None:
        """Looks whether a row can be committed; a job calls this, so that `checks` never waits."""
        self._writable = await self._ledger.check_writable()

    def checks(self) -> list[Check]:
        writable = self._writable and not self._ledger.lost.is_set()
        waiting = [a for a, done in self._lanes.reconciled.items() if not done]
        checks = [
            Check("ledger", writable, "writable" if writable else "cannot be written"),
            Check(
                "reconciled",
                not waiting,
                "all accounts" if not waiting else f"{len(waiting)} accounts wait",
            ),
        ]
        for name in sorted(self._lanes.networks_in_use()):
            venue = self._venues[name]
            fresh = venue.stream.fresh(FRESH_S)
            checks.append(Check(f"stream_{name}", fresh, "fresh" if fresh else "stale"))
        problem = self._chat.problem
        serving = problem not in ("conflict", "unauthorized")
        checks.append(Check("telegram", serving, problem or "serving"))
        return checks
