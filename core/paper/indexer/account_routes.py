"""REST routes about subaccounts. Source: docs/protocol.md, indexer REST."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from core.paper.indexer import order_shapes, shapes, views
from core.paper.indexer.checks import (
    FILL_TYPES,
    ORDER_STATUSES,
    ORDER_TYPES,
    Invalid,
    refusal,
)
from core.paper.indexer.faults import BLOCK_TEXTS
from core.paper.indexer.listing import OfAccount, is_before, no_parent, page_of
from core.paper.indexer.market_routes import SECOND
from core.paper.indexer.records import ZERO, FillRow, MemoryOrder, OrderRow, TransferRow
from core.paper.indexer.service import Indexer
from core.paper.indexer.texts import from_unix, number

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
    ]
    return [(path, unless_blocked(indexer, handler), cache) for path, handler, cache in listed]


def unless_blocked(indexer: Indexer, handler: Handler) -> Handler:
    """Refuse every address with 403 while the fault is on; an order by its id names no address."""

    async def answer(request: web.Request) -> Any:
        code = indexer.faults.address_blocked
        if code is not None and "orderId" not in request.match_info:
            raise Invalid(403, [{"code": code, "msg": BLOCK_TEXTS[code]}])
        return await handler(request)

    return answer


class AccountRoutes(OfAccount):
    """Handlers; each gives the body or raises Invalid."""

    async def address(self, request: web.Request) -> Any:
        address = request.match_info["address"]
        found = [row for key, row in self.rows.subaccounts.items() if key.owner == address]
        if not found:
            raise refusal(404, f"No subaccounts found for address {address}")
        found.sort(key=lambda row: row.key.number)
        return {
            "subaccounts": [views.subaccount(self.rows, row) for row in found],
            "totalTradingRewards": number(
                sum((row.amount for row in self.rows.rewards.get(address, [])), ZERO)
            ),
        }

    async def subaccount(self, request: web.Request) -> Any:
        checks = self.checks(request)
        n = checks.subaccount()
        checks.done()
        key = self.known(request.match_info["address"], n)
        return {"subaccount": views.subaccount(self.rows, self.rows.subaccounts[key])}

    async def parent_subaccount(self, request: web.Request) -> Any:
        checks = self.checks(request)
        parent = checks.parent()
        checks.done()
        address = request.match_info["address"]
        found = views.parent_subaccount(self.rows, address, parent)
        if found is None:
            raise refusal(404, no_parent(address, parent))
        return {"subaccount": found}

    async def positions(self, request: web.Request) -> Any:
        checks, keys = self.whose(request)
        text = "status must be a valid Position Status (OPEN, etc)"
        statuses = checks.choices("status", POSITION_STATUSES, text)
        limit = checks.limit()
        before, at = self.created(checks)
        checks.done()
        found = [
            views.position(self.rows, row)
            for row in views.positions(self.rows, keys)
            if (statuses is None or row.status in statuses)
            and is_before(row.created_height, row.created_at, before, at)
        ]
        return {"positions": found[:limit]}

    async def assets(self, request: web.Request) -> Any:
        checks, keys = self.whose(request)
        checks.done()
        self.must_be_known(request, keys)
        rows = [self.rows.subaccounts[key] for key in keys if key in self.rows.subaccounts]
        held = [views.asset(self.rows, row) for row in rows]
        return {"positions": [each for each in held if each is not None]}

    async def orders(self, request: web.Request) -> Any:
        checks, keys = self.whose(request)
        limit = checks.limit()
        ticker = checks.ticker(self.rows.by_ticker)
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
        oldest_first = "returnLatestOrders" in request.query
        found = [
            row
            for row in views.orders(self.rows, keys, oldest_first=oldest_first)
            if (ticker is None or self.ticker(row.order.key.clob_pair_id) == ticker)
            and (side is None or row.order.side == side)
            and (kind is None or _has_type(row, kind))
            and (included is None or _type(row) in included)
            and (excluded is None or _type(row) not in excluded)
            and (statuses is None or row.status in statuses)
            and _is_within(row, bounds)
        ]
        return [views.order(self.rows, row) for row in found[:limit]]

    async def order(self, request: web.Request) -> Any:
        checks = self.checks(request)
        order_id = checks.order_id()
        checks.done()
        row = self.rows.orders.get(order_id) or self.rows.memory.get(order_id)
        if row is None:
            raise refusal(404, f"Unable to find order id {order_id}")
        return views.order(self.rows, row)

    async def fills(self, request: web.Request) -> Any:
        checks, keys = self.whose(request)
        market = checks.market_pair()
        limit, page = checks.limit(), checks.page()
        before, at = self.created(checks)
        included = checks.choices("includeTypes", FILL_TYPES)
        excluded = checks.choices("excludeTypes", FILL_TYPES)
        checks.done()
        if market is not None:
            kind = request.query["marketType"]
            if kind != "PERPETUAL" or market not in self.rows.by_ticker:
                raise refusal(404, f"{market} not found in markets of type {kind}")
        found = [
            fill
            for key in keys
            for fill in self.rows.fills.get(key, [])
            if (market is None or self.ticker(fill.market) == market)
            and (included is None or fill.kind in included)
            and (excluded is None or fill.kind not in excluded)
            and is_before(fill.created_height, fill.created_at, before, at)
        ]
        found.sort(key=lambda fill: (fill.created_height, fill.event_id))
        if page is None:
            found.reverse()
        return page_of("fills", found, limit, page, self._fill)

    async def transfers(self, request: web.Request) -> Any:
        checks, keys = self.whose(request)
        limit, page = checks.limit(), checks.page()
        before, at = self.created(checks)
        checks.done()
        self.must_be_known(request, keys)
        is_parent = "parentSubaccountNumber" in request.query
        ours = {(key.owner, key.number) for key in keys}

        def concerns(row: TransferRow) -> bool:
            sent = (row.sender, row.sender_number) in ours
            received = (row.recipient, row.recipient_number) in ours
            return sent != received if is_parent else sent or received

        found = [
            row
            for row in reversed(self.rows.transfers)
            if concerns(row) and is_before(row.created_height, row.created_at, before, at)
        ]

        def shown(row: TransferRow) -> Json:
            incoming = (row.recipient, row.recipient_number) in ours
            return shapes.transfer_rest(row, incoming=incoming, parent=is_parent)

        return page_of("transfers", found, limit, page, shown)

    def _fill(self, fill: FillRow) -> Json:
        return shapes.fill_rest(fill, self.rows.markets[fill.market])


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
