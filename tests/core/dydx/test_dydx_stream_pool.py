"""Many accounts over several connections: who is carried where, and who is known to be stale."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.pacing import SLOW_FOR_S, Pace
from core.dydx.stream import (
    BookChanged,
    Connected,
    ConnectionRecovered,
    ConnectionTrouble,
    Disconnected,
    MarketsSnapshot,
    NeedsBackfill,
    Stream,
    StreamEvent,
    SubaccountSnapshot,
    SubscriptionRefused,
    TradesSeen,
)
from tests.core.dydx.dydx_kit import FastClock, MovedClock, StillClock, until
from tests.core.dydx.stream_kit import (
    TRADER,
    Client,
    IndexerSocket,
    Watcher,
    recorded,
    streaming,
)
from tests.core.dydx.stream_kit import (
    height_message as height,
)

BASE = 1_000_000


@pytest.fixture
async def server() -> AsyncIterator[IndexerSocket]:
    made = IndexerSocket()
    await made.start()
    yield made
    await made.stop()


async def fill_in(stream: Stream, watcher: Watcher) -> None:
    """What a consumer does with NeedsBackfill."""
    for event in watcher.of(NeedsBackfill):
        stream.backfilled(event)


async def subscribed(stream: Stream, watcher: Watcher, count: int) -> None:
    """Subscribes the accounts 0 to count - 1 and fills them in."""
    for number in range(count):
        await stream.subscribe(TRADER, number)
    await until(lambda: len(watcher.of(NeedsBackfill)) == count and stream.markets.loaded)
    await fill_in(stream, watcher)


async def test_a_connection_carries_at_most_sixty_four_accounts(server: IndexerSocket) -> None:
    async with streaming(server, FastClock()) as (stream, watcher):
        await subscribed(stream, watcher, 130)

        assert [len(client.subaccounts) for client in server.clients] == [64, 64, 2]
        assert sorted(id_ for c in server.clients for id_ in c.subaccounts) == sorted(
            f"{TRADER}/{number}" for number in range(130)
        )
        assert stream.connections == (3, 3)
        assert len(server.leading()) == 1
        heights = [("subscribe", "v4_block_height", None) in c.asked() for c in server.clients]
        assert heights == [True, True, True]
        assert [event.again for event in watcher.of(Connected)] == [False, False, False]


async def test_a_connection_without_accounts_is_given_up_and_room_is_used_again(
    server: IndexerSocket,
) -> None:
    async with streaming(server, FastClock(), per_connection=2) as (stream, watcher):
        await subscribed(stream, watcher, 5)
        await stream.unsubscribe(TRADER, 4)
        await until(lambda: len(server.open) == 2)
        await stream.unsubscribe(TRADER, 0)
        await stream.subscribe(TRADER, 9)
        await until(lambda: f"{TRADER}/9" in server.clients[0].subaccounts)

        assert stream.connections == (2, 2)
        assert not watcher.of(Disconnected)


async def test_one_lost_connection_stales_its_own_accounts_only(server: IndexerSocket) -> None:
    clock = MovedClock()
    async with streaming(server, clock, per_connection=2) as (stream, watcher):
        await subscribed(stream, watcher, 6)
        await server.tell_height(BASE)
        await until(lambda: not stream.stale_accounts(5))
        server.greets = False
        await server.of(TRADER, 2).socket.close(1012, "Service restarting")
        await until(lambda: watcher.of(Disconnected))

        assert set(stream.stale_accounts(5)) == {(TRADER, 2), (TRADER, 3)}
        assert stream.account_fresh(TRADER, 0, 5)
        assert stream.fresh(5)

        server.greets = True
        await until(lambda: len(watcher.of(NeedsBackfill)) == 8)
        await server.tell_height(BASE + 1)
        assert {(e.number, e.since_height) for e in watcher.of(NeedsBackfill)[6:]} == {
            (2, BASE),
            (3, BASE),
        }
        assert set(stream.stale_accounts(5)) == {(TRADER, 2), (TRADER, 3)}
        await fill_in(stream, watcher)
        await until(lambda: not stream.stale_accounts(5))


async def test_another_connection_carries_the_markets_while_the_first_is_gone(
    server: IndexerSocket,
) -> None:
    async with streaming(server, SystemClock(), per_connection=1, waits_s=(1000.0,)) as (
        stream,
        watcher,
    ):
        await subscribed(stream, watcher, 3)
        (leader,) = server.leading()
        await leader.socket.close(1012, "Service restarting")
        await until(lambda: watcher.of(Disconnected))
        await until(lambda: len(watcher.of(MarketsSnapshot)) == 2)

        assert len(server.leading()) == 1
        await server.tell_height(BASE)
        await until(lambda: stream.fresh(5))
        for client in server.leading():
            await client.send(oracle_price("SOL-USD", "77"))
        await until(lambda: str(price_of(stream, "SOL-USD")) == "77")


def price_of(stream: Stream, ticker: str) -> Any:
    market = stream.markets.get(ticker)
    return market.oracle_price if market else None


def oracle_price(ticker: str, price: str) -> dict[str, Any]:
    row = {
        "oraclePrice": price,
        "effectiveAt": "2026-11-22T15:00:00.000Z",
        "effectiveAtHeight": str(BASE),
        "marketId": 5,
    }
    return {
        "type": "channel_batch_data",
        "connection_id": "c",
        "channel": "v4_markets",
        "version": "1.0.0",
        "contents": [{"oraclePrices": {ticker: row}}],
    }


async def test_all_connections_lost_are_all_asked_anew_with_urgent_accounts_first(
    server: IndexerSocket,
) -> None:
    held = {3, 7, 8}
    async with streaming(server, FastClock(), per_connection=5) as (stream, watcher):
        await subscribed(stream, watcher, 10)
        stream.urgent = lambda address, number: number in held
        before = list(server.open)
        for client in before:
            await client.socket.close(1012, "Service restarting")
        await until(lambda: len(watcher.of(NeedsBackfill)) == 20)

        numbers = [
            [int(id_.rpartition("/")[2]) for id_ in client.subaccounts] for client in server.open
        ]
        assert sorted(numbers) == [[3, 0, 1, 2, 4], [7, 8, 5, 6, 9]]
        assert [event.again for event in watcher.of(Connected)] == [False, False, True, True]
        assert len(server.leading()) == 1


async def test_a_lost_message_makes_the_accounts_of_its_connection_stale_until_filled_in(
    server: IndexerSocket,
) -> None:
    async with streaming(server, MovedClock(), per_connection=1) as (stream, watcher):
        await subscribed(stream, watcher, 2)
        await server.tell_height(BASE)
        await until(lambda: not stream.stale_accounts(5))
        client = server.of(TRADER, 1)
        client.next_id += 1
        await server.tell_height(BASE + 1)
        await until(lambda: len(watcher.of(NeedsBackfill)) == 3)

        (lost,) = watcher.of(Disconnected)
        assert lost.reason == "a message was lost"
        assert stream.gaps == 1
        again = watcher.of(NeedsBackfill)[-1]
        # The block that was told after the loss may have lost something.
        assert (again.number, again.since_height) == (1, BASE)
        await server.tell_height(BASE + 2)
        await until(lambda: stream.height == BASE + 2)
        assert stream.stale_accounts(5) == ((TRADER, 1),)


async def test_the_first_snapshot_asks_for_a_back_fill_as_events_before_it_are_in_no_message(
    server: IndexerSocket,
) -> None:
    async with streaming(server, FastClock()) as (stream, watcher):
        await stream.subscribe(TRADER, 0)
        await until(lambda: watcher.of(NeedsBackfill))

        (event,) = watcher.of(NeedsBackfill)
        snapshot = watcher.of(SubaccountSnapshot)[0]
        assert (event.since_height, event.snapshot_height) == (None, snapshot.block_height)
        assert stream.needs_backfill(TRADER, 0) == event
        assert not stream.account_fresh(TRADER, 0, 60)
        stream.backfilled(event)
        await until(lambda: stream.account_fresh(TRADER, 0, 60))
        assert stream.needs_backfill(TRADER, 0) is None


async def test_a_back_fill_for_an_earlier_subscription_counts_for_nothing(
    server: IndexerSocket,
) -> None:
    async with streaming(server, FastClock()) as (stream, watcher):
        await stream.subscribe(TRADER, 0)
        await until(lambda: watcher.of(NeedsBackfill))
        await server.client.socket.close(1012, "Service restarting")
        await until(lambda: len(watcher.of(NeedsBackfill)) == 2)
        first, second = watcher.of(NeedsBackfill)

        stream.backfilled(first)
        assert stream.needs_backfill(TRADER, 0) == second
        # Nothing was read in between, so that all since the start is asked for again.
        assert second.since_height is None
        stream.backfilled(second)
        assert stream.needs_backfill(TRADER, 0) is None


async def test_a_connection_that_falls_behind_the_others_is_not_relied_on(
    server: IndexerSocket,
) -> None:
    async with streaming(server, FastClock(), per_connection=1) as (stream, watcher):
        await subscribed(stream, watcher, 2)
        await server.of(TRADER, 1).send(height(BASE))
        await until(lambda: stream.height == BASE)
        await server.of(TRADER, 0).send(height(BASE + 10))
        await until(lambda: stream.height == BASE + 10)
        assert not stream.stale_accounts(60)
        await server.of(TRADER, 0).send(height(BASE + 11))
        await until(lambda: stream.height == BASE + 11)

        assert stream.stale_accounts(60) == ((TRADER, 1),)


async def test_a_silent_connection_makes_its_accounts_stale_while_it_stands(
    server: IndexerSocket,
) -> None:
    clock = MovedClock()
    async with streaming(server, clock, per_connection=1) as (stream, watcher):
        await subscribed(stream, watcher, 2)
        await server.of(TRADER, 1).send(height(BASE))
        await until(lambda: stream.height == BASE)
        clock.ahead_s += 6
        await server.of(TRADER, 0).send(height(BASE + 1))
        await until(lambda: stream.height == BASE + 1)

        assert stream.stale_accounts(5) == ((TRADER, 1),)
        assert not watcher.of(Disconnected)


async def test_events_that_wait_for_their_delivery_make_accounts_stale(
    server: IndexerSocket,
) -> None:
    gate = asyncio.Event()
    needs: list[NeedsBackfill] = []

    async def consume(event: StreamEvent) -> None:
        if isinstance(event, NeedsBackfill):
            needs.append(event)
            await gate.wait()

    clock = MovedClock()
    stream = Stream(server.network, clock, SystemRandom(), consume)
    await stream.start()
    await stream.subscribe(TRADER, 0)
    await until(lambda: needs)
    stream.backfilled(needs[0])
    clock.ahead_s += 10
    await server.tell_height(BASE)
    await until(lambda: stream.height == BASE)
    assert stream.delay_s() >= 10
    assert not stream.account_fresh(TRADER, 0, 5)
    gate.set()
    await until(lambda: stream.account_fresh(TRADER, 0, 5))
    await stream.close()


async def test_after_the_last_pause_the_accounts_concerned_are_told_once_and_again_when_it_is_over(
    server: IndexerSocket,
) -> None:
    async with streaming(server, FastClock(), per_connection=2) as (stream, watcher):
        await subscribed(stream, watcher, 4)
        await server.stop()
        await until(lambda: len(watcher.of(Disconnected)) >= 18)

        troubles = watcher.of(ConnectionTrouble)
        assert [event.attempts for event in troubles] == [5, 5]
        assert sorted(n for event in troubles for _, n in event.accounts) == [0, 1, 2, 3]
        assert all(event.since.tzinfo is not None for event in troubles)
        assert not watcher.of(ConnectionRecovered)

        await server.start()
        await until(lambda: len(watcher.of(ConnectionRecovered)) == 2)
        over = watcher.of(ConnectionRecovered)
        assert {e.accounts: e.since for e in over} == {e.accounts: e.since for e in troubles}
        assert len(watcher.of(ConnectionTrouble)) == 2


async def test_a_close_for_too_many_requests_slows_the_asking_down(server: IndexerSocket) -> None:
    closed: list[Client] = []

    async def answer(client: Client, request: dict[str, Any]) -> None:
        if not closed and len(client.requests) == 5:
            closed.append(client)
            await client.socket.close(1008, '{"message":"Rate limited"}')
        else:
            await server.answer(client, request)

    server.on_request = answer
    async with streaming(server, SystemClock(), waits_s=(0.01,)) as (stream, watcher):
        for number in range(8):
            await stream.subscribe(TRADER, number)
        await until(lambda: len(watcher.of(NeedsBackfill)) >= 8)

        gaps = [b - a for a, b in zip(server.client.times, server.client.times[1:], strict=False)]
        assert min(gaps) > 0.08  # ten a second instead of twenty
        assert "1008" in watcher.of(Disconnected)[0].reason


async def test_the_pace_recovers_after_a_while_without_a_refusal() -> None:
    clock = StillClock()
    pace = Pace(clock)
    for expected in (10, 5, 2, 2):
        pace.slow_down()
        assert pace.per_second == expected
    for expected in (4, 8, 16, 20):
        clock.seconds += SLOW_FOR_S
        await pace.wait(("v4_subaccounts", "a/0"))
        assert pace.per_second == expected


async def test_a_subscription_that_is_never_answered_ends_the_connection(
    server: IndexerSocket,
) -> None:
    async def ignore(client: Client, request: dict[str, Any]) -> None:
        if request["channel"] != "v4_subaccounts" or len(server.clients) > 1:
            await server.answer(client, request)

    server.on_request = ignore
    clock = MovedClock()
    async with streaming(server, clock) as (stream, watcher):
        await stream.subscribe(TRADER, 0)
        await until(lambda: server.clients and server.client.subaccounts)
        clock.ahead_s += 30
        await until(lambda: watcher.of(SubaccountSnapshot))

        assert watcher.of(Disconnected)[0].reason == "a subscription was not answered"
        assert stream.gaps == 0


async def test_an_id_that_the_indexer_does_not_take_is_told_and_not_asked_for_again_at_once(
    server: IndexerSocket,
) -> None:
    async def refuse(client: Client, request: dict[str, Any]) -> None:
        if request["channel"] == "v4_subaccounts":
            text = f"Invalid subscription id for channel: (v4_subaccounts-{request['id']})"
            await client.send({"type": "error", "connection_id": "c", "message": text})
        else:
            await server.answer(client, request)

    server.on_request = refuse
    clock = MovedClock()
    async with streaming(server, clock) as (stream, watcher):
        await stream.subscribe(TRADER, 200_000)
        await until(lambda: watcher.of(SubscriptionRefused))
        clock.ahead_s += 40
        await server.tell_height(BASE)
        await until(lambda: stream.height == BASE)
        await server.tell_height(BASE + 1)
        await until(lambda: stream.height == BASE + 1)

        assert watcher.of(SubscriptionRefused)[0].number == 200_000
        assert len(server.client.subaccounts) == 1
        assert not watcher.of(Disconnected)


async def test_books_and_trades_are_followed_at_most_thirty_two_per_connection(
    server: IndexerSocket,
) -> None:
    async with streaming(server, FastClock()) as (stream, watcher):
        for number in range(33):
            await stream.follow_book(f"M{number}-USD")
        await stream.follow_trades("LINK-USD")
        await until(lambda: len(watcher.of(BookChanged)) == 33 and watcher.of(TradesSeen))

        books = [[a for a in c.asked() if a[1] == "v4_orderbook"] for c in server.clients]
        assert sorted(len(asked) for asked in books) == [1, 32]
        seen = watcher.of(TradesSeen)[0]
        assert (seen.ticker, seen.snapshot) == ("LINK-USD", True)
        assert stream.book("M7-USD") is not None
        await stream.unfollow_book("M7-USD")
        assert stream.book("M7-USD") is None
        await stream.unfollow_trades("LINK-USD")
        await until(lambda: ("unsubscribe", "v4_trades", "LINK-USD") in server.clients[0].asked())


async def test_a_recorded_book_is_followed_to_its_last_change(server: IndexerSocket) -> None:
    messages = [
        m
        for m in recorded("market")
        if m["type"] == "channel_data" and m["channel"] == "v4_orderbook"
    ]
    expected: dict[str, dict[str, str]] = {"bids": {}, "asks": {}}
    for side in expected:
        rows = server.snapshots["v4_orderbook"]["contents"][side]
        expected[side] = {row["price"]: row["size"] for row in rows}
    for message in messages:
        for side in expected:
            expected[side].update(message["contents"].get(side, ()))
    async with streaming(server, FastClock()) as (stream, watcher):
        await stream.follow_book("LINK-USD")
        await until(lambda: watcher.of(BookChanged))
        for message in messages:
            await server.client.send(message)
        await until(lambda: len(watcher.of(BookChanged)) == len(messages) + 1)

        book = stream.book("LINK-USD")
        assert book is not None
        for side, levels in (("bids", book.bids()), ("asks", book.asks())):
            left = {price for price, size in expected[side].items() if float(size)}
            assert {format(level.price, "f") for level in levels} == left
        assert len(messages) > 20


@pytest.mark.parametrize("lost", [False, True])
async def test_a_book_is_gone_while_its_connection_is(server: IndexerSocket, lost: bool) -> None:
    async with streaming(server, SystemClock(), waits_s=(1000.0,)) as (stream, watcher):
        await stream.follow_book("LINK-USD")
        await until(lambda: watcher.of(BookChanged))
        if lost:
            await server.client.socket.close(1012, "Service restarting")
            await until(lambda: watcher.of(Disconnected))

        assert (stream.book("LINK-USD") is None) is lost
