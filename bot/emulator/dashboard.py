"""The world around the chat: the page's way to the paper network and to the bot's webhook.

The browser talks to one origin; from here the calls go on to where they belong, and only there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web

from bot.emulator.guard import json_body

DEADLINE_S = 10
ALERT_DEADLINE_S = 5
MAX_ANSWER_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Dashboard:
    """Where the parts listen: the paper network's REST port and the bot's HTTP port.

    `public_url`: what the bot's webhook addresses begin with, where that is not `bot_http_url`.
    """

    paper_rest_url: str
    bot_http_url: str
    public_url: str | None = None


class DashboardProxy:
    """The routes under `/sim/world/`."""

    def __init__(self, dashboard: Dashboard | None) -> None:
        self._dashboard = dashboard
        self._session: aiohttp.ClientSession | None = None

    def routes(self) -> list[web.RouteDef]:
        """For the application's router."""
        return [
            web.get("/sim/world/markets", self._markets),
            web.get("/sim/world/blocks", self._blocks),
            web.get("/sim/world/state", self._state),
            web.get("/sim/world/faults", self._get_faults),
            web.post("/sim/world/faults", self._set_faults),
            web.post("/sim/world/price", self._set_price),
            web.post("/sim/world/prices", self._set_prices),
            web.post("/sim/world/alert", self._send_alert),
        ]

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _markets(self, request: web.Request) -> web.Response:
        return await self._paper("GET", "/v4/perpetualMarkets")

    async def _blocks(self, request: web.Request) -> web.Response:
        limit = request.query.get("limit", "12")
        return await self._paper(
            "GET", f"/paper/blocks?limit={int(limit) if limit.isdigit() else 12}"
        )

    async def _state(self, request: web.Request) -> web.Response:
        return await self._paper("GET", "/paper/state")

    async def _get_faults(self, request: web.Request) -> web.Response:
        return await self._paper("GET", "/paper/faults")

    async def _set_faults(self, request: web.Request) -> web.Response:
        return await self._paper("POST", "/paper/faults", await json_body(request))

    async def _set_price(self, request: web.Request) -> web.Response:
        return await self._paper("POST", "/paper/price", await json_body(request))

    async def _set_prices(self, request: web.Request) -> web.Response:
        return await self._paper("POST", "/paper/prices", await json_body(request))

    async def _send_alert(self, request: web.Request) -> web.Response:
        """Post an alert as TradingView does: JSON if it is JSON, else plain text."""
        given = await json_body(request)
        url, body = str(given.get("url", "")), str(given.get("body", ""))
        if self._dashboard is None:
            return _problem("this emulator was started without a bot to send alerts to")
        target = _own_target(self._dashboard, url)
        if target is None:
            return _problem(
                "alerts are sent to the bot only: the address must begin with "
                f"{self._dashboard.public_url or self._dashboard.bot_http_url}"
            )
        kind = "application/json" if _is_json(body) else "text/plain"
        headers = {"Content-Type": f"{kind}; charset=utf-8"}
        try:
            async with self._http().post(
                target,
                data=body.encode(),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=ALERT_DEADLINE_S),
            ) as answer:
                text = (await answer.content.read(MAX_ANSWER_BYTES)).decode("utf-8", "replace")
                return web.json_response({"status": answer.status, "body": text})
        except TimeoutError:
            return _problem(f"the bot gave no answer within {ALERT_DEADLINE_S} s", 504)
        except aiohttp.ClientError:
            return _problem(f"the bot does not answer at {_origin(target)}", 502)

    async def _paper(self, method: str, path: str, body: Any = None) -> web.Response:
        if self._dashboard is None:
            return _problem("this emulator was started without a paper network")
        base = self._dashboard.paper_rest_url.rstrip("/")
        try:
            async with self._http().request(
                method, f"{base}{path}", json=body, timeout=aiohttp.ClientTimeout(total=DEADLINE_S)
            ) as answer:
                text = await answer.text()
                if answer.status == 404:
                    return _problem(f"the paper network has no {path.partition('?')[0]}", 502)
                return web.Response(
                    text=text, status=answer.status, content_type="application/json"
                )
        except TimeoutError:
            return _problem(f"the paper network gave no answer within {DEADLINE_S} s", 504)
        except aiohttp.ClientError:
            return _problem(f"the paper network does not answer at {base}", 502)

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session


def _own_target(dashboard: Dashboard, url: str) -> str | None:
    """The address at the bot's own port, or None where `url` leads elsewhere."""
    try:
        origin = _origin(url)
        allowed = {_origin(dashboard.bot_http_url)}
        if dashboard.public_url:
            allowed.add(_origin(dashboard.public_url))
    except ValueError:
        return None
    if origin not in allowed:
        return None
    parts = urlsplit(url)
    query = f"?{parts.query}" if parts.query else ""
    return f"{_origin(dashboard.bot_http_url)}{parts.path or '/'}{query}"


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username:
        raise ValueError("no address of a web server")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}:{port}"


def _is_json(body: str) -> bool:
    try:
        json.loads(body)
    except ValueError:
        return False
    return True


def _problem(text: str, status: int = 400) -> web.Response:
    return web.json_response({"problem": text}, status=status)
