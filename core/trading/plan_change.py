"""What a trader may change about the plan of an open position, one thing at a time."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.signals.alert import BreakEven, Level, Trailing


@dataclass(frozen=True)
class StopTo:
    """The stop stands here from now on; None takes out all that limits the loss, trailing and
    break-even too.
    """

    level: Level | None


@dataclass(frozen=True)
class TargetTo:
    """A target (by its id) lies here, or is taken out; without an id it is a new one. `fraction` of
    the position now; None: as it was, or what the others leave.
    """

    target_id: int | None
    level: Level | None
    fraction: Decimal | None = None


@dataclass(frozen=True)
class TrailBy:
    """The stop follows the price from now on, or no longer."""

    trailing: Trailing | None


@dataclass(frozen=True)
class EvenAt:
    """When the stop moves to break-even; None: never."""

    rule: BreakEven | None


@dataclass(frozen=True)
class ToEntry:
    """The stop moves to the entry at once."""


@dataclass(frozen=True)
class PlaceAgain:
    """A stop that was cancelled by hand shall rest on chain again."""


PlanChange = StopTo | TargetTo | TrailBy | EvenAt | ToEntry | PlaceAgain
