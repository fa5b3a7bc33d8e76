"""A bot without a chat on a paper network, and a trader's hand beside it."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from bot.app import Process, started
from bot.demo.world import free_port
from bot.settings import load_settings
from core.dydx.drafts import OrderDraft
from core.dydx.markets import Market
from core.dydx.node import Outcome
from core.dydx.orders import market_draft
from core.dydx.protocol import OrderFlags, Side, TimeInForce
from core.ledger import accounts
from core.paper.network import PaperNetwork, PaperSettings
from core.trading.key_steps import next_nonce
from core.trading.live import LiveDesk
from core.trading.risk.views import PanicView
from core.trading.signing import Signer
from core.trading.venue import Venue
from core.trading.views import TraderView

BLOCK_S = 0.2
WITHIN_S = 90.0


async def until(condition: Callable[[], Awaitable[bool]], within_s: float = WITHIN_S) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(within_s):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@dataclass
class PanicHouse:
    """`begin` and `end` start and stop the bot; the paper network goes on."""

    folder: Path
    database_url: str
    paper: PaperNetwork
    admins: str = ""
    process: Process | None = None
    hand: int = 0
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def begin(self) -> LiveDesk:
        environment = {
            "DATABASE_URL": self.database_url,
            "MASTER_KEY": "11" * 32,
            "NETWORKS": "paper",
            "DYDX_PAPER_GRPC": f"http://127.0.0.1:{self.paper.nodes[0].port}",
            "DYDX_PAPER_REST": f"http://127.0.0.1:{self.paper.rest_port}",
            "DYDX_PAPER_WS": f"ws://127.0.0.1:{self.paper.ws_port}/v4/ws",
            "HTTP_PORT": str(free_port()),
            "SIGNUP": "open",
            "ADMIN_IDS": self.admins,
        }
        if not self.admins:
            del environment["ADMIN_IDS"]
        self._stack = contextlib.AsyncExitStack()
        settings = load_settings(environment, self.folder / "no.env")
        self.process = await self._stack.enter_async_context(started(settings))
        return self.process.desk

    async def end(self) -> None:
        await self._stack.aclose()
        self.process = None

    @property
    def desk(self) -> LiveDesk:
        assert self.process is not None
        return self.process.desk

    @property
    def venue(self) -> Venue:
        assert self.process is not None
        return self.process.venues["paper"]

    async def trader(self, telegram_id: int = 1) -> TraderView:
        return await self.desk.trader_of(telegram_id, f"Ann {telegram_id}")

    async def open_account(self, trader: TraderView) -> int:
        """A funded account whose lane is ready."""
        await until(self._markets_known)
        account = await self.desk.open_paper_account(trader)
        await self.ready(account.id)
        return account.id

    async def _markets_known(self) -> bool:
        return bool(self.venue.stream.markets.tickers()) and self.venue.prices_fresh

    async def ready(self, account_id: int) -> None:
        process = self.process
        assert process is not None

        async def there() -> bool:
            return process.lanes.get(account_id) is not None

        await until(there)

    # the hand

    async def _send(self, account_id: int, draft: OrderDraft) -> None:
        account = await accounts.get(account_id)
        credential = await accounts.credential(account_id)
        assert credential is not None
        on_chain = await self.venue.node.account(account.address)
        assert on_chain is not None
        account.chain_account_number = on_chain.number
        office = self.desk._office
        signer = Signer(account, credential, office.vault, self.venue.network.chain_id)
        nonce = 0
        if draft.stateful:
            nonce = await next_nonce(office, self.venue, account.address)
        answer = await self.venue.node.broadcast(signer.sign([draft], sequence=nonce).tx)
        assert answer.outcome is Outcome.ACCEPTED, answer

    def _market(self, ticker: str) -> Market:
        market = self.venue.stream.markets.get(ticker)
        assert market is not None
        return market

    async def _id(self, account_id: int) -> tuple[str, int]:
        self.hand += 1
        return (await accounts.get(account_id)).address, self.hand

    async def rest(self, account_id: int, ticker: str = "BTC-USD") -> None:
        """A long-term bid far below the price, made by hand."""
        market = self._market(ticker)
        address, client_id = await self._id(account_id)
        draft = OrderDraft(
            address=address,
            number=0,
            client_id=client_id,
            clob_pair_id=market.clob_pair_id,
            side=Side.BUY,
            quantums=market.scale.step_base_quantums,
            subticks=market.scale.subticks_per_tick * 100,
            time_in_force=TimeInForce.UNSPECIFIED,
            order_flags=OrderFlags.LONG_TERM,
            good_til_block_time=int(dt.datetime.now(dt.UTC).timestamp()) + 3600,
        )
        await self._send(account_id, draft)

        async def there() -> bool:
            row = await self.venue.indexer.order(draft.order_uuid)
            return row is not None and row.status == "OPEN"

        await until(there)

    async def trade(self, account_id: int, side: Side, ticker: str = "BTC-USD") -> None:
        """A position made by hand, known to the bot. An order that came too late for its blocks is
        sent anew.
        """
        trader = await self.desk.trader((await accounts.get(account_id)).trader_id)

        async def there() -> bool:
            held = await self.desk.positions(trader)
            return any(row.ticker == ticker and row.account_id == account_id for row in held)

        market = self._market(ticker)
        while market.clob_pair_id not in await self.positions(account_id):
            await self._send(account_id, await self._order(account_id, side, market))
            with contextlib.suppress(TimeoutError):
                await until(there, within_s=10)
        await until(there)

    async def _order(self, account_id: int, side: Side, market: Market) -> OrderDraft:
        address, client_id = await self._id(account_id)
        return market_draft(
            address=address,
            number=0,
            client_id=client_id,
            market=market,
            side=side,
            size=market.step_size * 10,
            slippage_bps=500,
            height=await self.venue.height(),
            good_til_blocks=20,
            reduce_only=False,
        )

    # what the chain says

    async def positions(self, account_id: int) -> dict[int, int]:
        """Committed quantums by market."""
        account = await accounts.get(account_id)
        height = (await self.venue.node.tip()).height
        held = await self.venue.node.subaccount(account.address, 0, at_least=height)
        return {pair: quantums for pair, quantums in held.positions.items() if quantums}

    async def orders(self, account_id: int) -> list[str]:
        """Orders that the indexer knows as living."""
        account = await accounts.get(account_id)
        rows = await self.venue.indexer.orders(account.address, 0)
        return [row.id for row in rows if row.status in ("OPEN", "UNTRIGGERED")]

    async def rests(self, account_id: int, count: int) -> bool:
        """Whether so many orders live."""
        return len(await self.orders(account_id)) == count

    async def over(self, panic_id: int) -> PanicView:
        """A panic when it is done."""

        async def done() -> bool:
            return (await self.desk.panic_view(panic_id)).done

        await until(done)
        return await self.desk.panic_view(panic_id)


@contextlib.asynccontextmanager
async def panic_house(folder: Path, url: str, admins: str = "") -> AsyncIterator[PanicHouse]:
    paper = PaperNetwork(
        PaperSettings(
            grpc_port=0,
            rest_port=0,
            ws_port=0,
            rpc_port=0,
            prices="still",
            block_s=BLOCK_S,
            rest_limit=1_000_000,
        )
    )
    await paper.start()
    house = PanicHouse(folder, url, paper, admins)
    try:
        yield house
    finally:
        await house.end()
        await paper.close()
