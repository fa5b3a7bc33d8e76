"""Behaviours of stateful orders, each case named by the number of the behaviour it shows.

Checks (1), sequences (5), company in a transaction (9), limits (10), ticks (11), reduce-only (12),
post-only and IOC (13), priority (14), self-trade (15), ids (16), cancels (17), collateral (18),
triggers (22), and what else a real network was seen to do (26).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.dydxprotocol.clob.order_pb2 import TwapParameters
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder, MsgPlaceOrder
from v4_proto.dydxprotocol.sending.transfer_pb2 import Transfer
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.paper.codec import decode, encode
from core.paper.exchange import CheckResult, Exchange
from core.paper.happenings import (
    BlockCommitted,
    Filled,
    OrderOpened,
    OrderRemoved,
    StatefulChanged,
)
from core.paper.orders import order_key
from core.paper.prices import PriceSettings
from core.paper.state import Included
from tests.core.paper.chain_kit import (
    BUY,
    EIGEN,
    GOVERNANCE,
    GTT,
    IOC,
    LINK,
    NO_LADDER,
    POST_ONLY,
    SELL,
    Lab,
    Trader,
    lab,
)

LONG, CONDITIONAL, TWAP, PART = 64, 32, 128, 256
STOP, TAKE = 1, 2
WHOLE = 10**6
"""Subticks of a thousandth of a dollar in LINK-USD, and quantums of one LINK."""


class Town:
    """A chain in which LINK-USD stands at 7.2, with traders A and B."""

    def __init__(self) -> None:
        self.lab: Lab = lab()
        self.lab.exchange.set_price("LINK-USD", Decimal("7.2"))
        self.a = self.lab.funded(1)
        self.b = self.lab.funded(2)
        self.ids = 0
        self.nonces = 0

    @property
    def exchange(self) -> Exchange:
        return self.lab.exchange

    def order(
        self, one: Trader, side: int, size: int, price: str, flags: int = LONG, **more: Any
    ) -> MsgPlaceOrder:
        """An order with the next client id, good for ten minutes or ten blocks."""
        self.ids += 1
        more.setdefault("client_id", self.ids)
        more.setdefault("tif", GTT)
        if flags:
            more.setdefault("good_til_block_time", self.until(600))
        else:
            more.setdefault("gtb", self.lab.gtb)
        trigger = more.pop("trigger", None)
        message = one.order(side, size, price, flags=flags, **more)
        if trigger is not None:
            kind, at = trigger
            message.order.condition_type = kind
            message.order.conditional_order_trigger_subticks = int(Decimal(at) * 10**9)
        return message

    def stop(self, one: Trader, size: int, price: str, at: str, **more: Any) -> MsgPlaceOrder:
        """A reduce-only stop that sells at the market."""
        more = {"tif": IOC, "reduce_only": True, "trigger": (STOP, at)} | more
        return self.order(one, SELL, size, price, CONDITIONAL, **more)

    def cancel(self, message: MsgPlaceOrder, seconds: int = 900) -> MsgCancelOrder:
        order_id = message.order.order_id
        return MsgCancelOrder(order_id=order_id, good_til_block_time=self.until(seconds))

    def until(self, seconds: int) -> int:
        return int(self.exchange.time.timestamp()) + seconds

    def send(self, one: Trader, *messages: Any, **how: Any) -> CheckResult:
        self.nonces += 1
        nonce = int(self.exchange.time.timestamp() * 1000) + self.nonces
        how.setdefault("sequence", nonce)
        return self.lab.send(one, *messages, **how)

    def put(self, one: Trader, message: MsgPlaceOrder) -> MsgPlaceOrder:
        """Place an order and make its block."""
        result = self.send(one, message)
        assert result.code == 0, result.log
        self.lab.block()
        return message

    def deliver(self, result: CheckResult) -> Included:
        self.lab.block()
        found = self.exchange.transaction(result.tx_hash)
        assert found is not None
        return found

    def move(self, price: str) -> None:
        """Move the oracle with the next block."""
        self.exchange.set_price("LINK-USD", Decimal(price))
        self.lab.block()

    def state(self, message: MsgPlaceOrder) -> str:
        found = self.exchange.stateful_order(order_key(message.order.order_id))
        if found is None:
            return "gone"
        return "triggered" if found[0].triggered else "there"

    def held(self, one: Trader) -> int:
        return int(self.lab.position(one))

    def give(self, one: Trader, size: int) -> None:
        """Have a trader hold LINK, bought from or sold to B at the oracle."""
        side, other = (BUY, SELL) if size > 0 else (SELL, BUY)
        self.now(self.b, other, abs(size), "7.2")
        self.now(one, side, abs(size), "7.2", tif=IOC)
        self.lab.block()
        assert self.held(one) == size

    def now(self, one: Trader, side: int, size: int, price: str, **more: Any) -> CheckResult:
        """Place a short-term order."""
        return self.lab.send(one, self.order(one, side, size, price, 0, **more))

    def told(self, message: MsgPlaceOrder) -> list[str]:
        """What was told of an order, in order, by the node's memory (memory:) and by blocks."""
        key = order_key(message.order.order_id)
        rows: list[str] = []
        for happening in self.lab.told:
            if isinstance(happening, OrderOpened) and happening.order.key == key:
                rows.append("memory: OPENED")
            if isinstance(happening, OrderRemoved) and happening.key == key:
                rows.append(f"memory: {happening.status} {happening.reason}")
            if isinstance(happening, BlockCommitted):
                for event in happening.events:
                    if isinstance(event, StatefulChanged) and event.order.key == key:
                        rows.append(f"{event.status} {event.reason or ''}".strip())
                    if isinstance(event, Filled) and event.order and event.order.key == key:
                        price = GOVERNANCE.markets[LINK].scale.price_of(event.subticks).normalize()
                        rows.append(f"FILL {event.quantums // WHOLE} at {price}")
        return rows

    def restart(self) -> None:
        """A new node process over what was stored: everything goes through its stored form."""
        tables = {
            name: {
                decode(encode(key)): decode(encode(value)) for key, value in table.committed.items()
            }
            for name, table in self.exchange.state.tables()
        }
        exchange = Exchange(GOVERNANCE, book=NO_LADDER, prices=PriceSettings(mode="still"))
        exchange.restore(tables)
        self.lab.exchange = exchange
        exchange.subscribe(self.lab.told.append)


Case = Callable[[Town], None]
CASES: dict[str, Case] = {}


def case(name: str) -> Callable[[Case], Case]:
    def named(function: Case) -> Case:
        CASES[name] = function
        return function

    return named


def refused(result: CheckResult | Included) -> tuple[str, int]:
    return result.codespace, result.code


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


def transfer(one: Trader, usdc: int, number: int = 128) -> MsgCreateTransfer:
    return MsgCreateTransfer(
        transfer=Transfer(
            sender=SubaccountId(owner=one.address, number=0),
            recipient=SubaccountId(owner=one.address, number=number),
            asset_id=0,
            amount=usdc * 1_000_000,
        )
    )


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
    town.send(one, transfer(one, 990), fee=_gas())
    town.lab.block()
    town.now(town.b, SELL, 1_000, "7", tif=IOC)
    town.lab.block()

    assert town.told(bid) == [
        "OPEN",
        "memory: BEST_EFFORT_CANCELED UNDERCOLLATERALIZED",
        "CANCELED UNDERCOLLATERALIZED",
    ]


def _gas() -> Any:
    from tests.core.paper.chain_kit import gas

    return gas()


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
    town.send(one, transfer(one, 19_995), fee=_gas())
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


@pytest.mark.parametrize("name", CASES)
def test_a_behaviour_of_stateful_orders(name: str) -> None:
    CASES[name](Town())
