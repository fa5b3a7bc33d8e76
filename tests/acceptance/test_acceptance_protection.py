"""Plans and waiting orders rest on the chain itself, and nothing of them outlives its purpose."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.acceptance.house import House

STOP = ("STOP_LIMIT", "SELL", "0.01")
TARGET = ("TAKE_PROFIT", "SELL", "0.01")


async def moved(house: House, factor: str, ticker: str = "BTC-USD") -> None:
    """Moves the oracle price by a factor."""
    await house.price(ticker, str(await house.oracle(ticker) * Decimal(factor) // 1))


async def test_stop_and_target_rest_on_chain_for_the_whole_position(desk: House) -> None:
    await desk.alert("buy", size="0.01")
    await desk.sees("protected on chain")
    await desk.rests(STOP, TARGET)
    assert all(row["reduceOnly"] and row["timeInForce"] == "IOC" for row in await desk.resting())


async def test_the_stop_closes_the_position_while_the_bot_is_down(desk: House) -> None:
    await desk.alert("buy", size="0.01")
    await desk.sees("protected on chain")
    await desk.stop_bot()
    await moved(desk, "0.97")
    await desk.position_is("BTC-USD", "0")
    await desk.start_bot()
    await desk.sees("closed: stop loss", reply=True)
    await desk.rests()


async def test_an_enlarged_position_is_covered_whole_and_by_one_stop_only(desk: House) -> None:
    await desk.alert("buy", size="0.004")
    await desk.rests(("STOP_LIMIT", "SELL", "0.004"), ("TAKE_PROFIT", "SELL", "0.004"))
    await desk.alert("buy", size="0.006")
    await desk.rests(STOP, TARGET)


async def test_after_a_part_was_closed_the_orders_shrink_with_the_position(desk: House) -> None:
    await desk.alert("buy", size="0.01")
    await desk.rests(STOP, TARGET)
    await desk.alert("sell", size="0.004")
    await desk.rests(("STOP_LIMIT", "SELL", "0.006"), ("TAKE_PROFIT", "SELL", "0.006"))


async def test_an_old_stop_never_touches_the_next_position(desk: House) -> None:
    """Closed and opened anew at once: what would act at the old levels is gone before."""
    await desk.alert("buy", size="0.01", stop_loss="2%")
    await desk.rests(STOP, TARGET)
    old = {row["id"] for row in await desk.resting()}
    await desk.alert("close")
    answer = await desk.alert("buy", size="0.01", stop_loss="20%", take_profit="20%")
    assert answer["http_status"] == 200
    await desk.position_is("BTC-USD", "0.01")
    assert old.isdisjoint(row["id"] for row in await desk.resting())
    await desk.rests(STOP, TARGET)
    await moved(desk, "0.96")
    await desk.sees("BTC-USD", "protected on chain")
    assert await desk.chain_size("BTC-USD") == Decimal("0.01")


async def test_a_limit_rests_is_listed_and_is_cancelled_by_its_button(desk: House) -> None:
    price = int(await desk.oracle("BTC-USD") * Decimal("0.9"))
    answer = await desk.alert("buy", size="0.01", type="limit", price=price, expires="12h")
    assert answer["status"] in ("ACCEPTED", "PENDING")
    await desk.sees("rests in the book at", "until")
    await desk.rests(("LIMIT", "BUY", "0.01"))
    desk.user.say("/orders")
    listed = await desk.sees("Orders", "limit")
    desk.user.press(listed.id, "Cancel 1 BTC")
    asked = await desk.sees("Cancel", "Nothing of it is filled.")
    desk.user.press(asked.id, "Cancel it")
    await desk.rests()
    await desk.sees("not filled: nothing was traded")
    desk.user.say("/orders")
    await desk.sees("None is waiting.")


async def test_a_limit_fills_when_the_price_comes_and_gets_its_plan(desk: House) -> None:
    price = int(await desk.oracle("BTC-USD") * Decimal("0.99"))
    await desk.alert("buy", size="0.01", type="limit", price=price)
    await desk.rests(("LIMIT", "BUY", "0.01"))
    await moved(desk, "0.98")
    await desk.position_is("BTC-USD", "0.01")
    await desk.sees("filled", "protected on chain")
    fills = await desk.fills()
    assert all(Decimal(row["price"]) <= price for row in fills)


async def test_a_stop_entry_waits_on_chain_for_its_price(desk: House) -> None:
    price = int(await desk.oracle("BTC-USD") * Decimal("1.01"))
    await desk.alert("buy", size="0.01", type="stop", price=price)
    await desk.sees("waits on chain for the price")
    await desk.rests(("STOP_LIMIT", "BUY", "0.01"))
    await moved(desk, "1.02")
    await desk.position_is("BTC-USD", "0.01")
    await desk.sees("filled", "protected on chain")


@pytest.mark.parametrize(("force", "factor"), [("post_only", "1.05"), ("ioc", "0.9")])
async def test_a_limit_that_cannot_be_what_it_asks_for_trades_nothing_and_says_so(
    desk: House, force: str, factor: str
) -> None:
    price = int(await desk.oracle("BTC-USD") * Decimal(factor))
    await desk.alert("buy", size="0.01", type="limit", time_in_force=force, price=price)
    await desk.sees("not filled: nothing was traded")
    await desk.rests()
    assert await desk.fills() == []
