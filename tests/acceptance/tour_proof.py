"""After the tour: nothing was lost, nothing acted twice, and the books are the chain's.

What was done and is held is read from the paper chain's own state; from the ledger comes only what
the bot believes of it.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final
from uuid import UUID

from core.signals.identity import body_hash
from tests.acceptance.tour_house import TourHouse
from tests.acceptance.tour_kit import ADA, ETH, Tour
from tests.acceptance.tour_truth import TrueFill
from tests.acceptance.until import until

ENDED: Final = ("executed", "refused", "missed", "mock")
OVER: Final = ("filled", "canceled", "expired", "refused", "refused_in_block")
UNDER_WAY: Final = (
    "SELECT id, state FROM signal WHERE state NOT IN ('executed', 'refused', 'missed', 'mock')",
    "SELECT id, state FROM intent WHERE state IN ('waiting', 'running', 'asking')",
    "SELECT id, kind FROM outgoing_message WHERE state = 'live'",
    "SELECT id, kind FROM telegram_update WHERE state = 'taken'",
    "SELECT id, kind FROM panic WHERE state <> 'done'",
    "SELECT id, state FROM gap WHERE state <> 'told'",
)
SETTLES_WITHIN_S: Final = 90.0
NOTHING: Final = Decimal(0)


@dataclass
class Findings:
    """In words. `lost`: should have been and is not; `doubled`: is more than it should be."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)


@dataclass
class Done:
    """What the chain's fills of one alert, or one other wish, came to."""

    opened: Decimal = NOTHING
    closed: Decimal = NOTHING

    def add(self, fill: TrueFill) -> None:
        self.opened += fill.opens
        self.closed += fill.closes


async def proved(tour: Tour) -> Findings:
    """Waits until nothing is under way, and judges."""
    house, found = tour.house, Findings()
    for sql in UNDER_WAY:
        await _settled(house, sql)
    for name, account in tour.accounts.items():
        address = tour.addresses[name]
        await _eventually(partial(books_amiss, house, account, address), found.lost, name)
        await judge_orders(house, account, address, found)
    await judge_alerts(tour, found)
    await judge_messages(house, found)
    return found


async def _settled(house: TourHouse, sql: str) -> None:
    async def none() -> bool:
        house.check()
        return not await house.rows(sql)

    try:
        await until(none, SETTLES_WITHIN_S)
    except AssertionError:
        raise AssertionError(f"still under way: {await house.rows(sql)}") from None


async def _eventually(look: Callable[[], Awaitable[list[str]]], into: list[str], name: str) -> None:
    """Notes what is still amiss when the time is up."""
    last: list[str] = []

    async def fine() -> bool:
        last[:] = await look()
        return not last

    try:
        await until(fine, 30)
    except AssertionError:
        into += [f"{name}: {one}" for one in last]


async def books_amiss(house: TourHouse, account: int, address: str) -> list[str]:
    """How the books of an account differ from the chain: fill by fill, and what is held."""
    on_chain = Counter(
        (str(one.order), one.side, one.size, round(one.quote, 4), round(one.fee, 4))
        for one in house.truth.fills
        if one.address == address
    )
    rows = await house.rows(f"SELECT * FROM fill WHERE account_id = {account}")
    booked = Counter(
        (
            str(row["order_uuid"]),
            str(row["side"]),
            Decimal(row["size"]),
            round(Decimal(row["size"]) * Decimal(row["price"]), 4),
            round(Decimal(row["fee"]), 4),
        )
        for row in rows
    )
    amiss = [f"not booked: {one}" for one in (on_chain - booked).elements()]
    amiss += [f"booked and not on chain: {one}" for one in (booked - on_chain).elements()]
    signs = {"LONG": 1, "SHORT": -1}
    held = {
        row["ticker"]: Decimal(row["size"]) * signs[row["side"]]
        for row in await house.rows(
            f"SELECT * FROM position WHERE state = 'open' AND account_id = {account}"
        )
    }
    if held != house.truth.positions(address):
        amiss.append(f"{held} in the ledger, {house.truth.positions(address)} on chain")
    return amiss


async def judge_orders(house: TourHouse, account: int, address: str, found: Findings) -> None:
    """No order rests on chain that the ledger does not know or calls over, none of a plan rests
    where nothing is held, and none that the ledger says rests is missing.
    """
    resting, held = house.truth.resting(address), house.truth.positions(address)
    rows = await house.rows(f'SELECT * FROM "order" WHERE account_id = {account}')
    orders = {UUID(str(row["order_uuid"])): row for row in rows}
    for uuid in resting:
        row = orders.get(uuid)
        if row is None or row["state"] in OVER:
            state = row["state"] if row is not None else "unknown to the ledger"
            found.doubled.append(f"order {uuid} rests on chain and is {state}")
        elif row["reduce_only"] and row["ticker"] not in held:
            found.doubled.append(f"order {uuid} rests in {row['ticker']}, where nothing is held")
    for uuid, row in orders.items():
        if row["state"] in ("open", "untriggered") and uuid not in resting:
            found.lost.append(f"order {uuid} is {row['state']} and not on chain")


async def judge_alerts(tour: Tour, found: Findings) -> None:
    """Each alert that was taken is one signal, came to its end, and did on chain what it said."""
    house = tour.house
    signals = {str(row["id"]): row for row in await house.rows("SELECT * FROM signal")}
    by_hash = Counter(row["body_hash"] for row in signals.values())
    for body, taken in house.delivered.items():
        count = by_hash.pop(body_hash(body), 0)
        if taken and not count:
            found.lost.append(f"an alert was taken and is nowhere: {body!r}")
        if count > int(taken):
            found.doubled.append(f"{count} signals of one alert: {body!r}")
    assert not by_hash, "signals of alerts that nobody sent"
    done, others = await _effects(tour, signals, found)
    for id_, row in signals.items():
        _judge(json.loads(row["body"]), row["state"], done[id_], found)
    for source, did in others.items():
        if did.opened:
            found.doubled.append(f"{source} opened {did.opened}")
    found.figures |= {
        "alerts": len(signals),
        "executed": sum(row["state"] == "executed" for row in signals.values()),
        "fills": len(house.truth.fills),
        "orders": len(await house.rows('SELECT id FROM "order"')),
    }


async def _effects(
    tour: Tour, signals: dict[str, Any], found: Findings
) -> tuple[dict[str, Done], dict[str, Done]]:
    """What the chain did for each signal, and for each wish that is none and may only close."""
    house = tour.house
    rows = await house.rows(
        'SELECT o.order_uuid, o.purpose, i.signal_id, i.source, i.kind, i.key FROM "order" o '
        "LEFT JOIN intent i ON i.id = o.intent_id"
    )
    orders = {UUID(str(row["order_uuid"])): row for row in rows}
    done: dict[str, Done] = defaultdict(Done)
    others: dict[str, Done] = defaultdict(Done)
    by_hand = (tour.addresses["second"], ETH)
    for fill in house.truth.fills:
        order = orders.get(fill.order)
        if order is None:
            if (fill.address, fill.ticker) != by_hand:
                found.doubled.append(f"nobody's order was filled: {fill}")
        elif order["signal_id"] is not None:
            done[str(order["signal_id"])].add(fill)
        elif order["kind"] != "sync":  # a button that brings the chart's position may open
            others[order["key"] or f"{order['purpose']} {fill.order}"].add(fill)
    return done, others


def _judge(said: dict[str, Any], state: str, done: Done, found: Findings) -> None:
    """One alert's effect against its words. All of the tour's markets are deep."""
    what = f"{ {k: v for k, v in said.items() if k != 'secret'} } is {state} and did {done}"
    least, most = _meant(said)
    if state != "executed":
        least, most = Done(), Done()
    if done.opened > most.opened or done.closed > most.closed:
        found.doubled.append(what)
    if done.opened < least.opened or done.closed < least.closed:
        found.lost.append(what)


def _meant(said: dict[str, Any]) -> tuple[Done, Done]:
    """The least and the most that an alert of the tour does where it is executed."""
    size = Decimal(said.get("size") or said.get("market_position_size") or 0)
    action, anything = said.get("action"), Decimal("Infinity")
    some = Decimal("1e-9")
    if said.get("type") == "limit":
        return Done(), Done(opened=size)
    if action == "cancel":
        return Done(), Done()
    if action == "close" or said.get("market_position") == "flat":
        return Done(closed=some), Done(closed=anything)
    if action == "reduce":
        return Done(closed=size), Done(closed=size)
    if action == "short":
        return Done(opened=size, closed=some), Done(opened=size, closed=anything)
    return Done(opened=size), Done(opened=size)


async def judge_messages(house: TourHouse, found: Findings) -> None:
    """Whoever can be reached was told everything but what nobody could render."""
    dead = await house.rows(
        "SELECT id, kind FROM outgoing_message WHERE state = 'dead' AND trader_id = "
        f"(SELECT id FROM trader WHERE telegram_id = {ADA})"
    )
    found.lost += [f"never told: {row}" for row in dead if row["kind"] != "nonsense"]
