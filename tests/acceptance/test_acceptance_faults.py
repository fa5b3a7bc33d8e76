"""What the bot does and says when the network is not as it should be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.dydx.protocol import order_uuid
from tests.acceptance.house import House, a_house
from tests.acceptance.until import until


async def test_an_order_whose_answer_is_lost_is_unknown_then_proved_and_never_sent_twice(
    desk_on_both: House,
) -> None:
    house = desk_on_both
    await house.control("faults", answer_lost=1)
    answer = await house.alert("buy", size="0.01")
    assert answer["status"] in ("PENDING", "FILLED")
    await house.position_is("BTC-USD", "0.01")
    await house.sees("filled", "protected on chain", within_s=40)
    await house.control("faults", clear=True)
    fills = await house.fills()
    assert sum(Decimal(row["size"]) for row in fills) == Decimal("0.01")
    assert {row["orderId"] for row in fills} == {answer["order_id"]}


async def test_an_order_that_never_fills_is_told_as_unfilled_once_the_chain_proves_it(
    desk: House,
) -> None:
    await desk.control("faults", fill_withheld=True)
    answer = await desk.alert("buy", size="0.01")
    assert answer["status"] == "ACCEPTED"
    await desk.sees("not filled", within_s=40)
    await desk.control("faults", clear=True)
    assert await desk.fills() == []
    await desk.alert("buy", size="0.01")
    await desk.position_is("BTC-USD", "0.01")


async def test_a_refused_order_is_answered_rejected_with_the_chains_reason(desk: House) -> None:
    await desk.control("faults", order_refused={"codespace": "clob", "code": 5001, "count": 1})
    answer = await desk.alert("buy", size="0.01")
    assert (answer["status"], answer["reason"]["code"]) == ("REJECTED", "chain_clob_5001")
    await desk.sees("refused", reply=True)
    assert await desk.fills() == []


async def test_a_take_profit_that_does_not_fill_is_tried_until_it_does(desk: House) -> None:
    await desk.alert("buy", size="0.01")
    await desk.sees("protected on chain")
    await desk.control("faults", order_refused={"codespace": "clob", "code": 5001, "count": 2})
    await desk.price("BTC-USD", str((await desk.oracle("BTC-USD")) * Decimal("1.04") // 1))
    await desk.sees("closed: take profit", reply=True, within_s=40)
    await desk.position_is("BTC-USD", "0")


async def test_fills_that_no_message_brought_are_found_after_a_reconnect(desk: House) -> None:
    await desk.control("faults", ws_closed=True)
    answer = await desk.alert("buy", size="0.01")
    assert answer["status"] in ("ACCEPTED", "FILLED", "PENDING")
    await desk.sees("filled", "protected on chain", within_s=40)
    await desk.position_is("BTC-USD", "0.01")


async def test_an_indexer_behind_the_chain_delays_the_news_and_changes_nothing(
    desk: House,
) -> None:
    await desk.control("faults", indexer_lag_blocks=8)
    answer = await desk.alert("buy", size="0.01")
    assert answer["status"] == "ACCEPTED"
    await desk.sees("filled", "protected on chain", within_s=40)
    assert sum(Decimal(row["size"]) for row in await desk.fills()) == Decimal("0.01")


@pytest.fixture
async def five_nodes(tmp_path: Path, sqlite_ledger_url: str) -> AsyncIterator[House]:
    """A house whose network has five nodes."""
    async with a_house(tmp_path, sqlite_ledger_url, nodes=5) as house:
        await house.start_bot()
        await house.connect()
        yield house


async def test_each_node_takes_over_from_the_one_before_and_after_the_last_the_trader_is_told(
    five_nodes: House,
) -> None:
    house = five_nodes
    markets = ("BTC-USD", "ETH-USD", "SOL-USD", "LINK-USD", "DOGE-USD")
    broadcast = "/cosmos.tx.v1beta1.Service/BroadcastTx"
    for number, ticker in enumerate(markets):
        answer = await house.alert("buy", ticker=ticker, size_usd="50")
        assert answer["status"] in ("ACCEPTED", "FILLED", "PENDING")
        await house.sees(ticker, "filled", "protected on chain")
        took = [node.calls[broadcast] for node in house.paper.nodes]
        assert took[number] > 0
        assert not any(took[number + 2 :])  # the next one may have got a hedged copy
        await house.paper.nodes[number].kill()
    await house.alert("buy", ticker="AVAX-USD", size_usd="50")
    told = await house.sees("AVAX-USD", "No dYdX node could be reached", reply=True)
    assert "Nothing was sent" in told.text


async def test_the_order_id_is_known_before_the_chain_is_asked(desk: House) -> None:
    answer = await desk.alert("buy", size="0.01")
    await desk.position_is("BTC-USD", "0.01")
    row = (await desk.fills())[0]
    order = await desk._get(f"/v4/orders/{answer['order_id']}")
    expected = order_uuid(desk.address, 0, int(order["clientId"]), int(order["clobPairId"]), 0)
    assert row["orderId"] == str(expected)


async def test_a_paused_strategy_stores_and_refuses(desk: House) -> None:
    desk.user.say("/strategies")
    listed = await desk.sees("Strategies")
    desk.user.press(listed.id, "main")
    shown = await desk.sees("Strategy main", "size 100")
    desk.user.press(shown.id, "Pause")
    await desk.sees("Strategy main", "paused: entries are refused")
    answer = await desk.alert("buy", size="0.01")
    assert (answer["status"], answer["reason"]["code"]) == ("REJECTED", "strategy_paused")

    async def nothing() -> bool:
        return await desk.fills() == []

    await until(nothing)
