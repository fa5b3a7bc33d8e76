"""The Bot API over HTTP: token, method, parameters in; `ok` and result, or an error, out."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from bot.emulator.errors import ApiError, bad_request
from bot.emulator.methods import COUNTED_BY_LIMITS, METHODS
from bot.emulator.parameters import Parameters, read_parameters
from bot.emulator.state import Telegram
from bot.emulator.updates import MAX_POLL_S
from bot.emulator.webhook import Webhook

_WEBHOOK_ACTIVE = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)
_CHAT_ID = re.compile(r"-?\d+")


class BotApi:
    """The routes under `/bot<token>/` and `/file/bot<token>/`."""

    def __init__(self, telegram: Telegram) -> None:
        self.telegram = telegram
        self.webhook = Webhook(telegram, self.execute)

    def routes(self) -> list[web.RouteDef]:
        """For the application's router."""
        return [
            web.route("*", r"/bot{token:[^/]+}/{method:[^/]*}", self._call),
            web.get(r"/file/bot{token:[^/]+}/{path:.+}", self._file),
        ]

    async def execute(self, name: str, parameters: Parameters) -> dict[str, Any]:
        """Carry out one method and log it; the JSON answer, errors included."""
        method = name.lower()
        fault = self.telegram.faults.take_error(method)
        try:
            if fault is not None:
                raise fault
            chat_id = parameters.text("chat_id")
            if method in COUNTED_BY_LIMITS and _CHAT_ID.fullmatch(chat_id):
                self.telegram.limits.count(int(chat_id), self.telegram.clock.monotonic())
            answer = {"ok": True, "result": await self._dispatch(method, parameters)}
            error = None
        except ApiError as refusal:
            answer, error = refusal.body(), refusal.description
        self.telegram.log_call(name, parameters.logged(), error)
        return answer

    async def _dispatch(self, method: str, parameters: Parameters) -> Any:
        if method == "getupdates":
            return await self._get_updates(parameters)
        if method == "setwebhook":
            return await self.webhook.set(parameters)
        if method == "deletewebhook":
            return await self.webhook.delete(parameters)
        if method == "getwebhookinfo":
            return self.webhook.info()
        handler = METHODS.get(method)
        if handler is None:
            raise ApiError(404, "Not Found: method not found")
        return handler(self.telegram, parameters)

    async def _get_updates(self, parameters: Parameters) -> Any:
        if self.webhook.url:
            raise ApiError(409, _WEBHOOK_ACTIVE)
        updates = self.telegram.updates
        if "allowed_updates" in parameters.values:
            updates.allow(parameters.structure("allowed_updates", "allowed updates"))
        return await updates.poll(
            parameters.integer("offset"),
            parameters.integer("limit", 100, 1, 100),
            parameters.integer("timeout", 0, 0, MAX_POLL_S),
            self.telegram.faults,
        )

    async def _call(self, request: web.Request) -> web.StreamResponse:
        faults = self.telegram.faults
        if faults.unreachable:
            return _cut(request)
        if request.method not in {"GET", "POST"}:
            return _json(ApiError(405, "Method Not Allowed").body())
        if not self._knows(request):
            return _json(ApiError(401, "Unauthorized").body())
        name = request.match_info["method"]
        try:
            parameters = await read_parameters(request)
        except (ApiError, UnicodeDecodeError) as refusal:
            error = (
                refusal if isinstance(refusal, ApiError) else bad_request("strings must be UTF-8")
            )
            self.telegram.log_call(name, {}, error.description)
            return _json(error.body())
        except web.HTTPRequestEntityTooLarge:
            return _json(ApiError(413, "Request Entity Too Large").body())
        method = name.lower()
        latency = faults.latency(method)
        if latency > 0:
            await self.telegram.clock.sleep(latency)
        drop = faults.take_drop(method)
        if drop == "drop_before":
            return _cut(request)
        answer = await self.execute(name, parameters)
        if drop == "drop_after" or faults.unreachable:
            return _cut(request)
        return _json(answer)

    async def _file(self, request: web.Request) -> web.StreamResponse:
        if self.telegram.faults.unreachable:
            return _cut(request)
        if not self._knows(request):
            return _json(ApiError(401, "Unauthorized").body())
        for file in self.telegram.files.values():
            if file.path == request.match_info["path"]:
                return web.Response(body=file.content, content_type="application/octet-stream")
        return _json(ApiError(404, "Not Found").body())

    def _knows(self, request: web.Request) -> bool:
        right = request.match_info["token"] == self.telegram.token
        return right and not self.telegram.faults.token_revoked


def _json(answer: dict[str, Any]) -> web.Response:
    return web.json_response(answer, status=answer.get("error_code", 200))


def _cut(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
