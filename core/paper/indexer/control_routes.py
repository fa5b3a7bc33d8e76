"""The faucet and the control routes of the paper network, on the REST port.

They exist only here: the faucet as on the public test network, the rest for tests and the demo.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from aiohttp import web

from core.paper.indexer import faults
from core.paper.indexer.controls import Refused
from core.paper.indexer.faults import BadBody
from core.paper.indexer.service import Indexer
from core.paper.indexer.texts import iso, number

Json = dict[str, Any]
Answer = tuple[int, Json]
Handler = Callable[[web.Request], Awaitable[Answer]]
DEFAULT_FAUCET_USDC = Decimal(2000)
LARGEST_FAUCET_USDC = Decimal(1_000_000_000)
_ADDRESS_CHARACTERS = frozenset("023456789acdefghjklmnpqrstuvwxyz")


def routes(indexer: Indexer, close_sockets: Callable[[], None]) -> list[tuple[str, str, Handler]]:
    """(method, path, handler)."""
    site = ControlRoutes(indexer, close_sockets)
    return [
        ("GET", "/health", site.health),
        ("POST", "/faucet/tokens", _answering(site.faucet_tokens)),
        ("POST", "/faucet/native-token", _answering(site.faucet_native)),
        ("POST", "/paper/price", _answering(site.price)),
        ("POST", "/paper/prices", _answering(site.prices)),
        ("POST", "/paper/book", _answering(site.book)),
        ("POST", "/paper/faults", _answering(site.set_faults)),
        ("GET", "/paper/faults", site.faults),
        ("GET", "/paper/calls", site.calls),
        ("POST", "/paper/calls/reset", site.reset_calls),
        ("GET", "/paper/blocks", _answering(site.blocks)),
        ("GET", "/paper/state", site.state),
    ]


def _answering(handler: Handler) -> Handler:
    """Turn a bad body, and what the network refuses, into 400 with the sentence."""

    async def answer(request: web.Request) -> Answer:
        try:
            return await handler(request)
        except (BadBody, Refused) as bad:
            return 400, {"errors": [{"msg": str(bad)}]}

    return answer


class ControlRoutes:
    """Handlers; each gives (status, body)."""

    def __init__(self, indexer: Indexer, close_sockets: Callable[[], None]) -> None:
        self._indexer = indexer
        self._controls = indexer.controls
        self._close_sockets = close_sockets

    async def health(self, request: web.Request) -> Answer:
        return 200, {"ok": True}

    async def faucet_tokens(self, request: web.Request) -> Answer:
        """Credit USDC; answers when a block has committed it."""
        body = await _body(request, ("address", "subaccountNumber", "amount"))
        address = _address(body)
        n = body.get("subaccountNumber", 0)
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= 128_000:
            raise BadBody("subaccountNumber must be a whole number from 0 to 128000.")
        amount = _decimal(body, "amount", DEFAULT_FAUCET_USDC)
        quote_quantums = int(amount.scaleb(6))
        if quote_quantums < 1 or amount > LARGEST_FAUCET_USDC:
            raise BadBody(f"amount must be USDC above 0 and up to {LARGEST_FAUCET_USDC}.")
        await self._controls.give(address, n, quote_quantums)
        await self._indexer.caught_up()
        return 202, {}

    async def faucet_native(self, request: web.Request) -> Answer:
        """Credit the native coin; answers when a block has committed it."""
        body = await _body(request, ("address",))
        await self._controls.give_native(_address(body))
        return 202, {}

    async def price(self, request: web.Request) -> Answer:
        """Move an oracle price; answers when a block shows it."""
        body = await _body(request, ("ticker", "price"))
        ticker = self._ticker(body)
        if "price" not in body:
            raise BadBody("price is missing.")
        price = _decimal(body, "price", Decimal(0))
        if price <= 0:
            raise BadBody("price must be above 0.")
        height = await self._controls.set_price(ticker, price)
        await self._indexer.caught_up()
        return 200, {"ok": True, "height": height}

    async def prices(self, request: web.Request) -> Answer:
        """Let all prices walk, or hold them."""
        body = await _body(request, ("mode", "seed", "volatility"))
        mode = body.get("mode")
        if mode not in ("walk", "still", "mainnet"):
            raise BadBody('mode must be "walk", "still" or "mainnet".')
        seed = body.get("seed")
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
            raise BadBody("seed must be a whole number.")
        volatility = None
        if body.get("volatility") is not None:
            volatility = _decimal(body, "volatility", Decimal(0))
            if not 0 <= volatility <= 1:
                raise BadBody("volatility must be from 0 to 1 (share of the price in a minute).")
        self._controls.set_price_mode(mode, seed, volatility)
        return 200, {"ok": True}

    async def book(self, request: web.Request) -> Answer:
        """Shape the synthetic book."""
        body = await _body(request, ("ticker", "levels", "level_usd", "spacing_bps"))
        ticker = None if body.get("ticker", "*") == "*" else self._ticker(body)
        levels = body.get("levels")
        if levels is not None and (
            isinstance(levels, bool) or not isinstance(levels, int) or not 0 <= levels <= 100
        ):
            raise BadBody("levels must be a whole number from 0 to 100.")
        amounts: dict[str, Decimal | None] = {}
        for name in ("level_usd", "spacing_bps"):
            amounts[name] = None
            if body.get(name) is not None:
                amounts[name] = amount = _decimal(body, name, Decimal(0))
                if amount <= 0:
                    raise BadBody(f"{name} must be above 0.")
        self._controls.set_book(ticker, levels, amounts["level_usd"], amounts["spacing_bps"])
        return 200, {"ok": True}

    async def set_faults(self, request: web.Request) -> Answer:
        """Switch faults on and off; what the body does not name stays."""
        body = await _body(request, None)
        node = faults.chosen_node(body, self._controls.node_count())
        present = self._controls.node_faults(node)
        change = faults.parse_change(body, present, self._indexer.faults)
        self._controls.set_node_faults(change.node, node)
        self._indexer.set_faults(change.indexer)
        if change.close_sockets:
            self._close_sockets()
        return await self.faults(request)

    async def faults(self, request: web.Request) -> Answer:
        """Faults in force; those of the nodes together, and of several nodes also of each."""
        controls, count = self._controls, self._controls.node_count()
        answer = faults.shown(controls.node_faults(), self._indexer.faults)
        if count > 1:
            each = [controls.node_faults(node) for node in range(count)]
            answer["nodes"] = [faults.shown_of_node(one) for one in each]
        return 200, answer

    async def calls(self, request: web.Request) -> Answer:
        """Calls since the start or the last reset, by gRPC method and REST route."""
        return 200, {
            "grpc": dict(self._controls.grpc_calls()),
            "rest": dict(self._indexer.rest_calls),
            "ws": self._indexer.ws_connections,
        }

    async def reset_calls(self, request: web.Request) -> Answer:
        self._controls.reset_grpc_calls()
        self._indexer.rest_calls.clear()
        self._indexer.ws_connections = 0
        return 200, {"ok": True}

    async def blocks(self, request: web.Request) -> Answer:
        """The latest blocks, newest first."""
        text = request.query.get("limit", "20")
        if not (text.isascii() and text.isdigit()) or not 1 <= int(text[:9]) <= 200:
            raise BadBody("limit must be a whole number from 1 to 200.")
        return 200, {"blocks": list(self._indexer.blocks)[::-1][: int(text)]}

    async def state(self, request: web.Request) -> Answer:
        """What runs: the indexer's height and time, oracle prices, and the network's own words."""
        rows = self._indexer.rows
        return 200, {
            "height": rows.height,
            "time": None if rows.time is None else iso(rows.time),
            "oraclePrices": {
                market.ticker: number(rows.price(market.id)) for market in rows.markets.values()
            },
            **self._controls.state(),
        }

    def _ticker(self, body: Json) -> str:
        ticker = body.get("ticker")
        if not isinstance(ticker, str) or ticker not in self._indexer.rows.by_ticker:
            raise BadBody('ticker must be a market of this network, such as "BTC-USD".')
        return ticker


async def _body(request: web.Request, names: tuple[str, ...] | None) -> Json:
    """The JSON object of a request, with known fields only. Numbers stay exact."""
    try:
        body = json.loads(
            await request.text(), parse_float=Decimal, parse_constant=_refuse_constant
        )
    except (ValueError, UnicodeDecodeError, LookupError, RecursionError) as error:
        raise BadBody("The body must be a JSON object.") from error
    if not isinstance(body, dict):
        raise BadBody("The body must be a JSON object.")
    for name in body:
        if names is not None and name not in names:
            raise BadBody(f"Unknown field {name!r}. Known are: {', '.join(names)}.")
    return body


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _decimal(body: Json, name: str, default: Decimal) -> Decimal:
    """A number, or a text that is one. Raises BadBody for all else and for absurd exponents."""
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise BadBody(f"{name} must be a number.")
    try:
        number_ = Decimal(value)
    except InvalidOperation as error:
        raise BadBody(f"{name} must be a number.") from error
    if not number_.is_finite() or abs(number_.adjusted()) > 30:
        raise BadBody(f"{name} must be a number of ordinary size.")
    return number_


def _address(body: Json) -> str:
    address = body.get("address")
    if (
        not isinstance(address, str)
        or not address.startswith("dydx1")
        or len(address) != 43
        or set(address[5:]) - _ADDRESS_CHARACTERS
    ):
        raise BadBody("address must be a dYdX address (dydx1…).")
    return address
