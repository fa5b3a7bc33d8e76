"""Trade history: the fills of an account told as openings, enlargements and closings.

Computed from fills alone, one life of a position after the other: what an order filled in one block
is one row, and two where it reversed the position. Source: docs/protocol.md, indexer REST.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from core.paper.happenings import SubaccountKey
from core.paper.indexer.order_shapes import order_type
from core.paper.indexer.records import ZERO, FillRow
from core.paper.indexer.texts import EXACT, average, iso, number, optional

if TYPE_CHECKING:
    from core.paper.indexer.rows import Rows

Json = dict[str, Any]


@dataclass
class _Life:
    """A position from flat to flat; sizes are signed, sums are of what was closed so far."""

    held: Decimal = ZERO
    entry: Decimal = ZERO
    gain: Decimal = ZERO
    fees: Decimal = ZERO
    cost: Decimal = ZERO

    def close(self, size: Decimal, price: Decimal) -> None:
        """Realise a part of the position."""
        gain = EXACT.multiply(EXACT.subtract(price, self.entry), size)
        self.gain = EXACT.add(self.gain, gain if self.held > 0 else -gain)
        self.cost = EXACT.add(self.cost, EXACT.multiply(self.entry, size))

    def enlarge(self, size: Decimal, price: Decimal) -> None:
        """Average the entry price over what is held and what comes in."""
        worth = EXACT.multiply(self.entry, abs(self.held))
        worth = EXACT.fma(price, size, worth)
        self.entry = average(worth, EXACT.add(abs(self.held), size)) if self.held else price


@dataclass
class _Deal:
    """What one order filled in one block; a liquidation's fill stands alone."""

    fills: list[FillRow] = field(default_factory=list)

    @property
    def first(self) -> FillRow:
        return self.fills[0]

    @property
    def size(self) -> Decimal:
        return sum((fill.size for fill in self.fills), ZERO)

    @property
    def fee(self) -> Decimal:
        return sum((fill.fee for fill in self.fills), ZERO)

    @property
    def price(self) -> Decimal:
        worth = sum((EXACT.multiply(fill.price, fill.size) for fill in self.fills), ZERO)
        return average(worth, self.size)

    @property
    def is_liquidation(self) -> bool:
        return self.first.order_id is None

    @property
    def id(self) -> str:
        fill = self.first
        return fill.id if fill.order_id is None else f"{fill.order_id}:{fill.created_height}"


def trade_history(rows: Rows, keys: Iterable[SubaccountKey], market: int | None) -> list[Json]:
    """The trade history of some subaccounts, newest first."""
    told: list[Json] = []
    for key in keys:
        by_market: dict[int, dict[str, _Deal]] = {}
        for fill in rows.fills.get(key, []):
            if market is None or fill.market == market:
                deals = by_market.setdefault(fill.market, {})
                name = _Deal([fill]).id
                deals.setdefault(name, _Deal()).fills.append(fill)
        for deals in by_market.values():
            life = _Life()
            for deal in deals.values():
                told += _rows_of(rows, deal, life)
    return sorted(told, key=lambda row: (row["time"], row["id"]), reverse=True)


def _rows_of(rows: Rows, deal: _Deal, life: _Life) -> list[Json]:
    """A deal as one row, or as a closing and an opening where it reversed the position."""
    delta = deal.size if deal.first.side == "BUY" else -deal.size
    before, after = life.held, EXACT.add(life.held, delta)
    if before and after and (before > 0) != (after > 0):
        fee = average(EXACT.multiply(deal.fee, abs(before)), deal.size)
        closed = _closing(rows, deal, life, abs(before), fee, f"{deal.id}:close", -before)
        rest = EXACT.subtract(deal.fee, fee)
        return [closed, _opening(rows, deal, life, after, rest, f"{deal.id}:open")]
    if not before:
        return [_opening(rows, deal, life, after, deal.fee, deal.id)]
    if abs(after) < abs(before):
        return [_closing(rows, deal, life, deal.size, deal.fee, deal.id, delta)]
    life.enlarge(deal.size, deal.price)
    life.held, life.fees = after, EXACT.add(life.fees, deal.fee)
    return [_row(rows, deal, life, "EXTEND", deal.id, before, delta)]


def _opening(rows: Rows, deal: _Deal, life: _Life, held: Decimal, fee: Decimal, id_: str) -> Json:
    life.held, life.entry, life.fees = held, deal.price, EXACT.add(life.fees, fee)
    return _row(rows, deal, life, "OPEN", id_, ZERO, held)


def _closing(
    rows: Rows, deal: _Deal, life: _Life, size: Decimal, fee: Decimal, id_: str, delta: Decimal
) -> Json:
    before = life.held
    life.close(size, deal.price)
    life.held, life.fees = EXACT.add(life.held, delta), EXACT.add(life.fees, fee)
    action = "PARTIAL_CLOSE" if life.held else "CLOSE"
    if deal.is_liquidation:
        action = "LIQUIDATION_" + action
    row = _row(rows, deal, life, action, id_, before, delta)
    if not life.held:
        life.entry = life.gain = life.fees = life.cost = ZERO
    return row


def _row(
    rows: Rows, deal: _Deal, life: _Life, action: str, id_: str, before: Decimal, delta: Decimal
) -> Json:
    fill, order = deal.first, rows.orders.get(deal.first.order_id or "")
    market = rows.markets[fill.market]
    side = None if not life.held else "LONG" if life.held > 0 else "SHORT"
    return {
        "id": id_,
        "subaccountNumber": fill.subaccount.number,
        "action": action,
        "executionPrice": number(deal.price),
        "entryPrice": number(life.entry),
        "side": fill.side,
        "positionSide": side,
        "prevSize": number(abs(before)),
        "additionalSize": number(delta),
        "value": number(EXACT.multiply(abs(delta), deal.price)),
        "orderType": None if order is None else order_type(order.order),
        "netFee": number(life.fees),
        "netRealizedPnl": number(life.gain),
        "netRealizedPnlPercent": optional(average(life.gain, life.cost) if life.cost else None),
        "time": iso(fill.created_at),
        "orderId": fill.order_id,
        "marketId": market.ticker,
        "marginMode": market.market_type,
    }
