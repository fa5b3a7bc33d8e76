"""The books against the money: what fills, fees and funding add up to must be what the account's
USDC changed by, less transfers, to 0.01 USDC; and shares must add up to the chain's position.

All sums are our own. A difference is told when the next checks find the same one, as fills and
balances are read one after the other, and when funding that was read meanwhile has not explained
it; then the balance is noted anew, so that it is told once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import structlog

from core.dydx.enums import PositionSide
from core.dydx.indexer import Indexer, IndexerError
from core.dydx.indexer_types import Subaccount, Transfer
from core.events import BalanceDiffers, SharesDiffer
from core.ledger import books, positions
from core.ledger.models import AccountBooks
from core.trading.funding import TOLD_AFTER, FundingReader
from core.trading.share_keeper import book_of, signed_size
from core.trading.shares import ZERO
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

TOLERANCE: Final = Decimal("0.01")
ROUNDED_BY: Final = Decimal("0.000001")
"""What the chain's rounding may take of one fill or payment."""
LOOK_ANYWAY: Final = dt.timedelta(hours=1)
FUNDING_MAY_LACK: Final = dt.timedelta(minutes=20)


@dataclass(frozen=True)
class Money:
    """What was read of an account at a block: its USDC, and what was transferred since `mark`."""

    height: int
    usdc: Decimal
    transferred: Decimal


@dataclass(frozen=True)
class Difference:
    """By how much the USDC changed, less transfers, and by how much the books say it did."""

    chain: Decimal
    booked: Decimal

    @property
    def amount(self) -> Decimal:
        return self.chain - self.booked

    @property
    def is_one(self) -> bool:
        """Whether it is more than what rounding and display may leave."""
        return abs(self.amount) > TOLERANCE

    def is_like(self, other: Difference | None) -> bool:
        """Whether another check found the same."""
        return other is not None and abs(self.amount - other.amount) <= TOLERANCE


class BalanceCheck:
    """Checks the money of one account. `run` asks the indexer only after something was booked, and
    once an hour.
    """

    def __init__(self, bench: Workbench, funding: FundingReader) -> None:
        self._bench = bench
        self._parts = bench.parts
        self._funding = funding
        self._suspected: Difference | None = None
        self._suspected_at = float("-inf")
        self._first: Decimal | None = None

    @property
    def suspects(self) -> bool:
        """Whether the last check saw a difference that the next ones confirm or clear."""
        return self._suspected is not None

    async def run(self, indexer: Indexer) -> bool:
        """True when money and books agree, or nothing happened; False when they do not, or nobody
        could say. To be called after fills and funding were read.
        """
        account, now = self._bench.account, self._parts.clock.now()
        due = self._funding.outstanding_since
        if due is not None and now - due < FUNDING_MAY_LACK:
            return False
        mark = await books.of_account(account.id)
        if await self._nothing_new(mark, now):
            return True
        try:
            read = await indexer.subaccount(account.address, account.subaccount_number)
            if read is None or read.latest_processed_block_height is None:
                return False
            height = read.latest_processed_block_height
            moved: list[Transfer] = []
            if mark is not None and mark.offset is not None and height > mark.height:
                moved = await indexer.transfers_between(
                    account.address, account.subaccount_number, mark.height, height
                )
        except IndexerError as error:
            log.info("the balance could not be read", account=account.id, error=str(error))
            return False
        money = Money(
            height, usdc_of(read), transferred(moved, account.address, account.subaccount_number)
        )
        async with self._bench.lock:
            return await self._compare(mark, money, now)

    async def _nothing_new(self, mark: AccountBooks | None, now: dt.datetime) -> bool:
        if mark is None or mark.offset is None or mark.checked_at is None or self._suspected:
            return False
        newest = await books.newest(self._bench.account.id)
        return newest == (mark.fill_id, mark.funding_id) and now - mark.checked_at < LOOK_ANYWAY

    async def _compare(self, mark: AccountBooks | None, money: Money, now: dt.datetime) -> bool:
        """The caller holds the lock: what is booked does not change meanwhile."""
        account = self._bench.account
        if await books.last_fill_height(account.id) > money.height:
            return False  # the books know more than what was read of the balance
        shares = await books.shares_of([account.id])
        booked = sum((book_of(row).cash for row in shares), ZERO)
        newest = await books.newest(account.id)
        if mark is None or mark.offset is None or mark.usdc is None:
            return await self._begin(money, booked, newest, now)
        if money.height < mark.height:
            return False  # an indexer that is behind the last one
        change = money.usdc - money.transferred - mark.usdc
        found = Difference(change, booked + mark.offset - mark.usdc)
        if found.is_one and not self._is_confirmed(found):
            return False
        self._suspected = None
        count = await books.count_since(account.id, mark.fill_id, mark.funding_id)
        rounding = min(max(found.amount, -ROUNDED_BY * count), ROUNDED_BY * count)
        kept = found.amount if found.is_one else rounding
        async with self._parts.ledger.executing():
            if found.is_one:
                await self._tell(found, mark.checked_at or now)
            await books.note(
                account.id,
                usdc=money.usdc,
                offset=mark.offset + money.transferred + kept,
                height=money.height,
                fill_id=newest[0],
                funding_id=newest[1],
                checked_at=now,
            )
        return not found.is_one

    def _is_confirmed(self, found: Difference) -> bool:
        """Whether a difference stands though all that may explain it was read since it was first
        seen. One that is new is noted, and funding is asked for.
        """
        now = self._parts.clock.monotonic()
        if not found.is_like(self._suspected):
            self._suspected, self._suspected_at = found, now
        if self._funding.read_at - self._suspected_at >= TOLD_AFTER.total_seconds():
            return True
        self._funding.doubt()
        return now - self._suspected_at >= FUNDING_MAY_LACK.total_seconds()

    async def _begin(
        self, money: Money, booked: Decimal, newest: tuple[int, int], now: dt.datetime
    ) -> bool:
        """Notes the balance that the next checks start from, once two in a row agree on it."""
        offset = money.usdc - booked
        first, self._first = self._first, offset
        if first is None or abs(first - offset) > TOLERANCE:
            return False
        self._first = None
        async with self._parts.ledger.executing():
            await books.note(
                self._bench.account.id,
                usdc=money.usdc,
                offset=offset,
                height=money.height,
                fill_id=newest[0],
                funding_id=newest[1],
                checked_at=now,
            )
        return True

    async def _tell(self, found: Difference, since: dt.datetime) -> None:
        account = self._bench.account
        log.warning("money and books differ", account=account.id, difference=str(found.amount))
        self._parts.observer.mismatch()
        event = BalanceDiffers(
            account.id, format(found.chain, "f"), format(found.booked, "f"), since.isoformat()
        )
        key = f"balance:{account.id}:{self._parts.clock.now().isoformat()}"
        await self._bench.tell(event, key, None)
        self._parts.outbox_bell.ring()


class ShareCheck:
    """Holds the shares of one account, with what was made by hand, against the chain."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._suspected: dict[str, tuple[Decimal, Decimal]] = {}
        self._told: dict[str, tuple[Decimal, Decimal]] = {}

    async def run(self, on_chain: Mapping[str, Decimal]) -> bool:
        """`on_chain`: the signed positions that the chain has committed, by ticker. A difference is
        told once two checks in a row find it, unless the books' position differs likewise: that is
        told already. False where there is one.
        """
        account = self._bench.account
        async with self._bench.lock:
            rows = await books.shares_of([account.id])
            held = await positions.open_of([account.id])
        booked = {row.ticker: signed_size(row) for row in held}
        kept = {row.ticker for row in rows if row.size}
        sums = {
            ticker: sum((row.size for row in rows if row.ticker == ticker), ZERO) for ticker in kept
        }
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for ticker in sums:
            chain = on_chain.get(ticker, ZERO)
            if sums[ticker] != chain and booked.get(ticker, ZERO) == chain:
                found[ticker] = (chain, sums[ticker])
        again = {t: pair for t, pair in found.items() if self._suspected.get(t) == pair}
        self._suspected = found
        self._told = {t: pair for t, pair in self._told.items() if found.get(t) == pair}
        for ticker, (chain, total) in again.items():
            if self._told.get(ticker) != (chain, total):
                await self._tell(ticker, chain, total)
                self._told[ticker] = (chain, total)
        return not found

    async def _tell(self, ticker: str, chain: Decimal, total: Decimal) -> None:
        account, parts = self._bench.account, self._bench.parts
        log.warning("shares and chain differ", account=account.id, ticker=ticker)
        parts.observer.mismatch()
        event = SharesDiffer(account.id, ticker, format(chain, "f"), format(total, "f"))
        async with parts.ledger.executing():
            key = f"shares:{account.id}:{ticker}:{chain}:{total}"
            await self._bench.tell(event, key, None)
        parts.outbox_bell.ring()


def usdc_of(read: Subaccount) -> Decimal:
    """The USDC of a subaccount, negative where it is owed. The indexer has added the funding that
    the chain has not settled yet. Source: docs/protocol.md, market mathematics.
    """
    total = ZERO
    for row in read.asset_positions.values():
        if row.symbol == "USDC":
            size = abs(row.size)
            total += size if row.side is PositionSide.LONG else -size
    return total


def transferred(rows: Sequence[Transfer], address: str, number: int) -> Decimal:
    """What these transfers brought a subaccount, less what they took from it, in USDC."""
    total = ZERO
    for row in rows:
        if row.symbol != "USDC":
            continue
        if (row.recipient.address, row.recipient.subaccount_number) == (address, number):
            total += row.size
        if (row.sender.address, row.sender.subaccount_number) == (address, number):
            total -= row.size
    return total
