"""One world: a paper network, the bot on a machine that may die, people, and the judge."""

from __future__ import annotations

import asyncio
import datetime as dt
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from core.dydx.indexer import Indexer
from core.dydx.node import NodePool
from core.dydx.stream import Stream
from core.signals.alert import Level, TakeProfit
from core.trading.desk import LedgerUnavailable, StrategyChange
from core.trading.gap import ALIVE
from core.trading.live import LiveDesk
from core.trading.venue import Venue
from core.trading.views import DeskError
from tests.sim import database
from tests.sim.chain import NODES, PaperChain
from tests.sim.judge import Judge
from tests.sim.machine import MASTER_KEY, Died, Machine
from tests.sim.people import CASTS, Cast, Person, Sent, Strategy, alert_body, key_of, phrase_of
from tests.sim.virtual import SeededRandom, SimClock, VirtualLoop, WorldTime

T = TypeVar("T")
BEGAN = dt.datetime(2026, 3, 2, 7, tzinfo=dt.UTC)
HANGS_UP_AFTER_S = 3.0
RESENT_AFTER_S = 5.0
RESENT_AT_MOST = 3
STARTS_AGAIN_WITHIN_S = 300.0


class World:
    """`seed` decides everything that happens in it."""

    def __init__(
        self,
        loop: VirtualLoop,
        seed: int,
        folder: Path,
        template: Path,
        casts: tuple[Cast, ...] = CASTS,
        restless: bool = True,
    ) -> None:
        self.loop = loop
        self.seed = seed
        self.random = random.Random(f"world {seed}")
        self.time = WorldTime(loop, BEGAN)
        self.chain = PaperChain(loop, self.time, seed)
        self.clock = SimClock(self.time)
        self.casts = casts
        self.people: list[Person] = []
        self.sent: list[Sent] = []
        self.counts: Counter[str] = Counter()
        self.cancelled: set[int] = set()
        """The orders whose Cancel button was pressed and answered."""
        self.unexpected: list[str] = []
        self.machine: Machine | None = None
        self.shown = False
        self.dies_on_answer = False
        """The machine dies right after it says next that it has an alert."""
        self._path = folder / "ledger.db"
        self.lives = 0
        self._supervisor: asyncio.Task[None] | None = None
        self._sending: set[asyncio.Task[Any]] = set()
        database.fresh(template, self._path)
        self.judge = Judge(self, self._path, restless=restless)

    def say(self, *words: object) -> None:
        """Shows what happens, where somebody looks."""
        if self.shown:
            print(f"{self.loop.passed:9.3f}  ###", *words)

    # life

    async def open(self) -> None:
        """Chain, bot and people; returns when all accounts are ready."""
        await self.chain.start()
        await self._start_machine()
        for cast in self.casts:
            await self._move_in(cast)
        self._supervisor = asyncio.create_task(self._keep_alive())
        self.judge.begin()

    async def close(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if self.machine is not None:
            await self.machine.bury("the end")
        await self.chain.close()
        self.judge.close()

    async def _move_in(self, cast: Cast) -> None:
        person = Person(cast, self.chain.fund(key_of(cast.number).address, cast.usd))
        self.people.append(person)
        await asyncio.sleep(3)
        phrase = phrase_of(cast.number)
        person.view = await self.ask(lambda desk: desk.trader_of(cast.number, cast.name))
        preview = await self.ask(lambda desk: desk.preview_phrase(person.view, "paper", phrase))
        account = await self.ask(lambda desk: desk.confirm_preview(person.view, preview.token))
        person.account_id = account.id
        if cast.shares:
            await self.ask(lambda desk: desk.set_sharing(person.view, account.id, sharing=True))
        for name in cast.strategies:
            made = await self.ask(partial(_create, person, name))
            view = made.strategy
            person.strategies.append(
                Strategy(person, name, view.id, view.webhook_url.rsplit("/", 1)[1], made.secret)
            )
            change = StrategyChange(
                stop_loss_percent=Decimal(2),
                take_profits=(TakeProfit(Level(percent=Decimal(3))),),
                max_position_usd=Decimal(1_000_000),
            )
            await self.ask(partial(_change, person, view.id, change))

    async def ask(self, work: Callable[[LiveDesk], Awaitable[T]]) -> T:
        """Has the desk do something. Raises Died, DeskError."""
        if self.machine is None:
            raise Died("no machine runs")
        return await self.machine.call(work)

    # machines

    def settings(self) -> dict[str, str]:
        nodes = [f"http://127.0.0.1:{9000 + number}" for number in range(NODES)]
        return {
            "BOT_TOKEN": "123456789:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "DATABASE_URL": f"sqlite://{self._path}",
            "MASTER_KEY": MASTER_KEY,
            "NETWORKS": "paper",
            "DYDX_PAPER_GRPC": ",".join(nodes),
            "DYDX_PAPER_REST": "http://127.0.0.1:3002",
            "DYDX_PAPER_WS": "ws://127.0.0.1:3003/v4/ws",
            "SIGNUP": "open",
        }

    def _build_venue(self, network: Any, clock: Any, rand: Any, on_event: Any) -> Venue:
        """As `bot.networks.build_venue`, over the wires of this world."""
        chain = self.chain

        async def routed(event: Any) -> None:
            await on_event(venue, event)

        nodes = dict(zip(network.grpc, chain.nodes, strict=True))
        node = NodePool(network, clock, channels=lambda address: nodes[address].open())
        stream = Stream(network, clock, rand, routed, dial=chain.stream.dial)
        indexer = Indexer(network, clock, transport=chain.rest)
        venue = Venue(network, node, indexer, stream, clock)
        return venue

    async def _start_machine(self) -> None:
        """Raises Died where it dies on the way up."""
        self.lives += 1
        machine = Machine(
            self.loop,
            self.settings(),
            self.clock,
            SeededRandom((self.seed, self.lives)),
            self._build_venue,
        )
        self.machine = machine
        if self.random.random() < 0.1 and self._supervisor is not None:
            machine.die_after(self.random.randrange(5, 120))
        await machine.start()
        machine.spare()

    async def _keep_alive(self) -> None:
        """Starts a new machine whenever the last one died."""
        while True:
            assert self.machine is not None
            await self.machine.dead.wait()
            self.counts["crashes"] += 1
            self.say("died:", self.machine.died_at)
            self.judge.went_down()
            self.unexpected += self.machine.failures
            await self.machine.bury()
            await asyncio.sleep(self.random.choice((1.0, 3.0, 8.0, 20.0)))
            try:
                await self._start_machine()
            except Died:
                continue
            self.judge.came_up()
            self.say("started again")

    async def crash(self) -> None:
        """The machine dies now, whatever it does; returns when the next one runs."""
        machine = self.machine
        if machine is None or not machine.alive:
            return
        machine.kill()
        await machine.dead.wait()
        await asyncio.sleep(0)

    # what people do

    def post(self, strategy: Strategy, ticker: str, action: str, fields: dict[str, Any]) -> Sent:
        """TradingView sends an alert, and again where it is not answered."""
        number = len(self.sent) + 1
        alert_id = f"a{number}"
        sent = Sent(
            alert_id,
            strategy,
            ticker,
            action,
            alert_body(strategy, ticker, action, alert_id, self.time.now().isoformat(), fields),
            *self._meant(action, fields),
            at=self.loop.passed,
            target=fields.get("market_position"),
            sized="market_position_size" in fields,
        )
        self.sent.append(sent)
        self.counts["alerts"] += 1
        self.say("alert", alert_id, strategy.owner.cast.name, strategy.name, ticker, action, fields)
        self._spawn(self._send(sent))
        if self.random.random() < 0.25:
            self._spawn(self._send(sent, after=self.random.choice((0.0, 0.3, 5.0, 12.0))))
        return sent

    def again(self, sent: Sent, after: float) -> None:
        """The same bytes come once more."""
        self._spawn(self._send(sent, after))

    @staticmethod
    def _meant(action: str, fields: dict[str, Any]) -> tuple[Decimal, Decimal | None]:
        """What an alert may open and close at most, in coins; None: all that is held."""
        nothing = Decimal(0)
        size = Decimal(fields["size"]) if "size" in fields else None
        target = fields.get("market_position")
        if action == "cancel":
            return nothing, nothing
        if action in ("close", "reduce"):
            return nothing, size
        if target == "flat":
            return nothing, None
        if "market_position_size" in fields:
            return Decimal(fields["market_position_size"]), None
        assert size is not None
        if action in ("long", "short", "reverse"):
            return size, None
        return size, nothing if action == "add" else size

    async def _send(self, sent: Sent, after: float = 0.0) -> None:
        if after:
            await asyncio.sleep(after)
        for number in range(RESENT_AT_MOST + 1):
            if number:
                await asyncio.sleep(RESENT_AFTER_S)
            sent.sendings += 1
            try:
                async with asyncio.timeout(HANGS_UP_AFTER_S):
                    answer = await self.ask(
                        lambda desk: desk.receive_alert(sent.strategy.webhook, sent.body)
                    )
            except (Died, TimeoutError, LedgerUnavailable):
                continue
            except Exception as error:
                self.unexpected.append(f"alert {sent.id}: {error!r}")
                continue
            sent.answers.append(answer)
            if self.dies_on_answer and answer.http_status == 200 and self.machine is not None:
                self.dies_on_answer = False
                self.machine.kill()
            self.say("answer to", sent.id, answer.http_status, _short(answer.body))
            self.judge.answered(sent, answer)
            if answer.http_status < 500:
                return

    def press(self, name: str, work: Callable[[LiveDesk], Awaitable[Any]]) -> None:
        """A trader presses a button; what the desk refuses is no matter."""
        self.counts["buttons"] += 1
        self.say("button", name)

        async def pressing() -> None:
            try:
                await self.ask(work)
            except (Died, DeskError):
                return
            except Exception as error:
                self.unexpected.append(f"button {name}: {error!r}")

        self._spawn(pressing())

    def panic(self, person: Person, key: str) -> None:
        """A trader wants to be flat, now."""
        person.panic_key = key
        self.press(f"panic of {person.cast.name}", lambda desk: desk.panic(person.view, key, None))

    async def resume(self) -> None:
        """Who called a panic is flat; he may trade again."""
        for person in self.people:
            if person.panic_key is None:
                continue
            self.judge.after_panic(person)
            person.panic_key = None
            while not await self._resumed(person):  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(1)

    async def _resumed(self, person: Person) -> bool:
        try:
            await self.ask(lambda desk: desk.resume_after_panic(person.view))
        except Died:
            return False
        return True

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    # time

    async def calm(self, patience_s: float) -> bool:
        """Waits until everything that was sent has an end; False where it takes too long."""
        until = self.loop.passed + patience_s
        while self.loop.passed < until:
            await asyncio.sleep(1)
            machine = self.machine
            if self._sending or machine is None or not machine.alive:
                continue
            if not self.judge.unfinished():
                await asyncio.sleep(4)
                if not self.judge.unfinished():
                    return True
        return False

    async def come_right(self, patience_s: float) -> None:
        """Waits until all is calm and as it must be; then the judge has the last word."""
        until = self.loop.passed + patience_s
        if not await self.calm(patience_s):
            for line in self.judge.unfinished() or ["somebody still waits"]:
                self.judge.blame("stuck", f"{line} {patience_s:.0f} s after all faults ended")
        while self.judge.findings() and self.loop.passed < until:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(2)
        self.judge.look()

    async def skip(self, seconds: float) -> None:
        """Quiet hours pass at once; then a few blocks until everybody knows the time again. A bot
        that ran through them would have left its sign of life.
        """
        self.time.skip(seconds)
        while not self.judge.write(  # noqa: ASYNC110 - nobody tells
            "UPDATE meta SET value = ? WHERE name = ?", self.clock.now().isoformat(), ALIVE
        ):
            await asyncio.sleep(0)
        await asyncio.sleep(6)


async def _create(person: Person, name: str, desk: LiveDesk) -> Any:
    return await desk.create_strategy(person.view, person.account_id, name)


async def _change(person: Person, strategy_id: int, change: StrategyChange, desk: LiveDesk) -> Any:
    return await desk.change_strategy(person.view, strategy_id, change)


def _short(body: dict[str, Any]) -> dict[str, Any]:
    return {k: body[k] for k in ("status", "error", "side", "size", "reason") if k in body}
