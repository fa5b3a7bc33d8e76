"""The original flow and ours over one paper network, at round trips of 0 and 40 ms.

The last line is one JSON object. Times are of this machine; what counts is the ratio.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import aiohttp
import httpx
from v4_proto.cosmos.tx.v1beta1.service_pb2 import BroadcastTxRequest

from bot.demo.visitor import open_paper_account, take_webhook
from bot.demo.world import World
from core.dydx.keys import SigningKey
from core.paper.network import PaperNetwork, PaperSettings
from core.signals.template import filled
from tests.postgres import running_server

BROADCAST = "/cosmos.tx.v1beta1.Service/BroadcastTx"
ROUND_TRIPS_MS = (0, 40)
MARKETS = 30
GAP_S = 0.05
WARM_UP = 10
BURST = 300
BURST_CONNECTIONS = 16
ORIGINAL_EXCESS_MS = 60
SIZE_USD = Decimal(50)


@dataclass
class Arrivals:
    """When each transaction reached the node, in seconds of the machine's monotonic counter."""

    broadcasts: dict[str, float] = field(default_factory=dict)

    def note(self, method: str, request: bytes) -> None:
        if method == BROADCAST:
            tx = BroadcastTxRequest.FromString(request).tx_bytes
            self.broadcasts[hashlib.sha256(tx).hexdigest().upper()] = time.monotonic()


@dataclass
class Sample:
    """One alert: seconds to the broadcast's arrival and to the answer, calls in between."""

    to_broadcast_s: float
    to_answer_s: float
    calls: int


async def bench(alerts: int) -> int:
    """Runs everything; 1 when the original's own overhead makes the comparison unfair."""
    figures: dict[str, Any] = {"original": {}, "ours": {}, "ours_postgres": {}}
    with running_server(tempfile.gettempdir()) as server:
        for rtt_ms in ROUND_TRIPS_MS:
            samples: dict[str, list[Sample]] = {"original": await _original(rtt_ms, alerts)}
            samples["ours"], extra = await _ours(rtt_ms, alerts, {})
            if rtt_ms == 0:
                figures |= extra
            with server.database() as url:
                samples["ours_postgres"], _ = await _ours(rtt_ms, alerts, {"DATABASE_URL": url})
            for who, found in samples.items():
                figures[who][f"rtt_{rtt_ms}"] = _summary(found)
                _show(who, rtt_ms, figures[who][f"rtt_{rtt_ms}"])
    original, ours = figures["original"]["rtt_40"], figures["ours"]["rtt_40"]
    ratio = original["alert_to_answer_ms"]["p50"] / ours["alert_to_answer_ms"]["p50"]
    figures["ratio_40ms"] = round(ratio, 2)
    excess = original["alert_to_answer_ms"]["p50"] - 40 * original["calls"]
    print(f"the original's own time at 40 ms: {excess:.1f} ms over its {original['calls']} calls")
    print(json.dumps(figures))
    return 0 if excess <= ORIGINAL_EXCESS_MS else 1


def _show(who: str, rtt_ms: int, found: dict[str, Any]) -> None:
    answer, sent = found["alert_to_answer_ms"], found["alert_to_broadcast_ms"]
    print(
        f"{who:14} rtt {rtt_ms:2} ms  to broadcast p50 {sent['p50']:7.2f} p99 {sent['p99']:7.2f}  "
        f"to answer p50 {answer['p50']:7.2f} p99 {answer['p99']:7.2f} ms  calls {found['calls']}",
        flush=True,
    )


def _summary(samples: list[Sample]) -> dict[str, Any]:
    def spread(values: list[float]) -> dict[str, float]:
        cuts = quantiles(values, n=100, method="inclusive")
        return {"p50": round(cuts[49] * 1000, 2), "p99": round(cuts[98] * 1000, 2)}

    return {
        "alert_to_broadcast_ms": spread([one.to_broadcast_s for one in samples]),
        "alert_to_answer_ms": spread([one.to_answer_s for one in samples]),
        "calls": median([one.calls for one in samples]),
    }


@asynccontextmanager
async def _paper() -> AsyncIterator[tuple[PaperNetwork, Arrivals]]:
    arrivals = Arrivals()
    settings = PaperSettings(
        grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still", rest_limit=1_000_000
    )
    network = PaperNetwork(settings)
    await network.start()
    network.nodes[0].on_call = arrivals.note
    try:
        yield network, arrivals
    finally:
        await network.close()


async def _delay(network: PaperNetwork, rtt_ms: int) -> None:
    url = f"http://127.0.0.1:{network.rest_port}/paper/faults"
    async with httpx.AsyncClient() as client:
        (await client.post(url, json={"rtt_ms": rtt_ms})).raise_for_status()


async def _calls(client: httpx.AsyncClient, network: PaperNetwork) -> int:
    """gRPC calls and indexer requests so far, as the paper network counts them."""
    url = f"http://127.0.0.1:{network.rest_port}/paper/calls"
    counted = (await client.get(url)).json()
    rest = sum(n for route, n in counted["rest"].items() if " /v4/" in route)
    return int(rest + sum(counted["grpc"].values()))


async def _measure(
    network: PaperNetwork,
    arrivals: Arrivals,
    alerts: int,
    send: Callable[[int], Awaitable[dict[str, Any]]],
) -> list[Sample]:
    samples = []
    async with httpx.AsyncClient() as client:
        for number in range(WARM_UP + alerts):
            calls = await _calls(client, network)
            began = time.monotonic()
            answer = await send(number)
            ended = time.monotonic()
            calls = await _calls(client, network) - calls
            sample = _sample(answer, arrivals, began, ended, calls)
            if number >= WARM_UP:
                samples.append(sample)
            await asyncio.sleep(GAP_S)
    return samples


def _sample(
    answer: dict[str, Any], arrivals: Arrivals, began: float, ended: float, calls: int
) -> Sample:
    if answer.get("status") not in ("ACCEPTED", "FILLED", "CONFIRMED"):
        raise RuntimeError(f"an alert was answered {answer}")
    return Sample(arrivals.broadcasts[answer["tx_hash"]] - began, ended - began, calls)


async def _tickers(rest_port: int) -> list[dict[str, Any]]:
    async with httpx.AsyncClient() as client:
        rows = (await client.get(f"http://127.0.0.1:{rest_port}/v4/perpetualMarkets")).json()
    fitting = [
        row
        for row in rows["markets"].values()
        if row["marketType"] == "CROSS"
        and Decimal(row["stepSize"]) * Decimal(row["oraclePrice"]) * 2 <= SIZE_USD
    ]
    return sorted(fitting, key=lambda row: row["ticker"])[:MARKETS]


def _turn(number: int, markets: list[dict[str, Any]]) -> tuple[dict[str, Any], str]:
    """The market and the side of an alert: every market bought, then every one sold, and so on."""
    action = "buy" if (number // len(markets)) % 2 == 0 else "sell"
    return markets[number % len(markets)], action


async def _original(rtt_ms: int, alerts: int) -> list[Sample]:
    from bip_utils import Bip39MnemonicGenerator, Bip39WordsNum

    phrase = str(Bip39MnemonicGenerator().FromWordsNumber(Bip39WordsNum.WORDS_NUM_24))
    address = SigningKey.from_phrase(phrase).address
    async with _paper() as (network, arrivals), aiohttp.ClientSession() as client:
        rest = f"http://127.0.0.1:{network.rest_port}"
        funded = {"address": address, "subaccountNumber": 0, "amount": 10_000}
        async with client.post(f"{rest}/faucet/tokens", json=funded) as given_funds:
            given_funds.raise_for_status()
        markets = await _tickers(network.rest_port)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.bench.original",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        given = {
            "grpc_address": f"127.0.0.1:{network.grpc_port}",
            "rest": rest,
            "chain_id": network.settings.chain_id,
            "phrase": phrase,
            "address": address,
        }
        child.stdin.write(json.dumps(given).encode() + b"\n")
        port = int(await child.stdout.readline())
        await _delay(network, rtt_ms)

        async def send(number: int) -> dict[str, Any]:
            market, action = _turn(number, markets)
            size = float(SIZE_USD / Decimal(market["oraclePrice"]))
            alert = {"symbol": market["ticker"], "action": action, "size": size}
            return await _post(client, f"http://127.0.0.1:{port}/signal", json.dumps(alert))

        try:
            return await _measure(network, arrivals, alerts, send)
        finally:
            child.terminate()
            await child.wait()


async def _ours(
    rtt_ms: int, alerts: int, settings: dict[str, str]
) -> tuple[list[Sample], dict[str, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="perpgram-bench-"))
    async with _paper() as (network, arrivals), aiohttp.ClientSession() as client:
        world = World(
            folder,
            network={
                "DYDX_PAPER_GRPC": f"http://127.0.0.1:{network.grpc_port}",
                "DYDX_PAPER_REST": f"http://127.0.0.1:{network.rest_port}",
                "DYDX_PAPER_WS": f"ws://127.0.0.1:{network.ws_port}/v4/ws",
            },
            bot_settings=settings,
        )
        try:
            await world.start()
            user = world.emulator.user(1, "Bench")
            await open_paper_account(user)
            _, url, template = await take_webhook(user)
            markets = await _tickers(network.rest_port)
            await _delay(network, rtt_ms)

            async def send(number: int) -> dict[str, Any]:
                market, action = _turn(number, markets)
                return await _post(client, url, _alert(template, market, action, number))

            samples = await _measure(network, arrivals, alerts, send)
            extra = await _burst(client, url, template, markets) if rtt_ms == 0 else {}
            return samples, extra | _process(world.bot.pid)
        finally:
            await world.close()
            shutil.rmtree(folder, ignore_errors=True)


async def _post(client: aiohttp.ClientSession, url: str, body: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    async with client.post(url, data=body, headers=headers) as answer:
        answer.raise_for_status()
        found: dict[str, Any] = await answer.json()
        return found


def _alert(template: str, market: dict[str, Any], action: str, number: int) -> str:
    now = dt.datetime.now(dt.UTC)
    body = filled(template, ticker=market["ticker"], action=action, id=f"b{number}", time=now)
    return json.dumps(json.loads(body) | {"size_usd": str(SIZE_USD)})


async def _burst(
    client: aiohttp.ClientSession, url: str, template: str, markets: list[dict[str, Any]]
) -> dict[str, Any]:
    """Alerts as fast as they are answered, over several connections; all are stored."""
    await asyncio.sleep(3)
    numbers = iter(range(10_000, 10_000 + BURST))

    async def sender() -> None:
        for number in numbers:
            market, action = _turn(number, markets)
            await _post(client, url, _alert(template, market, action, number))

    began = time.monotonic()
    await asyncio.gather(*(sender() for _ in range(BURST_CONNECTIONS)))
    return {"alerts_per_s": round(BURST / (time.monotonic() - began), 1)}


def _process(pid: int) -> dict[str, float]:
    """Resident memory and processor time of the bot so far. Linux."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    ticks = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    used = int(ticks[11]) + int(ticks[12])
    return {
        "rss_mib": round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1),
        "cpu_s": round(used / os.sysconf("SC_CLK_TCK"), 2),
    }
