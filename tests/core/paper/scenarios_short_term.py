"""Scripts of the recorded scenarios about short-term orders: matching, replacing, expiry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from v4_proto.dydxprotocol.clob.tx_pb2 import MsgPlaceOrder, OrderBatch

from core.paper.happenings import BlockCommitted, Filled
from core.paper.orders import order_hash
from tests.core.paper.chain_kit import EIGEN, GOVERNANCE, LINK, Trader
from tests.core.paper.scenario_kit import Play, Row, Script, again, lots


def batch_cancels(play: Play, name: str, count: int) -> int:
    """The highest code of so many batch cancels in one block."""
    one = play.traders[name]
    codes = set()
    for number in range(count):
        message = one.batch(
            play.lab.gtb, OrderBatch(clob_pair_id=LINK, client_ids=[10_000 + number])
        )
        codes.add(play.node.submit(one.sign(message)).code)
    return max(codes)


def order_and_cancel(play: Play, name: str) -> list[int]:
    one = play.traders[name]
    number = play.next_id(one)
    order = one.order(1, 14, "3.6", gtb=play.lab.gtb, client_id=number, tif=0)
    cancel = one.cancel(number, play.lab.gtb)
    return [play.node.submit(one.sign(message)).code for message in (order, cancel)]


SHORT_RATE: Final = Script(
    funds={"A": 10_000, "B": 10_000},
    cast={"free again": "B"},
    look={
        "199 batch cancels": lambda play: batch_cancels(play, "A", 199),
        "then an order and a cancel": lambda play: order_and_cancel(play, "A"),
        "200 batch cancels": lambda play: batch_cancels(play, "B", 200),
        "then an order and a cancel #2": lambda play: order_and_cancel(play, "B"),
    },
)


def larger_hash(play: Play, one: Trader, row: Row) -> list[Any]:
    return [with_hash(play, one, row, larger=True)]


def smaller_hash(play: Play, one: Trader, row: Row) -> list[Any]:
    return [with_hash(play, one, row, larger=False)]


def with_hash(play: Play, one: Trader, row: Row, *, larger: bool) -> Any:
    """The order with metadata chosen so that its hash is larger or smaller than the standing's."""
    standing = order_hash(play.placed["higher gtb, other size and price"])
    message = play.build(row, one)[0]
    message.order.good_til_block = play.placed["higher gtb, other size and price"].good_til_block
    for number in range(1_000):
        message.order.client_metadata = number
        if (order_hash(message.order) > standing) is larger:
            return message
    raise AssertionError("no such hash was found")


_REPLACED: Final = (
    "higher gtb, other size and price",
    "lower gtb",
    "other side",
    "other tif",
    "IOC",
    "equal gtb, smaller hash",
    "equal gtb, larger hash",
    "back to one lot",
)
REPLACEMENT: Final = Script(
    funds={"T": 10_000, "M": 10_000},
    cast={"a taker of five lots": "M"},
    same_as=dict.fromkeys(_REPLACED, "rest"),
    craft={"equal gtb, larger hash": larger_hash, "equal gtb, smaller hash": smaller_hash},
    look={"only the last order stood": lots()},
)

POST_ONLY: Final = Script(
    funds={"T": 10_000, "M": 10_000, "X": 10_000},
    cast={
        "maker": "M",
        "across an own order": "M",
        "taker hits the post-only order": "X",
    },
    look={"it made": lots("M")},
)

IOC_AGAIN: Final = Script(
    funds={"T": 10_000, "M": 10_000},
    cast={"maker": "M"},
    same_as=dict.fromkeys(
        (
            "same order, other memo, same block",
            "gtb raised, same block",
            "gtb raised and larger, same block",
            "same order, later block",
            "gtb raised, later block",
            "larger, later block",
        ),
        "IOC fills",
    ),
    sign={"same order, other memo, same block": {"memo": "again"}},
    craft={
        "same bytes": again("IOC fills"),
        "same bytes, later block": again("IOC fills"),
        "same order, later block": lambda play, one, row: one.sign(
            MsgPlaceOrder(order=play.placed["IOC fills"]), memo="later"
        ),
    },
    look={"filled once": lots(), "and never again": lots()},
)

IOC_NEVER_RESTS: Final = Script(
    funds={"T": 10_000, "M": 10_000},
    cast={"a seller comes later": "M"},
    look={
        "nothing": lots(),
        "GetTx knows a short-term hash": lambda play: (
            play.lab.exchange.transaction(play.sent["IOC, empty book"]) is not None
        ),
    },
)

POOR_TAKER: Final = Script(
    funds={"M": 100_000, "T": 45},
    cast=lambda row: "M" if "maker" in row.step or row.step.startswith("a seller") else "T",
    same_as={"cancel the maker": "maker of 20 lots"},
    look={
        "nothing at all": lots(),
        "it did not rest": lots(),
        "fills as far as the margin goes, then stops": lots(),
    },
)

NETTING: Final = Script(
    funds={"T": 10_000, "M": 10_000},
    cast={"offers": "M", "bids": "M"},
    look={"two": lots(), "reversed": lots()},
)


REDUCE_ONLY: Final = Script(
    funds={"T": 10_000, "M": 100_000, "L": 10_000, "S": 10_000},
    holds={"L": 3, "S": -2},
    cast={
        "same side": "L",
        "no book": "L",
        "bids": "M",
        "part of it": "L",
        "oversize": "L",
        "once more": "L",
        "short, sell": "S",
        "offers": "M",
        "short, buy oversize": "S",
    },
    look={
        "reduced": lots("L"),
        "flat, not turned": lots("L"),
        "flat again": lots("S"),
    },
)

PARTIAL_AND_REST: Final = Script(
    funds={"T": 10_000, "O": 10_000, "S": 10_000, "B": 10_000},
    cast={"offer of one": "O", "a seller of five": "S", "a buyer": "B"},
    look={
        "one at once": lots(),
        "two more from the rest": lots(),
        "IOC seller's three are dropped": lots("S"),
        "finds nothing": lots("S"),
    },
)

SELF_TRADE: Final = Script(
    funds={"T": 10_000, "M": 10_000, "B": 10_000, "T/1": 10_000},
    cast={
        "another's offer behind it": "M",
        "another buyer": "B",
        "offer in subaccount 1": "T/1",
    },
    look={
        "bought from the other": lots("M"),
        "own position": lots("T"),
        "own offer is gone": lots("T"),
        "they traded": lots("T/1"),
        "with each other": lots("T"),
    },
)


def paid_exactly(play: Play) -> int:
    """What the taker paid beyond the makers' prices and the fee, rounded up on each."""
    one = play.traders["T"]
    fills = play.lab.fills(one)
    fees = sum(-(-fill.quote_quantums * 500 // 1_000_000) for fill in fills)
    paid = 10_000 * 10**6 - play.lab.exchange.subaccount(one.key).usdc
    return paid - sum(fill.quote_quantums for fill in fills) - fees


def got_exactly(play: Play) -> list[int]:
    differences = []
    for name in ("c", "a"):
        one = play.traders[name]
        fill = play.lab.fills(one)[0]
        fee = -(fill.quote_quantums * 110 // 1_000_000)
        got = play.lab.exchange.subaccount(one.key).usdc - 10_000 * 10**6
        differences.append(got - fill.quote_quantums + fee)
    return differences


PRICES_AND_FEES: Final = Script(
    funds={"T": 10_000, "a": 10_000, "b": 10_000, "c": 10_000},
    cast=lambda row: row.step[6] if row.step.startswith("maker ") else "T",
    look={
        "filled": lots(),
        "best price first": lots("c"),
        "then the first in time": lots("a"),
        "not the second": lots("b"),
        "paid the makers' prices and the fee, each rounded up": paid_exactly,
        "makers got price less fee": got_exactly,
    },
)

EXPIRY: Final = Script(
    funds={"T": 10_000, "M": 10_000, "N": 10_000},
    cast={"offer until g": "M", "offer until g, larger": "N"},
    look={
        "filled in block g or not at all": lots(),
        "nothing left": lots(),
        "the late offer never filled": lots("N"),
    },
)


def filled_soon(play: Play) -> bool:
    """Whether each fill came at most two blocks after the height at which its order was sent."""
    sent = [row.height + play.base for row in play.rows if row.step.startswith("IOC")]
    filled = [
        happening.height
        for happening in play.lab.told
        if isinstance(happening, BlockCommitted)
        for event in happening.events
        if isinstance(event, Filled) and event.subaccount == play.traders["T"].key
    ]
    return len(sent) == len(filled) and all(
        0 < height - before <= 2 for before, height in zip(sent, filled, strict=True)
    )


LATENCY: Final = Script(
    funds={"T": 10_000, "M": 10_000},
    cast={"offers": "M"},
    look={
        **{f"fill {number}": lots() for number in range(1, 5)},
        "filled in the next block or the one after": filled_soon,
    },
)


def in_isolated(side: int, price: str, tif: int, flags: int = 0) -> Callable[..., list[Any]]:
    """Twenty EIGEN at a price: what the recording shows in lots of the other market."""

    def craft(play: Play, one: Trader, row: Row) -> list[Any]:
        how: dict[str, Any] = {"gtb": play.lab.gtb, "tif": tif, "pair": EIGEN, "flags": flags}
        if flags:
            how["good_til_block_time"] = play.until_time(600)
        return [one.order(side, 20, price, client_id=play.next_id(one), **how)]

    return craft


def eigen_held(play: Play) -> float:
    held = play.lab.exchange.subaccount(play.traders["E"].key).position(EIGEN)
    return float(GOVERNANCE.markets[EIGEN].scale.size_of(held) / 20)


ISOLATED: Final = Script(
    funds=dict.fromkeys(("M", "E", "N", "T"), 10_000),
    holds={"T": 1},
    cast={
        "offers in the isolated market": "M",
        "from an empty subaccount": "E",
        "offers in the cross market": "N",
        "cross market while isolated": "E",
        "cross market while isolated, long-term": "E",
    },
    craft={
        "offers in the isolated market": in_isolated(2, "0.3", 0),
        "bid that rests": in_isolated(1, "0.2", 0),
        "bid that would match": in_isolated(1, "0.31", 1),
        "long-term": in_isolated(1, "0.2", 0, 64),
        "from an empty subaccount": in_isolated(1, "0.31", 1),
    },
    look={"filled": eigen_held, "no cross position": lots("E")},
)

SCRIPTS: Final[dict[str, Script]] = {
    "short_rate": SHORT_RATE,
    "replacement": REPLACEMENT,
    "post_only": POST_ONLY,
    "ioc_again": IOC_AGAIN,
    "ioc_never_rests": IOC_NEVER_RESTS,
    "poor_taker": POOR_TAKER,
    "netting": NETTING,
    "reduce_only": REDUCE_ONLY,
    "partial_and_rest": PARTIAL_AND_REST,
    "self_trade": SELF_TRADE,
    "prices_and_fees": PRICES_AND_FEES,
    "expiry": EXPIRY,
    "latency": LATENCY,
    "isolated": ISOLATED,
}
