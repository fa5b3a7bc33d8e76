"""The emulator as a whole: one HTTP server for the bot, the people and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from bot.emulator.botapi import BotApi
from bot.emulator.dashboard import Dashboard, DashboardProxy
from bot.emulator.errors import ApiError
from bot.emulator.faults import Faults
from bot.emulator.guard import LOOPBACK, guard
from bot.emulator.limits import Limits
from bot.emulator.parameters import MAX_BODY_BYTES
from bot.emulator.simulation import Simulation
from bot.emulator.state import Call, Person, Telegram
from bot.emulator.user import User
from core.clock import Clock, Random

PAGE = Path(__file__).parent / "page"
SHUTDOWN_S = 0.2


class Emulator:
    """Telegram on a local port, for one bot.

    `token` is the only one it knows. `port` 0 takes a free one. `allowed_hosts`: further names
    under which the page may be opened. `dashboard` says where the page's side panel finds the
    paper network and the bot; without it the panel is off.
    """

    def __init__(
        self,
        token: str,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        clock: Clock,
        random: Random,
        dashboard: Dashboard | None = None,
        allowed_hosts: frozenset[str] = frozenset(),
        bot_name: str = "Perpgram",
    ) -> None:
        self._host = host
        self._port = port
        self._telegram = Telegram(token, clock, random, bot_name)
        self._api = BotApi(self._telegram)
        self._dashboard = dashboard
        self._proxy = DashboardProxy(dashboard)
        self._simulation = Simulation(self._telegram, self.user, self.poison_update)
        self._hosts = LOOPBACK | allowed_hosts | ({host} if host != "0.0.0.0" else set())  # noqa: S104
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """What the bot takes for Telegram, and the page's address. Known after `start`."""
        host = "127.0.0.1" if self._host in {"0.0.0.0", "::"} else self._host  # noqa: S104
        return f"http://{host}:{self._port}"

    @property
    def token(self) -> str:
        """The bot's token."""
        return self._telegram.token

    @property
    def faults(self) -> Faults:
        """What goes wrong, to be switched."""
        return self._telegram.faults

    @property
    def limits(self) -> Limits:
        """Telegram's rate limits, off until `limits.enabled` is set."""
        return self._telegram.limits

    @property
    def calls(self) -> list[Call]:
        """Every call of the bot so far, parameters included, oldest first."""
        return list(self._telegram.calls)

    @property
    def pending_updates(self) -> int:
        """How many updates the bot has not confirmed."""
        return len(self._telegram.updates.waiting)

    @property
    def is_polled(self) -> bool:
        """Whether the bot hangs in a long poll at this moment."""
        return self._telegram.updates.is_polled

    async def start(self) -> None:
        """Listen. Raises OSError where the port is taken."""
        app = web.Application(
            middlewares=[guard(frozenset(self._hosts))], client_max_size=MAX_BODY_BYTES
        )
        app.add_routes(self._api.routes())
        app.add_routes(self._simulation.routes())
        app.add_routes(self._proxy.routes())
        app.add_routes([web.get("/", _index), web.get("/sim/setup", self._setup)])
        app.router.add_static("/page", PAGE)
        app.router.add_route("*", "/{rest:.*}", _unknown)
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S
        )
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._port)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._port = runner.addresses[0][1]
        self._runner = runner

    async def close(self) -> None:
        """Stop everything. Polls under way end without an answer."""
        await self._api.webhook.stop()
        await self.stop_listening()
        await self._proxy.close()

    async def stop_listening(self) -> None:
        """Be unreachable: no port, all connections closed. State is kept."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def resume_listening(self) -> None:
        """Be reachable again, on the same port."""
        if self._runner is None:
            await self.start()

    def user(self, telegram_id: int, name: str, language_code: str = "en") -> User:
        """The user with this id; made at the first call."""
        person = self._telegram.people.get(telegram_id)
        if person is None:
            person = Person(telegram_id, name, language_code)
            self._telegram.people[telegram_id] = person
            self._telegram.pulse.beat()
        return User(self._telegram, person)

    def poison_update(self, telegram_id: int, text: str = "from the future") -> int:
        """Queue an update of a shape that typed clients cannot decode; returns its id."""
        telegram = self._telegram
        person = telegram.people[telegram_id]
        person.started = True
        message = telegram.new_message(person.id, "user")
        message.text = text
        telegram.add(message)
        shown = telegram.message_to_api(message)
        shown["forward_origin"] = {"type": "hologram", "date": shown["date"]}
        return telegram.updates.put("message", shown)

    def raw_update(self, kind: str, content: dict[str, Any]) -> int:
        """Queue any update at all; returns its id, or 0 where the bot does not want the kind."""
        return self._telegram.updates.put(kind, content)

    async def _setup(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "world": self._dashboard is not None,
                "webhook_base": (self._dashboard.public_url or self._dashboard.bot_http_url)
                if self._dashboard
                else None,
            }
        )


async def _index(request: web.Request) -> web.StreamResponse:
    return web.FileResponse(PAGE / "index.html")


async def _unknown(request: web.Request) -> web.Response:
    if request.path.startswith("/bot"):
        return web.json_response(ApiError(404, "Not Found").body(), status=404)
    raise web.HTTPNotFound(reason="there is nothing at this address")
