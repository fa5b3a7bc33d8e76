"""One account with its lane, against a paper network with the limits of the real one."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from bot.demo.proof import Chain
from bot.networks import build_venue, start_venue
from core.clock import SystemClock, SystemRandom
from core.dydx.faucet import fund
from core.dydx.keys import SigningKey
from core.dydx.network import paper_network
from core.dydx.signing import sign
from core.dydx.stream import StreamEvent
from core.events import Bell
from core.ledger import accounts, intents, plans, positions
from core.ledger.database import Ledger, open_ledger
from core.ledger.models import (
    Account,
    Credential,
    Intent,
    OutgoingMessage,
    Position,
    Strategy,
    Trader,
)
from core.paper.governance import DATA_FILE
from core.paper.network import PaperNetwork, PaperSettings
from core.signals.alert import Action, Alert, Size, SizeUnit
from core.trading.lane import Lane
from core.trading.lanes import Lanes
from core.trading.parts import Parts
from core.trading.rows import cancel_of
from core.trading.venue import Venue
from core.trading.wishes import alert_json
from core.vault import MasterKey, MasterKeys, Vault
from tests.acceptance.until import until

BLOCK_S = 0.25
MAINNET_TIERS = ((0, 0), (20, 10), (100, 20), (1_000, 40))
_EQUITY = "/dydxprotocol.clob.Query/EquityTierLimitConfiguration"


def mainnet_limits(folder: Path, tiers: Sequence[tuple[int, int]] = MAINNET_TIERS) -> Path:
    """A governance file with these equity tiers (USD, orders)."""
    raw = json.loads(DATA_FILE.read_text())
    config = _find(raw, "equity_tier_limit_config")
    config["stateful_order_equity_tiers"] = [
        {"usd_tnc_required": _gob(usd * 1_000_000), "limit": limit} for usd, limit in tiers
    ]
    path = folder / "governance.json"
    path.write_text(json.dumps(raw))
    return path


def _find(raw: Any, name: str) -> dict[str, Any]:
    if isinstance(raw, dict):
        if name in raw:
            found: dict[str, Any] = raw[name]
            return found
        for value in raw.values():
            with contextlib.suppress(LookupError):
                return _find(value, name)
    raise LookupError(name)


def _gob(number: int) -> str:
    """A number as the chain's JSON writes its big integers."""
    size = (number.bit_length() + 7) // 8
    return base64.b64encode(b"\x02" + number.to_bytes(size, "big")).decode()


class GuardHouse:
    """A funded account whose lane is started and stopped as a process would."""

    def __init__(self, folder: Path, ledger_url: str) -> None:
        self.clock, self.random = SystemClock(), SystemRandom()
        self._url = ledger_url
        self.paper = PaperNetwork(
            PaperSettings(
                grpc_port=0,
                rest_port=0,
                ws_port=0,
                rpc_port=0,
                prices="still",
                block_s=BLOCK_S,
                rest_limit=1_000_000,
                governance=mainnet_limits(folder),
            )
        )
        self.key = SigningKey.generate(self.random)
        self.ledger: Ledger
        self.account: Account
        self.strategy: Strategy
        self.venue: Venue
        self.lanes: Lanes
        self._keys = itertools.count(1)
        self._bot = contextlib.AsyncExitStack()
        self._http = httpx.AsyncClient(timeout=10)

    async def open(self, funds: int) -> None:
        await self.paper.start()
        network = self._network()
        await fund(network, self.key.address, 0, Decimal(funds))
        await until(self._funded, 20)

    async def close(self) -> None:
        await self.stop()
        await self._http.aclose()
        await self.paper.close()

    def _network(self) -> Any:
        return paper_network(self.paper.grpc_port, self.paper.rest_port, self.paper.ws_port)

    async def _funded(self) -> bool:
        url = f"{self.rest}/v4/addresses/{self.key.address}/subaccountNumber/0"
        return (await self._http.get(url)).status_code == 200

    @property
    def rest(self) -> str:
        return f"http://127.0.0.1:{self.paper.rest_port}"

    @property
    def lane(self) -> Lane:
        lane = self.lanes.get(self.account.id)
        assert lane is not None
        return lane

    async def start(self) -> None:
        """The bot's part: ledger, network and lane."""
        self._bot = stack = contextlib.AsyncExitStack()
        self.ledger = await stack.enter_async_context(
            open_ledger(
                self._url, clock=self.clock, random=self.random, copies_dir=None, holder="test"
            )
        )
        vault = Vault(MasterKeys(MasterKey.parse("11" * 32, "test"), ()), self.random)
        await self._account(vault)

        async def heard(venue: Venue, event: StreamEvent) -> None:
            await self.lanes.on_event(venue, event)

        self.venue = build_venue(self._network(), self.clock, self.random, heard)

        def parts_of(venue: Venue) -> Parts:
            return Parts(self.ledger, vault, venue, self.clock, self.random, Bell())

        self.lanes = Lanes({"paper": self.venue}, parts_of)
        await start_venue(self.venue)
        stack.push_async_callback(self.venue.close)
        stack.push_async_callback(self.lanes.close)
        await until(self._opened, 20)

    async def stop(self) -> None:
        """Ends the bot; whatever rests on chain stays."""
        await self._bot.aclose()
        self._bot = contextlib.AsyncExitStack()

    async def _opened(self) -> bool:
        return await self.lanes.open(self.account)

    async def _account(self, vault: Vault) -> None:
        known = await Account.first()
        if known is not None:
            self.account, self.strategy = known, await Strategy.get()
            return
        now = self.clock.now()
        trader = await Trader.create(telegram_id=1, name="Ann", role="trader", created_at=now)
        self.account = await Account.create(
            trader_id=trader.id,
            network="paper",
            address=self.key.address,
            subaccount_number=0,
            partition=1,
            next_client_id=7,
            without_stop_room="watch",
            state="active",
            created_at=now,
        )
        self.strategy = await Strategy.create(
            trader_id=trader.id,
            account_id=self.account.id,
            partition=1,
            name="main",
            webhook_uuid=self.random.uuid4(),
            secret_hash="0" * 64,
            state="active",
            created_at=now,
        )
        record = self.random.uuid4()
        await Credential.create(
            record=record,
            account_id=self.account.id,
            trader_id=trader.id,
            kind="mnemonic",
            sealed=vault.seal(self.key.secret(), trader_id=trader.id, record=record),
            created_at=now,
        )

    # what is wanted

    async def trade(
        self, action: Action, ticker: str, size: str, plan: dict[str, Any] | None = None
    ) -> Intent:
        """Has the lane trade, as a button would."""
        wish = Alert(action=action, symbol=ticker, size=Size(Decimal(size), SizeUnit.BASE))
        async with self.ledger.executing():
            intent = await intents.add(
                account=await accounts.lock(self.account.id),
                key=f"button:{next(self._keys)}:{self.ledger.epoch}",
                source="button",
                kind="trade",
                payload={
                    "ticker": ticker,
                    "wish": alert_json(wish),
                    "plan": plan or {},
                    "strategy_id": self.strategy.id,
                },
                now=self.clock.now(),
            )
        assert intent is not None
        self.lane.submit(intent)
        return intent

    async def buy(self, ticker: str, size: str, plan: dict[str, Any] | None = None) -> Position:
        """Buys, and waits for the position to be booked with this size added."""
        before = await positions.open_in(self.account.id, ticker)
        wanted = Decimal(size) + (before.size if before else 0)
        await self.trade(Action.BUY, ticker, size, plan)
        return await self.holds(ticker, str(wanted))

    async def holds(self, ticker: str, size: str, within_s: float = 20) -> Position:
        """Waits until the books show this size in a market."""

        async def booked() -> bool:
            row = await positions.open_in(self.account.id, ticker)
            return (row.size if row else Decimal(0)) == Decimal(size)

        await until(booked, within_s)
        row = await positions.open_in(self.account.id, ticker)
        if row is None:
            rows = Position.filter(account_id=self.account.id, ticker=ticker)
            row = await rows.order_by("-id").first()
        assert row is not None
        return row

    async def plan_of(self, position: Position) -> list[tuple[str, Decimal]]:
        """State and size of each target, nearest first."""
        found = (await plans.targets([position.id])).get(position.id, [])
        return [(row.state, row.size) for row in found]

    async def told(self, kind: str) -> list[dict[str, Any]]:
        """The messages of a kind that the trader is to get."""
        return [row.payload for row in await OutgoingMessage.filter(kind=kind).order_by("id")]

    # the chain

    async def price(self, ticker: str, factor: str) -> Decimal:
        """Moves the oracle price by a factor; the new price."""
        market = self.venue.stream.markets.get(ticker)
        assert market is not None
        assert market.oracle_price is not None
        wanted = (market.oracle_price * Decimal(factor)).quantize(market.oracle_price)
        answer = await self._http.post(
            f"{self.rest}/paper/price", json={"ticker": ticker, "price": str(wanted)}
        )
        answer.raise_for_status()

        async def heard() -> bool:
            return self.oracle(ticker) == wanted

        await until(heard)
        return wanted

    async def faults(self, **body: Any) -> None:
        """Puts faults of the paper network in force."""
        answer = await self._http.post(f"{self.rest}/paper/faults", json=body)
        answer.raise_for_status()

    def oracle(self, ticker: str) -> Decimal:
        market = self.venue.stream.markets.get(ticker)
        assert market is not None
        assert market.oracle_price is not None
        return market.oracle_price

    async def resting(self) -> list[tuple[str, str, Decimal]]:
        """Type, market and size of the account's orders in the node's committed state."""
        rows = await self._rows()
        return sorted((row["type"], row["ticker"], Decimal(row["size"])) for row in rows)

    async def resting_ids(self) -> set[str]:
        """The ids of the account's orders in the node's committed state."""
        return {row["id"] for row in await self._rows()}

    async def _rows(self) -> list[dict[str, str]]:
        chain = Chain(f"http://127.0.0.1:{self.paper.grpc_port}", self.rest)
        try:
            return await chain.resting(self.key.address)
        finally:
            await chain.close()

    async def triggers(self, kind: str = "STOP_LIMIT") -> list[Decimal]:
        """The triggers of the orders of a kind that the indexer shows as waiting."""
        answer = await self._http.get(
            f"{self.rest}/v4/orders",
            params={"address": self.key.address, "subaccountNumber": 0, "status": "UNTRIGGERED"},
        )
        answer.raise_for_status()
        rows = [row for row in answer.json() if row["type"] == kind]
        return sorted(Decimal(row["triggerPrice"]) for row in rows)

    async def cancel_by_hand(self) -> None:
        """Cancels the account's only order on chain as its owner would on the exchange's page."""
        [order] = self.lane.resting.living()
        owner = self.venue.owner(self.key.address)
        tip = await self.venue.node.tip()
        nonce = owner.nonce(tip, 0.0, urgent=True)
        number = self.account.chain_account_number
        assert number is not None
        draft = cancel_of(self.account, order)
        signed = sign([draft], self.key, self._network().chain_id, number, sequence=nonce)
        answer = await self.venue.node.broadcast(signed.tx)
        assert answer.code == 0, answer

    async def price_while_down(self, ticker: str, factor: str) -> None:
        """Moves the oracle price while no bot is there to hear of it."""
        rows = (await self._http.get(f"{self.rest}/v4/perpetualMarkets")).json()
        old = Decimal(rows["markets"][ticker]["oraclePrice"])
        body = {"ticker": ticker, "price": str((old * Decimal(factor)).quantize(old))}
        (await self._http.post(f"{self.rest}/paper/price", json=body)).raise_for_status()

    async def rests(self, *expected: tuple[str, str, str], within_s: float = 20) -> None:
        """Waits until exactly these (type, market, size) rest in the node's committed state."""
        wanted = sorted((kind, ticker, Decimal(size)) for kind, ticker, size in expected)

        async def found() -> bool:
            return await self.resting() == wanted

        try:
            await until(found, within_s)
        except AssertionError:
            raise AssertionError(f"{await self.resting()} rests, not {wanted}") from None

    async def settled(self, count: int, within_s: float = 30) -> list[tuple[str, str, Decimal]]:
        """Waits until so many orders rest; what they are."""

        async def found() -> bool:
            return len(await self.resting()) == count

        try:
            await until(found, within_s)
        except AssertionError:
            raise AssertionError(f"{await self.resting()} rests") from None
        return await self.resting()

    async def chain_size(self, ticker: str) -> Decimal:
        """The signed size in the node's committed state."""
        market = self.venue.stream.markets.get(ticker)
        assert market is not None
        held = await self.venue.node.subaccount(self.key.address, 0)
        return market.scale.size_of(held.positions.get(market.clob_pair_id) or 0)

    async def blocks(self, count: int) -> None:
        """Lets the chain make so many blocks."""
        end = (await self.venue.node.tip()).height + count

        async def made() -> bool:
            return (await self.venue.node.tip()).height >= end

        await until(made)


@contextlib.asynccontextmanager
async def guard_house(folder: Path, ledger_url: str, funds: int) -> AsyncIterator[GuardHouse]:
    """A house with a funded account and a lane that takes intents."""
    house = GuardHouse(folder, ledger_url)
    try:
        await house.open(funds)
        await house.start()
        yield house
    finally:
        await house.close()
