"""A whole house on real sockets: paper network, Bot API emulator and the bot, in process."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from bot.app import Process, started
from bot.demo.proof import Chain
from bot.demo.visitor import open_paper_account, own_address, take_webhook
from bot.demo.world import free_port
from bot.emulator import Emulator
from bot.emulator.screen import Shown
from bot.emulator.user import User
from bot.settings import load_settings
from core.clock import SystemClock, SystemRandom
from core.paper.network import PaperNetwork, PaperSettings
from core.signals.template import filled
from tests.acceptance.until import until

TOKEN = "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
BLOCK_S = 0.25


class House:
    """Everything but the bot runs from `open` to `close`; the bot as often as a test likes."""

    def __init__(self, folder: Path, database_url: str, nodes: int = 1) -> None:
        self.clock, self.random = SystemClock(), SystemRandom()
        self.folder = folder
        self._database_url = database_url
        self._nodes = nodes
        self._http_port = free_port()
        self.paper = PaperNetwork(
            PaperSettings(
                grpc_port=0,
                rest_port=0,
                ws_port=0,
                rpc_port=0,
                prices="still",
                block_s=BLOCK_S,
                rest_limit=1_000_000,
            )
        )
        self.emulator = Emulator(TOKEN, clock=self.clock, random=self.random)
        self.http = httpx.AsyncClient(timeout=10.0)
        self.process: Process | None = None
        self.settings: dict[str, str] = {}
        self.address = self.url = self.template = ""
        self._stack = contextlib.AsyncExitStack()

    async def open(self) -> None:
        await self.paper.start()
        for _ in range(1, self._nodes):
            await self.paper.add_node()
        await self.emulator.start()

    async def close(self) -> None:
        await self.stop_bot()
        await self.http.aclose()
        await self.emulator.close()
        await self.paper.close()

    @property
    def user(self) -> User:
        return self.emulator.user(4711, "Ada")

    # the bot

    def environment(self) -> dict[str, str]:
        """The bot's settings: as an operator would write them."""
        grpc = ",".join(f"http://127.0.0.1:{node.port}" for node in self.paper.nodes)
        return {
            "BOT_TOKEN": TOKEN,
            "TELEGRAM_API_URL": self.emulator.base_url,
            "DATABASE_URL": self._database_url,
            "MASTER_KEY": "11" * 32,
            "NETWORKS": "paper",
            "DYDX_PAPER_GRPC": grpc,
            "DYDX_PAPER_REST": f"http://127.0.0.1:{self.paper.rest_port}",
            "DYDX_PAPER_WS": f"ws://127.0.0.1:{self.paper.ws_port}/v4/ws",
            "HTTP_PORT": str(self._http_port),
            "PUBLIC_URL": f"http://127.0.0.1:{self._http_port}",
            "SIGNUP": "open",
            "MONITOR_INTERVAL_S": "1",
            "RECONCILE_ORDERS_S": "1",
            "RECONCILE_POSITIONS_S": "1",
            **self.settings,
        }

    async def start_bot(self) -> Process:
        """Starts the bot in this process; returns when alerts are taken."""
        settings = load_settings(self.environment(), self.folder / "no.env")
        self._stack = contextlib.AsyncExitStack()
        self.process = await self._stack.enter_async_context(started(settings))
        return self.process

    async def stop_bot(self) -> None:
        """Stops it as SIGTERM would."""
        await self._stack.aclose()
        self.process = None

    async def connect(self) -> None:
        """From /start to a webhook, by the chat."""
        await open_paper_account(self.user)
        _, self.url, self.template = await take_webhook(self.user)
        self.address = await own_address(self.user)

    # the world

    def body(self, action: str, *, ticker: str = "BTC-USD", **fields: Any) -> bytes:
        """An alert as TradingView would send it now."""
        sent = filled(
            self.template,
            ticker=ticker,
            action=action,
            id=self.random.token_urlsafe(6),
            time=dt.datetime.now(dt.UTC),
        )
        return json.dumps(json.loads(sent) | fields).encode()

    async def post(self, body: bytes) -> dict[str, Any]:
        """Sends an alert; the answer with its `http_status`."""
        answer = await self.http.post(self.url, content=body)
        found: dict[str, Any] = answer.json()
        return found | {"http_status": answer.status_code}

    async def alert(self, action: str, **fields: Any) -> dict[str, Any]:
        return await self.post(self.body(action, **fields))

    async def control(self, what: str, **body: Any) -> dict[str, Any]:
        """The paper network's control routes."""
        answer = await self.http.post(
            f"http://127.0.0.1:{self.paper.rest_port}/paper/{what}", json=body
        )
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    async def price(self, ticker: str, price: str) -> None:
        await self.control("price", ticker=ticker, price=price)

    async def oracle(self, ticker: str) -> Decimal:
        rows = await self._get("/v4/perpetualMarkets", ticker=ticker)
        return Decimal(rows["markets"][ticker]["oraclePrice"])

    async def height(self) -> int:
        """The chain's height by the indexer."""
        return int((await self._get("/v4/height"))["height"])

    async def height_past(self, height: int) -> None:
        """Waits until the chain is past a height."""

        async def past() -> bool:
            return await self.height() > height

        await until(past, 60)

    async def fills(self) -> list[dict[str, Any]]:
        """The account's fills by the indexer, newest first."""
        found = await self._get("/v4/fills", address=self.address, subaccountNumber=0)
        rows: list[dict[str, Any]] = found["fills"]
        return rows

    async def chain_size(self, ticker: str) -> Decimal:
        """The signed size of the account's open position by the indexer."""
        found = await self._get(
            "/v4/perpetualPositions", address=self.address, subaccountNumber=0, status="OPEN"
        )
        sizes = [Decimal(row["size"]) for row in found["positions"] if row["market"] == ticker]
        return sum(sizes, Decimal(0))

    async def resting(self) -> list[dict[str, str]]:
        """The account's orders in the node's committed state."""
        chain = Chain(
            f"http://127.0.0.1:{self.paper.nodes[0].port}",
            f"http://127.0.0.1:{self.paper.rest_port}",
        )
        try:
            return await chain.resting(self.address)
        finally:
            await chain.close()

    async def rests(self, *expected: tuple[str, str, str], within_s: float = 20.0) -> None:
        """Waits until exactly these (type, side, size) rest in the node's committed state."""

        async def found() -> bool:
            rows = await self.resting()
            return sorted((r["type"], r["side"], r["size"]) for r in rows) == sorted(expected)

        await until(found, within_s)

    async def usdc(self) -> Decimal:
        found = await self._get(f"/v4/addresses/{self.address}/subaccountNumber/0")
        return Decimal(found["subaccount"]["assetPositions"]["USDC"]["size"])

    async def _get(self, path: str, **query: Any) -> Any:
        answer = await self.http.get(f"http://127.0.0.1:{self.paper.rest_port}{path}", params=query)
        answer.raise_for_status()
        return answer.json()

    async def sees(self, *parts: str, within_s: float = 30.0, reply: bool | None = None) -> Shown:
        """The latest message of the bot with all of these parts."""

        def find(screen: list[Shown]) -> Shown | None:
            for shown in reversed(screen):
                if shown.sender != "bot" or any(part not in shown.text for part in parts):
                    continue
                if reply is None or (shown.reply_to is not None) == reply:
                    return shown
            return None

        return await self.user.wait_until(find, within_s)

    async def position_is(self, ticker: str, size: str, within_s: float = 20.0) -> None:
        """Waits until the indexer shows this signed size."""
        await until(lambda: self._has_size(ticker, Decimal(size)), within_s)

    async def _has_size(self, ticker: str, size: Decimal) -> bool:
        return await self.chain_size(ticker) == size

    async def ready(self, within_s: float = 30.0) -> None:
        """Waits until /readyz says so."""

        async def answered() -> bool:
            answer = await self.http.get(f"http://127.0.0.1:{self._http_port}/readyz")
            return answer.status_code == 200

        await until(answered, within_s)


@contextlib.asynccontextmanager
async def a_house(folder: Path, database_url: str, nodes: int = 1) -> AsyncIterator[House]:
    """A house with everything but the bot running."""
    house = House(folder, database_url, nodes)
    await house.open()
    try:
        yield house
    finally:
        await house.close()
