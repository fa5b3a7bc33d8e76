"""The live table of one network's markets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from core.clock import Clock
from core.dydx.indexer_types import MarketRow
from core.dydx.quantums import Scale
from core.dydx.stream_types import MarketChange, MarketsContents


@dataclass(frozen=True)
class Market:
    """A perpetual market: what an order needs to know of it.

    Margin fractions are parts of one (0.05 is 5 %); `oracle_price` is USD per base unit.
    """

    ticker: str
    clob_pair_id: int
    status: str
    oracle_price: Decimal | None
    market_type: str
    initial_margin_fraction: Decimal
    maintenance_margin_fraction: Decimal
    scale: Scale
    _tick_size: Decimal = field(init=False, repr=False, compare=False)
    _step_size: Decimal = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tick_size", self.scale.tick_size)
        object.__setattr__(self, "_step_size", self.scale.step_size)

    @property
    def tick_size(self) -> Decimal:
        """Smallest price increment, in USD."""
        return self._tick_size

    @property
    def step_size(self) -> Decimal:
        """Smallest size and its increment, in base units."""
        return self._step_size


@dataclass(frozen=True)
class OraclePrice:
    """A price, the block since which it counts where that is known, and when it came here.

    `received` is in seconds of the clock's monotonic counter.
    """

    price: Decimal
    height: int | None
    received: float


class Markets:
    """Markets by ticker and by clob pair, kept current by `replace` and `merge`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_ticker: dict[str, Market] = {}
        self._by_pair: dict[int, str] = {}
        self._oracle: dict[str, OraclePrice] = {}

    @property
    def loaded(self) -> bool:
        """Whether the markets of the network are known."""
        return bool(self._by_ticker)

    def get(self, ticker: str) -> Market | None:
        return self._by_ticker.get(ticker)

    def by_pair(self, clob_pair_id: int) -> Market | None:
        ticker = self._by_pair.get(clob_pair_id)
        return None if ticker is None else self._by_ticker.get(ticker)

    def tickers(self) -> tuple[str, ...]:
        """All tickers, sorted."""
        return tuple(sorted(self._by_ticker))

    def oracle(self, ticker: str) -> OraclePrice | None:
        """The oracle price and its age; None where no price is known."""
        return self._oracle.get(ticker)

    def replace(self, snapshot: Mapping[str, MarketRow]) -> None:
        """Takes over a complete description; markets that are not in it are gone."""
        received = self._clock.monotonic()
        self._by_ticker = {row.ticker: market_of(row) for row in snapshot.values()}
        self._by_pair = {m.clob_pair_id: m.ticker for m in self._by_ticker.values()}
        self._oracle = {
            ticker: OraclePrice(market.oracle_price, None, received)
            for ticker, market in self._by_ticker.items()
            if market.oracle_price is not None
        }

    def merge(self, update: MarketsContents) -> None:
        """Takes over what changed. A price from an older block than the one known is ignored."""
        for ticker, change in (update.trading or {}).items():
            self._merge_change(ticker, change)
        received = self._clock.monotonic()
        for ticker, oracle in (update.oracle_prices or {}).items():
            known = self._oracle.get(ticker)
            height = oracle.effective_at_height
            market = self._by_ticker.get(ticker)
            if market is None or (known and known.height is not None and known.height > height):
                continue
            self._oracle[ticker] = OraclePrice(oracle.oracle_price, height, received)
            self._by_ticker[ticker] = replace(market, oracle_price=oracle.oracle_price)

    def _merge_change(self, ticker: str, change: MarketChange) -> None:
        known = self._by_ticker.get(ticker)
        if known is None:
            market = _new_market(ticker, change)
            if market is not None:
                self._by_ticker[ticker] = market
                self._by_pair[market.clob_pair_id] = ticker
            return
        values: dict[str, Any] = {
            name: value
            for name in (
                "status",
                "market_type",
                "initial_margin_fraction",
                "maintenance_margin_fraction",
            )
            if (value := getattr(change, name)) is not None
        }
        scale: dict[str, Any] = {
            name: value for name in _SCALE if (value := getattr(change, name)) is not None
        }
        if scale:
            values["scale"] = replace(known.scale, **scale)
        if values:
            self._by_ticker[ticker] = replace(known, **values)


_SCALE = (
    "atomic_resolution",
    "quantum_conversion_exponent",
    "step_base_quantums",
    "subticks_per_tick",
)


def market_of(row: MarketRow) -> Market:
    """The market of the indexer's row."""
    return Market(
        ticker=row.ticker,
        clob_pair_id=row.clob_pair_id,
        status=row.status,
        oracle_price=row.oracle_price,
        market_type=row.market_type,
        initial_margin_fraction=row.initial_margin_fraction,
        maintenance_margin_fraction=row.maintenance_margin_fraction,
        scale=Scale(
            row.atomic_resolution,
            row.quantum_conversion_exponent,
            row.step_base_quantums,
            row.subticks_per_tick,
        ),
    )


def _new_market(ticker: str, change: MarketChange) -> Market | None:
    """A market that was listed after the snapshot, if the change describes it completely."""
    needed = (
        *(getattr(change, name) for name in _SCALE),
        change.clob_pair_id,
        change.status,
        change.market_type,
        change.initial_margin_fraction,
        change.maintenance_margin_fraction,
    )
    if any(value is None for value in needed):
        return None
    row = MarketRow.read({"ticker": ticker, "oraclePrice": None, **change.wire()})
    return market_of(row)
