"""The methods of CometBFT's JSON-RPC that clients of the chain need.

`abci_query` carries the same queries as gRPC, `broadcast_tx_*` the same transactions; the node's
faults hold here too, and it tells what it knows.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import grpc
from google.protobuf.message import DecodeError

from core.paper import blocks, rpc_blocks
from core.paper.exchange import CheckResult, Exchange
from core.paper.failures import Failed
from core.paper.node import Node
from core.paper.rpc_blocks import encoded, go_time, hexadecimal
from core.paper.rpc_params import Json, Params, RpcError, internal
from core.paper.rpc_search import search, search_heights

Found = TypeVar("Found")
Method = Callable[[Params], Awaitable[Json]]

# The framework's codes for a query that failed, and what it adds to the text.
_FAILED: Final = 18
_UNKNOWN: Final = (6, "unknown request")
_CODES: Final = {
    grpc.StatusCode.NOT_FOUND: (22, "key not found"),
    grpc.StatusCode.INVALID_ARGUMENT: (_FAILED, "invalid request"),
}
_GO_NAMES: Final = {
    grpc.StatusCode.NOT_FOUND: "NotFound",
    grpc.StatusCode.INVALID_ARGUMENT: "InvalidArgument",
    grpc.StatusCode.INTERNAL: "Internal",
}
_PER_PAGE: Final = 30
_MOST_PER_PAGE: Final = 100
_MOST_BLOCKS: Final = 20
_SEARCH: Final = ("query", "prove", "page", "per_page", "order_by")


class Methods:
    """Handlers over one node. `port` is the server's."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self.port = 0
        self._methods: dict[str, tuple[Method, tuple[str, ...]]] = {
            "health": (self._health, ()),
            "status": (self._status, ()),
            "net_info": (self._net_info, ()),
            "abci_info": (self._abci_info, ()),
            "abci_query": (self._abci_query, ("path", "data", "height", "prove")),
            "broadcast_tx_sync": (self._broadcast_sync, ("tx",)),
            "broadcast_tx_async": (self._broadcast_async, ("tx",)),
            "genesis": (self._genesis, ()),
            "block_search": (self._block_search, _SEARCH),
            "num_unconfirmed_txs": (self._waiting, ()),
            "unconfirmed_txs": (self._waiting, ("limit",)),
            "block": (self._block, ("height",)),
            "header": (self._header, ("height",)),
            "commit": (self._commit, ("height",)),
            "block_results": (self._block_results, ("height",)),
            "blockchain": (self._blockchain, ("minHeight", "maxHeight")),
            "validators": (self._validators, ("height", "page", "per_page")),
            "consensus_params": (self._consensus_params, ("height",)),
            "tx": (self._tx, ("hash", "prove")),
            "tx_search": (self._tx_search, _SEARCH),
        }
        self.names = frozenset(self._methods)

    @property
    def _exchange(self) -> Exchange:
        """The chain as the node knows it."""
        return self._node.exchange

    async def call(self, method: str, params: Params) -> Json:
        """The result of a call. Raises RpcError."""
        found = self._methods.get(method)
        if found is None:
            raise RpcError(-32601, "Method not found")
        handler, names = found
        params.name(names)
        await self._node.enter(f"rpc/{method}")
        if self._node.faults.down:
            raise internal("the node is down")
        return await handler(params)

    # -- the node ---------------------------------------------------------------------------

    async def _health(self, _: Params) -> Json:
        return {}

    async def _status(self, _: Params) -> Json:
        exchange = self._exchange
        info = blocks.node_info(exchange, self._node.name).default_node_info
        first = exchange.time_of(1) or exchange.time
        return {
            "node_info": {
                "protocol_version": {"p2p": "8", "block": "11", "app": "0"},
                "id": info.default_node_id,
                "listen_addr": "tcp://127.0.0.1:26656",
                "network": exchange.chain_id,
                "version": info.version,
                "channels": "40202122233038606100",
                "moniker": info.moniker,
                "other": {"tx_index": "on", "rpc_address": f"tcp://127.0.0.1:{self.port}"},
            },
            "sync_info": {
                "latest_block_hash": hexadecimal(blocks.block_hash(exchange, exchange.height)),
                "latest_app_hash": hexadecimal(_app_hash(exchange.height)),
                "latest_block_height": str(exchange.height),
                "latest_block_time": go_time(exchange.time),
                "earliest_block_hash": hexadecimal(blocks.block_hash(exchange, 1)),
                "earliest_app_hash": "",
                "earliest_block_height": "1",
                "earliest_block_time": go_time(first),
                "catching_up": self._node.faults.behind_blocks > 0,
            },
            "validator_info": {
                "address": hexadecimal(blocks.PROPOSER),
                "pub_key": _public_key(),
                "voting_power": rpc_blocks.POWER,
            },
        }

    async def _genesis(self, _: Params) -> Json:
        """How the chain began, without its state."""
        exchange = self._exchange
        genesis = {
            "genesis_time": go_time(exchange.time_of(1) or exchange.time),
            "chain_id": exchange.chain_id,
            "initial_height": "1",
            "consensus_params": rpc_blocks.CONSENSUS | {"version": {"app": "0"}},
            "app_hash": "",
            "app_state": {},
        }
        return {"genesis": genesis}

    async def _net_info(self, _: Params) -> Json:
        return {"listening": True, "listeners": ["Listener(@)"], "n_peers": "0", "peers": []}

    async def _abci_info(self, _: Params) -> Json:
        height = self._exchange.height
        return {
            "response": {
                "data": "dydxprotocol",
                "last_block_height": str(height),
                "last_block_app_hash": encoded(_app_hash(height)),
            }
        }

    async def _abci_query(self, params: Params) -> Json:
        data = params.raw("data", hexadecimal=True)
        code, log, value = 0, "", b""
        try:
            value = self._node.query(params.text("path"), data)
        except DecodeError as error:
            code, log = _FAILED, str(error)
        except Failed as failure:
            code, tail = _CODES.get(failure.status, _UNKNOWN)
            name = _GO_NAMES.get(failure.status, "Unknown")
            log = f"rpc error: code = {name} desc = {failure.details}: {tail}"
            if failure.status is grpc.StatusCode.UNIMPLEMENTED:
                log = f"unknown query path: {tail}"
        return {
            "response": {
                "code": code,
                "log": log,
                "info": "",
                "index": "0",
                "key": None,
                "value": encoded(value) if value else None,
                "proofOps": None,
                "height": str(self._exchange.height),
                "codespace": "sdk" if code else "",
            }
        }

    # -- sending ----------------------------------------------------------------------------

    async def _broadcast_sync(self, params: Params) -> Json:
        result = await self._submit(params)
        return {
            "code": result.code,
            "data": "",
            "log": result.log,
            "codespace": result.codespace,
            "hash": result.tx_hash,
        }

    async def _broadcast_async(self, params: Params) -> Json:
        result = await self._submit(params)
        return {"code": 0, "data": "", "log": "", "codespace": "", "hash": result.tx_hash}

    async def _submit(self, params: Params) -> CheckResult:
        raw = params.raw("tx")
        await self._node.travel()
        result = self._node.submit(raw)
        if self._node.faults.take_lost_answer():
            await asyncio.Event().wait()
        if (result.codespace, result.code) == ("sdk", 19):
            raise internal("tx already exists in cache")
        if (result.codespace, result.code) == ("sdk", 21):
            raise internal("Tx too large. Max size is 1048576")
        return result

    async def _waiting(self, _: Params) -> Json:
        """Transactions that wait are the exchange's own matter; a node tells of none."""
        return {"n_txs": "0", "total": "0", "total_bytes": "0", "txs": []}

    # -- blocks -----------------------------------------------------------------------------

    async def _block(self, params: Params) -> Json:
        return rpc_blocks.block(self._exchange, self._height(params))

    async def _header(self, params: Params) -> Json:
        return {"header": rpc_blocks.header(self._exchange, self._height(params))}

    async def _commit(self, params: Params) -> Json:
        exchange, height = self._exchange, self._height(params)
        signed = {
            "header": rpc_blocks.header(exchange, height),
            "commit": rpc_blocks.commit(exchange, height),
        }
        return {"signed_header": signed, "canonical": height < exchange.height}

    async def _block_results(self, params: Params) -> Json:
        exchange, height = self._exchange, self._height(params)
        rows = [row for row in exchange.included() if row.height == height]
        return {
            "height": str(height),
            "txs_results": [rpc_blocks.result(row) for row in rows] or None,
            "finalize_block_events": [],
            "validator_updates": None,
            "consensus_param_updates": rpc_blocks.CONSENSUS,
            "app_hash": None,
        }

    async def _blockchain(self, params: Params) -> Json:
        exchange = self._exchange
        highest = min(params.number("maxHeight") or exchange.height, exchange.height)
        lowest = max(params.number("minHeight") or 1, 1, highest - _MOST_BLOCKS + 1)
        if lowest > highest:
            raise internal(f"min height {lowest} can't be greater than max height {highest}")
        metas = [
            rpc_blocks.block_meta(exchange, height) for height in range(highest, lowest - 1, -1)
        ]
        return {"last_height": str(exchange.height), "block_metas": metas}

    async def _validators(self, params: Params) -> Json:
        validator = {
            "address": hexadecimal(blocks.PROPOSER),
            "pub_key": _public_key(),
            "voting_power": rpc_blocks.POWER,
            "propose_disabled": False,
            "proposer_priority": "0",
        }
        return {
            "block_height": str(self._height(params)),
            "validators": [validator],
            "count": "1",
            "total": "1",
        }

    async def _consensus_params(self, params: Params) -> Json:
        return {
            "block_height": str(self._height(params)),
            "consensus_params": rpc_blocks.CONSENSUS | {"version": {"app": "0"}},
        }

    def _height(self, params: Params) -> int:
        last, height = self._exchange.height, params.number("height")
        if height is None:
            return last
        if height <= 0:
            raise internal(f"height must be greater than 0, but got {height}")
        if height > last:
            raise internal(
                f"height {height} must be less than or equal to the current blockchain height "
                f"{last}"
            )
        return height

    # -- transactions -----------------------------------------------------------------------

    async def _tx(self, params: Params) -> Json:
        identity = params.raw("hash")
        if not identity:
            raise internal("transaction hash cannot be empty")
        found = self._exchange.transaction(hexadecimal(identity))
        if found is None:
            raise internal(f"tx ({hexadecimal(identity)}) not found")
        place = self._exchange.transactions_of(found.height).index(found.raw)
        return rpc_blocks.transaction(found.raw, place, found)

    async def _tx_search(self, params: Params) -> Json:
        found, total = _page(search(self._exchange, params.text("query")), params)
        return {
            "txs": [rpc_blocks.transaction(*row) for row in found],
            "total_count": str(total),
        }

    async def _block_search(self, params: Params) -> Json:
        found, total = _page(search_heights(self._exchange, params.text("query")), params)
        return {
            "blocks": [rpc_blocks.block(self._exchange, height) for height in found],
            "total_count": str(total),
        }


def _page(found: list[Found], params: Params) -> tuple[list[Found], int]:
    """The page of a search that was asked for, and how much was found."""
    order = params.text("order_by")
    if order not in ("", "asc", "desc"):
        raise internal("expected order_by to be either `asc` or `desc` or empty")
    if order == "desc":
        found = found[::-1]
    per_page = params.number("per_page") or _PER_PAGE
    per_page = _PER_PAGE if per_page < 1 else min(per_page, _MOST_PER_PAGE)
    pages, page = max(-(-len(found) // per_page), 1), params.number("page")
    page = 1 if page is None else page
    if not 0 < page <= pages:
        raise internal(f"page should be within [1, {pages}] range, given {page}")
    return found[(page - 1) * per_page : page * per_page], len(found)


def _public_key() -> dict[str, Any]:
    return {"type": "tendermint/PubKeyEd25519", "value": encoded(rpc_blocks.PUBLIC_KEY)}


def _app_hash(height: int) -> bytes:
    return hashlib.sha256(f"app {height}".encode()).digest()
