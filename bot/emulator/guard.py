"""Who may use the page and its API: the browser on this machine, and no other site in it."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def guard(allowed_hosts: frozenset[str]) -> Any:
    """Middleware: strict headers, known Host names only, no calls from other origins."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(("/bot", "/file/bot")):
            return await handler(request)
        host = request.host.rpartition(":")[0] if _has_port(request.host) else request.host
        if host not in allowed_hosts:
            return _refused("this page is not known under that host name")
        origin = request.headers.get("Origin")
        if origin is not None and origin.partition("://")[2] != request.host:
            return _refused("calls from other sites are refused")
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            answer = web.json_response({"problem": error.reason}, status=error.status)
        answer.headers.update(HEADERS)
        return answer

    return check


def _has_port(host: str) -> bool:
    return ":" in host.rpartition("]")[2]


def _refused(text: str) -> web.Response:
    return web.json_response({"problem": text}, status=403, headers=HEADERS)


async def json_body(request: web.Request) -> dict[str, Any]:
    """The object that was posted. Only as JSON, which no foreign site can send unasked.

    Raises an HTTP error for everything else.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(reason="send application/json")
    try:
        body = json.loads(await request.read() or b"{}")
    except ValueError:
        raise web.HTTPBadRequest(reason="the body is no JSON") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(reason="the body is no JSON object")
    return body
