"""Shares in the ledger: who holds what of a market, and what each fill and payment does to it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.dydx.protocol import Side
from core.ledger import books, positions
from core.ledger.models import Account, Position, Share
from core.trading.position_states import Cause
from core.trading.shares import (
    BY_HAND,
    ZERO,
    ShareBook,
    ShareClose,
    Trade,
    allot,
    close_of,
    fees_of,
    funding_of,
    holder,
    net,
    traded,
)

# what others ask


async def parts_in(account_id: int, ticker: str) -> dict[int, Decimal]:
    """The signed shares of a market by strategy (BY_HAND for what was made by hand); flat ones are
    left out. They add up to the open position.
    """
    rows = await books.shares_in(account_id, ticker)
    parts = {row.strategy_id: row.size for row in rows if row.size}
    if parts:
        return parts
    position = await positions.open_in(account_id, ticker)
    return {} if position is None else {position.strategy_id or BY_HAND: signed_size(position)}


async def share_of(account_id: int, ticker: str, strategy_id: int) -> Decimal:
    """What of a market belongs to a strategy, signed; 0 where it holds nothing."""
    return (await parts_in(account_id, ticker)).get(strategy_id, ZERO)


async def share_close(
    account_id: int, ticker: str, strategy_id: int, size: Decimal | None = None
) -> ShareClose | None:
    """The order that closes `size` (None: all) of a strategy's share, and how much of it may be
    reduce-only: the rest trades against opposite shares and enlarges the net position. None where
    it holds nothing.
    """
    return close_of(await parts_in(account_id, ticker), strategy_id, size)


def signed_size(position: Position) -> Decimal:
    """A position's size, negative for a SHORT."""
    return position.size if position.side == "LONG" else -position.size


# what the books do, inside their transaction


class Holders:
    """The shares of one market, in hand while a fill or a payment is booked."""

    def __init__(self, account: Account, ticker: str, rows: dict[int, Share]) -> None:
        self._account = account
        self._ticker = ticker
        self._rows = rows

    @classmethod
    async def load(cls, account: Account, ticker: str, position: Position | None) -> Holders:
        """Reads the shares of a market; those of a position that was there before shares were kept,
        or before the bot, are made from it.
        """
        rows = {row.strategy_id: row for row in await books.shares_in(account.id, ticker)}
        found = cls(account, ticker, rows)
        if position is not None and not any(row.size for row in rows.values()):
            await found._take_over(position)
        return found

    async def _take_over(self, position: Position) -> None:
        row = self._row(position.strategy_id or BY_HAND)
        row.size, row.entry_price = signed_size(position), position.entry_price
        row.realized_pnl += position.realized_pnl
        row.fees += position.fees
        row.funding += position.funding
        await books.save_share(row)
        await books.add_move(
            row,
            cause="found",
            change=row.size,
            realized_pnl=position.realized_pnl,
            fee=position.fees,
            funding=position.funding,
            at=position.opened_at,
        )
        await books.forget_balance(self._account.id)

    def _row(self, strategy_id: int) -> Share:
        if strategy_id not in self._rows:
            self._rows[strategy_id] = Share(
                account_id=self._account.id,
                partition=self._account.partition,
                ticker=self._ticker,
                strategy_id=strategy_id,
                size=ZERO,
                entry_price=ZERO,
                realized_pnl=ZERO,
                fees=ZERO,
                funding=ZERO,
            )
        return self._rows[strategy_id]

    @property
    def parts(self) -> dict[int, Decimal]:
        """The signed shares that are not flat."""
        return {key: row.size for key, row in self._rows.items() if row.size}

    def planner(self) -> int:
        """The strategy with the newest plan in the net position's direction; BY_HAND: none has."""
        total = net(self.parts)
        planned = [
            (row.planned_at, key)
            for key, row in self._rows.items()
            if row.planned_at is not None and row.size * total > 0
        ]
        return max(planned)[1] if planned else BY_HAND

    def plan_of(self, strategy_id: int) -> tuple[dict[str, Any] | None, int | None]:
        """The plan of a strategy's newest entry, and the intent that it came with."""
        row = self._rows.get(strategy_id)
        return (row.plan, row.plan_source) if row is not None else (None, None)

    def holder(self, favourite: int) -> int:
        """Whose the net position is: of the newest plan, else the favourite's, else the largest."""
        return holder(self.parts, self.planner(), favourite)

    async def book(
        self,
        *,
        side: Side,
        size: Decimal,
        price: Decimal,
        fee: Decimal,
        trade: Trade,
        step: Decimal,
        cause: Cause,
        fill_uuid: UUID,
        at: dt.datetime,
    ) -> None:
        """Books a fill on the shares that it changes."""
        changes = allot(self.parts, side, size, trade, step)
        fees = fees_of(changes, fee)
        for key, change in changes.items():
            row = self._row(key)
            before = book_of(row)
            after = traded(before, change, price, fees[key])
            _take(row, after)
            if not after.size:
                row.plan = row.planned_at = row.plan_source = None
            await books.save_share(row)
            await books.add_move(
                row,
                cause=cause,
                fill_uuid=fill_uuid,
                change=change,
                realized_pnl=after.realized_pnl - before.realized_pnl,
                fee=fees[key],
                funding=ZERO,
                at=at,
            )

    async def keep_plan(
        self, strategy_id: int, plan: Mapping[str, Any], at: dt.datetime, source: int | None
    ) -> None:
        """Remembers the plan of a strategy's newest entry, and the intent that it came with."""
        row = self._row(strategy_id)
        row.plan, row.planned_at, row.plan_source = dict(plan), at, source
        await books.save_share(row)

    async def pay(self, payment: Decimal, at: dt.datetime, holding: Mapping[int, Decimal]) -> None:
        """Books a funding payment on the shares that were held (`holding`) when it fell due."""
        for key, amount in funding_of(holding, payment).items():
            row = self._row(key)
            row.funding += amount
            await books.save_share(row)
            await books.add_move(
                row,
                cause="funding",
                change=ZERO,
                realized_pnl=ZERO,
                fee=ZERO,
                funding=amount,
                at=at,
            )

    async def adopt(self, strategy_id: int, at: dt.datetime) -> Decimal:
        """Gives what was made by hand to a strategy, at its entry price; its signed size. What it
        has brought so far stays where it was.
        """
        hand, mine = self._row(BY_HAND), self._row(strategy_id)
        size, price = hand.size, hand.entry_price
        for row, change in ((hand, -size), (mine, size)):
            before = book_of(row)
            after = traded(before, change, price, ZERO)
            _take(row, after)
            await books.save_share(row)
            await books.add_move(
                row,
                cause="adopted",
                change=change,
                realized_pnl=after.realized_pnl - before.realized_pnl,
                fee=ZERO,
                funding=ZERO,
                at=at,
            )
        return size


def book_of(row: Share) -> ShareBook:
    """A share as the rules compute with it."""
    return ShareBook(row.size, row.entry_price, row.realized_pnl, row.fees, row.funding)


def _take(row: Share, book: ShareBook) -> None:
    row.size, row.entry_price = book.size, book.entry_price
    row.realized_pnl, row.fees, row.funding = book.realized_pnl, book.fees, book.funding
