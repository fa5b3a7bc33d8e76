"""Where updates go when the bot does not ask for them."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from bot.emulator.errors import bad_request, too_many_requests
from bot.emulator.parameters import Parameters
from bot.emulator.state import Telegram
from bot.emulator.updates import Update

MAX_DELAY_S = 60
MAX_RETRY_AFTER_S = 3600
DELIVERY_DEADLINE_S = 60
SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - a header's name
_SECRET = re.compile(r"[A-Za-z0-9_-]*")
_PORTS = {443, 80, 88, 8443}

Execute = Callable[[str, Parameters], Awaitable[Any]]


@dataclass
class _Failure:
    at: dt.datetime
    text: str


class Webhook:
    """At most one address, delivered to in order; an update leaves the queue on a 2xx answer."""

    def __init__(self, telegram: Telegram, execute: Execute) -> None:
        self._telegram = telegram
        self._execute = execute
        self.url = ""
        self._secret = ""
        self._max_connections = 40
        self._set_at: float | None = None
        self._failure: _Failure | None = None
        self._task: asyncio.Task[None] | None = None

    async def set(self, parameters: Parameters) -> Any:
        """setWebhook. Raises ApiError."""
        url = parameters.text("url")
        secret = parameters.text("secret_token")
        if url:
            self._check(url, secret)
            now = self._telegram.clock.monotonic()
            if self._set_at is not None and now - self._set_at < 1:
                raise too_many_requests(1)
            self._set_at = now
        if parameters.boolean("drop_pending_updates"):
            self._telegram.updates.drop_all()
        if "allowed_updates" in parameters.values:
            self._telegram.updates.allow(parameters.structure("allowed_updates", "allowed updates"))
        await self.stop()
        self.url, self._secret, self._failure = url, secret, None
        self._max_connections = parameters.integer("max_connections", 40, 1, 100)
        if url:
            self._telegram.updates.abort_poll(webhook_set=True)
            self._task = asyncio.create_task(self._run())
        return True

    async def delete(self, parameters: Parameters) -> Any:
        """deleteWebhook."""
        if parameters.boolean("drop_pending_updates"):
            self._telegram.updates.drop_all()
        await self.stop()
        self.url = self._secret = ""
        return True

    def info(self) -> dict[str, Any]:
        """getWebhookInfo."""
        info: dict[str, Any] = {
            "url": self.url,
            "has_custom_certificate": False,
            "pending_update_count": len(self._telegram.updates.waiting),
        }
        if self.url:
            info["max_connections"] = self._max_connections
        if self._failure is not None:
            info["last_error_date"] = int(self._failure.at.timestamp())
            info["last_error_message"] = self._failure.text
        if self._telegram.updates.allowed:
            info["allowed_updates"] = self._telegram.updates.allowed
        return info

    async def stop(self) -> None:
        """End delivery; what was not acknowledged stays queued."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def _check(self, url: str, secret: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise bad_request("invalid webhook URL specified") from None
        local = _is_loopback(host)
        if not host or parts.scheme not in {"http", "https"}:
            raise bad_request("invalid webhook URL specified")
        if parts.scheme != "https" and not local:
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        if not local and port is not None and port not in _PORTS:
            raise bad_request(
                "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"
            )
        if len(secret) > 256:
            raise bad_request("secret token is too long")
        if not _SECRET.fullmatch(secret):
            raise bad_request("secret token contains unallowed characters")

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=DELIVERY_DEADLINE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            failures = 0
            delay = 1
            while True:
                update = await self._next()
                retry_after = await self._deliver(session, update)
                if retry_after is None:
                    failures, delay = 0, 1
                    continue
                if retry_after == 0 and failures > 0:
                    delay = min(MAX_DELAY_S, delay * 2)
                    retry_after = delay
                failures += 1
                await self._telegram.clock.sleep(retry_after)

    async def _next(self) -> Update:
        updates, faults = self._telegram.updates, self._telegram.faults
        first = await updates.next()
        if faults.swap_updates > 0 and len(updates.waiting) > 1:
            faults.swap_updates -= 1
            return updates.waiting[1]
        return first

    async def _deliver(self, session: aiohttp.ClientSession, update: Update) -> int | None:
        """Seconds that the bot asked to wait (0: none said), or None when it took the update."""
        headers = {SECRET_HEADER: self._secret} if self._secret else {}
        try:
            async with session.post(self.url, json=update, headers=headers) as answer:
                if not 200 <= answer.status < 300:
                    self._failed(f"Wrong response from the webhook: {answer.status}")
                    raw = answer.headers.get("Retry-After", "")
                    return min(int(raw), MAX_RETRY_AFTER_S) if raw.isdigit() else 0
                reply = await answer.read()
                is_json = answer.content_type == "application/json"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._failed(f"Connection failed: {type(error).__name__}")
            return 0
        if self._telegram.faults.duplicate_updates > 0:
            self._telegram.faults.duplicate_updates -= 1
            return 0
        self._telegram.updates.remove(update)
        if is_json and reply.strip():
            await self._execute_reply(reply)
        return None

    async def _execute_reply(self, reply: bytes) -> None:
        try:
            body = json.loads(reply)
        except ValueError:
            return
        if isinstance(body, dict) and isinstance(body.get("method"), str):
            method = body.pop("method")
            await self._execute(method, Parameters(values=body))

    def _failed(self, text: str) -> None:
        self._failure = _Failure(self._telegram.clock.now(), text)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
