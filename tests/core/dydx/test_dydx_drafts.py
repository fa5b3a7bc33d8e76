"""Drafts of every kind: what is refused before it is signed, and what a real chain was sent."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import Tx
from v4_proto.dydxprotocol.accountplus.tx_pb2 import TxExtension
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgBatchCancel, MsgCancelOrder, MsgPlaceOrder

from core.dydx.drafts import is_address
from core.dydx.keys import SigningKey
from core.dydx.orders import (
    BatchCancelDraft,
    CancelDraft,
    Draft,
    OrderDraft,
    OrderRef,
    PriceTooSmall,
    SizeTooSmall,
    TransferDraft,
    TwapTerms,
    batch_cancels,
    check_lifetime,
    limit_draft,
    market_draft,
    sign,
    stop_limit_draft,
    stop_market_draft,
    take_profit_limit_draft,
    take_profit_market_draft,
    twap_draft,
)
from core.dydx.protocol import ConditionType, OrderFlags, Side, TimeInForce
from tests.core.dydx.dydx_kit import ETH, LINK, market, recording

KEY = SigningKey.from_secret(bytes(range(1, 33)))
OTHER = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
CHAIN = "localdydxprotocol"
D = Decimal
END = 1_800_000_000
# What the chain refuses by looking at the message alone.
STATELESS = {3, 4, 5, 6, 44, 45, 48, 3000, 3001, 3002, 6000, 6001, 9003}


def wish(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "address": KEY.address,
        "number": 0,
        "client_id": 7,
        "market": market(),
        "side": Side.SELL,
        "size": D("1.5"),
    }
    return values | changes


def long_term(**changes: Any) -> OrderDraft:
    return limit_draft(**(wish(price=D(3100), good_til_block_time=END) | changes))


def stop(**changes: Any) -> OrderDraft:
    return stop_market_draft(**(wish(trigger_price=D(2900), good_til_block_time=END) | changes))


def messages(tx: bytes) -> list[Any]:
    kinds = {
        "MsgPlaceOrder": MsgPlaceOrder,
        "MsgCancelOrder": MsgCancelOrder,
        "MsgBatchCancel": MsgBatchCancel,
    }
    found = []
    for packed in Tx.FromString(tx).body.messages:
        message = kinds[packed.type_url.rpartition(".")[2]]()
        assert packed.Unpack(message)
        found.append(message)
    return found


# A recorded message as a draft; None where a draft cannot even say it.
def drafted(packed: Any) -> Draft | None:
    name = packed.type_url.rpartition(".")[2]
    if name == "MsgPlaceOrder":
        order = MsgPlaceOrder.FromString(packed.value).order
        if order.side not in (1, 2) or order.order_id.order_flags not in (0, 32, 64, 128):
            return None
        terms = order.twap_parameters
        which = order.WhichOneof("good_til_oneof")
        return OrderDraft(
            **identity(order.order_id),
            side=Side.BUY if order.side == 1 else Side.SELL,
            quantums=order.quantums,
            subticks=order.subticks,
            good_til_block=order.good_til_block if which == "good_til_block" else None,
            good_til_block_time=(
                order.good_til_block_time if which == "good_til_block_time" else None
            ),
            reduce_only=order.reduce_only,
            time_in_force=TimeInForce(order.time_in_force),
            client_metadata=order.client_metadata,
            condition_type=ConditionType(order.condition_type),
            trigger_subticks=order.conditional_order_trigger_subticks,
            twap=(
                TwapTerms(terms.duration, terms.interval, terms.price_tolerance)
                if order.HasField("twap_parameters")
                else None
            ),
        )
    if name == "MsgCancelOrder":
        cancel = MsgCancelOrder.FromString(packed.value)
        which = cancel.WhichOneof("good_til_oneof")
        return CancelDraft(
            **identity(cancel.order_id),
            good_til_block=cancel.good_til_block if which == "good_til_block" else None,
            good_til_block_time=(
                cancel.good_til_block_time if which == "good_til_block_time" else None
            ),
        )
    if name == "MsgBatchCancel":
        batch = MsgBatchCancel.FromString(packed.value)
        return BatchCancelDraft(
            batch.subaccount_id.owner,
            batch.subaccount_id.number,
            tuple((b.clob_pair_id, tuple(b.client_ids)) for b in batch.short_term_cancels),
            batch.good_til_block,
        )
    return None


def identity(order_id: Any) -> dict[str, Any]:
    return {
        "address": order_id.subaccount_id.owner,
        "number": order_id.subaccount_id.number,
        "client_id": order_id.client_id,
        "clob_pair_id": order_id.clob_pair_id,
        "order_flags": OrderFlags(order_id.order_flags),
    }


def test_whatever_a_real_node_was_sent_is_signed_alike_unless_the_message_alone_was_wrong() -> None:
    signed_kinds: Counter[str] = Counter()
    refused_codes: Counter[int] = Counter()
    for line in recording("story"):
        if line.get("kind") != "tx" or "check_tx" not in line:
            continue
        recorded = base64.b64decode(line["tx"])
        assert hashlib.sha256(recorded).hexdigest().upper() == line["tx_hash"]
        packed = Tx.FromString(recorded).body.messages
        drafts = [drafted(message) for message in packed]
        if not packed[0].type_url.startswith("/dydxprotocol.clob."):
            continue
        check = line["check_tx"] or {"code": 0, "codespace": ""}
        wrong = check["codespace"] == "clob" and check["code"] in STATELESS
        if None in drafts:
            assert wrong or len(packed) > 1
            continue
        known = [draft for draft in drafts if draft is not None]

        def made(known: list[Draft] = known, line: Any = line) -> Any:
            ids = [1] * len(known)
            return sign(known, KEY, CHAIN, 3, sequence=line.get("sequence", 0), authenticators=ids)

        if wrong:
            refused_codes[check["code"]] += 1
            with pytest.raises(ValueError, match=" "):
                made()
            continue
        if (check["codespace"], check["code"]) == ("sdk", 18):
            with pytest.raises(ValueError, match="alone"):
                made()
            continue
        signed = made()
        assert messages(signed.tx) == messages(recorded)
        placed = [d.order_uuid for d in known if isinstance(d, OrderDraft)]
        assert list(signed.order_uuids) == placed
        if placed and len(placed) == len(known):
            assert placed == line["order_uuids"]
        for draft in known:
            kind = type(draft).__name__
            signed_kinds[
                f"{kind} {int(draft.order_flags)}"
                if isinstance(draft, OrderDraft | CancelDraft)
                else kind
            ] += 1

    assert set(signed_kinds) == {
        *(f"OrderDraft {flags}" for flags in (0, 32, 64, 128)),
        *(f"CancelDraft {flags}" for flags in (0, 32, 64)),
        "BatchCancelDraft",
    }
    assert sum(signed_kinds.values()) > 150
    assert {48, 9003} <= set(refused_codes)


@pytest.mark.parametrize(
    ("draft", "sentence"),
    [
        (replace(long_term(), quantums=0), "size"),
        (replace(long_term(), quantums=2**64), "size"),
        (replace(long_term(), subticks=0), "TWAP order may have no price"),
        (replace(long_term(), subticks=-100_000), "price"),
        (replace(long_term(), time_in_force=TimeInForce.IOC), "long-term"),
        (replace(long_term(), time_in_force=TimeInForce.FILL_OR_KILL), "fill-or-kill"),
        (replace(long_term(), reduce_only=True), "reduce-only"),
        (replace(stop(), time_in_force=TimeInForce.UNSPECIFIED), "reduce-only"),
        (replace(stop(), time_in_force=TimeInForce.POST_ONLY), "reduce-only"),
        (replace(long_term(), good_til_block_time=0), "time"),
        (replace(long_term(), good_til_block_time=None), "time"),
        (replace(long_term(), good_til_block_time=2**32), "time"),
        (replace(long_term(), good_til_block=5), "time"),
        (replace(long_term(), order_flags=OrderFlags.SHORT_TERM), "block"),
        (replace(long_term(), order_flags=OrderFlags(96)), "kind"),
        (replace(stop(), condition_type=ConditionType.NONE), "stop or a take profit"),
        (replace(stop(), trigger_subticks=0), "trigger"),
        (replace(long_term(), condition_type=ConditionType.STOP_LOSS), "only a conditional"),
        (replace(long_term(), trigger_subticks=100_000), "only a conditional"),
        (replace(long_term(), twap=TwapTerms(300, 30, 0)), "no other order"),
        (replace(long_term(), order_flags=OrderFlags.TWAP), "needs its terms"),
        (replace(long_term(), client_id=-1), "client id"),
        (replace(long_term(), client_id=2**32), "client id"),
        (replace(long_term(), number=128_001), "subaccount"),
        (replace(long_term(), address="dydx1other"), "address"),
        (CancelDraft.of(long_term(), good_til_block=5), "time"),
        (replace(CancelDraft.of(long_term()), good_til_block_time=0), "time"),
        (CancelDraft(KEY.address, 0, 1, 1), "block"),
        (BatchCancelDraft(KEY.address, 0, (), 5), "at least one"),
        (BatchCancelDraft(KEY.address, 0, ((1, ()),), 5), "at least one"),
        (BatchCancelDraft(KEY.address, 0, ((1, (1,)), (1, (2,))), 5), "market once"),
        (BatchCancelDraft(KEY.address, 0, ((1, (1, 1)),), 5), "order once"),
        (BatchCancelDraft(KEY.address, 0, ((1, tuple(range(101))),), 5), "100"),
        (BatchCancelDraft(KEY.address, 0, ((1, (1,)),), 0), "block"),
        (TransferDraft(KEY.address, 0, KEY.address, 0, 5), "begins"),
        (TransferDraft(KEY.address, 0, OTHER, 0, 0), "amount"),
        (TransferDraft(KEY.address, 0, OTHER[:-1] + "x", 0, 5), "address"),
    ],
)
def test_what_the_chain_would_refuse_by_itself_is_never_signed(draft: Draft, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        draft.check()
    with pytest.raises(ValueError, match=r"\w"):
        sign([draft], KEY, CHAIN, 1, authenticators=[1])


@pytest.mark.parametrize(
    ("terms", "valid"),
    [
        (TwapTerms(300, 30, 0), True),
        (TwapTerms(86_400, 3_600, 999_999), True),
        (TwapTerms(300, 29, 0), False),
        (TwapTerms(7_202, 3_601, 0), False),
        (TwapTerms(270, 30, 0), False),
        (TwapTerms(86_430, 30, 0), False),
        (TwapTerms(330, 60, 0), False),
        (TwapTerms(300, 30, 1_000_000), False),
        (TwapTerms(300, 30, -1), False),
    ],
)
def test_the_terms_of_a_twap_order_are_those_the_chain_takes(terms: TwapTerms, valid: bool) -> None:
    def made() -> OrderDraft:
        return twap_draft(**wish(size=D(10), terms=terms, good_til_block_time=END))

    if valid:
        assert made().twap == terms
    else:
        with pytest.raises(ValueError, match="TWAP"):
            made()


def test_each_part_of_a_twap_order_is_at_least_a_step() -> None:
    terms = TwapTerms(300, 30, 10_000)
    least = D("0.010")

    made = twap_draft(**wish(size=least, terms=terms, good_til_block_time=END))

    assert (made.quantums, made.subticks, made.order_flags) == (10_000_000, 0, OrderFlags.TWAP)
    with pytest.raises(SizeTooSmall):
        twap_draft(**wish(size=D("0.009"), terms=terms, good_til_block_time=END))


@pytest.mark.parametrize(
    ("draft", "kind"),
    [
        (market_draft(**wish(slippage_bps=100, height=10)), (0, 1, False, 1, 0)),
        (limit_draft(**wish(price=D(3100), height=10)), (0, 0, False, 0, 0)),
        (long_term(time_in_force=TimeInForce.POST_ONLY), (64, 2, False, 0, 0)),
        (stop(), (32, 1, True, 1, 1)),
        (stop(reduce_only=False), (32, 1, False, 1, 1)),
        (
            take_profit_market_draft(**wish(trigger_price=D(3100), good_til_block_time=END)),
            (32, 1, True, 1, 2),
        ),
        (
            stop_limit_draft(**wish(trigger_price=D(2900), price=D(2890), good_til_block_time=END)),
            (32, 0, False, 0, 1),
        ),
        (
            stop_limit_draft(
                **wish(
                    trigger_price=D(2900), price=D(2890), good_til_block_time=END, reduce_only=True
                )
            ),
            (32, 1, True, 0, 1),
        ),
        (
            take_profit_limit_draft(
                **wish(
                    trigger_price=D(3100),
                    price=D(3090),
                    good_til_block_time=END,
                    time_in_force=TimeInForce.POST_ONLY,
                )
            ),
            (32, 2, False, 0, 2),
        ),
    ],
)
def test_each_kind_has_the_fields_that_the_chain_wants_of_it(
    draft: OrderDraft, kind: tuple[Any, ...]
) -> None:
    assert kind == (
        draft.order_flags,
        draft.time_in_force,
        draft.reduce_only,
        draft.client_metadata,
        draft.condition_type,
    )


@pytest.mark.parametrize("reduce_only", [True, False])
@pytest.mark.parametrize("force", [TimeInForce.POST_ONLY, TimeInForce.UNSPECIFIED])
def test_a_reduce_only_order_cannot_be_asked_to_rest(reduce_only: bool, force: TimeInForce) -> None:
    def made() -> OrderDraft:
        terms = {"trigger_price": D(2900), "price": D(2890), "good_til_block_time": END}
        return stop_limit_draft(**wish(**terms, time_in_force=force, reduce_only=reduce_only))

    if reduce_only:
        with pytest.raises(ValueError, match="reduce-only"):
            made()
    else:
        assert made().time_in_force is force


@pytest.mark.parametrize(
    ("side", "trigger", "wanted_trigger", "wanted_limit"),
    [
        # ETH's tick is 0.1; 5 % beyond the trigger as it is on chain.
        (Side.SELL, "2900.01", "2900.1", "2755.0"),
        (Side.BUY, "3100.09", "3100.0", "3255.0"),
    ],
)
def test_a_stop_fires_no_later_than_asked_and_may_trade_five_per_cent_beyond(
    side: Side, trigger: str, wanted_trigger: str, wanted_limit: str
) -> None:
    made = stop(side=side, trigger_price=D(trigger))

    assert ETH.price_of(made.trigger_subticks) == D(wanted_trigger)
    assert ETH.price_of(made.subticks) == D(wanted_limit)


def test_a_stop_in_a_smaller_market_has_ten_per_cent_and_the_caller_can_say_otherwise() -> None:
    link = market(LINK, 15, ticker="LINK-USD", clob_pair_id=2)
    made = stop(market=link, size=D(5), trigger_price=D(14))
    tighter = stop(market=link, size=D(5), trigger_price=D(14), slippage_bps=200)

    assert LINK.price_of(made.subticks) == D("12.6")
    assert LINK.price_of(tighter.subticks) == D("13.72")


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_a_price_that_is_none_is_refused(price: str) -> None:
    with pytest.raises(ValueError, match="price"):
        long_term(price=D(price))
    with pytest.raises(ValueError, match="price"):
        stop(trigger_price=D(price))


def test_a_buy_below_one_tick_is_refused_and_not_rounded_up() -> None:
    with pytest.raises(PriceTooSmall):
        long_term(side=Side.BUY, price=D("0.09"))
    assert ETH.price_of(long_term(side=Side.SELL, price=D("0.09")).subticks) == D("0.1")


def test_a_limit_order_ends_one_way() -> None:
    for ends in ({}, {"height": 5, "good_til_block_time": END}):
        with pytest.raises(ValueError, match="ends either"):
            limit_draft(**wish(price=D(3100), **ends))


def test_cancel_and_place_go_into_one_transaction_with_one_authenticator_each() -> None:
    old, new = stop(), stop(client_id=8, size=D("0.5"))
    drafts = (CancelDraft.of(old), new)

    signed = sign(drafts, KEY, CHAIN, 4, sequence=2**41, authenticators=(3, 3))
    again = sign(drafts, KEY, CHAIN, 4, sequence=2**41, authenticators=(3, 3))

    tx = Tx.FromString(signed.tx)
    cancel, place = messages(signed.tx)
    assert cancel.good_til_block_time == old.good_til_block_time == END
    assert cancel.order_id.client_id == 7
    assert place.order.order_id.client_id == 8
    assert tx.auth_info.signer_infos[0].sequence == 2**41
    extension = TxExtension()
    assert tx.body.non_critical_extension_options[0].Unpack(extension)
    assert list(extension.selected_authenticators) == [3, 3]
    assert signed.order_uuids == (new.order_uuid,)
    assert CancelDraft.of(old).order_uuid == old.order_uuid != new.order_uuid
    assert signed == again


@pytest.mark.parametrize(
    ("drafts", "sentence"),
    [
        ((), "nothing"),
        ((stop(), replace(long_term(), address=OTHER)), "one account"),
        ((stop(), market_draft(**wish(slippage_bps=1, height=5))), "alone"),
        ((stop(), stop()), "once"),
        ((stop(), CancelDraft.of(stop())), "placed and canceled"),
        ((TransferDraft(KEY.address, 0, KEY.address, 128, 5),), "fee"),
        (
            (
                TransferDraft(KEY.address, 0, KEY.address, 128, 5),
                TransferDraft(KEY.address, 0, KEY.address, 256, 5),
                stop(),
            ),
            "one transfer",
        ),
    ],
)
def test_what_cannot_stand_in_one_transaction_is_not_signed(
    drafts: tuple[Draft, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        sign(drafts, KEY, CHAIN, 4)


def test_a_trading_key_names_an_authenticator_for_every_message() -> None:
    drafts = (CancelDraft.of(stop()), stop(client_id=8))
    with pytest.raises(ValueError, match="per message"):
        sign(drafts, KEY, CHAIN, 4, authenticators=(3,))


def test_a_transfer_goes_with_the_order_it_pays_for() -> None:
    transfer = TransferDraft(KEY.address, 0, KEY.address, 128, 5_000_000)
    order = long_term(number=128)

    tx = Tx.FromString(sign((transfer, order), KEY, CHAIN, 4, sequence=1).tx)

    assert [m.type_url.rpartition(".")[2] for m in tx.body.messages] == [
        "MsgCreateTransfer",
        "MsgPlaceOrder",
    ]


def test_many_short_term_orders_are_canceled_in_as_few_batches_as_the_chain_takes() -> None:
    refs = [
        OrderRef(KEY.address, number, client_id, client_id % 3, OrderFlags.SHORT_TERM)
        for number in (0, 1)
        for client_id in range(130)
    ]

    drafts = batch_cancels([*refs, *refs], 500)

    assert sorted(len(draft.refs) for draft in drafts) == [30, 30, 100, 100]
    for draft in drafts:
        draft.check()
    assert {ref for draft in drafts for ref in draft.refs} == set(refs)
    with pytest.raises(ValueError, match="short-term"):
        batch_cancels([long_term().ref], 500)


@pytest.mark.parametrize(
    ("draft", "fits"),
    [
        (limit_draft(**wish(price=D(3100), height=100, good_til_blocks=1)), True),
        (replace(limit_draft(**wish(price=D(3100), height=100)), good_til_block=100), False),
        (replace(limit_draft(**wish(price=D(3100), height=100)), good_til_block=141), True),
        (replace(limit_draft(**wish(price=D(3100), height=100)), good_til_block=142), False),
        (long_term(good_til_block_time=END + 1), True),
        (long_term(good_til_block_time=END), False),
        (long_term(good_til_block_time=END + 95 * 86_400), True),
        (long_term(good_til_block_time=END + 95 * 86_400 + 1), False),
    ],
)
def test_the_end_of_an_order_lies_in_the_window_of_the_next_block(
    draft: OrderDraft, fits: bool
) -> None:
    now = dt.datetime.fromtimestamp(END, dt.UTC)
    if fits:
        check_lifetime(draft, 100, now)
    else:
        with pytest.raises(ValueError, match=" "):
            check_lifetime(draft, 100, now)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (KEY.address, True),
        (OTHER, True),
        (OTHER.upper(), False),
        (OTHER[:-1] + "q", False),
        ("cosmos1jv65s3grqf6v6jl3dp4t6c9t9rk99cd88lyufl", False),
        ("dydx1", False),
        ("", False),
    ],
)
def test_an_address_is_known_by_prefix_and_checksum(text: str, valid: bool) -> None:
    assert is_address(text) is valid
