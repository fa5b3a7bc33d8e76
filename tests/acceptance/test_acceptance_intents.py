"""Intents that take more than one order, and those that come while another is under way."""

from __future__ import annotations

from decimal import Decimal

from tests.acceptance.by_hand import trade_by_hand
from tests.acceptance.house import House
from tests.acceptance.until import until

TICKER = "BTC-USD"
LIFETIME_BLOCKS = 14


async def second_strategy(house: House) -> None:
    """Alerts of the house go to another strategy of the same account from here on."""
    assert house.process is not None
    desk = house.process.desk
    trader = await desk.trader_of(house.user.id, "Visitor")
    account = (await desk.accounts(trader))[0]
    new = await desk.create_strategy(trader, account.id, "second")
    house.url, house.template = new.strategy.webhook_url, new.template


async def traded(house: House, side: str) -> Decimal:
    rows = [row for row in await house.fills() if row["side"] == side]
    return sum((Decimal(row["size"]) for row in rows), Decimal(0))


async def test_a_reversal_closes_first_and_opens_the_other_way_once(desk_on_both: House) -> None:
    house = desk_on_both
    await house.alert("buy", size="0.01")
    await house.position_is(TICKER, "0.01")
    await house.sees("protected on chain")
    await house.alert("short", size="0.004")
    await house.position_is(TICKER, "-0.004", within_s=40)
    await house.rests(("STOP_LIMIT", "BUY", "0.004"), ("TAKE_PROFIT", "BUY", "0.004"), within_s=40)
    assert (await traded(house, "BUY"), await traded(house, "SELL")) == (
        Decimal("0.01"),
        Decimal("0.014"),
    )
    await house.sees("SHORT", "filled", "protected on chain")


async def test_a_sell_that_leaves_the_chart_flat_never_opens_a_short(desk: House) -> None:
    answer = await desk.alert("sell", size="0.01", market_position="flat")
    assert answer["status"] == "REJECTED"
    await desk.alert("buy", size="0.01")
    await desk.position_is(TICKER, "0.01")
    await desk.alert("sell", size="0.02", market_position="flat")
    await desk.position_is(TICKER, "0")
    assert await traded(desk, "SELL") == Decimal("0.01")


async def test_a_close_does_not_wait_for_an_entry_that_finds_no_match(desk: House) -> None:
    await desk.control("faults", fill_withheld=True)
    await desk.alert("buy", size="0.01")
    answer = await desk.alert("close")
    await desk.control("faults", clear=True)
    assert answer["status"] in ("PENDING", "REJECTED")
    await desk.sees("not filled", within_s=40)
    assert await desk.fills() == [], "the entry filled after the close had cancelled it"
    assert await desk.chain_size(TICKER) == 0


async def test_a_close_right_behind_an_entry_whose_answer_was_lost_ends_flat(
    desk_on_both: House,
) -> None:
    house = desk_on_both
    await house.control("faults", answer_lost=1)
    entry = await house.alert("buy", size="0.01")
    assert entry["status"] in ("PENDING", "FILLED", "ACCEPTED")
    await house.control("faults", clear=True)
    await house.alert("close")

    async def flat_and_told() -> bool:
        return await house.chain_size(TICKER) == 0 and any(
            "closed" in one.text or "not filled" in one.text for one in house.user.screen()
        )

    await until(flat_and_told, 60)
    assert await traded(house, "BUY") == await traded(house, "SELL")


async def test_what_waits_behind_an_entry_is_not_opened_after_a_close(desk: House) -> None:
    await desk.control("faults", fill_withheld=True)
    await desk.alert("buy", size="0.01")
    await desk.alert("buy", size="0.02")
    await desk.alert("close")
    await desk.control("faults", clear=True)
    await desk.sees("A close came before this was carried out", within_s=60)
    assert await desk.fills() == []


async def test_a_close_goes_on_until_nothing_is_left(desk: House) -> None:
    """Its first order lives out its blocks without a match; the next one finds one."""
    await desk.alert("buy", size="0.01")
    await desk.position_is(TICKER, "0.01")
    await desk.control("faults", fill_withheld=True)
    answer = await desk.alert("close")
    assert answer["status"] == "ACCEPTED"
    await desk.height_past(await desk.height() + LIFETIME_BLOCKS)
    await desk.control("faults", clear=True)
    await desk.position_is(TICKER, "0", within_s=60)
    closing = [row for row in await desk.fills() if row["side"] == "SELL"]
    assert answer["order_id"] not in {row["orderId"] for row in closing}
    assert sum(Decimal(row["size"]) for row in closing) == Decimal("0.01")


async def test_an_order_that_waits_is_cancelled_by_an_alert_and_the_stop_stays(desk: House) -> None:
    await desk.alert("buy", size="0.005")
    await desk.rests(("STOP_LIMIT", "SELL", "0.005"), ("TAKE_PROFIT", "SELL", "0.005"))
    low = str((await desk.oracle(TICKER)) * Decimal("0.95") // 1)
    await desk.alert("buy", size="0.002", type="limit", price=low)
    await desk.rests(
        ("LIMIT", "BUY", "0.002"), ("STOP_LIMIT", "SELL", "0.005"), ("TAKE_PROFIT", "SELL", "0.005")
    )
    await desk.alert("cancel")
    await desk.rests(("STOP_LIMIT", "SELL", "0.005"), ("TAKE_PROFIT", "SELL", "0.005"))

    async def nothing_left() -> bool:
        again = await desk.alert("cancel")
        return bool(again.get("reason", {}).get("code") == "nothing_to_cancel")

    await until(nothing_left)


async def test_orders_that_come_faster_than_the_chain_takes_them_all_rest(desk: House) -> None:
    prices = [str((await desk.oracle(TICKER)) * Decimal(f"0.9{nth}") // 1) for nth in range(4)]
    for price in prices:
        answer = await desk.alert("buy", size="0.002", type="limit", price=price, id=price)
        assert answer["status"] in ("ACCEPTED", "PENDING"), answer
    await desk.rests(*[("LIMIT", "BUY", "0.002")] * len(prices), within_s=40)


async def test_sync_makes_the_chart_s_position_the_target(desk: House) -> None:
    async def chart(position: str, size: str) -> None:
        await desk.alert("buy", sync=True, market_position=position, market_position_size=size)

    await chart("long", "0.01")
    await desk.position_is(TICKER, "0.01")
    await chart("long", "0.004")
    await desk.position_is(TICKER, "0.004")
    await chart("short", "0.002")
    await desk.position_is(TICKER, "-0.002", within_s=40)
    await chart("flat", "0")
    await desk.position_is(TICKER, "0")


async def test_two_exits_in_the_same_second_both_act(desk: House) -> None:
    await desk.alert("buy", size="0.01")
    await desk.position_is(TICKER, "0.01")
    await desk.alert("reduce", size="0.003", id="exit-1")
    await desk.alert("reduce", size="0.004", id="exit-2")
    await desk.position_is(TICKER, "0.003", within_s=40)


async def test_a_market_belongs_to_the_strategy_that_opened_it_until_it_is_flat(
    desk: House,
) -> None:
    await desk.alert("buy", size="0.005")
    await desk.position_is(TICKER, "0.005")
    mine = desk.url, desk.template
    await second_strategy(desk)
    for action in ("buy", "sell", "close"):
        answer = await desk.alert(action, size="0.002")
        assert (answer["status"], answer["reason"]["code"]) == ("REJECTED", "market_in_use")
        assert "main" in answer["reason"]["text"]
    theirs = desk.url, desk.template
    desk.url, desk.template = mine
    await desk.alert("close")
    await desk.position_is(TICKER, "0")
    desk.url, desk.template = theirs
    await desk.alert("buy", size="0.002")
    await desk.position_is(TICKER, "0.002")


async def test_a_position_made_by_hand_is_let_be(desk: House) -> None:
    await trade_by_hand(desk, TICKER, "BUY", Decimal("0.003"))
    await desk.position_is(TICKER, "0.003")

    async def refused() -> bool:
        answer = await desk.alert("close")
        return bool(answer.get("reason", {}).get("code") == "position_external")

    await until(refused)
    assert await desk.chain_size(TICKER) == Decimal("0.003")
