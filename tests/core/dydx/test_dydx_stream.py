"""The stream against a real websocket server that drops, repeats, reorders and vanishes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.message_order import MessageOrder
from core.dydx.network import MAINNET, paper_network
from core.dydx.pacing import Pace
from core.dydx.stream import (
    BlockHeight,
    Connected,
    ConnectionTrouble,
    Disconnected,
    MarketsSnapshot,
    MarketsUpdate,
    Stream,
    SubaccountSnapshot,
    SubaccountUpdate,
    SubscriptionRefused,
)
from tests.core.dydx.dydx_kit import FastClock, StillClock, until
from tests.core.dydx.stream_kit import (
    SUBSCRIPTION,
    TRADER,
    Client,
    IndexerSocket,
    Watcher,
    first,
    recorded,
    streaming,
)
from tests.core.dydx.stream_kit import (
    height_message as height,
)


@pytest.fixture
async def server() -> AsyncIterator[IndexerSocket]:
    made = IndexerSocket()
    await made.start()
    yield made
    await made.stop()


def fill_message() -> dict[str, Any]:
    return next(
        m
        for m in recorded("accounts")
        if m["type"] == "channel_data" and "fills" in m["contents"] and m["id"] == SUBSCRIPTION
    )


async def ready(server: IndexerSocket, stream: Stream) -> Client:
    """Waits until heights and markets flow."""
    await until(lambda: stream.height is not None and stream.markets.loaded)
    return server.client


async def test_prices_and_heights_flow_after_the_start(server: IndexerSocket) -> None:
    async with streaming(server, SystemClock()) as (stream, watcher):
        await ready(server, stream)
        await until(lambda: watcher.of(MarketsSnapshot))

        assert stream.connected
        assert stream.fresh(5)
        assert len(stream.markets.tickers()) > 30
        assert isinstance(watcher.events[0], Connected)
        assert watcher.of(BlockHeight)[0].height == stream.height
        assert stream.height_received is not None
        assert server.client.requests == [
            {"type": "subscribe", "channel": "v4_block_height", "batched": False},
            {"type": "subscribe", "channel": "v4_markets", "batched": True},
        ]


async def test_a_subaccount_gives_its_snapshot_and_its_updates(server: IndexerSocket) -> None:
    server.snapshots["v4_subaccounts"] |= {
        "contents": server.snapshots["v4_subaccounts"]["contents"] | {"blockHeight": "700"}
    }
    async with streaming(server, SystemClock()) as (stream, watcher):
        client = await ready(server, stream)
        await stream.subscribe(TRADER, 0)
        await until(lambda: watcher.of(SubaccountSnapshot))
        message = fill_message()
        await client.send(message)
        await until(lambda: watcher.of(SubaccountUpdate))

    snapshot = watcher.of(SubaccountSnapshot)[0]
    assert (snapshot.address, snapshot.number) == (TRADER, 0)
    assert snapshot.subaccount.equity > 0
    assert {order.status for order in snapshot.orders} >= {"UNTRIGGERED", "OPEN"}
    update = watcher.of(SubaccountUpdate)[0]
    assert [fill.id for fill in update.fills] == [row["id"] for row in message["contents"]["fills"]]
    assert update.orders[0].status == "FILLED"
    assert update.block_height == int(message["contents"]["blockHeight"])
    assert update.perpetual_positions[0].market == update.fills[0].ticker
    assert client.requests[-1] == {
        "type": "subscribe",
        "channel": "v4_subaccounts",
        "id": SUBSCRIPTION,
        "batched": False,
    }


async def test_an_unknown_subaccount_gives_an_empty_snapshot(server: IndexerSocket) -> None:
    server.snapshots["v4_subaccounts"] = first("accounts", "subscribed", "v4_subaccounts")
    async with streaming(server, SystemClock()) as (stream, watcher):
        await stream.subscribe(TRADER, 5)
        await until(lambda: watcher.of(SubaccountSnapshot))

    assert watcher.of(SubaccountSnapshot)[0] == SubaccountSnapshot(TRADER, 5, None, (), None)


async def test_a_whole_recorded_life_of_an_account_is_delivered_in_order(
    server: IndexerSocket,
) -> None:
    messages = [m for m in recorded("accounts") if m["type"] == "channel_data"]
    mine = [m for m in messages if m["id"] == SUBSCRIPTION]
    async with streaming(server, SystemClock()) as (stream, watcher):
        await stream.subscribe(TRADER, 0)
        await until(lambda: watcher.of(SubaccountSnapshot))
        for message in messages:
            await server.client.send(message)
        await until(lambda: len(watcher.of(SubaccountUpdate)) == len(mine))
        assert stream.unreadable == 0
        assert stream.gaps == 0

    updates = watcher.of(SubaccountUpdate)
    assert [u.block_height for u in updates] == [int(m["contents"]["blockHeight"]) for m in mine]
    assert [fill.id for u in updates for fill in u.fills] == [
        row["id"] for m in mine for row in m["contents"].get("fills", ())
    ]
    assert sum(len(u.transfers) for u in updates) == sum("transfers" in m["contents"] for m in mine)


async def test_recorded_market_messages_move_the_table(server: IndexerSocket) -> None:
    async with streaming(server, SystemClock()) as (stream, watcher):
        client = await ready(server, stream)
        changes = [
            m
            for m in recorded("batched")
            if m["type"] == "channel_batch_data" and m["channel"] == "v4_markets"
        ]
        for message in changes:
            await client.send(message)
        wanted = sum(len(m["contents"]) for m in changes)
        await until(lambda: len(watcher.of(MarketsUpdate)) == wanted)

        moved = watcher.of(MarketsUpdate)
        assert any(event.oracle_prices.get("SOL-USD") == Decimal("23.1") for event in moved)
        sol = stream.markets.get("SOL-USD")
        assert sol is not None
        assert sol.oracle_price == Decimal("23.5")


async def test_after_a_loss_everything_is_asked_for_anew(server: IndexerSocket) -> None:
    clock = FastClock()
    async with streaming(server, clock) as (stream, watcher):
        await ready(server, stream)
        for number in range(3):
            await stream.subscribe(TRADER, number)
        await until(lambda: len(server.client.requests) == 5)
        await stream.unsubscribe(TRADER, 1)
        await until(lambda: len(server.client.requests) == 6)
        await server.client.socket.close(1012, "Service restarting")
        await until(lambda: len(server.clients) == 2)
        await until(lambda: len(server.client.requests) == 4)
        await until(lambda: len(watcher.of(MarketsSnapshot)) == 2)

        assert server.client.asked() == [
            ("subscribe", "v4_block_height", None),
            ("subscribe", "v4_markets", None),
            ("subscribe", "v4_subaccounts", f"{TRADER}/0"),
            ("subscribe", "v4_subaccounts", f"{TRADER}/2"),
        ]
        assert [type(e) for e in watcher.events if isinstance(e, Connected | Disconnected)] == [
            Connected,
            Disconnected,
            Connected,
        ]
        assert "1012" in watcher.of(Disconnected)[0].reason
        assert stream.fresh(5)


async def test_waits_grow_from_one_to_sixteen_seconds_and_then_it_is_told_loudly(
    server: IndexerSocket,
) -> None:
    clock = FastClock()
    async with streaming(server, clock, healthy_after_s=1000.0) as (_stream, watcher):
        server.greets = False
        await server.stop()
        await until(lambda: len(watcher.of(Disconnected)) >= 8)

        waits = [slept for slept in clock.slept if slept >= 0.9][:7]
        assert [int(slept) for slept in waits] == [1, 2, 4, 8, 16, 16, 16]
        assert all(slept - int(slept) < 0.25 for slept in waits)
        (trouble,) = watcher.of(ConnectionTrouble)
        assert trouble.attempts == 5
        told = watcher.events.index(trouble)
        assert len([e for e in watcher.events[:told] if isinstance(e, Disconnected)]) == 6


async def test_it_comes_back_after_it_was_given_up_and_waits_a_second_again(
    server: IndexerSocket,
) -> None:
    clock = FastClock()
    async with streaming(server, clock) as (stream, watcher):
        await ready(server, stream)
        await server.stop()
        await until(lambda: watcher.of(ConnectionTrouble))
        assert not stream.connected
        assert not stream.fresh(1000)
        await server.start()
        await until(lambda: len(watcher.of(Connected)) == 2)
        await until(lambda: len(watcher.of(MarketsSnapshot)) == 2)
        clock.slept.clear()
        await server.client.socket.close(1012, "again")
        await until(lambda: len(watcher.of(Connected)) == 3)

        assert int(next(slept for slept in clock.slept if slept > 0.5)) == 1


async def test_a_connection_that_never_becomes_healthy_does_not_reset_the_waits(
    server: IndexerSocket,
) -> None:
    async def drop(client: Client, request: dict[str, Any]) -> None:
        await client.socket.close(1011, "broken")

    server.on_request = drop
    clock = FastClock()
    async with streaming(server, clock) as (_stream, watcher):
        await until(lambda: watcher.of(ConnectionTrouble))

    assert [int(slept) for slept in clock.slept if slept >= 0.9][:5] == [1, 2, 4, 8, 16]


async def test_a_lost_message_ends_the_connection(server: IndexerSocket) -> None:
    async with streaming(server, FastClock()) as (stream, watcher):
        client = await ready(server, stream)
        client.next_id += 1
        await client.send(height(5000))
        await until(lambda: len(server.clients) == 2)

        assert watcher.of(Disconnected)[0].reason == "a message was lost"
        assert stream.gaps == 1
        # What did arrive was still told.
        assert 5000 in [event.height for event in watcher.of(BlockHeight)]


async def test_a_late_confirmation_of_a_subscription_is_no_loss(server: IndexerSocket) -> None:
    async def late(client: Client, request: dict[str, Any]) -> None:
        if request["channel"] != "v4_subaccounts":
            await server.answer(client, request)
            return
        reserved, client.next_id = client.next_id, client.next_id + 1
        for number in range(4):
            await client.send(height(6000 + number))
        await asyncio.sleep(0.6)
        await client.send(
            server.snapshots["v4_subaccounts"] | {"id": request["id"]}, message_id=reserved
        )

    server.on_request = late
    async with streaming(server, SystemClock(), gap_timeout_s=0.2) as (stream, watcher):
        await ready(server, stream)
        await stream.subscribe(TRADER, 0)
        await until(lambda: watcher.of(SubaccountSnapshot))
        await server.client.send(height(6010))
        await until(lambda: stream.height == 6010)

        assert stream.gaps == 0
        assert not watcher.of(Disconnected)


async def test_a_repeated_message_is_told_once(server: IndexerSocket) -> None:
    async with streaming(server, SystemClock()) as (stream, watcher):
        client = await ready(server, stream)
        await stream.subscribe(TRADER, 0)
        await until(lambda: watcher.of(SubaccountSnapshot))
        for _ in range(3):
            await client.send(fill_message(), message_id=client.next_id)
        client.next_id += 1
        await client.send(height(7000))
        await until(lambda: stream.height == 7000)

    assert len(watcher.of(SubaccountUpdate)) == 1
    assert not watcher.of(Disconnected)


async def test_messages_in_the_wrong_order_are_all_told_and_the_height_never_falls(
    server: IndexerSocket,
) -> None:
    async with streaming(server, SystemClock()) as (stream, watcher):
        client = await ready(server, stream)
        begin = client.next_id
        for offset in (2, 0, 3, 1):
            await client.send(height(8000 + offset), message_id=begin + offset)
        client.next_id = begin + 4
        await stream.subscribe(TRADER, 0)
        await until(lambda: watcher.of(SubaccountSnapshot))

        assert stream.height == 8003
        told = [event.height for event in watcher.of(BlockHeight)]
        assert told == sorted(told)
        assert stream.gaps == 0


async def test_an_error_may_carry_a_number_that_was_used(server: IndexerSocket) -> None:
    async with streaming(server, SystemClock()) as (stream, watcher):
        client = await ready(server, stream)
        error = {"type": "error", "connection_id": "c", "message": "Invalid channel: v4_foo"}
        await client.send(error, message_id=client.next_id - 1)
        await client.send(height(9000))
        await until(lambda: stream.height == 9000)

    assert not watcher.of(Disconnected)


async def test_a_subscription_that_failed_inside_the_indexer_is_tried_again(
    server: IndexerSocket,
) -> None:
    async def once(client: Client, request: dict[str, Any]) -> None:
        if request["channel"] == "v4_markets" and client.asked().count(_MARKETS) == 1:
            await client.send(
                {
                    "type": "error",
                    "connection_id": "c",
                    "channel": "v4_markets",
                    "message": "Internal error, could not fetch data for subscription: v4_markets.",
                }
            )
        else:
            await server.answer(client, request)

    server.on_request = once
    async with streaming(server, SystemClock()) as (stream, watcher):
        await until(lambda: stream.markets.loaded)

    assert not watcher.of(Disconnected)


_MARKETS = ("subscribe", "v4_markets", None)


async def test_an_address_that_dydx_blocks_is_told(server: IndexerSocket) -> None:
    refusal = next(
        m for m in recorded("refused-compliance") if m["type"] == "error" and "channel" in m
    )

    async def refuse(client: Client, request: dict[str, Any]) -> None:
        if request["channel"] == "v4_subaccounts":
            await client.send(refusal | {"id": request["id"]})
        else:
            await server.answer(client, request)

    server.on_request = refuse
    async with streaming(server, SystemClock()) as (stream, watcher):
        await stream.subscribe(TRADER, 0)
        await until(lambda: watcher.of(SubscriptionRefused))

    told = watcher.of(SubscriptionRefused)[0]
    assert (told.address, told.number) == (TRADER, 0)
    assert told.message == refusal["message"]


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"type":"channel_data"}',
        '{"type":"surprise","connection_id":"c","message_id":3}',
    ],
)
async def test_what_cannot_be_read_is_counted_and_the_stream_lives(
    server: IndexerSocket, text: str
) -> None:
    async with streaming(server, SystemClock()) as (stream, watcher):
        client = await ready(server, stream)
        client.next_id = 3
        await client.socket.send(text)
        await until(lambda: stream.unreadable == 1)
        client.next_id += "surprise" in text
        await client.send(height(9100))
        await until(lambda: stream.height == 9100)

        assert not watcher.of(Disconnected)


async def test_a_frame_of_which_one_row_is_new_still_tells_the_fill(
    server: IndexerSocket, capsys: pytest.CaptureFixture[str]
) -> None:
    message = fill_message()
    message["contents"]["orders"][0] |= {"status": "SURPRISE", "new": "field"}
    message["contents"]["fills"][0]["new"] = "field"
    async with streaming(server, SystemClock()) as (stream, watcher):
        client = await ready(server, stream)
        await stream.subscribe(TRADER, 0)
        await until(lambda: watcher.of(SubaccountSnapshot))
        await client.send(message)
        await until(lambda: watcher.of(SubaccountUpdate))

        assert stream.unreadable == 1
    assert len(watcher.of(SubaccountUpdate)[0].fills) == len(message["contents"]["fills"])
    shown = capsys.readouterr()
    assert "SURPRISE" not in shown.out + shown.err


async def test_a_consumer_that_fails_misses_one_event_only(server: IndexerSocket) -> None:
    seen: list[Any] = []

    async def consume(event: Any) -> None:
        seen.append(event)
        if len(seen) == 1:
            raise RuntimeError("a bug")

    stream = Stream(server.network, SystemClock(), SystemRandom(), consume)
    await stream.start()
    await until(lambda: len(seen) >= 3)
    assert stream.connected
    await stream.close()


async def test_a_slow_consumer_does_not_make_the_height_stale(server: IndexerSocket) -> None:
    gate = asyncio.Event()

    async def consume(event: Any) -> None:
        await gate.wait()

    stream = Stream(server.network, SystemClock(), SystemRandom(), consume)
    await stream.start()
    client = await ready(server, stream)
    for number in range(50):
        await client.send(height(9200 + number))
    await until(lambda: stream.height == 9249)
    gate.set()
    await stream.close()


async def test_an_unsubscribed_account_tells_nothing_more(server: IndexerSocket) -> None:
    async with streaming(server, SystemClock()) as (stream, watcher):
        client = await ready(server, stream)
        await stream.subscribe(TRADER, 0)
        await until(lambda: watcher.of(SubaccountSnapshot))
        await stream.unsubscribe(TRADER, 0)
        await client.send(fill_message())
        await until(lambda: ("unsubscribe", "v4_subaccounts", SUBSCRIPTION) in client.asked())
        await client.send(height(9400))
        await until(lambda: stream.height == 9400)

    assert not watcher.of(SubaccountUpdate)


async def test_subscribing_twice_asks_once(server: IndexerSocket) -> None:
    async with streaming(server, SystemClock()) as (stream, _watcher):
        client = await ready(server, stream)
        await stream.subscribe(TRADER, 0)
        await stream.subscribe(TRADER, 0)
        await stream.subscribe(TRADER, 1)
        await until(lambda: len(client.requests) == 4)

        assert client.asked().count(("subscribe", "v4_subaccounts", SUBSCRIPTION)) == 1


async def test_many_subscriptions_keep_the_pace(server: IndexerSocket) -> None:
    async with streaming(server, SystemClock()) as (stream, _watcher):
        for number in range(20):
            await stream.subscribe(TRADER, number)
        await until(lambda: server.clients and len(server.client.requests) == 22)

        times = server.client.times
        assert times[-1] - times[0] >= 21 * 0.05 * 0.9


async def test_the_same_channel_and_id_is_asked_for_at_most_twice_a_second() -> None:
    clock = StillClock()
    pace = Pace(clock)
    times = []
    for _ in range(6):
        await pace.wait(("v4_subaccounts", "a/0"))
        times.append(clock.seconds)

    assert all(times[n + 2] - times[n] > 1 for n in range(4))


async def test_a_server_that_only_accepts_is_given_up_after_a_while() -> None:
    ended = []

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        ended.append(True)

    listener = await asyncio.start_server(mute, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    watcher = Watcher()
    stream = Stream(
        paper_network(ws_port=port),
        SystemClock(),
        SystemRandom(),
        watcher,
        open_timeout_s=0.2,
        waits_s=(0.01, 1000.0),
    )
    await stream.start()
    await until(lambda: len(watcher.of(Disconnected)) >= 2)
    await stream.close()
    listener.close()
    await until(lambda: len(ended) >= 2)

    assert not watcher.of(Connected)


async def test_a_connection_without_any_message_is_ended(server: IndexerSocket) -> None:
    async with streaming(server, SystemClock(), silence_timeout_s=0.2) as (_stream, watcher):
        await until(lambda: watcher.of(Disconnected))

    assert watcher.of(Disconnected)[0].reason == "silent"


async def test_the_height_ages_while_the_connection_stands(server: IndexerSocket) -> None:
    async with streaming(server, SystemClock()) as (stream, _watcher):
        await ready(server, stream)
        await until(lambda: not stream.fresh(0.05))

        assert stream.connected
        assert stream.fresh(60)


async def test_closing_is_quick_and_leaves_nothing_running(server: IndexerSocket) -> None:
    async with streaming(server, SystemClock()) as (stream, _watcher):
        await ready(server, stream)
        began = time.monotonic()
        await stream.close()
        assert time.monotonic() - began < 3
        assert not stream.connected
    await until(
        lambda: not [t for t in asyncio.all_tasks() if "core.dydx" in repr(t.get_coro())], 3
    )


def test_addresses_of_the_real_networks_are_encrypted() -> None:
    assert MAINNET.ws.startswith("wss://")
    assert all(address.startswith("https://") for address in MAINNET.grpc)


def test_a_gap_is_as_old_as_its_oldest_missing_number() -> None:
    order = MessageOrder()
    assert order.take(0, 1.0)
    assert order.take(2, 2.0)
    assert order.missing_for(5.0) == 3.0
    assert order.take(4, 5.0)
    assert order.missing_for(6.0) == 4.0
    assert order.take(1, 7.0)
    assert order.missing_for(7.5) == 0.5
    assert order.take(3, 8.0)
    assert order.missing_for(100.0) == 0.0
    assert not order.take(3, 101.0)
    assert not order.take(0, 101.0)
