"""Every websocket channel: snapshot, updates, unsubscribing, errors, limits."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.conformance.chain import GOOD
from tests.conformance.chapters.desk import Desk
from tests.conformance.checks import Mismatch, expect, expect_that, until
from tests.conformance.people import BUY, IOC, LONG, SELL, Person, cancel
from tests.conformance.stream import Frame, Socket
from tests.conformance.world import Room


async def channels(room: Room) -> None:
    """One connection for the good, one each for what closes it."""
    desk = Desk(room)
    a, b = room.people
    ticker = room.market.ticker
    socket = await room.world.socket()
    async with room.check("a connection begins with connected, message 0"):
        first = await socket.wait("connected", lambda f: True)
        expect((first["type"], first["message_id"]), ("connected", 0))
    await _public(room, desk, socket)
    await _accounts(room, desk, socket)
    async with room.check("message ids of a connection have no gap"):
        numbers = sorted({frame["message_id"] for frame in socket.frames})
        expect(numbers, list(range(numbers[-1] + 1)))
    await _errors(room)
    await _limits(room, a)
    async with room.check("unsubscribing is confirmed, and nothing more comes of the channel"):
        at = len(socket.frames)
        await socket.say({"type": "unsubscribe", "channel": "v4_trades", "id": ticker})
        done = await socket.wait("unsubscribed", lambda f: f["type"] == "unsubscribed", since=at)
        expect((done["channel"], done["id"]), ("v4_trades", ticker))
        at = len(socket.frames)
        await _trade(desk, a, b)
        await room.chain.blocks(3)
        late = [f for f in socket.frames[at:] if f.get("channel") == "v4_trades"]
        expect(late, [])


def _data(channel: str, id_: str | None = None) -> Any:
    kinds = ("channel_data", "channel_batch_data")

    def fits(frame: Frame) -> bool:
        return (
            frame["type"] in kinds
            and frame["channel"] == channel
            and id_ in (None, frame.get("id"))
        )

    return fits


async def _trade(desk: Desk, a: Person, b: Person) -> None:
    await desk.place(b, SELL, 1, 10)
    await desk.place(a, BUY, 1, 20, IOC)


async def _public(room: Room, desk: Desk, socket: Socket) -> None:
    a, b = room.people
    market, ticker = room.market, room.market.ticker
    async with room.check("v4_block_height: the last block, then each block"):
        told = await socket.subscribe("v4_block_height")
        expect(told["id"], "v4_block_height")
        first = int(told["contents"]["height"])
        frame = await socket.wait("a block", _data("v4_block_height"))
        expect_that(int(frame["contents"]["blockHeight"]) > first - 1, str(frame["contents"]))
    async with room.check("v4_markets: all markets, without an id"):
        told = await socket.subscribe("v4_markets")
        expect(set(told["contents"]["markets"]), set(room.world.markets.tickers()))
        expect_that("id" not in told, "it had an id")
    async with room.check(
        "v4_orderbook: the levels, then their absolute sizes, 0 for one that is gone"
    ):
        told = await socket.subscribe("v4_orderbook", ticker, batched=False)
        expect((told["contents"]["bids"], told["contents"]["asks"]), ([], []))
        at = len(socket.frames)
        bid = await desk.place(a, BUY, 2, -100)
        price = f"{market.usd(market.at(-100)).normalize():f}"
        size = f"{market.size(2 * market.lot).normalize():f}"
        frame = await socket.wait("the level", _data("v4_orderbook", ticker), since=at)
        expect(frame["contents"], {"bids": [[price, size]]})
        at = len(socket.frames)
        expect(await a.send(cancel(bid, good_til_block=desk.gtb)), GOOD)
        frame = await socket.wait("the level's end", _data("v4_orderbook", ticker), since=at)
        expect(frame["contents"], {"bids": [[price, "0"]]})
    async with room.check("v4_trades: the last trades, then each trade with the taker's side"):
        await socket.subscribe("v4_trades", ticker, batched=False)
        await socket.subscribe("v4_candles", f"{ticker}/1MIN", batched=False)
        at = len(socket.frames)
        await _trade(desk, a, b)
        frame = await socket.wait("the trade", _data("v4_trades", ticker), since=at)
        (row,) = frame["contents"]["trades"]
        expect((row["side"], row["type"]), ("BUY", "LIMIT"))
    async with room.check("v4_candles: the candle of the minute, renewed by a trade"):
        frame = await socket.wait("a candle", _data("v4_candles"), since=at)
        expect(frame["contents"]["resolution"], "1MIN")
        expect_that(frame["contents"]["trades"] >= 1, "no trade in it")
    async with room.check("v4_markets tells an oracle price or the trading of a market"):
        await socket.wait("a market's change", _data("v4_markets"), within_s=30.0)
    async with room.check("batched messages carry a list of contents", 60):
        other = await room.world.socket()
        await other.subscribe("v4_orderbook", ticker, batched=True)
        bids = [await desk.place(a, BUY, 1, -100 - 10 * at) for at in range(3)]
        frame = await other.wait("a batch", _data("v4_orderbook", ticker))
        expect(frame["type"], "channel_batch_data")
        await desk.clear(*((a, bid) for bid in bids))


async def _accounts(room: Room, desk: Desk, socket: Socket) -> None:
    a, _ = room.people
    async with room.check("v4_subaccounts: subaccount, open orders and height"):
        bid = await desk.place(a, BUY, 1, -100, flags=LONG)

        async def listed() -> bool:
            rows = await room.rest.get(
                "/orders", address=a.address, subaccountNumber=0, status="OPEN"
            )
            return len(rows) > 0

        await until("the order in REST", listed)
        told = await socket.subscribe("v4_subaccounts", f"{a.address}/0")
        expect([row["status"] for row in told["contents"]["orders"]], ["OPEN"])
        position = told["contents"]["subaccount"]["openPerpetualPositions"]
        expect(list(position), [room.market.ticker])
    async with room.check("v4_parent_subaccounts: the parent with its children, updates by child"):
        told = await socket.subscribe("v4_parent_subaccounts", f"{a.address}/0")
        children = told["contents"]["subaccount"]["childSubaccounts"]
        expect([row["subaccountNumber"] for row in children], [0])
        at = len(socket.frames)
        await desk.clear((a, bid))
        frame = await socket.wait("an update", _data("v4_parent_subaccounts"), since=at)
        expect(frame["subaccountNumber"], 0)
    async with room.check(
        "an account that does not exist has empty contents, and is told its first deposit"
    ):
        (fresh,) = await room.world.bank.people(1, usdc=0)
        told = await socket.subscribe("v4_subaccounts", f"{fresh.address}/0")
        expect(told["contents"], {})
        at = len(socket.frames)
        await a.must(a.transfer(fresh, 5_000_000), gas=200_000)
        frame = await socket.wait(
            "the transfer", _data("v4_subaccounts", f"{fresh.address}/0"), since=at
        )
        expect_that("blockHeight" in frame["contents"], "no height")


async def _errors(room: Room) -> None:
    ticker = room.market.ticker
    address = room.people[0].address
    sub = {"type": "subscribe"}
    rows: tuple[tuple[Any, str], ...] = (
        ("nonsense", "Invalid message: could not parse"),
        ({"channel": "v4_trades"}, "Invalid message: type is required"),
        ({"type": "foo"}, "Invalid message type: foo"),
        (sub, "Invalid subscribe message: channel is required"),
    )
    for what, text in rows:
        async with room.check(f"{what} is answered with {text!r}"):
            socket = await room.world.socket()
            expect((await socket.error(what))["message"], text)
            await socket.close()
    socket = await room.world.socket()
    for message, text in (
        ({**sub, "channel": "v4_foo"}, "Invalid channel: v4_foo"),
        ({**sub, "channel": "v4_trades"}, "Invalid id: undefined"),
        (
            {**sub, "channel": "v4_trades", "id": "FOO-USD"},
            "Invalid subscription id for channel: (v4_trades-FOO-USD)",
        ),
        (
            {**sub, "channel": "v4_candles", "id": f"{ticker}/2MIN"},
            f"Invalid subscription id for channel: (v4_candles-{ticker}/2MIN)",
        ),
        (
            {**sub, "channel": "v4_candles", "id": ticker},
            f"Invalid subscription id for channel: (v4_candles-{ticker})",
        ),
        (
            {**sub, "channel": "v4_subaccounts", "id": address},
            f"Invalid subscription id for channel: (v4_subaccounts-{address})",
        ),
        (
            {**sub, "channel": "v4_subaccounts", "id": f"{address}/128001"},
            f"Invalid subscription id for channel: (v4_subaccounts-{address}/128001)",
        ),
        (
            {**sub, "channel": "v4_parent_subaccounts", "id": f"{address}/128"},
            f"Invalid subscription id for channel: (v4_parent_subaccounts-{address}/128)",
        ),
    ):
        async with room.check(
            f"subscribing to {message.get('channel')} {text.split(':')[0]!r}: {text}"
        ):
            expect((await socket.error(message))["message"], text)
    async with room.check("a second subscription to the same is an error with channel and id"):
        await socket.subscribe("v4_trades", ticker)
        frame = await socket.error({**sub, "channel": "v4_trades", "id": ticker})
        text = f"Invalid subscribe message: already subscribed (v4_trades-{ticker})"
        expect((frame["message"], frame["channel"], frame["id"]), (text, "v4_trades", ticker))
    async with room.check("unsubscribing from what was never subscribed is confirmed"):
        at = len(socket.frames)
        await socket.say({"type": "unsubscribe", "channel": "v4_orderbook", "id": ticker})
        await socket.wait("unsubscribed", lambda f: f["type"] == "unsubscribed", since=at)
    async with room.check("a ping as text is ignored"):
        at = len(socket.frames)
        await socket.say({"type": "ping"})
        await socket.say({"type": "unsubscribe", "channel": "v4_orderbook", "id": ticker})
        frame = await socket.wait("the next answer", lambda f: True, since=at)
        expect(frame["type"], "unsubscribed")


async def _limits(room: Room, a: Person) -> None:
    ticker = room.market.ticker
    async with room.check("many invalid messages close the connection with 1008"):
        socket = await room.world.socket()
        for _ in range(4):
            await _say(socket, "nonsense")
        expect(await socket.closed(), 1008)
        texts = [frame["message"] for frame in socket.frames if frame["type"] == "error"]
        expect_that(
            "Too many invalid messages. Please reconnect and try again." in texts, str(texts)
        )
    async with room.check("many subscriptions to the same in a second close it with 1008"):
        socket = await room.world.socket()
        for _ in range(4):
            await _say(socket, {"type": "subscribe", "channel": "v4_trades", "id": ticker})
        expect(await socket.closed(), 1008)
        text = (
            f"Too many subscribe attempts for channel v4_trades-{ticker}. "
            "Please  reconnect and try again."
        )
        expect(socket.frames[-1]["message"], text)
    async with room.check("a second v4_block_height is over its limit of one"):
        socket = await room.world.socket()
        await socket.subscribe("v4_block_height")
        frame = await socket.error({"type": "subscribe", "channel": "v4_block_height"})
        text = "Per-connection subscription limit reached for v4_block_height (limit=1)."
        expect(frame["message"], text)
    async with room.check("a 33rd subscription to trades is over the limit of 32", 60):
        tickers = room.world.markets.tickers()
        if len(tickers) < 33:
            raise Mismatch(f"the network has only {len(tickers)} markets")
        socket = await room.world.socket()
        for one in tickers[:33]:
            await socket.say({"type": "subscribe", "channel": "v4_trades", "id": one})
            await asyncio.sleep(0.1)
        frame = await socket.wait("the limit", lambda f: f["type"] == "error", within_s=30.0)
        expect(
            frame["message"], "Per-connection subscription limit reached for v4_trades (limit=32)."
        )


async def _say(socket: Socket, what: Any) -> None:
    """The server may have closed already."""
    if socket.close_code is None:
        try:
            await socket.say(what)
        except OSError:
            return
