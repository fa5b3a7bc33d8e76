"""The websocket protocol over a real port, against recorded conversations."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from core.clock import SystemClock
from core.paper.happenings import OrderOpened, OrderRemoved, SubaccountKey
from core.paper.indexer.controls import Book, NodeFaults
from tests.core.paper.indexer_kit import (
    LINK,
    START,
    Desk,
    Listener,
    T,
    a_deposit,
    a_fill,
    a_order,
    desk,
    holding,
    listening,
    price_of,
    recorded,
    stateful,
    until,
)

ODD = recorded("ws_odd.json")
FRAMES = recorded("ws_frames.json")
DATA = ("channel_data", "channel_batch_data")


def normal(message: dict[str, Any]) -> dict[str, Any]:
    """A message without its connection, its contents as a list of their keys."""
    contents = message.get("contents")
    shown = {"contents": sorted(contents)} if contents is not None else {}
    return {key: each for key, each in message.items() if key != "connection_id"} | shown


def conversation(name: str) -> list[tuple[Any, list[dict[str, Any]]]]:
    """What the client said and what it was answered, without data that came unasked."""
    turns: list[tuple[Any, list[dict[str, Any]]]] = []
    missed = 0
    for line in ODD[name]:
        message = line["message"]
        if line["dir"] == "out" and "frame" not in line:
            turns.append((message, []))
        elif line["dir"] == "in" and turns:
            if "frame" in line:
                turns[-1][1].append({"close": line["code"], "reason": message})
            elif message["type"] in DATA:
                missed += 1
            else:
                message["message_id"] -= missed
                turns[-1][1].append(message)
    return turns


@pytest.mark.parametrize("name", ["odd-syntax", "odd-ids", "odd-twice", "odd-flood-errors"])
async def test_an_odd_conversation_goes_as_it_was_recorded(name: str) -> None:
    clock = JumpingClock()
    async with desk(clock=clock) as one:
        await one.visible(a_deposit("10"), a_fill(a_order(), "1", "7.2"))
        async with listening(one.ws_url) as client:
            for said, answers in conversation(name):
                # The recorded client took 800 ms between its words; limits count within a second.
                clock.ahead += 0.8
                await client.say(said)
                for expected in answers:
                    heard = normal(await client.hear())
                    assert heard == normal(expected), said


@pytest.mark.parametrize("name", ["odd-flood-invalid", "odd-flood-subscribe"])
async def test_a_flood_ends_with_1008_as_it_was_recorded(name: str) -> None:
    async with desk() as one, listening(one.ws_url) as client:
        for said, answers in conversation(name):
            await client.say(said)
            for expected in answers:
                if "close" in expected:
                    with pytest.raises(ConnectionClosed) as closed:
                        await client.hear()
                    assert closed.value.rcvd is not None
                    assert closed.value.rcvd.code == expected["close"] == 1008
                    assert closed.value.rcvd.reason == expected["reason"]
                else:
                    assert normal(await client.hear()) == normal(expected)


class JumpingClock(SystemClock):
    """The machine's clock, which a test can push ahead."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


async def history(one: Desk, client: Listener) -> list[dict[str, Any]]:
    """Play one message of every kind and hear them all."""
    heard: list[dict[str, Any]] = []

    async def block(*events: Any) -> None:
        one.block(*events)
        while True:
            message = await client.hear()
            heard.append(message)
            contents = message["contents"]
            batch = contents if isinstance(contents, list) else [contents]
            if message["channel"] == "v4_block_height" and batch[-1]["blockHeight"] == str(
                one.height
            ):
                return

    ioc = a_order(1, size="20", price="7.25")
    stop = a_order(
        6, "SELL", size="2", price="6.5", flags=32, condition_type=1, trigger_subticks=7_000_000_000
    )
    one.indexer.on(OrderOpened(ioc, START))
    reason = "IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK"
    one.indexer.on(OrderRemoved(ioc.key, ioc, reason, "BEST_EFFORT_CANCELED", 0, START))
    one.indexer.on(
        OrderRemoved(a_order(99).key, None, "USER_CANCELED", "BEST_EFFORT_CANCELED", 0, START)
    )
    await until(lambda: not one.indexer.rows.memory and bool(one.indexer.rows.canceled))
    one.controls.books[LINK] = Book(
        ((Decimal("7.1"), Decimal(3)),), ((Decimal("7.3"), Decimal(4)),)
    )
    await block(a_deposit("100"), price_of(LINK, "7.2"))
    await block(a_fill(ioc, "10", "7.2"), stateful(stop, "UNTRIGGERED"))
    await block(stateful(stop, "OPEN"), stateful(a_order(8, flags=64, tif=0), "OPEN"))
    one.height = 709
    await block(stateful(stop, "CANCELED", "USER_CANCELED"))
    await block()
    return heard


def kind_of(message: dict[str, Any]) -> str:
    """What kind of frame it is, in the words of the recorded ones."""
    contents = message["contents"]
    kind = f"{message['type']} {message['channel']}"
    if kind == "channel_data v4_candles":
        return kind
    kind += " " + ",".join(sorted(contents if isinstance(contents, dict) else ()))
    if message["type"] == "channel_data" and "orders" in contents and "fills" not in contents:
        order = contents["orders"][0]
        kind += f" {order['status']} {len(order)}"
    return kind


def kinds(value: Any) -> Any:
    """Keys in their order and kinds of values; a null counts as a text, a map by ticker as one."""
    if isinstance(value, dict):
        if value and all(key.endswith("-USD") for key in value):
            first = next(iter(value.values()))
            return {"TICKER": "…" if "trading" in value else kinds(first)}
        return {key: kinds(each) for key, each in value.items()}
    if isinstance(value, list):
        return [kinds(value[0])] if value else []
    return "str" if value is None else type(value).__name__


def comparable(message: dict[str, Any]) -> Any:
    shown = kinds(message)
    contents = shown["contents"]
    if isinstance(contents, dict) and "trading" in contents:
        contents["trading"] = "…"
    if isinstance(contents, list) and contents and "trading" in contents[0]:
        contents[0]["trading"] = "…"
    return shown


async def test_every_frame_has_the_keys_and_kinds_of_the_recorded_one() -> None:
    async with desk() as one:
        await one.visible()
        async with listening(one.ws_url) as client:
            for channel, id_ in (
                ("v4_subaccounts", f"{T}/0"),
                ("v4_parent_subaccounts", f"{T}/0"),
                ("v4_markets", None),
                ("v4_trades", "LINK-USD"),
                ("v4_orderbook", "LINK-USD"),
                ("v4_candles", "LINK-USD/1MIN"),
                ("v4_block_height", None),
            ):
                await client.subscribe(channel, id_)
            heard = await history(one, client)
    seen = set()
    for message in heard:
        kind = kind_of(message)
        seen.add(kind)
        assert kind in FRAMES, message
        assert comparable(message) == comparable(FRAMES[kind]), kind
        assert list(message) == list(FRAMES[kind])
    assert len(seen) >= 24, sorted(seen)


async def test_snapshots_have_the_keys_and_kinds_of_the_recorded_ones() -> None:
    async with desk() as one:
        one.controls.books[LINK] = Book(
            ((Decimal("7.1"), Decimal(3)),), ((Decimal("7.3"), Decimal(4)),)
        )
        stop = a_order(
            6, "SELL", size="2", flags=32, condition_type=1, trigger_subticks=7_000_000_000
        )
        await one.visible(a_deposit("100"), a_fill(a_order(), "2", "7.2"))
        await one.visible(stateful(stop, "UNTRIGGERED"))
        async with listening(one.ws_url) as client:
            for channel, id_ in (
                ("v4_subaccounts", f"{T}/0"),
                ("v4_parent_subaccounts", f"{T}/0"),
                ("v4_markets", None),
                ("v4_trades", "LINK-USD"),
                ("v4_orderbook", "LINK-USD"),
                ("v4_block_height", None),
            ):
                message = await client.subscribe(channel, id_)
                assert list(message) == list(FRAMES[kind_of(message)])
                assert comparable(message) == comparable(FRAMES[kind_of(message)])


async def test_batched_data_comes_together_and_numbers_stay_without_gaps() -> None:
    async with desk() as one:
        await one.visible()
        async with listening(one.ws_url) as client:
            await client.subscribe("v4_block_height", batched=True)
            await client.subscribe("v4_subaccounts", f"{T}/0", batched=True)
            one.block(a_deposit("100"))
            one.block()
            one.block()
            first, second = await client.hear(), await client.hear()
            assert [first["message_id"], second["message_id"]] == [3, 4]
            heights = first if first["channel"] == "v4_block_height" else second
            assert heights["type"] == "channel_batch_data"
            assert [each["blockHeight"] for each in heights["contents"]] == ["702", "703", "704"]
            money = second if heights is first else first
            assert [sorted(each) for each in money["contents"]] == [
                ["assetPositions", "blockHeight"],
                ["blockHeight", "transfers"],
            ]


async def test_a_slow_snapshot_comes_after_later_numbers_and_what_it_missed_is_lost() -> None:
    async with desk(snapshot_ms=150) as one:
        await one.visible()
        async with listening(one.ws_url) as client:
            await client.subscribe("v4_block_height")
            await client.say({"type": "subscribe", "channel": "v4_subaccounts", "id": f"{T}/0"})
            await until(lambda: bool(_only(one).waiting))
            one.block(a_deposit("100"))
            height = await client.hear()
            snapshot = await client.hear()
            assert (height["channel"], height["message_id"]) == ("v4_block_height", 3)
            assert (snapshot["type"], snapshot["message_id"]) == ("subscribed", 2)
            assert snapshot["contents"] == {}
            one.block()
            assert (await client.hear())["contents"]["blockHeight"] == "703"


def _only(one: Desk) -> Any:
    return next(iter(one.servers.stream.connections))


async def test_a_transfer_between_children_says_only_the_height_to_the_parent() -> None:
    async with desk() as one:
        await one.visible(a_deposit("100"))
        async with listening(one.ws_url) as client:
            await client.subscribe("v4_parent_subaccounts", f"{T}/0")
            transfer = a_deposit("40", SubaccountKey(T, 128), 12, sender=T)
            one.block(transfer.__class__(**{**transfer.__dict__, "sender_number": 0}))
            heard = [await client.hear() for _ in range(4)]
            assert [each["subaccountNumber"] for each in heard] == [0, 128, 0, 128]
            assert [sorted(each["contents"]) for each in heard[2:]] == [["blockHeight"]] * 2


async def test_a_client_may_hold_32_trade_subscriptions_and_no_more() -> None:
    async with desk() as one:
        tickers = sorted(one.indexer.rows.by_ticker)[:33]
        assert len(tickers) == 33
        async with listening(one.ws_url) as client:
            for ticker in tickers[:32]:
                assert (await client.subscribe("v4_trades", ticker))["type"] == "subscribed"
            refused = await client.subscribe("v4_trades", tickers[32])
            text = "Per-connection subscription limit reached for v4_trades (limit=32)."
            assert refused["message"] == text


async def test_after_unsubscribing_nothing_more_comes() -> None:
    async with desk() as one, listening(one.ws_url) as client:
        await client.subscribe("v4_block_height")
        await client.say({"type": "unsubscribe", "channel": "v4_block_height"})
        assert (await client.hear())["type"] == "unsubscribed"
        await one.visible()
        await client.subscribe("v4_markets")


def say_nothing_to_pings(socket: ClientConnection) -> None:
    """Let a client keep its pongs to itself."""
    send = socket.protocol.send_frame

    def send_but_pongs(frame: Frame) -> None:
        if frame.opcode is not Opcode.PONG:
            send(frame)

    socket.protocol.send_frame = send_but_pongs  # type: ignore[method-assign]


async def test_a_client_that_answers_no_ping_is_closed_with_1011() -> None:
    async with (
        desk(ping_interval_s=0.05, pong_timeout_s=0.05) as one,
        connect(one.ws_url, ping_interval=None) as socket,
    ):
        say_nothing_to_pings(socket)
        await asyncio.wait_for(socket.wait_closed(), timeout=5)
        assert (socket.close_code, socket.close_reason) == (1011, "Heartbeat timeout")


async def test_a_client_that_answers_pings_stays() -> None:
    async with (
        desk(ping_interval_s=0.02, pong_timeout_s=1) as one,
        listening(one.ws_url) as client,
    ):
        began = one.indexer.clock.monotonic()
        await until(lambda: one.indexer.clock.monotonic() - began > 0.2)
        assert (await client.subscribe("v4_block_height"))["type"] == "subscribed"


async def test_the_end_of_the_network_closes_clients_with_1012() -> None:
    async with desk() as one, listening(one.ws_url) as client:
        one.servers.stream.close_connections()
        with pytest.raises(ConnectionClosed) as closed:
            await client.hear()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert closed.value.rcvd.reason == '{"message":"Service restarting"}'


async def test_only_the_documented_path_speaks_websocket() -> None:
    async with desk() as one:
        with pytest.raises(InvalidStatus):
            async with connect(one.ws_url.replace("/v4/ws", "/other")):
                pass


async def test_the_round_trip_delays_frames_both_ways() -> None:
    async with desk() as one, listening(one.ws_url) as client:
        one.controls.faults = NodeFaults(rtt_ms=200)
        began = one.indexer.clock.monotonic()
        await client.subscribe("v4_block_height")
        assert 0.2 <= one.indexer.clock.monotonic() - began < 2


async def test_a_book_tells_each_level_that_changed() -> None:
    async with desk() as one:
        one.controls.books[LINK] = Book(
            ((Decimal("7.1"), Decimal(3)), (Decimal("7"), Decimal(1))), ()
        )
        async with listening(one.ws_url) as client:
            first = await client.subscribe("v4_orderbook", "LINK-USD")
            assert first["contents"]["bids"][0] == {"price": "7.1", "size": "3"}
            one.controls.books[LINK] = Book(
                ((Decimal("7.2"), Decimal(2)), (Decimal("7"), Decimal(1))), ()
            )
            one.block(holding("1"))
            heard = [(await client.hear())["contents"] for _ in range(2)]
            assert heard == [{"bids": [["7.2", "2"]]}, {"bids": [["7.1", "0"]]}]


async def test_a_level_that_is_gone_before_its_order_is_visible_was_told_all_the_same() -> None:
    async with desk(latency_ms=200) as one, listening(one.ws_url) as client:
        await client.subscribe("v4_orderbook", "LINK-USD")
        order = a_order(7, tif=0, gtb=758)
        one.controls.books[LINK] = Book((), ((Decimal("7.3"), Decimal(5)),))
        one.indexer.on(OrderOpened(order, START))
        one.controls.books[LINK] = Book((), ())
        one.block(holding("1"))
        heard = [(await client.hear())["contents"] for _ in range(2)]
        assert heard == [{"asks": [["7.3", "5"]]}, {"asks": [["7.3", "0"]]}]
