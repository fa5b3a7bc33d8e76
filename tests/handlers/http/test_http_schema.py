"""The alert grammar as JSON Schema over HTTP."""

from __future__ import annotations

import json

from core.signals.schema import alert_schema
from tests.handlers.http.http_kit import serving


async def test_the_schema_is_served_without_a_secret() -> None:
    async with serving() as served:
        answer = await served.ask("GET", "/api/webhooks/schema")
        other = await served.ask("POST", "/api/webhooks/schema")

    assert answer.status == 200
    assert json.loads(answer.body) == alert_schema()
    assert other.status == 405
