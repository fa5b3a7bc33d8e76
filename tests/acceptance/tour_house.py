"""A house whose bot dies by kill -9 behind every durable write and every send, each once, is
started again at once, and is sent again what it did not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import httpx

from bot.demo.world import free_port
from core.failpoints import EACH
from core.paper.network import PaperNetwork
from tests.acceptance.desk_process import DOOR
from tests.acceptance.nursery import Nursery
from tests.acceptance.phrase_visitor import paper_as_testnet
from tests.acceptance.process_house import ProcessHouse
from tests.acceptance.tour_truth import Truth
from tests.acceptance.until import until
from tests.failpoint_sites import Site, sites

PROGRAM: Final = "tests.acceptance.desk_process"
SIGKILLED: Final = -9
BLOCK_S: Final = 0.4
WITHIN_S: Final = 120.0
DIES_WITHIN_S: Final = 60.0
AGAIN_S: Final = 5.0
# What a desk says that is still starting, or looking at the chain.
LATER: Final = frozenset(
    {"not_ready", "account_busy", "strategy_busy", "prices_stale", "network_unreachable"}
)


class TourHouse(ProcessHouse):
    """Paper network, Telegram, and a bot that is kept alive. `spared`: places at which it does not
    die any more.
    """

    def __init__(
        self, folder: Path, database_url: str, nursery: Nursery, spared: Sequence[str]
    ) -> None:
        super().__init__(folder, database_url, nursery)
        self.paper = PaperNetwork(replace(self.paper.settings, block_s=BLOCK_S))
        self.truth = Truth(self.paper)
        self.places = folder / "places"
        self.places.write_text("".join(f"{place}\n" for place in spared))
        self.deaths = 0
        self.delivered: dict[bytes, bool] = {}
        self._door = free_port()
        self._keeping: asyncio.Task[None] | None = None
        self.settings |= paper_as_testnet(self) | {
            "GOOD_TIL_BLOCKS": "20",
            "SIGNUP": "approval",
            "RECONCILE_IDLE_S": "10",
            EACH: str(self.places),
            DOOR: str(self._door),
        }

    async def close(self) -> None:
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        await super().close()

    # the process

    def begin(self) -> None:
        """Starts the bot and keeps it alive from now on."""
        self._keeping = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        while True:
            self.bot = self._nursery.start(self.folder, self.environment(), (), PROGRAM)
            self.bots.append(self.bot)
            code = await self.bot.ended(24 * 3600.0)
            assert code == SIGKILLED, f"it ended by itself ({code}): {self.bot.stderr[-3000:]}"
            self.deaths += 1

    def check(self) -> None:
        """Raises what ended the keeping."""
        if self._keeping is not None and self._keeping.done():
            self._keeping.result()

    def died_at(self) -> list[str]:
        """The places so far, with those at which it was not to."""
        return self.places.read_text().splitlines()

    async def killed(self) -> None:
        """Once more, wherever it is."""
        before = self.deaths
        self.running.send(signal.SIGKILL)

        async def died() -> bool:
            return self.deaths > before

        await until(died)

    def missing(self, *functions: str) -> list[Site]:
        """The places of these functions or modules that it has not died at."""
        died = self.died_at()
        return [
            site
            for site in sites()
            if f"{site.function}.".startswith(tuple(f"{one}." for one in functions))
            and not any(site.is_at(place) for place in died)
        ]

    async def nothing(self) -> None:
        """Only time is to pass."""

    # asking

    async def call(self, what: str, *, fine: Collection[str] = (), **arguments: Any) -> Any:
        """A call through the door, asked again until it is answered. `fine`: refusals that may be
        the answer where the asked-for was done before the process died; then None.
        """
        deadline = time.monotonic() + WITHIN_S
        last: Any = "nobody answered"
        while time.monotonic() < deadline:
            self.check()
            try:
                answer = await self.http.post(
                    f"http://127.0.0.1:{self._door}/call",
                    json={"name": what, "arguments": arguments},
                )
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code != 200:
                raise AssertionError(f"{what} {arguments}: {self.running.stderr[-4000:]}")
            last = answer.json()
            if "told" in last:
                return last["told"]
            if last["code"] in fine:
                return None
            if last["code"] not in LATER:
                break
            await asyncio.sleep(0.2)
        raise AssertionError(f"{what} {arguments}: {last}")

    async def ask(self, who: int, method: str, *, fine: Collection[str] = (), **given: Any) -> Any:
        """A method of the desk, asked by a Telegram user."""
        return await self.call("ask", fine=fine, who=who, method=method, **given)

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.call("rows", sql=sql)
        return found

    async def row(self, sql: str) -> dict[str, Any]:
        (found,) = await self.rows(sql)
        return found

    async def once(self, what: str, **arguments: Any) -> Any:
        """A call that is not asked again; None where the process died over it."""
        with contextlib.suppress(httpx.TransportError):
            answer = await self.http.post(
                f"http://127.0.0.1:{self._door}/call", json={"name": what, "arguments": arguments}
            )
            return answer.json().get("told") if answer.status_code == 200 else None
        await asyncio.sleep(0.2)
        return None

    async def until_died(self, work: Callable[[], Awaitable[Any]], *functions: str) -> None:
        """Does something again and again until the process has died at every place of these
        functions or modules. What it never comes to is found missing in the end.
        """
        deadline = time.monotonic() + DIES_WITHIN_S
        while self.missing(*functions) and time.monotonic() < deadline:
            await work()
            await asyncio.sleep(0.2)

    async def comes(
        self,
        sql: str,
        within_s: float = WITHIN_S,
        again: Callable[[], Awaitable[Any]] | None = None,
    ) -> None:
        """Waits until a query has rows; `again` is done at first and every few seconds."""
        deadline, asked = time.monotonic() + within_s, 0.0
        while time.monotonic() < deadline:
            if await self.rows(sql):
                return
            if again is not None and time.monotonic() - asked > AGAIN_S:
                asked = time.monotonic()
                await again()
            await asyncio.sleep(0.1)
        raise AssertionError(f"not within {within_s} s: {sql}")

    # alerts

    async def strategy(self, who: int, account_id: int, name: str, **change: Any) -> Strategy:
        """A new strategy that takes late alerts too."""
        made = await self.ask(
            who, "create_strategy", account_id=account_id, name=name, fine=("name_taken",)
        )
        row = await self.row(f"SELECT id, webhook_uuid FROM strategy WHERE name = '{name}'")
        if made is None:
            made = await self.ask(who, "rotate_secret", strategy_id=row["id"])
        given = {"max_alert_age_s": 3600, "max_position_usd": "100000", **change}
        await self.ask(who, "change_strategy", strategy_id=row["id"], change=given)
        return Strategy(self, who, row["id"], str(row["webhook_uuid"]), made["secret"])

    async def deliver(self, url: str, body: bytes) -> dict[str, Any]:
        """As TradingView does, but until it is answered. `delivered` keeps each body and whether it
        was taken.
        """
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            self.check()
            try:
                answer = await self.http.post(url, content=body)
            except httpx.TransportError:
                await asyncio.sleep(0.05)
                continue
            if answer.status_code != 503:
                self.delivered[body] = answer.status_code == 200
                found: dict[str, Any] = answer.json()
                return found | {"http_status": answer.status_code}
            await asyncio.sleep(0.1)
        raise AssertionError(f"no answer to {body!r}")

    # the chain

    async def held(self, address: str, ticker: str, size: str, within_s: float = WITHIN_S) -> None:
        """Waits until the indexer shows this signed size of an account."""

        async def found() -> bool:
            self.check()
            return await self.size_of(address, ticker) == Decimal(size)

        try:
            await until(found, within_s)
        except AssertionError:
            now = await self.size_of(address, ticker)
            raise AssertionError(f"{ticker} of {address} is {now}, not {size}") from None

    async def size_of(self, address: str, ticker: str) -> Decimal:
        found = await self._get(
            "/v4/perpetualPositions", address=address, subaccountNumber=0, status="OPEN"
        )
        sizes = [Decimal(row["size"]) for row in found["positions"] if row["market"] == ticker]
        return sum(sizes, Decimal(0))

    async def fills_of(self, address: str) -> list[dict[str, Any]]:
        found = await self._get("/v4/fills", address=address, subaccountNumber=0, limit=1000)
        rows: list[dict[str, Any]] = found["fills"]
        return rows

    async def moved(self, ticker: str, factor: str) -> None:
        """The oracle price, by a factor."""
        price = await self.oracle(ticker) * Decimal(factor)
        await self.price(ticker, format(price.quantize(Decimal("0.0001")), "f"))

    async def faults(self, **faults: Any) -> None:
        await self.control("faults", **faults)

    @contextlib.asynccontextmanager
    async def without_stream(self) -> AsyncIterator[None]:
        """Each connection of the stream is closed as soon as it is open."""

        async def close() -> None:
            while True:
                await self.faults(ws_closed=True)
                await asyncio.sleep(0.2)

        closing = asyncio.create_task(close())
        try:
            yield
        finally:
            closing.cancel()
            await asyncio.gather(closing, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def without_node(self) -> AsyncIterator[None]:
        """Nobody listens on the node's port; the indexer goes on."""
        (node,) = self.paper.nodes
        port = node.port
        await node.close(0.1)
        try:
            yield
        finally:
            await node.start(self.paper.settings.host, port)


class Strategy:
    """A webhook of the tour."""

    def __init__(self, house: TourHouse, who: int, id_: int, uuid: str, secret: str) -> None:
        self.house = house
        self.who = who
        self.id = id_
        self.secret = secret
        self.url = f"{house.bot_http}/api/webhooks/signal/{uuid}"
        self.sent = 0

    def body(self, action: str | None, ticker: str, **fields: Any) -> bytes:
        self.sent += 1
        said = {"action": action} if action is not None else {}
        time_ = dt.datetime.now(dt.UTC).isoformat()
        whole = {"secret": self.secret, "symbol": ticker, "time": time_, "id": f"n{self.sent}"}
        return json.dumps(whole | said | fields).encode()

    async def alert(self, action: str | None, ticker: str, **fields: Any) -> dict[str, Any]:
        """Sends one; returns the answer."""
        return await self.house.deliver(self.url, self.body(action, ticker, **fields))

    async def change(self, **change: Any) -> None:
        await self.house.ask(self.who, "change_strategy", strategy_id=self.id, change=change)

    async def last(self) -> dict[str, Any]:
        """The last signal."""
        return await self.house.row(
            f"SELECT * FROM signal WHERE strategy_id = {self.id} ORDER BY received_at DESC LIMIT 1"
        )

    async def ends(self, *states: str) -> dict[str, Any]:
        """Waits until the last signal is over, in one of these states."""
        deadline = time.monotonic() + WITHIN_S
        while time.monotonic() < deadline:
            found = await self.last()
            if found["state"] in states:
                return found
            await asyncio.sleep(0.1)
        raise AssertionError(f"the last signal is {found['state']} ({found['reason_text']})")

    async def holds(
        self, address: str, action: str | None, ticker: str, then: str, **fields: Any
    ) -> None:
        """Sends an alert and waits for the position that it leads to. An order that came too late
        for its blocks trades nothing and is said so; then the alert is given anew.
        """
        for _ in range(4):
            await self.alert(action, ticker, **fields)
            ended = await self.ends("executed", "refused", "missed")
            if ended["state"] == "executed":
                await self.house.held(address, ticker, then)
                return
            assert ended["reason_code"] == "unfilled", (ended["state"], ended["reason_text"])
        raise AssertionError(f"{action} {ticker} never found a match")


@contextlib.asynccontextmanager
async def a_tour_house(
    folder: Path, database_url: str, nursery: Nursery, spared: Sequence[str]
) -> AsyncIterator[TourHouse]:
    """A house with everything but the bot running."""
    house = TourHouse(folder, database_url, nursery, spared)
    await house.open()
    try:
        yield house
    finally:
        await house.close()
