"""Answers of the HTTP edge: JSON that keeps every digit, and errors that tell nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from uuid import UUID

from aiohttp import web

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def to_json(value: object) -> str:
    """JSON in which a Decimal is a number with exactly its digits.

    Raises TypeError for a float (its digits would be invented) and for what JSON has no form for,
    ValueError for NaN and infinity.
    """
    match value:
        case None | bool() | int() | str():
            return json.dumps(value, ensure_ascii=False)
        case Decimal():
            if not value.is_finite():
                raise ValueError("a number was not finite")
            return format(value, "f")
        case UUID():
            return json.dumps(str(value))
        case Mapping():
            members = (f"{to_json(str(key))}: {to_json(item)}" for key, item in value.items())
            return f"{{{', '.join(members)}}}"
        case list() | tuple():
            return f"[{', '.join(to_json(item) for item in value)}]"
        case _:
            raise TypeError(f"{type(value).__name__} was not one of JSON's types")


def json_answer(
    status: int, body: Mapping[str, object], *, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A JSON response."""
    return web.Response(
        status=status,
        body=to_json(body).encode(),
        content_type="application/json",
        charset="utf-8",
        headers=headers,
    )


def error_answer(
    status: int, code: str | None = None, *, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An error with its stable code and nothing else; by default the status's own name."""
    code = code or HTTPStatus(status).phrase.lower().replace(" ", "_")
    return json_answer(status, {"success": False, "error": code}, headers=headers)


def not_found() -> web.Response:
    """The one answer for all that lacks a proved secret, byte for byte that of an unknown path.

    It ends the connection: whether the rest of a body is still to come must not show either.
    """
    response = error_answer(404, "not_found")
    response.force_close()
    return response


async def set_safe_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Adds the security headers that a route did not set itself and hides the server's name."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.popall("Server", None)
