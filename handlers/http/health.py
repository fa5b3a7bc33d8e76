"""For those who look after the process: alive, ready, figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from handlers.http.answers import json_answer
from handlers.http.metrics import Metrics

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Check:
    """One condition of readiness; `detail` is for the operator and names no person or account."""

    name: str
    ok: bool
    detail: str = ""


class Readiness(Protocol):
    """What the process knows of its own state; answers from memory, at once."""

    def checks(self) -> Sequence[Check]: ...


class Health:
    """The three routes."""

    def __init__(self, readiness: Readiness, metrics: Metrics) -> None:
        self._readiness = readiness
        self._metrics = metrics
        self.draining = False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/healthz", self.alive),
            web.get("/readyz", self.ready),
            web.get("/metrics", self.figures),
        ]

    async def alive(self, _: web.Request) -> web.Response:
        """200 as long as the event loop runs."""
        return json_answer(200, {"alive": True})

    async def ready(self, _: web.Request) -> web.Response:
        """200 when every check holds, else 503; the checks by name either way."""
        try:
            checks = list(self._readiness.checks())
        except Exception:
            log.exception("readiness could not be determined")
            checks = [Check("readiness", ok=False, detail="could not be determined")]
        if self.draining:
            checks.append(Check("draining", ok=False, detail="the process is stopping"))
        ready = all(check.ok for check in checks)
        body = {
            "ready": ready,
            "checks": [
                {"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks
            ],
        }
        return json_answer(200 if ready else 503, body)

    async def figures(self, _: web.Request) -> web.Response:
        """Prometheus's text form."""
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )
