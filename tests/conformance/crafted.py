"""Crafted transactions on two networks: the same list, and where the answers differ.

    python -m tests.conformance.crafted --left real --right own [--seed 1] [--only WORD]

`own` starts a paper network; `env` is the network of NETWORK and its settings; anything else is the
name of a file that an earlier run wrote with --record. Both networks must know the same markets.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.conformance.chain import GOOD, Answer
from tests.conformance.chapters.desk import Desk
from tests.conformance.checks import Chapter, Mismatch, Report
from tests.conformance.crafted_cases import CASES, Case
from tests.conformance.markets import Market
from tests.conformance.people import TWAP, Person, batch, cancel, uuid_of
from tests.conformance.stream import Account
from tests.conformance.target import PaperChild, Target, target_of
from tests.conformance.world import Room, World

# Markets that nobody quotes, with the same integers on every local network.
TICKERS = ("DOT-USD", "UNI-USD", "ATOM-USD", "FIL-USD", "NEAR-USD", "APT-USD", "LDO-USD")
SETTLE_BLOCKS = 3

Seen = dict[str, list[Any]]


class Lab:
    """One case's hands and eyes. What it notes must not depend on time, keys or ids."""

    def __init__(self, room: Room, rng: random.Random) -> None:
        self.room, self.rng = room, rng
        self.desk = Desk(room)
        self.notes: list[tuple[str, Any]] = []
        self.people = room.people
        self._orders: list[tuple[str, Person, Any]] = []
        self._accounts: dict[str, Account] = {}
        self._held: dict[str, int] = {}

    @property
    def market(self) -> Market:
        return self.room.market

    async def open(self) -> None:
        for one in self.people:
            self._accounts[one.address] = await self.room.watch(one)
            self._held[one.address] = await one.usdc()

    def note(self, what: str, value: Any) -> None:
        self.notes.append((what, value))

    def follow(self, label: str, owner: Person, order_id: Any) -> None:
        """What becomes of this order is noted at the end."""
        self._orders.append((label, owner, order_id))

    async def send(self, label: str, who: Person, *messages: Any, **how: Any) -> Answer:
        """Sends as it is and notes the node's answer."""
        return await self.raw(label, who.sign(*messages, **how))

    async def raw(self, label: str, tx: bytes) -> Answer:
        answer = await self.room.chain.broadcast(tx)
        self.note(f"{label}: check", list(answer.pair))
        return answer

    async def commit(self, label: str, who: Person, *messages: Any, **how: Any) -> Answer:
        """Sends with a nonce, notes the node's answer and, when it was 0, the block's."""
        answer, tx_hash = await who.send_stateful(*messages, **how)
        self.note(f"{label}: check", list(answer.pair))
        if answer != GOOD:
            return answer
        return await self.block(label, tx_hash)

    async def block(self, label: str, tx_hash: str) -> Answer:
        """Notes what the block said to a transaction, or that it came into none."""
        try:
            answer = await self.room.chain.delivered(tx_hash, within_s=12.0)
        except Mismatch:
            answer = Answer("never in a block", -1)
        self.note(f"{label}: block", list(answer.pair))
        return answer

    async def end(self) -> None:
        """Notes what became of everything, then cleans up."""
        await self.room.chain.blocks(SETTLE_BLOCKS)
        for label, owner, order_id in self._orders:
            said = self._accounts[owner.address].said(order_id)
            # What the indexer's node says comes before or after what the block says, as it likes.
            sure = [one for one in said if not one.startswith("BEST_EFFORT_CANCELED")]
            self.note(f"{label}: stream", sure)
            self.note(f"{label}: removals", [one for one in said if one not in sure])
            if order_id.order_flags in (32, 64):
                state, filled = await self.room.chain.stateful(order_id)
                self.note(f"{label}: state", [state, filled // self.market.lot])
            row = await self.room.rest.find(f"/orders/{uuid_of(order_id)}")
            # A dead stop is one or the other, as the two messages came.
            dead = any("REDUCE_ONLY_RESIZE" in one for one in said)
            told = [row["status"] if not dead else "dead", row["type"]] if row else None
            self.note(f"{label}: REST", told)
        for index, one in enumerate(self.people):
            usdc, positions = await self.room.chain.subaccount(one.address)
            self.note(f"person {index}: USDC moved", usdc - self._held[one.address])
            lots = {k: str(Decimal(v) / self.market.lot) for k, v in positions.items()}
            self.note(f"person {index}: positions", lots)
        await self._clean()

    async def _clean(self) -> None:
        for one in self.people:
            rows = await self.room.rest.get(
                "/orders",
                address=one.address,
                subaccountNumber=0,
                status="OPEN,UNTRIGGERED,BEST_EFFORT_OPENED",
            )
            short = [int(row["clientId"]) for row in rows if row["orderFlags"] == "0"]
            if short:
                message = batch(
                    one.subaccount_id(), self.desk.gtb, self.market.pair, sorted(set(short))
                )
                await one.send(message)
            stops = [
                cancel(
                    one.order_id(self.market.pair, int(row["orderFlags"]), int(row["clientId"])),
                    good_til_block_time=self.desk.gtbt(95 * 86_400 - 600),
                )
                for row in rows
                if row["orderFlags"] in ("32", "64")
            ]
            stops += [
                cancel(order_id, good_til_block_time=self.desk.gtbt(95 * 86_400 - 600))
                for _, owner, order_id in self._orders
                if owner is one and order_id.order_flags == TWAP
            ]
            if stops:
                await one.send_stateful(*stops)
        await self.room.chain.blocks(1)


@dataclass
class Bench:
    """All cases on one network."""

    target: Target
    seed: int
    seen: Seen = field(default_factory=dict)

    async def run(self, cases: list[Case]) -> None:
        world = World(self.target)
        try:
            await world.open(sum(case.people for case in cases))
            markets = [await world.markets.of(ticker) for ticker in TICKERS]
            for market in markets:
                await self._level(world, market)
            queues: list[list[Case]] = [[] for _ in markets]
            for index, case in enumerate(cases):
                queues[index % len(queues)].append(case)
            await asyncio.gather(
                *(self._queue(world, m, queue) for m, queue in zip(markets, queues, strict=True))
            )
        finally:
            await world.close()

    async def _level(self, world: World, market: Market) -> None:
        """The same price and an empty book on both sides."""
        row = market.row
        market.oracle = Decimal("5") if Decimal(row["tickSize"]) >= Decimal("0.001") else Decimal(1)
        await world.markets.move(market, 0)
        if self.target.controls:
            await world.rest.http.post(
                f"{self.target.controls}/paper/book", json={"ticker": market.ticker, "levels": 0}
            )

    async def _queue(self, world: World, market: Market, queue: list[Case]) -> None:
        for case in queue:
            people = await world.bank.people(case.people)
            room = Room(world, Chapter(Report(), case.name), people, replace(market))
            lab = Lab(room, random.Random(f"{self.seed} {case.name}"))
            try:
                await lab.open()
                await case.act(lab)
                await lab.end()
            except Exception as error:
                lab.note("the case ended with", f"{type(error).__name__}: {error}"[:300])
            await room.close()
            self.seen[case.name] = [list(note) for note in lab.notes]


def differences(left: Seen, right: Seen) -> dict[str, list[str]]:
    """By case, each note that is not the same on both sides."""
    found: dict[str, list[str]] = {}
    for name in left.keys() | right.keys():
        a, b = _by_key(left, name), _by_key(right, name)
        lines = [
            f"{key}: left {a.get(key)!r}, right {b.get(key)!r}"
            for key in [*a, *(key for key in b if key not in a)]
            if a.get(key) != b.get(key)
        ]
        if lines:
            found[name] = lines
    return dict(sorted(found.items()))


def _by_key(seen: Seen, name: str) -> dict[str, Any]:
    return {str(row[0]): row[1] for row in seen.get(name, [])}


async def _seen(where: str, cases: list[Case], seed: int) -> Seen:
    if where == "none":
        return {}
    if where not in ("own", "env"):
        read: dict[str, Any] = json.loads(Path(where).read_text())
        return {case.name: read["seen"][case.name] for case in cases if case.name in read["seen"]}
    child = None
    target = target_of(os.environ) if where == "env" else None
    if target is None:
        child = await PaperChild.start()
        target = child.target
    try:
        bench = Bench(target, seed)
        await bench.run(cases)
    finally:
        if child is not None:
            await child.close()
    # Through JSON, as a recording would be.
    seen: Seen = json.loads(json.dumps(bench.seen))
    return seen


async def main() -> int:
    """0 only if both sides answered everything alike."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.crafted")
    parser.add_argument("--left", default="env")
    parser.add_argument("--right", default="own", help="'none' compares with nothing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="cases whose name holds this word")
    parser.add_argument("--record", type=Path, help="write what the left side answered")
    arguments = parser.parse_args()
    cases = [case for case in CASES if arguments.only in case.name]
    left, right = await asyncio.gather(
        _seen(arguments.left, cases, arguments.seed),
        _seen(arguments.right, cases, arguments.seed),
    )
    if arguments.record:
        text = json.dumps({"seed": arguments.seed, "seen": left}, indent=0)
        arguments.record.write_text(text + "\n")
    if arguments.right == "none":
        return 0 if left else 1
    found = differences(left, right)
    for name, lines in found.items():
        print(f"DIFFERS  {name}")
        for line in lines:
            print(f"         {line}")
    notes = sum(len(rows) for rows in left.values())
    print(f"{len(cases)} cases, {notes} answers, {len(found)} cases differ")
    return 1 if found or not notes else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
