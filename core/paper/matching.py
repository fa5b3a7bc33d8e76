"""Matching one order against the book: maker's price, price and time, collateral at each match.

Matches change the working state at once and become fills when the block commits. Source:
docs/protocol.md, what code 0 hides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Literal

from core.dydx.protocol import OrderFlags, Side
from core.paper.book import Book, Level, Resting
from core.paper.clearing import SYNTHETIC_MAKER, Clearing, Deal, Leg, Party
from core.paper.governance import Governance, Market
from core.paper.happenings import Filled, FillKind, OrderKey, PaperOrder, SubaccountKey
from core.paper.margin import UpdateResult
from core.paper.orders import TWAP_PART, is_post_only, is_stateful
from core.paper.state import OrderFill, State

Status = Literal["DONE", "UNDERCOLLATERALIZED", "RESIZED", "ISOLATED", "CROSSES"]

_MARGIN_RESULTS: Final[dict[UpdateResult, Status]] = {
    "Success": "DONE",
    "ViolatesIsolatedSubaccountConstraints": "ISOLATED",
}
# Fills of stateful orders are forgotten with the order, not at a height.
_NEVER: Final = 2**62


@dataclass
class Match:
    """One side of a match in the block being made: `Filled` without what only the block knows."""

    subaccount: SubaccountKey
    order: PaperOrder | None
    market: Market
    side: Side
    liquidity: Literal["TAKER", "MAKER"]
    quantums: int
    subticks: int
    quote_quantums: int
    fee: int
    total_filled: int
    before: int
    number: int
    kind: FillKind | None = None
    builder_fee: int = 0

    def filled(self, event_id: bytes, transaction_hash: str) -> Filled:
        """The event of the committed block."""
        return Filled(
            subaccount=self.subaccount,
            order=self.order,
            clob_pair_id=self.market.id,
            side=self.side.value,
            liquidity=self.liquidity,
            kind=self.kind or ("TWAP_SUBORDER" if _is_twap_part(self.order) else "LIMIT"),
            quantums=self.quantums,
            subticks=self.subticks,
            quote_quantums=self.quote_quantums,
            fee_quote_quantums=self.fee,
            total_filled_quantums=self.total_filled,
            quantums_before=self.before,
            event_id=event_id,
            transaction_hash=transaction_hash,
            builder_fee_quote_quantums=self.builder_fee,
        )


@dataclass(frozen=True)
class Removal:
    """A stateful order that fell out of the book and leaves the state with the block, after so many
    of its matches.
    """

    order: PaperOrder
    reason: str
    after: int


class Matcher:
    """Matches orders on the working state. `removed` is told of makers that fall out on the way."""

    def __init__(
        self,
        governance: Governance,
        state: State,
        clearing: Clearing,
        removed: Callable[[PaperOrder, str], None],
    ) -> None:
        self._window = governance.short_block_window
        self._state = state
        self.clearing = clearing
        self._removed = removed
        self._number = 0
        self.matches: list[Match] = []
        self.removals: dict[OrderKey, Removal] = {}
        self.in_block: dict[OrderKey, PaperOrder] = {}

    def start_block(self) -> list[Match]:
        """The matches since the last call, in order; matching starts anew for the next block."""
        matches, self.matches = self.matches, []
        self.removals = {}
        self._number = 0
        self.in_block = {}
        return matches

    def filled(self, key: OrderKey) -> int:
        """What an order id has filled so far, as far as the chain remembers."""
        fill = self._state.fills.get(key)
        return fill.quantums if fill else 0

    def remove(self, order: PaperOrder, reason: str) -> None:
        """Have a stateful order leave the state with the block; the first reason counts."""
        self.removals.setdefault(order.key, Removal(order, reason, len(self.matches)))

    def take(self, order: PaperOrder, market: Market, book: Book) -> tuple[int, Status]:
        """Match an order as far as it goes: what remains of it, and why it stopped. A post-only
        order that would match stops before (CROSSES).
        """
        remaining = order.quantums - self.filled(order.key)
        side = Side(order.side)
        while remaining > 0:
            maker = book.best(side.opposite)
            if maker is None or not _crosses(order, maker):
                break
            if isinstance(maker, Resting) and self._same_owner(maker, order):
                self.drop(book, maker.order, "SELF_TRADE_ERROR")
                continue
            if isinstance(maker, Resting) and not self._may_make(maker.order):
                book.take_out(maker.order.key)
                self._removed(maker.order, "PERMISSIONED_KEY_EXPIRED")
                continue
            quantums = min(remaining, maker.remaining)
            if order.reduce_only:
                quantums = min(quantums, self.reducible(order, market))
                if not quantums:
                    return remaining, "RESIZED"
            result, maker_fails = self._match(order, maker, market, quantums)
            if maker_fails:
                assert isinstance(maker, Resting)
                self.drop(book, maker.order, "UNDERCOLLATERALIZED")
            if result != "DONE":
                return remaining, result
            if maker_fails:
                continue
            remaining -= quantums
            consume(book, maker, quantums)
        if remaining and order.reduce_only and not self.reducible(order, market):
            return remaining, "RESIZED"
        return remaining, "DONE"

    def drop(self, book: Book, order: PaperOrder, reason: str) -> None:
        """Take a maker that cannot be matched off the book."""
        book.take_out(order.key)
        self._removed(order, reason)

    def sweep(self, market: Market, book: Book) -> None:
        """Let the synthetic maker take the traders' orders that its new quotes cross, at the
        traders' prices.
        """
        for side in (Side.BUY, Side.SELL):
            while (trader := next(iter(book.bids if side is Side.BUY else book.asks), None)) and (
                level := next((row for row in book.ladder(side.opposite) if row.remaining), None)
            ):
                if not _crosses(trader.order, level):
                    break
                if not self._may_make(trader.order):
                    book.take_out(trader.order.key)
                    self._removed(trader.order, "PERMISSIONED_KEY_EXPIRED")
                    continue
                quantums = min(trader.remaining, level.remaining)
                taker = Party(SYNTHETIC_MAKER, None, side.opposite, "TAKER")
                maker = Party(trader.order.key.subaccount, trader.order, side, "MAKER")
                if self._settle(taker, maker, market, quantums, trader.order.subticks)[1]:
                    self.drop(book, trader.order, "UNDERCOLLATERALIZED")
                    continue
                consume(book, level, quantums)
                consume(book, trader, quantums)

    def reducible(self, order: PaperOrder, market: Market) -> int:
        """How much a reduce-only order can still take off its subaccount's position."""
        held = self._state.subaccount(order.key.subaccount).position(market.id)
        return max(-held * Side(order.side).sign, 0)

    def _may_make(self, order: PaperOrder) -> bool:
        """Whether the authenticators of a resting order still stand. Orders in the chain's state
        outlive them.
        """
        owner, held = order.key.subaccount.owner, self._state.authenticators
        return is_stateful(order.key) or all(
            held.get((owner, number)) is not None for number in order.authenticators
        )

    def _same_owner(self, maker: Resting, order: PaperOrder) -> bool:
        return maker.order.key.subaccount == order.key.subaccount

    def _match(
        self, order: PaperOrder, maker: Resting | Level, market: Market, quantums: int
    ) -> tuple[Status, bool]:
        side = Side(order.side)
        taker = Party(order.key.subaccount, order, side, "TAKER")
        dry = is_post_only(order)
        if isinstance(maker, Level):
            other = Party(SYNTHETIC_MAKER, None, side.opposite, "MAKER")
            return self._settle(taker, other, market, quantums, maker.subticks, dry)
        other = Party(maker.order.key.subaccount, maker.order, side.opposite, "MAKER")
        return self._settle(taker, other, market, quantums, maker.order.subticks, dry)

    def _settle(
        self,
        taker: Party,
        maker: Party,
        market: Market,
        quantums: int,
        subticks: int,
        dry: bool = False,
    ) -> tuple[Status, bool]:
        """Change both subaccounts, or neither: what the taker's collateral says, and whether the
        maker's forbids it. A dry match that would pass changes nothing and CROSSES.
        """
        quote = market.scale.quote_quantums(quantums, subticks)
        deal = self.clearing.trade(taker, maker, market, quantums, quote)
        status = _MARGIN_RESULTS.get(deal.taker.result, "UNDERCOLLATERALIZED")
        if not deal.passes:
            return status, deal.maker.result != "Success"
        if dry:
            return "CROSSES", False
        self.execute(deal, taker, maker, quantums, subticks)
        return "DONE", False

    def execute(
        self,
        deal: Deal,
        taker: Party,
        maker: Party,
        quantums: int,
        subticks: int,
        kinds: tuple[FillKind, FillKind] | None = None,
    ) -> None:
        """Carry out a deal that passes and remember both sides as fills of the block; `kinds` are
        those of taker and maker where it is not a match of two orders.
        """
        self.clearing.execute(deal, counts=kinds is None or kinds[0] == "LIQUIDATED")
        self._number += 1
        for index, (party, leg) in enumerate(((taker, deal.taker), (maker, deal.maker))):
            if party.subaccount != SYNTHETIC_MAKER:
                kind = kinds[index] if kinds else None
                self._record(party, leg, deal, quantums, subticks, kind)

    def _record(
        self,
        party: Party,
        leg: Leg,
        deal: Deal,
        quantums: int,
        subticks: int,
        kind: FillKind | None,
    ) -> None:
        total = 0 if party.order is None else self._fill(party.order, quantums)
        self.matches.append(
            Match(
                party.subaccount,
                party.order,
                deal.market,
                party.side,
                party.liquidity,
                quantums,
                subticks,
                deal.quote_quantums,
                leg.fee + leg.penalty,
                total,
                leg.before.subaccount.position(deal.market.id),
                self._number,
                kind,
                leg.builder_fee,
            )
        )

    def _fill(self, order: PaperOrder, quantums: int) -> int:
        """Count what an order filled; its sum."""
        total = self.filled(order.key) + quantums
        old = self._state.fills.get(order.key)
        stateful = is_stateful(order.key)
        forget_at = _NEVER if stateful else (order.good_til_block or 0) + self._window
        self._state.fills.put(
            order.key, OrderFill(total, max(forget_at, old.forget_at if old else 0))
        )
        self.in_block[order.key] = order
        if _is_twap_part(order):
            self._count_part(order, quantums)
        return total

    def _count_part(self, order: PaperOrder, quantums: int) -> None:
        """A part's fill lessens what its TWAP order still has to trade."""
        parent = replace(order.key, order_flags=int(OrderFlags.TWAP))
        held = self._state.twaps.get(parent)
        if held is not None:
            self._state.twaps.put(parent, replace(held, quantums=held.quantums - quantums))


def _is_twap_part(order: PaperOrder | None) -> bool:
    return order is not None and order.key.order_flags == TWAP_PART


def _crosses(order: PaperOrder, maker: Resting | Level) -> bool:
    subticks = maker.subticks if isinstance(maker, Level) else maker.order.subticks
    return (order.subticks - subticks) * Side(order.side).sign >= 0


def consume(book: Book, maker: Resting | Level, quantums: int) -> None:
    """Lessen what a maker offers; an order with nothing left leaves the book."""
    maker.remaining -= quantums
    if isinstance(maker, Resting) and not maker.remaining:
        book.take_out(maker.order.key)
