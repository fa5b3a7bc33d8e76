"""Behaviours that clients see through the indexer, each case named by its number.

What code 0 hides (2), fills at the block and later (19), statuses before and without a fill (20),
what REST forgets and how it writes (21), conditional orders (22), the websocket (23), REST (24),
and what else a real network was seen to do (26).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from core.paper.happenings import BlockCommitted, Happening
from core.paper.indexer import views
from core.paper.indexer.faults import IndexerFaults
from core.paper.indexer.rows import Rows
from core.paper.indexer.texts import number
from core.paper.indexer.trade_history import trade_history
from tests.core.paper.chain_kit import BUY, GOVERNANCE, GTT, IOC, LINK, SELL, Trader, lab
from tests.core.paper.indexer_kit import (
    T,
    a_deposit,
    a_fill,
    a_order,
    desk,
    holding,
    listening,
    until,
)

LONG_TERM, CONDITIONAL, STOP = 64, 32, 1
Json = dict[str, Any]
Told = list[tuple[str, str | None]]


class Scene:
    """A chain at LINK 7.2 without a synthetic maker, and the indexer that hears it: the node's
    memory sooner than the block. A trades, B makes the market.
    """

    def __init__(self) -> None:
        self.lab = lab()
        self.lab.exchange.set_price("LINK-USD", Decimal("7.2"))
        self.lab.block()
        self.rows = Rows(GOVERNANCE.markets)
        self.rows.height = self.lab.exchange.height
        self.said: list[tuple[str, Json]] = []
        self._heard: list[Happening] = []
        self.lab.exchange.subscribe(self._heard.append)
        self.a, self.b = self.lab.funded(71), self.lab.funded(72)
        self.show()

    def show(self) -> None:
        """Let the indexer hear what was told so far."""
        heard = sorted(self._heard, key=lambda row: isinstance(row, BlockCommitted))
        self._heard.clear()
        for happening in heard:
            for update in self.rows.on(happening):
                if update.channel == "v4_subaccounts":
                    self.said.append((update.id, update.contents))

    def block(self, count: int = 1) -> None:
        for _ in range(count):
            self.show()
            self.lab.block()
            self.show()

    def place(self, one: Trader, side: int, size: str, price: str, **how: Any) -> tuple[str, int]:
        """Send an order; stateful ones are good for a minute, under the account's sequence."""
        if how.get("flags"):
            account = self.lab.exchange.account(one.address)
            assert account is not None
            until = int(self.lab.now.timestamp()) + how.pop("seconds", 60)
            sequence = account.sequence
            order = one.order(side, size, price, good_til_block_time=until, **how)
            result = self.lab.send(one, order, sequence=sequence)
        else:
            result = self.lab.place(one, side, size, price, **how)
        self.show()
        return result.codespace, result.code

    def stop(self, size: str, trigger: str, price: str, client_id: int) -> None:
        """A reduce-only stop of A that sells; in the chain's state when this returns."""
        subticks = int(Decimal(trigger).scaleb(9))
        how: Json = {"tif": IOC, "flags": CONDITIONAL, "reduce_only": True}
        condition = {"condition_type": STOP, "conditional_order_trigger_subticks": subticks}
        told = self.place(self.a, SELL, size, price, client_id=client_id, **how, **condition)
        assert told == ("", 0)
        self.block()

    def orders(self, client_id: int) -> Told:
        """What the stream said of an order of A: status and removal reason."""
        return [
            (order["status"], order.get("removalReason", "").removeprefix("ORDER_REMOVAL_REASON_"))
            for who, contents in self.said
            for order in contents.get("orders", [])
            if who == f"{self.a.address}/0" and order["clientId"] == str(client_id)
        ]

    def listed(self, client_id: int) -> Json | None:
        """An order of A as REST lists it."""
        found = [views.order(self.rows, row) for row in views.orders(self.rows, [self.a.key])]
        return next((each for each in found if each["clientId"] == str(client_id)), None)

    def bought(self, size: str) -> None:
        """A holds a long position, bought from B at 7.2."""
        self.place(self.b, SELL, size, "7.2", tif=GTT, client_id=90)
        self.place(self.a, BUY, size, "7.2", client_id=91)
        self.block()

    def price(self, usd: str) -> None:
        self.lab.exchange.set_price("LINK-USD", Decimal(usd))
        self.block()


RESTS = ("BEST_EFFORT_OPENED", "")
IOC_GONE = ("BEST_EFFORT_CANCELED", "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK")


def unfilled_ioc(scene: Scene) -> None:
    assert scene.place(scene.a, BUY, "10", "7", client_id=1) == ("", 0)
    assert scene.orders(1) == [RESTS, IOC_GONE]


def no_collateral(scene: Scene) -> None:
    scene.place(scene.b, SELL, "40000", "7.2", tif=GTT, client_id=2)
    assert scene.place(scene.a, BUY, "40000", "7.2", client_id=1) == ("", 0)
    assert scene.orders(1) == [RESTS, ("BEST_EFFORT_CANCELED", "UNDERCOLLATERALIZED")]


def a_cut_order(scene: Scene) -> None:
    scene.bought("10")
    scene.place(scene.b, BUY, "50", "7.1", tif=GTT, client_id=2)
    assert scene.place(scene.a, SELL, "50", "7.1", client_id=1, reduce_only=True) == ("", 0)
    scene.block()
    resized = ("BEST_EFFORT_CANCELED", "REDUCE_ONLY_RESIZE")
    assert scene.orders(1) == [RESTS, resized, resized, ("CANCELED", "")]
    shown = scene.listed(1)
    assert shown is not None
    assert (shown["status"], shown["totalFilled"]) == ("CANCELED", "10")


def a_fill_with_its_block(scene: Scene) -> None:
    scene.place(scene.b, SELL, "10", "7.2", tif=GTT, client_id=2)
    scene.place(scene.a, BUY, "10", "7.2", client_id=1)
    assert not any("fills" in contents for _, contents in scene.said)
    assert scene.rows.fills == {}
    scene.block()
    filled = [contents for who, contents in scene.said if "fills" in contents]
    assert {each["fills"][0]["liquidity"] for each in filled} == {"MAKER", "TAKER"}
    assert scene.orders(1) == [RESTS, ("FILLED", "")]


def canceled_before_its_fill(scene: Scene) -> None:
    scene.place(scene.b, SELL, "4", "7.2", tif=GTT, client_id=2)
    scene.place(scene.a, BUY, "10", "7.2", client_id=1)
    scene.block()
    assert scene.orders(1) == [RESTS, IOC_GONE, ("CANCELED", "")]


def opened_and_never_filled(scene: Scene) -> None:
    gtb = scene.lab.exchange.height + 3
    scene.place(scene.a, BUY, "10", "7", tif=GTT, client_id=1, gtb=gtb)
    scene.block(2)
    assert scene.orders(1) == [RESTS]
    scene.block(2)
    assert scene.orders(1) == [RESTS, ("CANCELED", "EXPIRED")]


def forgotten_without_a_fill(scene: Scene) -> None:
    scene.place(scene.a, BUY, "10", "7", tif=GTT, client_id=1)
    shown = scene.listed(1)
    assert shown is not None
    assert (shown["status"], shown["totalFilled"], shown["size"]) == (RESTS[0], "0", "10")
    assert "createdAt" not in shown
    scene.block(15)
    assert scene.listed(1) is None


def signed_sizes_and_texts(scene: Scene) -> None:
    scene.place(scene.b, BUY, "10", "7.2", tif=GTT, client_id=2)
    scene.place(scene.a, SELL, "10", "7.2", client_id=1)
    scene.block()
    position = views.position(scene.rows, scene.rows.open_positions(scene.a.key)[0])
    assert (position["side"], position["size"], position["maxSize"]) == ("SHORT", "-10", "-10")
    assert "market" in position
    shown = scene.listed(1)
    assert shown is not None
    assert "ticker" in shown
    assert "market" not in shown


def a_stop_fills(scene: Scene) -> None:
    scene.bought("10")
    scene.stop("10", "7.0", "6.5", 5)
    scene.place(scene.b, BUY, "10", "6.9", tif=GTT, client_id=3)
    scene.price("6.9")
    scene.block(2)
    assert [status for status, _ in scene.orders(5)] == ["UNTRIGGERED", "OPEN", "FILLED"]
    shown = scene.listed(5)
    assert shown is not None
    assert (shown["type"], shown["triggerPrice"], shown["totalFilled"]) == ("STOP_LIMIT", "7", "10")


def a_stop_finds_no_book(scene: Scene) -> None:
    scene.bought("10")
    scene.stop("10", "7.0", "6.5", 5)
    scene.price("6.9")
    scene.block(2)
    reason = IOC_GONE[1]
    assert scene.orders(5) == [("UNTRIGGERED", ""), IOC_GONE, ("OPEN", ""), ("CANCELED", reason)]


def a_dead_stop(scene: Scene) -> None:
    scene.bought("10")
    scene.stop("10", "7.0", "6.5", 5)
    scene.place(scene.b, BUY, "10", "7.1", tif=GTT, client_id=3)
    scene.place(scene.a, SELL, "10", "7.1", client_id=6, reduce_only=True)
    scene.block()
    scene.price("6.9")
    scene.block(5)
    dead = ("BEST_EFFORT_CANCELED", "REDUCE_ONLY_RESIZE")
    assert scene.orders(5) == [("UNTRIGGERED", ""), dead, ("OPEN", "")]
    shown = scene.listed(5)
    assert shown is not None
    assert shown["status"] == "OPEN"


def a_stateful_id_used_again(scene: Scene) -> None:
    how: Json = {"tif": GTT, "flags": LONG_TERM, "client_id": 7}
    scene.place(scene.a, BUY, "10", "7", seconds=3, **how)
    scene.block(6)
    assert scene.orders(7) == [("OPEN", ""), ("CANCELED", "EXPIRED"), ("CANCELED", "EXPIRED")]
    first = scene.listed(7)
    scene.place(scene.a, BUY, "4", "7", **how)
    scene.block()
    again = scene.listed(7)
    assert first is not None
    assert again is not None
    assert (first["id"], again["status"], again["size"]) == (again["id"], "OPEN", "4")
    assert int(again["createdAtHeight"]) > int(first["createdAtHeight"])


def one_fill_for_a_reversal(scene: Scene) -> None:
    scene.bought("20")
    scene.place(scene.b, BUY, "100", "7.1", tif=GTT, client_id=3)
    scene.place(scene.a, SELL, "50", "7.1", client_id=6)
    scene.block()
    newer, older = views.positions(scene.rows, [scene.a.key])
    closed = views.position(scene.rows, older)
    assert (closed["status"], closed["sumClose"], closed["exitPrice"]) == ("CLOSED", "0", None)
    opened = views.position(scene.rows, newer)
    assert (opened["side"], opened["size"], opened["sumOpen"]) == ("SHORT", "-30", "50")
    fill = scene.rows.fills[scene.a.key][-1]
    assert fill.size_before is not None
    sizes = (number(fill.size), number(fill.size_before))
    assert (*sizes, fill.side_before) == ("50", "0", "SHORT")
    told = trade_history(scene.rows, [scene.a.key], LINK)
    assert [(row["action"], row["additionalSize"]) for row in told] == [
        ("OPEN", "-30"),
        ("CLOSE", "-20"),
        ("OPEN", "20"),
    ]


CASES: tuple[tuple[int, Callable[[Scene], None]], ...] = (
    (2, unfilled_ioc),
    (2, no_collateral),
    (2, a_cut_order),
    (19, a_fill_with_its_block),
    (20, canceled_before_its_fill),
    (20, opened_and_never_filled),
    (21, forgotten_without_a_fill),
    (21, signed_sizes_and_texts),
    (22, a_stop_fills),
    (22, a_stop_finds_no_book),
    (26, a_dead_stop),
    (26, a_stateful_id_used_again),
    (26, one_fill_for_a_reversal),
)


@pytest.mark.parametrize(
    "case", [each for _, each in CASES], ids=[f"{n}-{each.__name__}" for n, each in CASES]
)
def test_a_behaviour_that_the_indexer_shows(case: Callable[[Scene], None]) -> None:
    case(Scene())


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("nonsense", "Invalid message: could not parse"),
        ("{}", "Invalid message: type is required"),
        ('{"type": "shout"}', "Invalid message type: shout"),
        ('{"type": "subscribe"}', "Invalid subscribe message: channel is required"),
        ('{"type": "subscribe", "channel": "v4_x"}', "Invalid channel: v4_x"),
        ('{"type": "subscribe", "channel": "v4_trades"}', "Invalid id: undefined"),
        (
            '{"type": "subscribe", "channel": "v4_trades", "id": "FOO-USD"}',
            "Invalid subscription id for channel: (v4_trades-FOO-USD)",
        ),
    ],
)
async def test_23_a_message_that_makes_no_sense_is_answered_in_the_real_words(
    said: str, answer: str
) -> None:
    async with desk() as one, listening(one.ws_url) as client:
        await client.say(said)
        assert (await client.hear())["message"] == answer


@pytest.mark.parametrize("channel", ["v4_subaccounts", "v4_parent_subaccounts"])
async def test_23_what_happens_while_a_slow_snapshot_is_fetched_is_lost(channel: str) -> None:
    async with desk() as one, listening(one.ws_url) as client:
        one.indexer.set_faults(IndexerFaults(ws_snapshot_ms=150))
        await client.say({"type": "subscribe", "channel": channel, "id": f"{T}/0"})
        await until(lambda: any(each.waiting for each in one.servers.stream.connections))
        await one.visible(a_deposit("10"), holding("10"))
        subscribed = await client.hear()
        assert (subscribed["type"], subscribed["contents"]) == ("subscribed", {})
        await one.visible(a_deposit("5", number=10), holding("15"))
        assert (await client.hear())["contents"]["assetPositions"][0]["size"] == "15"


async def heard_of_200_blocks(faults: IndexerFaults) -> list[int]:
    """The numbers of the data messages that a client hears of 200 blocks."""
    async with desk(batch_ms=60_000) as one, listening(one.ws_url) as client:
        await client.subscribe("v4_block_height")
        one.indexer.set_faults(faults)
        for _ in range(200):
            await one.visible()
        one.indexer.set_faults(IndexerFaults())
        last = one.height + 1
        await one.visible()
        numbers: list[int] = []
        while True:
            message = await client.hear()
            if message["contents"].get("blockHeight") == str(last):
                return numbers
            numbers.append(message["message_id"])


DISTURBED = {
    "dropped": IndexerFaults(ws_seed=5, ws_dropped=200_000),
    "doubled": IndexerFaults(ws_seed=5, ws_doubled=200_000),
    "reordered": IndexerFaults(ws_seed=5, ws_reordered=200_000),
}


@pytest.mark.parametrize("fault", DISTURBED)
async def test_23_messages_are_lost_doubled_and_reordered_the_same_way_for_a_seed(
    fault: str,
) -> None:
    numbers = await heard_of_200_blocks(DISTURBED[fault])
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    seen = {"doubled": 0 in steps, "reordered": any(step < 0 for step in steps)}
    lost = 200 - len(set(numbers))
    seen["dropped"] = 20 < lost < 60
    assert seen[fault]
    assert fault == "dropped" or lost <= 1
    assert await heard_of_200_blocks(DISTURBED[fault]) == numbers


@pytest.mark.parametrize(
    ("faults", "path", "status", "body"),
    [
        (
            {},
            "/orders?address=dydx1a",
            400,
            {
                "errors": [
                    {
                        "msg": "subaccountNumber must be a non-negative integer less than 128001",
                        "param": "subaccountNumber",
                        "location": "params",
                    }
                ]
            },
        ),
        ({}, "/nonsense", 404, {"error": "Not Found", "errorCode": 404}),
        ({"rest_500": 1}, "/height", 500, {"errors": [{"msg": "Internal Server Error"}]}),
        ({"rest_429": 1}, "/height", 429, {"errors": [{"msg": "Too many requests"}]}),
    ],
)
async def test_24_rest_refuses_in_the_real_shape(
    faults: Json, path: str, status: int, body: Json
) -> None:
    async with desk() as one:
        one.indexer.set_faults(IndexerFaults(**faults))
        answer = await one.rest.get("/v4" + path)
        assert (answer.status_code, answer.json()) == (status, body)
        if status == 429:
            assert int(answer.headers["retry-after"]) >= 1000


@pytest.mark.parametrize("code", ["GEOBLOCKED", "COMPLIANCE_BLOCKED"])
async def test_24_a_blocked_address_is_refused_everywhere_and_screened(code: str) -> None:
    async with desk() as one:
        await one.visible(a_fill(a_order(), "10", "7.2"))
        one.indexer.set_faults(IndexerFaults(address_blocked=code))
        whose = f"address={T}&subaccountNumber=0"
        for path in (f"/fills?{whose}", f"/pnl?{whose}", f"/tradeHistory?{whose}"):
            answer = await one.rest.get("/v4" + path)
            assert answer.status_code == 403
            assert answer.json()["errors"][0]["code"] == code
        screened = (await one.rest.get(f"/v4/compliance/screen/{T}")).json()
        assert screened["status"] == "BLOCKED"
