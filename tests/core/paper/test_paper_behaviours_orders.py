"""Behaviours of orders in the chain's state, each case named by the number of the one it shows.

Checks (1), sequences (5), company in a transaction (9), limits (10), ticks (11), reduce-only (12),
post-only and IOC (13), priority (14), self-trade (15), ids (16), cancels (17), collateral (18).
"""

from __future__ import annotations

import pytest
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin

from tests.core.paper.chain_kit import (
    BUY,
    EIGEN,
    IOC,
    LINK,
    POST_ONLY,
    SELL,
    Trader,
    gas,
)
from tests.core.paper.orders_kit import (
    CONDITIONAL,
    STOP,
    TAKE,
    Cases,
    Town,
    refused,
    transfer,
)

CASES = Cases()
case = CASES.named

# -- 1 --------------------------------------------------------------------------------------


@case("1 a stateful order is checked for market, tick, step, window, id, trigger, tier, collateral")
def _(town: Town) -> None:
    poor = town.lab.funded(3, usdc=1)
    standing = town.put(town.a, town.order(town.a, BUY, 1, "7")).order.order_id.client_id
    answers = []
    for fixed in range(7):
        broken = town.order(poor, BUY, 10_000, "7", CONDITIONAL, trigger=(STOP, "8"))
        order = broken.order
        order.subticks += 1 if fixed < 2 else 0
        order.order_id.clob_pair_id = 99_999 if fixed < 1 else LINK
        order.quantums += 1 if fixed < 3 else 0
        order.good_til_block_time = town.until(-1) if fixed < 4 else town.until(600)
        order.conditional_order_trigger_subticks += 1 if fixed < 5 else 0
        result = town.send(poor, broken)
        answers.append((result.code, result.log.split(" ")[0]))
        town.lab.block()
    again = town.order(town.a, BUY, 40_000, "7", client_id=standing)
    rich = town.order(town.a, BUY, 40_000, "7")

    assert answers == [
        (8, "Clob"),
        (12, "Order"),
        (12, "Order"),
        (3003, "GoodTilBlockTime"),
        (12, "Conditional"),
        (10001, "Opening"),
        (10001, "Opening"),
    ]
    assert [refused(town.send(town.a, row)) for row in (again, rich)] == [
        ("clob", 3005),
        ("clob", 3007),
    ]


@case("1 the logs of stateful refusals say what the real chain says")
def _(town: Town) -> None:
    owner = town.a.address
    first = town.put(town.a, town.order(town.a, BUY, 30, "7.15", client_id=7))
    until = first.order.good_til_block_time
    again = town.order(town.a, BUY, 30, "7.15", client_id=7, good_til_block_time=until + 2)
    log = town.send(town.a, again).log
    head, _, rest = log.partition(" GoodTilOneof:")

    assert head == (
        "A stateful order with this OrderId already exists and stateful order replacement is not "
        f"supported. Existing order GoodTilBlockTime ({until}), New order GoodTilBlockTime "
        f"({until + 2}). Existing order: ({{OrderId:{{SubaccountId:{{Owner:{owner} Number:0}} "
        "ClientId:7 OrderFlags:64 ClobPairId:2} Side:SIDE_BUY Quantums:30000000 "
        "Subticks:7150000000"
    )
    assert rest.partition(" ")[2] == (
        "TimeInForce:TIME_IN_FORCE_UNSPECIFIED ReduceOnly:false ClientMetadata:1 "
        "ConditionType:CONDITION_TYPE_UNSPECIFIED ConditionalOrderTriggerSubticks:0 "
        "TwapParameters:<nil> BuilderCodeParameters:<nil> OrderRouterAddress:}). New order: "
        f'(order_id:<subaccount_id:<owner:"{owner}" > client_id:7 order_flags:64 clob_pair_id:2 > '
        "side:SIDE_BUY quantums:30000000 subticks:7150000000 "
        f"good_til_block_time:{until + 2} client_metadata:1 ).: Existing stateful order has "
        "higher-or-equal priority than the new one"
    )


# -- 5 --------------------------------------------------------------------------------------


@case("5 an order that fails in its block has used its sequence and is shown with its refusal")
def _(town: Town) -> None:
    town.now(town.b, SELL, 20_000, "7.2")
    result = town.send(town.a, town.order(town.a, BUY, 20_000, "7.2"), sequence=0)
    # A fill before the block takes the collateral that the order was accepted with.
    town.now(town.a, BUY, 20_000, "7.2", tif=IOC)

    delivered = town.deliver(result)

    account = town.exchange.account(town.a.address)
    assert result.code == 0
    assert refused(delivered) == ("clob", 3007)
    assert delivered.log.startswith(
        "failed to execute message; message index: 0: PlaceStatefulOrder: order ({OrderId:"
    )
    assert account is not None
    assert account.sequence == 1


# -- 9 --------------------------------------------------------------------------------------


@case("9 cancel and place go in one transaction")
def _(town: Town) -> None:
    old = town.put(town.a, town.order(town.a, BUY, 10, "7"))
    new = town.order(town.a, BUY, 10, "7.1")

    delivered = town.deliver(town.send(town.a, town.cancel(old), new))

    assert refused(delivered) == ("", 0)
    assert (town.state(old), town.state(new)) == ("gone", "there")


@case("9 one transfer may pay for the order beside it, and needs no fee")
def _(town: Town) -> None:
    isolated = Trader(town.a.wallet, 128)
    order = town.order(isolated, BUY, 20, "0.2", pair=EIGEN)

    alone = town.send(town.a, order)
    town.lab.block()
    together = town.deliver(town.send(town.a, transfer(town.a, 50), order))

    assert refused(alone) == ("clob", 10001)
    assert (refused(together), together.gas_used, together.gas_wanted) == (("", 0), 0, -1)
    assert town.exchange.subaccount(isolated.key).usdc == 50_000_000


@case("9 a transfer beyond the balance is refused at once when it pays for an order")
def _(town: Town) -> None:
    result = town.send(town.a, transfer(town.a, 50_000), town.order(town.a, BUY, 1, "7"))

    assert refused(result) == ("subaccounts", 102)
    assert result.log.startswith(f"Subaccount with id {{{town.a.address} 0}} failed with")


@case("9 two transfers, or a send, may not stand beside an order")
def _(town: Town) -> None:
    order = town.order(town.a, BUY, 1, "7")
    send = MsgSend(
        from_address=town.a.address,
        to_address=town.b.address,
        amount=[Coin(denom="adv4tnt", amount="1")],
    )
    two = town.send(town.a, order, transfer(town.a, 1), transfer(town.a, 1, 129))
    coins = town.send(town.a, order, send)

    assert (two.code, two.log) == (
        18,
        "a transaction containing stateful orders can only be accompanied by 1 transfer msg: "
        "invalid request",
    )
    assert (coins.code, coins.log) == (
        18,
        "a transaction containing stateful orders cannot be accompanied by non transfer msgs: "
        "invalid request",
    )


@case("9 of several messages either all happen or none")
def _(town: Town) -> None:
    standing = town.put(town.a, town.order(town.a, BUY, 1, "7"))
    good, bad = town.order(town.a, BUY, 1, "7"), town.order(town.a, BUY, 40_000, "7")

    checked = town.send(town.a, good, bad)
    town.lab.block()
    alone = town.send(town.a, good)
    cancelled = town.send(town.a, town.cancel(standing))
    town.lab.block()

    assert refused(checked) == ("clob", 3007)
    assert (alone.code, cancelled.code, town.state(good)) == (0, 0, "there")


# -- 10 -------------------------------------------------------------------------------------


@case("10 two stateful placements per block and twenty per hundred, over all subaccounts")
def _(town: Town) -> None:
    town.exchange.give(town.a.address, 1, 10_000_000_000)
    town.lab.block()
    second = Trader(town.a.wallet, 1)
    owners = [town.a, second, town.a]
    codes = [town.send(one, town.order(one, BUY, 1, "6")).code for one in owners]
    for _ in range(9):
        town.lab.block()
        codes += [town.send(one, town.order(one, BUY, 1, "6")).code for one in owners[:2]]
    town.lab.block()
    last = town.send(town.a, town.order(town.a, BUY, 1, "6"))
    cancel = town.send(town.a, town.cancel(town.order(town.a, BUY, 1, "6")))

    assert codes[:3] == [0, 0, 5001]
    assert set(codes[3:-1]) == {0}
    assert last.log == (
        "Rate of 22 exceeds configured block rate limit of {NumBlocks:100 Limit:20} for "
        f"MaxStatefulOrdersPerNBlocks and {town.a.address}: Block rate limit exceeded"
    )
    assert cancel.code == 3006  # cancels are not counted


@case("10 a tier of none and a full tier say so; conditional orders count, short-term ones do not")
def _(town: Town) -> None:
    none, one = town.lab.funded(4, usdc=10), town.lab.funded(5, usdc=30)
    nothing = town.send(none, town.order(none, BUY, 1, "6"))
    first = town.put(one, town.order(one, SELL, 1, "9", CONDITIONAL, trigger=(STOP, "5")))
    full = town.send(one, town.order(one, BUY, 1, "6", client_id=77))
    short = town.now(one, BUY, 1, "6")

    assert nothing.log == (
        "Opening order would exceed equity tier limit of 0, for subaccount {Owner:"
        f"{none.address} Number:0}} with net collateral +10000000: Subaccount cannot open more "
        "orders due to equity tier limit."
    )
    assert full.log == (
        "Opening order would exceed equity tier limit of 1. Order count: 1, total net collateral: "
        f"<nil>, order id: {{SubaccountId:{{Owner:{one.address} Number:0}} ClientId:77 "
        "OrderFlags:64 ClobPairId:2}: Subaccount cannot open more orders due to equity tier limit."
    )
    assert (short.code, town.state(first)) == (0, "there")


@case("10 with the tier full, cancel and place in one transaction is refused and the order stays")
def _(town: Town) -> None:
    one = town.lab.funded(5, usdc=30)
    old = town.put(one, town.order(one, BUY, 1, "6"))

    both = town.send(one, town.cancel(old), town.order(one, BUY, 1, "6.1"))
    town.lab.block()

    assert refused(both) == ("clob", 10001)
    assert town.state(old) == "there"


@case("10 two placements in one block can overfill a tier only until the block")
def _(town: Town) -> None:
    one = town.lab.funded(5, usdc=30)
    orders = [town.order(one, BUY, 1, "6") for _ in range(2)]
    accepted = [town.send(one, order) for order in orders]
    delivered = [town.deliver(result) for result in accepted]

    assert [result.code for result in accepted] == [0, 0]
    assert [refused(row) for row in delivered] == [("", 0), ("clob", 10001)]


# -- 11 -------------------------------------------------------------------------------------


@case("11 a trigger off the tick is refused after everything about the id")
def _(town: Town) -> None:
    message = town.order(town.a, SELL, 1, "6", CONDITIONAL, trigger=(STOP, "6.9995"))

    assert refused(town.send(town.a, message)) == ("clob", 12)


# -- 12 -------------------------------------------------------------------------------------


@case("12 a reduce-only stop larger than the position sells the position and is resized away")
def _(town: Town) -> None:
    town.give(town.a, 20)
    stop = town.put(town.a, town.stop(town.a, 90, "6", "7"))
    town.now(town.b, BUY, 100, "6.9")
    town.move("6.9")
    town.lab.blocks(2)

    assert town.held(town.a) == 0
    assert town.state(stop) == "gone"
    assert town.told(stop) == [
        "UNTRIGGERED",
        "memory: BEST_EFFORT_CANCELED REDUCE_ONLY_RESIZE",
        "OPEN",
        "FILL 20 at 6.9",
        "CANCELED REDUCE_ONLY_RESIZE",
    ]


# -- 13 -------------------------------------------------------------------------------------


@case(
    "13 a long-term post-only order that would cross is accepted, shown and removed a block later"
)
def _(town: Town) -> None:
    town.now(town.b, SELL, 10, "7.215")
    bid = town.put(town.a, town.order(town.a, BUY, 10, "7.3", tif=POST_ONLY))
    town.lab.block()

    assert town.state(bid) == "gone"
    assert town.told(bid) == [
        "memory: BEST_EFFORT_CANCELED POST_ONLY_WOULD_CROSS_MAKER_ORDER",
        "OPEN",
        "CANCELED POST_ONLY_WOULD_CROSS_MAKER_ORDER",
    ]


@case("13 what is left of a triggered IOC is removed after its fill")
def _(town: Town) -> None:
    town.give(town.a, 20)
    town.now(town.b, BUY, 4, "7.19")
    take = town.order(
        town.a, SELL, 10, "7", CONDITIONAL, tif=IOC, reduce_only=True, trigger=(TAKE, "7.1")
    )
    town.put(town.a, take)
    town.lab.block()

    assert town.told(take) == [
        "memory: BEST_EFFORT_CANCELED IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK",
        "UNTRIGGERED",
        "OPEN",
        "FILL 4 at 7.19",
        "CANCELED IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK",
    ]


# -- 14 -------------------------------------------------------------------------------------


@case("14 price, then time, over all kinds of orders on one book")
def _(town: Town) -> None:
    third = town.lab.funded(3)
    town.now(town.b, SELL, 1, "7.3")
    long = town.put(town.a, town.order(town.a, SELL, 1, "7.3"))
    conditional = town.order(third, SELL, 1, "7.25", CONDITIONAL, trigger=(STOP, "7.1"))
    town.put(third, conditional)
    town.move("7.05")
    taker = town.lab.funded(4)
    town.now(taker, BUY, 2, "7.4", tif=IOC)
    town.lab.block()

    assert town.told(conditional)[-1] == "FILL 1 at 7.25"
    assert (town.held(town.b), town.state(long)) == (-1, "there")
    town.now(taker, BUY, 1, "7.4", tif=IOC)
    town.lab.block()
    assert town.told(long) == ["OPEN", "FILL 1 at 7.3"]
    assert town.state(long) == "gone"


@case("14 a long-term order matches from the block after its own, as taker at the makers' prices")
def _(town: Town) -> None:
    town.now(town.b, SELL, 4, "7.21")
    town.now(town.b, SELL, 20, "7.215")
    bid = town.put(town.a, town.order(town.a, BUY, 15, "7.3"))
    before = town.held(town.a)
    town.lab.block()

    assert before == 0
    assert town.told(bid) == ["OPEN", "FILL 4 at 7.21", "FILL 11 at 7.215"]


@case("14 a partly filled long-term order rests on, across restarts, with its fills remembered")
def _(town: Town) -> None:
    bid = town.put(town.a, town.order(town.a, BUY, 30, "7.15"))
    town.now(town.b, SELL, 12, "7.1", tif=IOC)
    town.lab.block()
    town.restart()
    town.now(town.b, SELL, 40, "7.1", tif=IOC)
    town.lab.block()

    assert town.told(bid) == ["OPEN", "FILL 12 at 7.15", "FILL 18 at 7.15"]
    assert town.held(town.a) == 30
    assert town.state(bid) == "gone"


# -- 15 -------------------------------------------------------------------------------------


@case("15 an own resting long-term order in the way is removed from book and state")
def _(town: Town) -> None:
    own = town.put(town.a, town.order(town.a, SELL, 5, "7.2"))
    town.now(town.b, SELL, 5, "7.3")
    town.now(town.a, BUY, 5, "7.4", tif=IOC)
    told_at_once = town.told(own)
    town.lab.block()

    assert told_at_once == ["OPEN", "memory: BEST_EFFORT_CANCELED SELF_TRADE_ERROR"]
    assert town.told(own)[2:] == ["CANCELED SELF_TRADE_ERROR"]
    assert (town.held(town.a), town.state(own)) == (5, "gone")


# -- 16 -------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["cancelled", "filled", "expired"])
def test_16_and_26_a_stateful_id_is_free_again_at_once_and_fills_again(end: str) -> None:
    town = Town()
    first = town.order(town.a, BUY, 10, "7.1", client_id=5, good_til_block_time=town.until(5))
    town.put(town.a, first)
    if end == "cancelled":
        town.send(town.a, town.cancel(first))
    elif end == "filled":
        town.now(town.b, SELL, 10, "7", tif=IOC)
    else:
        town.lab.blocks(5)
    town.lab.block()
    before = town.held(town.a)
    town.put(town.a, town.order(town.a, BUY, 10, "7.1", client_id=5))
    town.now(town.b, SELL, 10, "7", tif=IOC)
    town.lab.block()

    assert town.held(town.a) == before + 10


# -- 17 -------------------------------------------------------------------------------------


@case("17 a cancel of an order that fills in the same block fails in the block with 3010")
def _(town: Town) -> None:
    bid = town.put(town.a, town.order(town.a, BUY, 10, "7.1"))
    town.now(town.b, SELL, 10, "7", tif=IOC)
    cancel = town.send(town.a, town.cancel(bid))

    delivered = town.deliver(cancel)

    assert cancel.code == 0
    assert refused(delivered) == ("clob", 3010)
    assert delivered.log.startswith(
        "failed to execute message; message index: 0: Error: Order Id to cancel does not exist."
    )


@case("17 the window of a cancel, an earlier cancel, the existence and the expiry, in this order")
def _(town: Town) -> None:
    bid = town.put(town.a, town.order(town.a, BUY, 10, "7.1"))
    unknown = town.order(town.a, BUY, 10, "7.1")
    answers = [
        town.send(town.a, town.cancel(unknown, 0)),
        town.send(town.a, town.cancel(unknown, 96 * 86_400)),
        town.send(town.a, town.cancel(unknown)),
        town.send(town.a, town.cancel(bid, 500)),
        town.send(town.a, town.cancel(bid, 900)),
        town.send(town.a, town.cancel(bid, 500)),
        town.send(town.a, bid),
    ]

    assert [row.code for row in answers] == [3003, 3004, 3006, 29, 0, 32, 3008]
    assert answers[1].log.startswith(
        f"GoodTilBlockTime {town.until(96 * 86_400)} exceeds the previous blockTime plus "
        "StatefulOrderTimeWindow 2026-04-06 12:00:"
    )


@case("17 place and cancel in one block leave nothing")
def _(town: Town) -> None:
    bid = town.order(town.a, BUY, 10, "7.1")
    codes = [town.send(town.a, bid).code, town.send(town.a, town.cancel(bid)).code]
    town.lab.block()
    town.now(town.b, SELL, 10, "7", tif=IOC)
    town.lab.block()

    assert codes == [0, 0]
    assert town.told(bid) == ["OPEN", "CANCELED USER_CANCELED"]
    assert town.held(town.a) == 0


@case("17 a long-term order that expires is told by the node and by the block")
def _(town: Town) -> None:
    bid = town.put(town.a, town.order(town.a, BUY, 10, "7", good_til_block_time=town.until(5)))
    town.lab.blocks(6)

    assert town.told(bid) == ["OPEN", "memory: CANCELED EXPIRED", "CANCELED EXPIRED"]
    assert town.state(bid) == "gone"


# -- 18 -------------------------------------------------------------------------------------


@case("18 long-term orders are checked one by one, conditional ones when they match")
def _(town: Town) -> None:
    one = town.lab.funded(6, usdc=1_000)
    big = town.send(one, town.order(one, BUY, 2_000, "7.1"))
    town.lab.block()
    halves = [town.send(one, town.order(one, BUY, 1_000, "7.1")).code for _ in range(2)]
    town.lab.block()
    stop = town.order(one, SELL, 3_000, "6.5", CONDITIONAL, trigger=(STOP, "7"))
    town.put(one, stop)
    town.now(town.b, BUY, 3_000, "6.8")
    town.move("6.9")
    town.lab.block()

    assert (refused(big), halves) == (("clob", 3007), [0, 0])
    assert town.told(stop) == [
        "UNTRIGGERED",
        "memory: BEST_EFFORT_CANCELED UNDERCOLLATERALIZED",
        "OPEN",
        "CANCELED UNDERCOLLATERALIZED",
    ]


@case("18 a resting long-term order whose collateral is gone is removed when it would match")
def _(town: Town) -> None:
    one = town.lab.funded(6, usdc=1_000)
    bid = town.put(one, town.order(one, BUY, 1_000, "7.1"))
    town.send(one, transfer(one, 990), fee=gas())
    town.lab.block()
    town.now(town.b, SELL, 1_000, "7", tif=IOC)
    town.lab.block()

    assert town.told(bid) == [
        "OPEN",
        "memory: BEST_EFFORT_CANCELED UNDERCOLLATERALIZED",
        "CANCELED UNDERCOLLATERALIZED",
    ]


@pytest.mark.parametrize("name", CASES)
def test_a_behaviour_of_stateful_orders(name: str) -> None:
    CASES[name](Town())
