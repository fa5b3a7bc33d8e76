"""Drafts of orders and the bytes that are signed."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import coincurve
import pytest
from hypothesis import given
from hypothesis import strategies as st
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import SignDoc, Tx
from v4_proto.dydxprotocol.accountplus.tx_pb2 import TxExtension
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgPlaceOrder

from core.dydx.keys import SigningKey
from core.dydx.orders import OrderDraft, SizeTooSmall, market_draft, sign_order
from core.dydx.protocol import Side, TimeInForce
from tests.core.dydx.dydx_kit import ETH, SCALES, market

KEY = SigningKey.from_secret(bytes(range(1, 33)))
CHAIN = "localdydxprotocol"
OTHER = "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
D = Decimal


def draft(**changes: Any) -> OrderDraft:
    values: dict[str, Any] = {
        "address": KEY.address,
        "number": 0,
        "client_id": 7,
        "market": market(),
        "side": Side.BUY,
        "size": D("1.5"),
        "slippage_bps": 100,
        "height": 1000,
    }
    return market_draft(**(values | changes))


def placed(tx: bytes) -> Any:
    message = MsgPlaceOrder()
    assert Tx.FromString(tx).body.messages[0].Unpack(message)
    return message.order


def test_a_market_order_is_an_immediate_order_with_a_bounded_price() -> None:
    made = draft()

    assert made.time_in_force is TimeInForce.IOC
    assert made.quantums == 1_500_000_000
    assert ETH.price_of(made.subticks) == D("3030")
    assert made.good_til_block == 1010
    assert made.client_metadata == 1


def test_a_sell_is_bounded_below_the_oracle_price() -> None:
    assert ETH.price_of(draft(side=Side.SELL).subticks) == D("2970")


def test_a_size_is_rounded_down_to_a_step_and_never_up() -> None:
    assert draft(size=D("0.0019999")).quantums == 1_000_000


@pytest.mark.parametrize("size", ["0", "0.0009999", "1e-30"])
def test_a_size_below_one_step_is_refused(size: str) -> None:
    with pytest.raises(SizeTooSmall):
        draft(size=D(size))


@pytest.mark.parametrize("size", ["-1", "NaN", "Infinity"])
def test_a_size_that_is_no_size_is_an_error(size: str) -> None:
    with pytest.raises(ValueError, match="size"):
        draft(size=D(size))


@pytest.mark.parametrize("blocks", [0, 21, 40, -1])
def test_an_order_lives_as_long_as_every_version_of_the_chain_allows(blocks: int) -> None:
    with pytest.raises(ValueError, match="good_til_blocks"):
        draft(good_til_blocks=blocks)
    assert draft(good_til_blocks=20).good_til_block == 1020


@pytest.mark.parametrize("oracle", [None, 0, -1])
def test_no_order_is_made_without_a_price(oracle: int | None) -> None:
    with pytest.raises(ValueError, match="oracle price"):
        draft(market=market(oracle=oracle))


@given(
    size=st.decimals("0", "1e6", allow_nan=False, places=12),
    price=st.decimals("1e-9", "1e6", allow_nan=False, places=9),
    bps=st.integers(0, 9_999),
    side=st.sampled_from(Side),
    scale=st.sampled_from(SCALES),
)
def test_what_is_drafted_is_whole_steps_and_ticks_and_never_more_than_asked(
    size: Decimal, price: Decimal, bps: int, side: Side, scale: Any
) -> None:
    try:
        made = draft(size=size, market=market(scale, price), slippage_bps=bps, side=side)
    except SizeTooSmall:
        assert size < scale.step_size
        return
    assert made.quantums % scale.step_base_quantums == 0
    assert made.subticks % scale.subticks_per_tick == 0
    assert size - scale.step_size < scale.size_of(made.quantums) <= size
    bound = price * (10_000 + side.sign * bps) / 10_000
    if side is Side.BUY:
        assert scale.price_of(made.subticks) >= bound
    else:
        assert scale.price_of(made.subticks) <= max(bound, scale.tick_size)


def test_the_signature_is_valid_for_chain_and_account_number() -> None:
    signed = sign_order(draft(), KEY, CHAIN, 17)

    tx = Tx.FromString(signed.tx)
    document = SignDoc(
        body_bytes=tx.body.SerializeToString(),
        auth_info_bytes=tx.auth_info.SerializeToString(),
        chain_id=CHAIN,
        account_number=17,
    ).SerializeToString()
    signature = tx.signatures[0]
    der = coincurve.ecdsa.cdata_to_der(coincurve.ecdsa.deserialize_compact(signature))
    assert coincurve.verify_signature(der, document, KEY.public_key)
    assert int.from_bytes(signature[32:], "big") <= coincurve.utils.GROUP_ORDER_INT // 2


def test_the_transaction_says_what_was_drafted_and_nothing_else() -> None:
    made = draft(side=Side.SELL, reduce_only=True)
    tx = Tx.FromString(sign_order(made, KEY, CHAIN, 17).tx)
    order = placed(tx.SerializeToString())

    assert (order.order_id.subaccount_id.owner, order.order_id.subaccount_id.number) == (
        KEY.address,
        0,
    )
    assert (order.order_id.client_id, order.order_id.clob_pair_id, order.order_id.order_flags) == (
        7,
        1,
        0,
    )
    assert (order.side, order.time_in_force, order.reduce_only) == (2, 1, True)
    assert (order.quantums, order.subticks) == (made.quantums, made.subticks)
    assert (order.good_til_block, order.client_metadata) == (1010, 1)
    assert tx.body.memo == ""
    assert not tx.body.non_critical_extension_options
    assert tx.auth_info.signer_infos[0].sequence == 0
    assert not tx.auth_info.fee.amount


def test_signing_again_gives_the_same_bytes() -> None:
    assert sign_order(draft(), KEY, CHAIN, 17) == sign_order(draft(), KEY, CHAIN, 17)


def test_another_last_block_gives_other_bytes_of_the_same_order() -> None:
    first = sign_order(draft(), KEY, CHAIN, 17)
    later = sign_order(replace(first.draft, good_til_block=1011), KEY, CHAIN, 17)

    assert later.tx_hash != first.tx_hash
    assert later.order_uuid == first.order_uuid


def test_a_trading_key_signs_for_its_owner_with_its_authenticator() -> None:
    tx = Tx.FromString(
        sign_order(replace(draft(), address=OTHER), KEY, CHAIN, 5, authenticators=[0]).tx
    )

    extension = TxExtension()
    assert tx.body.non_critical_extension_options[0].Unpack(extension)
    assert list(extension.selected_authenticators) == [0]
    assert placed(tx.SerializeToString()).order_id.subaccount_id.owner == OTHER


def test_without_authenticators_nobody_signs_for_another() -> None:
    with pytest.raises(ValueError, match="own address"):
        sign_order(replace(draft(), address=OTHER), KEY, CHAIN, 5)


def test_drafting_and_signing_takes_less_than_two_milliseconds() -> None:
    rounds = []
    for _ in range(20):
        began = time.perf_counter()
        sign_order(draft(), KEY, CHAIN, 17)
        rounds.append(time.perf_counter() - began)

    assert min(rounds) < 0.002
