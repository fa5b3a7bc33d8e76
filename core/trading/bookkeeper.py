"""Fills become orders' progress, positions and messages: one transaction per batch of fills.

The same fill may come by stream, by REST after a reconnect and again after a restart; its id at the
indexer makes it count once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from uuid import UUID

from core import failpoints
from core.dydx.indexer_types import IndexerFill
from core.dydx.protocol import Side
from core.events import Event, PositionChangedByHand, PositionClosed, SignalChanged
from core.ledger import intents, orders, outbox, positions, signals
from core.ledger.models import Account, Fill, Intent, Order, Position
from core.trading import states
from core.trading.books import PRECISION, Book, book_fill
from core.trading.parts import Parts
from core.trading.plan import level_from_json, level_price

_FORCED = {
    "LIQUIDATED": "liquidated",
    "LIQUIDATION": "liquidated",
    "DELEVERAGED": "deleveraged",
    "OFFSETTING": "deleveraged",
}


@dataclass
class Batch:
    """What one transaction of fills touched."""

    touched_signals: set[UUID] = field(default_factory=set)
    orders: dict[int, Order] = field(default_factory=dict)
    position_ids: set[int] = field(default_factory=set)


def book_of(position: Position) -> Book:
    """The open position of a row, as the books compute with it."""
    return Book(
        size=position.size if position.side == "LONG" else -position.size,
        max_size=position.max_size,
        entry_price=position.entry_price,
        closed_size=position.closed_size,
        exit_price=position.exit_price,
        realized_pnl=position.realized_pnl,
        fees=position.fees,
    )


class Bookkeeper:
    """Books fills of one account. The lane calls it one batch at a time, under its lock."""

    def __init__(self, account: Account, parts: Parts) -> None:
        self._account = account
        self._parts = parts

    async def book(self, fills: Sequence[IndexerFill]) -> Batch:
        """Books what is new among `fills` (oldest first)."""
        batch = Batch()
        async with self._parts.ledger.executing():
            known = await orders.known_fills([UUID(fill.id) for fill in fills])
            fresh = [
                fill
                for fill in fills
                if UUID(fill.id) not in known and await self._concerns_us(fill)
            ]
            for fill in fresh:
                await self._book_one(fill, batch)
                failpoints.hit("fills_booking")
            for signal_id in batch.touched_signals:
                await self._tell(SignalChanged(signal_id), f"card:{signal_id}", signal_id)
        if fresh:
            failpoints.hit("fills_booked")
        return batch

    async def _concerns_us(self, fill: IndexerFill) -> bool:
        """Whether a fill came after the account was connected, or is of an order of ours.

        A block's time lies up to a block before its commit, and our clock may be ahead of the
        chain's: the time alone would drop the fill of an order that was sent at once.
        """
        if fill.created_at >= self._account.created_at:
            return True
        return bool(fill.order_id) and await orders.by_uuid(UUID(fill.order_id)) is not None

    async def _tell(self, event: Event, key: str, signal_id: UUID | None) -> None:
        await outbox.put(
            self._account.trader_id,
            event,
            key=key,
            now=self._parts.clock.now(),
            signal_id=signal_id,
        )

    async def _book_one(self, fill: IndexerFill, batch: Batch) -> None:
        order = await orders.by_uuid(UUID(fill.order_id)) if fill.order_id else None
        intent = await intents.get(order.intent_id) if order and order.intent_id else None
        position = await positions.open_in(self._account.id, fill.ticker)
        booked = book_fill(
            book_of(position) if position else None,
            Side(fill.side),
            fill.size,
            fill.price,
            fill.fee,
        )
        touched = position
        if position is not None:
            await self._update(
                position,
                booked.after,
                fill,
                order,
                intent,
                bool(booked.opening_size and not booked.opened),
            )
            batch.position_ids.add(position.id)
            if position.signal_id:
                batch.touched_signals.add(position.signal_id)
        if booked.opened is not None:
            touched = await self._open(booked.opened, fill, order, intent)
            batch.position_ids.add(touched.id)
        assert touched is not None
        if order is not None:
            await self._advance(order, fill)
            batch.orders[order.id] = order
            if order.position_id is None:
                await orders.attach_position(order, touched.id)
            if order.signal_id is not None:
                batch.touched_signals.add(order.signal_id)
                await signals.attach_position(order.signal_id, touched.id)
        elif fill.type == "LIMIT" and await self._is_minded(touched):
            sign = Side(fill.side).sign
            await self._tell(
                PositionChangedByHand(touched.id, format(sign * fill.size, "f")),
                f"by_hand:{fill.id}",
                touched.signal_id,
            )
        await orders.add_fill(
            Fill(
                fill_uuid=UUID(fill.id),
                account_id=self._account.id,
                order_id=order.id if order else None,
                order_uuid=UUID(fill.order_id) if fill.order_id else None,
                position_id=(position or touched).id,
                ticker=fill.ticker,
                side=fill.side,
                kind=fill.type,
                liquidity=fill.liquidity,
                size=fill.size,
                price=fill.price,
                fee=fill.fee,
                height=fill.created_at_height,
                at=fill.created_at,
            )
        )

    async def _is_minded(self, position: Position) -> bool:
        """Whether a change by hand concerns the bot: its own position, or one that it watches."""
        return not position.external or await positions.protection(position.id) is not None

    async def _advance(self, order: Order, fill: IndexerFill) -> None:
        """The order's sums and, where the fill proves one, its next state."""
        with localcontext() as context:
            context.prec = PRECISION
            size = order.filled_size + fill.size
            quote = order.filled_quote + fill.size * fill.price
        await orders.set_filled(order, size, quote)
        after = "filled" if size >= order.size else "partially_filled"
        if after == order.state or order.state in states.TERMINAL:
            return
        states.check_transition(order.state, after)
        # When it was proved: a block's time lies about a block before its commit, and so often
        # before the order was sent.
        now = self._parts.clock.now()
        done = {"resolved_at": now} if after == "filled" else {}
        await orders.append_transition(
            order,
            after,
            f"fill {fill.id} at height {fill.created_at_height}",
            self._parts.ledger.epoch,
            now,
            **done,
        )

    async def _update(
        self,
        position: Position,
        after: Book,
        fill: IndexerFill,
        order: Order | None,
        intent: Intent | None,
        enlarged: bool,
    ) -> None:
        values: dict[str, object] = {
            "size": abs(after.size),
            "max_size": after.max_size,
            "entry_price": after.entry_price,
            "closed_size": after.closed_size,
            "exit_price": after.exit_price,
            "realized_pnl": after.realized_pnl,
            "fees": after.fees,
        }
        if enlarged:
            values["enlarged_at"] = fill.created_at
        if after.size == 0:
            values |= {
                "state": "closed",
                "closed_at": fill.created_at,
                "close_reason": _close_reason(fill, order, intent),
            }
        await positions.change(position, **values)
        if after.size == 0:
            await positions.set_protection_state(position.id, "done")
            await self._tell(
                PositionClosed(position.id), f"closed:{position.id}", position.signal_id
            )
        elif enlarged and order is not None:
            await self._set_plan(position, intent)

    async def _open(
        self, opened: Book, fill: IndexerFill, order: Order | None, intent: Intent | None
    ) -> Position:
        payload = intent.payload if intent else {}
        position = await positions.add(
            account_id=self._account.id,
            partition=self._account.partition,
            strategy_id=payload.get("strategy_id"),
            signal_id=order.signal_id if order else None,
            ticker=fill.ticker,
            side=opened.side,
            state="open",
            external=order is None,
            size=abs(opened.size),
            max_size=opened.max_size,
            entry_price=opened.entry_price,
            exit_price=None,
            closed_size=Decimal(0),
            realized_pnl=Decimal(0),
            fees=opened.fees,
            version=1,
            close_reason=None,
            opened_at=fill.created_at,
            enlarged_at=fill.created_at,
            closed_at=None,
        )
        await self._set_plan(position, intent)
        return position

    async def _set_plan(self, position: Position, intent: Intent | None) -> None:
        """The plan's prices from the intent's levels and the position's average entry."""
        plan = (intent.payload.get("plan") if intent else None) or {}
        market = self._parts.venue.stream.markets.get(position.ticker)
        tick = market.tick_size if market else Decimal("0.000001")
        long = position.side == "LONG"
        entry = position.entry_price
        take_profit = level_price(
            level_from_json(plan.get("take_profit")), long=long, above=True, entry=entry, tick=tick
        )
        stop_loss = level_price(
            level_from_json(plan.get("stop_loss")), long=long, above=False, entry=entry, tick=tick
        )
        if take_profit is not None or stop_loss is not None:
            await positions.set_plan(position.id, take_profit, stop_loss)


def _close_reason(fill: IndexerFill, order: Order | None, intent: Intent | None) -> str:
    if fill.type in _FORCED:
        return _FORCED[fill.type]
    if order is None:
        return "by_hand"
    if order.purpose in ("take_profit", "stop_loss"):
        return order.purpose
    return intent.source if intent else "signal"
