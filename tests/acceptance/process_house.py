"""A house whose bot is a process of its own."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from bot.demo.world import free_port
from core.failpoints import ONE
from core.paper.network import PaperNetwork, PaperSettings
from tests.acceptance.house import BLOCK_S, House
from tests.acceptance.nursery import BotProcess, Nursery
from tests.acceptance.until import until

STARTS_WITHIN_S = 60.0
SHORT_LIVED_ORDERS = {"GOOD_TIL_BLOCKS": "12"}


class ProcessHouse(House):
    """As `House`; the bot is started, killed and stopped as a process. The paper network can be
    closed and opened again on the same ports, with its state.
    """

    def __init__(self, folder: Path, database_url: str, nursery: Nursery) -> None:
        super().__init__(folder, database_url)
        self._nursery = nursery
        self.settings = dict(SHORT_LIVED_ORDERS)
        self.bot: BotProcess | None = None
        self.bots: list[BotProcess] = []
        self._failpoint = folder / "failpoint"
        self._paper_is_closed = False
        self.paper = PaperNetwork(
            PaperSettings(
                grpc_port=free_port(),
                rest_port=free_port(),
                ws_port=free_port(),
                rpc_port=free_port(),
                prices="still",
                block_s=BLOCK_S,
                rest_limit=1_000_000,
                state_dir=folder / "chain",
            )
        )

    async def close(self) -> None:
        for bot in self.bots:
            await bot.kill()
        if self._paper_is_closed:
            await self.open_paper()
        await super().close()

    def environment(self) -> dict[str, str]:
        """As the in-process house's, but a node need not be up to be named."""
        settings = self.paper.settings
        return super().environment() | {
            "DYDX_PAPER_GRPC": f"http://127.0.0.1:{settings.grpc_port}",
            "DYDX_PAPER_REST": f"http://127.0.0.1:{settings.rest_port}",
            "DYDX_PAPER_WS": f"ws://127.0.0.1:{settings.ws_port}/v4/ws",
            ONE: str(self._failpoint),
            **self.settings,
        }

    @property
    def http_port(self) -> int:
        """Where the bot listens."""
        return self._http_port

    @property
    def bot_http(self) -> str:
        """The bot's own address."""
        return f"http://127.0.0.1:{self._http_port}"

    def launch(self, *arguments: str, **environment: str) -> BotProcess:
        """Starts `perpgram` with these arguments; does not wait for anything."""
        bot = self._nursery.start(
            self.folder, self.environment() | environment, arguments or ("run",)
        )
        self.bots.append(bot)
        return bot

    async def start(self, moment: str = "") -> BotProcess:
        """Starts the bot; returns when alerts are taken. It dies at this moment."""
        self.die_at(moment)
        self.bot = self.launch()
        await self.alive()
        return self.bot

    def die_at(self, moment: str) -> None:
        """Has the bot die behind the next write or send of a function, or behind the second with
        `<function> 2`; at none where it is empty. See `core.failpoints`.
        """
        self._failpoint.write_text(moment)

    async def alive(self) -> None:
        """Waits until /healthz answers."""

        async def answered() -> bool:
            assert self.bot is not None
            assert self.bot.exit_code is None, f"it ended: {self.bot.stderr[-2000:]}"
            try:
                return (await self.http.get(f"{self.bot_http}/healthz")).status_code == 200
            except httpx.HTTPError:
                return False

        await until(answered, STARTS_WITHIN_S)

    @property
    def running(self) -> BotProcess:
        """The bot. A test that asks for it has started one."""
        assert self.bot is not None
        return self.bot

    async def post_or_lose(self, body: bytes) -> dict[str, Any] | None:
        """Sends an alert; None when the bot died before it answered."""
        try:
            return await self.post(body)
        except httpx.TransportError:
            return None

    async def traded(self, ticker: str, side: str) -> Decimal:
        """How much was traded of a market on one side, by the indexer's fills."""
        rows = [r for r in await self.fills() if (r["market"], r["side"]) == (ticker, side)]
        return sum((Decimal(row["size"]) for row in rows), Decimal(0))

    async def close_paper(self) -> None:
        """The network goes down; its state stays."""
        await self.paper.close()
        self._paper_is_closed = True

    async def open_paper(self) -> None:
        """It comes up again, on the same ports."""
        self._paper_is_closed = False
        self.paper = PaperNetwork(self.paper.settings)
        await self.paper.start()


@contextlib.asynccontextmanager
async def a_process_house(
    folder: Path, database_url: str, nursery: Nursery
) -> AsyncIterator[ProcessHouse]:
    """A house with everything but the bot running."""
    house = ProcessHouse(folder, database_url, nursery)
    await house.open()
    try:
        yield house
    finally:
        await house.close()
