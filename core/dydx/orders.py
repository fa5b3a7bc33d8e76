"""From a wish to the exact bytes that are sent: drafts and signed transactions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from dydx_v4_client.node.builder import Builder, TxOptions
from dydx_v4_client.wallet import Wallet
from v4_proto.dydxprotocol.clob.order_pb2 import Order, OrderId
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgPlaceOrder
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.keys import SigningKey
from core.dydx.markets import Market
from core.dydx.protocol import OrderFlags, Side, TimeInForce, order_uuid
from core.dydx.quantums import market_limit

MARKET_METADATA = 1
GOOD_TIL_BLOCKS_LIMIT = 20


class SizeTooSmall(ValueError):
    """A size was below the market's smallest step. It is refused, never rounded up."""


@dataclass(frozen=True)
class OrderDraft:
    """A short-term order before it is signed.

    `client_metadata` 1 makes front ends show the order as a market order; the chain ignores it.
    """

    address: str
    number: int
    client_id: int
    clob_pair_id: int
    side: Side
    quantums: int
    subticks: int
    good_til_block: int
    reduce_only: bool
    time_in_force: TimeInForce = TimeInForce.IOC
    client_metadata: int = MARKET_METADATA


@dataclass(frozen=True)
class SignedOrder:
    """The bytes to send, their hash (upper-case hex) and the indexer's id of the order."""

    draft: OrderDraft
    tx: bytes
    tx_hash: str
    order_uuid: str


def market_draft(
    *,
    address: str,
    number: int,
    client_id: int,
    market: Market,
    side: Side,
    size: Decimal,
    slippage_bps: int,
    height: int,
    good_til_blocks: int = 10,
    reduce_only: bool = False,
) -> OrderDraft:
    """A market order: an IOC at the oracle price ± `slippage_bps`, size rounded down to a step.

    `height` is the last block; the order can match up to block height + `good_til_blocks`. Raises
    SizeTooSmall below one step, ValueError without a positive oracle price or for more blocks than
    every version of the chain accepts.
    """
    if not 1 <= good_til_blocks <= GOOD_TIL_BLOCKS_LIMIT:
        raise ValueError(f"good_til_blocks must be 1 to {GOOD_TIL_BLOCKS_LIMIT}")
    if market.oracle_price is None:
        raise ValueError(f"{market.ticker} has no oracle price")
    if not size.is_finite() or size < 0:
        raise ValueError("a size must be a number that is not negative")
    quantums = market.scale.quantums_down(size)
    if quantums == 0:
        raise SizeTooSmall(f"{market.ticker} trades in steps of {market.step_size:f}")
    return OrderDraft(
        address=address,
        number=number,
        client_id=client_id,
        clob_pair_id=market.clob_pair_id,
        side=side,
        quantums=quantums,
        subticks=market_limit(side, market.oracle_price, slippage_bps, market.scale),
        good_til_block=height + good_til_blocks,
        reduce_only=reduce_only,
    )


def sign_order(
    draft: OrderDraft,
    key: SigningKey,
    chain_id: str,
    account_number: int,
    authenticators: Sequence[int] = (),
) -> SignedOrder:
    """Signs a short-term order; the same arguments give the same bytes.

    The sequence is 0: the chain does not look at it for short-term orders. With `authenticators`
    the key is a trading key and `account_number` its owner's. Raises ValueError when a key signs
    for an address that is not its own without authenticators.
    """
    if not authenticators and key.address != draft.address:
        raise ValueError("without authenticators a key signs only for its own address")
    message = MsgPlaceOrder(
        order=Order(
            order_id=OrderId(
                subaccount_id=SubaccountId(owner=draft.address, number=draft.number),
                client_id=draft.client_id,
                order_flags=OrderFlags.SHORT_TERM,
                clob_pair_id=draft.clob_pair_id,
            ),
            side=draft.side.wire,
            quantums=draft.quantums,
            subticks=draft.subticks,
            good_til_block=draft.good_til_block,
            time_in_force=int(draft.time_in_force),
            reduce_only=draft.reduce_only,
            client_metadata=draft.client_metadata,
        )
    )
    options = TxOptions(list(authenticators), 0, account_number) if authenticators else None
    wallet = Wallet(key.pair, account_number, 0)
    tx: bytes = (
        Builder(chain_id, "", memo="")
        .build(wallet, message, tx_options=options)
        .SerializeToString()
    )
    return SignedOrder(
        draft=draft,
        tx=tx,
        tx_hash=hashlib.sha256(tx).hexdigest().upper(),
        order_uuid=str(
            order_uuid(
                draft.address,
                draft.number,
                draft.client_id,
                draft.clob_pair_id,
                OrderFlags.SHORT_TERM,
            )
        ),
    )
