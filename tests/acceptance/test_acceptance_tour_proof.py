"""The proof of the tour finds what was lost and what was done twice."""

from __future__ import annotations

import json
import sqlite3
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from core.signals.identity import body_hash
from tests.acceptance.tour_proof import Findings, books_amiss, judge_alerts, judge_orders
from tests.acceptance.tour_truth import TrueFill

ADDRESS, ACCOUNT, TICKER = "dydx1ada", 1, "BTC-USD"
TABLES = """
CREATE TABLE signal (id TEXT, body TEXT, body_hash TEXT, state TEXT);
CREATE TABLE intent (id INTEGER, signal_id TEXT, source TEXT, kind TEXT, key TEXT);
CREATE TABLE "order" (id INTEGER PRIMARY KEY, account_id INTEGER, order_uuid TEXT,
    intent_id INTEGER, purpose TEXT, state TEXT, reduce_only INTEGER, ticker TEXT);
CREATE TABLE fill (account_id INTEGER, order_uuid TEXT, side TEXT, size TEXT, price TEXT, fee TEXT);
CREATE TABLE position (account_id INTEGER, ticker TEXT, side TEXT, size TEXT, state TEXT);
"""


class World:
    """One alert that bought 0.01 once, booked and told truly; a test spoils something of it."""

    def __init__(self) -> None:
        self.ledger = sqlite3.connect(":memory:")
        self.ledger.row_factory = sqlite3.Row
        self.ledger.executescript(TABLES)
        self.held = {TICKER: Decimal("0.01")}
        self.resting: set[UUID] = set()
        self.order, self.signal = uuid4(), str(uuid4())
        self.body = json.dumps({"action": "buy", "size": "0.01"}).encode()
        self.delivered = {self.body: True}
        self.fills = [self.fill(self.order, "0")]
        self.insert("signal", self.signal, self.body.decode(), body_hash(self.body), "executed")
        self.insert("intent", 1, self.signal, "signal", "trade", "signal:1")
        self.insert('"order"', 1, ACCOUNT, str(self.order), 1, "open", "filled", 0, TICKER)
        self.insert("fill", ACCOUNT, str(self.order), "BUY", "0.01", "60000", "0.3")
        self.insert("position", ACCOUNT, TICKER, "LONG", "0.01", "open")

    def insert(self, table: str, *values: Any) -> None:
        marks = ", ".join("?" * len(values))
        self.ledger.execute(f"INSERT INTO {table} VALUES ({marks})", values)

    def fill(self, order: UUID, before: str) -> TrueFill:
        return TrueFill(
            address=ADDRESS,
            order=order,
            ticker=TICKER,
            side="BUY",
            size=Decimal("0.01"),
            before=Decimal(before),
            quote=Decimal(600),
            fee=Decimal("0.3"),
        )

    async def judged(self) -> Findings:
        async def rows(sql: str) -> list[dict[str, Any]]:
            return [dict(row) for row in self.ledger.execute(sql)]

        truth = SimpleNamespace(
            fills=self.fills,
            positions=lambda address: self.held,
            resting=lambda address: self.resting,
        )
        house: Any = SimpleNamespace(rows=rows, truth=truth, delivered=self.delivered)
        tour: Any = SimpleNamespace(house=house, addresses={"second": "dydx1bob"})
        found = Findings()
        found.lost += await books_amiss(house, ACCOUNT, ADDRESS)
        await judge_orders(house, ACCOUNT, ADDRESS, found)
        await judge_alerts(tour, found)
        return found


@pytest.fixture
def world() -> World:
    return World()


def verdict(found: Findings) -> tuple[bool, bool]:
    return bool(found.lost), bool(found.doubled)


async def test_what_is_right_is_neither_lost_nor_doubled(world: World) -> None:
    assert verdict(await world.judged()) == (False, False)


async def test_an_alert_whose_order_was_filled_again_is_doubled(world: World) -> None:
    world.fills.append(world.fill(world.order, "0.01"))
    world.insert("fill", ACCOUNT, str(world.order), "BUY", "0.01", "60000", "0.3")
    assert verdict(await world.judged()) == (False, True)


async def test_an_alert_that_is_executed_and_traded_nothing_is_lost(world: World) -> None:
    world.fills.clear()
    world.ledger.executescript("DELETE FROM fill; DELETE FROM position")
    world.held.clear()
    assert verdict(await world.judged()) == (True, False)


async def test_an_alert_that_was_refused_and_traded_is_doubled(world: World) -> None:
    world.ledger.execute("UPDATE signal SET state = 'refused'")
    assert verdict(await world.judged()) == (False, True)


async def test_an_alert_that_was_taken_and_is_nowhere_is_lost(world: World) -> None:
    world.delivered[b'{"action": "close"}'] = True
    assert verdict(await world.judged()) == (True, False)


async def test_an_alert_that_is_two_signals_is_doubled(world: World) -> None:
    again = uuid4()
    world.insert("signal", str(again), world.body.decode(), body_hash(world.body), "refused")
    assert verdict(await world.judged()) == (False, True)


async def test_a_fill_that_was_not_booked_is_lost(world: World) -> None:
    world.ledger.execute("DELETE FROM fill")
    assert verdict(await world.judged()) == (True, False)


async def test_a_position_that_the_ledger_has_otherwise_is_lost(world: World) -> None:
    world.ledger.execute("UPDATE position SET size = '0.02'")
    assert verdict(await world.judged()) == (True, False)


async def test_a_fill_of_an_order_that_nobody_knows_is_doubled(world: World) -> None:
    stranger = uuid4()
    world.fills.append(world.fill(stranger, "0.01"))
    world.insert("fill", ACCOUNT, str(stranger), "BUY", "0.01", "60000", "0.3")
    assert verdict(await world.judged()) == (False, True)


async def test_a_watch_that_opens_is_doubled(world: World) -> None:
    closing = uuid4()
    world.insert("intent", 2, None, "watch", "close", "watch:1:0")
    world.insert('"order"', 2, ACCOUNT, str(closing), 2, "close", "filled", 1, TICKER)
    world.fills.append(world.fill(closing, "0.01"))
    world.insert("fill", ACCOUNT, str(closing), "BUY", "0.01", "60000", "0.3")
    assert verdict(await world.judged()) == (False, True)


@pytest.mark.parametrize("state", ["canceled", "filled"])
async def test_an_order_that_is_over_and_rests_is_doubled(world: World, state: str) -> None:
    world.resting.add(world.order)
    world.ledger.execute('UPDATE "order" SET state = ?', [state])
    assert verdict(await world.judged()) == (False, True)


async def test_an_order_that_rests_by_the_ledger_alone_is_lost(world: World) -> None:
    world.insert('"order"', 2, ACCOUNT, str(uuid4()), None, "stop", "untriggered", 1, TICKER)
    assert verdict(await world.judged()) == (True, False)


async def test_a_plans_order_where_nothing_is_held_is_doubled(world: World) -> None:
    stop = uuid4()
    world.insert('"order"', 2, ACCOUNT, str(stop), None, "stop", "untriggered", 1, "ETH-USD")
    world.resting.add(stop)
    assert verdict(await world.judged()) == (False, True)
