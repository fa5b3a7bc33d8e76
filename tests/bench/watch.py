"""Ten thousand watched positions without a stop on chain: from a price to the closing order.

`python -m tests.bench.watch [--positions 10000] [--samples 200]`. Prices fall tick by tick, each
meets one stop; then one price meets twenty at once. Measured is the order's arrival at the node.
The last line is one JSON object; the exit is 1 where the 99th percentile of single stops is above
50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import itertools
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from statistics import quantiles
from typing import Any

import uvloop

from bot.networks import build_venue, start_venue
from core.clock import SystemClock, SystemRandom
from core.dydx.keys import SigningKey
from core.dydx.markets import Market
from core.dydx.network import paper_network
from core.dydx.stream import StreamEvent
from core.events import Bell
from core.ledger.database import Ledger, open_ledger
from core.ledger.models import Account, Credential, Order, Position, Protection, Trader
from core.paper.network import PaperNetwork, PaperSettings
from core.trading.lane import Lane
from core.trading.parts import Parts
from core.trading.signing import Signer
from core.trading.venue import Venue
from core.vault import MasterKey, MasterKeys, Vault
from tests.acceptance.until import until
from tests.bench.run import Arrivals

PER_ACCOUNT = 20
BURST = 20
WARM_UP = 20
PATIENCE_S = 5.0
LIMIT_MS = 50.0
BEYOND_ALL = Decimal("0.5")


@dataclass(frozen=True)
class Shot:
    """A price that meets some stops: when it came, and whose stops they are."""

    at: float
    positions: tuple[int, ...]


class Hall:
    """Accounts with their lanes, which watch positions that only the ledger has."""

    def __init__(self, ledger: Ledger, venue: Venue, vault: Vault, parts: Parts) -> None:
        self.ledger = ledger
        self.venue = venue
        self.vault = vault
        self.parts = parts
        self.lanes: list[Lane] = []
        self.shots: list[Shot] = []
        self._client_ids = itertools.count(1)

    async def fill(self, count: int, markets: list[Market], samples: int) -> list[list[int]]:
        """Makes positions of 20 markets for each account. The stops of the first market lie a tick
        apart, all others far away. Returns whose stops a fall of the first price meets, in turn.
        """
        first = markets[0]
        assert first.oracle_price is not None
        turns = [1] * (WARM_UP + samples) + [BURST]
        near: list[list[int]] = [[] for _ in turns]
        places = [turn for turn, size in enumerate(turns) for _ in range(size)]
        trader = await Trader.create(
            telegram_id=1, name="Ann", role="trader", created_at=self.parts.clock.now()
        )
        for number in range(count // PER_ACCOUNT):
            async with self.ledger.executing():
                lane = await self._lane(trader, number)
                for market in markets:
                    assert market.oracle_price is not None
                    stop, turn = market.oracle_price * BEYOND_ALL, None
                    if market is first and places:
                        turn = places.pop(0)
                        stop = first.oracle_price - (turn + 1) * first.tick_size
                    position = await self._position(lane, market, stop)
                    if turn is not None:
                        near[turn].append(position.id)
            await lane.guard.refresh()
            self.lanes.append(lane)
        return near

    async def _lane(self, trader: Trader, number: int) -> Lane:
        key = SigningKey.generate(self.parts.random)
        now = self.parts.clock.now()
        account = await Account.create(
            trader_id=trader.id,
            network="paper",
            address=key.address,
            subaccount_number=0,
            chain_account_number=number,
            partition=1,
            next_client_id=next(self._client_ids),
            state="active",
            created_at=now,
        )
        record = self.parts.random.uuid4()
        credential = await Credential.create(
            record=record,
            account_id=account.id,
            trader_id=trader.id,
            kind="mnemonic",
            sealed=self.vault.seal(key.secret(), trader_id=trader.id, record=record),
            created_at=now,
        )
        signer = Signer(account, credential, self.vault, self.venue.network.chain_id)
        return Lane(account, signer, self.parts)

    async def _position(self, lane: Lane, market: Market, stop: Decimal) -> Position:
        now = self.parts.clock.now()
        position = await Position.create(
            account_id=lane.account.id,
            partition=1,
            ticker=market.ticker,
            side="LONG",
            state="open",
            size=market.step_size,
            max_size=market.step_size,
            entry_price=market.oracle_price,
            realized_pnl=Decimal(0),
            fees=Decimal(0),
            opened_at=now,
            enlarged_at=now,
        )
        await Protection.create(position_id=position.id, stop_loss=stop, state="armed")
        return position

    async def shoot(self, near: list[list[int]], market: Market, arrivals: Arrivals) -> None:
        """Lets the first market's price fall tick by tick, each once the orders of the one before
        have arrived.
        """
        assert market.oracle_price is not None
        for turn, positions in enumerate(near):
            price = market.oracle_price - (turn + 1) * market.tick_size
            expected = len(arrivals.broadcasts) + len(positions)
            at = time.monotonic()
            self.shots.append(Shot(at, tuple(positions)))
            self.venue.watch.on_prices({market.ticker: price})
            with contextlib.suppress(AssertionError):
                await until(functools.partial(_arrived, arrivals, expected), PATIENCE_S)
            for position_id in positions:  # the chain never had it: it is not to be met again
                self.venue.watch.drop(position_id)


async def _arrived(arrivals: Arrivals, count: int) -> bool:
    return len(arrivals.broadcasts) >= count


async def measure(positions: int, samples: int) -> dict[str, Any]:
    """One run; figures in milliseconds."""
    clock, random, arrivals = SystemClock(), SystemRandom(), Arrivals()
    paper = PaperNetwork(
        PaperSettings(grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still")
    )
    await paper.start()
    paper.nodes[0].on_call = arrivals.note

    async def unheard(venue: Venue, event: StreamEvent) -> None:
        venue.note(event)

    network = paper_network(paper.grpc_port, paper.rest_port, paper.ws_port)
    venue = build_venue(network, clock, random, unheard)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        async with open_ledger(
            f"sqlite://{path}", clock=clock, random=random, copies_dir=None, holder="bench"
        ) as ledger:
            vault = Vault(MasterKeys(MasterKey.parse("11" * 32, "bench"), ()), random)
            parts = Parts(ledger, vault, venue, clock, random, Bell())
            await start_venue(venue)
            await venue.tickers()
            markets = [
                market
                for ticker in venue.stream.markets.tickers()
                if (market := venue.stream.markets.get(ticker)) is not None
                and market.oracle_price is not None
            ][:PER_ACCOUNT]
            hall = Hall(ledger, venue, vault, parts)
            began = time.monotonic()
            near = await hall.fill(positions, markets, samples)
            filled_s = time.monotonic() - began
            await hall.shoot(near, markets[0], arrivals)
            await asyncio.sleep(2)
            found = await _delays(hall, arrivals)
            for lane in hall.lanes:
                await lane.close()
    await venue.close()
    await paper.close()
    single = sorted(delay for size, delay in found if size == 1)
    burst = sorted(delay for size, delay in found if size > 1)
    cuts = quantiles(single, n=100, method="inclusive")
    return {
        "positions": positions,
        "markets": len(markets),
        "samples": len(single),
        "p50_ms": round(cuts[49], 2),
        "p99_ms": round(cuts[98], 2),
        "burst": len(burst),
        "burst_last_ms": round(burst[-1], 2) if burst else None,
        "missed": sum(len(shot.positions) for shot in hall.shots[WARM_UP:]) - len(found),
        "filled_s": round(filled_s, 1),
    }


async def _delays(hall: Hall, arrivals: Arrivals) -> list[tuple[int, float]]:
    """For each stop that was met after the warm-up: how many were met with it, and milliseconds."""
    sent = {
        row.position_id: row.tx_hash
        for row in await Order.filter(purpose="stop_loss").order_by("-id")
    }
    found = []
    for shot in hall.shots[WARM_UP:]:
        for position_id in shot.positions:
            arrived = arrivals.broadcasts.get(sent.get(position_id, ""))
            if arrived is not None:
                found.append((len(shot.positions), (arrived - shot.at) * 1000))
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="watch", description=__doc__)
    parser.add_argument("--positions", type=int, default=10_000)
    parser.add_argument("--samples", type=int, default=200)
    given = parser.parse_args()
    figures = uvloop.run(measure(given.positions, given.samples))
    print(json.dumps(figures))
    return 0 if figures["p99_ms"] <= LIMIT_MS and not figures["missed"] else 1


if __name__ == "__main__":
    sys.exit(main())
