"""REST routes about what was earned and paid over time: P&L, funding, trading rewards.

Source: docs/protocol.md, indexer REST.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any

from aiohttp import web

from core.paper.indexer.account_routes import Handler, unless_blocked
from core.paper.indexer.listing import OfAccount, is_before, is_parent, page_of
from core.paper.indexer.market_routes import TEN_SECONDS
from core.paper.indexer.records import FundingPaymentRow, PnlRow, RewardRow
from core.paper.indexer.service import Indexer
from core.paper.indexer.texts import EXACT, iso, number

Json = dict[str, Any]
_PERIODS = ("DAILY", "WEEKLY", "MONTHLY")
_PERIOD_TEXT = (
    f"period must be a valid Trading Reward Aggregation Period, one of {','.join(_PERIODS)}"
)
_MILLIONTH = Decimal(1).scaleb(-6)


def routes(indexer: Indexer) -> list[tuple[str, Handler, str | None]]:
    """(path, handler, Cache-Control)."""
    site = HistoryRoutes(indexer)
    parent = "/parentSubaccountNumber"
    listed: list[tuple[str, Handler]] = [
        ("/historical-pnl", site.historical_pnl),
        ("/historical-pnl" + parent, site.historical_pnl),
        ("/pnl", site.pnl),
        ("/pnl" + parent, site.pnl),
        ("/fundingPayments", site.funding_payments),
        ("/fundingPayments/parentSubaccount", site.funding_payments),
        ("/historicalBlockTradingRewards/{address}", site.block_rewards),
        ("/historicalTradingRewardAggregations/{address}", site.reward_periods),
    ]
    return [(path, unless_blocked(indexer, handler), TEN_SECONDS) for path, handler in listed]


class HistoryRoutes(OfAccount):
    """Handlers; each gives the body or raises Invalid."""

    async def historical_pnl(self, request: web.Request) -> Any:
        found, limit, page = self._pnl_rows(request)
        return page_of("historicalPnl", found, limit, page, _historical_pnl)

    async def pnl(self, request: web.Request) -> Any:
        found, limit, page = self._pnl_rows(request)
        if request.query.get("daily") == "true":
            found = _of_days(found)
        return page_of("pnl", found, limit, page, _pnl)

    async def funding_payments(self, request: web.Request) -> Any:
        checks, keys = self.whose(request)
        ticker = checks.ticker(self.rows.by_ticker)
        since = checks.time("afterOrAt")
        limit, page = checks.limit(), checks.page()
        checks.done()
        with_zeros = request.query.get("zeroPayments") == "true"
        found = [
            row
            for key in keys
            for row in self.rows.payments.get(key, [])
            if (ticker is None or self.ticker(row.market) == ticker)
            and (since is None or row.created_at >= since)
            and (with_zeros or row.payment)
        ]
        found.sort(key=lambda row: row.market, reverse=page is None and not is_parent(request))
        found.sort(key=lambda row: row.created_at, reverse=True)
        return page_of("fundingPayments", found, limit, page, self._payment)

    async def block_rewards(self, request: web.Request) -> Any:
        checks = self.checks(request)
        limit = checks.limit()
        before, at = checks.height("startingBeforeOrAtHeight"), checks.time("startingBeforeOrAt")
        checks.done()
        found = [
            row
            for row in reversed(self.rows.rewards.get(request.match_info["address"], []))
            if is_before(row.created_height, row.created_at, before, at)
        ]
        return {"rewards": [_reward(row) for row in found[:limit]]}

    async def reward_periods(self, request: web.Request) -> Any:
        checks = self.checks(request)
        period = checks.required_choice("period", _PERIODS, _PERIOD_TEXT)
        limit = checks.limit()
        before, at = checks.height("startingBeforeOrAtHeight"), checks.time("startingBeforeOrAt")
        checks.done()
        sums = _periods(self.rows.rewards.get(request.match_info["address"], []), period)
        now = self.rows.time or dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
        told = [
            _reward_period(period, start, row, is_over=_start_after(start, period) <= now)
            for start, row in reversed(sums.items())
            if is_before(row.created_height, start, before, at)
        ]
        return {"rewards": told[:limit]}

    def _pnl_rows(self, request: web.Request) -> tuple[list[PnlRow], int, int | None]:
        """The hourly rows that are asked for, newest first; a parent's are sums."""
        checks, keys = self.whose(request)
        limit, page = checks.limit(), checks.page()
        before, at = self.created(checks)
        after, since = checks.height("createdOnOrAfterHeight"), checks.time("createdOnOrAfter")
        checks.done()
        self.must_be_known(request, keys)
        found = [
            row
            for key in keys
            for row in self.rows.pnl.get(key, [])
            if is_before(row.block_height, row.created_at, before, at)
            and (after is None or row.block_height >= after)
            and (since is None or row.created_at >= since)
        ]
        if is_parent(request):
            found = _of_hours(found)
        return sorted(found, key=lambda row: -row.block_height), limit, page

    def _payment(self, row: FundingPaymentRow) -> Json:
        return {
            "subaccountNumber": str(row.subaccount.number),
            "createdAt": iso(row.created_at),
            "createdAtHeight": str(row.created_height),
            "perpetualId": str(row.market),
            "ticker": self.ticker(row.market),
            "oraclePrice": number(row.price),
            "size": number(row.size),
            "side": row.side,
            "rate": number(row.rate),
            "payment": number(row.payment),
            "fundingIndex": number(row.funding_index),
        }


def _of_hours(found: Iterable[PnlRow]) -> list[PnlRow]:
    """The sums of all subaccounts for each hour."""
    sums: dict[dt.datetime, PnlRow] = {}
    for row in found:
        held = sums.get(row.created_at)
        sums[row.created_at] = (
            row
            if held is None
            else replace(
                held,
                equity=EXACT.add(held.equity, row.equity),
                net_transfers=EXACT.add(held.net_transfers, row.net_transfers),
            )
        )
    return list(sums.values())


def _of_days(found: list[PnlRow]) -> list[PnlRow]:
    """The last row of each day, newest first, under the day's first moment."""
    days: dict[dt.datetime, PnlRow] = {}
    for row in found:
        day = row.created_at.replace(hour=0, minute=0, second=0, microsecond=0)
        days.setdefault(day, replace(row, created_at=day))
    return list(days.values())


def _historical_pnl(row: PnlRow) -> Json:
    total = EXACT.subtract(row.equity, row.net_transfers)
    return {
        "equity": _six_places(row.equity),
        "totalPnl": _six_places(total),
        "netTransfers": _six_places(row.net_transfers),
        "createdAt": iso(row.block_time),
        "blockHeight": str(row.block_height),
        "blockTime": iso(row.block_time),
    }


def _pnl(row: PnlRow) -> Json:
    return {
        "equity": number(row.equity),
        "netTransfers": number(row.net_transfers),
        "totalPnl": number(EXACT.subtract(row.equity, row.net_transfers)),
        "createdAt": iso(row.created_at),
        "createdAtHeight": str(row.block_height),
    }


def _six_places(value: Decimal) -> str:
    return f"{value.quantize(_MILLIONTH, context=EXACT):f}"


def _reward(row: RewardRow) -> Json:
    return {
        "tradingReward": number(row.amount),
        "createdAt": iso(row.created_at),
        "createdAtHeight": str(row.created_height),
    }


def _start_of(at: dt.datetime, period: str) -> dt.datetime:
    """The first moment of the day, the week (from Monday) or the month."""
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "WEEKLY":
        return day - dt.timedelta(days=day.weekday())
    return day.replace(day=1) if period == "MONTHLY" else day


def _start_after(start: dt.datetime, period: str) -> dt.datetime:
    if period == "MONTHLY":
        return (start + dt.timedelta(days=32)).replace(day=1)
    return start + dt.timedelta(days=7 if period == "WEEKLY" else 1)


def _periods(rewards: list[RewardRow], period: str) -> dict[dt.datetime, RewardRow]:
    """Sums by period, oldest first, each with the height of its first reward."""
    sums: dict[dt.datetime, RewardRow] = {}
    for row in rewards:
        start = _start_of(row.created_at, period)
        held = sums.get(start)
        sums[start] = (
            row if held is None else replace(held, amount=EXACT.add(held.amount, row.amount))
        )
    return sums


def _reward_period(period: str, start: dt.datetime, row: RewardRow, *, is_over: bool) -> Json:
    return {
        "tradingReward": number(row.amount),
        "startedAt": iso(start),
        "startedAtHeight": str(row.created_height),
        "endedAt": iso(_start_after(start, period)) if is_over else None,
        "endedAtHeight": str(row.created_height) if is_over else None,
        "period": period,
    }
