"""The judge: compares what the chain did and holds with what was meant, booked and told.

Truth is read from the chain's own state. From the ledger comes what the bot believes: which order
belongs to which alert, what it booked, which state it gave an order, what it told its traders.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from core.dydx.protocol import order_uuid
from core.paper.happenings import (
    BlockCommitted,
    Filled,
    Happening,
    StatefulChanged,
    SubaccountKey,
)
from tests.sim.bare import BareWatch
from tests.sim.chain import uuid_of
from tests.sim.database import Reader
from tests.sim.effects import EffectCheck
from tests.sim.money import MoneyCheck
from tests.sim.telling import Telling

if TYPE_CHECKING:
    from tests.sim.people import Person
    from tests.sim.world import World

ENDED: Final = ("done", "refused", "missed")
GONE: Final = frozenset({"refused", "refused_in_block", "filled", "canceled", "expired"})
RESTS: Final = frozenset({"open", "untriggered"})
# What an order may not be for good: it rests, or it is proved over.
LIMBO: Final = frozenset({"created", "broadcasting", "accepted", "unknown", "triggered"})


class Judge:
    """`violations` are in words; `restless`: faults and crashes belong to this world."""

    def __init__(self, world: World, path: Path, *, restless: bool) -> None:
        self.world = world
        self.restless = restless
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.fault_until: float = -1.0
        self.faults_on: set[str] = set()
        self.thin = False
        self.thin_until: float = float("-inf")
        self.up = True
        self.telling = Telling(self)
        self._bare = BareWatch(self)
        self._effects = EffectCheck(self)
        self._money = MoneyCheck(self)
        self._path = path
        self._reader: Reader | None = None
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

    def book_is_thin(self, thin: bool) -> None:
        """No fault, but stops close piece by piece."""
        self.world.say("the book is", "thin" if thin else "as ever")
        self.thin = thin
        self.thin_until = self.world.loop.passed

    def went_down(self) -> None:
        self.up = False

    def came_up(self) -> None:
        self.up = True
        self._bare.came_up()

    # block by block

    def _on(self, happening: Happening) -> None:
        if isinstance(happening, BlockCommitted):
            if self.world.shown:
                self._show(happening)
            self._bare.look(happening)
            self._money.note()
            self.telling.look()

    def _show(self, block: BlockCommitted) -> None:
        for event in block.events:
            if isinstance(event, Filled) and event.order is not None:
                self.world.say(
                    f"block {block.height}: {self.name_of(event.subaccount)} filled",
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
                    f"block {block.height}: {self.name_of(event.order.key.subaccount)} order",
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

    def alarms(self) -> Counter[str]:
        """What was told beyond the ordinary, by kind."""
        return self.telling.alarms()

    def name_of(self, key: SubaccountKey) -> str:
        return next((p.cast.name for p in self.world.people if p.key == key), key.owner)

    def name_of_strategy(self, strategy_id: int) -> str:
        """A strategy with its owner."""
        found = (one for person in self.world.people for one in person.strategies)
        return next(
            (f"{one.owner.cast.name} {one.name}" for one in found if one.id == strategy_id), "?"
        )

    # answers

    def answered(self, sent: Any, answer: Any) -> None:
        """Nothing is said to be filled that is not."""
        if answer.body.get("status") == "FILLED":
            wanted = UUID(str(answer.body["order_id"]))
            if not any(uuid_of(fill) == wanted for fill in self.world.chain.fills):
                self.blame("lie", f"alert {sent.id} was said to be filled")

    # when all is calm

    def unfinished(self) -> list[str]:
        """What has not come to an end yet."""
        marks = ", ".join("?" * len(ENDED))
        intents = self.rows(
            f"SELECT id, kind, state FROM intent WHERE state NOT IN ({marks})", *ENDED
        )
        panics = self.rows("SELECT id FROM panic WHERE state != 'done'")
        return [
            *(f"intent {row['id']} ({row['kind']}) is {row['state']}" for row in intents),
            *(f"panic {row['id']} is not done" for row in panics),
        ]

    def after_panic(self, person: Person) -> None:
        """Who called a panic that the bot has is flat, and nothing of his rests."""
        if not self.rows("SELECT id FROM panic WHERE key LIKE ?", f"%{person.panic_key}"):
            return
        held, resting = (
            self.world.chain.positions(person.key),
            self.world.chain.resting(person.key),
        )
        if held or resting:
            self.blame(
                "panic", f"{person.cast.name} holds {held} after it, {len(resting)} orders rest"
            )

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
        self._effects.look(orders)
        self._money.look()
        machine = self.world.machine
        for line in [*self.world.unexpected, *(machine.failures if machine else ())]:
            self.blame("failure", line)
        if not self.restless:
            self.telling.refusals()
            for kind, count in self.alarms().items():
                self.blame("alarm", f"{kind} was told {count} times on a day without faults")

    def _fills(self, orders: dict[UUID, dict[str, Any]]) -> None:
        true: dict[UUID, Decimal] = defaultdict(Decimal)
        number: Counter[UUID] = Counter()
        for fill in self.world.chain.fills:
            uuid = uuid_of(fill)
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
        shares: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
        for row in self.rows("SELECT account_id, ticker, size FROM share"):
            shares[row["account_id"], row["ticker"]] += Decimal(row["size"])
        for person in self.world.people:
            held = self.world.chain.positions(person.key)
            for ticker in self.world.chain.markets:
                parts = shares[person.account_id, ticker]
                if parts != held.get(ticker, Decimal(0)):
                    self.blame(
                        "shares",
                        f"{person.cast.name} {ticker}: {held.get(ticker, 0)} on chain, "
                        f"{parts} in all shares",
                    )
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
        self._twins([row for uuid, row in orders.items() if uuid in resting])
        for uuid, row in orders.items():
            if row["state"] in RESTS and uuid not in resting:
                self.blame("lives", f"order {uuid} is {row['state']} and not on chain")
            if row["state"] in LIMBO and uuid not in resting:
                self.blame("limbo", f"order {uuid} ({row['purpose']}) is still {row['state']}")

    def _twins(self, resting: list[dict[str, Any]]) -> None:
        """One order rests for each level of a plan, and one for each entry that waits."""
        served = Counter(
            (row["position_id"], row["target_id"], row["intent_id"], row["purpose"])
            for row in resting
        )
        for (position, target, intent, purpose), count in served.items():
            if count > 1:
                place = f"target {target}" if target else purpose
                self.blame(
                    "twin",
                    f"{count} orders rest for {place} of position {position}, intent {intent}",
                )

    def _leftover(self, uuid: UUID, order: Any) -> None:
        """A plan's order has a position of its own to close."""
        if not order.reduce_only or not order.condition_type:
            return
        chain = self.world.chain
        ticker = chain.exchange.governance.markets[order.key.clob_pair_id].ticker
        held = chain.positions(order.key.subaccount).get(ticker, Decimal(0))
        if (held > 0) != (order.side == "SELL") or not held:
            self.blame("leftover", f"order {uuid} rests in {ticker}, where {held} is held")
