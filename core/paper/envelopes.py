"""Transactions that the chain itself writes: the proposer's operations, the faucet's gift, and the
response data of an included transaction.
"""

from __future__ import annotations

from typing import Final

from google.protobuf.any_pb2 import Any as PackedAny
from google.protobuf.message import Message
from v4_proto.cosmos.base.abci.v1beta1.abci_pb2 import TxMsgData
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import AuthInfo, Tx, TxBody
from v4_proto.dydxprotocol.accountplus.tx_pb2 import (
    MsgAddAuthenticator,
    MsgAddAuthenticatorResponse,
    MsgRemoveAuthenticator,
)
from v4_proto.dydxprotocol.clob.matches_pb2 import (
    ClobMatch,
    MakerFill,
    MatchOrders,
    MatchPerpetualDeleveraging,
    MatchPerpetualLiquidation,
)
from v4_proto.dydxprotocol.clob.order_pb2 import OrderId
from v4_proto.dydxprotocol.clob.order_removals_pb2 import OrderRemoval
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgProposedOperations, OperationRaw
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.protocol import Side
from core.paper.happenings import PaperOrder
from core.paper.matching import Match
from core.paper.orders import wire_id

_ANSWERED: Final = (MsgAddAuthenticator, MsgRemoveAuthenticator)
_SUCCESS: Final = MsgAddAuthenticatorResponse(success=True).SerializeToString()


def unsigned_transaction(messages: list[Message], memo: str) -> bytes:
    """A transaction nobody signed, as block proposers write them."""
    packed = []
    for message in messages:
        wrapped = PackedAny()
        wrapped.Pack(message, type_url_prefix="/")
        packed.append(wrapped)
    body = TxBody(messages=packed, memo=memo)
    return bytes(Tx(body=body, auth_info=AuthInfo()).SerializeToString())


def operations_transaction(
    matches: list[Match], memo: str, removed: tuple[PaperOrder, ...] = ()
) -> bytes:
    """The proposer's list of a block's matches and of the stateful orders that fell out of the
    book; its hash is the one fills carry.
    """
    sides: dict[int, dict[str, Match]] = {}
    for match in matches:
        sides.setdefault(match.number, {})[match.liquidity] = match
    operations = []
    for pair in sides.values():
        operations.append(OperationRaw(match=_match(pair.get("TAKER"), pair.get("MAKER"))))
    operations += [
        OperationRaw(order_removal=OrderRemoval(order_id=_order_id(order))) for order in removed
    ]
    return unsigned_transaction([MsgProposedOperations(operations_queue=operations)], memo)


def _match(taker: Match | None, maker: Match | None) -> ClobMatch:
    """A match as proposed. A side that is not told (the synthetic maker's) stays empty."""
    some = taker or maker
    assert some is not None
    fill = MakerFill(
        fill_amount=some.quantums, maker_order_id=_order_id(maker.order if maker else None)
    )
    if taker is not None and taker.kind == "LIQUIDATED":
        liquidation = MatchPerpetualLiquidation(
            liquidated=_subaccount(taker),
            clob_pair_id=taker.market.id,
            perpetual_id=taker.market.id,
            total_size=taker.quantums,
            is_buy=taker.side is Side.BUY,
            fills=[fill],
        )
        return ClobMatch(match_perpetual_liquidation=liquidation)
    if some.kind in ("DELEVERAGED", "OFFSETTING"):
        offset = MatchPerpetualDeleveraging.Fill(
            offsetting_subaccount_id=_subaccount(maker), fill_amount=some.quantums
        )
        deleveraging = MatchPerpetualDeleveraging(
            liquidated=_subaccount(taker), perpetual_id=some.market.id, fills=[offset]
        )
        return ClobMatch(match_perpetual_deleveraging=deleveraging)
    orders = MatchOrders(taker_order_id=_order_id(taker.order if taker else None), fills=[fill])
    return ClobMatch(match_orders=orders)


def _subaccount(match: Match | None) -> SubaccountId | None:
    if match is None:
        return None
    return SubaccountId(owner=match.subaccount.owner, number=match.subaccount.number)


def response_data(messages: list[Message]) -> str:
    """Upper case hex of the responses to these messages."""
    responses = [
        PackedAny(
            type_url=f"/{message.DESCRIPTOR.full_name}Response",
            value=_SUCCESS if isinstance(message, _ANSWERED) else b"",
        )
        for message in messages
    ]
    return str(TxMsgData(msg_responses=responses).SerializeToString().hex().upper())


def _order_id(order: PaperOrder | None) -> OrderId:
    if order is None:
        return OrderId()
    return wire_id(order.key)
