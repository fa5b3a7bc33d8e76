"""What every lane is built with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from core.clock import Clock, Random
from core.events import Bell
from core.ledger.database import Ledger
from core.trading.risk.firewall import Firewall
from core.trading.rush import Rush
from core.trading.venue import Venue
from core.vault import Vault


class Observer(Protocol):
    """Where figures go; the process hangs its metrics here."""

    def broadcast(self, own_s: float, outcome: str) -> None:
        """An order left: seconds from the alert's last byte to the broadcast, and the answer."""

    def mismatch(self) -> None:
        """Chain and ledger were found to differ."""


class NoObserver:
    """Counts nothing."""

    def broadcast(self, own_s: float, outcome: str) -> None:
        return None

    def mismatch(self) -> None:
        return None


@dataclass(frozen=True)
class Parts:
    """Ledger, vault, network, clock and the rest; handed down from where the process is built."""

    ledger: Ledger
    vault: Vault
    venue: Venue
    clock: Clock
    random: Random
    outbox_bell: Bell
    good_til_blocks: int = 10
    default_slippage_bps: int = 100
    stop_slippage_bps: int | None = None
    observer: Observer = field(default_factory=NoObserver)
    firewall: Firewall | None = None
    rush: Rush = field(default_factory=Rush)
