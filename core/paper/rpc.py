"""A node's second door: CometBFT's JSON-RPC over HTTP, for clients that speak no gRPC.

Calls come as JSON (alone or as a list) or as an address; errors of the latter carry status 500.
Source: docs/protocol.md, broadcast, confirmation, endpoints.
"""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from core.paper.node import Node
from core.paper.node_rest import NodeRest
from core.paper.rpc_methods import Methods
from core.paper.rpc_params import Json, Params, RpcError

_MAX_BODY = 4 * 1024 * 1024


class Rpc:
    """The HTTP server. Calls count in the node's `calls` as `rpc/<method>`."""

    def __init__(self, node: Node) -> None:
        self._methods = Methods(node)
        self._rest = NodeRest(node)
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 takes any free one. Raises OSError where the port is taken."""
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/", self._post)
        app.router.add_get("/", self._listed)
        app.router.add_get("/{method}", self._get)
        self._rest.add_to(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._methods.port = int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _listed(self, _: web.Request) -> web.StreamResponse:
        names = "".join(f"<br>//127.0.0.1:{self.port}/{name}?</br>" for name in self._methods.names)
        text = f"<html><body><br>Available endpoints:<br>{names}</body></html>"
        return web.Response(text=text, content_type="text/html")

    async def _post(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        if not text:
            return await self._listed(request)
        try:
            body = json.loads(text)
            calls = body if isinstance(body, list) else [body]
            for call in calls:
                _check_call(call)
        except (ValueError, RecursionError) as error:
            return _unreadable(error)
        answers = [
            await self._answer(call["method"], call.get("id"), Params(call.get("params")))
            for call in calls
            if call.get("id") is not None  # without an id nobody waits for an answer
        ]
        if not answers:
            return web.Response()
        return web.json_response(answers if isinstance(body, list) else answers[0])

    async def _get(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        if method not in self._methods.names:
            return web.Response(status=404, text="404 page not found\n")
        answer = await self._answer(method, -1, Params(dict(request.query), in_address=True))
        return web.json_response(answer, status=500 if "error" in answer else 200)

    async def _answer(self, method: str, identity: Any, params: Params) -> Json:
        answer: Json = {"jsonrpc": "2.0", "id": identity}
        try:
            answer["result"] = await self._methods.call(method, params)
        except RpcError as error:
            answer["error"] = error.body
        return answer


def _check_call(call: Any) -> None:
    if not isinstance(call, dict):
        raise ValueError(f"json: cannot unmarshal {type(call).__name__} into Go value")
    if not isinstance(call.get("method", ""), str):
        raise ValueError("json: cannot unmarshal into Go struct field .method of type string")
    call.setdefault("method", "")
    if not isinstance(call.get("id"), str | int | float | None):
        raise ValueError(f"json-rpc ID ({call['id']}) is of unknown type")


def _unreadable(error: Exception) -> web.StreamResponse:
    body = {
        "code": -32700,
        "message": "Parse error. Invalid JSON",
        "data": f"error unmarshaling request: {error}",
    }
    return web.json_response({"jsonrpc": "2.0", "id": None, "error": body}, status=500)
