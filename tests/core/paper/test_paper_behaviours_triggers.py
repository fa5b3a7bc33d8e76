"""Behaviours of orders that act later, each case named by the number of the one it shows: triggers
(22), and what a real network was seen to do (26): dead stops, restarts, TWAP orders.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from v4_proto.dydxprotocol.clob.order_pb2 import TwapParameters
from v4_proto.dydxprotocol.clob.query_pb2 import (
    QueryStatefulOrderRequest,
    QueryStatefulOrderResponse,
)
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgPlaceOrder

from core.paper.failures import Failed
from core.paper.happenings import BlockCommitted, StatefulChanged
from core.paper.journal import Journal
from core.paper.orders import order_key
from core.paper.queries import Queries
from tests.core.paper.chain_kit import (
    BUY,
    GOVERNANCE,
    IOC,
    LINK,
    SELL,
    gas,
)
from tests.core.paper.orders_kit import (
    CONDITIONAL,
    PART,
    STOP,
    TAKE,
    TWAP,
    WHOLE,
    Cases,
    Town,
    refused,
    transfer,
)

CASES = Cases()
case = CASES.named

# -- 22 -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side", "kind", "at", "triggers"),
    [
        (SELL, STOP, "7.155", True),
        (SELL, STOP, "7.11", True),
        (SELL, STOP, "7.109", False),
        (BUY, TAKE, "7.11", True),
        (BUY, TAKE, "7.109", False),
        (BUY, STOP, "7.201", False),
        (SELL, TAKE, "7.201", False),
    ],
)
def test_22_a_trade_triggers_as_far_as_five_least_price_changes_from_the_oracle(
    side: int, kind: int, at: str, triggers: bool
) -> None:
    """LINK-USD moves by 2,500 ppm at least: 7.2 less 1.25 % is 7.11."""
    town = Town()
    limit = "9" if side == SELL else "6"
    waiting = town.put(town.a, town.order(town.a, side, 1, limit, CONDITIONAL, trigger=(kind, at)))
    third = town.lab.funded(3)
    town.now(town.b, BUY, 1, "6.9")
    town.now(third, SELL, 1, "6.9", tif=IOC)
    town.lab.block()

    assert town.state(waiting) == ("triggered" if triggers else "there")


@case("22 what triggers in a block goes on the book after it and fills in the next")
def _(town: Town) -> None:
    town.give(town.a, 20)
    town.now(town.b, BUY, 20, "6.9")
    stop = town.put(town.a, town.stop(town.a, 20, "6", "7"))
    town.move("6.95")
    told = town.told(stop)
    town.lab.block()

    assert told == ["UNTRIGGERED", "OPEN"]
    assert town.told(stop)[2:] == ["FILL 20 at 6.9"]


@case("22 a stop whose limit is too tight disappears without a fill")
def _(town: Town) -> None:
    town.give(town.a, 20)
    town.now(town.b, BUY, 20, "6.8")
    stop = town.put(town.a, town.stop(town.a, 20, "6.9", "7"))
    town.move("6.95")
    town.lab.block()

    assert town.held(town.a) == 20
    assert town.told(stop)[-1] == "CANCELED IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"


@case("22 an untriggered order waits on after a restart")
def _(town: Town) -> None:
    waiting = town.order(town.a, BUY, 1, "7", CONDITIONAL, trigger=(STOP, "7.5"))
    gone = town.order(town.a, BUY, 1, "7", CONDITIONAL, trigger=(STOP, "7.5"))
    town.send(town.a, waiting)
    town.put(town.a, gone)
    town.restart()
    town.send(town.a, town.cancel(gone))
    town.move("7.4")
    before = town.state(waiting)
    town.move("7.5")

    assert (before, town.state(waiting), town.state(gone)) == ("there", "triggered", "gone")


# -- 26 -------------------------------------------------------------------------------------


@case("26 a stop without its position dies, counts on, and wakes when the node restarts")
def _(town: Town) -> None:
    poor = town.lab.funded(7, usdc=30)
    town.give(poor, 2)
    stop = town.put(poor, town.stop(poor, 2, "6", "7"))
    town.now(town.b, BUY, 2, "7.1")
    town.now(poor, SELL, 2, "7", tif=IOC, reduce_only=True)
    town.lab.block()
    town.move("6.9")
    dead = town.told(stop)
    full = town.send(poor, town.order(poor, BUY, 1, "6"))
    town.give(poor, 3)
    town.now(town.b, BUY, 9, "6.9")
    town.move("7.2")
    town.move("6.9")
    town.lab.blocks(2)
    still = (town.held(poor), town.state(stop))
    town.restart()
    town.now(town.b, BUY, 9, "6.9")
    town.lab.block()
    woken = town.held(poor)

    assert dead == [
        "UNTRIGGERED",
        "memory: BEST_EFFORT_CANCELED REDUCE_ONLY_RESIZE",
        "OPEN",
    ]
    assert refused(full) == ("clob", 10001)
    assert still == (3, "triggered")
    # It found an empty book when it woke, and is gone with the block after.
    assert (woken, town.state(stop)) == (3, "gone")


@case("26 a woken stop takes what rests: it sold two of a later long of three")
def _(town: Town) -> None:
    bid = town.put(town.b, town.order(town.b, BUY, 9, "6.9"))
    stop = town.put(town.a, town.stop(town.a, 2, "6", "7.5"))
    third = town.lab.funded(3)
    town.now(third, SELL, 3, "7.2")
    town.now(town.a, BUY, 3, "7.2", tif=IOC)
    town.lab.block()
    town.restart()
    town.lab.block()

    assert town.held(town.a) == 1
    assert (town.state(stop), town.told(bid)[-1]) == ("gone", "FILL 2 at 6.9")


@case("26 a reversal by a long-term order is one fill of its full size")
def _(town: Town) -> None:
    town.give(town.a, 20)
    town.now(town.b, BUY, 100, "7.1")
    town.put(town.a, town.order(town.a, SELL, 50, "7.1"))
    town.lab.block()

    fills = town.lab.fills(town.a)
    assert (fills[-1].quantums, fills[-1].quantums_before) == (50 * WHOLE, 20 * WHOLE)


def asked(town: Town, message: MsgPlaceOrder, **change: int) -> Any:
    """The node's answer to a query for an order."""
    request = QueryStatefulOrderRequest(order_id=message.order.order_id)
    for name, value in change.items():
        setattr(request.order_id, name, value)
    answer = Queries(town.exchange, "paper").answer(
        "/dydxprotocol.clob.Query/StatefulOrder", request.SerializeToString()
    )
    return QueryStatefulOrderResponse.FromString(answer)


@case("26 the node's StatefulOrder shows the order as signed, its fills and its trigger")
def _(town: Town) -> None:
    bid = town.put(town.a, town.order(town.a, BUY, 30, "7.15"))
    stop = town.put(town.a, town.order(town.a, BUY, 1, "7", CONDITIONAL, trigger=(STOP, "7.5")))
    placed = town.exchange.height
    town.now(town.b, SELL, 12, "7.1", tif=IOC)
    waiting = asked(town, stop)
    town.move("7.6")

    first, second = asked(town, bid), asked(town, stop)
    assert (first.order_placement.order, first.fill_amount) == (bid.order, 12 * WHOLE)
    assert second.order_placement.order == stop.order
    assert (waiting.triggered, waiting.order_placement.placement_index.block_height) == (
        False,
        placed,
    )
    assert (second.triggered, second.order_placement.placement_index.block_height) == (
        True,
        placed + 1,
    )


@pytest.mark.parametrize(
    ("flags", "status", "begin"),
    [
        (0, "INTERNAL", "MustBeStatefulOrder: called with non-stateful order ID ({Subaccount"),
        (7, "INTERNAL", "MustBeStatefulOrder: called with non-stateful order ID ({Subaccount"),
        (128, "INTERNAL", "FetchStateStoresForOrder: orderId ({SubaccountId:{Owner:dydx"),
        (256, "NOT_FOUND", "not found"),
        (64, "NOT_FOUND", "not found"),
    ],
)
def test_26_a_query_for_what_is_no_order_of_the_state_fails_as_on_the_real_node(
    flags: int, status: str, begin: str
) -> None:
    town = Town()

    with pytest.raises(Failed) as caught:
        asked(town, town.order(town.a, BUY, 1, "7"), order_flags=flags)

    assert (caught.value.status.name, caught.value.details[: len(begin)]) == (status, begin)


# -- TWAP -----------------------------------------------------------------------------------


def twap(town: Town, size: int, **more: Any) -> MsgPlaceOrder:
    """Over 300 seconds in ten parts, at the oracle and 1 % worse."""
    message = town.order(town.a, more.pop("side", BUY), size, "0", TWAP, **more)
    message.order.twap_parameters.CopyFrom(
        TwapParameters(duration=300, interval=30, price_tolerance=10_000)
    )
    return message


def parts(town: Town) -> list[tuple[int, str]]:
    """(LINK, price) of the parts that the chain placed."""
    scale = GOVERNANCE.markets[LINK].scale
    return [
        (event.order.quantums // WHOLE, f"{scale.price_of(event.order.subticks).normalize()}")
        for happening in town.lab.told
        if isinstance(happening, BlockCommitted)
        for event in happening.events
        if isinstance(event, StatefulChanged)
        and event.order.key.order_flags == PART
        and event.status == "OPEN"
    ]


@case("26 a TWAP order trades in parts, at once and every interval, as TWAP_SUBORDER")
def _(town: Town) -> None:
    town.put(town.b, town.order(town.b, SELL, 1_000, "7.2"))
    order = town.put(town.a, twap(town, 100))
    town.lab.block()
    first = town.held(town.a)
    town.lab.blocks(29)
    before = town.held(town.a)
    town.lab.blocks(1)
    second = town.held(town.a)
    town.lab.blocks(300)

    assert (first, before, second, town.held(town.a)) == (10, 10, 20, 100)
    assert parts(town) == [(10, "7.272")] * 10
    assert {fill.kind for fill in town.lab.fills(town.a)} == {"TWAP_SUBORDER"}
    assert town.told(order) == ["OPEN"]
    assert not town.exchange.state.twaps.committed
    assert not town.exchange.state.stateful_counts.committed.get(town.a.key)


@case("26 parts of a TWAP order that found no seller are caught up, three shares at most")
def _(town: Town) -> None:
    town.put(town.a, twap(town, 100))
    town.lab.blocks(150)
    town.put(town.b, town.order(town.b, SELL, 1_000, "7.2"))
    town.lab.blocks(200)

    assert [size for size, _ in parts(town)] == [10, 11, 12, 14, 16, 20, 20, 20, 20, 20]
    assert town.held(town.a) == 100


@case("26 a TWAP sale goes down to the oracle less its tolerance; an own limit replaces it")
def _(town: Town) -> None:
    town.put(town.a, twap(town, 100, side=SELL))
    limited = twap(town, 100)
    limited.order.subticks = 7_000 * WHOLE
    town.put(town.a, limited)

    assert parts(town) == [(10, "7.128"), (10, "7")]


@case("26 cancelling a TWAP order takes its part along and ends it")
def _(town: Town) -> None:
    order = town.put(town.a, twap(town, 100))
    cancelled = town.deliver(town.send(town.a, town.cancel(order)))
    town.now(town.b, SELL, 100, "7.2", tif=IOC)
    town.lab.blocks(60)

    assert refused(cancelled) == ("", 0)
    assert town.told(order) == ["OPEN", "CANCELED USER_CANCELED"]
    assert len(parts(town)) == 1
    assert town.held(town.a) == 0


@case("26 a TWAP order without collateral for its part is removed")
def _(town: Town) -> None:
    one = town.a
    order = town.put(one, twap(town, 100))
    town.send(one, transfer(one, 19_995), fee=gas())
    town.lab.blocks(31)

    assert town.told(order) == ["OPEN", "CANCELED UNDERCOLLATERALIZED"]


@case("26 a TWAP order goes on after a restart")
def _(town: Town) -> None:
    town.put(town.b, town.order(town.b, SELL, 1_000, "7.2"))
    town.put(town.a, twap(town, 100))
    town.lab.blocks(40)
    town.restart()
    town.lab.blocks(300)

    assert town.held(town.a) == 100


async def test_26_the_journal_keeps_stateful_orders_of_every_kind(tmp_path: Path) -> None:
    town = Town()
    bid = town.order(town.a, BUY, 30, "7.15")
    stop = town.order(town.a, BUY, 1, "7.4", CONDITIONAL, trigger=(STOP, "7.5"))
    spread = twap(town, 100)
    for message in (bid, stop):
        assert town.send(town.a, message).code == 0
    journal = Journal(tmp_path, "localdydxprotocol")
    await journal.open()
    for count in range(3):
        if count == 1:
            assert town.send(town.a, spread).code == 0
        town.now(town.b, SELL, 2, "7.1", tif=IOC)
        town.lab.now += dt.timedelta(seconds=1)
        commit = town.exchange.commit(town.lab.now)
        # The tables of the chain so far, once, and then what each block changed.
        changes = dict(commit.changes)
        if not count:
            for name, table in town.exchange.state.tables():
                changes[name] = table.committed | changes[name]
        await journal.write(replace(commit, changes=changes))
        town.exchange.publish(commit)
    await journal.close()

    again = Journal(tmp_path, "localdydxprotocol")
    tables = await again.open()
    await again.close()

    assert tables is not None
    for name, table in town.exchange.state.tables():
        assert tables.get(name, {}) == table.committed, name
    assert {row.order.key.order_flags for row in tables["stateful"].values()} == {64, 32, 256}
    assert tables["fills"][order_key(bid.order.order_id)].quantums == 2 * WHOLE
    assert [row.legs for row in tables["twaps"].values()] == [9]


@pytest.mark.parametrize("name", CASES)
def test_a_behaviour_of_orders_that_act_later(name: str) -> None:
    CASES[name](Town())
