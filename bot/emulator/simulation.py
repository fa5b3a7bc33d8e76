"""The user's side over HTTP: what the page, scripted stories and tests in other processes use.

JSON in, JSON out; a refusal is `{"problem": text}` with a 4xx status. Posts need the content type
application/json.

    GET  /sim/users                          {"users": [{id, name, started, blocked, …}]}
    POST /sim/users {id, name, language_code?}
    POST /sim/users/<id>/start {payload?}    {"message_id"}
    POST /sim/users/<id>/say {text, reply_to?}
    POST /sim/users/<id>/press {message_id, label | data, forged?}    {"callback_query_id"}
    POST /sim/users/<id>/block, /unblock {}
    POST /sim/users/<id>/web_app {message_id, label}                  {"url"}
    GET  /sim/users/<id>/screen              the screen: version, messages, answers, waiting, …
    GET  /sim/updates/wait?user=&since=&timeout=    the screen, once its version is above `since`
    GET  /sim/calls?since=&method=           {"calls": [{number, at, method, parameters, error}]}
    GET  /sim/faults, POST /sim/faults {action, …}
    GET  /sim/files/<file_id>                the bytes
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from bot.emulator.guard import json_body
from bot.emulator.profile import commands_for
from bot.emulator.state import Press, Telegram
from bot.emulator.user import User

MAX_WAIT_S = 50.0
MESSAGES_SHOWN = 300

FindUser = Callable[[int], User]
MakeUser = Callable[[int, str, str], User]


class Simulation:
    """The routes under `/sim/` but for `/sim/world/`."""

    def __init__(
        self, telegram: Telegram, make_user: MakeUser, poison: Callable[[int], int]
    ) -> None:
        self._telegram = telegram
        self._make_user = make_user
        self._poison = poison

    def routes(self) -> list[web.RouteDef]:
        """For the application's router."""
        user = r"/sim/users/{id:\d+}"
        return [
            web.get("/sim/bot", self._bot),
            web.get("/sim/users", self._users),
            web.post("/sim/users", self._create),
            web.get(f"{user}/screen", self._screen),
            web.get("/sim/updates/wait", self._wait),
            web.post(f"{user}/say", self._say),
            web.post(f"{user}/start", self._start),
            web.post(f"{user}/press", self._press),
            web.post(f"{user}/block", self._block),
            web.post(f"{user}/unblock", self._unblock),
            web.post(f"{user}/web_app", self._web_app),
            web.get("/sim/calls", self._calls),
            web.get("/sim/faults", self._get_faults),
            web.post("/sim/faults", self._set_faults),
            web.get(r"/sim/files/{file_id}", self._file),
        ]

    async def _bot(self, request: web.Request) -> web.Response:
        return web.json_response(self._bot_json())

    def _bot_json(self) -> dict[str, Any]:
        telegram = self._telegram
        return {
            "id": telegram.bot_id,
            "name": telegram.bot_user()["first_name"],
            "username": telegram.bot_username,
            "description": telegram.profile.descriptions.get("", ""),
            "about": telegram.profile.short_descriptions.get("", ""),
        }

    async def _users(self, request: web.Request) -> web.Response:
        people = [
            {
                "id": one.id,
                "name": one.name,
                "language_code": one.language_code,
                "started": one.started,
                "blocked": one.blocked,
            }
            for one in self._telegram.people.values()
        ]
        return web.json_response({"users": people})

    async def _create(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        user_id, name = body.get("id"), body.get("name")
        if not isinstance(user_id, int) or not 0 < user_id < 1 << 52:
            raise web.HTTPBadRequest(reason="id must be a positive whole number")
        if not isinstance(name, str) or not name.strip():
            raise web.HTTPBadRequest(reason="name must be a text")
        user = self._make_user(user_id, name.strip(), str(body.get("language_code") or "en"))
        return web.json_response({"id": user.id, "name": user.person.name})

    async def _screen(self, request: web.Request) -> web.Response:
        user = self._user(request.match_info["id"])
        return web.json_response(self._screen_json(user))

    async def _wait(self, request: web.Request) -> web.Response:
        """The screen as soon as there were changes after `since`, else after `timeout` seconds."""
        user = self._user(request.query.get("user", ""))
        try:
            since = int(request.query.get("since", "-1"))
            timeout_s = min(MAX_WAIT_S, float(request.query.get("timeout", "25")))
        except ValueError:
            raise web.HTTPBadRequest(reason="since and timeout must be numbers") from None
        if since <= self._telegram.pulse.count:
            await self._telegram.pulse.past(since, timeout_s)
        return web.json_response(self._screen_json(user))

    def _screen_json(self, user: User) -> dict[str, Any]:
        telegram, person = self._telegram, user.person
        typing = person.typing_until
        left = (typing - telegram.clock.now()).total_seconds() if typing else 0.0
        return {
            "version": telegram.pulse.count,
            "messages": [shown.to_json() for shown in user.screen()[-MESSAGES_SHOWN:]],
            "answers": [_press_json(press) for press in user.answers()[-20:]],
            "waiting": [_press_json(press) for press in telegram.waiting_presses(user.id)],
            "typing_s": max(0.0, left),
            "started": person.started,
            "blocked": person.blocked,
            "keyboard": person.reply_keyboard,
            "commands": commands_for(telegram, person),
            "bot": self._bot_json(),
        }

    async def _say(self, request: web.Request) -> web.Response:
        user, body = self._user(request.match_info["id"]), await json_body(request)
        reply_to = body.get("reply_to")
        try:
            message_id = user.say(
                str(body.get("text", "")), reply_to=reply_to if isinstance(reply_to, int) else None
            )
        except (PermissionError, ValueError) as error:
            raise web.HTTPBadRequest(reason=str(error)) from None
        return web.json_response({"message_id": message_id})

    async def _start(self, request: web.Request) -> web.Response:
        user, body = self._user(request.match_info["id"]), await json_body(request)
        try:
            message_id = user.start(str(body.get("payload") or ""))
        except (PermissionError, ValueError) as error:
            raise web.HTTPBadRequest(reason=str(error)) from None
        return web.json_response({"message_id": message_id})

    async def _press(self, request: web.Request) -> web.Response:
        user, body = self._user(request.match_info["id"]), await json_body(request)
        message_id, label, data = body.get("message_id"), body.get("label"), body.get("data")
        if not isinstance(message_id, int):
            raise web.HTTPBadRequest(reason="message_id must be a whole number")
        try:
            query_id = user.press(
                message_id, label, data=data, forged=bool(body.get("forged", False))
            )
        except (LookupError, ValueError) as error:
            raise web.HTTPConflict(reason=str(error).replace("\n", " ")) from None
        return web.json_response({"callback_query_id": query_id})

    async def _block(self, request: web.Request) -> web.Response:
        await json_body(request)
        self._user(request.match_info["id"]).block()
        return web.json_response({"blocked": True})

    async def _unblock(self, request: web.Request) -> web.Response:
        await json_body(request)
        self._user(request.match_info["id"]).unblock()
        return web.json_response({"blocked": False})

    async def _web_app(self, request: web.Request) -> web.Response:
        user, body = self._user(request.match_info["id"]), await json_body(request)
        try:
            url = user.open_web_app(int(body.get("message_id", 0)), str(body.get("label", "")))
        except (LookupError, ValueError) as error:
            raise web.HTTPConflict(reason=str(error)) from None
        return web.json_response({"url": url})

    async def _calls(self, request: web.Request) -> web.Response:
        since = request.query.get("since", "0")
        method = request.query.get("method", "").lower()
        after = int(since) if since.isdigit() else 0
        calls = [
            call.to_json()
            for call in self._telegram.calls
            if call.number > after and (not method or call.method.lower() == method)
        ]
        return web.json_response({"calls": calls})

    async def _get_faults(self, request: web.Request) -> web.Response:
        return web.json_response(self._faults_json())

    def _faults_json(self) -> dict[str, Any]:
        return {**self._telegram.faults.to_json(), "limits": self._telegram.limits.enabled}

    async def _set_faults(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        try:
            self._apply_fault(body)
        except (KeyError, TypeError, ValueError) as error:
            reason = f"this fault was not understood: {type(error).__name__} {error}"
            raise web.HTTPBadRequest(reason=reason) from None
        self._telegram.pulse.beat()
        return web.json_response(self._faults_json())

    def _apply_fault(self, body: dict[str, Any]) -> None:
        faults, action = self._telegram.faults, body["action"]
        method, times = str(body.get("method", "*")), int(body.get("times", 1))
        on = bool(body.get("on", True))
        if action == "fail":
            faults.fail(
                method,
                int(body["code"]),
                str(body["description"]),
                retry_after=body.get("retry_after"),
                times=times,
            )
        elif action == "flood":
            faults.flood(int(body["retry_after"]), method, times)
        elif action == "drop":
            faults.drop(method, processed=bool(body.get("processed", True)), times=times)
        elif action == "delay":
            faults.delay(float(body["seconds"]), method)
        elif action == "unreachable":
            faults.unreachable = on
        elif action == "revoke_token":
            faults.token_revoked = on
        elif action == "duplicate":
            faults.duplicate_updates += times
        elif action == "swap":
            faults.swap_updates += times
        elif action == "poison":
            self._poison(int(body["user"]))
        elif action == "limits":
            self._telegram.limits.enabled = on
        elif action == "clear":
            faults.clear()
            self._telegram.limits.enabled = False
        else:
            raise ValueError(action)

    async def _file(self, request: web.Request) -> web.Response:
        file = self._telegram.files.get(request.match_info["file_id"])
        if file is None:
            raise web.HTTPNotFound(reason="no such file")
        kind = file.content_type if file.kind == "photo" else "application/octet-stream"
        return web.Response(body=file.content, content_type=kind)

    def _user(self, raw_id: str) -> User:
        person = self._telegram.people.get(int(raw_id)) if raw_id.isdigit() else None
        if person is None:
            raise web.HTTPNotFound(reason="no such user")
        return User(self._telegram, person)


def _press_json(press: Press) -> dict[str, Any]:
    return {
        "id": press.id,
        "message_id": press.message_id,
        "data": press.data,
        "answered": press.answered,
        "text": press.answer,
        "alert": press.alert,
    }
