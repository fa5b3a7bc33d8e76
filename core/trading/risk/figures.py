"""What rules look at, computed from what the ledger has: P&L of a day, drawdown, losses in a row.
Pure.

The P&L of a span is what its fills, fees and funding moved, plus what is open now at today's price,
less what was open at its begin at the price of that moment. Deposits, withdrawals and transfers
are in none of these. All that has to be remembered of a day's begin is therefore a price per
market; after a restart the rest follows from the fills.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from core.trading.risk.ask import PRECISION

Price = Callable[[str], Decimal | None]
"""The price of a market in USD; None where it is not known."""

ZERO = Decimal(0)


@dataclass(frozen=True)
class Line:
    """A strategy's share of a market. `size` is signed and 0 while it is flat; `settled`: realised
    P&L less fees, with funding, of all its life.
    """

    ticker: str
    strategy_id: int | None
    size: Decimal
    entry: Decimal
    settled: Decimal


@dataclass(frozen=True)
class Flow:
    """What one fill or funding payment moved: signed base units, and USDC with fees."""

    at: dt.datetime
    ticker: str
    strategy_id: int | None
    size: Decimal
    cash: Decimal


@dataclass(frozen=True)
class Result:
    """A closed trade, after fees and funding."""

    closed_at: dt.datetime
    strategy_id: int | None
    net: Decimal


@dataclass(frozen=True)
class Pending:
    """An order that may still open something: what is left of it, signed."""

    ticker: str
    strategy_id: int | None
    size: Decimal
    price: Decimal


@dataclass(frozen=True)
class DayPnl:
    """P&L since a moment; `value` is None while the prices of the markets in `missing` are."""

    value: Decimal | None
    missing: frozenset[str] = frozenset()


def sizes_at(
    begin: dt.datetime, lines: Iterable[Line], flows: Iterable[Flow]
) -> dict[str, Decimal]:
    """The net position by market at a moment, from the present one and the fills since."""
    sizes: dict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        sizes[line.ticker] += line.size
    for flow in flows:
        if flow.at >= begin:
            sizes[flow.ticker] -= flow.size
    return {ticker: size for ticker, size in sizes.items() if size}


def pnl_since(
    begin: dt.datetime, lines: Sequence[Line], flows: Sequence[Flow], now: Price, then: Price
) -> DayPnl:
    """Realised and open P&L less fees, with funding, since a moment. `now` and `then` price what is
    open now and what was open at the begin.
    """
    missing: set[str] = set()

    def worth(sizes: Iterable[tuple[str, Decimal]], price_of: Price) -> Decimal:
        total = ZERO
        for ticker, size in sizes:
            price = price_of(ticker)
            if price is None:
                missing.add(ticker)
            else:
                total += size * price
        return total

    with localcontext() as context:
        context.prec = PRECISION
        held = worth(((line.ticker, line.size) for line in lines), now)
        before = worth(sizes_at(begin, lines, flows).items(), then)
        moved = sum((flow.cash for flow in flows if flow.at >= begin), ZERO)
        if missing:
            return DayPnl(None, frozenset(missing))
        return DayPnl(held - before + moved)


def pnl_ever(lines: Iterable[Line], now: Price) -> Decimal:
    """All P&L so far, of closed trades and of open ones. A market without a price counts at its
    entry.
    """
    with localcontext() as context:
        context.prec = PRECISION
        total = ZERO
        for line in lines:
            price = now(line.ticker)
            total += line.settled + (ZERO if price is None else (price - line.entry) * line.size)
        return total


def drawdown_percent(peak: Decimal, pnl: Decimal, equity: Decimal) -> Decimal:
    """How far the equity lies below its peak, in percent of the peak. The peak is today's equity
    with what was lost since put back, so that transfers neither hide nor make a drawdown.
    """
    lost = peak - pnl
    if lost <= 0:
        return ZERO
    top = equity + lost
    with localcontext() as context:
        context.prec = PRECISION
        return Decimal(100) if top <= lost else lost / top * 100


def cooling_until(
    results: Iterable[Result], losses: int, minutes: int, since: dt.datetime | None
) -> dt.datetime | None:
    """When the last cool-down ends: it begins with the close that completes a row of losses, and
    the count begins anew after it. `since`: what closed before is forgiven. None where there was
    none.
    """
    until, row = None, 0
    for result in sorted(results, key=lambda one: one.closed_at):
        if since is not None and result.closed_at < since:
            continue
        row = row + 1 if result.net < 0 else 0
        if row >= losses:
            until, row = result.closed_at + dt.timedelta(minutes=minutes), 0
    return until
