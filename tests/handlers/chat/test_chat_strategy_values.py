"""The conversations that change a strategy's size, plan and limits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signals.alert import BreakEven, Level, TakeProfit, Trailing
from core.trading.desk import StrategyChange
from handlers.chat.parsing import Unreadable
from handlers.chat.strategies_parsing import strategy_value
from tests.handlers.chat.chat_world import ChatWorld, chat_world
from tests.handlers.chat.strategy_kit import current, opened, ready, tapped


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


def at(value: str) -> Level:
    return Level(percent=Decimal(value))


def target(level: str, share: str | None = None) -> TakeProfit:
    return TakeProfit(at(level), None if share is None else Decimal(share))


@pytest.mark.parametrize(
    ("label", "answer", "name", "value", "shown"),
    [
        ("Size", "0.01", "default_size", Decimal("0.01"), "size 0.01 of the coin"),
        ("Size", "100 USD", "default_size_usd", Decimal(100), "size 100.00 USDC"),
        ("Size", "$250.5", "default_size_usd", Decimal("250.5"), "size 250.50 USDC"),
        ("Size", "10 %", "default_equity_percent", Decimal(10), "size 10 % of the equity"),
        ("Size", "10% of equity", "default_equity_percent", Decimal(10), "10 % of the equity"),
        ("Size", "risk 1.5 %", "default_risk_percent", Decimal("1.5"), "size by risk: 1.5 % of"),
        ("Size", "1% risk", "default_risk_percent", Decimal(1), "size by risk: 1 % of the equity"),
        ("Target", "3%", "take_profits", (target("3"),), "target +3 %"),
        (
            "Target",
            "1% 50%, 4% 20%, 2% 30%",
            "take_profits",
            (target("1", "0.5"), target("2", "0.3"), target("4", "0.2")),
            "target 50 % at +1 % · 30 % at +2 % · 20 % at +4 %",
        ),
        (
            "Target",
            "1 50; 2 30",
            "take_profits",
            (target("1", "0.5"), target("2", "0.3")),
            "50 % at +1 % · 30 % at +2 %; the last 20 % stays open",
        ),
        (
            "Target",
            "1%, 2%",
            "take_profits",
            (target("1"), target("2")),
            "+1 % · +2 %, in equal parts",
        ),
        ("Stop", "-2.5 %", "stop_loss_percent", Decimal("2.5"), "stop −2.5 %"),
        (
            "Trailing",
            "1% after 2%",
            "trailing",
            Trailing(at("1"), at("2")),
            "trailing 1 % behind the best price, once +2 % is met",
        ),
        ("Trailing", "0.8", "trailing", Trailing(at("0.8")), "trailing 0.8 % behind"),
        (
            "Break-even",
            "1% + 0.1%",
            "break_even",
            BreakEven(at("1"), at("0.1")),
            "break-even stop to entry +0.1 % once +1 % is met",
        ),
        (
            "Break-even",
            "target",
            "break_even",
            BreakEven(),
            "break-even stop to the entry once the first target fills",
        ),
        ("Max position", "500 USDC", "max_position_usd", Decimal(500), "position 500.00 USDC"),
        ("Markets", "btc-usd, ETH-USD", "allowed_symbols", ("BTC-USD", "ETH-USD"), "BTC-USD, ETH"),
        ("Slippage", "0.5", "slippage_bps", 50, "slippage at most 0.5 %"),
        ("Alert age", "120 s", "max_alert_age_s", 120, "at most 120 s old"),
        ("Silence", "24 h", "silent_after_h", 24, "warns after 24 h without an alert"),
    ],
)
async def test_a_value_is_changed_by_conversation_and_shown_back(
    world: ChatWorld, label: str, answer: str, name: str, value: object, shown: str
) -> None:
    ann = world.user(1)
    strategy, _ = await ready(world, ann)
    owner, view = world.desk.strategy_rows[strategy.id]
    world.desk.strategy_rows[strategy.id] = (owner, replace(view, stop_loss_percent=Decimal(2)))
    asked = await tapped(world, ann, await opened(world, ann), "Edit", label)
    assert "/cancel" in asked.text
    assert "Cancel" in asked.labels()
    said = await world.say(ann, answer)
    assert getattr(await current(world, ann), name) == value
    assert shown in said.text


GARBAGE = [
    ("Size", "0,01", "with a point"),
    ("Size", "-1", "not a plain number"),
    ("Size", "1e3", "not a plain number"),
    ("Size", "NaN", "not a plain number"),
    ("Size", "٣", "not a plain number"),
    ("Size", "risk", "not a plain number"),
    ("Size", "risk risk 1", "not a plain number"),
    ("Size", "10 %%", "not a plain number"),
    ("Size", "risk 1", "needs a stop"),
    ("Target", "0", "above zero"),
    ("Target", "1 2 3", "a distance and a share"),
    ("Target", "1,5", "with a point"),
    ("Target", ",;,", "names no target"),
    ("Target", "all of it", "a distance and a share"),
    ("Target", "all half", "not a plain number"),
    ("Stop", "two", "not a plain number"),
    ("Trailing", "1% 2%", "1% after 2%"),
    ("Trailing", "after 2%", "1% after 2%"),
    ("Break-even", "soon", "not a plain number"),
    ("Break-even", "1% 2%", "target"),
    ("Slippage", "0.123", "Two decimals"),
    ("Slippage", "none", "cannot be empty"),
    ("Slippage", "9", "at most 5 %"),
    ("Slippage", "999999", "more than all"),
    ("Markets", "FOO", "FOO is no market"),
    ("Markets", ", ,", "up to 100 symbols"),
    ("Alert age", "1.5", "whole seconds"),
    ("Silence", "soon", "whole hours"),
    ("Silence", "0", "whole hours"),
]


@pytest.mark.parametrize(("label", "answer", "reason"), GARBAGE)
async def test_a_value_that_cannot_be_used_is_asked_for_again(
    world: ChatWorld, label: str, answer: str, reason: str
) -> None:
    ann = world.user(1)
    await ready(world, ann)
    before = await current(world, ann)
    await tapped(world, ann, await opened(world, ann), "Edit", label)
    said = await world.say(ann, answer)
    assert reason in said.text
    assert "Nothing was changed" in said.text
    assert "Cancel" in said.labels()
    assert await current(world, ann) == before
    assert "Left" in (await world.say(ann, "/cancel")).text


@pytest.mark.parametrize(
    ("label", "answer", "tap", "name", "empty"),
    [
        ("Size", "0.5", "No default size", "default_size", None),
        ("Target", "1% 50%, 2% 50%", "No target", "take_profits", ()),
        ("Stop", "2", "No stop", "stop_loss_percent", None),
        ("Trailing", "1", "No trailing", "trailing", None),
        ("Break-even", "1", "No break-even", "break_even", None),
        ("Max position", "500", "No limit", "max_position_usd", None),
        ("Markets", "BTC-USD", "All markets", "allowed_symbols", None),
        ("Silence", "24", "Do not tell me", "silent_after_h", None),
    ],
)
async def test_a_tap_empties_a_value(
    world: ChatWorld, label: str, answer: str, tap: str, name: str, empty: object
) -> None:
    ann = world.user(1)
    await ready(world, ann)
    await tapped(world, ann, await opened(world, ann), "Edit", label)
    await world.say(ann, answer)
    assert getattr(await current(world, ann), name) != empty
    shown = await tapped(world, ann, await opened(world, ann), "Edit", label, tap)
    assert getattr(await current(world, ann), name) == empty
    assert "What is to change" in shown.text
    assert "did not understand" in (await world.say(ann, "5")).text


async def test_none_empties_a_value_too(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    for answer in ("0.5", "none"):
        await tapped(world, ann, await opened(world, ann), "Edit", "Size")
        await world.say(ann, answer)
    assert (await current(world, ann)).default_size is None


async def test_a_new_size_takes_the_place_of_the_old_one(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    for answer in ("0.5", "100 USD", "10 %"):
        await tapped(world, ann, await opened(world, ann), "Edit", "Size")
        await world.say(ann, answer)
    view = await current(world, ann)
    assert view.default_size is None
    assert view.default_size_usd is None
    assert view.default_equity_percent == 10


async def test_the_stop_cannot_go_while_the_size_needs_it(world: ChatWorld) -> None:
    ann = world.user(1)
    await ready(world, ann)
    for label, answer in (("Stop", "2"), ("Size", "risk 1 %")):
        await tapped(world, ann, await opened(world, ann), "Edit", label)
        await world.say(ann, answer)
    shown = await tapped(world, ann, await opened(world, ann), "Edit", "Stop", "No stop")
    assert "needs a stop" in shown.text
    assert (await current(world, ann)).stop_loss_percent == 2


FIELDS = (
    "size", "targets", "stop", "trailing", "break_even", "maximum", "symbols", "slippage", "age",
    "silence",
)  # fmt: skip


@given(st.sampled_from(FIELDS), st.text(max_size=60))
def test_any_text_is_a_change_or_a_refusal(field: str, text: str) -> None:
    try:
        change = strategy_value(field, text)
    except Unreadable:
        return
    assert change != StrategyChange()


@given(st.text(alphabet="0123456789%., +ariskUSDefterplu$\n;:", max_size=40))
def test_what_nearly_is_a_value_is_a_change_or_a_refusal(text: str) -> None:
    for field in FIELDS:
        try:
            strategy_value(field, text)
        except Unreadable:
            continue
