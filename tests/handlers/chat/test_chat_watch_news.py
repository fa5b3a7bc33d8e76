"""What was found and not asked for: gaps, drift with its buttons, markets, lost keys."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from core.events import DriftFound, GapFound, KeyBack, KeyLost, MarketChanged
from core.signals.alert import MarketPosition
from core.trading.views import ChartView, TraderView
from handlers.chat.drift_buttons import SyncButton
from tests.handlers.chat.chat_world import START, ChatWorld, chat_world


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


def chart(world: ChatWorld, trader: TraderView, number: int = 1, **values: object) -> ChartView:
    """A strategy whose chart is long while it is flat."""
    view = ChartView(
        id=number,
        strategy_id=number,
        strategy_name=f"trend-{number}",
        network="testnet",
        ticker="BTC-USD",
        position=MarketPosition.LONG,
        size=None,
        said_at=START,
        held=Decimal(0),
        there=False,
        state="told",
        step_size=Decimal("0.0001"),
    )
    view = replace(view, **values)  # type: ignore[arg-type]
    world.desk.chart_rows[number] = (trader.id, view)
    return view


async def test_a_gap_says_when_what_it_means_what_is_held_and_where_charts_stood(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    world.desk.open_position(me)
    chart(world, me)
    chart(world, me, 2, ticker="ETH-USD", held=Decimal("-0.4"), position=MarketPosition.FLAT)
    ended = START + dt.timedelta(seconds=82)
    world.outbox.put(me.id, GapFound(START.isoformat(), ended.isoformat(), True), START)
    await world.notify()
    told = await world.latest(ann)
    assert "I could take no alerts for 1 min 22 s" in told.text
    assert "from 2026-05-04 09:41 UTC to 2026-05-04 09:42 UTC" in told.text
    assert "TradingView does not repeat what it sent meanwhile" in told.text
    assert "BTC-USD  LONG  0.0150" in told.text
    assert "trend-1 · BTC-USD: TradingView long, here flat" in told.text
    assert "trend-2 · ETH-USD: TradingView flat, here short 0.4000" in told.text
    assert "Not every account" not in told.text
    await world.tap(ann, told, "Sync trend-2: ETH flat")
    assert len(world.desk.syncs) == 1
    assert world.desk.syncs[0].startswith("sync:2:")


async def test_a_gap_without_positions_or_targets_says_so(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    world.outbox.put(me.id, GapFound(START.isoformat(), START.isoformat(), False), START)
    await world.notify()
    told = await world.latest(ann)
    assert "Positions as found\nnone" in told.text
    assert "Not every account could be read yet" in told.text
    assert told.labels() == ["Positions"]


async def test_drift_is_synced_once_however_often_the_button_is_pressed(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    chart(world, me)
    world.outbox.put(me.id, DriftFound(1, "BTC-USD"), world.clock.now())
    await world.notify()
    told = await world.latest(ann)
    assert "BTC-USD: chart and chain stand apart" in told.text
    assert "TradingView says long, since 09:41:03 UTC" in told.text
    assert "The strategy holds: flat" in told.text
    for _ in range(2):
        await world.tap(ann, told, "Sync trend-1: BTC long")
    assert len(world.desk.syncs) == 1
    asked = [one for one in ann.screen() if "Asked of the chain" in one.text]
    assert len(asked) == 1


async def test_drift_that_is_over_by_now_has_no_buttons_and_a_late_press_does_nothing(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    view = chart(world, me)
    world.outbox.put(me.id, DriftFound(1, "BTC-USD"), world.clock.now())
    await world.notify()
    told = await world.latest(ann)
    chart(world, me, there=True, held=Decimal(1))
    await world.tap(ann, told, "Sync trend-1: BTC long")
    assert world.desk.syncs == []
    world.outbox.put(me.id, DriftFound(view.strategy_id, "BTC-USD"), world.clock.now())
    await world.notify()
    over = await world.latest(ann)
    assert "They agree again by now" in over.text
    assert over.labels() == []


async def test_ignore_leaves_it(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    chart(world, me)
    world.outbox.put(me.id, DriftFound(1, "BTC-USD"), world.clock.now())
    await world.notify()
    left = await world.tap(ann, await world.latest(ann), "Ignore")
    assert left is not None
    assert "Left as it is" in left.text
    assert world.desk.chart_rows[1][1].state == "ignored"


async def test_another_traders_drift_cannot_be_synced_by_a_forged_button(world: ChatWorld) -> None:
    ann, eve = world.user(1), world.user(2, "Eve")
    await world.start(ann)
    await world.start(eve)
    chart(world, await world.trader(ann))
    shown = await world.latest(eve)
    await world.forge(eve, shown.id, SyncButton(action="sync", chart_id=1, nonce=5).pack())
    assert world.desk.syncs == []


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("ACTIVE", "✅ BTC-USD is active again"),
        ("PAUSED", "⚠️ BTC-USD is paused"),
        ("CANCEL_ONLY", "⚠️ BTC-USD is cancel-only"),
        ("POST_ONLY", "⚠️ BTC-USD is post-only"),
        ("FINAL_SETTLEMENT", "⚠️ BTC-USD is being settled for good"),
        ("SOMETHING_NEW", "⚠️ BTC-USD is SOMETHING_NEW"),
    ],
)
async def test_each_status_of_a_market_says_what_it_means(
    world: ChatWorld, status: str, words: str
) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    event = MarketChanged("testnet", "BTC-USD", "INITIALIZING", status, "CROSS", "CROSS")
    world.outbox.put(me.id, event, world.clock.now())
    await world.notify()
    assert words in (await world.latest(ann)).text


async def test_a_market_that_becomes_isolated_is_told_as_that(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    event = MarketChanged("paper", "BTC-USD", "ACTIVE", "ACTIVE", "CROSS", "ISOLATED")
    world.outbox.put(me.id, event, world.clock.now())
    await world.notify()
    told = await world.latest(ann)
    assert "🧪 BTC-USD changed" in told.text
    assert "It is an isolated market now" in told.text


async def test_a_lost_key_names_each_position_and_whether_its_stop_works_on(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    rests, watched, bare = (
        world.desk.open_position(me, ticker=ticker) for ticker in ("BTC-USD", "ETH-USD", "SOL-USD")
    )
    world.desk.position_rows[rests.id] = replace(rests, stop_on_chain=True)
    world.desk.position_rows[bare.id] = replace(bare, stop_loss=None)
    world.desk.outbox.rows.clear()
    world.outbox.put(me.id, KeyLost(watched.account_id, 1), world.clock.now())
    await world.notify()
    told = await world.latest(ann)
    assert "still does not work" in told.text
    assert "BTC-USD  LONG  0.0150\n  stop 62,928 rests on chain and works on" in told.text
    assert "ETH-USD  LONG  0.0150\n  ⚠️ stop 62,928 was watched by me: nothing protects" in told.text
    assert "SOL-USD  LONG  0.0150\n  ⚠️ no stop" in told.text
    assert told.labels() == ["Connect a new key", "Positions"]


async def test_the_end_of_a_lost_key_is_told_and_accounts_show_it_meanwhile(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    account = world.desk.add_account(
        me.id, "testnet", "dydx1kvs2jpgq0j8ka8kfwsezwh5a8ywtl8yj7xytr5"
    )
    lost = replace(account, key_lost_at=START)
    world.desk.account_rows[account.id] = (me.id, lost)
    for command in ("/accounts", "/status"):
        assert (
            "its key is refused since 2026-05-04 09:41 UTC" in (await world.say(ann, command)).text
        )
    world.desk.account_rows[account.id] = (me.id, account)
    assert "its key is refused" not in (await world.say(ann, "/accounts")).text
    for replaced, words in ((True, "A new trading key signs"), (False, "works again")):
        world.outbox.put(me.id, KeyBack(account.id, replaced), world.clock.now())
        await world.notify()
        assert words in (await world.latest(ann)).text
