"""REST routes about subaccounts. Source: docs/protocol.md, indexer REST."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web

from core.paper.happenings import SubaccountKey
from core.paper.indexer import order_shapes, shapes, views
from core.paper.indexer.checks import (
    FILL_TYPES,
    ORDER_STATUSES,
    ORDER_TYPES,
    Checks,
    Invalid,
    refusal,
)
from core.paper.indexer.faults import BLOCK_TEXTS
from core.paper.indexer.market_routes import SECOND, TEN_SECONDS
from core.paper.indexer.records import ZERO, FillRow, MemoryOrder, OrderRow, TransferRow
from core.paper.indexer.service import Indexer
from core.paper.indexer.texts import from_unix, iso, number

Json = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[Any]]
POSITION_STATUSES = ("OPEN", "CLOSED", "LIQUIDATED")


def routes(indexer: Indexer) -> list[tuple[str, Handler, str | None]]:
    """(path, handler, Cache-Control)."""
    site = AccountRoutes(indexer)
    parent = "/parentSubaccountNumber"
    listed: list[tuple[str, Handler, str]] = [
        ("/addresses/{address}", site.address, SECOND),
        ("/addresses/{address}/subaccountNumber/{subaccountNumber}", site.subaccount, SECOND),
        (
            "/addresses/{address}/parentSubaccountNumber/{parentSubaccountNumber}",
            site.parent_subaccount,
            SECOND,
        ),
        ("/perpetualPositions", site.positions, SECOND),
        ("/perpetualPositions" + parent, site.positions, SECOND),
        ("/assetPositions", site.assets, SECOND),
        ("/assetPositions" + parent, site.assets, SECOND),
        ("/orders", site.orders, SECOND),
        ("/orders" + parent, site.orders, SECOND),
        ("/orders/{orderId}", site.order, SECOND),
        ("/fills", site.fills, SECOND),
        ("/fills" + parent, site.fills, SECOND),
        ("/transfers", site.transfers, SECOND),
        ("/transfers" + parent, site.transfers, SECOND),
        ("/historical-pnl", site.historical_pnl, TEN_SECONDS),
        ("/historical-pnl" + parent, site.historical_pnl, TEN_SECONDS),
        ("/pnl", site.pnl, TEN_SECONDS),
        ("/pnl" + parent, site.pnl, TEN_SECONDS),
        ("/fundingPayments", site.funding_payments, TEN_SECONDS),
        ("/fundingPayments/parentSubaccount", site.funding_payments, TEN_SECONDS),
    ]
    return [(path, _unless_blocked(indexer, handler), cache) for path, handler, cache in listed]


def _unless_blocked(indexer: Indexer, handler: Handler) -> Handler:
    """Refuse every address with 403 while the fault is on; an order by its id names no address."""

    async def answer(request: web.Request) -> Any:
        code = indexer.faults.address_blocked
        if code is not None and "orderId" not in request.match_info:
            raise Invalid(403, [{"code": code, "msg": BLOCK_TEXTS[code]}])
        return await handler(request)

    return answer


class AccountRoutes:
    """Handlers; each gives the body or raises Invalid."""

    def __init__(self, indexer: Indexer) -> None:
        self._rows = indexer.rows

    async def address(self, request: web.Request) -> Any:
        address = request.match_info["address"]
        found = [row for key, row in self._rows.subaccounts.items() if key.owner == address]
        if not found:
            raise refusal(404, f"No subaccounts found for address {address}")
        found.sort(key=lambda row: row.key.number)
        return {
            "subaccounts": [views.subaccount(self._rows, row) for row in found],
            "totalTradingRewards": number(self._rows.rewards.get(address, ZERO)),
        }

    async def subaccount(self, request: web.Request) -> Any:
        checks = self._checks(request)
        n = checks.subaccount()
        checks.done()
        key = self._known(request.match_info["address"], n)
        return {"subaccount": views.subaccount(self._rows, self._rows.subaccounts[key])}

    async def parent_subaccount(self, request: web.Request) -> Any:
        checks = self._checks(request)
        parent = checks.parent()
        checks.done()
        address = request.match_info["address"]
        found = views.parent_subaccount(self._rows, address, parent)
        if found is None:
            raise refusal(404, _no_parent(address, parent))
        return {"subaccount": found}

    async def positions(self, request: web.Request) -> Any:
        checks, keys = self._whose(request)
        text = "status must be a valid Position Status (OPEN, etc)"
        statuses = checks.choices("status", POSITION_STATUSES, text)
        limit = checks.limit()
        before, at = self._created(checks)
        checks.done()
        found = [
            views.position(self._rows, row)
            for row in views.positions(self._rows, keys)
            if (statuses is None or row.status in statuses)
            and _is_before(row.created_height, row.created_at, before, at)
        ]
        return {"positions": found[:limit]}

    async def assets(self, request: web.Request) -> Any:
        checks, keys = self._whose(request)
        checks.done()
        self._must_be_known(request, keys)
        rows = [self._rows.subaccounts[key] for key in keys if key in self._rows.subaccounts]
        return {"positions": [shapes.asset_rest(row.key, row.usdc) for row in rows if row.usdc]}

    async def orders(self, request: web.Request) -> Any:
        checks, keys = self._whose(request)
        limit = checks.limit()
        ticker = checks.ticker(self._rows.by_ticker)
        side = checks.choice("side", ("BUY", "SELL"))
        kind = checks.choice("type", ORDER_TYPES)
        included = checks.choices("includeTypes", ORDER_TYPES)
        excluded = checks.choices("excludeTypes", ORDER_TYPES)
        statuses = checks.choices("status", ORDER_STATUSES)
        bounds = [
            checks.height("goodTilBlockBeforeOrAt"),
            checks.height("goodTilBlockAfter"),
            checks.time("goodTilBlockTimeBeforeOrAt"),
            checks.time("goodTilBlockTimeAfter"),
        ]
        checks.done()
        found = [
            row
            for row in views.orders(self._rows, keys)
            if (ticker is None or self._ticker(row.order.key.clob_pair_id) == ticker)
            and (side is None or row.order.side == side)
            and (kind is None or _has_type(row, kind))
            and (included is None or _type(row) in included)
            and (excluded is None or _type(row) not in excluded)
            and (statuses is None or row.status in statuses)
            and _is_within(row, bounds)
        ]
        if "returnLatestOrders" in request.query:
            found.reverse()
        return [views.order(self._rows, row) for row in found[:limit]]

    async def order(self, request: web.Request) -> Any:
        checks = self._checks(request)
        order_id = checks.order_id()
        checks.done()
        row = self._rows.orders.get(order_id) or self._rows.memory.get(order_id)
        if row is None:
            raise refusal(404, f"Unable to find order id {order_id}")
        return views.order(self._rows, row)

    async def fills(self, request: web.Request) -> Any:
        checks, keys = self._whose(request)
        market = checks.market_pair()
        limit, page = checks.limit(), checks.page()
        before, at = self._created(checks)
        included = checks.choices("includeTypes", FILL_TYPES)
        excluded = checks.choices("excludeTypes", FILL_TYPES)
        checks.done()
        if market is not None:
            kind = request.query["marketType"]
            if kind != "PERPETUAL" or market not in self._rows.by_ticker:
                raise refusal(404, f"{market} not found in markets of type {kind}")
        found = [
            fill
            for key in keys
            for fill in self._rows.fills.get(key, [])
            if (market is None or self._ticker(fill.market) == market)
            and (included is None or fill.kind in included)
            and (excluded is None or fill.kind not in excluded)
            and _is_before(fill.created_height, fill.created_at, before, at)
        ]
        found.sort(key=lambda fill: (fill.created_height, fill.event_id))
        if page is None:
            found.reverse()
        return _page("fills", found, limit, page, self._fill)

    async def transfers(self, request: web.Request) -> Any:
        checks, keys = self._whose(request)
        limit, page = checks.limit(), checks.page()
        before, at = self._created(checks)
        checks.done()
        self._must_be_known(request, keys)
        is_parent = "parentSubaccountNumber" in request.query
        ours = {(key.owner, key.number) for key in keys}

        def concerns(row: TransferRow) -> bool:
            sent = (row.sender, row.sender_number) in ours
            received = (row.recipient, row.recipient_number) in ours
            return sent != received if is_parent else sent or received

        found = [
            row
            for row in reversed(self._rows.transfers)
            if concerns(row) and _is_before(row.created_height, row.created_at, before, at)
        ]

        def shown(row: TransferRow) -> Json:
            incoming = (row.recipient, row.recipient_number) in ours
            return shapes.transfer_rest(row, incoming=incoming, parent=is_parent)

        return _page("transfers", found, limit, page, shown)

    async def historical_pnl(self, request: web.Request) -> Any:
        return self._pnl_rows(request, "historicalPnl")

    async def pnl(self, request: web.Request) -> Any:
        return self._pnl_rows(request, "pnl")

    async def funding_payments(self, request: web.Request) -> Any:
        """No funding is paid on the paper network yet, so the list is empty."""
        checks, _ = self._whose(request)
        checks.ticker(self._rows.by_ticker)
        checks.time("afterOrAt")
        limit, page = checks.limit(), checks.page()
        checks.done()
        return _page("fundingPayments", [], limit, page, dict)

    def _pnl_rows(self, request: web.Request, name: str) -> Json:
        checks, keys = self._whose(request)
        limit, page = checks.limit(), checks.page()
        before, at = self._created(checks)
        after, since = checks.height("createdOnOrAfterHeight"), checks.time("createdOnOrAfter")
        checks.done()
        self._must_be_known(request, keys)
        found = [
            row
            for key in keys
            for row in reversed(self._rows.pnl.get(key, []))
            if _is_before(row.block_height, row.created_at, before, at)
            and (after is None or row.block_height >= after)
            and (since is None or row.created_at >= since)
        ]
        found.sort(key=lambda row: -row.block_height)

        def shown(row: Any) -> Json:
            total = number(row.equity - row.net_transfers)
            equity, net = number(row.equity), number(row.net_transfers)
            if name == "pnl":
                return {
                    "equity": equity,
                    "netTransfers": net,
                    "totalPnl": total,
                    "createdAt": iso(row.created_at),
                    "createdAtHeight": str(row.block_height),
                }
            return {
                "equity": equity,
                "totalPnl": total,
                "netTransfers": net,
                "createdAt": iso(row.created_at),
                "blockHeight": str(row.block_height),
                "blockTime": iso(row.block_time),
            }

        return _page(name, found, limit, page, shown)

    def _checks(self, request: web.Request) -> Checks:
        return Checks(request.query, request.match_info)

    def _whose(self, request: web.Request) -> tuple[Checks, list[SubaccountKey]]:
        """The subaccounts that a list is about: one, or all of a parent."""
        checks = self._checks(request)
        address = checks.address()
        if "/parentSubaccount" in request.path:
            parent = checks.parent()
            return checks, [row.key for row in views.children(self._rows, address, parent)]
        return checks, [SubaccountKey(address, checks.subaccount())]

    def _created(self, checks: Checks) -> tuple[int | None, dt.datetime | None]:
        return checks.height("createdBeforeOrAtHeight"), checks.time("createdBeforeOrAt")

    def _known(self, address: str, n: int) -> SubaccountKey:
        key = SubaccountKey(address, n)
        if key not in self._rows.subaccounts:
            text = f"No subaccount found with address {address} and subaccountNumber {n}"
            raise refusal(404, text)
        return key

    def _must_be_known(self, request: web.Request, keys: list[SubaccountKey]) -> None:
        if "/parentSubaccount" not in request.path:
            self._known(keys[0].owner, keys[0].number)
        elif not keys:
            parent = int(request.query["parentSubaccountNumber"])
            raise refusal(404, _no_parent(request.query["address"], parent))

    def _ticker(self, clob_pair_id: int) -> str:
        return self._rows.markets[clob_pair_id].ticker

    def _fill(self, fill: FillRow) -> Json:
        return shapes.fill_rest(fill, self._rows.markets[fill.market])


def _no_parent(address: str, parent: int) -> str:
    return f"No subaccounts found for address {address} and parentSubaccountNumber {parent}"


def _is_before(
    height: int, created: dt.datetime, before: int | None, at: dt.datetime | None
) -> bool:
    return (before is None or height <= before) and (at is None or created <= at)


def _type(row: OrderRow | MemoryOrder) -> str:
    return order_shapes.order_type(row.order, in_memory=isinstance(row, MemoryOrder))


def _has_type(row: OrderRow | MemoryOrder, wanted: str) -> bool:
    """Whether an order is of a type; LIMIT also finds a stop order that was triggered."""
    own = _type(row)
    if wanted == "LIMIT" and own == "STOP_LIMIT":
        return row.status == "OPEN"
    return own == wanted


def _is_within(row: OrderRow | MemoryOrder, bounds: list[Any]) -> bool:
    """Whether the expiry lies within bounds; a bound on the other kind of expiry excludes."""
    block, block_after, time, time_after = bounds
    order = row.order
    if block is not None or block_after is not None:
        good = order.good_til_block
        if good is None or (block is not None and good > block):
            return False
        if block_after is not None and good <= block_after:
            return False
    if time is not None or time_after is not None:
        if order.good_til_block_time is None:
            return False
        at = from_unix(order.good_til_block_time)
        if (time is not None and at > time) or (time_after is not None and at <= time_after):
            return False
    return True


def _page(
    name: str,
    found: Sequence[Any],
    limit: int,
    page: int | None,
    shown: Callable[[Any], Json],
) -> Json:
    """A list, with the page fields only when a page was asked for."""
    if page is None:
        return {name: [shown(row) for row in found[:limit]]}
    offset = (page - 1) * limit
    return {
        name: [shown(row) for row in found[offset : offset + limit]],
        "pageSize": limit,
        "totalResults": len(found),
        "offset": offset,
    }
