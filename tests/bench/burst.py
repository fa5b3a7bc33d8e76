"""A burst of alerts over many accounts: when each is durable, and whether any was lost.

`python -m tests.bench.burst --alerts 1000 --accounts 200` makes the accounts on a paper network of
its own, starts the bot as a process, sends the alerts within one second and looks into the ledger
until all are there; then into the indexer until all are settled.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from bot.app import started
from bot.demo.world import free_port
from bot.settings import load_settings
from core.clock import SystemClock
from core.dydx.network import Network
from core.trading.desk import StrategyChange
from core.trading.views import TraderView
from tests.bench.streams import paper

MADE_AT_ONCE = 20
SECOND = 1.0
SETTLED_WITHIN_S = 180.0
TICKERS = ("BTC-USD", "ETH-USD", "SOL-USD")
TRADER = 4_000_001


@dataclass(frozen=True)
class Hook:
    """One account's webhook."""

    path: str
    secret: str


@dataclass
class Shot:
    """One alert, when it was sent and what was answered, in seconds since the first."""

    id: str
    sent: float
    answered: float = 0.0
    status: int = 0
    said: str = ""


def environment(folder: Path, network: Network, port: int, telegram: str) -> dict[str, str]:
    """The bot's settings in a folder of its own."""
    return {
        "BOT_TOKEN": "4000001:burst-burst-burst-burst-burst-burst",
        "TELEGRAM_API_URL": telegram,
        "DATABASE_URL": f"sqlite://{folder}/ledger.db",
        "MASTER_KEY_FILE": f"{folder}/master.key",
        "HTTP_PORT": str(port),
        "PUBLIC_URL": f"http://127.0.0.1:{port}",
        "NETWORKS": "paper",
        "SIGNUP": "open",
        "DYDX_PAPER_GRPC": ",".join(network.grpc),
        "DYDX_PAPER_REST": network.rest,
        "DYDX_PAPER_WS": network.ws,
    }


async def hooks(settings: dict[str, str], accounts: int) -> list[Hook]:
    """Accounts on paper with a strategy each, made by the desk itself; the bot is stopped then."""
    made: list[Hook] = []
    loaded = load_settings(settings, Path("no.env"))
    async with started(loaded, clock=SystemClock()) as process:
        desk = process.desk
        trader: TraderView = await desk.trader_of(TRADER, "Burst")
        gate = asyncio.Semaphore(MADE_AT_ONCE)

        async def one(number: int) -> None:
            async with gate:
                account = await desk.open_paper_account(trader)
                new = await desk.create_strategy(trader, account.id, f"s{number}")
                change = StrategyChange(clear=frozenset({"max_position_usd"}))
                await desk.change_strategy(trader, new.strategy.id, change)
                made.append(Hook(new.strategy.webhook_url, new.secret))

        await asyncio.gather(*(one(number) for number in range(accounts)))
    return made


async def fire(found: list[Hook], alerts: int) -> list[Shot]:
    """Sends the alerts evenly over a second, in turn over the accounts."""
    begun = time.monotonic()
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def one(number: int) -> Shot:
            hook, turn = found[number % len(found)], number // len(found)
            await asyncio.sleep(max(number / alerts * SECOND - (time.monotonic() - begun), 0))
            shot = Shot(f"{number}", time.monotonic() - begun)
            body = {
                "secret": hook.secret,
                "symbol": TICKERS[turn % len(TICKERS)],
                "action": "buy",
                "size_usd": 20,
                "id": shot.id,
            }
            async with session.post(hook.path, data=json.dumps(body)) as answer:
                shot.status = answer.status
                shot.said = str((await answer.json()).get("status"))
            shot.answered = time.monotonic() - begun
            return shot

        return await asyncio.gather(*(one(number) for number in range(alerts)))


async def durable(ledger: Path, alerts: int, begun: float) -> float:
    """Seconds until the ledger holds as many signals."""
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10) as database:
        while time.monotonic() - begun < SETTLED_WITHIN_S:
            (count,) = database.execute("SELECT count(*) FROM signal").fetchone()
            if count >= alerts:
                return time.monotonic() - begun
            await asyncio.sleep(0.02)
    return float("inf")


async def settled(ledger: Path) -> float:
    """Seconds until no signal is open."""
    begun = time.monotonic()
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10) as database:
        while time.monotonic() - begun < SETTLED_WITHIN_S:
            query = "SELECT count(*) FROM signal WHERE state = 'stored'"
            if not database.execute(query).fetchone()[0]:
                break
            await asyncio.sleep(0.2)
    return time.monotonic() - begun


def out_of_order(ledger: Path) -> int:
    """Intents of one account whose sequence is not the order in which they were received."""
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        rows = database.execute(
            "SELECT i.account_id, i.sequence, s.received_at FROM intent i "
            "JOIN signal s ON s.id = i.signal_id ORDER BY i.account_id, i.sequence"
        ).fetchall()
    return sum(
        1
        for before, after in itertools.pairwise(rows)
        if before[0] == after[0] and before[2] > after[2]
    )


@asynccontextmanager
async def running(settings: dict[str, str], folder: Path) -> AsyncIterator[None]:
    """The bot as a process, until it takes alerts with every account reconciled."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        "run",
        cwd=folder,
        env=os.environ | settings | {"PYTHONPATH": str(Path.cwd())},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        async with aiohttp.ClientSession() as session:
            address = f"http://127.0.0.1:{settings['HTTP_PORT']}/readyz"
            while True:
                try:
                    async with session.get(address) as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.5)
        yield
    finally:
        child.terminate()
        await child.wait()


async def measure(alerts: int, accounts: int) -> dict[str, Any]:
    """One burst."""
    from bot.emulator.server import Emulator  # the chat of the measurement
    from core.clock import SystemRandom

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        token = "4000001:burst-burst-burst-burst-burst-burst"
        emulator = Emulator(token, clock=SystemClock(), random=SystemRandom())
        await emulator.start()
        try:
            async with paper() as (network, _):
                settings = environment(folder, network, free_port(), emulator.base_url)
                found = await hooks(settings, accounts)
                async with running(settings, folder):
                    ledger = folder / "ledger.db"
                    begun = time.monotonic()
                    shots, stored_s = await asyncio.gather(
                        fire(found, alerts), durable(ledger, alerts, begun)
                    )
                    rest_s = await settled(ledger)
                with sqlite3.connect(ledger) as database:
                    states = {
                        " ".join(filter(None, (state, reason))): count
                        for state, reason, count in database.execute(
                            "SELECT state, reason_code, count(*) FROM signal GROUP BY 1, 2"
                        )
                    }
                waits = sorted(shot.answered - shot.sent for shot in shots)
                return {
                    "alerts": alerts,
                    "accounts": accounts,
                    "last_sent_s": round(max(shot.sent for shot in shots), 2),
                    "durable_s": round(stored_s, 2),
                    "answered_p50_s": round(waits[len(waits) // 2], 3),
                    "answered_p99_s": round(waits[int(len(waits) * 0.99)], 3),
                    "answers": dict(Counter(f"{shot.status} {shot.said}" for shot in shots)),
                    "settled_s": round(rest_s, 1),
                    "signals": states,
                    "out_of_order": out_of_order(ledger),
                }
        finally:
            await emulator.close()


def main() -> int:
    """Prints one JSON object; fails where an alert was lost or stored late."""
    parser = argparse.ArgumentParser(prog="burst", description=__doc__)
    parser.add_argument("--alerts", type=int, default=1000)
    parser.add_argument("--accounts", type=int, default=200)
    options = parser.parse_args()
    found = asyncio.run(measure(options.alerts, options.accounts))
    print(json.dumps(found))
    return 0 if sum(found["signals"].values()) == options.alerts else 1


if __name__ == "__main__":
    sys.exit(main())
