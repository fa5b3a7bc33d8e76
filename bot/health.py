"""`perpgram healthcheck`: for container engines; asks this machine's own process."""

from __future__ import annotations

import sys

import httpx

from bot.settings import Settings

TIMEOUT_S = 3.0


async def healthcheck(settings: Settings) -> int:
    """0 when the process answers /healthz, else 1."""
    host = "127.0.0.1" if settings.http_host in ("0.0.0.0", "::") else settings.http_host  # noqa: S104
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as client:
            answer = await client.get(f"http://{host}:{settings.http_port}/healthz")
    except httpx.HTTPError as error:
        sys.stderr.write(f"perpgram: no answer: {type(error).__name__}\n")
        return 1
    return 0 if answer.status_code == 200 else 1
