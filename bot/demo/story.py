"""`perpgram story`: from /start to the profit message, told as it goes, each step proved on chain.

Exit 0 only when every step was proved by a query to node or indexer; else 1, with the step that
was not and what was seen instead.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import tempfile
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from bot.demo.proof import Chain, NotProved
from bot.demo.visitor import CHAT_WITHIN_S, open_paper_account, own_address, take_webhook
from bot.demo.world import World, WorldFault
from bot.emulator.screen import Shown
from bot.emulator.user import ScreenTimeout, User
from core.signals.template import filled

TICKER = "BTC-USD"
SIZE = Decimal("0.01")
RISE = Decimal("1.035")
FILL_WITHIN_S = 40.0


class StoryFailed(Exception):
    """A step was not proved."""


async def story() -> int:
    """Plays the story in a world of its own; returns the exit status."""
    with tempfile.TemporaryDirectory(prefix="perpgram-story-") as folder:
        world = World(Path(folder))
        teller = Teller(world)
        try:
            await teller.play()
        except (StoryFailed, NotProved, ScreenTimeout, WorldFault, LookupError) as fault:
            teller.say(f"\nNOT PROVED: {fault}")
            teller.say("\nThe end of the bot's log:\n" + world.bot.tail())
            return 1
        except httpx.HTTPError as fault:
            teller.say(f"\nNOT PROVED: a request failed: {type(fault).__name__} {fault}")
            return 1
        finally:
            await teller.close()
            await world.close()
    return 0


class Teller:
    """Plays one step after the other and prints what both sides said."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._user: User = world.emulator.user(7_000_001, "Ada")
        self._http = httpx.AsyncClient(timeout=10.0)
        self._chain: Chain | None = None
        self._told: dict[int, str] = {}
        self._proved = 0
        self._began = time.monotonic()

    async def close(self) -> None:
        await self._http.aclose()
        if self._chain is not None:
            await self._chain.close()

    def say(self, line: str) -> None:
        print(line, flush=True)

    async def play(self) -> None:
        """The whole story. Raises StoryFailed, NotProved or ScreenTimeout."""
        world = self._world
        addresses = await world.start()
        grpc_address = world.network["DYDX_PAPER_GRPC"].split(",")[0]
        self._chain = Chain(grpc_address, addresses.paper_rest)
        self.say(f"paper dYdX {addresses.paper_rest} · bot {addresses.bot_http}")
        faults = await self._chain.faults()
        if faults:
            self.say(f"faults that are switched on at the network: {json.dumps(faults)}")
        funded_before = await self._connect()
        url, template = await self._strategy()
        market = await self._chain.market(TICKER)
        perpetual_id = int(market["clobPairId"])
        body = self._alert(template)
        answer = await self._send(url, body)
        if answer.get("status") == "PENDING":
            self.say("no outcome yet: the chain is asked what became of the order")
        elif answer.get("status") not in ("ACCEPTED", "FILLED"):
            raise StoryFailed(f"the webhook answered {answer}")
        await self._opened(perpetual_id, market)
        await self._resent(url, body, perpetual_id)
        await self._closed(perpetual_id, market, funded_before)
        took = time.monotonic() - self._began
        self.say(f"\n{self._proved} steps proved on chain in {took:.0f} s.")

    # steps

    async def _connect(self) -> Decimal:
        self._step("A stranger writes to the bot and taps paper")
        await open_paper_account(self._user)
        self._tell()
        self._address = await own_address(self._user)
        usdc, held = await self._node.committed(self._address)
        if usdc <= 0 or held:
            raise StoryFailed(f"the node has {usdc} USDC and {held} for {self._address}")
        self._prove(f"node: {self._address} holds {usdc} USDC and no position")
        return usdc

    async def _strategy(self) -> tuple[str, str]:
        self._step("The bot hands out a webhook and a ready message")
        shown, url, template = await take_webhook(self._user)
        if url not in shown.text or template not in shown.text:
            raise StoryFailed("the copy buttons hold something else than the message shows")
        return url, template

    def _alert(self, template: str) -> bytes:
        body = filled(
            template, ticker="BTCUSD", action="buy", id="story-1", time=dt.datetime.now(dt.UTC)
        )
        fields: dict[str, Any] = json.loads(body) | {"size": str(SIZE)}
        return json.dumps(fields).encode()

    async def _send(self, url: str, body: bytes) -> dict[str, Any]:
        self._step("TradingView sends an alert")
        self.say(f"POST {url}\n     {_masked(body)}")
        began = time.monotonic()
        answer = await self._http.post(url, content=body)
        took = (time.monotonic() - began) * 1000
        self.say(f"{answer.status_code} in {took:.0f} ms: {answer.text}")
        fields: dict[str, Any] = answer.json()
        return fields

    async def _opened(self, perpetual_id: int, market: dict[str, str]) -> None:
        self._step("The order fills; stop and target rest on chain")
        _, quantums = await self._node.wait_position(
            self._address, perpetual_id, is_open=True, within_s=FILL_WITHIN_S
        )
        size = Decimal(quantums).scaleb(int(market["atomicResolution"]))
        if size != SIZE:
            raise StoryFailed(f"the node has a position of {size}, asked were {SIZE}")
        self._prove(f"node: position {size.normalize():f} {TICKER}")
        fills = await self._fills_of("BUY")
        self._prove(f"indexer: {len(fills)} fill(s), {_sum(fills)} {TICKER} bought")
        await self._user.wait_for_text("protected on chain", CHAT_WITHIN_S)
        held = await self._node.resting(self._address)
        guards = {row["type"]: row for row in held if row["reduceOnly"]}
        if set(guards) != {"STOP_LIMIT", "TAKE_PROFIT"}:
            raise StoryFailed(f"the chain's state holds {sorted(guards)}, not a stop and a target")
        for kind, row in sorted(guards.items()):
            if Decimal(row["size"]) != SIZE:
                raise StoryFailed(f"the {kind} order covers {row['size']} of {SIZE}")
            self._prove(f"node: {kind} {row['side']} {row['size']} at {row['triggerPrice']} rests")
        self._tell()

    async def _resent(self, url: str, body: bytes, perpetual_id: int) -> None:
        answer = await self._send(url, body)
        if answer.get("status") != "DUPLICATE":
            raise StoryFailed(f"the same alert once more was answered {answer}")
        await asyncio.sleep(2)
        fills = await self._fills_of("BUY")
        if _sum(fills) != SIZE:
            raise StoryFailed(f"the indexer has {_sum(fills)} bought, one alert asked for {SIZE}")
        _, held = await self._node.committed(self._address)
        self._prove(f"node: still {held.get(perpetual_id)} quantums; the alert acted once")

    async def _closed(
        self, perpetual_id: int, market: dict[str, str], funded_before: Decimal
    ) -> None:
        self._step("The price rises to the take profit")
        target = Decimal(market["oraclePrice"]) * RISE
        tick = Decimal(market["tickSize"])
        target = (target // tick) * tick
        await self._node.set_price(TICKER, target)
        self.say(f"oracle price of {TICKER}: {market['oraclePrice']} → {target.normalize():f}")
        usdc, _ = await self._node.wait_position(
            self._address, perpetual_id, is_open=False, within_s=FILL_WITHIN_S
        )
        self._prove("node: the position is flat")
        gain = usdc - funded_before
        self._prove(f"node: USDC {funded_before} → {usdc}, a gain of {gain:+f}")
        if gain <= 0:
            raise StoryFailed(f"the take profit made {gain}")
        closed = await self._user.wait_until(_profit_message, CHAT_WITHIN_S)
        self._tell()
        shown = _first_amount(closed.text)
        if abs(shown - gain) > Decimal("0.01"):
            raise StoryFailed(f"the chat says {shown}, the chain {gain}")
        self._prove(f"chat says {shown:+f} USDC, the chain's balance changed by {gain:+f}")
        await self._nothing_left()

    async def _nothing_left(self) -> None:
        """The plan's other order is gone: it would act on the next position."""
        deadline = time.monotonic() + FILL_WITHIN_S
        while left := await self._node.resting(self._address):
            if time.monotonic() > deadline:
                raise StoryFailed(f"{len(left)} order(s) of the closed position are left on chain")
            await asyncio.sleep(0.5)
        self._prove("node: no order of the closed position is left")

    # telling

    @property
    def _node(self) -> Chain:
        assert self._chain is not None
        return self._chain

    async def _fills_of(self, side: str) -> list[dict[str, str]]:
        """The account's fills of one side, once the indexer shows any."""
        deadline = time.monotonic() + FILL_WITHIN_S
        while time.monotonic() < deadline:
            rows = [row for row in await self._node.fills(self._address) if row["side"] == side]
            if rows:
                return rows
            await asyncio.sleep(0.2)
        raise NotProved(f"the indexer showed no {side} fill within {FILL_WITHIN_S:.0f} s")

    def _step(self, title: str) -> None:
        self.say(f"\n── {title}")

    def _prove(self, fact: str) -> None:
        self._proved += 1
        self.say(f"PROVED  {fact}")

    def _tell(self) -> None:
        """Prints what is new or was edited in the chat since last time."""
        for shown in self._user.screen():
            if self._told.get(shown.id) == shown.text:
                continue
            mark = "edited " if shown.id in self._told else ""
            self._told[shown.id] = shown.text
            who = "USER" if shown.sender == "user" else "BOT "
            text = _hide_secret(shown.text).replace("\n", "\n     ")
            self.say(f"{who} {mark}{text}")
            for row in shown.buttons:
                self.say("     " + " ".join(f"[{button.label}]" for button in row))


def _profit_message(screen: list[Shown]) -> Shown | None:
    """The new message that ends the trade, in reply to the signal's card."""
    for shown in reversed(screen):
        if shown.reply_to is not None and "closed: take profit" in shown.text:
            return shown
    return None


def _sum(fills: list[dict[str, str]]) -> Decimal:
    return sum((Decimal(row["size"]) for row in fills), Decimal(0))


def _masked(body: bytes) -> str:
    return json.dumps(json.loads(body) | {"secret": "***"})


def _hide_secret(text: str) -> str:
    """The transcript may be published; the secret in the chat's template may not."""
    lines = text.split("\n")
    return "\n".join(
        line.split(":")[0] + ': "***",' if '"secret"' in line else line for line in lines
    )


def _first_amount(text: str) -> Decimal:
    """The P&L of a closing message: its first line that ends in USDC."""
    for line in text.split("\n"):
        words = line.replace("−", "-").replace(",", "").split()
        if len(words) >= 2 and words[1] == "USDC":
            return Decimal(words[0])
    raise StoryFailed(f"the closing message names no amount: {text}")
