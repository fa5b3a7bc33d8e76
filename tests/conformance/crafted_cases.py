"""The crafted transactions: each case is a short story, its numbers drawn from a seed."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dydx_v4_client.node.builder import as_any, get_signature, get_signer_info
from dydx_v4_client.wallet import Wallet
from google.protobuf.any_pb2 import Any as AnyMessage
from v4_proto.cosmos.bank.v1beta1.bank_pb2 import Input, Output
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgMultiSend, MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import AuthInfo, Fee, Tx, TxBody
from v4_proto.dydxprotocol.accountplus.tx_pb2 import (
    MsgAddAuthenticator,
    MsgRemoveAuthenticator,
    TxExtension,
)
from v4_proto.dydxprotocol.clob.order_pb2 import BuilderCodeParameters, TwapParameters
from v4_proto.dydxprotocol.clob.tx_pb2 import (
    LeverageEntry,
    MsgProposedOperations,
    MsgUpdateClobPair,
    MsgUpdateLeverage,
)
from v4_proto.dydxprotocol.prices.tx_pb2 import MsgUpdateMarketPrices
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer

from core.dydx.protocol import USDC_DENOM
from tests.conformance.chain import GOOD, hash_of
from tests.conformance.chapters.keys import MESSAGES, add, fresh_key, newest, part, tree
from tests.conformance.chapters.refusals import Draft
from tests.conformance.people import (
    BUY,
    CONDITIONAL,
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
)

if TYPE_CHECKING:
    from tests.conformance.crafted import Lab

USD = 1_000_000
GAS = 200_000


@dataclass(frozen=True)
class Case:
    """A name, how many people it needs, and what they do."""

    name: str
    people: int
    act: Callable[[Lab], Awaitable[None]]


CASES: list[Case] = []


def case(
    name: str, people: int = 1, copies: int = 1
) -> Callable[[Callable[[Lab], Awaitable[None]]], Callable[[Lab], Awaitable[None]]]:
    """Adds a case, or several that differ in what they draw."""

    def register(act: Callable[[Lab], Awaitable[None]]) -> Callable[[Lab], Awaitable[None]]:
        for copy in range(copies):
            CASES.append(Case(f"{name} {copy + 1}" if copies > 1 else name, people, act))
        return act

    return register


# short-term orders


def _any_order(lab: Lab, draft: Draft, flags: int) -> Any:
    """An order whose every field is drawn, most of them legal."""
    rng, market = lab.rng, lab.market
    side = rng.choice((BUY, SELL, BUY, SELL, BUY, SELL, 0, 3))
    tif = rng.choice((GTT, IOC, POST_ONLY, GTT, IOC, POST_ONLY, 3, 4))
    away = rng.choice((-300, -150, -31, -29, 0, 29, 31, 150, 300))
    fields: dict[str, Any] = {
        "quantums": rng.choice(
            (market.lot, 2 * market.lot, 3 * market.lot, market.step, market.step + 1, 0)
            if rng.random() < 0.3
            else (market.lot, 2 * market.lot)
        ),
        "subticks": market.at(away) + rng.choice((0, 0, 0, 0, 0, 1)),
        "client_metadata": rng.choice((0, 1, 2**32 - 1)),
    }
    if rng.random() < 0.2:
        fields["reduce_only"] = True
    if flags == CONDITIONAL or rng.random() < 0.08:
        fields["condition_type"] = rng.choice((STOP, TAKE, STOP, TAKE, 0))
        fields["conditional_order_trigger_subticks"] = market.at(
            rng.choice((-500, -200, 200, 500, 0))
        ) * rng.choice((1, 1, 1, 1, 0))
    if flags == SHORT:
        fields["gtb"] = rng.choice((1, 5, 12, 20, 39, -1, 60, 18, 18, 18))
    else:
        fields["gtbt"] = rng.choice((300, 300, 300, 3_600, 90 * 86_400, -5, 0, 96 * 86_400))
        if flags == TWAP:
            fields["twap_parameters"] = TwapParameters(
                duration=rng.choice((300, 600, 86_400, 299, 86_430)),
                interval=rng.choice((30, 60, 300, 29, 3_601)),
                price_tolerance=rng.choice((0, 1, 999_999, 1_000_000)),
            )
            fields["quantums"] *= 20
    return draft.order(flags, side, tif, **fields)


def _described(lab: Lab, message: Any) -> str:
    """An order in a few words, the same on every network."""
    order, market = message.order, lab.market
    flags = {SHORT: "short", LONG: "long", CONDITIONAL: "cond", TWAP: "twap"}
    bps = (market.usd(order.subticks) / market.oracle - 1) * 10_000
    words = [
        flags.get(order.order_id.order_flags, str(order.order_id.order_flags)),
        {BUY: "BUY", SELL: "SELL"}.get(order.side, f"side {order.side}"),
        {GTT: "GTT", IOC: "IOC", POST_ONLY: "POST"}.get(
            order.time_in_force, f"tif {order.time_in_force}"
        ),
        f"{order.quantums / market.lot:g} lots @{bps:+.0f}",
    ]
    if order.conditional_order_trigger_subticks or order.condition_type:
        at = (market.usd(order.conditional_order_trigger_subticks) / market.oracle - 1) * 10_000
        words.append(f"{('none', 'stop', 'take')[order.condition_type]}@{at:+.0f}")
    if order.reduce_only:
        words.append("reduce-only")
    return " ".join(words)


async def _makers(lab: Lab, maker: Person) -> None:
    """Two lots each side at 30 basis points, long-term so that they last."""
    for side, bps in ((BUY, -30), (SELL, 30)):
        await lab.desk.place(maker, side, 2, bps, flags=LONG)


@case("random short-term orders against a book", people=2, copies=14)
async def _(lab: Lab) -> None:
    taker, maker = lab.people
    await _makers(lab, maker)
    draft = Draft(taker, lab.market)
    for index in range(8):
        await lab.room.chain.fresh()
        message = _any_order(lab, draft, SHORT)
        label = f"{index} {_described(lab, message)}"
        answer = await lab.send(label, taker, message)
        if answer == GOOD:
            lab.follow(label, taker, message.order.order_id)
        await lab.room.chain.blocks(1)


@case("random stateful orders against a book", people=2, copies=14)
async def _(lab: Lab) -> None:
    taker, maker = lab.people
    await _makers(lab, maker)
    draft = Draft(taker, lab.market)
    for index in range(6):
        flags = lab.rng.choice((LONG, CONDITIONAL, CONDITIONAL, TWAP))
        message = _any_order(lab, draft, flags)
        label = f"{index} {_described(lab, message)}"
        answer = await lab.commit(label, taker, message)
        if answer == GOOD and flags != TWAP:
            lab.follow(label, taker, message.order.order_id)
        if answer == GOOD and flags == TWAP:
            await lab.room.chain.blocks(4)
            when = message.order.good_til_block_time
            stop = cancel(message.order.order_id, good_til_block_time=when)
            await lab.commit(f"{label} cancelled", taker, stop)
        # An order that fills does so in the block after its own.
        await lab.room.chain.blocks(2)


@case("random replacements of one order", people=2, copies=4)
async def _(lab: Lab) -> None:
    one, other = lab.people
    draft = Draft(one, lab.market)
    first = highest = await lab.room.chain.fresh() + 10
    client_id = one.client_id()
    for index in range(8):
        side = lab.rng.choice((BUY, BUY, BUY, SELL))
        tif = lab.rng.choice((GTT, GTT, GTT, POST_ONLY, IOC))
        size = lab.market.lot * lab.rng.choice((1, 2, 3))
        bps = lab.rng.choice((-50, -60, -70))
        # Never the block of the order that stands: then its hash decides.
        gtb = highest + lab.rng.choice((1, 1, 2, -1))
        message = draft.order(
            SHORT,
            side,
            tif,
            client_id=client_id,
            quantums=size,
            subticks=lab.market.at(bps if side == BUY else -bps),
            good_til_block=gtb,
        )
        label = f"version {index} {_described(lab, message)} gtb {gtb - first:+}"
        if await lab.send(label, one, message) == GOOD:
            highest = gtb
        if index == 4:
            await lab.desk.place(other, SELL, 1, -100, IOC)
        await lab.room.chain.blocks(1)
    lab.follow("the order", one, message.order.order_id)


async def _queue(lab: Lab, flags: int, blocks: int) -> None:
    """Two makers at one price; the first is partly filled, then a second taker comes."""
    first, second, taker = lab.people
    for label, who in (("first maker", first), ("second maker", second)):
        order = await lab.desk.place(who, SELL, 5, 30, flags=flags)
        lab.follow(label, who, order)
        await lab.room.chain.blocks(1)
    await lab.desk.place(taker, BUY, 2, 40, IOC)
    if blocks:
        await lab.room.chain.blocks(blocks)
    await lab.desk.place(taker, BUY, 4, 40, IOC)


@case("the queue at a price after a part of its first long-term order is filled", people=3)
async def _(lab: Lab) -> None:
    await _queue(lab, LONG, 3)


@case("the queue at a price after a part of its first short-term order is filled", people=3)
async def _(lab: Lab) -> None:
    await _queue(lab, SHORT, 3)


@case("the queue at a price when two takers come within a block", people=3)
async def _(lab: Lab) -> None:
    await lab.room.chain.blocks(1)
    await _queue(lab, SHORT, 0)


@case("cancels with different blocks", copies=3)
async def _(lab: Lab) -> None:
    (one,) = lab.people
    draft = Draft(one, lab.market)
    for index in range(4):
        height = await lab.room.chain.fresh()
        order = draft.order(gtb=15)
        await lab.send(f"order {index}", one, order)
        order_id = order.order.order_id
        lab.follow(f"order {index}", one, order_id)
        for step in range(3):
            gtb = height + lab.rng.choice((0, 5, 14, 15, 16, 30, 45))
            label = f"cancel {index}.{step}"
            await lab.send(label, one, cancel(order_id, good_til_block=gtb), memo=label)
        again = draft.order(client_id=order_id.client_id, gtb=lab.rng.choice((14, 16, 31)))
        await lab.send(f"order {index} again", one, again, memo="again")
        await lab.room.chain.blocks(1)


@case("stateful cancels with different times", copies=4)
async def _(lab: Lab) -> None:
    (one,) = lab.people
    draft = Draft(one, lab.market)
    for index in range(4):
        flags = lab.rng.choice((LONG, CONDITIONAL))
        order = draft.order(flags)
        await lab.commit(f"order {index}", one, order)
        order_id, when = order.order.order_id, order.order.good_til_block_time
        lab.follow(f"order {index}", one, order_id)
        for step in range(3):
            wanted = lab.rng.choice(
                (when - 100, when, when + 1, when - 5_000, when + 95 * 86_400, 0, 2**32 - 1)
            )
            message = cancel(order_id, good_til_block_time=wanted)
            await lab.commit(f"cancel {index}.{step}", one, message)


@case("a cancel by a block for a stateful order and by a time for a short-term one")
async def _(lab: Lab) -> None:
    (one,) = lab.people
    draft = Draft(one, lab.market)
    order = draft.order(LONG)
    await lab.commit("long-term", one, order)
    lab.follow("long-term", one, order.order.order_id)
    gtb = lab.room.chain.height + 10
    await lab.commit("by a block", one, cancel(order.order.order_id, good_til_block=gtb))
    short = draft.order()
    await lab.send("short-term", one, short)
    lab.follow("short-term", one, short.order.order_id)
    when = draft.now_s + 600
    await lab.send("by a time", one, cancel(short.order.order_id, good_til_block_time=when))


@case("batches with odd contents", copies=2)
async def _(lab: Lab) -> None:
    (one,) = lab.people
    draft = Draft(one, lab.market)
    orders = [draft.order(client_id=7_000 + index) for index in range(3)]
    for index, order in enumerate(orders):
        await lab.send(f"order {index}", one, order)
        lab.follow(f"order {index}", one, order.order.order_id)
    gtb = lab.room.chain.height + 14
    message = batch(one.subaccount_id(), gtb, lab.market.pair, [7_000, 7_001, 9_999])
    extra = message.short_term_cancels.add(
        clob_pair_id=lab.rng.choice((0, 1, 99_999)), client_ids=[1, 2, 3]
    )
    await lab.send("two markets", one, message)
    extra.client_ids.extend(range(100, 200))
    await lab.send("over a hundred in two markets", one, message)
    message = batch(one.subaccount_id(lab.rng.choice((1, 128_000, 128_001))), gtb, 0, [1])
    await lab.send("another subaccount", one, message)


# who and where


@case("orders in odd subaccounts")
async def _(lab: Lab) -> None:
    (one,) = lab.people
    draft = Draft(one, lab.market)
    for number in (1, 127, 128, 256, 127_999, 128_000, 128_001, 2**31, 2**32 - 1):
        await lab.send(f"short-term in {number}", one, draft.order(number=number))
    for number in (1, 128_000, 128_001):
        await lab.commit(f"long-term in {number}", one, draft.order(LONG, number=number))
        await lab.commit(f"conditional in {number}", one, draft.order(CONDITIONAL, number=number))


@case("orders of another owner", people=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    theirs = Draft(other, lab.market)
    await lab.send("short-term", one, theirs.order())
    await lab.commit("long-term", one, theirs.order(LONG))
    await lab.send(
        "cancel", one, cancel(other.order_id(lab.market.pair), good_til_block=lab.desk.gtb)
    )
    await lab.send("batch", one, batch(other.subaccount_id(), lab.desk.gtb, lab.market.pair, [1]))
    await lab.commit("transfer", one, other.transfer(one, USD), fee=one.fee(GAS))
    mixed = [Draft(one, lab.market).order(LONG), theirs.order(LONG)]
    await lab.commit("one of each in one transaction", one, *mixed)
    bad = theirs.order()
    bad.order.order_id.subaccount_id.owner = "dydx1nonsense"
    await lab.send("an owner that is no address", one, bad)
    bad.order.order_id.subaccount_id.owner = ""
    await lab.send("no owner", one, bad)
    bad.order.order_id.subaccount_id.owner = one.address.upper()
    await lab.send("an owner in capitals", one, bad)
    cosmos = "cosmos1qypqxpq9qcrsszg2pvxq6rs0zqg3yyc5lzv7xu"
    bad.order.order_id.subaccount_id.owner = cosmos
    await lab.send("an owner of another chain", one, bad)


@case("unknown markets of all kinds")
async def _(lab: Lab) -> None:
    (one,) = lab.people
    draft = Draft(one, lab.market)
    for pair in (33, 34, 36, 999, 2**32 - 1):
        await lab.send(f"short-term in {pair}", one, draft.order(pair=pair))
        gtb = lab.room.chain.height + 10
        order_id = one.order_id(pair)
        await lab.send(f"batch in {pair}", one, batch(one.subaccount_id(), gtb, pair, [1]))
        await lab.send(f"cancel in {pair}", one, cancel(order_id, good_til_block=gtb))
    await lab.commit("long-term in 999", one, draft.order(LONG, pair=999))
    await lab.commit("TWAP in 999", one, draft.order(TWAP, pair=999))


# builder codes, routers


@case("builder codes and routers on orders that fill", people=2, copies=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    draft = Draft(one, lab.market)
    await lab.desk.place(other, SELL, 8, 30, flags=LONG)
    for index, (address, ppm) in enumerate(
        (
            (other.address, 1),
            (one.address, 10_000),
            (other.address, 10_001),
            (other.address, lab.rng.choice((77, 1_000, 5_000))),
            ("", 10),
            ("dydx1nonsense", 10),
            ("cosmos1qypqxpq9qcrsszg2pvxq6rs0zqg3yyc5lzv7xu", 10),
        )
    ):
        code = BuilderCodeParameters(builder_address=address, fee_ppm=ppm)
        message = draft.order(
            SHORT, BUY, IOC, subticks=lab.market.at(40), builder_code_parameters=code
        )
        answer = await lab.send(f"builder {index}", one, message)
        if answer == GOOD:
            lab.follow(f"builder {index}", one, message.order.order_id)
            await lab.room.chain.blocks(2)
    for index, router in enumerate((other.address, one.address, "x", one.address.upper())):
        message = draft.order(
            SHORT, BUY, IOC, subticks=lab.market.at(40), order_router_address=router
        )
        answer = await lab.send(f"router {index}", one, message)
        if answer == GOOD:
            lab.follow(f"router {index}", one, message.order.order_id)
            await lab.room.chain.blocks(2)


@case("builder codes on stateful orders", people=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    draft = Draft(one, lab.market)
    await lab.desk.place(other, SELL, 3, 30, flags=LONG)
    for index, (flags, ppm) in enumerate(((LONG, 500), (CONDITIONAL, 500), (TWAP, 500), (LONG, 0))):
        code = BuilderCodeParameters(builder_address=other.address, fee_ppm=ppm)
        how: dict[str, Any] = {"builder_code_parameters": code}
        if flags == LONG:
            how["subticks"] = lab.market.at(40)
        message = draft.order(flags, BUY, **how)
        answer = await lab.commit(f"order {index}", one, message)
        if answer == GOOD and flags != TWAP:
            lab.follow(f"order {index}", one, message.order.order_id)


# TWAP


@case("TWAP terms at their edges")
async def _(lab: Lab) -> None:
    (one,) = lab.people
    draft = Draft(one, lab.market)
    step, lot = lab.market.step, lab.market.lot
    rows: tuple[tuple[str, dict[str, Any]], ...] = (
        ("longest", {"duration": 86_400, "interval": 3_600}),
        ("shortest", {"duration": 300, "interval": 30}),
        ("one part", {"duration": 300, "interval": 300}),
        ("interval over duration", {"duration": 300, "interval": 600}),
        ("interval 0", {"duration": 300, "interval": 0}),
        ("tolerance 0", {"price_tolerance": 0}),
        ("tolerance just below all", {"price_tolerance": 999_999}),
        ("a step each", {"quantums": 10 * step}),
        ("a step less one each", {"quantums": 9 * step}),
        ("ten and a half steps", {"quantums": 10 * step + step // 2}),
        ("IOC", {"tif": IOC}),
        ("post-only", {"tif": POST_ONLY}),
        ("reduce-only IOC", {"tif": IOC, "reduce_only": True}),
        ("reduce-only GTT", {"reduce_only": True}),
        ("with a condition", {"condition_type": STOP}),
        ("with a trigger", {"conditional_order_trigger_subticks": lab.market.at(100)}),
        ("a time before its end", {"gtbt": 60}),
        ("half a tick", {"subticks": lab.market.at(0) + 1}),
        ("beyond the collateral", {"quantums": 100_000 * lot}),
    )
    for index, (name, change) in enumerate(rows):
        terms = {"duration": 300, "interval": 30, "price_tolerance": 10_000}
        terms |= {key: change.pop(key) for key in list(change) if key in terms}
        tif = change.pop("tif", GTT)
        who = one if index < 10 else lab.people[0]
        message = Draft(who, lab.market).order(
            TWAP, BUY, tif, twap_parameters=TwapParameters(**terms), **change
        )
        answer = await lab.commit(name, who, message)
        if answer == GOOD:
            await lab.room.chain.blocks(4)
            when = message.order.good_til_block_time + 1
            stop = cancel(message.order.order_id, good_til_block_time=when)
            await lab.commit(f"{name}: cancel", who, stop)
    _ = draft


@case("a TWAP whose first part fills partly or not at all", people=2, copies=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    draft = Draft(one, lab.market)
    offered = lab.rng.choice((0, 1))
    if offered:
        await lab.desk.place(other, SELL, 1, 10, flags=LONG)
    message = draft.order(
        TWAP, BUY, quantums=20 * lab.market.lot, subticks=lab.market.at(50), gtbt=900
    )
    await lab.commit("TWAP", one, message)
    await lab.room.chain.blocks(6)
    lab.follow("TWAP", one, message.order.order_id)


# transactions


@case("several messages in one transaction", people=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    draft = Draft(one, lab.market)
    when = draft.now_s + 5_000

    def stop(order: Any) -> Any:
        return cancel(order.order.order_id, good_til_block_time=when)

    first, second = draft.order(LONG), draft.order(CONDITIONAL)
    same = draft.order(LONG, client_id=first.order.order_id.client_id, gtbt=700)
    rows: tuple[tuple[str, list[Any]], ...] = (
        ("place twice the same", [first, first]),
        ("place twice the same id", [first, same]),
        ("place and cancel it", [first, stop(first)]),
        ("cancel and place it", [stop(first), first]),
        ("place a long-term and a conditional", [draft.order(LONG), second]),
        ("cancel twice the same", [stop(second), stop(second)]),
        ("cancel unknown and place", [stop(draft.order(LONG)), draft.order(LONG)]),
        ("place and an undersized one", [draft.order(LONG), draft.order(LONG, quantums=1)]),
        ("place and a payment", [draft.order(LONG), one.pay(other.address, 1)]),
        ("payment and place", [one.pay(other.address, 1), draft.order(LONG)]),
        ("place and a withdrawal", [draft.order(LONG), one.withdraw(USD)]),
        ("place and a deposit", [draft.order(LONG), one.deposit(1)]),
        ("transfer and cancel of nothing", [one.transfer(other, USD), stop(draft.order(LONG))]),
        ("transfer and a cancel", [one.transfer(other, USD), stop(second)]),
        (
            "a batch and a short-term order",
            [draft.order(), batch(one.subaccount_id(), lab.desk.gtb, lab.market.pair, [1])],
        ),
        (
            "two cancels of short-term orders",
            [cancel(one.order_id(1), good_til_block=lab.desk.gtb)] * 2,
        ),
        ("two transfers", [one.transfer(other, USD), one.transfer(other, USD)]),
    )
    for name, messages in rows:
        await lab.room.chain.blocks(1)
        await lab.commit(name, one, *messages)
    for name, messages in rows[8:13]:
        await lab.commit(f"{name}, with a fee", one, *messages, fee=one.fee(2 * GAS))


@case("ordinary sequences and nonces at their edges", people=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    draft = Draft(one, lab.market)
    block_ms = int(lab.room.chain.time.timestamp() * 1000)
    for name, sequence in (
        ("2^40 - 1", 2**40 - 1),
        ("2^40", 2**40),
        ("2^63", 2**63),
        ("2^64 - 1", 2**64 - 1),
        ("29 s behind", block_ms - 28_000),
        ("31 s behind", block_ms - 34_000),
        ("29 s ahead", block_ms + 26_000),
        ("31 s ahead", block_ms + 36_000),
        ("sequence 0", 0),
        ("sequence 0 again", 0),
        ("sequence 1", 1),
    ):
        await lab.room.chain.blocks(1)
        tx = one.sign(draft.order(LONG), sequence=sequence)
        answer = await lab.raw(name, tx)
        if answer == GOOD:
            await lab.block(name, hash_of(tx))
    # More nonces than an account keeps: cancels of nothing are refused and keep none.
    base = int(lab.room.chain.time.timestamp() * 1000) + 2_000
    for index in range(23):
        message = other.pay(one.address, 1)
        tx = other.sign(message, sequence=base + 10 * index, fee=other.fee(120_000))
        await lab.raw(f"nonce {index}", tx)
    await lab.room.chain.blocks(2)
    for name, nonce in (("below the kept", base - 1), ("ejected", base), ("above", base + 9_000)):
        tx = other.sign(other.pay(one.address, 1), sequence=nonce, fee=other.fee(120_000))
        await lab.raw(f"a nonce {name}", tx)


@case("fees at their edges", people=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    native = one.target.native_denom
    least = 100_000 * 25_000_000_000
    await one.must(one.withdraw(5 * USD), gas=GAS)

    def coins(*pairs: tuple[str, int]) -> list[Any]:
        return [Coin(denom=denom, amount=str(amount)) for denom, amount in pairs]

    rows: tuple[tuple[str, int, list[Any]], ...] = (
        ("exactly the least", 100_000, coins((native, least))),
        ("one less", 100_000, coins((native, least - 1))),
        ("in USDC, exactly", 100_000, coins((USDC_DENOM, 2_500))),
        ("in USDC, one less", 100_000, coins((USDC_DENOM, 2_499))),
        ("half and half", 100_000, coins((native, least // 2), (USDC_DENOM, 1_250))),
        ("both, enough", 100_000, coins((native, least), (USDC_DENOM, 2_500))),
        ("both, wrong order", 100_000, coins((USDC_DENOM, 2_500), (native, least))),
        ("the same coin twice", 100_000, coins((native, least), (native, least))),
        ("an unknown coin", 100_000, coins(("foo", 10**18))),
        ("a coin of 0", 100_000, coins((native, 0))),
        ("no gas", 0, coins((native, least))),
        ("a little gas", 1_000, coins((native, least))),
        ("gas for the check alone", 55_000, coins((native, least))),
        ("a lot of gas", 10**9, coins((native, least))),
    )
    for name, gas, amount in rows:
        fee = Fee(gas_limit=gas, amount=amount)
        await lab.commit(name, one, one.pay(other.address, 1), fee=fee)
    fee = Fee(gas_limit=100_000, amount=coins((native, least)), payer=other.address)
    await lab.commit("another payer", one, one.pay(other.address, 1), fee=fee)
    fee = Fee(gas_limit=100_000, amount=coins((native, least)), granter=other.address)
    await lab.commit("a granter", one, one.pay(other.address, 1), fee=fee)
    fee = Fee(gas_limit=0, amount=[])
    await lab.send("an order without gas", one, Draft(one, lab.market).order(), fee=fee)
    fee = Fee(gas_limit=100_000, amount=coins((native, least)))
    await lab.send("an order with a fee", one, Draft(one, lab.market).order(), fee=fee)
    fee = Fee(gas_limit=10**9, amount=coins((native, 10**30)))
    await lab.send(
        "an order with a fee beyond the wallet", one, Draft(one, lab.market).order(), fee=fee
    )


def _built(who: Person, messages: list[Any], **body: Any) -> bytes:
    inner = TxBody(messages=[as_any(message) for message in messages], **body)
    public = Wallet(who.pair, 0, 0).public_key
    info = AuthInfo(
        signer_infos=[get_signer_info(public, who.nonce())], fee=Fee(gas_limit=1_000_000)
    )
    signature = get_signature(who.pair, inner, info, who.number, who.target.chain_id)
    return bytes(Tx(body=inner, auth_info=info, signatures=[signature]).SerializeToString())


@case("bodies with timeouts and extensions")
async def _(lab: Lab) -> None:
    (one,) = lab.people
    draft = Draft(one, lab.market)
    height = await lab.room.chain.fresh()
    extension = as_any(TxExtension(selected_authenticators=[]))
    unknown = AnyMessage(type_url="/foo.Bar", value=b"x")
    ids = as_any(TxExtension(selected_authenticators=[0]))
    rows: tuple[tuple[str, list[Any], dict[str, Any]], ...] = (
        ("a timeout at the order's block", [draft.order(gtb=12)], {"timeout_height": height + 12}),
        ("a timeout after it", [draft.order(gtb=12)], {"timeout_height": height + 40}),
        ("a timeout in the past", [draft.order(gtb=12)], {"timeout_height": height - 5}),
        ("a timeout, long-term", [draft.order(LONG)], {"timeout_height": height + 40}),
        ("an empty extension", [draft.order()], {"non_critical_extension_options": [extension]}),
        ("two extensions", [draft.order()], {"non_critical_extension_options": [extension] * 2}),
        ("an unknown extension", [draft.order()], {"non_critical_extension_options": [unknown]}),
        ("a critical extension", [draft.order()], {"extension_options": [extension]}),
        ("an unknown critical extension", [draft.order()], {"extension_options": [unknown]}),
        ("an id that is not one's own", [draft.order()], {"non_critical_extension_options": [ids]}),
        ("unordered", [draft.order()], {"unordered": True}),
    )
    for name, messages, body in rows:
        try:
            tx = _built(one, messages, **body)
        except ValueError:
            continue
        await lab.raw(name, tx)


@case("messages that are not for users", people=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    coin = Coin(denom=one.target.native_denom, amount="1")
    rows: tuple[tuple[str, Any], ...] = (
        ("proposed operations", MsgProposedOperations()),
        ("market prices", MsgUpdateMarketPrices()),
        ("a clob pair update", MsgUpdateClobPair(authority=one.address)),
        (
            "a multi-send",
            MsgMultiSend(
                inputs=[Input(address=one.address, coins=[coin])],
                outputs=[Output(address=other.address, coins=[coin])],
            ),
        ),
    )
    for name, message in rows:
        await lab.commit(name, one, message, fee=one.fee(GAS))
    await lab.commit(
        "a multi-send beside an order", one, rows[3][1], Draft(one, lab.market).order(LONG)
    )


# money


@case("payments with odd amounts and addresses", people=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    native = one.target.native_denom

    def send(to: str, *pairs: tuple[str, str]) -> Any:
        amount = [Coin(denom=denom, amount=value) for denom, value in pairs]
        return MsgSend(from_address=one.address, to_address=to, amount=amount)

    module = "dydx17xpfvakm2amg962yls6f84z3kell8c5leqdyt2"
    rows = (
        ("nothing", send(other.address)),
        ("zero", send(other.address, (native, "0"))),
        ("negative", send(other.address, (native, "-1"))),
        ("no number", send(other.address, (native, "x"))),
        ("an unknown coin", send(other.address, ("foo", "1"))),
        ("a bad coin name", send(other.address, ("1", "1"))),
        ("two coins out of order", send(other.address, (USDC_DENOM, "1"), (native, "1"))),
        ("a coin twice", send(other.address, (native, "1"), (native, "1"))),
        ("to oneself", send(one.address, (native, "1"))),
        ("to no address", send("", (native, "1"))),
        ("to the fee collector", send(module, (native, "1"))),
        (
            "to another chain's address",
            send("cosmos1qypqxpq9qcrsszg2pvxq6rs0zqg3yyc5lzv7xu", (native, "1")),
        ),
    )
    for name, message in rows:
        await lab.commit(name, one, message, fee=one.fee(GAS))


@case("transfers, deposits and withdrawals with drawn amounts", people=2, copies=4)
async def _(lab: Lab) -> None:
    one, other = lab.people
    await one.must(one.withdraw(50 * USD), gas=GAS)
    for index in range(8):
        amount = lab.rng.choice((1, USD, 10 * USD, 1_999 * USD, 10**9, 10**13, 0, 2**63, 2**64 - 1))
        number = lab.rng.choice((0, 0, 0, 1, 127, 128_000, 128_001))
        to_number = lab.rng.choice((0, 1, 128, 128_000, 128_001))
        kind = lab.rng.choice(("transfer", "own", "deposit", "withdraw", "withdraw to"))
        message: Any
        if kind == "transfer":
            message = one.transfer(other, amount, number, to_number)
        elif kind == "own":
            message = one.transfer(one, amount, number, to_number)
        elif kind == "deposit":
            message = one.deposit(amount, to_number)
        else:
            message = one.withdraw(amount, number, other.address if kind.endswith("to") else None)
        if lab.rng.random() < 0.1:
            target = message.transfer if isinstance(message, MsgCreateTransfer) else message
            target.asset_id = lab.rng.choice((1, 2))
        await lab.commit(f"{index} {kind}", one, message, fee=one.fee(GAS))
    lab.note("subaccount 1", await one.usdc(1))
    lab.note("the other's 0 and 1", [await other.usdc(), await other.usdc(1)])


@case("withdrawing while a position needs the margin", people=2, copies=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    lots = lab.rng.choice((10, 20, 40))
    await lab.desk.place(other, SELL, lots, 10)
    await lab.desk.place(one, BUY, lots, 20, IOC)
    await lab.desk.holds(one, lots)
    free = 2_000 * USD - lots * 5 * USD
    for name, amount in (("too much", free + 20 * USD), ("what is free", free - 20 * USD)):
        await lab.commit(name, one, one.withdraw(amount), fee=one.fee(GAS))
        await lab.commit(f"{name}, transferred", one, one.transfer(other, amount), fee=one.fee(GAS))
    await lab.desk.place(other, BUY, lots, -10)
    await lab.desk.place(one, SELL, lots, -20, IOC, reduce_only=True)
    await lab.desk.holds(one, 0)


# leverage


@case("leverage, legal and not", people=2)
async def _(lab: Lab) -> None:
    one, other = lab.people
    pair = lab.market.pair
    rows: tuple[tuple[str, Person, int, list[tuple[int, int]]], ...] = (
        ("twice", one, 0, [(pair, 500_000)]),
        ("the market's own", one, 0, [(pair, 100_000)]),
        ("more than the market's", one, 0, [(pair, 50_000)]),
        ("none", one, 0, [(pair, 0)]),
        ("over one", one, 0, [(pair, 1_000_001)]),
        ("an unknown market", one, 0, [(99_999, 500_000)]),
        ("a market twice", one, 0, [(pair, 500_000), (pair, 400_000)]),
        ("two markets", one, 0, [(0, 500_000), (pair, 400_000)]),
        ("nothing", one, 0, []),
        ("subaccount 128,001", one, 128_001, [(pair, 500_000)]),
        ("of another owner", other, 0, [(pair, 500_000)]),
    )
    for name, owner, number, entries in rows:
        message = MsgUpdateLeverage(
            subaccount_id=owner.subaccount_id(number),
            clob_pair_leverage=[
                LeverageEntry(clob_pair_id=id_, custom_imf_ppm=ppm) for id_, ppm in entries
            ],
        )
        await lab.commit(name, one, message)
        await lab.commit(f"{name}, with a fee", one, message, fee=one.fee(GAS))


# authenticators


def _random_part(lab: Lab, public: bytes, depth: int) -> dict[str, str]:
    rng = lab.rng
    kinds = ["SignatureVerification"] * 4 + [
        "MessageFilter",
        "MessageFilter",
        "SubaccountFilter",
        "ClobPairIdFilter",
        "Foo",
    ]
    if depth:
        kinds += ["AllOf", "AnyOf"] * 2
    kind = rng.choice(kinds)
    match kind:
        case "SignatureVerification":
            config = public if rng.random() < 0.9 else public[:32]
        case "MessageFilter":
            config = ",".join(rng.sample(MESSAGES, rng.randint(1, 3))).encode()
        case "SubaccountFilter":
            config = rng.choice((b"0", b"0,1", b"1", b"", b"x", b"0,,1"))
        case "ClobPairIdFilter":
            config = rng.choice((str(lab.market.pair).encode(), b"0", b"", b"0,x"))
        case "AllOf" | "AnyOf":
            count = rng.choice((1, 2, 2, 3))
            config = tree(*(_random_part(lab, public, depth - 1) for _ in range(count)))
        case _:
            config = b"x"
    return part(kind, config)


@case("random authenticator trees, and what their keys may do", people=2, copies=12)
async def _(lab: Lab) -> None:
    owner, other = lab.people
    draft = Draft(owner, lab.market)
    key, public = fresh_key()
    for index in range(3):
        parts = [_random_part(lab, public, 2) for _ in range(lab.rng.choice((2, 2, 3)))]
        if lab.rng.random() < 0.6:
            parts[0] = part("SignatureVerification", public)
        kind = lab.rng.choice(("AllOf", "AllOf", "AllOf", "AnyOf"))
        answer = await lab.commit(
            f"tree {index}", owner, add(owner, kind, tree(*parts)), fee=owner.fee(GAS)
        )
        if answer != GOOD:
            continue
        how: dict[str, Any] = {"key": key, "authenticators": [await newest(owner)]}
        messages: tuple[tuple[str, Any], ...] = (
            ("place", draft.order()),
            ("place in subaccount 1", draft.order(number=1)),
            ("place in market 0", draft.order(pair=0)),
            ("cancel", cancel(owner.order_id(lab.market.pair), good_til_block=lab.desk.gtb)),
            ("batch", batch(owner.subaccount_id(), lab.desk.gtb, lab.market.pair, [1])),
        )
        for name, message in messages:
            await lab.send(f"tree {index}: {name}", owner, message, **how)
        tx = owner.sign(owner.transfer(other, 1), sequence=owner.nonce(), fee=owner.fee(GAS), **how)
        await lab.raw(f"tree {index}: transfer", tx)
        await lab.room.chain.blocks(1)


@case("odd uses of authenticators", people=2)
async def _(lab: Lab) -> None:
    owner, other = lab.people
    draft = Draft(owner, lab.market)
    key, public = fresh_key()
    signature = part("SignatureVerification", public)
    nested = json.dumps([{"type": "SignatureVerification", "config": b64encode(public).decode()}])
    rows: tuple[tuple[str, str, bytes], ...] = (
        ("no data", "AllOf", b""),
        ("an object", "AllOf", b"{}"),
        ("a list of numbers", "AllOf", b"[1,2]"),
        ("null", "AllOf", b"null"),
        ("parts without config", "AllOf", b'[{"type":"MessageFilter"},{"type":"MessageFilter"}]'),
        ("an unknown field", "AllOf", nested.encode().replace(b'"type"', b'"foo":1,"type"')),
        ("no type", "", public),
        ("a type in small letters", "allof", tree(signature, signature)),
        ("1,024 bytes of data", "AllOf", tree(signature, part("MessageFilter", b"m" * 640))),
        ("the same part twice", "AllOf", tree(signature, signature)),
        ("an empty public key", "SignatureVerification", b""),
        ("zeros as public key", "SignatureVerification", bytes(33)),
        ("a public key not compressed", "SignatureVerification", b"\x04" + bytes(64)),
    )
    for name, kind, data in rows:
        await lab.commit(name, owner, add(owner, kind, data), fee=owner.fee(GAS))
    for name, id_ in (("unknown", 10**9), ("the largest", 2**64 - 1)):
        message = MsgRemoveAuthenticator(sender=owner.address, id=id_)
        await lab.commit(f"removing {name}", owner, message, fee=owner.fee(GAS))
    message = MsgAddAuthenticator(
        sender="dydx1nonsense", authenticator_type="SignatureVerification", data=public
    )
    await lab.commit("no sender", owner, message, fee=owner.fee(GAS))
    mine = await newest(owner)
    for name, ids in (("ids of 2^64 - 1", [2**64 - 1]), ("three ids", [mine] * 3)):
        await lab.send(name, owner, draft.order(), key=key, authenticators=ids)
    order = Draft(other, lab.market).order()
    await lab.send("another owner's order", owner, order, key=key, authenticators=[mine])
    await lab.commit("adding without a fee", owner, add(owner, "AllOf", tree(signature, signature)))


# conditional orders that trigger


@case("conditional orders whose trigger is true", people=2, copies=6)
async def _(lab: Lab) -> None:
    one, other = lab.people
    await _makers(lab, other)
    draft = Draft(one, lab.market)
    for index in range(4):
        side = lab.rng.choice((BUY, SELL))
        kind = lab.rng.choice((STOP, TAKE))
        tif = lab.rng.choice((GTT, IOC, POST_ONLY))
        up = (side == BUY) == (kind == STOP)
        message = draft.order(
            CONDITIONAL,
            side,
            tif,
            condition_type=kind,
            conditional_order_trigger_subticks=lab.market.at(-100 if up else 100),
            subticks=lab.market.at(lab.rng.choice((-200, -30, 0, 30, 200))),
            quantums=lab.market.lot * lab.rng.choice((1, 2, 3)),
            reduce_only=tif == IOC and lab.rng.random() < 0.5,
        )
        label = f"{index} {_described(lab, message)}"
        answer = await lab.commit(label, one, message)
        if answer == GOOD:
            lab.follow(label, one, message.order.order_id)
        await lab.room.chain.blocks(2)


@case("conditional orders that a moving oracle triggers", people=2, copies=6)
async def _(lab: Lab) -> None:
    one, other = lab.people
    draft = Draft(one, lab.market)
    await lab.desk.place(other, BUY, 4, -500, flags=LONG)
    await lab.desk.place(other, SELL, 4, 500, flags=LONG)
    if lab.rng.random() < 0.5:
        await lab.desk.place(one, BUY, 2, 510, IOC)
        await lab.desk.holds(one, 2)
    for index in range(5):
        side = lab.rng.choice((BUY, SELL))
        kind = lab.rng.choice((STOP, TAKE))
        tif = lab.rng.choice((GTT, IOC, IOC, POST_ONLY))
        trigger = lab.rng.choice((-300, -200, -100, 100, 200, 300))
        message = draft.order(
            CONDITIONAL,
            side,
            tif,
            condition_type=kind,
            conditional_order_trigger_subticks=lab.market.at(trigger),
            subticks=lab.market.at(lab.rng.choice((-600, -500, -100, 100, 500, 600))),
            reduce_only=tif == IOC and lab.rng.random() < 0.7,
        )
        label = f"{index} {_described(lab, message)}"
        answer = await lab.commit(label, one, message)
        if answer == GOOD:
            lab.follow(label, one, message.order.order_id)
    for bps in (lab.rng.choice((-250, -150)), lab.rng.choice((150, 250)), 0):
        await lab.room.world.markets.move(lab.market, bps)
        await lab.room.chain.blocks(3)


@case("the price of a nonce: time and clock", people=1)
async def _(lab: Lab) -> None:
    (one,) = lab.people
    now = int(time.time() * 1000)
    tx = one.sign(one.pay(one.address, 1), sequence=now, fee=one.fee(120_000))
    await lab.raw("now", tx)
    tx = one.sign(one.pay(one.address, 2), sequence=now, fee=one.fee(120_000))
    await lab.raw("the same nonce for another message", tx)
