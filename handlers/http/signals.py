"""The webhook: `POST /api/webhooks/signal/{webhook_uuid}` (docs/webhook.md)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from core.signals.reading import MAX_BODY
from core.trading.desk import LedgerUnavailable
from core.trading.views import AlertAnswer
from handlers.http.answers import error_answer, json_answer, not_found
from handlers.http.metrics import Metrics
from handlers.http.sources import Failures, Source, source_of

log = structlog.get_logger(__name__)

PATH = "/api/webhooks/signal/{webhook_uuid}"
_STATUSES = frozenset({"ACCEPTED", "FILLED", "PENDING", "DUPLICATE", "MOCK", "REJECTED"})


class AlertDesk(Protocol):
    """The part of the desk that takes alerts."""

    async def receive_alert(self, webhook_uuid: str, raw: bytes) -> AlertAnswer:
        """Raises LedgerUnavailable when the alert could not be stored."""


@dataclass(frozen=True)
class DoorLimits:
    """Seconds and numbers of the webhook.

    `answer_s` counts from the headers; the desk answers earlier by itself, so it is cut only when
    storing hangs. Unproved requests are answered no sooner than `floor_s` after their headers, so
    that no difference in work can be measured, and after `patience` failures of a source no sooner
    than `slow_s`.
    """

    read_s: float = 1.0
    answer_s: float = 2.4
    floor_s: float = 0.2
    slow_s: float = 2.0
    patience: int = 20
    max_waiting: int = 128


class _TooLarge(Exception):
    """The body exceeds MAX_BODY."""


class _Broken(Exception):
    """The body did not arrive whole, or not in time."""


class SignalDoor:
    """Takes requests in, hands bodies to the desk, answers."""

    def __init__(
        self,
        desk: AlertDesk,
        metrics: Metrics,
        limits: DoorLimits | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._desk = desk
        self._metrics = metrics
        self._limits = limits or DoorLimits()
        self._monotonic = monotonic
        self._pause = pause
        self._failures = Failures(monotonic, max_waiting=self._limits.max_waiting)
        self._at_desk: set[asyncio.Task[AlertAnswer]] = set()
        self._draining = False

    def routes(self) -> list[web.RouteDef]:
        """Every method, so that a wrong one learns no more than a wrong secret."""
        return [web.route("*", PATH, self.answer)]

    def drain(self) -> None:
        """From now on alerts are answered 503, so that TradingView sends them to the next
        process.
        """
        self._draining = True

    async def close(self) -> None:
        """Waits for all that is still at the desk."""
        while self._at_desk:
            await asyncio.wait(set(self._at_desk))

    async def answer(self, request: web.Request) -> web.Response:
        """One request, from its headers to its answer."""
        started = self._monotonic()
        source = source_of(request)
        if self._draining:
            return self._unavailable("draining")
        if request.method != "POST" or self._failures.crowded(source):
            return await self._refuse(source, started)
        try:
            raw = await self._read(request)
        except _TooLarge:
            self._count("too_large")
            return _closing(error_answer(413, "too_large"))
        except _Broken:
            return await self._refuse(source, started)
        received = self._monotonic()
        answer = await self._at_the_desk(request.match_info["webhook_uuid"], raw, started)
        if answer is None:
            return self._unavailable("not_stored")
        if answer.http_status == 404:
            return await self._refuse(source, started)
        self._failures.clear(source)
        self._note(answer, self._monotonic() - received)
        return json_answer(answer.http_status, answer.body)

    async def _read(self, request: web.Request) -> bytes:
        if (request.content_length or 0) > MAX_BODY:
            raise _TooLarge
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.read_s):
                while chunk := await request.content.readany():
                    body += chunk
                    if len(body) > MAX_BODY:
                        raise _TooLarge
        except (TimeoutError, ConnectionError, HttpProcessingError, web.RequestPayloadError):
            raise _Broken from None
        return bytes(body)

    async def _at_the_desk(
        self, webhook_uuid: str, raw: bytes, started: float
    ) -> AlertAnswer | None:
        """The desk's answer; None when it is not known to be stored.

        The desk's work is never cancelled: what it stores after the cut is met again as a duplicate
        when TradingView sends anew.
        """
        task = asyncio.create_task(self._desk.receive_alert(webhook_uuid, raw))
        self._at_desk.add(task)
        task.add_done_callback(self._left_desk)
        left_s = self._limits.answer_s - (self._monotonic() - started)
        await asyncio.wait({task}, timeout=max(left_s, 0))
        if not task.done():
            log.error("an alert was not stored in time", seconds=self._limits.answer_s)
            return None
        return None if task.cancelled() or task.exception() is not None else task.result()

    def _left_desk(self, task: asyncio.Task[AlertAnswer]) -> None:
        self._at_desk.discard(task)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, LedgerUnavailable):
            log.error("an alert could not be stored", cause=type(error.__cause__).__name__)
        elif error is not None:
            log.error("an alert could not be taken", exc_info=error)

    async def _refuse(self, source: Source, started: float) -> web.Response:
        """The one answer for what is not proved, after its delay; at once if too many wait."""
        self._count("not_found")
        crowded = self._failures.crowded(source)
        failures = self._failures.note(source)
        if not crowded:
            limits = self._limits
            wanted = limits.floor_s if failures <= limits.patience else limits.slow_s
            with self._failures.waiting(source):
                await self._pause(max(started + wanted - self._monotonic(), 0))
        return not_found()

    def _unavailable(self, code: str) -> web.Response:
        self._count(code)
        return _closing(error_answer(503, code, headers={"Retry-After": "5"}))

    def _note(self, answer: AlertAnswer, seconds: float) -> None:
        status = answer.body.get("status")
        known = status if isinstance(status, str) and status in _STATUSES else "UNUSABLE"
        self._count(known)
        self._metrics.signal_to_answer_seconds.observe(seconds)
        log.info(
            "an alert was answered",
            signal_id=answer.body.get("signal_id"),
            status=known,
            milliseconds=round(seconds * 1000, 1),
        )

    def _count(self, status: str) -> None:
        self._metrics.alerts_total.labels(status=status).inc()


def _closing(response: web.Response) -> web.Response:
    """The rest of the request is not read; its connection ends with the answer."""
    response.force_close()
    return response
