"""A second snapshot shows that a quiet account missed nothing; a doubtful one shows nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from core.dydx.stream import NeedsBackfill, NothingMissed, Stream
from tests.core.dydx.dydx_kit import FastClock, until
from tests.core.dydx.stream_kit import (
    TRADER,
    Client,
    IndexerSocket,
    Watcher,
    first,
    streaming,
)

BASE = 3_000_000
STATE = first("allowed-geo", "subscribed", "v4_subaccounts")["contents"]["subaccount"]


class Site(IndexerSocket):
    """Tells of accounts that changed last at `changed` and of snapshots that are `lag` behind."""

    def __init__(self) -> None:
        super().__init__()
        self.height = BASE
        self.changed = BASE - 100
        self.lag = 0

    async def answer(self, client: Client, request: dict[str, Any]) -> None:
        height = self.height - self.lag
        told = {"height": str(self.height), "time": "2026-11-22T15:00:00.000Z"}
        self.snapshots["v4_block_height"] |= {"contents": told}
        state = STATE | {
            "updatedAtHeight": str(min(self.changed, height)),
            "latestProcessedBlockHeight": str(height),
        }
        contents = {"subaccount": state, "orders": [], "blockHeight": str(height)}
        self.snapshots["v4_subaccounts"] |= {"contents": contents}
        await super().answer(client, request)

    async def blocks(self, count: int) -> None:
        for _ in range(count):
            self.height += 1
            await self.tell_height(self.height)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    await made.start()
    yield made
    await made.stop()


@asynccontextmanager
async def interrupted(site: Site, accounts: int = 2) -> AsyncIterator[tuple[Stream, Watcher]]:
    """Accounts on connections of their own, of which that of account 0 was lost and is back."""
    async with streaming(site, FastClock(), per_connection=1) as (stream, watcher):
        for number in range(accounts):
            await stream.subscribe(TRADER, number)
        await until(lambda: len(watcher.of(NeedsBackfill)) == accounts)
        for event in watcher.of(NeedsBackfill):
            stream.backfilled(event)
        await site.blocks(1)
        await until(lambda: stream.height == site.height and not stream.stale_accounts(60))
        await site.of(TRADER, 0).socket.close(1012, "Service restarting")
        await until(lambda: len(watcher.of(NeedsBackfill)) == accounts + 1)
        yield stream, watcher


async def seen_again(site: Site, stream: Stream) -> None:
    """The second snapshot was asked for, and its subscription ended."""
    await site.blocks(2)
    await until(
        lambda: any(
            ("unsubscribe", "v4_subaccounts", f"{TRADER}/0") in client.asked()
            for client in site.open
        )
    )
    await site.blocks(1)
    await until(lambda: stream.height == site.height)


async def test_a_quiet_account_is_fresh_again_without_a_request(site: Site) -> None:
    async with interrupted(site) as (stream, watcher):
        assert stream.stale_accounts(60) == ((TRADER, 0),)
        await site.blocks(1)
        await until(lambda: stream.height == site.height)
        assert not [c for c in site.open if len(c.subaccounts) > 1]  # too early for a look

        await seen_again(site, stream)

        assert watcher.of(NothingMissed) == [NothingMissed(TRADER, 0)]
        assert not stream.stale_accounts(60)
        assert stream.needs_backfill(TRADER, 0) is None


async def test_an_account_that_changed_lately_must_be_read(site: Site) -> None:
    site.changed = BASE - 1
    async with interrupted(site) as (stream, watcher):
        await site.blocks(4)
        await until(lambda: stream.height == site.height)

        assert not [c for c in site.open if len(c.subaccounts) > 1]
        assert stream.stale_accounts(60) == ((TRADER, 0),)
        assert not watcher.of(NothingMissed)


async def test_what_changed_between_the_two_snapshots_must_be_read(site: Site) -> None:
    async with interrupted(site) as (stream, watcher):
        site.changed = site.height + 1
        await seen_again(site, stream)

        assert stream.stale_accounts(60) == ((TRADER, 0),)
        assert not watcher.of(NothingMissed)


async def test_a_second_snapshot_from_a_replica_that_is_behind_shows_nothing(site: Site) -> None:
    async with interrupted(site) as (stream, watcher):
        site.lag = 1
        await seen_again(site, stream)

        assert stream.stale_accounts(60) == ((TRADER, 0),)
        assert not watcher.of(NothingMissed)


async def test_with_one_connection_there_is_no_second_look(site: Site) -> None:
    async with interrupted(site, accounts=1) as (stream, watcher):
        await site.blocks(4)
        await until(lambda: stream.height == site.height)

        assert stream.needs_backfill(TRADER, 0) is not None
        assert not watcher.of(NothingMissed)


async def test_a_second_look_that_is_refused_harms_nothing(site: Site) -> None:
    async with interrupted(site) as (stream, watcher):
        refused: list[str] = []

        async def refuse(client: Client, request: dict[str, Any]) -> None:
            if request["channel"] == "v4_subaccounts" and request["type"] == "subscribe":
                refused.append(request["id"])
                error = {"type": "error", "connection_id": "c", "message": "Internal error, could"}
                await client.send(error | {"channel": "v4_subaccounts", "id": request["id"]})
            else:
                await site.answer(client, request)

        site.on_request = refuse
        await site.blocks(2)
        await until(lambda: refused)
        await site.blocks(1)
        await until(lambda: stream.height == site.height)

        assert stream.needs_backfill(TRADER, 0) is not None
        assert stream.account_fresh(TRADER, 1, 60)
        assert not watcher.of(NothingMissed)
