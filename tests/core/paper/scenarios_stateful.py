"""Scripts of the recorded scenarios about stateful orders: long-term ones, conditions, triggers."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder, MsgPlaceOrder

from tests.core.paper.chain_kit import Trader
from tests.core.paper.scenario_kit import Play, Row, Script, lots, percent, state_of

# -- conditional orders ---------------------------------------------------------------------

_EIGHT: Final = ("stop sell", "take buy", "stop buy", "take sell")
_EACH: Final = dict.fromkeys(_EIGHT, 10_000)


def by_kind(row: Row) -> str:
    """Two orders per owner, as many as a block takes."""
    return next(name for name in _EIGHT if row.step.startswith(name))


def oracle_is_on_the_tick(play: Play) -> bool:
    exchange = play.lab.exchange
    return play.market.price_usd(exchange.oracle_price(play.market)) == play.oracle


TRIGGER_AT_ONCE: Final = Script(cast=by_kind, funds=_EACH)
TRIGGER_AT_EQUALITY: Final = Script(
    cast=by_kind, funds=_EACH, look={"oracle on the tick": oracle_is_on_the_tick}
)
_ORACLE_STEPS: Final = [
    f"{name} {sign}{size} %" for name, sign in zip(_EIGHT, "--++", strict=True) for size in (5, 7)
]
TRIGGER_BY_ORACLE: Final = Script(
    cast=by_kind,
    funds=_EACH,
    before={
        "stop sell -5 % after -6 %": percent("-6"),
        "stop sell -5 % after +6 %": percent("6"),
    },
    look={
        f"{step} after {move} %": state_of(step) for step in _ORACLE_STEPS for move in ("-6", "+6")
    },
)

STOP_CLOSES: Final = Script(
    funds={"M": 100_000, "T": 10_000, "N": 10_000, "W": 10_000},
    holds={"T": 2, "N": 2, "W": 2},
    cast={
        "bids at -8 %": "M",
        "stop for nine": "N",
        "stop with a tight limit": "W",
        "cancel after the end": "W",
    },
    same_as={"cancel after the end": "stop with a tight limit"},
    before={"two closed": percent("-6")},
    look={
        "waits": state_of("stop for two"),
        "two closed": lots("T"),
        "order gone": state_of("stop for two"),
        "at the maker's price": lambda play: off_price(play, "T", "-7.99"),
        "nine capped at two": lots("N"),
        "capped order gone": state_of("stop for nine"),
        "too tight: nothing sold": lots("W"),
        "too tight: gone without a fill": state_of("stop with a tight limit"),
    },
)


def off_price(play: Play, name: str, price: str) -> int:
    """Subticks between a trader's last fill and a price."""
    return play.lab.fills(play.traders[name])[-1].subticks - play.subticks(Decimal(price))


STOP_IN_A_THIN_BOOK: Final = Script(
    funds={"M": 100_000, "T": 10_000},
    holds={"T": 2},
    cast={"bid of one at -8 %": "M", "a bid that comes late": "M"},
    same_as={"the same id again": "stop for two"},
    before={"one sold": percent("-6")},
    look={
        "one sold": lots(),
        "the order is gone": state_of("stop for two"),
        "one stays": lots(),
        "it triggers at once and sells the rest": lots(),
    },
)

TRIGGERED_THEN: Final = Script(
    funds={"M": 100_000, "poor": 100, "rest": 1_000, "take": 1_000, "post": 1_000},
    cast=lambda row: {"bids at -8 %": "M", "a buyer for the resting one": "M"}.get(
        row.step, row.step.partition(":")[0]
    ),
    before={"take: sold": percent("-6")},
    look={
        "take: sold": lots("take"),
        "take: gone": state_of("take: placed"),
        "rest: on the book": state_of("rest: placed"),
        "post: removed": state_of("post: placed"),
        "post: nothing": lots("post"),
        "poor: removed": state_of("poor: placed"),
        "poor: nothing": lots("poor"),
        "rest: filled as maker": lots("rest"),
        "rest: gone when full": state_of("rest: placed"),
    },
)


STOP_WITHOUT_POSITION: Final = Script(
    funds={"M": 100_000, "T": 10_000, "H": 10_000},
    holds={"H": 2},
    cast={
        "bids at -8 %": "M",
        "stop with a position": "H",
        "another bid": "M",
        "the position closes otherwise": "H",
        "an offer": "M",
        "a position after the trigger": "H",
        "the dead stop can be cancelled": "H",
    },
    same_as={"the dead stop can be cancelled": "stop with a position"},
    before={
        "triggered, and stays in the state: never had a position": percent("-6"),
        "an offer": percent("0"),
        "a second crossing does nothing to the other": percent("-6"),
    },
    look={
        "accepted": state_of("stop, no position"),
        "flat": lots("H"),
        "the stop outlives its position": state_of("stop with a position"),
        "triggered, and stays in the state: never had a position": state_of("stop, no position"),
        "triggered, and stays in the state: position gone": state_of("stop with a position"),
        "nothing sold": lots("T"),
        "nothing sold either": lots("H"),
        "bought": lots("H"),
        "the dead stop does not sell it": state_of("stop with a position"),
        "still held": lots("H"),
        "and is gone then": state_of("stop with a position"),
        "a second crossing does nothing to the other": state_of("stop, no position"),
    },
)


def one_step(message: Any) -> None:
    message.order.quantums = 1_000_000


DEAD_STOPS_COUNT: Final = Script(
    funds={"T": 30},
    change={
        "stop 1": one_step,
        "no room for another order": one_step,
        "room again": one_step,
    },
    same_as={"one is cancelled": "stop 1"},
    look={"triggered at once, and dead": state_of("stop 1")},
)

CONDITIONAL_CANCELS: Final = Script(
    funds={"T": 10_000, "M": 10_000},
    cast={"a short-term buyer could hit it": "M", "taker after the cancel": "M"},
    same_as={
        "same id again": "stop a",
        "cancel a, untriggered": "stop a",
        "cancel b, triggered": "stop b",
    },
    craft={
        "a long-term cancel does not find it": lambda play, one, row: [
            MsgCancelOrder(
                order_id=one.order_id(play.placed["stop b"].order_id.client_id, play.market.id, 64),
                good_til_block_time=play.until_time(900),
            )
        ]
    },
    before={"b triggered and resting": percent("-6")},
    look={
        "a gone": state_of("stop a"),
        "b triggered and resting": state_of("stop b"),
        "b gone": state_of("stop b"),
        "nothing filled": lots(),
    },
)


# -- long-term orders -----------------------------------------------------------------------

LONG_LIFE: Final = Script(
    funds={"T": 10_000, "B": 10_000},
    cast={
        "another": "B",
        "cancel with the same gtbt": "B",
        "cancel twice before the block": "B",
        "place with the cancel uncommitted": "B",
        "cancel what is gone": "B",
        "place a cancelled id again": "B",
    },
    same_as={
        "same id before the block": "place",
        "same id, later gtbt, after the block": "place",
        "cancel with an earlier gtbt": "place",
        "cancel gtbt past": "place",
        "cancel gtbt 96 days": "place",
        "cancel with the same gtbt": "another",
        "cancel twice before the block": "another",
        "place with the cancel uncommitted": "another",
        "cancel what is gone": "another",
        "place a cancelled id again": "another",
    },
    craft={"cancel of an unknown one": lambda play, one, row: [stateful_cancel(play, one, 777)]},
    change={
        # The gap between two blocks is not the same as on the recorded chain.
        "cancel with the same gtbt": lambda message: None,
    },
    look={
        "in the state": state_of("place"),
        "gone": state_of("another"),
        "it stands again": state_of("another"),
    },
)


def off_tick(message: Any) -> None:
    message.order.subticks += 1


def stateful_cancel(play: Play, one: Trader, number: int, flags: int = 64) -> MsgCancelOrder:
    order_id = one.order_id(number, play.market.id, flags)
    return MsgCancelOrder(order_id=order_id, good_til_block_time=play.until_time(900))


GTBT_EXPIRY: Final = Script(
    same_as={"the id may be used again": "long for 6 s"},
    look={
        "long stands": state_of("long for 6 s"),
        "conditional stands": state_of("conditional for 6 s"),
        "long has expired": state_of("long for 6 s"),
        "conditional has expired": state_of("conditional for 6 s"),
    },
)

PLACE_AND_CANCEL: Final = Script(look={"gone": state_of("place")})

LONG_COLLATERAL: Final = Script(
    funds={"T": 1_000, "U": 1_000},
    cast={"beyond the margin": "U", "beyond the margin, sell": "U"},
)

LONG_POST_ONLY: Final = Script(
    funds={"M": 10_000, "T": 10_000},
    cast={"offer": "M"},
    look={
        "removed": state_of("post-only across it"),
        "stands": state_of("post-only below it"),
        "nothing filled": lots(),
    },
)


def eight_cancels(play: Play) -> list[int]:
    one = play.traders["pairs"]
    codes = []
    orders = [order for order in play.many if order.order_id.subaccount_id.owner == one.address]
    for order in orders[:8]:
        cancel = MsgCancelOrder(
            order_id=order.order_id, good_til_block_time=order.good_til_block_time
        )
        codes.append(play.node.submit(play.sign(one, [cancel])).code)
    return codes


def long_orders(play: Play, name: str, changes: list[Callable[[Any], None] | None]) -> list[int]:
    """Codes of long-term bids placed at once, each changed."""
    one = play.traders[name]
    codes = []
    for change in changes:
        codes.append(play.node.submit(play.sign(one, [a_bid(play, one, change)])).code)
    return codes


def a_bid(play: Play, one: Trader, change: Callable[[Any], None] | None = None) -> MsgPlaceOrder:
    message = MsgPlaceOrder(
        order=Order(
            order_id=one.order_id(play.next_id(one), play.market.id, 64),
            side=Order.SIDE_BUY,
            quantums=play.lot,
            subticks=play.subticks(Decimal(-50)),
            good_til_block_time=play.until_time(600),
        )
    )
    if change is not None:
        change(message)
    return message


def subaccounts_share(play: Play) -> list[int]:
    codes = []
    for name in ("shared", "shared/1", "shared"):
        codes += long_orders(play, name, [None])
    return codes


def several_bids(play: Play, one: Trader, row: Row) -> list[Any]:
    messages = [a_bid(play, one) for _ in row.messages]
    play.many += [message.order for message in messages]
    return messages


_PAIRS: Final = [f"pair {number}" for number in range(1, 11)]
STATEFUL_RATE: Final = Script(
    funds=dict.fromkeys(("three", "refused", "shared", "one transaction", "pairs"), 10_000)
    | {"shared/1": 0},
    cast=lambda row: "pairs" if row.step.startswith(("pair", "the 21st")) else "one transaction",
    craft=dict.fromkeys(
        [*_PAIRS, "three in one transaction", "two in one transaction, later"], several_bids
    ),
    look={
        "three in one block": lambda play: long_orders(play, "three", [None] * 3),
        "two refused ones, then a good one": lambda play: long_orders(
            play, "refused", [off_tick, off_tick, None]
        ),
        "another subaccount shares the count": subaccounts_share,
        "eight cancels in one block": eight_cancels,
    },
)

SCRIPTS: Final[dict[str, Script]] = {
    "trigger_at_once": TRIGGER_AT_ONCE,
    "trigger_at_equality": TRIGGER_AT_EQUALITY,
    "trigger_by_oracle": TRIGGER_BY_ORACLE,
    "stop_closes": STOP_CLOSES,
    "stop_in_a_thin_book": STOP_IN_A_THIN_BOOK,
    "triggered_then": TRIGGERED_THEN,
    "stop_without_position": STOP_WITHOUT_POSITION,
    "dead_stops_count": DEAD_STOPS_COUNT,
    "conditional_cancels": CONDITIONAL_CANCELS,
    "long_life": LONG_LIFE,
    "gtbt_expiry": GTBT_EXPIRY,
    "place_and_cancel_in_one_block": PLACE_AND_CANCEL,
    "long_collateral": LONG_COLLATERAL,
    "long_post_only": LONG_POST_ONLY,
    "stateful_rate": STATEFUL_RATE,
}
