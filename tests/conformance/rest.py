"""The indexer's REST interface; every body that comes is held against its exact shape."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
from aiolimiter import AsyncLimiter

from tests.conformance.checks import Mismatch, expect_that
from tests.conformance.rest_shapes import shape_of
from tests.conformance.shapes import faults

# Half of what the indexer allows one address in ten seconds: others may live there too.
REQUESTS, WINDOW_S = 40, 10.0
TRIES = 4


@dataclass(frozen=True)
class Reply:
    """Status and parsed body of an answer."""

    status: int
    body: Any
    headers: httpx.Headers


class Rest:
    """Paths are below /v4."""

    def __init__(self, root: str, *, proxied: bool) -> None:
        self.root = root
        self.http = httpx.AsyncClient(timeout=15.0, trust_env=proxied)
        self.pace = AsyncLimiter(REQUESTS, WINDOW_S)

    async def close(self) -> None:
        await self.http.aclose()

    async def ask(self, path: str, *, patient: bool = True, **query: Any) -> Reply:
        """One answer. Raises Mismatch when its shape is not the exact one. A full budget is waited
        out where `patient`.
        """
        for _ in range(TRIES):
            await self.pace.acquire()
            answer = await self.http.get(f"{self.root}/v4{path}", params=query)
            if answer.status_code != 429 or not patient:
                break
            await asyncio.sleep(min(int(answer.headers.get("retry-after", "1000")) / 1000, 11.0))
        body = answer.json()
        shape = shape_of(path, answer.status_code)
        expect_that(shape is not None, f"no route {path} is known to the suite")
        found = list(faults(shape, body))
        if found:
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            raise Mismatch(f"GET {path} answered {answer.status_code}: {found[0]}{more}")
        return Reply(answer.status_code, body, answer.headers)

    async def get(self, path: str, **query: Any) -> Any:
        """The body of a good answer."""
        reply = await self.ask(path, **query)
        if reply.status != 200:
            raise Mismatch(f"GET {path} answered {reply.status} {str(reply.body)[:200]}")
        return reply.body

    async def find(self, path: str, **query: Any) -> Any | None:
        """The body, or None where the answer is 404."""
        reply = await self.ask(path, **query)
        if reply.status == 404:
            return None
        expect_that(reply.status == 200, f"GET {path} answered {reply.status}")
        return reply.body
