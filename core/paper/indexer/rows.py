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
from core.paper.indexer import order_shapes
from core.paper.indexer.blocks import BlockWork
from core.paper.indexer.candles import Candles
from core.paper.indexer.records import (
    ZERO,
    FillRow,
    MemoryOrder,
    Oracle,
    OrderRow,
    PnlRow,
    PositionRow,
    SubaccountRow,
    TradeRow,
    TransferRow,
    decode,
    encode,
    order_id_of,
    subaccount_id_of,
)
from core.paper.indexer.texts import EXACT, number
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
        self.rewards: dict[str, Decimal] = {}
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
            return self._opened(happening)
        return self._removed(happening)

    def price(self, clob_pair_id: int) -> Decimal:
        """Oracle price of a market in USD."""
        return self.oracles[self.markets[clob_pair_id].market_id].price

    def equity(self, row: SubaccountRow) -> tuple[Decimal, Decimal]:
        """Equity and free collateral of a subaccount, in USD."""
        equity = Decimal(row.usdc).scaleb(-6, EXACT)
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

    def _opened(self, happening: OrderOpened) -> list[Update]:
        order = happening.order
        market = self.markets[order.key.clob_pair_id]
        row_id = order_id_of(order.key)
        self.canceled.pop(row_id, None)
        if order.good_til_block is not None:
            self.memory.pop(row_id, None)
            self.memory[row_id] = MemoryOrder(row_id, order, "BEST_EFFORT_OPENED")
        message = order_shapes.opened_order(
            order, "BEST_EFFORT_OPENED", market, self.orders.get(row_id)
        )
        return [self._order_update(order.key.subaccount, message)]

    def _removed(self, happening: OrderRemoved) -> list[Update]:
        key = happening.key
        market = self.markets[key.clob_pair_id]
        row_id = order_id_of(key)
        row = self.orders.get(row_id)
        self._forget(row_id, happening)
        if row is not None and key.order_flags == 0 and row.status not in ("FILLED", "CANCELED"):
            row.status = happening.status
        if happening.order is None:
            message = self._unknown_removal(happening, market, row)
        else:
            filled = market.scale.size_of(happening.optimistic_filled_quantums)
            message = order_shapes.removed_order(
                happening.order,
                happening.status,
                happening.reason,
                market,
                row,
                {"totalOptimisticFilled": number(filled)},
            )
        return [self._order_update(key.subaccount, message)]

    def _forget(self, row_id: str, happening: OrderRemoved) -> None:
        """Take an order out of memory; what was canceled by somebody lingers as such for the
        snapshot until its good-til-block is well past.
        """
        memory = self.memory.pop(row_id, None)
        order = happening.order or (memory.order if memory else None)
        if order is not None and order.good_til_block is not None:
            self.canceled[row_id] = (happening.status, order.good_til_block)

    def _unknown_removal(
        self, happening: OrderRemoved, market: Market, row: OrderRow | None
    ) -> Json:
        key = happening.key
        message: Json = {
            "id": order_id_of(key),
            "subaccountId": subaccount_id_of(key.subaccount),
            "clientId": str(key.client_id),
            "clobPairId": str(key.clob_pair_id),
            "status": happening.status,
            "orderFlags": str(key.order_flags),
            "ticker": market.ticker,
            "removalReason": order_shapes.REMOVAL_PREFIX + happening.reason,
        }
        if row is None:
            return message
        full = order_shapes.order_row_full(row, market)
        reduce_only = {"reduceOnly": True} if row.order.reduce_only else {}
        return {
            **message,
            **order_shapes.stamps(row),
            "price": full["price"],
            "size": full["size"],
            "clientMetadata": full["clientMetadata"],
            **reduce_only,
            "side": full["side"],
            "timeInForce": full["timeInForce"],
            "totalFilled": full["totalFilled"],
            **order_shapes.expiry(row.order),
            **order_shapes.trigger(row.order, market.scale),
            "type": full["type"],
        }

    def _order_update(self, key: SubaccountKey, message: Json) -> Update:
        return self.subaccount_update(key, {"orders": [message], "blockHeight": str(self.height)})

    def dump(self) -> Json:
        """All rows as JSON-able data."""
        return {name: encode(getattr(self, name)) for name in _SAVED} | {
            "candles": encode(self.candles.series)
        }

    def load(self, saved: Json) -> None:
        """Rows that `dump` wrote, in place of the present ones."""
        for name in _SAVED:
            setattr(self, name, decode(saved[name]))
        self.candles.series = decode(saved["candles"])
        self.canceled = {key: (status, block) for key, (status, block) in self.canceled.items()}
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
    "oracles",
)
