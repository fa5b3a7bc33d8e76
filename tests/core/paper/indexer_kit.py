"""Helpers for tests of the paper network's indexer half: a chain played by hand."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import httpx
from websockets.asyncio.client import ClientConnection, connect

from core.clock import Clock
from core.paper.governance import load_governance
from core.paper.happenings import (
    BlockCommitted,
    BlockEvent,
    Filled,
    OracleMoved,
    OrderKey,
    PaperOrder,
    StatefulChanged,
    SubaccountChanged,
    SubaccountKey,
    Transferred,
)
from core.paper.indexer import Indexer, IndexerSettings, NodeFaults, Servers
from core.paper.indexer.controls import Book, PriceMode, Refused

GOVERNANCE = load_governance()
DATA = Path(__file__).parents[2] / "data" / "paper"
T = "dydx1slfxgxshuqeswcvuc07lv9slurk9pmzwfxcv4v"
ME = SubaccountKey(T, 0)
START = dt.datetime(2026, 11, 22, 14, 57, 40, tzinfo=dt.UTC)
LINK, SOL = 2, 5


def recorded(name: str) -> Any:
    """A file of recorded messages."""
    return json.loads((DATA / name).read_text())


class FakeControls:
    """A network that does what it is asked at once and remembers it."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.faults = NodeFaults()
        self.books: dict[int, Book] = {}
        self.refuses = False

    async def give(self, address: str, number: int, quote_quantums: int) -> None:
        if self.refuses:
            raise Refused("The faucet gave nothing: it is dry.")
        self.asked.append(("give", address, number, quote_quantums))

    async def give_native(self, address: str) -> None:
        self.asked.append(("give_native", address))

    async def set_price(self, ticker: str, price: Decimal) -> int:
        self.asked.append(("set_price", ticker, price))
        return 77

    def set_price_mode(self, mode: PriceMode, seed: int | None, volatility: Decimal | None) -> None:
        self.asked.append(("set_price_mode", mode, seed, volatility))

    def set_book(
        self,
        ticker: str | None,
        levels: int | None,
        level_usd: Decimal | None,
        spacing_bps: Decimal | None,
    ) -> None:
        self.asked.append(("set_book", ticker, levels, level_usd, spacing_bps))

    def book(self, clob_pair_id: int) -> Book:
        return self.books.get(clob_pair_id, Book((), ()))

    def node_count(self) -> int:
        return 1

    def node_faults(self, node: int | None = None) -> NodeFaults:
        return self.faults

    def set_node_faults(self, faults: NodeFaults, node: int | None = None) -> None:
        self.faults = faults

    def grpc_calls(self) -> Mapping[str, int]:
        return {"/cosmos.tx.v1beta1.Service/BroadcastTx": 3}

    def reset_grpc_calls(self) -> None:
        self.asked.append(("reset",))

    def state(self) -> dict[str, Any]:
        return {"prices": {"mode": "still"}}


@dataclass
class Desk:
    """An indexer on real ports, and the hand that plays the chain."""

    indexer: Indexer
    servers: Servers
    controls: FakeControls
    rest: httpx.AsyncClient
    height: int = 700
    events: int = field(default=0)

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.servers.ws_port}/v4/ws"

    def block(self, *events: BlockEvent) -> BlockCommitted:
        """Publish the next block; visible after the latency."""
        self.height += 1
        at = START + dt.timedelta(milliseconds=820 * (self.height - 700))
        made = BlockCommitted(self.height, at, events)
        self.indexer.on(made)
        return made

    async def visible(self, *events: BlockEvent) -> None:
        """Publish the next block and wait until the indexer shows it."""
        self.block(*events)
        await until(lambda: self.indexer.rows.height == self.height)

    async def get(self, path: str, **query: Any) -> Any:
        """The body of a successful GET below /v4."""
        response = await self.rest.get("/v4" + path, params=query)
        assert response.status_code == 200, response.text
        return response.json()


@contextlib.asynccontextmanager
async def desk(clock: Clock | None = None, **settings: Any) -> AsyncIterator[Desk]:
    """A running indexer over a chain played by the test."""
    controls = FakeControls()
    chosen: dict[str, Any] = {"rest_port": 0, "ws_port": 0, "rest_limit": None, "latency_ms": 0}
    indexer = Indexer(GOVERNANCE, controls, IndexerSettings(**(chosen | settings)), clock=clock)
    servers = Servers(indexer)
    await servers.start()
    address = f"http://127.0.0.1:{servers.rest_port}"
    try:
        async with httpx.AsyncClient(base_url=address, verify=False) as rest:
            yield Desk(indexer, servers, controls, rest)
    finally:
        await servers.close()


async def until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait for a condition. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Listener:
    """A websocket client that reads frames one by one."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def say(self, message: Any) -> None:
        await self.socket.send(message if isinstance(message, str) else json.dumps(message))

    async def hear(self, within_s: float = 5.0) -> dict[str, Any]:
        async with asyncio.timeout(within_s):
            return cast(dict[str, Any], json.loads(await self.socket.recv()))

    async def hear_until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            message = await self.hear()
            if wanted(message):
                return message

    async def subscribe(self, channel: str, id_: str | None = None, **more: Any) -> dict[str, Any]:
        """Subscribe and wait for the snapshot."""
        named = {} if id_ is None else {"id": id_}
        await self.say({"type": "subscribe", "channel": channel, **named, **more})
        return await self.hear_until(lambda each: each["type"] in ("subscribed", "error"))


@contextlib.asynccontextmanager
async def listening(url: str, **how: Any) -> AsyncIterator[Listener]:
    """A client that has heard `connected`."""
    async with connect(url, **how) as socket:
        listener = Listener(socket)
        first = await listener.hear()
        assert first["type"] == "connected"
        assert first["message_id"] == 0
        yield listener


# -- happenings --------------------------------------------------------------------------------


def order_of(row: Mapping[str, Any], key: SubaccountKey = ME) -> PaperOrder:
    """The signed order behind a recorded order object."""
    market = GOVERNANCE.markets[int(row["clobPairId"])]
    time = row.get("goodTilBlockTime")
    until_time = None if time is None else int(dt.datetime.fromisoformat(time).timestamp())
    tif = {"IOC": 1, "GTT": 2 if row["postOnly"] else 0}[row["timeInForce"]]
    trigger = row.get("triggerPrice")
    return PaperOrder(
        OrderKey(key, int(row["clientId"]), int(row["orderFlags"]), market.id),
        row["side"],
        quantums_of(market.id, row["size"]),
        subticks_of(market.id, row["price"]),
        tif,
        row["reduceOnly"],
        None if until_time is not None else int(row["goodTilBlock"]),
        until_time,
        int(row["clientMetadata"]),
        {"STOP_LIMIT": 1, "TAKE_PROFIT": 2}.get(row["type"], 0),
        0 if trigger is None else subticks_of(market.id, trigger),
    )


def quantums_of(market: int, size: str) -> int:
    return int(Decimal(size).scaleb(-GOVERNANCE.markets[market].scale.atomic_resolution))


def subticks_of(market: int, price: str) -> int:
    scale = GOVERNANCE.markets[market].scale
    exponent = scale.atomic_resolution - scale.quantum_conversion_exponent + 6
    return int(Decimal(price).scaleb(exponent))


def micro(usdc: str) -> int:
    return int(Decimal(usdc).scaleb(6))


def a_order(
    client_id: int = 1,
    side: Any = "BUY",
    size: str = "10",
    price: str = "7.2",
    *,
    market: int = LINK,
    tif: int = 1,
    gtb: int | None = 720,
    flags: int = 0,
    **more: Any,
) -> PaperOrder:
    """An order as a trader might sign it."""
    stateful = 1_795_400_000 if flags else None
    return PaperOrder(
        OrderKey(ME, client_id, flags, market),
        side,
        quantums_of(market, size),
        subticks_of(market, price),
        tif,
        more.pop("reduce_only", False),
        None if flags else gtb,
        stateful,
        1,
        **more,
    )


def a_fill(
    order: PaperOrder,
    size: str,
    price: str,
    *,
    before: str = "0",
    total: str | None = None,
    number: int = 1,
    liquidity: Any = "TAKER",
) -> Filled:
    """A fill of an order, with the fee of a taker (500 ppm) or none."""
    market = order.key.clob_pair_id
    quote = GOVERNANCE.markets[market].scale.quote_quantums(
        quantums_of(market, size), subticks_of(market, price)
    )
    return Filled(
        order.key.subaccount,
        order,
        market,
        order.side,
        liquidity,
        "LIMIT",
        quantums_of(market, size),
        subticks_of(market, price),
        quote,
        quote * 500 // 1_000_000 if liquidity == "TAKER" else 0,
        quantums_of(market, total or size),
        quantums_of(market, before),
        number.to_bytes(12, "big"),
        "AB" * 32,
    )


def a_deposit(
    usdc: str, key: SubaccountKey = ME, number: int = 9, sender: str = "dydx1faucet"
) -> Transferred:
    return Transferred(
        sender, None, key.owner, key.number, micro(usdc), number.to_bytes(12, "big"), "CD"
    )


def holding(usdc: str, *positions: tuple[int, str], key: SubaccountKey = ME) -> SubaccountChanged:
    held = tuple((market, quantums_of(market, size)) for market, size in positions)
    return SubaccountChanged(key, micro(usdc), held)


def price_of(market: int, usd: str) -> OracleMoved:
    exponent = -9
    return OracleMoved(
        GOVERNANCE.markets[market].market_id, int(Decimal(usd).scaleb(-exponent)), exponent
    )


def stateful(order: PaperOrder, status: Any, reason: str | None = None) -> StatefulChanged:
    return StatefulChanged(order, status, reason)
