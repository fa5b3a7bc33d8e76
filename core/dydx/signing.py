"""From drafts to the exact bytes that are sent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from dydx_v4_client.node.builder import DEFAULT_FEE, Builder, TxOptions, as_any
from dydx_v4_client.wallet import Wallet
from google.protobuf.message import Message
from v4_proto.dydxprotocol.clob.order_pb2 import Order, OrderId, TwapParameters
from v4_proto.dydxprotocol.clob.tx_pb2 import (
    MsgBatchCancel,
    MsgCancelOrder,
    MsgPlaceOrder,
    OrderBatch,
)
from v4_proto.dydxprotocol.sending.transfer_pb2 import Transfer
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.drafts import (
    BatchCancelDraft,
    CancelDraft,
    Draft,
    OrderDraft,
    OrderRef,
    TransferDraft,
)
from core.dydx.keys import SigningKey

SEQUENCE_LIMIT: Final = 2**64
USDC_ASSET: Final = 0


@dataclass(frozen=True)
class SignedOrder:
    """The bytes to send, their hash (upper-case hex) and the indexer's id of the order."""

    draft: OrderDraft
    tx: bytes
    tx_hash: str
    order_uuid: str


@dataclass(frozen=True)
class SignedTx:
    """The bytes to send, their hash (upper-case hex), and the indexer's ids of the orders that are
    placed, in the order of the messages.
    """

    tx: bytes
    tx_hash: str
    order_uuids: tuple[str, ...]


def sign(
    drafts: Sequence[Draft],
    key: SigningKey,
    chain_id: str,
    account_number: int,
    *,
    sequence: int = 0,
    authenticators: Sequence[int] = (),
) -> SignedTx:
    """Signs one short-term message, or several messages about orders in the chain's state, which
    are done together or not at all; at most one transfer may stand among them.

    The same arguments give the same bytes. `sequence` is a timestamp nonce or the account's next
    sequence; the chain does not look at it for a short-term message. With `authenticators`, one id
    per message, the key is a trading key and `account_number` its owner's. Raises ValueError for
    whatever the chain would refuse without looking at its state, and when a key would sign for an
    address that is not its own without authenticators.
    """
    if not drafts:
        raise ValueError("there was nothing to sign")
    for draft in drafts:
        draft.check()
    _check_together(drafts)
    if len({draft.address for draft in drafts}) != 1:
        raise ValueError("one transaction is signed by one account")
    if not authenticators and key.address != drafts[0].address:
        raise ValueError("without authenticators a key signs only for its own address")
    if authenticators and len(authenticators) != len(drafts):
        raise ValueError("a trading key names one authenticator per message")
    tx = sign_messages(
        [message_of(draft) for draft in drafts],
        key,
        chain_id,
        account_number,
        sequence=sequence,
        authenticators=authenticators,
    )
    return SignedTx(
        tx=tx,
        tx_hash=tx_hash(tx),
        order_uuids=tuple(d.order_uuid for d in drafts if isinstance(d, OrderDraft)),
    )


def sign_order(
    draft: OrderDraft,
    key: SigningKey,
    chain_id: str,
    account_number: int,
    authenticators: Sequence[int] = (),
    *,
    sequence: int = 0,
) -> SignedOrder:
    """`sign` for the placement of one order."""
    signed = sign(
        (draft,), key, chain_id, account_number, sequence=sequence, authenticators=authenticators
    )
    return SignedOrder(draft, signed.tx, signed.tx_hash, draft.order_uuid)


def sign_messages(
    messages: Sequence[Message],
    key: SigningKey,
    chain_id: str,
    account_number: int,
    *,
    sequence: int,
    authenticators: Sequence[int] = (),
    fee: Any = DEFAULT_FEE,
) -> bytes:
    """The bytes of a transaction of any messages, unchecked. `fee` is a cosmos Fee; the default
    pays nothing, which the chain accepts only where an order book message is among them.
    """
    if not 0 <= sequence < SEQUENCE_LIMIT:
        raise ValueError("a sequence has 64 bits")
    options = TxOptions(list(authenticators), sequence, account_number) if authenticators else None
    wallet = Wallet(key.pair, account_number, sequence)
    built = Builder(chain_id, "", memo="").build_transaction(
        wallet, [as_any(message) for message in messages], fee, options
    )
    return bytes(built.SerializeToString())


def tx_hash(tx: bytes) -> str:
    """The hash by which a node knows a transaction, upper-case hex."""
    return hashlib.sha256(tx).hexdigest().upper()


def message_of(draft: Draft) -> Message:
    """The protobuf message of a draft."""
    match draft:
        case OrderDraft():
            return _place(draft)
        case CancelDraft():
            return _cancel(draft)
        case BatchCancelDraft():
            return _batch_cancel(draft)
        case TransferDraft():
            return _transfer(draft)


def order_id(ref: OrderRef) -> Any:
    """The protobuf OrderId of an order."""
    return OrderId(
        subaccount_id=SubaccountId(owner=ref.address, number=ref.number),
        client_id=ref.client_id,
        order_flags=int(ref.order_flags),
        clob_pair_id=ref.clob_pair_id,
    )


def _check_together(drafts: Sequence[Draft]) -> None:
    if len(drafts) == 1 and not isinstance(drafts[0], TransferDraft):
        return
    if not all(draft.stateful for draft in drafts):
        raise ValueError("a short-term message stands alone in its transaction")
    transfers = sum(isinstance(draft, TransferDraft) for draft in drafts)
    if transfers == len(drafts):
        raise ValueError("a transfer without an order must pay a fee")
    if transfers > 1:
        raise ValueError("beside orders there is at most one transfer in a transaction")
    placed = [draft.ref for draft in drafts if isinstance(draft, OrderDraft)]
    canceled = [draft.ref for draft in drafts if isinstance(draft, CancelDraft)]
    if len(set(placed)) != len(placed) or len(set(canceled)) != len(canceled):
        raise ValueError("a transaction places or cancels an order once")
    if set(placed) & set(canceled):
        raise ValueError("an order is not placed and canceled in one transaction")


def _place(draft: OrderDraft) -> Message:
    order = Order(
        order_id=order_id(draft.ref),
        side=draft.side.wire,
        quantums=draft.quantums,
        subticks=draft.subticks,
        time_in_force=int(draft.time_in_force),
        reduce_only=draft.reduce_only,
        client_metadata=draft.client_metadata,
        condition_type=int(draft.condition_type),
        conditional_order_trigger_subticks=draft.trigger_subticks,
    )
    if draft.stateful:
        order.good_til_block_time = draft.good_til_block_time
    else:
        order.good_til_block = draft.good_til_block
    if draft.twap is not None:
        order.twap_parameters.CopyFrom(
            TwapParameters(
                duration=draft.twap.duration_s,
                interval=draft.twap.interval_s,
                price_tolerance=draft.twap.price_tolerance_ppm,
            )
        )
    message: Message = MsgPlaceOrder(order=order)
    return message


def _cancel(draft: CancelDraft) -> Message:
    message = MsgCancelOrder(order_id=order_id(draft.ref))
    if draft.stateful:
        message.good_til_block_time = draft.good_til_block_time
    else:
        message.good_til_block = draft.good_til_block
    canceled: Message = message
    return canceled


def _batch_cancel(draft: BatchCancelDraft) -> Message:
    message: Message = MsgBatchCancel(
        subaccount_id=SubaccountId(owner=draft.address, number=draft.number),
        short_term_cancels=[
            OrderBatch(clob_pair_id=pair, client_ids=client_ids)
            for pair, client_ids in draft.batches
        ],
        good_til_block=draft.good_til_block,
    )
    return message


def _transfer(draft: TransferDraft) -> Message:
    message: Message = MsgCreateTransfer(
        transfer=Transfer(
            sender=SubaccountId(owner=draft.address, number=draft.number),
            recipient=SubaccountId(owner=draft.recipient, number=draft.recipient_number),
            asset_id=USDC_ASSET,
            amount=draft.usdc,
        )
    )
    return message
