"""The alert grammar for programs: `GET /api/webhooks/schema`, a JSON Schema (docs/webhook.md)."""

from __future__ import annotations

from aiohttp import web

from core.signals.schema import alert_schema
from handlers.http.answers import to_json

PATH = "/api/webhooks/schema"


def schema_routes() -> list[web.RouteDef]:
    """It tells nothing of anybody, so that it needs no secret."""
    return [web.get(PATH, _answer)]


async def _answer(_: web.Request) -> web.Response:
    return web.Response(
        body=to_json(alert_schema()).encode(), content_type="application/schema+json"
    )
