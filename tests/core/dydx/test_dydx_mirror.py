"""What is known of an account: older news never overwrite newer, whichever way they come."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from core.dydx.account_mirror import AccountMirror, Version
from core.dydx.indexer_types import IndexerOrder, Subaccount
from core.dydx.stream_types import PositionUpdate, SubaccountContents, SubaccountState, read_frame
from tests.core.dydx.stream_kit import recorded

D = Decimal


def position(size: str, ticker: str = "ETH-USD") -> PositionUpdate:
    return PositionUpdate.read(
        {
            "address": "a",
            "subaccountNumber": 0,
            "positionId": "p",
            "market": ticker,
            "side": "SHORT" if size.startswith("-") else "LONG",
            "status": "OPEN" if D(size) else "CLOSED",
            "size": size,
            "maxSize": size,
            "netFunding": "0",
            "entryPrice": "3000",
            "sumOpen": "1",
            "sumClose": "0",
        }
    )


def order(status: str, id_: str = "o", updated: int | None = None) -> IndexerOrder:
    row: dict[str, Any] = {
        "id": id_,
        "subaccountId": "s",
        "clientId": "1",
        "clobPairId": "1",
        "orderFlags": "0",
        "ticker": "ETH-USD",
        "status": status,
    }
    return IndexerOrder.read(row | ({"updatedAtHeight": str(updated)} if updated else {}))


def state(sizes: dict[str, str]) -> Subaccount:
    rows = {
        ticker: {
            "market": ticker,
            "status": "OPEN",
            "side": "SHORT" if size.startswith("-") else "LONG",
            "size": size,
            "maxSize": size,
            "entryPrice": "3000",
            "netFunding": "0",
            "sumOpen": "1",
            "sumClose": "0",
            "createdAt": "2026-11-22T15:00:00.000Z",
            "createdAtHeight": "1",
            "subaccountNumber": 0,
        }
        for ticker, size in sizes.items()
    }
    return Subaccount.read(
        {
            "address": "a",
            "subaccountNumber": 0,
            "equity": "1",
            "freeCollateral": "1",
            "openPerpetualPositions": rows,
            "assetPositions": {},
        }
    )


def sizes(mirror: AccountMirror) -> dict[str, Decimal]:
    return {ticker: held.size for ticker, held in mirror.positions().items()}


NEWS: list[tuple[Version, str]] = [
    ((10, 1, 4), "1"),
    ((10, 1, 5), "2"),  # a later message of the same block
    ((11, 1, 3), "3"),  # a later block, though its number came earlier
    ((11, 2, 1), "4"),  # told again over the next connection
]


@pytest.mark.parametrize("turn", range(4))
def test_positions_are_those_of_the_newest_news_in_any_order(turn: int) -> None:
    mirror = AccountMirror()
    for version, size in NEWS[turn:] + NEWS[:turn]:
        mirror.take_positions([position(size)], version)
    assert sizes(mirror) == {"ETH-USD": D(4)}
    assert mirror.take_positions([position("9")], (11, 1, 99)) == [False]


def test_an_older_snapshot_does_not_overwrite_and_does_not_close() -> None:
    mirror = AccountMirror()
    mirror.take_positions([position("5"), position("-1", "BTC-USD")], (20, 1, 7))
    mirror.take_state(state({"ETH-USD": "2", "SOL-USD": "3"}), [], (19, 2, 1))
    assert sizes(mirror) == {"ETH-USD": D(5), "BTC-USD": D(-1), "SOL-USD": D(3)}

    mirror.take_state(state({"ETH-USD": "6"}), [], (20, 2, 2))
    assert sizes(mirror) == {"ETH-USD": D(6)}
    assert mirror.height == 20


def test_a_position_that_a_newer_snapshot_does_not_know_is_not_revived_by_a_late_update() -> None:
    mirror = AccountMirror()
    mirror.take_state(state({}), [], (30, 1, 2))
    assert mirror.take_positions([position("5")], (29, 1, 9)) == [False]
    assert mirror.take_positions([position("5")], (30, 1, 9)) == [True]
    assert sizes(mirror) == {"ETH-USD": D(5)}


def test_a_request_is_older_than_a_message_of_the_same_block() -> None:
    mirror = AccountMirror()
    mirror.take_positions([position("5")], (40, 1, 2))
    mirror.take_state(state({"ETH-USD": "4"}), None, (40, 0, 0))
    assert sizes(mirror) == {"ETH-USD": D(5)}


def test_an_ended_order_is_not_revived_and_a_new_one_of_the_block_before_is_news() -> None:
    mirror = AccountMirror()
    mirror.take_state(state({}), [order("OPEN", "old")], (50, 1, 1))
    mirror.take_orders([order("FILLED")], (50, 1, 4))
    assert mirror.take_orders([order("BEST_EFFORT_OPENED")], (49, 1, 5)) == [False]
    # Messages that are no part of a block say the height before theirs.
    assert mirror.take_orders([order("BEST_EFFORT_OPENED", "new")], (49, 1, 6)) == [True]
    assert mirror.take_orders([order("UNTRIGGERED", "t", 51)], (51, 1, 7)) == [True]
    assert mirror.take_orders([order("BEST_EFFORT_CANCELED", "t", 51)], (50, 1, 8)) == [True]
    assert {id_: row.status for id_, row in mirror.orders().items()} == {
        "old": "OPEN",
        "new": "BEST_EFFORT_OPENED",
        "t": "BEST_EFFORT_CANCELED",
    }
    mirror.take_state(state({}), [order("OPEN", "new")], (52, 1, 9))
    assert set(mirror.orders()) == {"new"}


def test_ended_orders_are_forgotten_in_time() -> None:
    mirror = AccountMirror()
    for number in range(2000):
        mirror.take_orders([order("FILLED", str(number))], (number, 1, number))
    assert len(mirror._orders) <= 257
    assert not mirror.take_orders([order("OPEN", "1999")], (1998, 1, 3000))[0]


@pytest.mark.parametrize(("conn", "account"), [("accounts", "0"), ("accounts", "1")])
def test_a_recorded_life_ends_as_its_last_rows_say(conn: str, account: str) -> None:
    mirror = AccountMirror()
    last_size: dict[str, Decimal] = {}
    last_status: dict[str, str] = {}
    for message in recorded(conn):
        if message.get("channel") != "v4_subaccounts" or not message["id"].endswith("/" + account):
            continue
        frame = read_frame(message)
        for part in frame.contents:
            if isinstance(part, SubaccountState):
                continue
            assert isinstance(part, SubaccountContents)
            version = (part.block_height or 0, 1, frame.message_id)
            mirror.take_positions(part.perpetual_positions or (), version)
            mirror.take_orders(part.orders or (), version)
            last_size.update({row.market: row.size for row in part.perpetual_positions or ()})
            last_status.update({row.id: row.status for row in part.orders or ()})

    assert sizes(mirror) == {ticker: size for ticker, size in last_size.items() if size}
    assert set(mirror.orders()) == {
        id_ for id_, status in last_status.items() if status not in ("FILLED", "CANCELED")
    }
    assert last_size
