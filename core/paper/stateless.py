"""Checks of a message that need no state, in the chain's order. Source: docs/protocol.md, stateless
checks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from google.protobuf.message import Message
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator
from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgBatchCancel, MsgCancelOrder, MsgPlaceOrder
from v4_proto.dydxprotocol.sending.transfer_pb2 import (
    MsgDepositToSubaccount,
    MsgWithdrawFromSubaccount,
)
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.protocol import OrderFlags, TimeInForce
from core.paper.addresses import complaint
from core.paper.gotext import compact_id, go_id
from core.paper.orders import STATEFUL_FLAGS
from core.paper.refusals import Refused, accountplus, clob, sending
from core.paper.transactions import decode_address

MAX_SUBACCOUNT: Final = 128_000
DATA_LIMIT: Final = 1_024
MAX_BATCH: Final = 100


def check_message(message: Message) -> None:
    """Raise Refused where a message is wrong in itself."""
    check = _CHECKS.get(type(message))
    if check is not None:
        check(message)


def _place(message: MsgPlaceOrder) -> None:
    order = message.order
    if order.time_in_force == TimeInForce.FILL_OR_KILL:
        raise clob(48, "Fill-or-kill has been deprecated")
    check_subaccount(order.order_id.subaccount_id)
    _enums(order)
    if order.side == Order.SIDE_UNSPECIFIED:
        raise clob(3, "UNSPECIFIED is not a valid order side")
    if not order.quantums:
        raise clob(4, "order size quantums cannot be 0")
    _router(order)
    _expiry(order)
    if order.reduce_only and order.time_in_force != TimeInForce.IOC:
        raise clob(9003, "reduce only orders must be short term IOC orders")
    if not order.subticks and order.order_id.order_flags != OrderFlags.TWAP:
        raise clob(6, "order subticks cannot be 0 for this order type")
    _condition(order)
    _builder(order)
    if order.order_id.order_flags == OrderFlags.TWAP:
        _twap(order)


def _enums(order: Order) -> None:
    if order.side not in Order.Side.values():
        raise clob(3, f"invalid order side ({order.side})")
    if order.time_in_force not in Order.TimeInForce.values():
        raise clob(44, f"invalid time in force ({order.time_in_force})")
    if order.condition_type not in Order.ConditionType.values():
        raise clob(6000, f"invalid condition type ({order.condition_type})")


def _expiry(order: Order) -> None:
    flags = order.order_id.order_flags
    if flags == OrderFlags.SHORT_TERM:
        if not order.good_til_block:
            raise clob(5, "order goodTilBlock cannot be 0")
        return
    if flags not in STATEFUL_FLAGS:
        raise clob(3000, f"invalid order flag {flags}")
    if not order.good_til_block_time:
        raise clob(3001, "stateful order goodTilBlockTime cannot be 0")
    if flags == OrderFlags.LONG_TERM and order.time_in_force == TimeInForce.IOC:
        raise clob(3002)


def _condition(order: Order) -> None:
    if order.order_id.order_flags == OrderFlags.CONDITIONAL:
        if order.condition_type == Order.CONDITION_TYPE_UNSPECIFIED:
            raise clob(6000, "condition type cannot be unspecified")
        if not order.conditional_order_trigger_subticks:
            raise clob(6001, "conditional order trigger subticks cannot be 0")
        return
    if order.condition_type != Order.CONDITION_TYPE_UNSPECIFIED:
        raise clob(6000, "condition type specified for non-conditional order")
    if order.conditional_order_trigger_subticks:
        raise clob(
            6001, "conditional order trigger subticks greater than 0 for non-conditional order"
        )


def _twap(order: Order) -> None:
    if not order.HasField("twap_parameters"):
        raise clob(12, "TWAP order must have a TWAP config")
    twap = order.twap_parameters
    if not 30 <= twap.interval <= 3_600:
        raise clob(12, "TWAP order interval must be in the range [30 seconds, 3600 seconds]")
    if not 300 <= twap.duration <= 86_400:
        raise clob(12, "TWAP order duration must be in the range [300 seconds, 86400 seconds]")
    if twap.duration % twap.interval:
        raise clob(12, "TWAP order duration must be a multiple of the interval")
    if twap.price_tolerance >= 1_000_000:
        raise clob(12, "TWAP order price tolerance must be in the range [0, 1000000)")


def _builder(order: Order) -> None:
    if order.HasField("builder_code_parameters"):
        builder = order.builder_code_parameters
        if decode_address(builder.builder_address) is None:
            raise clob(
                50,
                f"builder code address '{builder.builder_address}' must be a valid bech32 address, "
                f"but got error '{complaint(builder.builder_address)}'",
            )
        if not 0 < builder.fee_ppm <= 10_000:
            raise clob(
                50, f"builder code fee ppm '{builder.fee_ppm}' must be in the range (0, 10000]"
            )


def _router(order: Order) -> None:
    router = order.order_router_address
    if router and decode_address(router) is None:
        raise clob(
            11000,
            f"order router address '{router}' must be a valid bech32 address, but got error "
            f"'{complaint(router)}'",
        )


def _cancel(message: MsgCancelOrder) -> None:
    order_id = message.order_id
    check_subaccount(order_id.subaccount_id)
    if order_id.order_flags == OrderFlags.SHORT_TERM:
        if not message.good_til_block:
            raise clob(5, f"cancellation goodTilBlock cannot be 0, orderId {go_id(order_id)}")
        return
    if order_id.order_flags not in STATEFUL_FLAGS:
        raise clob(3000, f"orderId: {compact_id(order_id)}")
    if not message.good_til_block_time:
        raise clob(3001, f"stateful cancellation goodTilBlockTime cannot be 0, {go_id(order_id)}")


def _batch_cancel(message: MsgBatchCancel) -> None:
    check_subaccount(message.subaccount_id)
    batches = message.short_term_cancels
    if not batches:
        raise clob(45, "Batch cancel cannot have zero orders specified.")
    total = sum(len(batch.client_ids) for batch in batches)
    if total > MAX_BATCH:
        raise clob(45, f"Batch cancel cannot have over 100 orders. Order count: {total}")
    seen: set[int] = set()
    for batch in batches:
        pair = batch.clob_pair_id
        if pair in seen:
            raise clob(
                45,
                f"Batch cancel cannot have 2 order batches with the same clob pair id: {pair}",
            )
        seen.add(pair)
        if not batch.client_ids:
            raise clob(45, "Order Batch cannot have zero client ids.")
        clients: set[int] = set()
        for client_id in batch.client_ids:
            if client_id in clients:
                raise clob(
                    45,
                    f"Batch Cancel Clob pair id {pair} has duplicate client ids: {client_id}",
                )
            clients.add(client_id)


def _transfer(message: MsgCreateTransfer) -> None:
    transfer = message.transfer
    check_subaccount(transfer.sender)
    check_subaccount(transfer.recipient)
    if transfer.sender == transfer.recipient:
        number = f"number:{transfer.sender.number} " if transfer.sender.number else ""
        raise sending(
            1, f'Sender is the same as recipient (owner:"{transfer.sender.owner}" {number})'
        )
    _usdc(transfer.asset_id, transfer.amount)


def _deposit(message: MsgDepositToSubaccount) -> None:
    if decode_address(message.sender) is None:
        raise sending(6)
    check_subaccount(message.recipient)
    _usdc(message.asset_id, message.quantums)


def _withdraw(message: MsgWithdrawFromSubaccount) -> None:
    check_subaccount(message.sender)
    if decode_address(message.recipient) is None:
        raise sending(6)
    _usdc(message.asset_id, message.quantums)


def _usdc(asset_id: int, quantums: int) -> None:
    if asset_id:
        raise sending(1101)
    if not quantums:
        raise sending(2)


def check_subaccount(subaccount: SubaccountId) -> None:
    """Raise Refused for an owner that is no address, or a number out of range."""
    if decode_address(subaccount.owner) is None:
        raise Refused(
            "subaccounts",
            201,
            f"invalid SubaccountId Owner address ({subaccount.owner}). Error: "
            f"({complaint(subaccount.owner)}): subaccount id owner is an invalid address",
        )
    if subaccount.number > MAX_SUBACCOUNT:
        raise Refused("subaccounts", 200, "subaccount id number cannot exceed 128000")


def _add_authenticator(message: MsgAddAuthenticator) -> None:
    if decode_address(message.sender) is None:
        raise accountplus(2)
    if len(message.data) > DATA_LIMIT:
        raise accountplus(3)


_CHECKS: Final[dict[type[Any], Callable[[Any], None]]] = {
    MsgPlaceOrder: _place,
    MsgCancelOrder: _cancel,
    MsgBatchCancel: _batch_cancel,
    MsgAddAuthenticator: _add_authenticator,
    MsgCreateTransfer: _transfer,
    MsgDepositToSubaccount: _deposit,
    MsgWithdrawFromSubaccount: _withdraw,
}
