"""Who comes to the bot for the first time is one trader, however he comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from core.clock import SystemClock, SystemRandom
from core.events import Bell
from core.ledger.database import Ledger, open_ledger
from core.ledger.models import OutgoingMessage, Trader
from core.trading.people import PeopleDesk

ADMIN, NEWCOMER = 1, 7


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(
        ledger_url,
        clock=SystemClock(),
        random=SystemRandom(),
        copies_dir=None,
        holder="a test",
    ) as opened:
        yield opened


@pytest.fixture
def people(ledger: Ledger) -> PeopleDesk:
    office: Any = SimpleNamespace(
        ledger=ledger,
        clock=SystemClock(),
        random=SystemRandom(),
        outbox_bell=Bell(),
        settings=SimpleNamespace(admin_ids=frozenset({ADMIN}), signup="approval"),
    )
    return PeopleDesk(office)


async def test_two_first_messages_at_once_are_one_trader_and_ask_once(people: PeopleDesk) -> None:
    await people.trader_of(ADMIN, "Ada")
    met = await asyncio.gather(*(people.trader_of(NEWCOMER, "Bob") for _ in range(3)))
    assert {(one.id, one.role) for one in met} == {(met[0].id, "pending")}
    assert await Trader.filter(telegram_id=NEWCOMER).count() == 1
    assert await OutgoingMessage.filter(kind="access_asked").count() == 1


async def test_who_follows_an_admin_link_while_he_is_met_is_admin(people: PeopleDesk) -> None:
    token = await people.make_admin_link()
    await asyncio.gather(
        people.trader_of(NEWCOMER, "Bob"), people.use_admin_link(NEWCOMER, "Bob", token)
    )
    row = await Trader.get(telegram_id=NEWCOMER)
    assert row.role == "admin"
