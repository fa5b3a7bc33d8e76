"""What an alert meets, and what is raised where it can mean nothing there."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from core.signals.alert import Level, MarketPosition, Size


class Unmeant(Exception):
    """The alert can have no effect here; nothing may be sent. `code` is stable, `text` a
    sentence.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True)
class Situation:
    """What an alert meets. `position`: signed coins held by the strategy in this market; `price`
    and `equity` in USD, None where unknown; `default_size` and `stop_loss` are the strategy's, used
    where the alert has none; `sync` its setting.
    """

    position: Decimal
    price: Decimal | None = None
    equity: Decimal | None = None
    default_size: Size | None = None
    sync: bool = False
    stop_loss: Level | None = None


def way_of(position: Decimal) -> MarketPosition:
    """Which way a signed position lies."""
    if position == 0:
        return MarketPosition.FLAT
    return MarketPosition.LONG if position > 0 else MarketPosition.SHORT


def opposite(way: MarketPosition) -> MarketPosition:
    """The other way; flat for flat."""
    return {
        MarketPosition.LONG: MarketPosition.SHORT,
        MarketPosition.SHORT: MarketPosition.LONG,
        MarketPosition.FLAT: MarketPosition.FLAT,
    }[way]
