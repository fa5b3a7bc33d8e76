"""Markets of the network under test: their integers, and which of them a chapter has to itself."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from v4_proto.dydxprotocol.perpetuals.query_pb2 import QueryAllPerpetualsRequest
from v4_proto.dydxprotocol.perpetuals.query_pb2_grpc import QueryStub as PerpetualsStub
from v4_proto.dydxprotocol.prices.query_pb2 import QueryMarketPriceRequest
from v4_proto.dydxprotocol.prices.query_pb2_grpc import QueryStub as PricesStub

from tests.conformance.chain import CALL_S, Chain
from tests.conformance.checks import Mismatch, Skip, until
from tests.conformance.rest import Rest
from tests.conformance.target import Target

LOT_USD = 50
# Others on a shared network of one's own use these.
SHARED = frozenset({"BTC-USD", "ETH-USD", "SOL-USD", "LINK-USD"})


@dataclass
class Market:
    """A perpetual market. `oracle` is the price when the chapter began, in USD."""

    chain: Chain
    row: dict[str, Any]
    perpetual_id: int
    price_id: int
    oracle: Decimal

    @property
    def ticker(self) -> str:
        return str(self.row["ticker"])

    @property
    def pair(self) -> int:
        return int(self.row["clobPairId"])

    @property
    def step(self) -> int:
        return int(self.row["stepBaseQuantums"])

    @property
    def per_tick(self) -> int:
        return int(self.row["subticksPerTick"])

    @property
    def lot(self) -> int:
        """Quantums worth about 50 USD, at least one step."""
        size = Decimal(LOT_USD) / self.oracle
        quantums = int(size.scaleb(-self.row["atomicResolution"])) // self.step * self.step
        return max(quantums, self.step)

    def size(self, quantums: int) -> Decimal:
        return Decimal(quantums).scaleb(self.row["atomicResolution"])

    def at(self, bps: int) -> int:
        """Subticks of a price so many basis points from the chapter's first oracle price."""
        exponent = self.row["atomicResolution"] - self.row["quantumConversionExponent"] + 6
        exact = (self.oracle * (10_000 + bps) / 10_000).scaleb(exponent) / self.per_tick
        return max(int(exact.to_integral_value(ROUND_FLOOR)), 1) * self.per_tick

    def usd(self, subticks: int) -> Decimal:
        exponent = self.row["atomicResolution"] - self.row["quantumConversionExponent"] + 6
        return Decimal(subticks).scaleb(-exponent)

    def quote(self, quantums: int, subticks: int) -> int:
        """Quote quantums of a fill, rounded down."""
        exponent = self.row["quantumConversionExponent"]
        product = Decimal(quantums) * subticks
        return int(product.scaleb(exponent).to_integral_value(ROUND_FLOOR))

    async def price(self) -> Decimal:
        """The chain's oracle price now."""
        answer = await PricesStub(self.chain.channel).MarketPrice(
            QueryMarketPriceRequest(id=self.price_id), timeout=CALL_S
        )
        return Decimal(answer.market_price.price).scaleb(answer.market_price.exponent)


class Markets:
    """All markets, and who has which."""

    def __init__(self, chain: Chain, rest: Rest, target: Target) -> None:
        self._chain, self._rest, self._target = chain, rest, target
        self._rows: dict[str, dict[str, Any]] = {}
        self._perpetuals: dict[str, Any] = {}
        self._free: list[str] = []
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        self._rows = (await self._rest.get("/perpetualMarkets"))["markets"]
        answer = await PerpetualsStub(self._chain.channel).AllPerpetuals(
            QueryAllPerpetualsRequest(), timeout=CALL_S
        )
        self._perpetuals = {row.params.ticker: row.params for row in answer.perpetual}
        self._free = [ticker for ticker, row in self._rows.items() if _fit(row)]
        random.shuffle(self._free)
        self._free.sort(key=lambda ticker: ticker in SHARED)

    def tickers(self) -> list[str]:
        return list(self._rows)

    def row(self, ticker: str) -> dict[str, Any]:
        return self._rows[ticker]

    async def of(self, ticker: str) -> Market:
        """A market that others may use too."""
        params = self._perpetuals[ticker]
        market = Market(self._chain, self._rows[ticker], params.id, params.market_id, Decimal(1))
        market.oracle = await market.price()
        return market

    async def lease(self) -> Market:
        """An active cross-margin market with an empty book, for one chapter alone. Raises Skip."""
        async with self._turn:
            while self._free:
                ticker = self._free.pop(0)
                if await self._empty(ticker):
                    return await self.of(ticker)
        raise Skip("no market with an empty book is left")

    async def lease_isolated(self) -> Market | None:
        """An active isolated market with an empty book, for the one chapter that needs one."""
        for ticker, row in self._rows.items():
            if row["marketType"] != "ISOLATED" or row["status"] != "ACTIVE":
                continue
            if row["oraclePrice"] is not None and await self._empty(ticker):
                return await self.of(ticker)
        return None

    async def _empty(self, ticker: str) -> bool:
        """Whether a book is empty; where we may, we empty it."""
        if self._target.controls:
            answer = await self._rest.http.post(
                f"{self._target.controls}/paper/book", json={"ticker": ticker, "levels": 0}
            )
            if not answer.is_success:
                raise Mismatch(f"the book's shape was refused: {answer.text[:200]}")
            return True
        book = await self._rest.get(f"/orderbooks/perpetualMarket/{ticker}")
        return not book["bids"] and not book["asks"]

    async def move(self, market: Market, bps: int) -> Decimal:
        """Moves the oracle so many basis points from the chapter's first price, and waits until
        the chain shows it. Raises Skip where prices cannot be scripted.
        """
        if self._target.price_url is None:
            raise Skip("needs a scripted price (CONFORMANCE_PRICE_URL)")
        price = Decimal(f"{market.oracle * (10_000 + bps) / 10_000:.6g}")
        text = f"{price:f}"
        answer = await self._rest.http.post(
            self._target.price_url, json={"ticker": market.ticker, "price": text}, timeout=40.0
        )
        if not answer.is_success:
            raise Mismatch(f"the price was refused: {answer.status_code} {answer.text[:200]}")

        async def shown() -> bool:
            return abs(await market.price() / price - 1) < Decimal("0.00001")

        await until("the new price", shown, within_s=30.0, pause_s=0.4)
        return price


def _fit(row: dict[str, Any]) -> bool:
    """Whether a market serves a chapter: active, cross, fine ticks, small steps."""
    if row["status"] != "ACTIVE" or row["marketType"] != "CROSS" or row["oraclePrice"] is None:
        return False
    price = Decimal(row["oraclePrice"])
    return (
        price > 0
        and Decimal(row["tickSize"]) / price < Decimal("0.0005")
        and Decimal(row["stepSize"]) * price < 20
    )
