"""What the paper chain itself did and holds, read from its own state: the truth of the tour."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from core.dydx.protocol import order_uuid
from core.paper.happenings import BlockCommitted, Filled, Happening, OrderKey, SubaccountKey
from core.paper.network import PaperNetwork

USDC: Final = 1_000_000


@dataclass(frozen=True)
class TrueFill:
    """A fill of a committed block. `before`: the signed size that was held; `quote` and `fee` in
    USDC.
    """

    address: str
    order: UUID
    ticker: str
    side: str
    size: Decimal
    before: Decimal
    quote: Decimal
    fee: Decimal

    @property
    def signed(self) -> Decimal:
        return self.size if self.side == "BUY" else -self.size

    @property
    def closes(self) -> Decimal:
        """The part of its size that made the position smaller."""
        if self.before * self.signed >= 0:
            return Decimal(0)
        return min(self.size, abs(self.before))

    @property
    def opens(self) -> Decimal:
        """The part of its size that made the position larger."""
        return self.size - self.closes


class Truth:
    """Notes what every block commits, from before the first one of interest on."""

    def __init__(self, network: PaperNetwork) -> None:
        self._exchange = network.exchange
        self.fills: list[TrueFill] = []
        network.chain.subscribe(self._note)

    def _note(self, happening: Happening) -> None:
        if not isinstance(happening, BlockCommitted):
            return
        for event in happening.events:
            if isinstance(event, Filled):
                self.fills.append(self._fill(event))

    def _fill(self, event: Filled) -> TrueFill:
        assert event.order is not None, "the tour liquidates nobody"
        market = self._exchange.governance.markets[event.clob_pair_id]
        return TrueFill(
            address=event.subaccount.owner,
            order=_uuid(event.order.key),
            ticker=market.ticker,
            side=event.side,
            size=market.scale.size_of(event.quantums),
            before=Decimal(event.quantums_before) * market.scale.size_of(1),
            quote=Decimal(event.quote_quantums) / USDC,
            fee=Decimal(event.fee_quote_quantums) / USDC,
        )

    def positions(self, address: str) -> dict[str, Decimal]:
        """Signed committed sizes by ticker, without zeros."""
        held = self._exchange.subaccount(SubaccountKey(address, 0)).positions
        found = {}
        for perpetual_id, quantums in held:
            market = self._exchange.governance.markets[perpetual_id]
            found[market.ticker] = Decimal(quantums) * market.scale.size_of(1)
        return found

    def resting(self, address: str) -> set[UUID]:
        """The orders of an account in the committed state."""
        committed = self._exchange.state.stateful.committed
        return {_uuid(key) for key in committed if key.subaccount.owner == address}


def _uuid(key: OrderKey) -> UUID:
    """The indexer's id of an order."""
    return order_uuid(
        key.subaccount.owner,
        key.subaccount.number,
        key.client_id,
        key.clob_pair_id,
        key.order_flags,
    )
