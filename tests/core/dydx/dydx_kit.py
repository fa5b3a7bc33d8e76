"""What the tests of the dYdX client share: recordings, clocks, conditions."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import lzma
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from core.clock import SystemClock
from core.dydx.markets import Market
from core.dydx.quantums import Scale

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"


def recording(name: str) -> Iterator[dict[str, Any]]:
    """The lines of a recording of a real network."""
    with lzma.open(RECORDINGS / f"{name}.jsonl.xz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


async def until(condition: Callable[[], Any], timeout_s: float = 8.0) -> None:
    """Waits for a condition on what real sockets do."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "the condition never came true"
        await asyncio.sleep(0.005)


async def eventually(
    ask: Callable[[], Awaitable[Any]], wanted: Callable[[Any], Any], timeout_s: float = 8.0
) -> None:
    """Asks until the answer is the wanted one."""
    deadline = asyncio.get_running_loop().time() + timeout_s
    while True:
        if wanted(await ask()):
            return
        assert asyncio.get_running_loop().time() < deadline, "the answer never came"
        await asyncio.sleep(0.02)


class FastClock(SystemClock):
    """The machine's clock, except that sleeps take a thousandth; they are written down."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds / 1000)


class MovedClock(FastClock):
    """A fast clock whose time can be moved on."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


class StillClock:
    """A clock that moves only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 11, 24, tzinfo=dt.UTC) + dt.timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
        await asyncio.sleep(0)


BTC = Scale(-10, -9, 1_000_000, 100_000)
ETH = Scale(-9, -9, 1_000_000, 100_000)
SOL = Scale(-7, -9, 1_000_000, 1_000_000)
LINK = Scale(-6, -9, 1_000_000, 1_000_000)
PEPE = Scale(1, -9, 1_000_000, 1_000_000)
SCALES = (BTC, ETH, SOL, LINK, PEPE)


def market(scale: Scale = ETH, oracle: Any = 3000, **changes: Any) -> Market:
    """A market to make orders for."""
    values: dict[str, Any] = {
        "ticker": "ETH-USD",
        "clob_pair_id": 1,
        "status": "ACTIVE",
        "oracle_price": None if oracle is None else Decimal(str(oracle)),
        "market_type": "CROSS",
        "initial_margin_fraction": Decimal("0.05"),
        "maintenance_margin_fraction": Decimal("0.03"),
        "scale": scale,
    }
    return Market(**(values | changes))
