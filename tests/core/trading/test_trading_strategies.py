"""The counter for strategies: values, modes, aliases, moving, silence; and each refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from core.ledger import accounts, intents, signals, strategies
from core.ledger.models import Account, Intent, Position, Share, Signal, Strategy
from core.signals.alert import BreakEven, Level, TakeProfit, Trailing
from core.trading.desk import StrategyChange
from core.trading.strategies import StrategyDesk
from core.trading.views import DeskError, StrategyView, TraderView
from tests.core.trading.watch_room import Room, market_row, watch_room


class Shop:
    """A desk with a trader who has one strategy."""

    def __init__(self, room: Room, trader: TraderView, account: Account, row: Strategy) -> None:
        self.room = room
        self.desk = StrategyDesk(room.office)
        self.trader = trader
        self.account = account
        self.id = row.id

    async def change(self, **values: object) -> StrategyView:
        change = StrategyChange(**values)  # type: ignore[arg-type]
        return await self.desk.change_strategy(self.trader, self.id, change)

    async def view(self) -> StrategyView:
        return await self.desk.strategy(self.trader, self.id)

    async def row(self) -> Strategy:
        row = await strategies.get(self.id)
        assert row is not None
        return row


@pytest.fixture
async def shop(ledger_url: str) -> AsyncIterator[Shop]:
    async with watch_room(ledger_url) as room:
        room.markets(market_row("BTC-USD"), market_row("ETH-USD"))
        trader = await room.trader(1)
        account = await room.account(trader)
        yield Shop(room, trader, account, await room.strategy(account))


def at(value: str) -> Level:
    return Level(percent=Decimal(value))


def target(level: str, share: str | None = None) -> TakeProfit:
    return TakeProfit(at(level), None if share is None else Decimal(share))


# values


async def test_a_new_default_size_takes_the_place_of_the_old_one(shop: Shop) -> None:
    await shop.change(default_size=Decimal("0.1"))
    await shop.change(default_equity_percent=Decimal(10))
    view = await shop.change(default_size_usd=Decimal(100))
    assert view.default_size is None
    assert view.default_size_usd == 100
    assert (view.default_equity_percent, view.default_risk_percent) == (None, None)


async def test_a_plan_of_several_levels_comes_back_as_it_was_given(shop: Shop) -> None:
    targets = (target("1", "0.5"), target("2", "0.3"), target("4", "0.2"))
    trailing, even = Trailing(at("1"), at("2")), BreakEven(at("1"), at("0.1"))
    await shop.change(take_profits=targets, trailing=trailing, break_even=even)
    view = await shop.view()
    assert view.take_profits == targets
    assert view.trailing == trailing
    assert view.break_even == even
    row = await shop.row()
    assert row.take_profits == [
        {"percent": "1", "fraction": "0.5"},
        {"percent": "2", "fraction": "0.3"},
        {"percent": "4", "fraction": "0.2"},
    ]
    assert row.take_profit_percent is None


async def test_one_target_takes_the_place_of_several(shop: Shop) -> None:
    await shop.change(take_profits=(target("1", "0.5"), target("2", "0.5")))
    view = await shop.change(take_profits=(target("3"),))
    assert view.take_profits == (target("3"),)
    row = await shop.row()
    assert row.take_profit_percent == 3
    assert row.take_profits is None


async def test_a_cleared_plan_is_empty(shop: Shop) -> None:
    await shop.change(
        take_profits=(target("3"),), trailing=Trailing(at("1")), break_even=BreakEven(at("1"))
    )
    view = await shop.change(clear=frozenset({"take_profits", "trailing", "break_even"}))
    assert (view.take_profits, view.trailing, view.break_even) == ((), None, None)


@pytest.mark.parametrize(
    ("values", "code", "words"),
    [
        ({"default_size": Decimal(0)}, "value_invalid", "above zero"),
        ({"default_equity_percent": Decimal(1000)}, "value_invalid", "below 1000 %"),
        ({"default_risk_percent": Decimal(100)}, "value_invalid", "below 100 %"),
        ({"default_risk_percent": Decimal(1)}, "stop_missing", "Set a stop first"),
        ({"stop_loss_percent": Decimal(100)}, "value_invalid", "below 100 %"),
        ({"take_profits": ()}, "value_invalid", "1 to 6 targets"),
        ({"take_profits": tuple(target(str(n)) for n in range(1, 8))}, "value_invalid", "1 to 6"),
        ({"take_profits": (target("0"),)}, "value_invalid", "above 0"),
        ({"take_profits": (target("1"), target("1.0"))}, "value_invalid", "same distance"),
        ({"take_profits": (target("1", "1.1"),)}, "value_invalid", "at most at 100 %"),
        (
            {"take_profits": (target("1", "0.6"), target("2", "0.5"))},
            "value_invalid",
            "add up to 110 %",
        ),
        ({"take_profits": (target("1", "1"), target("2"))}, "value_invalid", "nothing is left"),
        ({"trailing": Trailing(at("100"))}, "value_invalid", "trailing stop"),
        ({"trailing": Trailing(at("1"), at("1000"))}, "value_invalid", "start of a trailing"),
        ({"break_even": BreakEven(at("1"), at("1"))}, "value_invalid", "nearer to the entry"),
        ({"break_even": BreakEven()}, "target_missing", "must be a target"),
        ({"max_position_usd": Decimal(-1)}, "value_invalid", "above zero"),
        ({"slippage_bps": 501}, "value_invalid", "0.01 and 5 %"),
        ({"max_alert_age_s": 0}, "value_invalid", "1 and 3600 s"),
        ({"silent_after_h": 721}, "value_invalid", "720 hours"),
        ({"allowed_symbols": ("BTC-USD", "FOO")}, "symbol_unknown", "FOO"),
        ({"preset": "tradingbot"}, "preset_unknown", "not known here"),
        ({"name": "\n"}, "name_invalid", "1 to 32"),
    ],
)
async def test_a_value_that_means_nothing_is_refused_and_changes_nothing(
    shop: Shop, values: dict[str, object], code: str, words: str
) -> None:
    before = await shop.view()
    with pytest.raises(DeskError) as refused:
        await shop.change(**values)
    assert refused.value.code == code
    assert words in refused.value.text
    assert await shop.view() == before


async def test_the_stop_stays_while_the_size_needs_it(shop: Shop) -> None:
    await shop.change(stop_loss_percent=Decimal(2), default_risk_percent=Decimal(1))
    with pytest.raises(DeskError) as refused:
        await shop.change(clear=frozenset({"stop_loss_percent"}))
    assert refused.value.code == "stop_missing"
    assert (await shop.view()).stop_loss_percent == 2


async def test_the_target_stays_while_break_even_starts_at_it(shop: Shop) -> None:
    await shop.change(take_profits=(target("3"),), break_even=BreakEven())
    with pytest.raises(DeskError) as refused:
        await shop.change(clear=frozenset({"take_profits"}))
    assert refused.value.code == "target_missing"


async def test_a_new_secret_gives_the_message_in_the_strategys_format(shop: Shop) -> None:
    await shop.change(preset="traderspost")
    made = await shop.desk.rotate_secret(shop.trader, shop.id)
    assert made.secret in made.template
    shown = await shop.desk.alert_template(shop.trader, shop.id)
    assert shown == made.template.replace(made.secret, "PUT-THE-SECRET-HERE")


# modes


async def test_a_mode_is_kept_and_known_to_the_next_alert(shop: Shop) -> None:
    await shop.desk.set_strategy_mode(shop.trader, shop.id, "ask")
    paused = await shop.desk.set_strategy_mode(shop.trader, shop.id, "paused")
    assert (paused.state, paused.mode) == ("paused", "ask")
    await shop.desk.set_strategy_mode(shop.trader, shop.id, "shadow")
    row = await shop.row()
    known = shop.room.office.strategy_book.of_webhook(row.webhook_uuid)
    assert known is not None
    assert (known.state, known.mode) == ("active", "shadow")


# owners


async def test_nobody_reaches_the_strategy_of_another(shop: Shop) -> None:
    other = await shop.room.trader(2)
    signal = await shop.room.signal(await shop.row(), None)
    mine = await shop.room.account(other)
    for work in (
        shop.desk.strategy(other, shop.id),
        shop.desk.alert_template(other, shop.id),
        shop.desk.rotate_secret(other, shop.id),
        shop.desk.change_strategy(other, shop.id, StrategyChange(sync=True)),
        shop.desk.set_strategy_mode(other, shop.id, "paused"),
        shop.desk.move_strategy(other, shop.id, mine.id),
        shop.desk.remove_alias(other, shop.id, "XBT"),
        shop.desk.add_alias(other, signal.id, "BTC-USD"),
        shop.desk.delete_strategy(other, shop.id),
    ):
        with pytest.raises(DeskError) as refused:
            await work
        assert refused.value.code == "unknown_strategy"


# aliases


async def refused_signal(shop: Shop, symbol: str = "XBTM26") -> Signal:
    signal = await shop.room.signal(await shop.row(), None, symbol=symbol, state="stored")
    await signals.settle(signal.id, "refused", ("symbol_unknown", "dYdX has no such market."))
    await signals.note_nearest(signal.id, ["BTC-USD", "DOGE-USD"])
    return signal


async def test_an_alias_is_made_from_a_refused_alert_which_stays_refused(shop: Shop) -> None:
    signal = await refused_signal(shop, " xbtm26 ")
    for _ in range(2):
        view = await shop.desk.add_alias(shop.trader, signal.id, "BTC-USD")
    assert view.aliases == (("XBTM26", "BTC-USD"),)
    after = await signals.get(signal.id)
    assert after is not None
    assert after.state == "refused"
    assert not await Intent.all()
    assert (await shop.desk.remove_alias(shop.trader, shop.id, "XBTM26")).aliases == ()


async def test_an_alias_needs_a_market_that_was_offered_and_is_listed(shop: Shop) -> None:
    signal = await refused_signal(shop)
    executed = await shop.room.signal(await shop.row(), None)
    for asked, ticker, code in (
        (signal.id, "ETH-USD", "alias_invalid"),
        (signal.id, "DOGE-USD", "symbol_unknown"),
        (executed.id, "BTC-USD", "alias_invalid"),
        (uuid4(), "BTC-USD", "unknown_signal"),
    ):
        with pytest.raises(DeskError) as refused:
            await shop.desk.add_alias(shop.trader, asked, ticker)
        assert refused.value.code == code
    assert not (await shop.view()).aliases


async def test_a_deleted_strategy_gets_no_alias(shop: Shop) -> None:
    signal = await refused_signal(shop)
    await shop.desk.delete_strategy(shop.trader, shop.id)
    with pytest.raises(DeskError) as refused:
        await shop.desk.add_alias(shop.trader, signal.id, "BTC-USD")
    assert refused.value.code == "unknown_strategy"


async def test_an_alias_is_removed_once_and_there_are_not_too_many(shop: Shop) -> None:
    with pytest.raises(DeskError) as refused:
        await shop.desk.remove_alias(shop.trader, shop.id, "XBTM26")
    assert refused.value.code == "alias_unknown"
    async with shop.room.ledger.executing():
        await strategies.change(shop.id, aliases={f"S{n}": "BTC-USD" for n in range(50)})
    signal = await refused_signal(shop)
    with pytest.raises(DeskError) as refused:
        await shop.desk.add_alias(shop.trader, signal.id, "BTC-USD")
    assert refused.value.code == "alias_invalid"


# moving


async def test_a_flat_strategy_is_moved_with_its_webhook_and_secret(shop: Shop) -> None:
    other = await shop.room.account(shop.trader, 1)
    before = await shop.row()
    view = await shop.desk.move_strategy(shop.trader, shop.id, other.id)
    row = await shop.row()
    assert view.account.id == row.account_id == other.id
    assert row.partition == other.partition
    assert (row.webhook_uuid, row.secret_hash) == (before.webhook_uuid, before.secret_hash)
    known = shop.room.office.strategy_book.of_webhook(row.webhook_uuid)
    assert known is not None
    assert known.account_id == other.id


async def refusal_of_move(shop: Shop, account_id: int) -> DeskError:
    with pytest.raises(DeskError) as refused:
        await shop.desk.move_strategy(shop.trader, shop.id, account_id)
    assert (await shop.row()).account_id == shop.account.id
    return refused.value


async def test_a_strategy_is_moved_only_to_another_account_of_its_trader(shop: Shop) -> None:
    stranger = await shop.room.account(await shop.room.trader(2))
    assert (await refusal_of_move(shop, shop.account.id)).code == "same_account"
    assert (await refusal_of_move(shop, stranger.id)).code == "unknown_account"
    assert (await refusal_of_move(shop, 999)).code == "unknown_account"


async def test_a_strategy_that_holds_a_position_stays(shop: Shop) -> None:
    other = await shop.room.account(shop.trader, 1)
    position = await shop.room.holds(shop.account, "BTC-USD", "-0.5", await shop.row())
    refused = await refusal_of_move(shop, other.id)
    assert refused.code == "strategy_holds"
    assert "BTC-USD" in refused.text
    held = (await shop.view()).holdings
    assert [(one.ticker, one.side, one.size) for one in held] == [
        ("BTC-USD", "SHORT", Decimal("0.5"))
    ]
    await Position.filter(id=position.id).update(state="closed")
    assert (await shop.desk.move_strategy(shop.trader, shop.id, other.id)).account.id == other.id


async def test_a_strategy_with_a_share_stays(shop: Shop) -> None:
    other = await shop.room.account(shop.trader, 1)
    zero = Decimal(0)
    await Share.create(
        account_id=shop.account.id,
        partition=shop.account.partition,
        ticker="ETH-USD",
        strategy_id=shop.id,
        size=Decimal("0.2"),
        entry_price=Decimal(3000),
        realized_pnl=zero,
        fees=zero,
        funding=zero,
    )
    assert (await refusal_of_move(shop, other.id)).code == "strategy_holds"


@pytest.mark.parametrize("state", ["stored", "asking"])
async def test_a_strategy_whose_signal_is_not_over_stays(shop: Shop, state: str) -> None:
    other = await shop.room.account(shop.trader, 1)
    await shop.room.signal(await shop.row(), None, state=state)
    assert (await refusal_of_move(shop, other.id)).code == "strategy_busy"


async def test_a_strategy_whose_intent_is_not_over_stays(shop: Shop) -> None:
    other = await shop.room.account(shop.trader, 1)
    async with shop.room.ledger.executing():
        await intents.add(
            account=await accounts.lock(shop.account.id),
            key="button:1",
            source="button",
            kind="close",
            payload={"strategy_id": shop.id},
            now=shop.room.clock.now(),
        )
    assert (await refusal_of_move(shop, other.id)).code == "strategy_busy"


async def test_an_alert_that_was_on_its_way_when_its_strategy_moved_is_not_stored(
    shop: Shop,
) -> None:
    other = await shop.room.account(shop.trader, 1)
    row = await shop.row()
    late = Signal(
        id=uuid4(),
        strategy_id=row.id,
        account_id=row.account_id,
        partition=row.partition,
        received_at=shop.room.clock.now(),
        body_hash="a",
        dedupe_key="a",
        body="{}",
        parsed={},
        outside=True,
        state="stored",
    )
    await shop.desk.move_strategy(shop.trader, shop.id, other.id)
    since = shop.room.clock.now()
    assert not await signals.accept(shop.room.ledger, late, None, [], since)
    late.account_id = other.id
    assert await signals.accept(shop.room.ledger, late, None, [], since)


# what is shown


async def test_the_last_alert_and_what_came_of_it_are_shown(shop: Shop) -> None:
    await shop.room.signal(await shop.row(), None, symbol="OLD")
    shop.room.clock.move(60)
    latest = await shop.room.signal(await shop.row(), "long", symbol="BTCUSDT", state="shadow")
    alert = (await shop.view()).last_alert
    assert alert is not None
    assert (alert.at, alert.symbol, alert.action, alert.state) == (
        latest.received_at,
        "BTCUSDT",
        "buy",
        "shadow",
    )


# silence


async def silences(shop: Shop) -> int:
    await shop.desk.tell_silent_strategies()
    return len(await shop.room.told(shop.trader, "strategy_silent"))


async def test_silence_is_told_once_until_the_next_alert(shop: Shop) -> None:
    await shop.change(silent_after_h=24)
    hour = timedelta(hours=1).total_seconds()
    shop.room.clock.move(23 * hour)
    assert await silences(shop) == 0
    shop.room.clock.move(hour)
    assert await silences(shop) == 1
    shop.room.clock.move(48 * hour)
    assert await silences(shop) == 1
    async with shop.room.ledger.executing():
        await strategies.note_alert(shop.id, shop.room.clock.now(), first=True)
    assert await silences(shop) == 1
    shop.room.clock.move(24 * hour)
    assert await silences(shop) == 2


async def test_a_paused_strategy_may_be_silent(shop: Shop) -> None:
    await shop.change(silent_after_h=1)
    await shop.desk.set_strategy_mode(shop.trader, shop.id, "paused")
    shop.room.clock.move(7200)
    assert await silences(shop) == 0


async def test_a_silence_that_its_trader_sees_when_he_asks_is_not_told(shop: Shop) -> None:
    shop.room.clock.move(7200)
    await shop.change(silent_after_h=1)
    assert await silences(shop) == 0
