"""What of a market's net position belongs to which strategy. Pure; the ledger keeps what comes out.

The chain knows one signed position per account and market. The ledger splits it into shares: one of
each strategy, and one of what was made by hand (`BY_HAND`). They always add up to the net position,
and may have opposite signs: long 1 of one strategy and short 1 of another are flat on chain.

Whose share a fill changes:

* An order of a strategy that may open: that strategy's share, by all of the fill.
* A reduce-only order (a strategy's close, a plan, a button): first the share of who asked for it,
  of a plan its owner; then the other strategies' pro rata; what was made by hand last.
* A trade by hand: as far as it reduces the net position, first what was made by hand, then the
  plan's owner, then the others pro rata. The rest of it is made by hand.
* Liquidation and deleveraging: all shares in the position's direction pro rata.

Only shares in the net position's direction are reduced; together they are never smaller than it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Final, Literal

from core.dydx.protocol import Side
from core.trading.books import PRECISION, Book, book_fill

BY_HAND: Final = 0
ZERO: Final = Decimal(0)

By = Literal["strategy", "position", "hand", "chain"]


@dataclass(frozen=True)
class ShareBook:
    """A share: signed `size` with its average `entry_price` (0 while flat), and sums in USDC."""

    size: Decimal = ZERO
    entry_price: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO

    @property
    def cash(self) -> Decimal:
        """What the share has moved in the account's USDC so far."""
        return self.realized_pnl - self.fees + self.funding - self.size * self.entry_price


@dataclass(frozen=True)
class Trade:
    """How a fill came about. `by`: an order of a strategy that may open, a reduce-only order
    ("position"), a hand, or the chain itself. `strategy_id`: who ordered it, or whose plan covers
    the position; BY_HAND where nobody's.
    """

    by: By
    strategy_id: int = BY_HAND


@dataclass(frozen=True)
class ShareClose:
    """An order that closes (a part of) a share. Only `reduce_only` of its `size` reduces the net
    position and may be sent as a reduce-only order. The rest trades against other shares: it
    enlarges the position on chain, so that it needs an order that may open, and free collateral.
    """

    side: Side
    size: Decimal
    reduce_only: Decimal

    @property
    def opening(self) -> Decimal:
        """What of it cannot be reduce-only."""
        return self.size - self.reduce_only


def net(parts: Mapping[int, Decimal]) -> Decimal:
    """The signed position that shares add up to."""
    return sum(parts.values(), ZERO)


def close_of(
    parts: Mapping[int, Decimal], strategy_id: int, size: Decimal | None = None
) -> ShareClose | None:
    """The order that closes `size` (unsigned; None: all) of a strategy's share, at most to flat;
    None where it holds nothing.
    """
    share = parts.get(strategy_id, ZERO)
    if not share:
        return None
    wanted = abs(share) if size is None else min(size, abs(share))
    total = net(parts)
    same = share * total > 0
    return ShareClose(
        side=Side.SELL if share > 0 else Side.BUY,
        size=wanted,
        reduce_only=min(wanted, abs(total)) if same else ZERO,
    )


def allot(
    parts: Mapping[int, Decimal], side: Side, size: Decimal, trade: Trade, step: Decimal
) -> dict[int, Decimal]:
    """The signed change of each share by a fill, by the rules above; they add up to the fill.

    `step` is the market's smallest size: parts are divided in whole steps.
    """
    signed = side.sign * size
    if trade.by == "strategy":
        return {trade.strategy_id: signed}
    total = net(parts)
    reducing = min(size, abs(total)) if total * signed < 0 else ZERO
    held = {key: abs(part) for key, part in parts.items() if part * total > 0}
    taken = _reduce(held, reducing, trade, step)
    rest = size - reducing
    if rest:
        opener = trade.strategy_id if trade.by == "position" else BY_HAND
        taken[opener] = taken.get(opener, ZERO) + rest
    return {key: side.sign * amount for key, amount in taken.items() if amount}


def _reduce(
    held: Mapping[int, Decimal], amount: Decimal, trade: Trade, step: Decimal
) -> dict[int, Decimal]:
    """Takes `amount` of what is held, in the order of turns of a trade."""
    others = [key for key in sorted(held) if key not in (BY_HAND, trade.strategy_id)]
    turns: Sequence[Sequence[int]]
    if trade.by == "chain":
        turns = [sorted(held)]
    elif trade.by == "hand":
        turns = [[BY_HAND], [trade.strategy_id], others]
    else:
        turns = [[trade.strategy_id], others, [BY_HAND]]
    taken: dict[int, Decimal] = {}
    left = amount
    for turn in turns:
        room = {key: held[key] for key in turn if key in held and key not in taken}
        got = divided(room, min(left, sum(room.values(), ZERO)), step)
        left -= sum(got.values(), ZERO)
        taken |= got
    return taken


def divided(room: Mapping[int, Decimal], amount: Decimal, step: Decimal) -> dict[int, Decimal]:
    """`amount` pro rata over `room` (unsigned, at least `amount` together), in whole steps as far
    as that goes; what is left over goes step by step to the largest remainders.
    """
    total = sum(room.values(), ZERO)
    if not amount or not total:
        return dict.fromkeys(room, ZERO)
    with localcontext() as context:
        context.prec = PRECISION
        exact = {key: amount * part / total for key, part in room.items()}
        got = {
            key: min(room[key], (value / step).to_integral_value(ROUND_DOWN) * step)
            for key, value in exact.items()
        }
        left = amount - sum(got.values(), ZERO)
        by_remainder = sorted(room, key=lambda key: (got[key] - exact[key], key))
        while left > 0:
            for key in by_remainder:
                more = min(step, left, room[key] - got[key])
                got[key] += more
                left -= more
        return got


def fees_of(changes: Mapping[int, Decimal], fee: Decimal) -> dict[int, Decimal]:
    """A fill's fee by the sizes that it changed; the last one bears what rounding leaves."""
    return _spread(fee, {key: abs(change) for key, change in changes.items()})


def funding_of(parts: Mapping[int, Decimal], payment: Decimal) -> dict[int, Decimal]:
    """A funding payment of the net position, by signed shares: one against the position receives
    what the others pay for it. Without a position it is nobody's: made by hand.
    """
    holders = {key: part for key, part in parts.items() if part}
    if not net(holders):
        return {BY_HAND: payment}
    return _spread(payment, holders)


def _spread(amount: Decimal, weights: Mapping[int, Decimal]) -> dict[int, Decimal]:
    total = sum(weights.values(), ZERO)
    *first, last = weights
    with localcontext() as context:
        context.prec = PRECISION
        spread = {key: amount * weights[key] / total for key in first}
        spread[last] = amount - sum(spread.values(), ZERO)
    return spread


def traded(book: ShareBook, change: Decimal, price: Decimal, fee: Decimal) -> ShareBook:
    """A share after a fill changed it by `change` (signed)."""
    held = (
        Book(book.size, abs(book.size), book.entry_price, ZERO, None, ZERO, ZERO)
        if book.size
        else None
    )
    side = Side.BUY if change > 0 else Side.SELL
    booked = book_fill(held, side, abs(change), price, fee)
    now = booked.opened or booked.after
    with localcontext() as context:
        context.prec = PRECISION
        return replace(
            book,
            size=now.size,
            entry_price=now.entry_price if now.size else ZERO,
            realized_pnl=book.realized_pnl + booked.after.realized_pnl,
            fees=book.fees + fee,
        )


def holder(parts: Mapping[int, Decimal], *favourites: int) -> int:
    """Whose position it is that shares add up to: the first of `favourites` that has a part in its
    direction, else the strategy with the largest one; BY_HAND only where no strategy has any.
    """
    total = net(parts)
    ours = {key: abs(part) for key, part in parts.items() if part * total > 0 and key != BY_HAND}
    for key in favourites:
        if key in ours:
            return key
    return min(ours, key=lambda key: (-ours[key], key)) if ours else BY_HAND
