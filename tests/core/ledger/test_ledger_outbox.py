"""The outbox: once per key, one card per signal, in order per trader."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from core.events import AccessAnswered, PositionClosed, SignalChanged, SignalRefused
from core.ledger import outbox
from core.ledger.database import Ledger
from core.ledger.models import OutgoingMessage
from tests.core.ledger.ledger_kit import NOW, opened


@pytest.fixture
async def ledger(ledger_url: str) -> AsyncIterator[Ledger]:
    async with opened(ledger_url) as ledger:
        yield ledger


async def put_card(trader_id: int, signal_id: UUID, now: dt.datetime = NOW) -> None:
    await outbox.put(trader_id, SignalChanged(signal_id), key="", now=now)


async def kinds_due(now: dt.datetime = NOW) -> list[tuple[int, str]]:
    return [(row.trader_id, row.kind) for row in await outbox.due(now)]


async def test_an_event_put_twice_under_one_key_is_one_message(ledger: Ledger) -> None:
    async with ledger.executing():
        await outbox.put(1, PositionClosed(5), key="closed:5", now=NOW)
        await outbox.put(1, PositionClosed(5), key="closed:5", now=NOW)
    [row] = await outbox.due(NOW)
    assert row.payload == {"position_id": 5}
    assert (row.revision, row.sent_revision) == (1, 0)


async def _fail_in_a_transaction(ledger: Ledger) -> None:
    async with ledger.executing():
        await outbox.put(1, PositionClosed(5), key="closed:5", now=NOW)
        raise ZeroDivisionError


async def test_a_message_of_a_change_that_was_rolled_back_is_never_sent(ledger: Ledger) -> None:
    with pytest.raises(ZeroDivisionError):
        await _fail_in_a_transaction(ledger)
    assert await outbox.due(NOW) == []


async def test_a_card_that_changed_while_its_edit_was_under_way_stays_due(ledger: Ledger) -> None:
    signal_id = uuid4()
    await put_card(1, signal_id)
    [row] = await outbox.due(NOW)
    await put_card(1, signal_id)
    await outbox.sent(row.id, row.revision, 77, NOW)
    [again] = await outbox.due(NOW)
    assert (again.id, again.revision, again.telegram_message_id) == (row.id, 2, 77)
    await outbox.sent(again.id, again.revision, 77, NOW)
    assert await outbox.due(NOW) == []
    assert await outbox.card_of(signal_id) == 77


async def test_cards_put_at_the_same_time_lose_no_change(ledger: Ledger) -> None:
    signal_id = uuid4()

    async def change() -> None:
        async with ledger.executing():
            await put_card(1, signal_id)

    await asyncio.gather(*[change() for _ in range(8)])
    row = await OutgoingMessage.get(key=f"card:{signal_id}")
    assert row.revision == 8


async def test_a_reply_goes_out_after_its_card_though_it_was_put_first(ledger: Ledger) -> None:
    signal_id = uuid4()
    async with ledger.executing():
        await outbox.put(1, SignalRefused(signal_id), key="r", now=NOW, signal_id=signal_id)
        await outbox.put(1, AccessAnswered(True), key="a", now=NOW)
        await put_card(1, signal_id)
    assert await kinds_due() == [(1, "access_answered"), (1, "card"), (1, "signal_refused")]


async def test_a_reply_whose_card_was_sent_before_keeps_its_place(ledger: Ledger) -> None:
    signal_id = uuid4()
    await put_card(1, signal_id)
    [card] = await outbox.due(NOW)
    await outbox.sent(card.id, 1, 5, NOW)
    await outbox.put(1, SignalRefused(signal_id), key="r", now=NOW, signal_id=signal_id)
    assert await kinds_due() == [(1, "signal_refused")]


async def test_what_stands_behind_a_postponed_message_waits_but_other_traders_do_not(
    ledger: Ledger,
) -> None:
    async with ledger.executing():
        for trader_id in (1, 2):
            for number in range(3):
                key = f"{trader_id}:{number}"
                await outbox.put(trader_id, PositionClosed(number), key=key, now=NOW)
    rows = [row for row in await outbox.due(NOW) if row.trader_id == 1]
    later = NOW + dt.timedelta(seconds=30)
    await outbox.postpone(rows[1].id, later, 1)
    assert [row.key for row in await outbox.due(NOW)] == ["1:0", "2:0", "2:1", "2:2"]
    assert len(await outbox.due(later)) == 6


async def test_a_dead_message_holds_up_nothing(ledger: Ledger) -> None:
    await outbox.put(1, PositionClosed(1), key="1", now=NOW)
    await outbox.put(1, PositionClosed(2), key="2", now=NOW)
    [first, _] = await outbox.due(NOW)
    await outbox.dead(first.id)
    assert [row.key for row in await outbox.due(NOW)] == ["2"]


async def test_a_card_that_was_given_up_is_tried_again_when_it_changes(ledger: Ledger) -> None:
    signal_id = uuid4()
    await put_card(1, signal_id)
    [row] = await outbox.due(NOW)
    await outbox.postpone(row.id, NOW, 4)
    await outbox.dead(row.id)
    await put_card(1, signal_id)
    [again] = await outbox.due(NOW)
    assert (again.id, again.attempts) == (row.id, 0)


async def test_one_traders_backlog_hides_no_one_elses_message(ledger: Ledger) -> None:
    async with ledger.executing():
        for number in range(outbox.PER_TRADER + 5):
            await outbox.put(1, PositionClosed(number), key=f"1:{number}", now=NOW)
        await outbox.put(2, PositionClosed(1), key="2", now=NOW)
    due = await outbox.due(NOW, limit=outbox.PER_TRADER + 1)
    assert [row.trader_id for row in due] == [1] * outbox.PER_TRADER + [2]


async def test_the_longest_wait_counts_from_the_last_change_of_what_is_unsent(
    ledger: Ledger,
) -> None:
    minute = dt.timedelta(minutes=1)
    assert await outbox.oldest_due(NOW) == dt.timedelta()
    signal_id = uuid4()
    await put_card(1, signal_id)
    [row] = await outbox.due(NOW)
    await outbox.sent(row.id, 1, 5, NOW)
    await put_card(1, signal_id, NOW + 3 * minute)
    assert await outbox.oldest_due(NOW + 5 * minute) == 2 * minute


async def test_purging_keeps_what_is_unsent_and_the_cards(ledger: Ledger) -> None:
    await put_card(1, uuid4())
    await outbox.put(1, PositionClosed(1), key="1", now=NOW)
    await outbox.put(1, PositionClosed(2), key="2", now=NOW)
    card, one, _ = await outbox.due(NOW)
    await outbox.sent(card.id, 1, 1, NOW)
    await outbox.sent(one.id, 1, 2, NOW)
    assert await outbox.purge(NOW + dt.timedelta(days=1)) == 1
    assert await OutgoingMessage.all().count() == 2
