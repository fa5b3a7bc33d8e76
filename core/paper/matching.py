"""Matching one order against the book: maker's price, price and time, collateral at each match.

Matches change the working state at once and become fills when the block commits. Source:
docs/protocol.md, what code 0 hides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from core.dydx.protocol import SHORT_BLOCK_WINDOW, Side, TimeInForce
from core.paper.book import Book, Level, Resting
from core.paper.governance import Governance, Market
from core.paper.happenings import Filled, OrderKey, PaperOrder, SubaccountKey
from core.paper.margin import Margin
from core.paper.state import OrderFill, State, Subaccount

Status = Literal["DONE", "UNDERCOLLATERALIZED", "RESIZED", "ISOLATED"]

SYNTHETIC_MAKER: Final = SubaccountKey("dydx1synthetic", 0)
_MARGIN_RESULTS: Final[dict[str, Status]] = {
    "Success": "DONE",
    "ViolatesIsolatedSubaccountConstraints": "ISOLATED",
}


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

    def filled(self, event_id: bytes, transaction_hash: str) -> Filled:
        """The event of the committed block."""
        return Filled(
            subaccount=self.subaccount,
            order=self.order,
            clob_pair_id=self.market.id,
            side=self.side.value,
            liquidity=self.liquidity,
            kind="LIMIT",
            quantums=self.quantums,
            subticks=self.subticks,
            quote_quantums=self.quote_quantums,
            fee_quote_quantums=self.fee,
            total_filled_quantums=self.total_filled,
            quantums_before=self.before,
            event_id=event_id,
            transaction_hash=transaction_hash,
        )


@dataclass(frozen=True)
class _Party:
    """One side of a match about to happen; the synthetic maker has no order."""

    subaccount: SubaccountKey
    order: PaperOrder | None
    side: Side
    liquidity: Literal["TAKER", "MAKER"]


class Matcher:
    """Matches orders on the working state. `removed` is told of makers that fall out on the way."""

    def __init__(
        self,
        governance: Governance,
        state: State,
        margin: Margin,
        removed: Callable[[PaperOrder, str], None],
    ) -> None:
        self._governance = governance
        self._state = state
        self._margin = margin
        self._removed = removed
        self._number = 0
        self.matches: list[Match] = []
        self.in_block: dict[OrderKey, PaperOrder] = {}

    def start_block(self) -> list[Match]:
        """The matches since the last call, in order; matching starts anew for the next block."""
        matches, self.matches = self.matches, []
        self._number = 0
        self.in_block = {}
        return matches

    def filled(self, key: OrderKey) -> int:
        """What an order id has filled so far, as far as the chain remembers."""
        fill = self._state.fills.get(key)
        return fill.quantums if fill else 0

    def would_cross(self, order: PaperOrder, book: Book) -> bool:
        """Whether an order would match somebody else's."""
        side = Side(order.side)
        makers: list[Resting | Level] = [*book.ladder(side.opposite)]
        makers += [
            entry
            for entry in book.resting()
            if entry.order.side != order.side and entry.order.key.subaccount != order.key.subaccount
        ]
        return any(_crosses(order, maker) and maker.remaining for maker in makers)

    def take(self, order: PaperOrder, market: Market, book: Book) -> tuple[int, Status]:
        """Match an order as far as it goes: what remains of it, and why it stopped."""
        remaining = order.quantums - self.filled(order.key)
        side = Side(order.side)
        while remaining > 0:
            maker = book.best(side.opposite)
            if maker is None or not _crosses(order, maker):
                break
            if isinstance(maker, Resting) and self._same_owner(maker, order):
                book.take_out(maker.order.key)
                self._removed(maker.order, "SELF_TRADE_ERROR")
                continue
            quantums = min(remaining, maker.remaining)
            if order.reduce_only:
                quantums = min(quantums, self.reducible(order, market))
                if not quantums:
                    return remaining, "RESIZED"
            result = self._match(order, maker, market, quantums)
            if result == "MAKER":
                assert isinstance(maker, Resting)
                book.take_out(maker.order.key)
                self._removed(maker.order, "UNDERCOLLATERALIZED")
                continue
            if result != "DONE":
                return remaining, result
            remaining -= quantums
            _consume(book, maker, quantums)
        if remaining and order.reduce_only and not self.reducible(order, market):
            return remaining, "RESIZED"
        return remaining, "DONE"

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
                quantums = min(trader.remaining, level.remaining)
                taker = _Party(SYNTHETIC_MAKER, None, side.opposite, "TAKER")
                maker = _Party(trader.order.key.subaccount, trader.order, side, "MAKER")
                if self._settle(taker, maker, market, quantums, trader.order.subticks) != "DONE":
                    book.take_out(trader.order.key)
                    self._removed(trader.order, "UNDERCOLLATERALIZED")
                    continue
                _consume(book, level, quantums)
                _consume(book, trader, quantums)

    def reducible(self, order: PaperOrder, market: Market) -> int:
        """How much a reduce-only order can still take off its subaccount's position."""
        held = self._state.subaccount(order.key.subaccount).position(market.id)
        return max(-held * Side(order.side).sign, 0)

    def _same_owner(self, maker: Resting, order: PaperOrder) -> bool:
        return maker.order.key.subaccount == order.key.subaccount

    def _match(
        self, order: PaperOrder, maker: Resting | Level, market: Market, quantums: int
    ) -> Status | Literal["MAKER"]:
        side = Side(order.side)
        taker = _Party(order.key.subaccount, order, side, "TAKER")
        if isinstance(maker, Level):
            other = _Party(SYNTHETIC_MAKER, None, side.opposite, "MAKER")
            return self._settle(taker, other, market, quantums, maker.subticks)
        other = _Party(maker.order.key.subaccount, maker.order, side.opposite, "MAKER")
        return self._settle(taker, other, market, quantums, maker.order.subticks)

    def _settle(
        self, taker: _Party, maker: _Party, market: Market, quantums: int, subticks: int
    ) -> Status | Literal["MAKER"]:
        """Change both subaccounts, or neither and say whose collateral forbids it."""
        quote = market.scale.quote_quantums(quantums, subticks)
        updates: list[tuple[_Party, Subaccount, Subaccount, int]] = []
        for party in (taker, maker):
            fee = self._fee(quote, party.liquidity)
            before = self._state.subaccount(party.subaccount)
            after = before.changed(
                market.id, party.side.sign * quantums, -party.side.sign * quote - fee
            )
            if party.subaccount != SYNTHETIC_MAKER:
                result = self._margin.update(before, after)
                if result != "Success":
                    if party.liquidity == "MAKER":
                        return "MAKER"
                    return _MARGIN_RESULTS.get(result, "UNDERCOLLATERALIZED")
            updates.append((party, before, after, fee))
        self._number += 1
        for party, before, after, fee in updates:
            self._state.subaccounts.put(party.subaccount, after)
            if party.order is not None:
                self._record(party, party.order, before, market, quantums, subticks, quote, fee)
        return "DONE"

    def _record(
        self,
        party: _Party,
        order: PaperOrder,
        before: Subaccount,
        market: Market,
        quantums: int,
        subticks: int,
        quote: int,
        fee: int,
    ) -> None:
        total = self.filled(order.key) + quantums
        old = self._state.fills.get(order.key)
        forget_at = (order.good_til_block or 0) + SHORT_BLOCK_WINDOW
        self._state.fills.put(
            order.key, OrderFill(total, max(forget_at, old.forget_at if old else 0))
        )
        self.in_block[order.key] = order
        self.matches.append(
            Match(
                party.subaccount,
                order,
                market,
                party.side,
                party.liquidity,
                quantums,
                subticks,
                quote,
                fee,
                total,
                before.position(market.id),
                self._number,
            )
        )

    def _fee(self, quote: int, liquidity: Literal["TAKER", "MAKER"]) -> int:
        """Fee in quote quantums, rounded up; negative for a rebate."""
        governance = self._governance
        ppm = governance.taker_fee_ppm if liquidity == "TAKER" else governance.maker_fee_ppm
        return -(-quote * ppm // 1_000_000)


def never_rests(order: PaperOrder) -> bool:
    """Whether an order leaves the book at once."""
    return order.time_in_force == TimeInForce.IOC


def _crosses(order: PaperOrder, maker: Resting | Level) -> bool:
    subticks = maker.subticks if isinstance(maker, Level) else maker.order.subticks
    return (order.subticks - subticks) * Side(order.side).sign >= 0


def _consume(book: Book, maker: Resting | Level, quantums: int) -> None:
    maker.remaining -= quantums
    if isinstance(maker, Resting) and not maker.remaining:
        book.take_out(maker.order.key)
