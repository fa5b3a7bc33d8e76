"""Each fault of the paper network switched on under steady alerts, and what came of it.

`python -m tests.bench.faults [--seconds 60] [--only NAME …]`. Truth is what the chain
committed, not what the ledger says: no order may fill more than its alert asked for, no fill may be
missing in the ledger, nothing new may be opened on stale data, and all has to be well again without
a restart.
The last line is one JSON object; the exit is 1 where one of these did not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import uvloop

from core.ledger.models import Fill, Order, Signal
from core.paper.happenings import BlockCommitted, Filled, Happening
from core.trading import states
from tests.acceptance.house import House, a_house
from tests.acceptance.until import until

MARKETS = ("BTC-USD", "ETH-USD", "SOL-USD", "LINK-USD")
GAP_S = 1.0
SIZE_USD = "40"
STALE_AFTER_S = 20.0
SETTLED_WITHIN_S = 120.0


@dataclass(frozen=True)
class Fault:
    """A fault by name, and the control body that switches it on. `stale`: nothing new may be
    opened while it lasts. `again_s`: a fault of a moment is repeated so often.
    """

    name: str
    body: dict[str, Any]
    stale: bool = False
    again_s: float | None = None


FAULTS: tuple[Fault, ...] = (
    Fault("none", {}),
    Fault("lost request", {"request_lost": True, "node": 0}),
    Fault("lost answer", {"answer_lost": True, "node": 0}),
    Fault("slow node", {"rtt_ms": 700, "rtt_jitter_ms": 600, "node": 0}),
    Fault("node down", {"node_down": True, "node": 0}),
    Fault("node behind", {"node_behind_blocks": 30, "node": 0}),
    Fault("node stands apart", {"node_stands_apart": True, "node": 0}),
    Fault("halted chain", {"chain_halted": True}, stale=True),
    Fault("indexer lags", {"indexer_lag_blocks": 60}, stale=True),
    Fault("messages dropped", {"ws_dropped": 0.3}),
    Fault("messages doubled", {"ws_doubled": 0.5}),
    Fault("messages reordered", {"ws_reordered": 0.5}),
    Fault("connections closed", {"ws_closed": True}, again_s=5.0),
    Fault("429", {"rest_429": True}),
    Fault("403", {"address_blocked": "GEOBLOCKED"}, stale=True),
    Fault("500", {"rest_500": True}),
)


@dataclass
class Chain:
    """What the chain committed for one address: filled quantums by order, and by market."""

    address: str = ""
    by_order: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    asked: dict[tuple[int, int, int], int] = field(default_factory=dict)
    by_market: Counter[int] = field(default_factory=Counter)
    fills: int = 0

    def hear(self, happening: Happening) -> None:
        if not isinstance(happening, BlockCommitted):
            return
        for event in happening.events:
            if isinstance(event, Filled) and event.subaccount.owner == self.address:
                self.fills += 1
                sign = 1 if event.side == "BUY" else -1
                self.by_market[event.clob_pair_id] += sign * event.quantums
                if event.order is not None:
                    key = event.order.key
                    name = (key.client_id, key.order_flags, key.clob_pair_id)
                    self.by_order[name] += event.quantums
                    self.asked[name] = event.order.quantums


@dataclass
class Outcome:
    """What came of one fault."""

    fault: str
    alerts: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    chain_fills: int = 0
    ledger_fills: int = 0
    doubled: int = 0
    missed: int = 0
    stale_exposure: int = 0
    unprotected: int = 0
    recovered_s: float = 0.0

    @property
    def well(self) -> bool:
        return not (self.doubled or self.missed or self.stale_exposure or self.unprotected)


async def measure(house: House, chain: Chain, fault: Fault, seconds: float) -> Outcome:
    """Alerts with the fault on for a while, then without, until everything is settled."""
    outcome = Outcome(fault.name)
    answers: Counter[str] = Counter()
    before_chain, before_ledger = chain.fills, await Fill.all().count()
    began = time.monotonic()
    on_at = house.clock.now()
    if fault.body:
        await house.control("faults", **fault.body)
    switched = time.monotonic()
    number = 0
    sending: list[asyncio.Task[dict[str, Any]]] = []
    while time.monotonic() - began < seconds:
        ticker = MARKETS[number % len(MARKETS)]
        action = "close" if number // len(MARKETS) % 2 else "buy"
        fields = {} if action == "close" else {"size_usd": SIZE_USD}
        sending.append(asyncio.create_task(house.alert(action, ticker=ticker, **fields)))
        number += 1
        if fault.again_s is not None and time.monotonic() - switched >= fault.again_s:
            await house.control("faults", **fault.body)
            switched = time.monotonic()
        await asyncio.sleep(GAP_S)
    off_at = house.clock.now()
    await house.control("faults", clear=True)
    cleared = time.monotonic()
    for answer in await asyncio.gather(*sending):
        answers[str(answer.get("status") or answer["http_status"])] += 1
    outcome.alerts, outcome.answers = len(sending), dict(answers)
    await _settled(house, chain)
    outcome.recovered_s = round(time.monotonic() - cleared, 1)
    outcome.chain_fills = chain.fills - before_chain
    outcome.ledger_fills = await Fill.all().count() - before_ledger
    outcome.missed = abs(outcome.chain_fills - outcome.ledger_fills)
    outcome.doubled = await _doubled(chain)
    if fault.stale:
        opened = await Order.filter(
            created_at__gt=on_at, created_at__lt=off_at, purpose__in=["open", "add"]
        )
        outcome.stale_exposure = sum(
            (order.created_at - on_at).total_seconds() > STALE_AFTER_S for order in opened
        )
    outcome.unprotected = await _unprotected(house)
    return outcome


async def _settled(house: House, chain: Chain) -> None:
    """Waits until nothing is under way and the ledger holds what the chain holds."""

    async def all_well() -> bool:
        if await Signal.filter(state="stored").exists():
            return False
        rows = await Order.filter(order_flags=0, state__in=list(states.WORKING))
        if rows or await Fill.all().count() != chain.fills:
            return False
        return await _unprotected(house) == 0

    await house.ready(SETTLED_WITHIN_S)
    try:
        await until(all_well, SETTLED_WITHIN_S)
    except AssertionError:
        rows = await Order.filter(state__in=list(states.WORKING))
        print("not settled:", [(row.id, row.purpose, row.state) for row in rows], file=sys.stderr)


async def _doubled(chain: Chain) -> int:
    """Orders that filled more than was signed, and signals with more than one filled order."""
    over = sum(filled > chain.asked[name] for name, filled in chain.by_order.items())
    per_signal: Counter[str] = Counter()
    for order in await Order.filter(filled_size__gt=0).exclude(intent_id=None):
        if order.signal_id is not None:
            per_signal[str(order.signal_id)] += 1
    known = {
        (int(row.client_id), int(row.order_flags), int(row.clob_pair_id))
        for row in await Order.all()
    }
    strange = sum(name not in known for name in chain.by_order)
    return over + strange + sum(count > 1 for count in per_signal.values())


async def _unprotected(house: House) -> int:
    """Open positions on chain without a stop of their whole size in the node's committed state."""
    rows = await house.resting()
    stops: dict[str, Decimal] = {}
    for row in rows:
        if row["type"] == "STOP_LIMIT" and row["reduceOnly"]:
            stops[row["ticker"]] = max(stops.get(row["ticker"], Decimal(0)), Decimal(row["size"]))
    bare = 0
    for ticker in MARKETS:
        size = abs(await house.chain_size(ticker))
        bare += bool(size) and stops.get(ticker, Decimal(0)) < size
    return bare


async def run(seconds: float, only: Sequence[str]) -> int:
    """Every fault in turn; 1 where a promise was broken."""
    chosen = [fault for fault in FAULTS if not only or fault.name in only]
    found: list[Outcome] = []
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite://{folder}/ledger.db"
        async with a_house(Path(folder), url, nodes=2) as house:
            await house.start_bot()
            await house.connect()
            chain = Chain(house.address)
            house.paper.chain.subscribe(chain.hear)
            for fault in chosen:
                outcome = await measure(house, chain, fault, seconds)
                found.append(outcome)
                print(
                    f"{'ok  ' if outcome.well else 'FAIL'} {outcome.fault:20} "
                    f"alerts {outcome.alerts} {outcome.answers} fills {outcome.chain_fills} on "
                    f"chain, {outcome.ledger_fills} in the ledger; doubled {outcome.doubled}, "
                    f"missed {outcome.missed}, opened on stale data {outcome.stale_exposure}, "
                    f"unprotected {outcome.unprotected}; well {outcome.recovered_s} s after",
                    flush=True,
                )
    print(json.dumps({"seconds": seconds, "faults": [asdict(outcome) for outcome in found]}))
    return 0 if all(outcome.well for outcome in found) else 1


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each fault is on")
    parser.add_argument("--only", nargs="*", default=(), help="names of faults")
    given = parser.parse_args()
    sys.exit(uvloop.run(run(given.seconds, given.only)))


if __name__ == "__main__":
    main()
