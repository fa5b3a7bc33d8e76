"""A node's second door: CometBFT's JSON-RPC over HTTP, for clients that speak no gRPC.

`abci_query` carries the same queries as gRPC, `broadcast_tx_*` the same transactions. The node's
faults hold here too. Source: docs/protocol.md, broadcast, confirmation, endpoints.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
from aiohttp import web
from google.protobuf.message import DecodeError

from core.paper import blocks
from core.paper.exchange import CheckResult, Exchange
from core.paper.failures import Failed
from core.paper.node import Node

Json = dict[str, Any]

_INTERNAL: Final = -32603
_NO_METHOD: Final = -32601
_BAD_PARAMS: Final = -32602
_MAX_BODY: Final = 4 * 1024 * 1024
# The framework's code for a query that found nothing, and for any other that failed.
_NOT_FOUND: Final = 22
_FAILED: Final = 18
_GO_NAMES: Final = {
    grpc.StatusCode.NOT_FOUND: "NotFound",
    grpc.StatusCode.INVALID_ARGUMENT: "InvalidArgument",
    grpc.StatusCode.INTERNAL: "Internal",
    grpc.StatusCode.UNIMPLEMENTED: "Unimplemented",
}


class RpcError(Exception):
    """A call ends with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: str = "") -> None:
        super().__init__(data or message)
        self.body: Json = {"code": code, "message": message, "data": data}


class Rpc:
    """The HTTP server. Calls count in the node's `calls` as `rpc/<method>`."""

    def __init__(self, node: Node, exchange: Exchange) -> None:
        self._node = node
        self._exchange = exchange
        self._runner: web.AppRunner | None = None
        self.port = 0
        self._methods: dict[str, Callable[[Json], Awaitable[Json]]] = {
            "health": self._health,
            "status": self._status,
            "abci_info": self._abci_info,
            "abci_query": self._abci_query,
            "broadcast_tx_sync": self._broadcast_sync,
            "broadcast_tx_async": self._broadcast_async,
            "block": self._block,
            "tx": self._tx,
        }

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one. Raises OSError where the port is taken."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/", self._post)
        app.router.add_get("/{method}", self._get)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _post(self, request: web.Request) -> web.StreamResponse:
        try:
            body = await request.json()
        except ValueError:
            error = {"code": -32700, "message": "Parse error", "data": "the body was not JSON"}
            return web.json_response({"jsonrpc": "2.0", "id": -1, "error": error}, status=500)
        if isinstance(body, list):
            return web.json_response([await self._one(row) for row in body])
        return web.json_response(await self._one(body))

    async def _get(self, request: web.Request) -> web.StreamResponse:
        params = {name: _uri_value(name, value) for name, value in request.query.items()}
        method = request.match_info["method"]
        return web.json_response(await self._one({"id": -1, "method": method, "params": params}))

    async def _one(self, call: Any) -> Json:
        if not isinstance(call, dict):
            call = {}
        answer: Json = {"jsonrpc": "2.0", "id": call.get("id", -1)}
        try:
            answer["result"] = await self._call(call.get("method"), call.get("params") or {})
        except RpcError as error:
            answer["error"] = error.body
        return answer

    async def _call(self, method: object, params: Any) -> Json:
        handler = self._methods.get(method) if isinstance(method, str) else None
        if handler is None:
            raise RpcError(_NO_METHOD, "Method not found")
        if not isinstance(params, dict):
            raise RpcError(_BAD_PARAMS, "Invalid params", "the params were not an object")
        await self._node.enter(f"rpc/{method}")
        if self._node.faults.down:
            raise RpcError(_INTERNAL, "Internal error", "the node is down")
        return await handler(params)

    async def _health(self, _: Json) -> Json:
        return {}

    async def _status(self, _: Json) -> Json:
        exchange = self._exchange
        info = blocks.node_info(exchange, self._node.name).default_node_info
        time = _go_time(exchange)
        key = hashlib.sha256(b"perpgram paper validator key").digest()
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
                "latest_block_hash": _hex(blocks.block_hash(exchange, exchange.height)),
                "latest_app_hash": _hex(hashlib.sha256(f"app {exchange.height}".encode()).digest()),
                "latest_block_height": str(exchange.height),
                "latest_block_time": time,
                "earliest_block_hash": _hex(blocks.block_hash(exchange, 1)),
                "earliest_app_hash": "",
                "earliest_block_height": "1",
                "earliest_block_time": time,
                "catching_up": False,
            },
            "validator_info": {
                "address": _hex(blocks.PROPOSER),
                "pub_key": {"type": "tendermint/PubKeyEd25519", "value": _base64(key)},
                "voting_power": "500000",
            },
        }

    async def _abci_info(self, _: Json) -> Json:
        height = self._exchange.height
        return {
            "response": {
                "data": "dydxprotocol",
                "version": "9.6.1",
                "last_block_height": str(height),
                "last_block_app_hash": _base64(hashlib.sha256(f"app {height}".encode()).digest()),
            }
        }

    async def _abci_query(self, params: Json) -> Json:
        try:
            data = bytes.fromhex(str(params.get("data") or ""))
        except ValueError as error:
            raise RpcError(_BAD_PARAMS, "Invalid params", str(error)) from error
        code, log, value = 0, "", b""
        try:
            value = self._node.query(str(params.get("path")), data)
        except DecodeError as error:
            code, log = _FAILED, str(error)
        except Failed as failure:
            found = failure.status is not grpc.StatusCode.NOT_FOUND
            code = _FAILED if found else _NOT_FOUND
            name = _GO_NAMES.get(failure.status, "Unknown")
            tail = "invalid request" if found else "key not found"
            log = f"rpc error: code = {name} desc = {failure.details}: {tail}"
        return {
            "response": {
                "code": code,
                "log": log,
                "info": "",
                "index": "0",
                "key": None,
                "value": _base64(value) if value else None,
                "proofOps": None,
                "height": str(self._exchange.height),
                "codespace": "sdk" if code else "",
            }
        }

    async def _broadcast_sync(self, params: Json) -> Json:
        result = await self._submit(params)
        if (result.codespace, result.code) == ("sdk", 19):
            raise RpcError(_INTERNAL, "Internal error", "tx already exists in cache")
        if (result.codespace, result.code) == ("sdk", 21):
            raise RpcError(_INTERNAL, "Internal error", "Tx too large. Max size is 1048576")
        return {
            "code": result.code,
            "data": "",
            "log": result.log,
            "codespace": result.codespace,
            "hash": result.tx_hash,
        }

    async def _broadcast_async(self, params: Json) -> Json:
        result = await self._submit(params)
        return {"code": 0, "data": "", "log": "", "codespace": "", "hash": result.tx_hash}

    async def _submit(self, params: Json) -> CheckResult:
        try:
            raw = _bytes(params.get("tx"))
        except (ValueError, binascii.Error) as error:
            raise RpcError(_BAD_PARAMS, "Invalid params", "the tx was not base64") from error
        if not raw:
            raise RpcError(_BAD_PARAMS, "Invalid params", "the tx was empty")
        result = self._node.submit(raw)
        if self._node.faults.take_lost_answer():
            await asyncio.Event().wait()
        return result

    async def _block(self, params: Json) -> Json:
        exchange = self._exchange
        try:
            height = int(params.get("height") or exchange.height)
        except ValueError as error:
            raise RpcError(_BAD_PARAMS, "Invalid params", str(error)) from error
        if not 0 < height <= exchange.height:
            raise RpcError(
                _INTERNAL,
                "Internal error",
                f"height {height} must be less than or equal to the current blockchain height "
                f"{exchange.height}",
            )
        answer = blocks.block_by_height(exchange, height)
        header = answer.block.header
        parts = {"total": 1, "hash": _hex(hashlib.sha256(answer.block_id.hash).digest())}
        previous = {"hash": _hex(header.last_block_id.hash), "parts": parts}
        return {
            "block_id": {"hash": _hex(answer.block_id.hash), "parts": parts},
            "block": {
                "header": {
                    "version": {"block": "11"},
                    "chain_id": header.chain_id,
                    "height": str(height),
                    "time": _go_time(exchange),
                    "last_block_id": previous,
                    "last_commit_hash": "",
                    "data_hash": "",
                    "validators_hash": _hex(header.validators_hash),
                    "next_validators_hash": _hex(header.next_validators_hash),
                    "consensus_hash": "",
                    "app_hash": _hex(header.app_hash),
                    "last_results_hash": "",
                    "evidence_hash": "",
                    "proposer_address": _hex(header.proposer_address),
                },
                "data": {"txs": [_base64(raw) for raw in answer.block.data.txs]},
                "evidence": {"evidence": []},
                "last_commit": {
                    "height": str(height - 1),
                    "round": 0,
                    "block_id": previous,
                    "signatures": [],
                },
            },
        }

    async def _tx(self, params: Json) -> Json:
        try:
            raw = _bytes(params.get("hash"))
        except (ValueError, binascii.Error) as error:
            raise RpcError(_BAD_PARAMS, "Invalid params", "the hash was not base64") from error
        found = self._exchange.transaction(_hex(raw))
        if found is None:
            text = f"tx ({_hex(raw)}) not found"
            raise RpcError(_INTERNAL, "Internal error", text)
        return {
            "hash": _hex(raw),
            "height": str(found.height),
            "index": 0,
            "tx_result": {
                "code": found.code,
                "data": _base64(bytes.fromhex(found.data)),
                "log": found.log,
                "info": "",
                "gas_wanted": str(found.gas_wanted),
                "gas_used": str(found.gas_used),
                "events": [],
                "codespace": found.codespace,
            },
            "tx": _base64(found.raw),
        }


def _uri_value(name: str, text: str) -> str:
    """A parameter in an address: quoted, or 0x and hex. In a body, `data` is hex, others base64."""
    if not text.startswith("0x"):
        return text.strip('"')
    if name == "data":
        return text[2:]
    try:
        return base64.b64encode(bytes.fromhex(text[2:])).decode()
    except ValueError:
        return text


def _bytes(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("the value was not a text")
    return base64.b64decode(value, validate=True)


def _hex(raw: bytes) -> str:
    return raw.hex().upper()


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _go_time(exchange: Exchange) -> str:
    return exchange.time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
