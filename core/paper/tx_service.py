"""Transactions looked up and simulated."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import grpc
from google.protobuf.any_pb2 import Any as PackedAny
from v4_proto.cosmos.tx.v1beta1.service_pb2 import (
    ORDER_BY_DESC,
    GetTxResponse,
    GetTxsEventRequest,
    GetTxsEventResponse,
    SimulateRequest,
    SimulateResponse,
)
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import Tx

from core.paper.exchange import Exchange
from core.paper.failures import Failed
from core.paper.refusals import Refused
from core.paper.rpc_params import RpcError
from core.paper.rpc_search import search
from core.paper.transactions import tx_hash

_PER_PAGE: Final = 100
_NO_LIMIT: Final = 2**64 - 1


def get_tx(exchange: Exchange, identity: str) -> Any:
    """A transaction that is in a block. Short-term orders never are."""
    if not identity:
        raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "tx hash cannot be empty")
    for character in identity:
        if character not in "0123456789abcdefABCDEF":
            raise Failed(
                grpc.StatusCode.UNKNOWN,
                f"encoding/hex: invalid byte: U+{ord(character):04X} '{character}'",
            )
    found = exchange.transaction(identity)
    if found is None:
        raise Failed(grpc.StatusCode.NOT_FOUND, f"tx not found: {identity}")
    tx = Tx.FromString(found.raw)
    answer = GetTxResponse(tx=tx)
    response = answer.tx_response
    response.height, response.txhash = found.height, identity.upper()
    response.codespace, response.code, response.raw_log = found.codespace, found.code, found.log
    response.data = found.data
    response.gas_wanted, response.gas_used = found.gas_wanted, found.gas_used
    response.timestamp = dt.datetime.fromtimestamp(found.time_s, dt.UTC).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    packed = PackedAny()
    packed.Pack(tx, type_url_prefix="/")
    response.tx.CopyFrom(packed)
    return answer


def get_txs_event(exchange: Exchange, request: GetTxsEventRequest) -> Any:
    """Transactions in blocks that a query finds; the oldest first unless asked otherwise."""
    query = request.query or " AND ".join(request.events)
    if not query:
        raise Failed(grpc.StatusCode.INTERNAL, "query cannot be empty")
    try:
        found = search(exchange, query)
    except RpcError as error:
        raise Failed(grpc.StatusCode.UNKNOWN, str(error)) from error
    if request.order_by == ORDER_BY_DESC:
        found.reverse()
    limit = min(request.limit or _PER_PAGE, _PER_PAGE)
    start = (max(request.page, 1) - 1) * limit
    answer = GetTxsEventResponse(total=len(found))
    for raw, _, _ in found[start : start + limit]:
        one = get_tx(exchange, tx_hash(raw))
        answer.txs.append(one.tx)
        answer.tx_responses.append(one.tx_response)
    return answer


def simulate(exchange: Exchange, request: SimulateRequest) -> Any:
    """The gas a transaction would take. Orders cannot be simulated: the chain panics on them."""
    raw = bytes(request.tx_bytes) or bytes(request.tx.SerializeToString())
    if not raw:
        raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "empty txBytes is not allowed")
    try:
        used = exchange.simulate(raw)
    except Refused as refusal:
        raise Failed(grpc.StatusCode.UNKNOWN, f"{refusal.log} with gas used: '1180'") from refusal
    answer = SimulateResponse()
    answer.gas_info.gas_wanted, answer.gas_info.gas_used = _NO_LIMIT, used
    return answer
