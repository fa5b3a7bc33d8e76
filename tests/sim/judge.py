"""The judge: compares what the chain did and holds with what was meant, booked and told.

Truth is read from the chain's own state. From the ledger comes what the bot believes: which order
belongs to which alert, what it booked, which state it gave an order, what it told its traders.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from core.dydx.protocol import ConditionType, order_uuid
from core.paper.happenings import (
    BlockCommitted,
    Filled,
    Happening,
    StatefulChanged,
    SubaccountKey,
)
from tests.sim.chain import TrueFill
from tests.sim.database import Reader

if TYPE_CHECKING:
    from tests.sim.world import World

ENDED: Final = ("done", "refused", "missed")
GONE: Final = frozenset({"refused", "refused_in_block", "filled", "canceled", "expired"})
RESTS: Final = frozenset({"open", "untriggered"})
UNPROTECTED_S: Final = 15.0
FAULT_ECHO_S: Final = 20.0
ALARM_WITHIN_S: Final = 30.0
BLOCKS_TO_PROTECT: Final = 3
CENT: Final = Decimal("0.01")
# What is told in the ordinary course of things.
NEWS: Final = frozenset(
    {
        "card",
        "signal_refused",
        "signal_missed",
        "order_unfilled",
        "position_closed",
        "intent_refused",
        "alert_unreadable",
        "access_asked",
        "access_answered",
        "key_progress",
        "key_told",
        "news_back",
        "key_back",
        "signal_asks",
        "signal_mocked",
        "strategy_silent",
        "panic_progress",
        # alerts without a target, buttons and plans trade after an alert has named one
        "drift_found",
    }
)


@dataclass
class Bare:
    """A position whose stop does not cover it, since when, and whether that was a violation."""

    since: float
    height: int
    told: bool = False


class Judge:
    """`violations` are in words; `restless`: faults and crashes belong to this world."""

    def __init__(self, world: World, path: Path, *, restless: bool) -> None:
        self.world = world
        self.restless = restless
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.fault_until: float = -1.0
        self.faults_on: set[str] = set()
        self.no_stop_wanted: set[tuple[SubaccountKey, str]] = set()
        self._path = path
        self._reader: Reader | None = None
        self._bare: dict[tuple[SubaccountKey, str], Bare] = {}
        self._up = True
        self._said: set[str] = set()
        self._found: list[tuple[str, str]] | None = None

    def begin(self) -> None:
        """From here on every block is looked at."""
        self._reader = Reader(self._path)
        self.world.chain.network.chain.subscribe(self._on)

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        assert self._reader is not None
        return self._reader.rows(sql, *values)

    def write(self, sql: str, *values: Any) -> bool:
        assert self._reader is not None
        return self._reader.write(sql, *values)

    def blame(self, kind: str, text: str) -> None:
        """Notes a violation once."""
        if self._found is not None:
            self._found.append((kind, text))
            return
        line = f"{kind}: {text}"
        if line not in self._said:
            self._said.add(line)
            self.counts[kind] += 1
            self.world.say("VIOLATION", line)
            self.violations.append(f"[{self.world.time.now():%d %H:%M:%S}] {line}")

    # faults and machines

    def fault(self, name: str, on: bool) -> None:
        """A fault begins or ends."""
        self.world.say("fault", name, "begins" if on else "ends")
        if on:
            self.faults_on.add(name)
        else:
            self.faults_on.discard(name)
        self.fault_until = self.world.loop.passed

    def went_down(self) -> None:
        self._up = False

    def came_up(self) -> None:
        """What was bare before has its time from now on."""
        self._up = True
        now, height = self.world.loop.passed, self.world.chain.height
        for bare in self._bare.values():
            bare.since, bare.height = now, height

    def _faulty(self, since: float) -> bool:
        return bool(self.faults_on) or self.fault_until + FAULT_ECHO_S >= since

    # protection, block by block

    def _on(self, happening: Happening) -> None:
        if isinstance(happening, BlockCommitted):
            if self.world.shown:
                self._show(happening)
            for person in self.world.people:
                self._look_at(person.key)

    def _show(self, block: BlockCommitted) -> None:
        for event in block.events:
            if isinstance(event, Filled) and event.order is not None:
                self.world.say(
                    f"block {block.height}: {self._name(event.subaccount)} filled",
                    event.order.key.client_id % 10_000,
                    event.side,
                    event.quantums,
                    event.clob_pair_id,
                    "flags",
                    event.order.key.order_flags,
                    "reduce" if event.order.reduce_only else "",
                )
            elif isinstance(event, StatefulChanged):
                self.world.say(
                    f"block {block.height}: {self._name(event.order.key.subaccount)} order",
                    event.order.key.client_id % 10_000,
                    event.status,
                    event.reason or "",
                    "triggered" if event.triggered else "",
                    event.order.side,
                    event.order.quantums,
                    event.order.key.clob_pair_id,
                    "flags",
                    event.order.key.order_flags,
                )

    def _look_at(self, key: SubaccountKey) -> None:
        chain = self.world.chain
        held = chain.positions(key)
        for place in [place for place in self._bare if place[0] == key]:
            if place[1] not in held:
                del self._bare[place]
        if not held:
            self.no_stop_wanted = {p for p in self.no_stop_wanted if p[0] != key}
            return
        resting = chain.resting(key)
        for ticker, size in held.items():
            place = (key, ticker)
            if place in self.no_stop_wanted or self._covers(resting, ticker, size):
                self._bare.pop(place, None)
                continue
            bare = self._bare.setdefault(place, Bare(self.world.loop.passed, chain.height))
            self._judge_bare(place, size, bare)

    def _covers(self, resting: list[Any], ticker: str, size: Decimal) -> bool:
        market = self.world.chain.markets[ticker]
        side = "SELL" if size > 0 else "BUY"
        return any(
            row.order.key.clob_pair_id == market.id
            and row.order.condition_type == ConditionType.STOP_LOSS
            and not row.triggered
            and row.order.reduce_only
            and row.order.side == side
            and market.scale.size_of(row.order.quantums) >= abs(size)
            for row in resting
        )

    def _judge_bare(self, place: tuple[SubaccountKey, str], size: Decimal, bare: Bare) -> None:
        if bare.told or not self._up:
            return
        for_s = self.world.loop.passed - bare.since
        where = f"{self._name(place[0])} {place[1]} {size:+f}"
        blocks = self.world.chain.height - bare.height
        if not self.restless and blocks > BLOCKS_TO_PROTECT:
            bare.told = True
            self.blame("late_stop", f"{where} without a stop for {blocks} blocks")
        if for_s <= UNPROTECTED_S:
            return
        if not self._faulty(bare.since):
            bare.told = True
            self.counts["unprotected"] += 1
            self.blame("unprotected", f"{where} for {for_s:.0f} s, no fault was on")
        elif for_s > ALARM_WITHIN_S and not self._alarmed(place[0], for_s):
            bare.told = True
            self.counts["unprotected"] += 1
            self.blame("unprotected", f"{where} for {for_s:.0f} s, and nobody was told")

    def _alarmed(self, key: SubaccountKey, for_s: float) -> bool:
        """Whether the owner was told of something about as long as his position is bare."""
        since = self.world.time.now() - dt.timedelta(seconds=for_s + ALARM_WITHIN_S)
        person = next(person for person in self.world.people if person.key == key)
        rows = self.rows(
            'SELECT kind, changed_at FROM "outgoing_message" WHERE trader_id = ?', person.view.id
        )
        return any(row["kind"] not in NEWS and _moment(row["changed_at"]) >= since for row in rows)

    def alarms(self) -> Counter[str]:
        """What was told beyond the ordinary, by kind."""
        kinds = Counter(row["kind"] for row in self.rows('SELECT kind FROM "outgoing_message"'))
        return Counter({kind: count for kind, count in kinds.items() if kind not in NEWS})

    def _name(self, key: SubaccountKey) -> str:
        return next((p.cast.name for p in self.world.people if p.key == key), key.owner)

    # answers

    def answered(self, sent: Any, answer: Any) -> None:
        """Nothing is said to be filled that is not."""
        if answer.body.get("status") == "FILLED":
            wanted = UUID(str(answer.body["order_id"]))
            if not any(_uuid(fill) == wanted for fill in self.world.chain.fills):
                self.blame("lie", f"alert {sent.id} was said to be filled")

    # when all is calm

    def unfinished(self) -> list[str]:
        """What has not come to an end yet."""
        marks = ", ".join("?" * len(ENDED))
        intents = self.rows(
            f"SELECT id, kind, state FROM intent WHERE state NOT IN ({marks})", *ENDED
        )
        return [f"intent {row['id']} ({row['kind']}) is {row['state']}" for row in intents]

    def findings(self) -> list[tuple[str, str]]:
        """What does not hold now. The bot may still be about to put it right."""
        self._found = []
        try:
            self._look()
            return self._found
        finally:
            self._found = None

    def look(self) -> None:
        """Blames for all that does not hold though nothing is under way any more."""
        self._look()

    def _look(self) -> None:
        orders = {UUID(str(row["order_uuid"])): row for row in self.rows('SELECT * FROM "order"')}
        self._fills(orders)
        self._positions()
        self._orders(orders)
        self._alerts(orders)
        self._money()
        if self.world.unexpected:
            for line in self.world.unexpected:
                self.blame("failure", line)
        if not self.restless:
            for kind, count in self.alarms().items():
                self.blame("alarm", f"{kind} was told {count} times on a day without faults")

    def _fills(self, orders: dict[UUID, dict[str, Any]]) -> None:
        true: dict[UUID, Decimal] = defaultdict(Decimal)
        number: Counter[UUID] = Counter()
        for fill in self.world.chain.fills:
            uuid = _uuid(fill)
            if uuid is None:
                continue
            true[uuid] += fill.size
            number[uuid] += 1
            if uuid not in orders:
                self.blame("stranger", f"an order that the ledger does not know filled {fill.size}")
        booked: dict[UUID, Decimal] = defaultdict(Decimal)
        rows: Counter[UUID] = Counter()
        for row in self.rows("SELECT order_uuid, size FROM fill"):
            if row["order_uuid"] is not None:
                uuid = UUID(str(row["order_uuid"]))
                booked[uuid] += Decimal(row["size"])
                rows[uuid] += 1
        for uuid in true.keys() | booked.keys():
            if true[uuid] != booked[uuid] or number[uuid] != rows[uuid]:
                self.blame(
                    "books",
                    f"order {uuid}: {true[uuid].normalize():f} in {number[uuid]} fills on chain, "
                    f"{booked[uuid].normalize():f} in {rows[uuid]} booked",
                )
        for uuid, row in orders.items():
            if Decimal(row["filled_size"]) != true[uuid]:
                self.blame("books", f"order {uuid} is said to have filled {row['filled_size']}")
            if row["state"] in ("refused", "refused_in_block") and true[uuid]:
                self.blame("lives", f"order {uuid} is {row['state']} and filled")

    def _positions(self) -> None:
        ledger: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
        for row in self.rows(
            "SELECT account_id, ticker, side, size FROM position WHERE state = 'open'"
        ):
            sign = 1 if row["side"] == "LONG" else -1
            ledger[row["account_id"], row["ticker"]] += sign * Decimal(row["size"])
        for person in self.world.people:
            held = self.world.chain.positions(person.key)
            for ticker in self.world.chain.markets:
                mine = ledger[person.account_id, ticker]
                if mine != held.get(ticker, Decimal(0)):
                    self.blame(
                        "position",
                        f"{person.cast.name} {ticker}: {held.get(ticker, 0)} on chain, "
                        f"{mine} in the ledger",
                    )

    def _orders(self, orders: dict[UUID, dict[str, Any]]) -> None:
        resting = {}
        for person in self.world.people:
            for row in self.world.chain.resting(person.key):
                key = row.order.key
                uuid = order_uuid(
                    key.subaccount.owner,
                    key.subaccount.number,
                    key.client_id,
                    key.clob_pair_id,
                    key.order_flags,
                )
                resting[uuid] = row
                known = orders.get(uuid)
                if known is None:
                    self.blame("stranger", f"order {uuid} rests on chain, the ledger knows nothing")
                elif known["state"] in GONE:
                    self.blame("lives", f"order {uuid} is {known['state']} and rests on chain")
        for uuid, found in resting.items():
            self._leftover(uuid, found.order)
        for uuid, row in orders.items():
            if row["state"] in RESTS and uuid not in resting:
                self.blame("lives", f"order {uuid} is {row['state']} and not on chain")

    def _leftover(self, uuid: UUID, order: Any) -> None:
        """A plan's order has a position of its own to close."""
        if not order.reduce_only or not order.condition_type:
            return
        chain = self.world.chain
        ticker = chain.exchange.governance.markets[order.key.clob_pair_id].ticker
        held = chain.positions(order.key.subaccount).get(ticker, Decimal(0))
        if (held > 0) != (order.side == "SELL") or not held:
            self.blame("leftover", f"order {uuid} rests in {ticker}, where {held} is held")

    def _alerts(self, orders: dict[UUID, dict[str, Any]]) -> None:
        signals = {row["id"]: row for row in self.rows("SELECT id, body, state FROM signal")}
        of_alert: dict[str, list[dict[str, Any]]] = defaultdict(list)
        alert_of: dict[str, str] = {}
        for row in signals.values():
            alert_id = str(json.loads(row["body"]).get("id"))
            of_alert[alert_id].append(row)
            alert_of[str(row["id"])] = alert_id
        closing = {sent.id: sent.opens == 0 for sent in self.world.sent}
        intents = {row["id"]: row for row in self.rows("SELECT id, signal_id, source FROM intent")}
        opened: dict[str, Decimal] = defaultdict(Decimal)
        closed: dict[str, Decimal] = defaultdict(Decimal)
        for fill in self.world.chain.fills:
            uuid = _uuid(fill)
            order = orders.get(uuid) if uuid is not None else None
            if order is None:
                continue
            opens, closes = _parts(fill)
            intent = intents.get(order["intent_id"])
            if intent is None or intent["signal_id"] is None:
                if opens:
                    self.blame(
                        "doubled", f"a {order['purpose']} order opened {opens} {fill.ticker}"
                    )
                if not fill.reduce_only:
                    self.blame("not_reduce_only", f"a {order['purpose']} order in {fill.ticker}")
                continue
            alert_id = alert_of[str(intent["signal_id"])]
            if not fill.reduce_only and closing.get(alert_id):
                self.blame("not_reduce_only", f"alert {alert_id} only closes")
            opened[alert_id] += opens
            closed[alert_id] += closes
        for sent in self.world.sent:
            self._alert(sent, of_alert[sent.id], opened[sent.id], closed[sent.id])

    def _alert(
        self, sent: Any, rows: list[dict[str, Any]], opened: Decimal, closed: Decimal
    ) -> None:
        if len(rows) > 1:
            self.blame("doubled", f"alert {sent.id} is {len(rows)} signals")
        if sent.accepted and not rows:
            self.blame("lost", f"alert {sent.id} was accepted and is nowhere")
        for row in rows:
            if row["state"] not in ("executed", "refused", "missed"):
                self.blame("lost", f"alert {sent.id} ({sent.action}) is still {row['state']}")
            if row["state"] == "missed" and (opened or closed):
                self.blame("lives", f"alert {sent.id} is missed and traded {opened + closed}")
        if opened > sent.opens:
            self.blame(
                "doubled",
                f"alert {sent.id} ({sent.action}) opened {opened.normalize():f}, "
                f"{sent.opens} was meant",
            )
        if sent.closes is not None and closed > sent.closes:
            self.blame(
                "doubled",
                f"alert {sent.id} ({sent.action}) closed {closed.normalize():f}, "
                f"{sent.closes} was meant",
            )

    def _money(self) -> None:
        chain = self.world.chain
        for person in self.world.people:
            start = Decimal(chain.deposits[person.key]) / 1_000_000
            moved = sum((_cash(fill) for fill in chain.fills if fill.key == person.key), Decimal(0))
            expected = start + moved + chain.funding[person.key]
            if abs(expected - chain.usdc(person.key)) > CENT:
                self.blame(
                    "chain_money", f"{person.cast.name}: {chain.usdc(person.key)}, not {expected}"
                )
            booked = Decimal(0)
            for row in self.rows("SELECT * FROM fill WHERE account_id = ?", person.account_id):
                sign = -1 if row["side"] == "BUY" else 1
                booked += sign * Decimal(row["size"]) * Decimal(row["price"]) - Decimal(row["fee"])
            if abs(moved - booked) > CENT:
                self.blame(
                    "money", f"{person.cast.name}: {moved} by the chain's fills, {booked} booked"
                )
            if not chain.positions(person.key):
                total = Decimal(0)
                for row in self.rows(
                    "SELECT * FROM position WHERE account_id = ?", person.account_id
                ):
                    total += Decimal(row["realized_pnl"]) - Decimal(row["fees"])
                if abs(moved - total) > CENT:
                    self.blame("money", f"{person.cast.name}: {moved} earned, {total} in the books")


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _uuid(fill: TrueFill) -> UUID | None:
    if fill.client_id is None or fill.order_flags is None:
        return None
    return order_uuid(
        fill.key.owner, fill.key.number, fill.client_id, fill.clob_pair_id, fill.order_flags
    )


def _parts(fill: TrueFill) -> tuple[Decimal, Decimal]:
    """What a fill opened and what it closed."""
    signed = fill.size if fill.side == "BUY" else -fill.size
    if fill.before * signed >= 0:
        return fill.size, Decimal(0)
    closes = min(fill.size, abs(fill.before))
    return fill.size - closes, closes


def _cash(fill: TrueFill) -> Decimal:
    return (-fill.quote if fill.side == "BUY" else fill.quote) - fill.fee
