"""What the desk tells of limits, modes, zones and panics: plain typed values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from core.trading.risk.limits import Limits, Mode, ScopeKind


@dataclass(frozen=True)
class ZoneView:
    """Where a trader's days begin; `next_name` takes effect at `next_from`. `now` by its clocks."""

    name: str
    now: dt.datetime
    next_name: str | None = None
    next_from: dt.datetime | None = None


@dataclass(frozen=True)
class ScopeView:
    """A scope with its limits, its mode and its figures. `name` is what its trader calls it,
    `network` None for the whole bot. `today`: P&L of the day, None where no daily loss is set or
    not every price is known. `drawdown` in percent. `over`: the codes of limits that are reached
    now and refuse new entries; `until`: when the last of them is free again by itself. `waived`:
    the daily loss is switched off until the day ends.
    """

    kind: ScopeKind
    ref: int
    name: str
    network: str | None
    limits: Limits
    mode: Mode
    mode_reason: str | None
    mode_since: dt.datetime | None
    today: Decimal | None
    day_ends: dt.datetime
    drawdown: Decimal | None
    over: tuple[str, ...]
    until: dt.datetime | None
    waived: bool
    zone: ZoneView

    @property
    def resumable(self) -> bool:
        """Whether there is something to resume."""
        return self.mode is not Mode.ACTIVE or bool(self.over)


@dataclass(frozen=True)
class Found:
    """Something open in a market that a panic met: `size` signed base units, `ours` whether the bot
    made it.
    """

    ticker: str
    size: Decimal
    ours: bool


@dataclass(frozen=True)
class PanicAccountView:
    """How a panic stands in one account. `orders`: how many were to be cancelled, `foreign_orders`
    of them not the bot's, `orders_gone` proved gone. `positions` were to be closed, `still_open`
    are. `height`: the block whose committed state proves the account empty. `trouble`: a sentence
    about what keeps it.
    """

    account_id: int
    network: str
    address: str
    subaccount_number: int
    state: str
    orders: int
    foreign_orders: int
    orders_gone: int
    positions: tuple[Found, ...]
    still_open: tuple[Found, ...]
    height: int | None
    trouble: str | None


@dataclass(frozen=True)
class PanicView:
    """A panic as its message shows it. kind: panic, close_all, house. `by_admin`: an admin's panic
    of the whole bot reached this trader. `traders` and `traders_done` count a house's panics.
    """

    id: int
    trader_id: int
    kind: Literal["panic", "close_all", "house"]
    done: bool
    by_admin: bool
    message_id: int | None
    created_at: dt.datetime
    done_at: dt.datetime | None
    accounts: tuple[PanicAccountView, ...]
    traders: int = 0
    traders_done: int = 0


@dataclass(frozen=True)
class PanicPreview:
    """What a panic would meet, as far as the ledger knows."""

    accounts: int
    positions: int
    foreign_positions: int
    traders: int = 1
