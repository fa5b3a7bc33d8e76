"""Many accounts streamed by one process, against a paper network in another.

Prints connections, memory, and how long the first and the last account took to be reconciled after
the start and after a cut of all websockets at once. Some of the accounts trade, also while they are
cut off; in the end their fills are compared with what the indexer lists.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import uvloop

from core.clock import SystemClock, SystemRandom
from core.dydx.faucet import FaucetError, fund
from core.dydx.indexer import Indexer, IndexerError
from core.dydx.keys import SigningKey
from core.dydx.network import Network, paper_network
from core.dydx.node import NodePool, Outcome
from core.dydx.orders import market_draft, sign_order
from core.dydx.protocol import Side
from core.dydx.stream import (
    Disconnected,
    NeedsBackfill,
    NothingMissed,
    Stream,
    StreamEvent,
    SubaccountUpdate,
)

TICKER = "ETH-USD"
SIZE = Decimal("0.1")
FUNDS = Decimal(1_000)
FUNDED_AT_ONCE = 50
OVERLAP_BLOCKS = 20
FRESH_S = 10.0
PATIENCE_S = 600.0
BULK_AT_ONCE = 10


@dataclass
class Account:
    """A subaccount 0 and what was told of it."""

    key: SigningKey
    trades: bool
    account_number: int = 0
    client_id: int = 1
    fills: set[str] = field(default_factory=set)
    reconciled_at: float | None = None


async def serve() -> None:
    """The paper network of the measurement; tells its ports and runs until its input ends."""
    from core.paper.network import PaperNetwork, PaperSettings  # not in the measured process

    settings = PaperSettings(grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still")
    network = PaperNetwork(settings)
    await network.start()
    ports = {"grpc": network.grpc_port, "rest": network.rest_port, "ws": network.ws_port}
    print(json.dumps(ports), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await network.close()


@asynccontextmanager
async def paper() -> AsyncIterator[tuple[Network, int]]:
    """A paper network in a process of its own, with the limits of the real one; its process id."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench.streams",
        "--serve",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        ports = json.loads(await asyncio.wait_for(child.stdout.readline(), 60))
        yield paper_network(ports["grpc"], ports["rest"], ports["ws"]), child.pid
    finally:
        child.stdin.close()
        try:
            await asyncio.wait_for(child.wait(), 20)
        except TimeoutError:
            child.kill()
            await child.wait()


def memory_mb(pid: int | str = "self") -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / 1024, 1)
    return 0.0


class Desk:
    """The stream with a consumer that books fills and reads what may be missing."""

    def __init__(self, network: Network, accounts: list[Account]) -> None:
        clock, random = SystemClock(), SystemRandom()
        self.by_address = {account.key.address: account for account in accounts}
        self.accounts = accounts
        self.network = network
        self.node = NodePool(network, clock)
        self.indexer = Indexer(network, clock)
        self.stream = Stream(network, clock, random, self.hear)
        self.stream.urgent = lambda address, number: self.by_address[address].trades
        self.events = 0
        self.lost = 0
        self.spared = 0
        self._bulk = asyncio.Semaphore(BULK_AT_ONCE)
        self._reads: set[asyncio.Task[None]] = set()

    async def hear(self, event: StreamEvent) -> None:
        self.events += 1
        if isinstance(event, SubaccountUpdate):
            self.by_address[event.address].fills |= {fill.id for fill in event.fills}
        elif isinstance(event, NeedsBackfill):
            task = asyncio.create_task(self.read_in_turn(event))
            self._reads.add(task)
            task.add_done_callback(self._reads.discard)
        elif isinstance(event, NothingMissed):
            self.spared += 1
            self.by_address[event.address].reconciled_at = time.monotonic()
        elif isinstance(event, Disconnected):
            self.lost += 1

    async def read_in_turn(self, event: NeedsBackfill) -> None:
        """Who trades is read at once; the others while nothing has shown that there is no need."""
        if self.by_address[event.address].trades:
            await self.read(event)
            return
        async with self._bulk:
            await self.read(event)

    async def read(self, event: NeedsBackfill) -> None:
        """One account's fills, and its positions where they changed since the snapshot."""
        account = self.by_address[event.address]
        indexer = self.indexer if account.trades else self.indexer.in_bulk()
        since = max(0, (event.since_height or 0) - OVERLAP_BLOCKS)
        while self.stream.needs_backfill(event.address, event.number) == event:
            try:
                fills = await indexer.all_fills_since(event.address, event.number, since)
                if event.outdates_snapshot(fills):
                    held = await indexer.subaccount(event.address, event.number)
                    if held is not None:
                        self.stream.take_read(held)
            except IndexerError as error:
                print(f"  {event.address} is read again: {error}", flush=True)
                continue
            account.fills |= {fill.id for fill in fills}
            account.reconciled_at = time.monotonic()
            self.stream.backfilled(event)

    async def start(self) -> None:
        await self.node.start()
        await self.stream.start()
        for account in self.accounts:
            await self.stream.subscribe(account.key.address, 0)

    async def close(self) -> None:
        for task in self._reads:
            task.cancel()
        await asyncio.gather(*self._reads, return_exceptions=True)
        await self.stream.close()
        await self.indexer.close()
        await self.node.close()

    async def trade(self, side: Side) -> int:
        """Every trading account sends one order; how many were accepted."""
        market, height = self.stream.markets.get(TICKER), (await self.node.latest_block()).height
        assert market is not None
        accepted = 0
        for account in (one for one in self.accounts if one.trades):
            if account.account_number == 0:
                known = await self.node.account(account.key.address)
                account.account_number = known.number if known else 0
            account.client_id += 1
            draft = market_draft(
                address=account.key.address,
                number=0,
                client_id=account.client_id,
                market=market,
                side=side,
                size=SIZE,
                slippage_bps=200,
                height=height,
            )
            signed = sign_order(draft, account.key, self.network.chain_id, account.account_number)
            answer = await self.node.broadcast(signed.tx)
            accepted += answer.outcome is Outcome.ACCEPTED
        return accepted

    async def reconciled(self, began: float) -> dict[str, float]:
        """Waits until every account was reconciled after `began`; seconds it took."""
        deadline = time.monotonic() + PATIENCE_S
        while any((one.reconciled_at or 0) < began for one in self.accounts):
            assert time.monotonic() < deadline, "not all accounts were reconciled"
            await asyncio.sleep(0.05)
        while self.stream.stale_accounts(FRESH_S):
            assert time.monotonic() < deadline, "not all accounts became fresh"
            await asyncio.sleep(0.05)
        times = sorted((one.reconciled_at or 0) - began for one in self.accounts)
        traders = [(one.reconciled_at or 0) - began for one in self.accounts if one.trades]
        return {
            "first_s": round(times[0], 2),
            "traders_s": round(max(traders, default=0.0), 2),
            "median_s": round(median(times), 2),
            "full_s": round(times[-1], 2),
        }


async def fund_all(network: Network, accounts: list[Account]) -> None:
    """Gives every account its money; a block takes many of them."""
    gate = asyncio.Semaphore(FUNDED_AT_ONCE)

    async def one(account: Account) -> None:
        async with gate:
            for attempt in range(5):
                try:
                    return await fund(network, account.key.address, 0, FUNDS)
                except FaucetError:
                    await asyncio.sleep(attempt + 1)
            raise FaucetError(f"{account.key.address} got no money")

    await asyncio.gather(*(one(account) for account in accounts))


async def cut(network: Network) -> None:
    """Closes all websockets at once."""
    async with httpx.AsyncClient(trust_env=False, timeout=10.0) as client:
        answer = await client.post(f"{network.rest}/paper/faults", json={"ws_closed": True})
        answer.raise_for_status()


async def missing(desk: Desk) -> int:
    """How many fills the indexer lists that were never booked."""
    count = 0
    for account in (one for one in desk.accounts if one.trades):
        listed = await desk.indexer.all_fills_since(account.key.address, 0, 0)
        count += len({fill.id for fill in listed} - account.fills)
    return count


async def bench(count: int, traders: int) -> int:
    """Runs everything; 1 when a fill was missed."""
    random = SystemRandom()
    accounts = [Account(SigningKey.generate(random), n < traders) for n in range(count)]
    async with paper() as (network, pid):
        began = time.monotonic()
        await fund_all(network, accounts)
        print(f"{count} accounts funded in {time.monotonic() - began:.0f} s", flush=True)
        before_mb, desk = memory_mb(), Desk(network, accounts)
        figures: dict[str, Any] = {"accounts": count}
        try:
            began = time.monotonic()
            await desk.start()
            figures["start"] = await desk.reconciled(began)
            opened, wanted = desk.stream.connections
            figures |= {"connections": opened, "rss_mb": memory_mb(), "rss_before_mb": before_mb}
            assert opened == wanted
            figures["orders"] = await desk.trade(Side.BUY)
            await asyncio.sleep(3)
            used, cut_at, events = time.process_time(), time.monotonic(), desk.events
            await cut(network)
            figures["orders_while_cut"] = await desk.trade(Side.SELL)
            figures["after_cut"] = await desk.reconciled(cut_at)
            figures |= {
                "connections_lost": desk.lost,
                "spared_by_second_look": desk.spared,
                "cpu_s_after_cut": round(time.process_time() - used, 2),
                "events_after_cut": desk.events - events,
                "rss_mb_after_cut": memory_mb(),
                "requests_refused": desk.indexer.refused_for_rate,
                "paper_rss_mb": memory_mb(pid),
                "fills": sum(len(one.fills) for one in accounts),
                "fills_missed": await missing(desk),
            }
        finally:
            await desk.close()
    print(json.dumps(figures, indent=1), flush=True)
    return 1 if figures["fills_missed"] or not figures["fills"] else 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="streams", description=__doc__)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--traders", type=int, default=20, help="how many of them trade")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        uvloop.run(serve())
        return 0
    return uvloop.run(bench(chosen.accounts, min(chosen.traders, chosen.accounts)))


if __name__ == "__main__":
    sys.exit(main())
