"""A world of processes for demo and story: paper network and bot as children, the emulator here.

The bot is the real one, `perpgram run`, told by its settings where Telegram and dYdX are; it can be
killed and started again like on any machine.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from bot.emulator import Dashboard, Emulator
from core.clock import SystemClock, SystemRandom

START_WITHIN_S = 90.0
STOP_WITHIN_S = 30.0
PROJECT = Path(__file__).resolve().parents[2]
PAPER_NAMES = ("GRPC", "REST", "WS", "CHAIN_ID", "FAUCET")


class WorldFault(Exception):
    """A part of the demo did not come up; the text says which and where its output is."""


@dataclass(frozen=True)
class Addresses:
    """Where the parts listen."""

    paper_rest: str
    bot_http: str
    page: str


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def foreign_network() -> dict[str, str]:
    """The DYDX_PAPER_* settings of the environment: another network to trade on, if any."""
    names = [f"DYDX_PAPER_{name}" for name in PAPER_NAMES]
    return {name: os.environ[name] for name in names if os.environ.get(name)}


class Child:
    """One process of ours with its output in a file.

    It runs in the folder of its output, so that it reads nobody's `.env`, and ends when our end of
    its standard input does.
    """

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], log: Path):
        self.name = name
        self.log = log
        self._command = command
        self._environment = dict(environment)
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                stderr=output,
                env={**os.environ, **self._environment, "PYTHONPATH": str(PROJECT)},
                cwd=self.log.parent,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Raises WorldFault when it does not run."""
        if self._process is None or self._process.returncode is not None:
            raise WorldFault(f"{self.name} does not run")
        return self._process.pid

    async def kill(self) -> None:
        """As a power cut would: no word of warning."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, number: int) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(number)
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def answers(self, url: str, *, within_s: float = START_WITHIN_S) -> None:
        """Waits until `url` answers 200. Raises WorldFault."""
        deadline = time.monotonic() + within_s
        async with httpx.AsyncClient(timeout=2.0) as client:
            while time.monotonic() < deadline:
                if not self.running:
                    break
                try:
                    if (await client.get(url)).status_code == 200:
                        return
                except httpx.HTTPError:
                    pass
                await asyncio.sleep(0.1)
        raise WorldFault(f"{self.name} did not come up; the end of its output:\n{self.tail()}")

    def tail(self, lines: int = 12) -> str:
        """The end of what it wrote."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class World:
    """Paper network (unless the settings name another), emulator and bot, on free ports."""

    def __init__(
        self,
        folder: Path,
        *,
        page_host: str = "127.0.0.1",
        page_port: int = 0,
        network: Mapping[str, str] | None = None,
        bot_settings: Mapping[str, str] | None = None,
    ) -> None:
        """`network`: DYDX_PAPER_* settings of one that runs already. `bot_settings` go on top."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        clock, random = SystemClock(), SystemRandom()
        self._bot_port = free_port()
        network = dict(network) if network is not None else foreign_network()
        self.paper: Child | None = None
        if not network:
            ports = {name: free_port() for name in ("GRPC", "REST", "WS", "RPC")}
            self.paper = Child(
                "the paper network",
                [sys.executable, "-m", "bot", "paper", "--until-stdin-closes"],
                {f"PAPER_{name}_PORT": str(port) for name, port in ports.items()}
                | {"PAPER_STATE": str(folder / "paper"), "PAPER_PRICES": "still"},
                folder / "paper.log",
            )
            network = {
                "DYDX_PAPER_GRPC": f"http://127.0.0.1:{ports['GRPC']}",
                "DYDX_PAPER_REST": f"http://127.0.0.1:{ports['REST']}",
                "DYDX_PAPER_WS": f"ws://127.0.0.1:{ports['WS']}/v4/ws",
            }
        self.network = network
        self.paper_rest = network["DYDX_PAPER_REST"].rstrip("/")
        self.bot_http = f"http://127.0.0.1:{self._bot_port}"
        token = f"{10**9 + random.below(10**9)}:{random.token_urlsafe(26)}"
        self.emulator = Emulator(
            token,
            host=page_host,
            port=page_port,
            clock=clock,
            random=random,
            dashboard=Dashboard(self.paper_rest, self.bot_http),
        )
        self._token = token
        self._bot_settings = dict(bot_settings or {})
        self.bot = Child("the bot", [], {}, folder / "bot.log")

    async def start(self) -> Addresses:
        """Starts all parts; returns when the bot takes alerts. Raises WorldFault."""
        await self.emulator.start()
        if self.paper is not None:
            await self.paper.start()
            await self.paper.answers(f"{self.paper_rest}/v4/height")
        self.bot = Child(
            "the bot",
            [sys.executable, "-m", "bot", "run", "--until-stdin-closes"],
            self.bot_environment(),
            self.folder / "bot.log",
        )
        await self.start_bot()
        return Addresses(self.paper_rest, self.bot_http, self.emulator.base_url)

    def bot_environment(self) -> dict[str, str]:
        """The bot's settings: nothing but addresses, a token and folders."""
        return {
            **self.network,
            "BOT_TOKEN": self._token,
            "TELEGRAM_API_URL": self.emulator.base_url,
            "DATABASE_URL": f"sqlite:///{(self.folder / 'perpgram.db').resolve()}",
            "MASTER_KEY_FILE": str((self.folder / "keys" / "master.key").resolve()),
            "NETWORKS": "paper",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(self._bot_port),
            "PUBLIC_URL": self.bot_http,
            "SIGNUP": "open",
            **self._bot_settings,
        }

    async def start_bot(self) -> None:
        await self.bot.start()
        await self.bot.answers(f"{self.bot_http}/healthz")

    async def close(self) -> None:
        await self.bot.stop()
        await self.emulator.close()
        if self.paper is not None:
            await self.paper.stop()
