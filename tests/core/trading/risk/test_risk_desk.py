"""Limits, modes and zones at the desk: who may set what, and what resuming means."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from core.clock import SystemRandom
from core.events import Bell
from core.ledger.models import Position, Strategy, Trader
from core.trading.office import DeskSettings, Office, StrategyBook
from core.trading.people import view_of_trader
from core.trading.risk.desk import RiskDesk
from core.trading.risk.limits import Limits, Mode, ScopeKind, account_scope
from core.trading.views import DeskError, TraderView
from tests.core.trading.risk.risk_room import D, Room, risk_room

ACCOUNT, STRATEGY, BOT = ScopeKind.ACCOUNT, ScopeKind.STRATEGY, ScopeKind.BOT


@dataclass
class Counter:
    """The desk beside the room that it works in."""

    room: Room
    desk: RiskDesk
    trader: TraderView
    book: StrategyBook

    def reopen(self) -> None:
        """The desk on the firewall of after a restart."""
        room, nothing = self.room, None
        lanes: Any = room.lanes
        parts: dict[str, Any] = {"vault": nothing, "venues": {"paper": room.place}}
        office = Office(
            ledger=room.ledger,
            lanes=lanes,
            clock=room.clock,
            random=SystemRandom(),
            outbox_bell=Bell(),
            settings=DeskSettings(""),
            firewall=room.firewall,
            strategy_book=self.book,
            **parts,
        )
        self.desk = RiskDesk(office)


@pytest.fixture
async def counter(sqlite_ledger_url: str) -> AsyncIterator[Counter]:
    async with risk_room(sqlite_ledger_url) as room:
        nothing: Any = None
        made = Counter(room, nothing, view_of_trader(room.trader), StrategyBook())
        await made.book.load()
        room.firewall._strategy_of = made.book.by_id
        room.place.tickers = lambda: ("BTC-USD", "ETH-USD")  # type: ignore[attr-defined]
        made.reopen()
        yield made


async def test_a_trader_sees_his_scopes_and_an_admin_the_bot_first(counter: Counter) -> None:
    names = [(one.kind, one.name) for one in await counter.desk.risk_scopes(counter.trader)]
    assert names == [(ACCOUNT, "dydx1test · subaccount 0"), (STRATEGY, "trend")]
    await Trader.filter(id=counter.trader.id).update(role="admin")
    scopes = await counter.desk.risk_scopes(counter.trader)
    assert [one.kind for one in scopes] == [BOT, ACCOUNT, STRATEGY]


async def test_nobody_sets_limits_for_others(counter: Counter) -> None:
    other = await Trader.create(
        telegram_id=2, name="Bob", role="trader", created_at=counter.room.clock.now()
    )
    bob = view_of_trader(other)
    for kind, ref in ((ACCOUNT, 1), (STRATEGY, 1), (ACCOUNT, 99), (STRATEGY, 99)):
        for work in (
            counter.desk.risk_scope(bob, kind, ref),
            counter.desk.change_limit(bob, kind, ref, "daily_loss", "1"),
            counter.desk.set_risk_mode(bob, kind, ref, Mode.HALTED),
            counter.desk.resume_risk(bob, kind, ref),
        ):
            with pytest.raises(DeskError) as refused:
                await work
            assert refused.value.code == "unknown_scope"
    with pytest.raises(DeskError) as refused:
        await counter.desk.set_risk_mode(counter.trader, BOT, 0, Mode.HALTED)
    assert refused.value.code == "not_admin"
    assert await counter.room.code() is None


async def test_a_limit_is_set_kept_and_lifted(counter: Counter) -> None:
    view = await counter.desk.change_limit(counter.trader, ACCOUNT, 1, "max_order", "50")
    assert view.limits == Limits(max_order=D(50))
    await counter.room.restart()
    assert await counter.room.code() == "max_order"
    counter.reopen()
    lifted = await counter.desk.change_limit(counter.trader, ACCOUNT, 1, "max_order", "none")
    assert lifted.limits == Limits()
    assert await counter.room.code() is None


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [("max_order", "lots", "value_invalid"), ("markets", "DOGE2-USD", "symbol_unknown")],
)
async def test_what_cannot_be_a_limit_changes_nothing(
    counter: Counter, field: str, text: str, code: str
) -> None:
    with pytest.raises(DeskError) as refused:
        await counter.desk.change_limit(counter.trader, ACCOUNT, 1, field, text)
    assert refused.value.code == code
    assert (await counter.desk.risk_scope(counter.trader, ACCOUNT, 1)).limits == Limits()


async def test_a_strategys_position_and_markets_stay_its_own_fields(counter: Counter) -> None:
    await counter.desk.change_limit(counter.trader, STRATEGY, 1, "max_position", "50")
    view = await counter.desk.change_limit(counter.trader, STRATEGY, 1, "markets", "ETH-USD")
    assert (view.limits.max_position, view.limits.markets) == (D(50), ("ETH-USD",))
    row = await Strategy.get(id=1)
    assert (row.max_position_usd, row.allowed_symbols) == (D(50), ["ETH-USD"])
    assert await counter.room.code() == "symbol_not_allowed"
    await counter.desk.change_limit(counter.trader, STRATEGY, 1, "markets", "none")
    assert await counter.room.code() == "max_position"


async def test_resuming_a_daily_loss_holds_until_the_day_ends(counter: Counter) -> None:
    room = counter.room
    await counter.desk.change_limit(counter.trader, ACCOUNT, 1, "daily_loss", "100")
    await room.fill("10", "100")
    room.place.prices["BTC-USD"] = "80"
    view = await counter.desk.risk_scope(counter.trader, ACCOUNT, 1)
    assert (view.today, view.over, view.resumable) == (D(-200), ("daily_loss",), True)
    assert view.until == view.day_ends
    resumed = await counter.desk.resume_risk(counter.trader, ACCOUNT, 1)
    assert (resumed.over, resumed.waived) == ((), True)
    await room.restart()
    assert await room.code() is None
    room.clock.move(hours=12)
    await room.watch.tick()
    room.place.prices["BTC-USD"] = "60"
    assert await room.code() == "daily_loss"


async def test_resuming_a_drawdown_counts_from_the_equity_of_now(counter: Counter) -> None:
    room = counter.room
    await counter.desk.change_limit(counter.trader, ACCOUNT, 1, "drawdown", "10")
    await room.fill("10", "100")
    await room.watch.tick()
    room.place.prices["BTC-USD"] = "80"
    await room.watch.tick()
    view = await counter.desk.risk_scope(counter.trader, ACCOUNT, 1)
    assert (view.mode, view.mode_reason, view.over) == (Mode.HALTED, "drawdown", ("drawdown",))
    assert view.until is None  # by hand only
    await counter.desk.resume_risk(counter.trader, ACCOUNT, 1)
    await room.watch.tick()
    assert await room.code() is None
    room.place.prices["BTC-USD"] = "71"
    await room.watch.tick()
    assert await room.code() == "halted"


async def test_resuming_forgives_losses_in_a_row(counter: Counter) -> None:
    room = counter.room
    await counter.desk.change_limit(counter.trader, STRATEGY, 1, "losses", "1, 60")
    room.clock.move(seconds=1)
    await room.closed("-1")
    assert (await counter.desk.risk_scope(counter.trader, STRATEGY, 1)).over == ("cool_down",)
    room.clock.move(seconds=1)
    await counter.desk.resume_risk(counter.trader, STRATEGY, 1)
    assert await room.code() is None
    await room.closed("-1")
    assert await room.code() == "cool_down"
    assert await Position.all().count() == 2


async def test_a_mode_is_set_by_hand_and_kept(counter: Counter) -> None:
    await counter.desk.set_risk_mode(counter.trader, ACCOUNT, 1, Mode.REDUCING)
    await counter.room.restart()
    assert await counter.room.code() == "reducing"
    scope = counter.room.firewall.scopes.get(account_scope(1))
    assert (scope.mode_reason, scope.mode_since) == ("by_hand", counter.room.clock.now())


async def test_a_zone_is_chosen_kept_and_takes_effect_when_the_day_ends(counter: Counter) -> None:
    with pytest.raises(DeskError) as refused:
        await counter.desk.set_zone(counter.trader, "Europe/Berln")
    assert refused.value.code == "zone_unknown"
    assert "Europe/Berlin" in refused.value.text
    chosen = await counter.desk.set_zone(counter.trader, "new york")
    after = dt.datetime(2026, 7, 2, 4, tzinfo=dt.UTC)
    assert (chosen.name, chosen.next_name, chosen.next_from) == ("UTC", "America/New_York", after)
    await counter.room.restart()
    counter.reopen()
    assert (await counter.desk.zone(counter.trader)).next_name == "America/New_York"
    view = await counter.desk.risk_scope(counter.trader, ACCOUNT, 1)
    assert view.day_ends == after  # the running day goes on
    counter.room.clock.move(hours=16)
    await counter.room.watch.tick()
    zone = await counter.desk.zone(counter.trader)
    assert (zone.name, zone.next_name) == ("America/New_York", None)
