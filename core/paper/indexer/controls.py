"""What the indexer's control routes ask of the network behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

Levels = tuple[tuple[Decimal, Decimal], ...]
PriceMode = Literal["walk", "still", "mainnet"]


class Refused(Exception):
    """The network could not do what was asked; the text says why, for people."""


@dataclass(frozen=True)
class Book:
    """One node's order book: (price in USD, size in base units), best first."""

    bids: Levels
    asks: Levels


@dataclass(frozen=True)
class OrderRefusal:
    """Refuse the next `count` order transactions with this code; None refuses until cleared."""

    codespace: str
    code: int
    count: int | None


@dataclass(frozen=True)
class NodeFaults:
    """Faults of the chain (fills withheld, orders refused, no blocks, clocks ahead) and of a node
    or of all. Counts say how many broadcasts are still to be lost, or queries to be
    answered under the next block's number; True means all.
    """

    fill_withheld: bool = False
    answer_lost: bool | int = False
    order_refused: OrderRefusal | None = None
    rtt_ms: int = 0
    rtt_jitter_ms: int = 0
    request_lost: bool | int = False
    node_down: bool = False
    node_behind_blocks: int = 0
    node_stands_apart: bool = False
    node_number_ahead: bool | int = False
    chain_halted: bool = False
    clock_skew_ms: int = 0


class Controls(Protocol):
    """The network as the control routes see it."""

    async def give(self, address: str, number: int, quote_quantums: int) -> None:
        """Credit USDC to a subaccount; returns when a block has committed it. Raises Refused."""

    async def give_native(self, address: str) -> None:
        """Credit the native coin to a wallet; returns when committed. Raises Refused."""

    async def set_price(self, ticker: str, price: Decimal) -> int:
        """Move an oracle price; returns the height of the block that shows it. Raises Refused."""

    def set_price_mode(self, mode: PriceMode, seed: int | None, volatility: Decimal | None) -> None:
        """Let prices walk, or hold them. Raises Refused."""

    def set_book(
        self,
        ticker: str | None,
        levels: int | None,
        level_usd: Decimal | None,
        spacing_bps: Decimal | None,
    ) -> None:
        """Shape the synthetic book of a market, or of all (None). Raises Refused."""

    def book(self, clob_pair_id: int) -> Book:
        """The node's book of a market now."""

    def node_count(self) -> int:
        """How many nodes the network has."""

    def node_faults(self, node: int | None = None) -> NodeFaults:
        """Faults in force at a node, or at any (None)."""

    def set_node_faults(self, faults: NodeFaults, node: int | None = None) -> None:
        """Put these faults in force in place of the present ones, at a node or at all (None).
        Raises Refused.
        """

    def grpc_calls(self) -> Mapping[str, int]:
        """gRPC calls by method since the start or the last reset."""

    def reset_grpc_calls(self) -> None:
        """Count gRPC calls anew."""

    def state(self) -> dict[str, Any]:
        """Price mode and settings, for GET /paper/state: JSON-able."""
