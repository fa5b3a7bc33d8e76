"""TradingView's position of a strategy against what the strategy holds. Pure.

Its way is always compared; its size only where the strategy is in sync mode, as elsewhere the size
is the trader's own and not the chart's.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from core.signals.alert import MarketPosition

LASTING: Final = dt.timedelta(seconds=30)

DriftState = Literal["agrees", "differs", "told", "ignored"]


@dataclass(frozen=True)
class Drift:
    """How a strategy's target stands; `since` is set while it differs."""

    state: DriftState
    since: dt.datetime | None = None


def way_of(held: Decimal) -> MarketPosition:
    """Which way a signed size lies."""
    if not held:
        return MarketPosition.FLAT
    return MarketPosition.LONG if held > 0 else MarketPosition.SHORT


def is_there(position: MarketPosition, size: Decimal | None, held: Decimal, step: Decimal) -> bool:
    """Whether `held` (signed) is what the chart shows; `size` None: its way alone counts. What
    rounding to the market's `step` leaves is no difference.
    """
    if way_of(held) is not position:
        return False
    return size is None or abs(abs(held) - size) < step


def advanced(drift: Drift, now: dt.datetime, *, there: bool, settled: bool) -> Drift:
    """The next state. A difference counts while nothing of the strategy is under way, and is to be
    told (state `told`) once it lasts. Once told or ignored it stays so until chart and chain agree.
    """
    if not settled:
        return Drift("agrees") if drift.state == "differs" else drift
    if there:
        return Drift("agrees")
    if drift.state == "agrees":
        return Drift("differs", now)
    if drift.state == "differs" and drift.since is not None and now - drift.since >= LASTING:
        return Drift("told", drift.since)
    return drift


def restarted(drift: Drift, before: MarketPosition, after: MarketPosition) -> Drift:
    """An alert named a target again: another way is another matter."""
    return drift if before is after else Drift("agrees")
