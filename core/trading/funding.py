"""Funding payments: each is booked once, on the position that was open when it fell due.

The chain settles funding when it next touches an account and tells nobody; the indexer lists what
each position paid at each full hour, within about 20 seconds. Full hours that the chain stood over
are made up for when it goes on, one a block. Source: docs/protocol.md, funding.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import structlog

from core.dydx.enums import PositionSide
from core.dydx.indexer import Indexer, IndexerError
from core.dydx.indexer_types import FundingPayment
from core.ledger import accounts, books, positions
from core.ledger.models import Position
from core.trading.share_keeper import Holders
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

HOUR: Final = dt.timedelta(hours=1)
TOLD_AFTER: Final = dt.timedelta(seconds=25)
"""How long after the full hour the indexer has usually written its payments."""
A_BLOCK: Final = dt.timedelta(seconds=1.5)
GIVEN_UP_AFTER: Final = dt.timedelta(hours=3)
RETRY_S: Final = (15.0, 30.0, 60.0, 120.0, 300.0, 600.0)


class FundingReader:
    """Reads the payments of one account. `run` asks the indexer only where a position was open over
    a full hour whose payments are not known.
    """

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench
        self._parts = bench.parts
        self._outstanding_since: dt.datetime | None = None
        self._attempts = 0
        self._not_before = float("-inf")
        self._seen_idle_until: dt.datetime | None = None
        self._doubted = False
        self._read_at = float("-inf")

    @property
    def outstanding_since(self) -> dt.datetime | None:
        """The full hour whose payments are due and not known; None when all are booked."""
        return self._outstanding_since

    @property
    def read_at(self) -> float:
        """When the indexer last told all payments, in seconds of the monotonic counter."""
        return self._read_at

    def doubt(self) -> None:
        """Money came or went that the books do not explain: the next run asks, due or not. A
        payment that was made late falls due for positions that were not open at the full hour.
        """
        self._doubted = True

    async def run(self, indexer: Indexer) -> bool:
        """Books what was paid since the last time; False while a payment is due and not known.

        To be called after fills were read: a payment is booked once the fills up to its block are.
        """
        account, now = self._bench.account, self._parts.clock.now()
        due = _full_hour(now - TOLD_AFTER)
        doubted = self._doubted
        if not doubted and self._seen_idle_until is not None and self._seen_idle_until >= due:
            return True
        row = await books.of_account(account.id)
        since = (row.funding_read_to if row is not None else None) or account.created_at
        held = await books.open_between(account.id, since, due + A_BLOCK)
        missing = first_due([(one.opened_at, one.closed_at) for one in held], since, due)
        if missing is None and not doubted:
            self._settled(due)
            return True
        self._outstanding_since = missing
        if not doubted and self._parts.clock.monotonic() < self._not_before:
            return False
        try:
            rows = await indexer.all_funding_since(
                account.address, account.subaccount_number, since
            )
        except IndexerError as error:
            log.info("funding could not be read", account=account.id, error=str(error))
            self._wait()
            return False
        bookable = [row for row in rows if row.created_at_height <= account.fills_height]
        read_to = max((row.created_at for row in bookable), default=None)
        if bookable and read_to is not None:
            await self._book(bookable, read_to)
        if len(bookable) < len(rows):
            return False
        self._doubted, self._read_at = False, self._parts.clock.monotonic()
        if missing is None or (read_to is not None and are_all_made(read_to, due, now)):
            self._settled(due)
            return True
        await self._wait_for(missing)
        return False

    def _settled(self, due: dt.datetime) -> None:
        self._seen_idle_until = due
        self._outstanding_since = None
        self._attempts, self._not_before = 0, float("-inf")

    async def _wait_for(self, missing: dt.datetime) -> None:
        """An hour without payments is asked for less and less, and given up in the end: over one in
        which the chain stood nothing was paid.
        """
        self._wait()
        if self._parts.clock.now() - missing < GIVEN_UP_AFTER:
            return
        log.warning("no funding was paid", account=self._bench.account.id, hour=missing.isoformat())
        async with self._bench.lock, self._parts.ledger.executing():
            await books.note(self._bench.account.id, funding_read_to=missing)

    def _wait(self) -> None:
        pause = RETRY_S[min(self._attempts, len(RETRY_S) - 1)]
        self._attempts += 1
        self._not_before = self._parts.clock.monotonic() + pause

    async def _book(self, rows: Sequence[FundingPayment], read_to: dt.datetime) -> None:
        account = self._bench.account
        async with self._bench.lock, self._parts.ledger.executing():
            await accounts.lock(account.id)
            known = await books.known_fundings(account.id, rows[0].created_at)
            for row in rows:
                paid_before = row.created_at_height <= (account.since_height or 0)
                if paid_before or (row.ticker, row.created_at) in known:
                    continue
                await self._book_one(row)
            await books.note(account.id, funding_read_to=read_to)

    async def _book_one(self, row: FundingPayment) -> None:
        account = self._bench.account
        size = row.size if row.side is PositionSide.LONG else -row.size
        position = await books.open_at(account.id, row.ticker, row.created_at)
        await books.add_funding(
            account_id=account.id,
            partition=account.partition,
            position_id=position.id if position is not None else None,
            ticker=row.ticker,
            size=size,
            rate=row.rate,
            oracle_price=row.oracle_price,
            payment=row.payment,
            height=row.created_at_height,
            at=row.created_at,
        )
        if not row.payment:
            return
        holding = await self._holding(position, row)
        held = await positions.open_in(account.id, row.ticker)
        holders = await Holders.load(account, row.ticker, held)
        await holders.pay(row.payment, row.created_at, holding)
        if position is not None:
            await books.add_position_funding(position, row.payment)
        else:
            log.warning("funding of an unknown position", account=account.id, ticker=row.ticker)

    async def _holding(self, position: Position | None, row: FundingPayment) -> dict[int, Decimal]:
        """The shares of the market when the payment fell due."""
        found = await books.sizes_at(self._bench.account.id, row.ticker, row.created_at)
        if not found and position is not None and position.strategy_id is not None:
            return {position.strategy_id: Decimal(1)}
        return found


def first_due(
    spans: Sequence[tuple[dt.datetime, dt.datetime | None]], since: dt.datetime, until: dt.datetime
) -> dt.datetime | None:
    """The first full hour after `since`, up to `until`, at which one of the positions was open;
    `spans` are their times of opening and closing, None while open. Pure.

    Fills of the hour's own block come before its funding: its time lies within a block of the hour.
    """
    found = []
    for opened, closed in spans:
        hour = _full_hour(max(since, opened - A_BLOCK)) + HOUR
        if hour <= until and (closed is None or closed >= hour):
            found.append(hour)
    return min(found, default=None)


def are_all_made(last: dt.datetime, due: dt.datetime, now: dt.datetime) -> bool:
    """Whether no payment up to the full hour `due` is missing, where the `last` that is known was
    made then. One made later than in the hour's first block may be that of an earlier hour, and
    more follow in the next blocks. Pure.
    """
    return last >= due and (last - due <= A_BLOCK or now - last >= TOLD_AFTER)


def _full_hour(moment: dt.datetime) -> dt.datetime:
    """The last full hour at or before a moment."""
    return moment.replace(minute=0, second=0, microsecond=0)
