"""The REST client against a real HTTP server that behaves badly."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from aiohttp import web

from core.clock import SystemClock
from core.dydx.budget import Budget
from core.dydx.enums import OrderStatus, Resolution
from core.dydx.faucet import FaucetError, fund
from core.dydx.indexer import (
    BlockCode,
    Indexer,
    IndexerBlocked,
    IndexerRefused,
    IndexerUnreachable,
    IndexerUnreadable,
)
from core.dydx.network import Network, paper_network
from tests.core.dydx.dydx_kit import FastClock, StillClock, recording

ADDRESS = "dydx1slfxgxshuqeswcvuc07lv9slurk9pmzwfxcv4v"
Respond = Callable[[web.Request], Any]


class Site:
    """An HTTP server; `respond` decides what it answers."""

    def __init__(self) -> None:
        self.requests: list[web.Request] = []
        self.respond: Respond = lambda request: web.json_response({})
        self.port = 0

    async def start(self) -> web.AppRunner:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.requests.append(request)
            answer = self.respond(request)
            if asyncio.iscoroutine(answer):
                answer = await answer
            assert isinstance(answer, web.StreamResponse)
            return answer

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner

    @property
    def network(self) -> Network:
        return replace(paper_network(rest_port=self.port), name="paper")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    runner = await made.start()
    yield made
    await runner.cleanup()


@pytest.fixture
async def indexer(site: Site) -> AsyncIterator[Indexer]:
    made = Indexer(site.network, FastClock())
    yield made
    await made.close()


def recorded(path_begins: str, status: int = 200, *, exactly: bool = False) -> Any:
    """The longest recorded body of a route, or of all routes that begin like that."""
    bodies = [
        line["body"]
        for line in recording("rest")
        if line["path"].startswith(path_begins)
        and line["status"] == status
        and (not exactly or line["path"] == path_begins)
    ]
    return max(bodies, key=lambda body: len(str(body)))


def refusals() -> list[Any]:
    """All recorded bodies of 403."""
    return [line["body"] for line in recording("rest") if line["status"] == 403]


def answers(body: Any, status: int = 200, **headers: str) -> Respond:
    return lambda request: web.json_response(body, status=status, headers=headers)


async def test_recorded_answers_become_typed_values(site: Site, indexer: Indexer) -> None:
    async def get(path: str, call: Any) -> Any:
        site.respond = answers(recorded(path))
        return await call

    height = await get("/height", indexer.height())
    assert height.height > 1200
    assert height.time.tzinfo is not None
    markets = await get("/perpetualMarkets", indexer.perpetual_markets())
    assert all(row.ticker == ticker for ticker, row in markets.items())
    account = await get(f"/addresses/{ADDRESS}/sub", indexer.subaccount(ADDRESS, 0))
    assert account.address.startswith("dydx1")
    assert account.equity > 0
    orders = await get("/orders?", indexer.orders(ADDRESS, 0))
    assert {order.type for order in orders} >= {"LIMIT"}
    order = await get("/orders/30d59b35", indexer.order("whatever"))
    assert order.ticker
    fills = await get("/fills?", indexer.fills(ADDRESS, 0))
    assert fills[0].created_at_height >= fills[-1].created_at_height
    positions = await get("/perpetualPositions?", indexer.perpetual_positions(ADDRESS, 0))
    assert all((row.size < 0) == (row.side == "SHORT") for row in positions if row.size)
    assets = await get("/assetPositions?", indexer.asset_positions(ADDRESS, 0))
    assert assets[0].symbol == "USDC"
    transfers = await get("/transfers?", indexer.transfers(ADDRESS, 0))
    assert {row.type for row in transfers} >= {"TRANSFER_IN"}
    funding = await get("/fundingPayments?", indexer.funding_payments(ADDRESS, 0))
    assert funding[0].payment < 0
    candles = await get("/candles/", indexer.candles("SOL-USD", Resolution.ONE_MINUTE))
    assert candles[0].ticker == "SOL-USD"
    book = await get("/orderbooks/", indexer.orderbook("SOL-USD"))
    assert book.bids[0].price < book.asks[0].price
    trades = await get("/trades/", indexer.trades("SOL-USD"))
    assert trades[0].price > 0
    verdict = await get("/compliance/screen/", indexer.compliance(ADDRESS))
    assert verdict.status
    assert not (await get("/screen?address", indexer.restricted(ADDRESS))).restricted
    assert (await get("/time", indexer.time())).iso.tzinfo is not None
    site.respond = answers(recorded(f"/addresses/{ADDRESS}", exactly=True))
    everything = await indexer.subaccounts(ADDRESS)
    assert everything[0].address == ADDRESS
    rates = await get("/historicalFunding/SOL-USD", indexer.historical_funding("SOL-USD"))
    assert rates[0].ticker == "SOL-USD"
    for path, call in (("/historical-pnl?", indexer.historical_pnl), ("/pnl?", indexer.pnl)):
        ticks = await get(path, call(ADDRESS, 0))
        assert ticks[0].equity - ticks[0].net_transfers == ticks[0].total_pnl


PARENT_ROUTES = [
    ("orders", "/orders/parentSubaccountNumber"),
    ("fills", "/fills/parentSubaccountNumber"),
    ("perpetual_positions", "/perpetualPositions/parentSubaccountNumber"),
    ("asset_positions", "/assetPositions/parentSubaccountNumber"),
    ("transfers", "/transfers/parentSubaccountNumber"),
    ("funding_payments", "/fundingPayments/parentSubaccount"),
    ("historical_pnl", "/historical-pnl/parentSubaccountNumber"),
    ("pnl", "/pnl/parentSubaccountNumber"),
]


@pytest.mark.parametrize(("method", "path"), PARENT_ROUTES)
async def test_a_parent_and_its_children_are_asked_for_at_the_live_routes(
    site: Site, indexer: Indexer, method: str, path: str
) -> None:
    site.respond = answers(recorded(path + "?"))

    rows = await getattr(indexer, method)(ADDRESS, 1, parent=True)

    assert isinstance(rows, list)
    assert rows
    (request,) = site.requests
    assert request.path == "/v4" + path
    assert request.query["parentSubaccountNumber"] == "1"
    assert "subaccountNumber" not in request.query
    assert not [name for name in request.query if name.startswith("_")]


async def test_a_parent_is_read_with_its_children(site: Site, indexer: Indexer) -> None:
    site.respond = answers(recorded(f"/addresses/{ADDRESS}/parentSubaccountNumber/0"))

    parent = await indexer.parent_subaccount(ADDRESS, 0)

    assert parent is not None
    assert {child.subaccount_number % 128 for child in parent.child_subaccounts} == {0}


async def test_urgent_requests_overtake_those_in_bulk_and_accounts_are_served_in_turn(
    site: Site,
) -> None:
    indexer = Indexer(site.network, StillClock(), requests=2)
    site.respond = lambda request: web.json_response(
        recorded("/height") if request.path == "/v4/height" else {"fills": []}
    )
    await indexer.height()
    await indexer.height()
    bulk = [
        asyncio.create_task(indexer.in_bulk().fills(who, 0)) for who in ("a", "a", "a", "a", "b")
    ]
    await asyncio.sleep(0)
    urgent = asyncio.create_task(indexer.urgently().fills("unknown order", 0))
    height = asyncio.create_task(indexer.height())
    await asyncio.gather(*bulk, urgent, height)

    asked = [request.query.get("address", "height") for request in site.requests[2:]]
    assert set(asked[:2]) == {"unknown order", "height"}
    assert set(asked[2:4]) == {"a", "b"}  # not a second one of the greedy account
    assert indexer.waiting == 0
    await indexer.close()


async def test_a_recent_height_is_asked_for_once_for_all(site: Site) -> None:
    clock = StillClock()
    indexer = Indexer(site.network, clock)
    site.respond = answers(recorded("/height"))

    heights = [await view.recent_height() for view in (indexer, indexer.in_bulk(), indexer)]
    assert len(site.requests) == 1
    assert set(heights) == {int(recorded("/height")["height"])}
    clock.seconds += 6
    await indexer.recent_height()
    assert len(site.requests) == 2
    await indexer.close()


async def test_queries_carry_the_parameters_that_the_indexer_knows(
    site: Site, indexer: Indexer
) -> None:
    site.respond = answers({"fills": []})
    await indexer.fills(ADDRESS, 3, limit=7, before_height=99, ticker="ETH-USD")
    sent = dict(site.requests[-1].query)
    assert sent.pop("nonce")
    assert site.requests[-1].path == "/v4/fills"
    assert sent == {
        "address": ADDRESS,
        "subaccountNumber": "3",
        "limit": "7",
        "createdBeforeOrAtHeight": "99",
        "market": "ETH-USD",
        "marketType": "PERPETUAL",
    }

    site.respond = answers([])
    await indexer.orders(ADDRESS, 0, statuses=[OrderStatus.OPEN, OrderStatus.UNTRIGGERED])
    assert site.requests[-1].query["status"] == "OPEN,UNTRIGGERED"
    assert "returnLatestOrders" not in site.requests[-1].query

    site.respond = answers({"fundingPayments": []})
    await indexer.funding_payments(ADDRESS, 0, after=dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC))
    assert site.requests[-1].query["afterOrAt"] == "2026-01-02T03:00:00.000Z"

    site.respond = answers({"pnl": []})
    await indexer.pnl(ADDRESS, 2, since=dt.datetime(2026, 1, 2, tzinfo=dt.UTC), daily=True)
    assert dict(site.requests[-1].query) == {
        "address": ADDRESS,
        "subaccountNumber": "2",
        "createdOnOrAfter": "2026-01-02T00:00:00.000Z",
        "daily": "true",
        "limit": "100",
    }


async def test_what_the_indexer_does_not_know_is_none_or_empty(
    site: Site, indexer: Indexer
) -> None:
    site.respond = answers(recorded("/orders/", 404), 404)

    assert await indexer.subaccount(ADDRESS, 7) is None
    assert await indexer.order("0" * 36) is None
    assert await indexer.transfers(ADDRESS, 7) == []
    assert await indexer.asset_positions(ADDRESS, 7) == []
    assert await indexer.subaccounts(ADDRESS) == []
    assert await indexer.parent_subaccount(ADDRESS, 7) is None
    assert await indexer.historical_pnl(ADDRESS, 7) == []
    assert await indexer.pnl(ADDRESS, 7) == []


async def test_a_route_that_does_not_exist_is_no_empty_answer(site: Site, indexer: Indexer) -> None:
    site.respond = answers({"error": "Not Found", "errorCode": 404}, 404)

    with pytest.raises(IndexerRefused):
        await indexer.subaccount(ADDRESS, 0)


async def test_a_compliance_refusal_can_be_told_from_others(site: Site, indexer: Indexer) -> None:
    site.respond = answers(recorded("/orders?", 403), 403)
    with pytest.raises(IndexerBlocked) as caught:
        await indexer.orders(ADDRESS, 0)
    assert caught.value.code is BlockCode.GEOBLOCKED
    assert caught.value.status == 403

    site.respond = answers(
        next(b for b in refusals() if b["errors"][0]["code"] == "COMPLIANCE_BLOCKED"), 403
    )
    with pytest.raises(IndexerBlocked) as address:
        await indexer.fills(ADDRESS, 0)
    assert address.value.code is BlockCode.COMPLIANCE_BLOCKED

    site.respond = answers(recorded("/orders?", 400), 400)
    with pytest.raises(IndexerRefused) as other:
        await indexer.orders(ADDRESS, 0)
    assert not isinstance(other.value, IndexerBlocked)
    assert other.value.errors[0].msg

    site.respond = answers({"errors": [{"msg": "no", "code": "OTHER"}]}, 403)
    with pytest.raises(IndexerRefused) as unknown:
        await indexer.orders(ADDRESS, 0)
    assert not isinstance(unknown.value, IndexerBlocked)
    assert len(site.requests) == 4


async def test_too_many_requests_are_repeated_after_the_milliseconds_it_names(
    site: Site,
) -> None:
    clock = StillClock()
    indexer = Indexer(site.network, clock)
    site.respond = lambda request: (
        web.json_response(recorded("/height", 429), status=429, headers={"Retry-After": "2500"})
        if len(site.requests) == 1
        else web.json_response(recorded("/height"))
    )

    height = await indexer.height()

    assert height.height > 0
    assert indexer.refused_for_rate == 1
    assert 2.5 <= clock.seconds < 2.6
    await indexer.close()


async def test_an_absurd_retry_after_is_bounded(site: Site) -> None:
    clock = StillClock()
    indexer = Indexer(site.network, clock)
    site.respond = answers({"errors": [{"msg": "x"}]}, 429, **{"Retry-After": "86400000"})

    with pytest.raises(IndexerUnreachable, match="429"):
        await indexer.height()

    assert 20 <= clock.seconds < 21
    assert len(site.requests) == 3
    await indexer.close()


async def test_a_server_fault_is_repeated_and_then_told(site: Site, indexer: Indexer) -> None:
    site.respond = lambda request: (
        web.Response(status=502, text="bad gateway")
        if len(site.requests) < 3
        else web.json_response(recorded("/height"))
    )
    assert (await indexer.height()).height > 0
    assert len(site.requests) == 3

    site.respond = answers({"errors": [{"msg": "Internal Server Error"}]}, 500)
    with pytest.raises(IndexerUnreachable, match="500"):
        await indexer.height()
    assert len(site.requests) == 6


async def test_an_indexer_that_is_not_there_is_unreachable() -> None:
    indexer = Indexer(replace(paper_network(rest_port=1)), FastClock())

    with pytest.raises(IndexerUnreachable):
        await indexer.height()
    await indexer.close()


async def test_a_silent_indexer_is_unreachable_within_the_time_set(site: Site) -> None:
    released = asyncio.Event()

    async def wait(request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    site.respond = wait
    indexer = Indexer(site.network, SystemClock(), total_timeout_s=0.3)

    with pytest.raises(IndexerUnreachable):
        await indexer.height()
    released.set()
    await indexer.close()


@pytest.mark.parametrize("body", ["<html>", '{"height": "x"}', '{"time": "2026"}', "[]"])
async def test_an_answer_that_is_not_understood_is_never_taken_for_an_empty_one(
    site: Site, indexer: Indexer, body: str
) -> None:
    site.respond = lambda request: web.Response(text=body, content_type="application/json")

    with pytest.raises(IndexerUnreadable):
        await indexer.height()
    with pytest.raises(IndexerUnreadable):
        await indexer.fills(ADDRESS, 0)


async def test_a_fill_that_is_not_understood_fails_the_whole_query(
    site: Site, indexer: Indexer
) -> None:
    body = recorded("/fills?")
    body["fills"][3]["type"] = "SURPRISE"
    site.respond = answers(body)

    with pytest.raises(IndexerUnreadable):
        await indexer.fills(ADDRESS, 0)


@cache
def template() -> dict[str, Any]:
    row: dict[str, Any] = recorded("/fills?")["fills"][0]
    return row


def fill(number: int, height: int) -> dict[str, Any]:
    return template() | {"id": f"{number:036d}", "createdAtHeight": str(height)}


def serve(rows: list[dict[str, Any]]) -> Respond:
    """Answers /fills as the indexer does: newest first, cut at height and limit."""

    def respond(request: web.Request) -> web.Response:
        before = int(request.query.get("createdBeforeOrAtHeight", 10**9))
        found = [row for row in reversed(rows) if int(row["createdAtHeight"]) <= before]
        return web.json_response({"fills": found[: int(request.query["limit"])]})

    return respond


@pytest.mark.parametrize(
    "heights",
    [
        [],
        [5],
        list(range(1000)),
        [n // 7 for n in range(1000)],
        [10] * 99 + [11] * 250 + [12] * 30,
        [3] * 100,
    ],
)
async def test_all_fills_since_a_block_are_found_over_pages_oldest_first(
    site: Site, heights: list[int]
) -> None:
    indexer = Indexer(site.network, FastClock())
    rows = [fill(number, height) for number, height in enumerate(heights)]
    site.respond = serve(rows)

    for since in (0, 3, 11):
        found = await indexer.all_fills_since(ADDRESS, 0, since)
        assert [row.id for row in found] == [
            row["id"] for row in rows if int(row["createdAtHeight"]) >= since
        ]
    await indexer.close()


async def test_one_block_with_more_fills_than_a_page_holds_is_an_error_not_a_loss(
    site: Site, indexer: Indexer
) -> None:
    row = fill(0, 5)
    site.respond = serve([row | {"id": f"{number:036d}"} for number in range(1001)])

    with pytest.raises(IndexerUnreadable, match="one block"):
        await indexer.all_fills_since(ADDRESS, 0, 0)


async def test_no_two_fill_queries_can_share_a_cached_answer(site: Site, indexer: Indexer) -> None:
    site.respond = answers({"fills": []})

    for _ in range(5):
        await indexer.fills(ADDRESS, 0)

    assert len({str(request.rel_url) for request in site.requests}) == 5


async def test_connections_are_kept(site: Site, indexer: Indexer) -> None:
    site.respond = answers(recorded("/height"))
    for _ in range(5):
        await indexer.height()

    peers = {
        request.transport.get_extra_info("peername")
        for request in site.requests
        if request.transport is not None
    }
    assert len(peers) == 1


async def test_the_budget_of_the_indexer_is_kept() -> None:
    clock = StillClock()
    budget = Budget(clock, 100, 10.0)
    taken = []
    for _ in range(250):
        await budget.take()
        taken.append(clock.seconds)

    assert taken[99] == 0
    assert 10 <= taken[100] < 10.1
    for begin in range(150):
        assert taken[begin + 100] - taken[begin] >= 10


async def test_the_budget_is_kept_by_many_at_once() -> None:
    clock = StillClock()
    budget = Budget(clock, 5, 1.0)

    async def ask() -> float:
        await budget.take()
        return clock.seconds

    taken = sorted(await asyncio.gather(*(ask() for _ in range(20))))
    assert all(taken[n + 5] - taken[n] >= 1 for n in range(15))


async def test_the_faucet_is_asked_for_whole_dollars(site: Site) -> None:
    bodies = []

    async def give(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response({}, status=202)

    site.respond = give
    await fund(site.network, ADDRESS, 0, Decimal(1000))

    assert site.requests[0].path == "/faucet/tokens"
    assert bodies == [{"address": ADDRESS, "subaccountNumber": 0, "amount": 1000}]


async def test_a_faucet_that_gives_nothing_says_why(site: Site) -> None:
    site.respond = answers({"errors": [{"msg": "too often"}]}, 429)
    with pytest.raises(FaucetError, match="too often"):
        await fund(site.network, ADDRESS, 0, Decimal(1))
    with pytest.raises(FaucetError, match="could not be reached"):
        await fund(replace(site.network, faucet="http://127.0.0.1:1"), ADDRESS, 0, Decimal(1))
    with pytest.raises(FaucetError, match="no faucet"):
        await fund(replace(site.network, faucet=None), ADDRESS, 0, Decimal(1))
