"""Who is told when the network refuses an account or falls silent, and how often."""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import AsyncIterator

import pytest

from core.clock import SystemClock, SystemRandom
from core.dydx.answers import Fault
from core.dydx.indexer import Indexer, IndexerUnreachable
from core.dydx.indexer_errors import BlockCode, IndexerBlocked
from core.dydx.network import paper_network
from core.dydx.node import NodePool
from core.dydx.stream import ConnectionRecovered, ConnectionTrouble, Stream, StreamEvent
from core.events import Bell
from core.ledger import accounts, traders
from core.ledger.database import open_ledger
from core.ledger.models import Account, OutgoingMessage
from core.trading.compliance import ComplianceBook, Standing
from core.trading.news import note_served, note_standing, tell_trouble
from core.trading.parts import Parts
from core.trading.venue import Venue
from core.vault import MasterKey, MasterKeys, Vault

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)
GEO = IndexerBlocked(403, (Fault(msg="no", code="GEOBLOCKED"),), BlockCode.GEOBLOCKED)
COMPLIANCE = IndexerBlocked(
    403, (Fault(msg="no", code="COMPLIANCE_BLOCKED"),), BlockCode.COMPLIANCE_BLOCKED
)


class Room:
    """Two traders with an account each, and an admin."""

    def __init__(self, parts: Parts, ann: Account, ben: Account) -> None:
        self.parts, self.ann, self.ben = parts, ann, ben

    async def told(self, account: Account | None) -> list[str]:
        """What lies in the outbox for an account's trader, or for the admin."""
        trader_id = account.trader_id if account else (await traders.with_role("admin"))[0].id
        rows = await OutgoingMessage.filter(trader_id=trader_id).order_by("id")
        return [
            str(row.payload.get("standing") or row.payload.get("what") or row.kind) for row in rows
        ]


@pytest.fixture
async def room(sqlite_ledger_url: str) -> AsyncIterator[Room]:
    async with contextlib.AsyncExitStack() as stack:
        clock, random, network = SystemClock(), SystemRandom(), paper_network()
        ledger = await stack.enter_async_context(
            open_ledger(sqlite_ledger_url, clock=clock, random=random, copies_dir=None, holder="t")
        )

        async def unheard(event: StreamEvent) -> None:
            raise AssertionError(f"nothing is connected, and yet {event}")

        venue = Venue(
            network,
            NodePool(network, clock),
            Indexer(network, clock),
            Stream(network, clock, random, unheard),
            clock,
        )
        stack.push_async_callback(venue.close)
        vault = Vault(MasterKeys(MasterKey.parse("11" * 32, "test"), ()), random)
        parts = Parts(ledger, vault, venue, clock, random, Bell())
        made = []
        async with ledger.executing():
            await traders.add(1, "Root", "admin", NOW)
            for number in (2, 3):
                trader = await traders.add(number, f"T{number}", "trader", NOW)
                made.append(
                    await accounts.add(
                        trader_id=trader.id,
                        network="paper",
                        address=f"dydx1{number}",
                        number=0,
                        chain_account_number=number,
                        first_client_id=1,
                        fills_height=1,
                        now=NOW,
                    )
                )
        for account in made:
            venue.compliance.expect(account.id)
        yield Room(parts, *made)


async def test_a_blocked_account_is_told_once_and_again_when_it_is_served(room: Room) -> None:
    for _ in range(3):
        await note_standing(room.parts, room.ann, COMPLIANCE)
    assert await room.told(room.ann) == ["compliance_blocked"]
    assert await room.told(room.ben) == []
    assert await room.told(None) == []
    await note_served(room.parts, room.ann)
    await note_served(room.parts, room.ann)
    assert await room.told(room.ann) == ["compliance_blocked", "served"]


async def test_a_block_that_ended_while_the_bot_was_down_is_told(room: Room) -> None:
    await note_standing(room.parts, room.ann, COMPLIANCE)
    room.parts.venue.compliance = ComplianceBook()  # the process is new
    known = (await accounts.get(room.ann.id)).standing
    room.parts.venue.compliance.expect(room.ann.id, Standing(known))
    await note_standing(room.parts, room.ann, COMPLIANCE)
    await note_served(room.parts, room.ann)
    assert await room.told(room.ann) == ["compliance_blocked", "served"]
    assert (await accounts.get(room.ann.id)).standing == "served"


async def test_when_every_account_is_refused_the_operator_gets_one_line(room: Room) -> None:
    await note_standing(room.parts, room.ann, GEO)
    await note_standing(room.parts, room.ben, GEO)
    await note_standing(room.parts, room.ann, GEO)
    assert await room.told(None) == ["all_blocked"]
    assert await room.told(room.ben) == ["geoblocked"]


async def test_an_indexer_that_is_down_says_nothing_of_an_account(room: Room) -> None:
    await note_standing(room.parts, room.ann, IndexerUnreachable("down"))
    assert await room.told(room.ann) == []


async def test_a_stream_in_trouble_is_told_to_those_it_carries_and_to_the_operator(
    room: Room,
) -> None:
    rows = (("dydx12", 0),)
    await tell_trouble(room.parts, ConnectionTrouble(6, NOW, rows), [room.ann])
    assert await room.told(room.ann) == ["news_missing"]
    assert await room.told(room.ben) == []
    await tell_trouble(room.parts, ConnectionRecovered(NOW, rows), [room.ann])
    assert await room.told(room.ann) == ["news_missing", "news_back"]
    assert await room.told(None) == ["stream_down", "stream_up"]
