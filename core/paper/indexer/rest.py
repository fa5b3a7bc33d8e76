"""The REST server: limits, faults, headers and refusals around the routes."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from core.paper.indexer import (
    account_routes,
    control_routes,
    history_routes,
    market_routes,
    social_routes,
)
from core.paper.indexer.checks import Invalid
from core.paper.indexer.limits import Limiter
from core.paper.indexer.service import Indexer

log = logging.getLogger(__name__)
Handler = Callable[[web.Request], Awaitable[Any]]
NOT_FOUND = {"error": "Not Found", "errorCode": 404}
_UNLIMITED = ("/v4/orders/{orderId}",)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def rest_application(indexer: Indexer, close_sockets: Callable[[], None]) -> web.Application:
    """The whole REST service. `close_sockets` closes every websocket connection at once."""
    service = _Service(indexer)
    app = web.Application(middlewares=[service.answer], client_max_size=64 * 1024)
    service.add_v4(app, market_routes.routes(indexer))
    service.add_v4(app, social_routes.routes(indexer))
    service.add_v4(app, history_routes.routes(indexer))
    service.add_v4(app, account_routes.routes(indexer))
    for method, path, handler in control_routes.routes(indexer, close_sockets):
        app.router.add_route(method, path, service.plain(handler))
    return app


class _Service:
    """Wraps handlers that give JSON-able data into responses as the real service sends them."""

    def __init__(self, indexer: Indexer) -> None:
        self._indexer = indexer
        self._limiter = Limiter(
            indexer.settings.rest_limit, lambda: int(indexer.clock.now().timestamp() * 1000)
        )

    def add_v4(self, app: web.Application, routes: list[tuple[str, Handler, str | None]]) -> None:
        """Add the reading routes with their Cache-Control."""
        for path, handler, caching in routes:
            app.router.add_get("/v4" + path, self._reading("/v4" + path, handler, caching))

    def plain(self, handler: Handler) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """A control route: no limits, no faults."""

        async def respond(request: web.Request) -> web.StreamResponse:
            status, body = await handler(request)
            return _json(body, status=status)

        return respond

    def _reading(
        self, path: str, handler: Handler, caching: str | None
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def respond(request: web.Request) -> web.StreamResponse:
            if self._indexer.take_500():
                return _json({"errors": [{"msg": "Internal Server Error"}]}, status=500)
            headers = {} if caching is None else {"Cache-Control": caching}
            if path not in _UNLIMITED:
                segment = request.path.split("/")[2]
                verdict = self._limiter.count(request.remote or "", segment)
                forced = self._indexer.take_429()
                if forced or (verdict is not None and not verdict.allowed):
                    told = verdict.headers if verdict is not None else {}
                    body = {"errors": [{"msg": "Too many requests"}]}
                    return _json(body, status=429, headers={"Retry-After": "1000"} | told)
                headers |= verdict.headers if verdict is not None else {}
            try:
                body, status = await handler(request), 200
            except Invalid as refused:
                body, status = refused.body, refused.status
            return _tagged(request, body, status, headers)

        return respond

    @web.middleware
    async def answer(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Count the request, delay it by the injected round trip, and turn failures to answers."""
        resource = request.match_info.route.resource
        name = resource.canonical if resource is not None else "unknown route"
        self._indexer.rest_calls[f"{request.method} {name}"] += 1
        origin = request.headers.get("Origin")
        if origin is not None and not _is_local(origin):
            return _json({"errors": [{"msg": "Requests from other sites are refused"}]}, status=403)
        if request.method == "OPTIONS":
            response: web.StreamResponse = web.Response(status=200)
        else:
            if not request.path.startswith("/paper/") and self._indexer.rtt_s:
                await self._indexer.clock.sleep(self._indexer.rtt_s)
            response = await self._guarded(request, handler)
        if origin is not None:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Allow-Headers"] = "content-type"
            response.headers["Vary"] = "Origin"
        return response

    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            return _json(NOT_FOUND, status=404)
        except web.HTTPRequestEntityTooLarge:
            return _json({"errors": [{"msg": "The body was too large"}]}, status=413)
        except web.HTTPException:
            raise
        except Exception:
            log.exception("the paper indexer failed to answer %s", request.path)
            return _json({"errors": [{"msg": "Internal Server Error"}]}, status=500)


def _is_local(origin: str) -> bool:
    try:
        return urlsplit(origin).hostname in _LOOPBACK
    except ValueError:
        return False


def _text(body: Any) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)


def _json(body: Any, *, status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        text=_text(body), status=status, headers=headers, content_type="application/json"
    )


def _tagged(request: web.Request, body: Any, status: int, headers: dict[str, str]) -> web.Response:
    """A response with its ETag; 304 without a body when the client has it already."""
    text = _text(body)
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()[:20]).decode().rstrip("=")
    tag = f'W/"{len(text.encode()):x}-{digest}"'
    headers = headers | {"ETag": tag}
    if status == 200 and request.headers.get("If-None-Match") == tag:
        return web.Response(status=304, headers=headers)
    return web.Response(text=text, status=status, headers=headers, content_type="application/json")
