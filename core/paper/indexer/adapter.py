"""The network's chain half as the control routes see it."""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from core.dydx.protocol import Side
from core.paper.faults import OrderRefusal as ExchangeRefusal
from core.paper.governance import Market
from core.paper.indexer.controls import (
    Book,
    Levels,
    NodeFaults,
    OrderRefusal,
    PriceMode,
    Refused,
)
from core.paper.indexer.texts import number

if TYPE_CHECKING:
    from core.paper.network import PaperNetwork

_BLOCKS_TO_SHOW_A_PRICE: Final = 5
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
# Faults of a node: the name in a body, and the node's own.
_OF_NODE: Final = {
    "answer_lost": "answer_lost",
    "request_lost": "request_lost",
    "rtt_ms": "rtt_ms",
    "rtt_jitter_ms": "rtt_jitter_ms",
    "node_down": "down",
    "node_behind_blocks": "behind_blocks",
    "node_stands_apart": "stands_apart",
    "node_number_ahead": "number_ahead",
}
_STANDSTILL: Final = "The chain made no block in time, so this is not known to have happened."


class NetworkControls:
    """`Controls` over a PaperNetwork. Faults of the node are put into every node."""

    def __init__(self, network: PaperNetwork) -> None:
        self._network = network
        self._exchange = network.exchange

    async def give(self, address: str, number: int, quote_quantums: int) -> None:
        """Credit USDC to a subaccount, with the coins that a wallet needs for fees."""
        try:
            tx_hash = self._exchange.give(address, number, quote_quantums)
        except ValueError as error:
            raise Refused(f"The faucet gave nothing: {error}.") from error
        await self._included(tx_hash)

    async def give_native(self, address: str) -> None:
        """Coins for a wallet. They come with the smallest deposit, a millionth of a USDC."""
        await self.give(address, 0, 1)

    async def set_price(self, ticker: str, price: Decimal) -> int:
        """Move an oracle price; the height of the block that shows it."""
        market = self._exchange.governance.by_ticker(ticker)
        try:
            integer = market.price_integer(price)
            self._exchange.set_price(ticker, price)
        except ValueError as error:
            raise Refused(f"The price was not set: {error}.") from error
        for _ in range(_BLOCKS_TO_SHOW_A_PRICE):
            try:
                block = await self._network.chain.next_block()
            except TimeoutError as error:
                raise Refused(_STANDSTILL) from error
            if self._exchange.oracle_price(market) == integer:
                return block.height
        raise Refused("No block showed the price; somebody else may have set another.")

    def set_price_mode(self, mode: PriceMode, seed: int | None, volatility: Decimal | None) -> None:
        """Let prices walk, or hold them; what is not given stays."""
        settings = self._exchange.prices.settings
        if mode == "mainnet" and self._exchange.prices.source is None:
            raise Refused("This network was not started with prices to follow.")
        settings.mode = mode
        settings.seed = settings.seed if seed is None else seed
        settings.volatility = settings.volatility if volatility is None else volatility

    def set_book(
        self,
        ticker: str | None,
        levels: int | None,
        level_usd: Decimal | None,
        spacing_bps: Decimal | None,
    ) -> None:
        """Shape the synthetic book of a market, or of all; what is not given stays."""
        shape = self._exchange.shape if ticker is None else self._exchange.book_shape(ticker)
        self._exchange.shape_book(
            replace(
                shape,
                levels=shape.levels if levels is None else levels,
                level_usd=shape.level_usd if level_usd is None else level_usd,
                spacing_bps=shape.spacing_bps if spacing_bps is None else spacing_bps,
            ),
            ticker,
        )

    def book(self, clob_pair_id: int) -> Book:
        """The nodes' book of a market now."""
        market = self._exchange.governance.markets[clob_pair_id]
        return Book(self._levels(market, Side.BUY), self._levels(market, Side.SELL))

    def node_count(self) -> int:
        """How many nodes the network has."""
        return len(self._network.nodes)

    def node_faults(self, node: int | None = None) -> NodeFaults:
        """Faults in force at a node; at several the largest of each."""
        exchange, chain = self._exchange, self._network.chain
        nodes = self._network.nodes if node is None else [self._network.nodes[node]]
        refusal = exchange.faults.order_refused
        return NodeFaults(
            fill_withheld=bool(exchange.faults.fill_withheld),
            order_refused=None
            if refusal is None
            else OrderRefusal(refusal.codespace, refusal.code, refusal.count),
            chain_halted=chain.paused,
            clock_skew_ms=chain.skew // _MILLISECOND,
            **{
                name: _largest([getattr(each.faults, own) for each in nodes])
                for name, own in _OF_NODE.items()
            },
        )

    def set_node_faults(self, faults: NodeFaults, node: int | None = None) -> None:
        """Put these faults in force; what did not change stays as it is at each node."""
        present, exchange, chain = self.node_faults(node), self._exchange, self._network.chain
        if faults.fill_withheld != present.fill_withheld:
            exchange.faults.fill_withheld = faults.fill_withheld
        if faults.order_refused != present.order_refused:
            refusal = faults.order_refused
            exchange.faults.order_refused = (
                None
                if refusal is None
                else ExchangeRefusal(refusal.codespace, refusal.code, count=refusal.count)
            )
        chain.paused = faults.chain_halted
        chain.skew = faults.clock_skew_ms * _MILLISECOND
        for each in self._network.nodes if node is None else [self._network.nodes[node]]:
            for name, own in _OF_NODE.items():
                value = getattr(faults, name)
                before = getattr(present, name)
                if (value, type(value)) != (before, type(before)):  # True is not 1
                    setattr(each.faults, own, value)

    def grpc_calls(self) -> Mapping[str, int]:
        """Calls of all nodes by full method name."""
        sums: collections.Counter[str] = collections.Counter()
        for node in self._network.nodes:
            sums.update(node.calls)
        return sums

    def reset_grpc_calls(self) -> None:
        """Count anew on every node."""
        for node in self._network.nodes:
            node.calls.clear()

    def state(self) -> dict[str, Any]:
        """Settings for people and tests."""
        prices, shape = self._exchange.prices.settings, self._exchange.shape
        return {
            "chainId": self._exchange.chain_id,
            "chainHeight": self._exchange.height,
            "prices": {
                "mode": self._exchange.prices.mode,
                "wanted": prices.mode,
                "seed": prices.seed,
                "volatility": number(prices.volatility),
            },
            "book": {
                "levels": shape.levels,
                "level_usd": number(shape.level_usd),
                "spacing_bps": number(shape.spacing_bps),
            },
            "nodes": [node.port for node in self._network.nodes],
        }

    def _levels(self, market: Market, side: Side) -> Levels:
        scale = market.scale
        return tuple(
            (scale.price_of(subticks), scale.size_of(quantums))
            for subticks, quantums in self._exchange.book_levels(market.id, side)
        )

    async def _included(self, tx_hash: str) -> None:
        try:
            await self._network.chain.included(tx_hash)
        except TimeoutError as error:
            raise Refused(_STANDSTILL) from error


def _largest(values: list[Any]) -> Any:
    """The worst of the nodes' values; True is worse than any count."""
    if any(value is True for value in values):
        return True
    return max(values, key=int, default=0)
