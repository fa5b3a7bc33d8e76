"""Accounts whose trading key the chain refuses: alarm, reminders, end."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator

import pytest

from core.dydx.authenticator_tree import ALL_OF
from core.dydx.authenticators import Authenticator, own_tree
from core.dydx.keys import SigningKey
from core.ledger import accounts
from core.ledger.models import Account, KeyLoss
from core.trading.decision import Refusal
from core.trading.key_loss import check_key, is_due, notes_of
from core.trading.key_loss_watch import KeyLossWatch
from core.trading.views import TraderView
from tests.core.trading.watch_room import BEGIN, Room, watch_room

KEY_ID = 5


@pytest.mark.parametrize(
    ("codespace", "code", "doubted"),
    [
        ("dydxaccountplus", 1, True),
        ("dydxaccountplus", 104, True),
        ("dydxaccountplus", 4, False),  # the chain takes no trading keys at all just now
        ("clob", 1, False),
        ("sdk", 104, False),
        ("", None, False),
    ],
)
def test_only_a_refusal_for_the_key_casts_doubt_on_it(
    codespace: str, code: int | None, doubted: bool
) -> None:
    account = Account(id=3)
    notes = notes_of(account, KEY_ID, codespace, code, BEGIN)
    assert bool(notes) is doubted
    assert (account.key_lost_at is not None) is doubted
    assert notes_of(account, None, codespace, code, BEGIN) == []


def test_with_a_lost_key_entries_are_refused_with_that_reason() -> None:
    check_key(Account(id=3))
    with pytest.raises(Refusal) as refused:
        check_key(Account(id=3, key_lost_at=BEGIN))
    assert refused.value.code == "key_lost"


@pytest.mark.parametrize(
    ("told", "minutes", "holds", "due"),
    [
        (0, 0, False, True),
        (1, 14, True, False),
        (1, 15, True, True),
        (1, 9999, False, False),
        (2, 44, True, False),
        (2, 45, True, True),
        (9, 1439, True, False),
        (9, 1440, True, True),
    ],
)
def test_reminders_come_at_growing_intervals_while_positions_are_open(
    told: int, minutes: int, holds: bool, due: bool
) -> None:
    loss = KeyLoss(told=told, told_at=BEGIN)
    assert is_due(loss, BEGIN + dt.timedelta(minutes=minutes), holds=holds) is due


class Keyed:
    """An account that trades with key 5 of its owner."""

    def __init__(self, room: Room, trader: TraderView, account: Account) -> None:
        self.room, self.trader, self.account = room, trader, account
        self.key = SigningKey.generate(room.office.random)
        self.watch = KeyLossWatch(room.office)

    async def store_key(self, authenticator_id: int = KEY_ID) -> None:
        record = self.room.office.random.uuid4()
        async with self.room.ledger.executing():
            await accounts.drop_credential(self.account.id)
            await accounts.add_credential(
                record=record,
                account_id=self.account.id,
                trader_id=self.trader.id,
                kind="trading_key",
                sealed=self.room.office.vault.seal(
                    self.key.secret(), trader_id=self.trader.id, record=record
                ),
                now=self.room.clock.now(),
                authenticator_id=authenticator_id,
            )

    def lists(self, authenticator_id: int) -> tuple[Authenticator, ...]:
        """What the chain says while it knows the key under this id."""
        tree = own_tree(self.key.public_key, [0], None)
        return (Authenticator(authenticator_id, ALL_OF, tree),)

    async def refused(self, code: int = 1) -> None:
        """An order met a refusal for the key."""
        notes = notes_of(self.account, KEY_ID, "dydxaccountplus", code, self.room.clock.now())
        await self.room.ledger.commit(notes)

    async def looks(self, minutes: float) -> None:
        for _ in range(int(minutes * 6)):
            await self.watch.look()
            self.room.clock.move(10)

    async def told(self) -> list[str]:
        return [row["kind"] for row in await self.room.told(self.trader)]

    async def lost_at(self) -> dt.datetime | None:
        lost_at: dt.datetime | None = (await accounts.get(self.account.id)).key_lost_at
        return lost_at


@pytest.fixture
async def keyed(sqlite_ledger_url: str) -> AsyncIterator[Keyed]:
    async with watch_room(sqlite_ledger_url) as room:
        trader = await room.trader(1)
        made = Keyed(room, trader, await room.account(trader))
        await made.store_key()
        yield made


async def test_a_key_that_the_chain_lists_no_more_is_an_alarm_and_reminders_while_held(
    keyed: Keyed,
) -> None:
    keyed.room.node.listed = ()
    position = await keyed.room.holds(keyed.account, "BTC-USD", "1")
    await keyed.refused()
    began = await keyed.lost_at()
    await keyed.looks(1)
    assert await keyed.told() == ["key_lost"]
    await keyed.refused()
    assert await keyed.lost_at() == began
    await keyed.looks(70)
    assert [row["told"] for row in await keyed.room.told(keyed.trader)] == [0, 1, 2]
    keyed.watch = KeyLossWatch(keyed.room.office)  # after a restart
    await keyed.looks(60)
    assert len(await keyed.told()) == 3
    position.state = "closed"
    await position.save()
    await keyed.looks(300)
    assert len(await keyed.told()) == 3


async def test_a_refusal_of_many_causes_is_no_alarm_while_the_chain_lists_the_key(
    keyed: Keyed,
) -> None:
    keyed.room.node.listed = keyed.lists(KEY_ID)
    await keyed.refused(104)
    await keyed.looks(1)
    assert await keyed.told() == []
    assert await keyed.lost_at() is None
    assert keyed.room.lanes.refreshed == [keyed.account.id]


async def test_a_chain_that_cannot_be_asked_does_not_keep_the_loss_secret_for_long(
    keyed: Keyed,
) -> None:
    await keyed.refused()
    await keyed.looks(0.9)
    assert await keyed.told() == []
    await keyed.looks(1)
    assert await keyed.told() == ["key_lost"]


async def test_a_key_that_works_again_ends_it(keyed: Keyed) -> None:
    keyed.room.node.listed = ()
    await keyed.refused()
    await keyed.looks(1)
    keyed.room.node.listed = keyed.lists(KEY_ID)
    await keyed.looks(1)
    assert await keyed.room.told(keyed.trader, "key_back") == [
        {"kind": "key_back", "account_id": keyed.account.id, "replaced": False}
    ]
    assert await keyed.lost_at() is None
    assert [row.state for row in await KeyLoss.all()] == ["over"]
    await keyed.refused()
    keyed.room.node.listed = ()
    await keyed.looks(1)
    assert await keyed.told() == ["key_lost", "key_back", "key_lost"]


async def test_another_key_in_its_place_ends_it(keyed: Keyed) -> None:
    keyed.room.node.listed = keyed.lists(KEY_ID + 1)  # the same key under another id is no help
    await keyed.refused()
    await keyed.looks(1)
    assert await keyed.told() == ["key_lost"]
    await keyed.store_key(KEY_ID + 1)
    await keyed.looks(1)
    assert [row.get("replaced") for row in await keyed.room.told(keyed.trader)] == [None, True]


async def test_an_account_that_was_disconnected_is_left_alone(keyed: Keyed) -> None:
    keyed.room.node.listed = ()
    await keyed.refused()
    await keyed.looks(1)
    async with keyed.room.ledger.executing():
        await accounts.disconnect(keyed.account.id)
    await keyed.looks(30)
    assert await keyed.told() == ["key_lost"]
    assert [row.state for row in await KeyLoss.all()] == ["over"]
