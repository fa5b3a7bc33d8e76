"""Transactions that the chain itself writes: the proposer's operations, the faucet's gift, and the
response data of an included transaction.
"""

from __future__ import annotations

from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.message import Message
from v4_proto.cosmos.base.abci.v1beta1.abci_pb2 import TxMsgData
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import AuthInfo, Tx, TxBody
from v4_proto.dydxprotocol.clob.matches_pb2 import ClobMatch, MakerFill, MatchOrders
from v4_proto.dydxprotocol.clob.order_pb2 import OrderId
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgProposedOperations, OperationRaw
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.paper.happenings import PaperOrder
from core.paper.matching import Match


def unsigned_transaction(messages: list[Message], memo: str) -> bytes:
    """A transaction nobody signed, as block proposers write them."""
    packed = []
    for message in messages:
        wrapped = PackedAny()
        wrapped.Pack(message, type_url_prefix="/")
        packed.append(wrapped)
    body = TxBody(messages=packed, memo=memo)
    return bytes(Tx(body=body, auth_info=AuthInfo()).SerializeToString())


def operations_transaction(matches: list[Match], memo: str) -> bytes:
    """The proposer's list of a block's matches; its hash is the one fills carry."""
    sides: dict[int, dict[str, Match]] = {}
    for match in matches:
        sides.setdefault(match.number, {})[match.liquidity] = match
    operations = []
    for pair in sides.values():
        taker, maker = pair.get("TAKER"), pair.get("MAKER")
        some = taker or maker
        assert some is not None
        fill = MakerFill(
            fill_amount=some.quantums, maker_order_id=_order_id(maker.order if maker else None)
        )
        orders = MatchOrders(taker_order_id=_order_id(taker.order if taker else None), fills=[fill])
        operations.append(OperationRaw(match=ClobMatch(match_orders=orders)))
    return unsigned_transaction([MsgProposedOperations(operations_queue=operations)], memo)


def response_data(messages: list[Message]) -> str:
    """Upper case hex of the responses to these messages."""
    responses = [
        PackedAny(type_url=f"/{message.DESCRIPTOR.full_name}Response") for message in messages
    ]
    return str(TxMsgData(msg_responses=responses).SerializeToString().hex().upper())


def _order_id(order: PaperOrder | None) -> OrderId:
    if order is None:
        return OrderId()
    key = order.key
    return OrderId(
        subaccount_id=SubaccountId(owner=key.subaccount.owner, number=key.subaccount.number),
        client_id=key.client_id,
        order_flags=key.order_flags,
        clob_pair_id=key.clob_pair_id,
    )
