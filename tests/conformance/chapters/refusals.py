"""Everything that a client can get wrong in an order or a cancel, with the code it gets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from v4_proto.dydxprotocol.clob.order_pb2 import (
    BuilderCodeParameters,
    TwapParameters,
)

from tests.conformance.chain import GOOD, Answer
from tests.conformance.checks import expect
from tests.conformance.markets import Market
from tests.conformance.people import (
    BUY,
    CONDITIONAL,
    FOK,
    GTT,
    IOC,
    LONG,
    POST_ONLY,
    SELL,
    SHORT,
    STOP,
    TAKE,
    TWAP,
    Person,
    batch,
    cancel,
    place,
)
from tests.conformance.world import Room

UNKNOWN_PAIR = 99_999
DAY_S = 86_400


@dataclass
class Draft:
    """Makes orders that are right but for what a row of a table changes."""

    who: Person
    market: Market

    @property
    def now_s(self) -> int:
        return int(self.who.chain.time.timestamp())

    def order(self, flags: int = SHORT, side: int = BUY, tif: int = GTT, **change: Any) -> Any:
        """An order far from the market. `gtb` and `gtbt` are relative to the last block, `number`,
        `pair` and `client_id` go into its id, all else into the order.
        """
        id_ = {key: change.pop(key) for key in ("number", "client_id") if key in change}
        order_id = self.who.order_id(change.pop("pair", self.market.pair), flags, **id_)
        fields: dict[str, Any] = {"quantums": self.market.lot}
        fields["subticks"] = self.market.at(-5_000 if side == BUY else 3_000)
        if flags == CONDITIONAL:
            fields["condition_type"] = STOP
            fields["conditional_order_trigger_subticks"] = self.market.at(3_000)
            if side == SELL:
                fields["conditional_order_trigger_subticks"] = self.market.at(-3_000)
        if flags == TWAP:
            fields["twap_parameters"] = TwapParameters(
                duration=300, interval=30, price_tolerance=10_000
            )
            fields["quantums"] = 20 * self.market.lot
        when = {
            "good_til_block": self.who.chain.height + change.pop("gtb", 12),
            "good_til_block_time": self.now_s + change.pop("gtbt", 600),
        }
        kind = "good_til_block" if flags == SHORT else "good_til_block_time"
        if "good_til_block" not in change and "good_til_block_time" not in change:
            fields[kind] = when[kind]
        fields |= {key: value for key, value in change.items() if value is not None}
        fields = {key: value for key, value in fields.items() if change.get(key, 0) is not None}
        return place(order_id, side, fields.pop("quantums"), fields.pop("subticks"), tif, **fields)


@dataclass(frozen=True)
class Row:
    """A mistake and its code in the codespace clob, or in the one named."""

    sentence: str
    make: Callable[[Draft], Any]
    code: int
    space: str = "clob"


def _twap(**change: int) -> TwapParameters:
    terms = {"duration": 300, "interval": 30, "price_tolerance": 10_000, **change}
    return TwapParameters(**terms)


STATELESS = [
    Row("fill-or-kill", lambda d: d.order(tif=FOK), 48),
    Row("a time in force that does not exist", lambda d: d.order(tif=9), 44),
    Row("no side", lambda d: d.order(side=0), 3),
    Row("a side that does not exist", lambda d: d.order(side=7), 3),
    Row("no side and an unknown time in force", lambda d: d.order(side=0, tif=9), 44),
    Row("a condition that does not exist", lambda d: d.order(CONDITIONAL, condition_type=7), 6000),
    Row("size 0", lambda d: d.order(quantums=0), 4),
    Row("block 0", lambda d: d.order(good_til_block=0), 5),
    Row("time 0, long-term", lambda d: d.order(LONG, good_til_block_time=0), 3001),
    Row("time 0, conditional", lambda d: d.order(CONDITIONAL, good_til_block_time=0), 3001),
    Row("a block on a long-term order", lambda d: d.order(LONG, good_til_block=99), 3001),
    Row("unknown flags", lambda d: d.order(7), 3000),
    Row("IOC, long-term", lambda d: d.order(LONG, tif=IOC), 3002),
    Row("reduce-only GTT", lambda d: d.order(reduce_only=True), 9003),
    Row("reduce-only post-only", lambda d: d.order(tif=POST_ONLY, reduce_only=True), 9003),
    Row("reduce-only long-term", lambda d: d.order(LONG, reduce_only=True), 9003),
    Row("reduce-only conditional GTT", lambda d: d.order(CONDITIONAL, reduce_only=True), 9003),
    Row("price 0", lambda d: d.order(subticks=0), 6),
    Row("price 0, IOC", lambda d: d.order(subticks=0, tif=IOC), 6),
    Row("price 0, long-term", lambda d: d.order(LONG, subticks=0), 6),
    Row("a conditional without condition", lambda d: d.order(CONDITIONAL, condition_type=0), 6000),
    Row(
        "a conditional without trigger",
        lambda d: d.order(CONDITIONAL, conditional_order_trigger_subticks=0),
        6001,
    ),
    Row("a short-term order with a condition", lambda d: d.order(condition_type=STOP), 6000),
    Row(
        "a short-term order with a trigger",
        lambda d: d.order(conditional_order_trigger_subticks=d.market.at(0)),
        6001,
    ),
    Row("a long-term order with a condition", lambda d: d.order(LONG, condition_type=TAKE), 6000),
    Row(
        "a long-term order with a trigger",
        lambda d: d.order(LONG, conditional_order_trigger_subticks=d.market.at(0)),
        6001,
    ),
    Row("subaccount 128,001", lambda d: d.order(number=128_001), 200, "subaccounts"),
    Row("a TWAP without terms", lambda d: d.order(TWAP, twap_parameters=None), 12),
    Row("a TWAP interval of 10 s", lambda d: d.order(TWAP, twap_parameters=_twap(interval=10)), 12),
    Row(
        "a TWAP interval over an hour",
        lambda d: d.order(TWAP, twap_parameters=_twap(interval=3_601, duration=7_202)),
        12,
    ),
    Row("a TWAP of 60 s", lambda d: d.order(TWAP, twap_parameters=_twap(duration=60)), 12),
    Row(
        "a TWAP over a day",
        lambda d: d.order(TWAP, twap_parameters=_twap(duration=DAY_S + 30)),
        12,
    ),
    Row(
        "a TWAP duration that is no multiple of the interval",
        lambda d: d.order(TWAP, twap_parameters=_twap(duration=310)),
        12,
    ),
    Row(
        "a TWAP tolerance of 100 %",
        lambda d: d.order(TWAP, twap_parameters=_twap(price_tolerance=1_000_000)),
        12,
    ),
    Row(
        "a builder address that is none",
        lambda d: d.order(
            builder_code_parameters=BuilderCodeParameters(builder_address="abc", fee_ppm=10)
        ),
        50,
    ),
    Row(
        "a builder fee of 0",
        lambda d: d.order(
            builder_code_parameters=BuilderCodeParameters(builder_address=d.who.address, fee_ppm=0)
        ),
        50,
    ),
    Row(
        "a builder fee of 2 %",
        lambda d: d.order(
            builder_code_parameters=BuilderCodeParameters(
                builder_address=d.who.address, fee_ppm=20_000
            )
        ),
        50,
    ),
    Row("a router address that is none", lambda d: d.order(order_router_address="abc"), 11000),
]

SHORT_TERM = [
    Row("an unknown market", lambda d: d.order(pair=UNKNOWN_PAIR), 8),
    Row("an unknown market and a far block", lambda d: d.order(pair=UNKNOWN_PAIR, gtb=500), 8),
    Row("a price between ticks", lambda d: d.order(subticks=d.market.at(-5_000) + 1), 12),
    Row("a size between steps", lambda d: d.order(quantums=d.market.lot + 1), 12),
    Row("a size below one step", lambda d: d.order(quantums=1), 12),
    Row("the block before last", lambda d: d.order(gtb=-1), 10),
    Row("a block 45 ahead", lambda d: d.order(gtb=45), 11),
    Row("the largest block", lambda d: d.order(good_til_block=2**32 - 1), 11),
    Row("a far block and half a tick", lambda d: d.order(gtb=500, subticks=1), 11),
    Row("reduce-only while flat", lambda d: d.order(tif=IOC, reduce_only=True), 2001),
]

STATEFUL = [
    Row("an unknown market, long-term", lambda d: d.order(LONG, pair=UNKNOWN_PAIR), 8),
    Row("an unknown market, conditional", lambda d: d.order(CONDITIONAL, pair=UNKNOWN_PAIR), 8),
    Row("a time in the past", lambda d: d.order(LONG, gtbt=-100), 3003),
    Row("the last block's time", lambda d: d.order(CONDITIONAL, gtbt=0), 3003),
    Row("a time 96 days ahead", lambda d: d.order(LONG, gtbt=96 * DAY_S), 3004),
    Row(
        "a time a bit over 95 days ahead",
        lambda d: d.order(CONDITIONAL, gtbt=95 * DAY_S + 60),
        3004,
    ),
    Row(
        "a price between ticks, long-term",
        lambda d: d.order(LONG, subticks=d.market.at(-5_000) + 1),
        12,
    ),
    Row(
        "a size between steps, conditional",
        lambda d: d.order(CONDITIONAL, quantums=d.market.lot + 1),
        12,
    ),
    Row(
        "a trigger between ticks",
        lambda d: d.order(CONDITIONAL, conditional_order_trigger_subticks=d.market.at(3_000) + 1),
        12,
    ),
    Row(
        "a TWAP with parts below a step",
        lambda d: d.order(TWAP, quantums=d.market.step),
        12,
    ),
    Row(
        "a long-term order beyond the collateral",
        lambda d: d.order(LONG, quantums=d.market.lot * 4_000, subticks=d.market.at(0)),
        3007,
    ),
]


def _cancel(d: Draft, flags: int = SHORT, pair: int | None = None, **when: int) -> Any:
    order_id = d.who.order_id(d.market.pair if pair is None else pair, flags)
    if "gtbt" in when:
        when = {"good_til_block_time": d.now_s + when["gtbt"]}
    elif "gtb" in when:
        when = {"good_til_block": d.who.chain.height + when["gtb"]}
    return cancel(order_id, **when)


def _batch(d: Draft, ids: list[int], gtb: int = 10) -> Any:
    return batch(d.who.subaccount_id(), d.who.chain.height + gtb, d.market.pair, ids)


def _twice(d: Draft) -> Any:
    message = _batch(d, [1])
    message.short_term_cancels.append(message.short_term_cancels[0])
    return message


def _none(d: Draft) -> Any:
    message = _batch(d, [1])
    del message.short_term_cancels[:]
    return message


CANCELS = [
    Row("a cancel for block 0", lambda d: _cancel(d, good_til_block=0), 5),
    Row("a cancel for the block before last", lambda d: _cancel(d, gtb=-1), 10),
    Row("a cancel for a block 45 ahead", lambda d: _cancel(d, gtb=45), 11),
    Row("a cancel with unknown flags", lambda d: _cancel(d, 7, gtbt=60), 3000),
    Row("a long-term cancel for time 0", lambda d: _cancel(d, LONG, good_til_block_time=0), 3001),
    Row(
        "a conditional cancel for time 0",
        lambda d: _cancel(d, CONDITIONAL, good_til_block_time=0),
        3001,
    ),
    Row("a cancel of an unknown long-term order", lambda d: _cancel(d, LONG, gtbt=60), 3006),
    Row(
        "a cancel of an unknown conditional order", lambda d: _cancel(d, CONDITIONAL, gtbt=60), 3006
    ),
    Row("a cancel of an unknown TWAP", lambda d: _cancel(d, TWAP, gtbt=60), 3006),
    Row("a long-term cancel for a past time", lambda d: _cancel(d, LONG, gtbt=-5), 3003),
    Row("a long-term cancel for 96 days", lambda d: _cancel(d, LONG, gtbt=96 * DAY_S), 3004),
    Row(
        "a long-term cancel in an unknown market", lambda d: _cancel(d, LONG, 99_999, gtbt=60), 3006
    ),
    Row("a batch cancel of nothing", _none, 45),
    Row("a batch cancel without ids", lambda d: _batch(d, []), 45),
    Row("a batch cancel with an id twice", lambda d: _batch(d, [1, 1]), 45),
    Row("a batch cancel with a market twice", _twice, 45),
    Row("a batch cancel of 101 orders", lambda d: _batch(d, list(range(101))), 45),
    Row("a batch cancel for block 0", lambda d: _batch(d, [1], -d.who.chain.height), 10),
    Row("a batch cancel for a block 45 ahead", lambda d: _batch(d, [1], 45), 11),
]


def _sentence(row: Row) -> str:
    return f"{row.sentence} is refused ({row.space} {row.code})"


async def refusals(room: Room) -> None:
    """The tables above, row by row."""
    draft = Draft(room.people[0], room.market)
    who = draft.who
    for row in (*STATELESS, *SHORT_TERM):
        async with room.check(_sentence(row)):
            expect(await who.send(row.make(draft), sequence=who.nonce()), (row.space, row.code))
    for row in CANCELS:
        async with room.check(_sentence(row)):
            expect(await who.send(row.make(draft), sequence=who.nonce()), (row.space, row.code))
    async with room.check("a good order next to each of these is accepted"):
        expect(await who.send(draft.order()), GOOD)
        expect(await who.send(draft.order(gtb=40)), GOOD)
        expect(await who.send(draft.order(client_id=0)), GOOD)
        expect(await who.send(draft.order(client_id=2**32 - 1)), GOOD)
        expect(await who.send(_batch(draft, list(range(100)))), GOOD)
        message = _batch(draft, [1])
        message.short_term_cancels[0].clob_pair_id = UNKNOWN_PAIR
        expect(await who.send(message), GOOD, "a batch cancel in an unknown market")


async def stateful_refusals(room: Room) -> None:
    """What stateful orders are refused for once they are well formed."""
    draft = Draft(room.people[0], room.market)
    who = draft.who
    for row in STATEFUL:
        async with room.check(_sentence(row)):
            answer, _ = await who.send_stateful(row.make(draft))
            expect(answer, (row.space, row.code))
    await _equity(room)
    await _rate(room)


async def _equity(room: Room) -> None:
    """An account below the smallest equity tier."""
    draft = Draft(room.people[1], room.market)
    poor, rich = room.people[1], room.people[0]
    async with room.check(
        "an account that holds less than the first tier may rest no order (10001)"
    ):
        await poor.must(poor.transfer(rich, await poor.usdc() - 5_000_000), gas=200_000)
        for flags in (LONG, CONDITIONAL, TWAP):
            answer, _ = await poor.send_stateful(draft.order(flags))
            expect(answer, ("clob", 10001), f"flags {flags}")
        expect(await poor.send(draft.order()), GOOD, "a short-term order")


async def _rate(room: Room) -> None:
    """Limits of stateful placements per block."""
    draft = Draft(room.people[2], room.market)
    who = draft.who
    async with room.check("three stateful orders in one transaction are over the limit (5001)"):
        messages = [draft.order(LONG) for _ in range(3)]
        answer, _ = await who.send_stateful(*messages)
        expect(answer, ("clob", 5001))
    async with room.check("two stateful orders in one transaction are within it"):
        await room.chain.blocks(1)
        messages = [draft.order(LONG) for _ in range(2)]
        expect(await who.commit(*messages), GOOD)
    async with room.check("more than two placements of an owner are refused while a block is made"):
        answers: list[Answer] = []
        for _ in range(12):
            tx = who.sign(draft.order(LONG, number=len(answers) % 2), sequence=who.nonce())
            answers.append(await room.chain.broadcast(tx))
        codes = {answer.pair for answer in answers}
        expect(("clob", 5001) in codes, True, f"5001 among {codes}")
    async with room.check("what was placed is cancelled"):
        await room.indexed()
        known = await room.rest.get(
            "/orders", address=who.address, subaccountNumber=0, status="OPEN"
        )
        messages = [
            cancel(
                who.order_id(room.market.pair, LONG, int(row["clientId"])),
                good_til_block_time=int(
                    dt.datetime.fromisoformat(row["goodTilBlockTime"]).timestamp()
                ),
            )
            for row in known
        ]
        expect(await who.commit(*messages), GOOD)
