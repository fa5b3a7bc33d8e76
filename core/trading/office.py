"""What the desk's counters share."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from core.clock import Clock, Random
from core.dydx.network import NetworkName
from core.events import Bell, SignalChanged
from core.ledger import outbox, strategies
from core.ledger.database import Ledger
from core.ledger.models import Strategy
from core.trading.lane_port import LanesPort
from core.trading.risk.firewall import Firewall
from core.trading.rush import Rush
from core.trading.venue import Venue
from core.vault import Vault


class StrategyBook:
    """The living strategies by webhook, in memory: only this process changes them."""

    def __init__(self) -> None:
        self._by_webhook: dict[UUID, Strategy] = {}
        self._by_id: dict[int, Strategy] = {}

    async def load(self) -> None:
        """Reads them anew; called at start and after each change."""
        rows = await strategies.living()
        self._by_webhook = {row.webhook_uuid: row for row in rows}
        self._by_id = {row.id: row for row in rows}

    def of_webhook(self, webhook_uuid: UUID) -> Strategy | None:
        return self._by_webhook.get(webhook_uuid)

    def by_id(self, strategy_id: int) -> Strategy | None:
        """A living strategy."""
        return self._by_id.get(strategy_id)


@dataclass(frozen=True)
class DeskSettings:
    """What the operator decided. `signup`: open, approval or closed."""

    public_url: str
    admin_ids: frozenset[int] = frozenset()
    signup: str = "approval"
    answer_within_s: float = 1.5
    paper_funds_usd: int = 10_000


@dataclass(frozen=True)
class Office:
    """Ledger, vault, networks, lanes and the clock, handed to every counter of the desk."""

    ledger: Ledger
    vault: Vault
    venues: dict[NetworkName, Venue]
    lanes: LanesPort
    clock: Clock
    random: Random
    outbox_bell: Bell
    settings: DeskSettings
    firewall: Firewall
    strategy_book: StrategyBook = field(default_factory=StrategyBook)
    rush: Rush = field(default_factory=Rush)

    async def card(self, trader_id: int, signal_id: UUID) -> None:
        """Marks a signal's message as changed, inside the caller's transaction."""
        await outbox.put(
            trader_id,
            SignalChanged(signal_id),
            key=f"card:{signal_id}",
            now=self.clock.now(),
            signal_id=signal_id,
        )
