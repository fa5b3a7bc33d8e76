"""The indexer's own rows, kept in memory from what the exchange publishes.

`Rows.on` takes one happening and returns the websocket messages that it causes, in their order.
`dump` and `load` carry the rows over a restart.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from core.paper.governance import Market
from core.paper.happenings import (
    BlockCommitted,
    Happening,
    OrderOpened,
    OrderRemoved,
    SubaccountKey,
)
from core.paper.indexer import funding, order_life
from core.paper.indexer.blocks import BlockWork
from core.paper.indexer.candles import Candles
from core.paper.indexer.records import (
    ZERO,
    FillRow,
    FundingPaymentRow,
    FundingRow,
    MemoryOrder,
    Oracle,
    OrderRow,
    PnlRow,
    PositionRow,
    RewardRow,
    SubaccountRow,
    TradeRow,
    TransferRow,
    decode,
    encode,
)
from core.paper.indexer.texts import EXACT
from core.paper.indexer.updates import Update

Json = dict[str, Any]


class Rows:
    """What the indexer knows. `mid_price` asks for the middle of a market's book, by clob pair."""

    def __init__(
        self,
        markets: Mapping[int, Market],
        mid_price: Callable[[int], Decimal | None] = lambda _: None,
    ) -> None:
        self.markets = markets
        self.by_ticker = {market.ticker: market for market in markets.values()}
        self.by_oracle = {market.market_id: market for market in markets.values()}
        self.height = 0
        self.time: dt.datetime | None = None
        self.subaccounts: dict[SubaccountKey, SubaccountRow] = {}
        self.positions: dict[SubaccountKey, list[PositionRow]] = {}
        self.orders: dict[str, OrderRow] = {}
        self.order_ids: dict[SubaccountKey, list[str]] = {}
        self.memory: dict[str, MemoryOrder] = {}
        self.canceled: dict[str, tuple[str, int]] = {}
        self.fills: dict[SubaccountKey, list[FillRow]] = {}
        self.transfers: list[TransferRow] = []
        self.trades: dict[int, list[TradeRow]] = {}
        self.pnl: dict[SubaccountKey, list[PnlRow]] = {}
        self.rewards: dict[str, list[RewardRow]] = {}
        self.funding: dict[int, list[FundingRow]] = {}
        self.payments: dict[SubaccountKey, list[FundingPaymentRow]] = {}
        self.premiums: dict[int, list[int]] = {}
        self.next_rates: dict[int, Decimal] = {}
        self.indices: dict[int, Decimal] = {}
        self.early: dict[str, OrderRemoved] = {}
        self.candles = Candles(mid_price)
        self.oracles = {
            market.market_id: Oracle(market.price_usd(market.genesis_price))
            for market in markets.values()
        }
        self.told_markets: dict[str, Json] = {}

    def genesis(self, holdings: Iterable[tuple[SubaccountKey, int]]) -> None:
        """Subaccounts that held USDC (quote quantums) before the first block."""
        for key, usdc in holdings:
            self.subaccounts.setdefault(key, SubaccountRow(key, usdc, {}, 0))

    def on(self, happening: Happening) -> list[Update]:
        """Take one happening; answers the websocket messages it causes."""
        if isinstance(happening, BlockCommitted):
            return BlockWork(self, happening).run()
        if isinstance(happening, OrderOpened):
            return order_life.opened(self, happening)
        return order_life.removed(self, happening)

    def price(self, clob_pair_id: int) -> Decimal:
        """Oracle price of a market in USD."""
        return self.oracles[self.markets[clob_pair_id].market_id].price

    def equity(self, row: SubaccountRow) -> tuple[Decimal, Decimal]:
        """Equity and free collateral of a subaccount, in USD, with funding not settled yet."""
        equity = EXACT.add(Decimal(row.usdc).scaleb(-6, EXACT), funding.unsettled(self, row))
        margin = ZERO
        for market_id, quantums in row.positions.items():
            market = self.markets[market_id]
            worth = EXACT.multiply(market.scale.size_of(quantums), self.price(market_id))
            equity = EXACT.add(equity, worth)
            fraction = Decimal(market.tier.initial_margin_ppm).scaleb(-6, EXACT)
            margin = EXACT.add(margin, EXACT.multiply(abs(worth), fraction))
        return equity, EXACT.subtract(equity, margin)

    def open_interest(self) -> dict[int, Decimal]:
        """Base units held long by market. Where the other side is not known to the indexer, the
        larger of both sides counts.
        """
        longs: dict[int, int] = {}
        shorts: dict[int, int] = {}
        for row in self.subaccounts.values():
            for market_id, quantums in row.positions.items():
                side = longs if quantums > 0 else shorts
                side[market_id] = side.get(market_id, 0) + abs(quantums)
        return {
            market_id: self.markets[market_id].scale.size_of(
                max(longs.get(market_id, 0), shorts.get(market_id, 0))
            )
            for market_id in longs.keys() | shorts.keys()
        }

    def open_positions(self, key: SubaccountKey) -> list[PositionRow]:
        """Open positions of a subaccount, newest first."""
        return [row for row in reversed(self.positions.get(key, [])) if row.status == "OPEN"]

    def subaccount_update(self, key: SubaccountKey, contents: Json) -> Update:
        """A message to the subscribers of a subaccount; the block height is its last field but
        for orders that came with fills.
        """
        return Update("v4_subaccounts", f"{key.owner}/{key.number}", contents, key.number)

    def order_update(self, key: SubaccountKey, message: Json) -> Update:
        """A message about one order, at the height that the order cache has seen."""
        return self.subaccount_update(key, {"orders": [message], "blockHeight": str(self.height)})

    def dump(self) -> Json:
        """All rows as JSON-able data."""
        return {name: encode(getattr(self, name)) for name in _SAVED} | {
            "candles": encode(self.candles.series)
        }

    def load(self, saved: Json) -> None:
        """Rows that `dump` wrote, in place of the present ones. Markets that are new since keep the
        prices they have.
        """
        begun = self.oracles
        for name in _SAVED:
            setattr(self, name, decode(saved[name]))
        self.oracles = begun | self.oracles
        self.candles.series = decode(saved["candles"])
        self.canceled = {key: (status, block) for key, (status, block) in self.canceled.items()}
        self.memory = {
            row.id: MemoryOrder(row.id, row.order, row.status)
            for row in self.orders.values()
            if row.status == "OPEN" and row.order.good_til_block_time is not None
        }
        for oracle in self.oracles.values():
            oracle.recent = [(at, price) for at, price in oracle.recent]


_SAVED = (
    "height",
    "time",
    "subaccounts",
    "positions",
    "orders",
    "order_ids",
    "canceled",
    "fills",
    "transfers",
    "trades",
    "pnl",
    "rewards",
    "funding",
    "payments",
    "premiums",
    "next_rates",
    "indices",
    "oracles",
)
