"""Fills become orders' progress, positions, shares and messages: one transaction per batch.

The same fill may come by stream, by REST after a reconnect and again after a restart; its id at the
indexer makes it count once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Final
from uuid import UUID

from core.dydx.indexer_types import IndexerFill
from core.dydx.protocol import Side
from core.events import (
    Event,
    PositionChangedByHand,
    PositionClosed,
    PositionForced,
    PositionLeft,
    SignalChanged,
)
from core.ledger import accounts, books, intents, orders, outbox, plans, positions, signals
from core.ledger.models import Account, Fill, Order, Position
from core.trading import states
from core.trading.books import PRECISION, Book, book_fill
from core.trading.fill_causes import Told, cause_of, close_reason, trade_of
from core.trading.parts import Parts
from core.trading.plan_rows import is_plan, set_plan
from core.trading.position_states import after, step_of
from core.trading.share_keeper import Holders, signed_size
from core.trading.shares import BY_HAND

_ONE: Final = Decimal(1)


@dataclass
class Batch:
    """What one transaction of fills touched."""

    touched_signals: set[UUID] = field(default_factory=set)
    orders: dict[int, Order] = field(default_factory=dict)
    position_ids: set[int] = field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        """Whether all fills were known already."""
        return not (self.orders or self.position_ids)


def book_of(position: Position) -> Book:
    """The open position of a row, as the books compute with it."""
    return Book(
        size=signed_size(position),
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
        batch, since = Batch(), self._account.since_height or 0
        known = await orders.known_fills([UUID(fill.id) for fill in fills])
        fresh = {
            fill.id: fill
            for fill in fills
            if UUID(fill.id) not in known and fill.created_at_height > since
        }
        if not fresh:
            return batch
        async with self._parts.ledger.executing():
            # its trader may have a strategy adopt what is being booked
            await accounts.lock(self._account.id)
            for fill in fresh.values():
                await self._book_one(await self._told(fill), batch)
            for signal_id in batch.touched_signals:
                await self._tell(SignalChanged(signal_id), f"card:{signal_id}", signal_id)
        return batch

    async def _tell(self, event: Event, key: str, signal_id: UUID | None) -> None:
        await outbox.put(
            self._account.trader_id,
            event,
            key=key,
            now=self._parts.clock.now(),
            signal_id=signal_id,
        )

    async def _told(self, fill: IndexerFill) -> Told:
        order = await orders.by_uuid(UUID(fill.order_id)) if fill.order_id else None
        intent = await intents.get(order.intent_id) if order and order.intent_id else None
        return Told(fill, order, intent, cause_of(fill, order))

    async def _book_one(self, told: Told, batch: Batch) -> None:
        fill, order = told.fill, told.order
        position = await positions.open_in(self._account.id, fill.ticker)
        minded = position is not None and await self._is_minded(position)
        holders = await self._book_shares(told, position)
        booked = book_fill(
            book_of(position) if position else None,
            Side(fill.side),
            fill.size,
            fill.price,
            fill.fee,
        )
        touched = position
        if position is not None:
            await self._update(position, booked.after, told, holders)
            batch.position_ids.add(position.id)
            if position.signal_id:
                batch.touched_signals.add(position.signal_id)
        if booked.opened is not None:
            touched = await self._open(booked.opened, told, holders)
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
        await self._store(fill, order, position or touched)
        if position is not None and position.state == "open":
            await self._tell_change(position, told, minded=minded)

    async def _store(self, fill: IndexerFill, order: Order | None, position: Position) -> None:
        await orders.add_fill(
            Fill(
                fill_uuid=UUID(fill.id),
                account_id=self._account.id,
                order_id=order.id if order else None,
                order_uuid=UUID(fill.order_id) if fill.order_id else None,
                position_id=position.id,
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

    async def _tell_change(self, position: Position, told: Told, *, minded: bool) -> None:
        """Says what changed an open position besides the bot's own orders."""
        fill = told.fill
        if told.cause in ("liquidated", "deleveraged"):
            await self._tell(
                PositionForced(position.id, told.cause),
                f"forced:{position.id}:{fill.created_at_height}",
                position.signal_id,
            )
        elif told.cause == "by_hand" and minded:
            await self._tell(
                PositionChangedByHand(position.id, format(fill.signed_size, "f")),
                f"by_hand:{fill.id}",
                position.signal_id,
            )

    async def _is_minded(self, position: Position) -> bool:
        """Whether a change by hand concerns the bot: its own position, or one that it watches."""
        if not position.external:
            return True
        plan = await plans.protection(position.id)
        return plan is not None and plan.state != "done"

    # shares

    async def _book_shares(self, told: Told, position: Position | None) -> Holders:
        fill = told.fill
        holders = await Holders.load(self._account, fill.ticker, position)
        belongs = position
        if belongs is None and told.order is not None and told.order.position_id is not None:
            belongs = await positions.get(told.order.position_id)
        trade = trade_of(told, belongs, holders.planner())
        market = self._parts.venue.stream.markets.get(fill.ticker)
        exponent = min(int(fill.size.as_tuple().exponent), 0)
        await holders.book(
            side=Side(fill.side),
            size=fill.size,
            price=fill.price,
            fee=fill.fee,
            trade=trade,
            step=market.step_size if market is not None else _ONE.scaleb(exponent),
            cause=told.cause,
            fill_uuid=UUID(fill.id),
            at=fill.created_at,
        )
        if told.plan is not None and is_plan(told.plan) and trade.strategy_id in holders.parts:
            await holders.keep_plan(trade.strategy_id, told.plan, fill.created_at, told.source)
        return holders

    # orders

    async def _advance(self, order: Order, fill: IndexerFill) -> None:
        """The order's sums and, where the fill proves one, its next state."""
        with localcontext() as context:
            context.prec = PRECISION
            size = order.filled_size + fill.size
            quote = order.filled_quote + fill.size * fill.price
        await orders.set_filled(order, size, quote)
        state = "filled" if size >= order.size else "partially_filled"
        if state == order.state or order.state in states.TERMINAL:
            return
        states.check_transition(order.state, state)
        # When it was proved: a block's time lies about a block before its commit, and so often
        # before the order was sent.
        now = self._parts.clock.now()
        done = {"resolved_at": now} if state == "filled" else {}
        await orders.append_transition(
            order,
            state,
            f"fill {fill.id} at height {fill.created_at_height}",
            self._parts.ledger.epoch,
            now,
            **done,
        )

    # positions

    async def _update(self, position: Position, now: Book, told: Told, holders: Holders) -> None:
        fill, before = told.fill, signed_size(position)
        step = step_of(before, now.size)
        state = after(position.state, step)
        values: dict[str, object] = {
            "state": state,
            "size": abs(now.size),
            "max_size": now.max_size,
            "entry_price": now.entry_price,
            "closed_size": now.closed_size,
            "exit_price": now.exit_price,
            "realized_pnl": now.realized_pnl,
            "fees": now.fees,
        }
        if step == "enlarged":
            values["enlarged_at"] = fill.created_at
        if step == "closed":
            values |= {"closed_at": fill.created_at, "close_reason": close_reason(told)}
        await positions.change(position, **values)
        await self._append(position, step, told, now.size - before, now.size)
        if step == "closed":
            await plans.set_state(position.id, "done")
            await self._tell(
                PositionClosed(position.id), f"closed:{position.id}", position.signal_id
            )
            return
        passed = await self._pass_on(position, told, holders)
        if step == "enlarged" and told.order is not None and not passed:
            await self._lay(position, told.plan, told.source)

    async def _pass_on(self, position: Position, told: Told, holders: Holders) -> bool:
        """Gives a position to who holds it now, with his plan; False where it stays whose it was.

        A strategy's plan goes with its last part; what then is left was made by hand, or of a
        strategy without a plan. The plan of what was made by hand stays until another one comes.
        """
        was = position.strategy_id or BY_HAND
        now = holders.holder(was)
        if now == was:
            return False
        await positions.change(position, strategy_id=now or None, external=now == BY_HAND)
        size = signed_size(position)
        await self._append(position, "passed", None, Decimal(0), size, told.evidence)
        plan, source = holders.plan_of(now)
        if plan is not None:
            await self._lay(position, plan, source)
            return True
        if was == BY_HAND:
            return True
        await plans.set_state(position.id, "done")
        if now == BY_HAND:
            await self._tell(
                PositionLeft(position.id), f"left:{position.id}:{told.fill.id}", position.signal_id
            )
        return True

    async def _open(self, opened: Book, told: Told, holders: Holders) -> Position:
        fill, order = told.fill, told.order
        favourite = told.strategy_id or BY_HAND
        held_by = holders.holder(favourite)
        own = held_by == favourite
        position = await positions.add(
            account_id=self._account.id,
            partition=self._account.partition,
            strategy_id=held_by or None,
            signal_id=order.signal_id if order is not None and own else None,
            ticker=fill.ticker,
            side=opened.side,
            state=after("none", "opened"),
            external=held_by == BY_HAND and order is None,
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
        await self._append(position, "opened", told, opened.size, opened.size)
        plan = (told.plan, told.source) if own else holders.plan_of(held_by)
        await self._lay(position, *plan)
        return position

    async def _append(
        self,
        position: Position,
        step: str,
        told: Told | None,
        change: Decimal,
        size: Decimal,
        evidence: str = "",
    ) -> None:
        """A step of a position's state machine, with what proves it."""
        await books.add_step(
            position_id=position.id,
            step=step,
            cause=told.cause if told is not None else "order",
            change=change,
            size=size,
            fill_uuid=UUID(told.fill.id) if told is not None else None,
            evidence=told.evidence if told is not None else evidence,
            epoch=self._parts.ledger.epoch,
            at=told.fill.created_at if told is not None else self._parts.clock.now(),
        )

    async def _lay(
        self, position: Position, plan: dict[str, object] | None, source: int | None
    ) -> None:
        market = self._parts.venue.stream.markets.get(position.ticker)
        await set_plan(position, plan, market, source)
