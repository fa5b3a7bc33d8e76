"""After the tour: the books are the chain's, nothing acted twice, nothing was left undone."""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any, Final

from bot.demo.proof import Chain
from tests.acceptance.tour_house import TourHouse
from tests.acceptance.tour_kit import ADA, Tour
from tests.acceptance.until import until

SETTLED: Final = ("executed", "refused", "missed", "mock")
OVER: Final = ("filled", "canceled", "expired", "refused", "refused_in_block", "dead")
UNDER_WAY: Final = (
    "SELECT id FROM signal WHERE state NOT IN ('executed', 'refused', 'missed', 'mock')",
    "SELECT id FROM intent WHERE state IN ('stored', 'running')",
    "SELECT id FROM outgoing_message WHERE state = 'live'",
    "SELECT id FROM telegram_update WHERE state = 'taken'",
    "SELECT id FROM panic WHERE state <> 'done'",
    "SELECT id FROM gap WHERE state <> 'told'",
)


async def prove(tour: Tour) -> None:
    """Asserts it, by the chain."""
    house = tour.house
    for sql in UNDER_WAY:
        await until(lambda sql=sql: _none(house, sql), 90)  # type: ignore[misc]
    for name, account in tour.accounts.items():
        await until(lambda a=account, n=name: _books_agree(tour, n, a), 60)  # type: ignore[misc]
        await _orders_agree(house, account, tour.addresses[name])
    await _no_alert_did_more_than_it_said(house)
    dead = await house.rows(
        "SELECT kind FROM outgoing_message WHERE state = 'dead' AND trader_id = "
        f"(SELECT id FROM trader WHERE telegram_id = {ADA})"
    )
    assert [row["kind"] for row in dead] == ["nonsense"]


async def _none(house: TourHouse, sql: str) -> bool:
    house.check()
    return not await house.rows(sql)


async def _books_agree(tour: Tour, name: str, account: int) -> bool:
    """Fill by fill, and what is held."""
    house, address = tour.house, tour.addresses[name]
    on_chain = {row["id"]: row for row in await house.fills_of(address)}
    booked = await house.rows(f"SELECT * FROM fill WHERE account_id = {account}")
    if sorted(on_chain) != sorted(str(row["fill_uuid"]) for row in booked):
        return False
    held: dict[str, Decimal] = defaultdict(Decimal)
    for row in on_chain.values():
        size = Decimal(row["size"])
        held[row["market"]] += size if row["side"] == "BUY" else -size
    open_ = await house.rows(
        f"SELECT ticker, side, size FROM position WHERE state = 'open' AND account_id = {account}"
    )
    signs = {"LONG": 1, "SHORT": -1}
    ledger = {row["ticker"]: Decimal(row["size"]) * signs[row["side"]] for row in open_}
    for ticker, size in held.items():
        assert await house.size_of(address, ticker) == size
        assert ledger.pop(ticker, Decimal(0)) == size, (name, ticker)
    assert not ledger, ledger
    return True


async def _orders_agree(house: TourHouse, account: int, address: str) -> None:
    """No order lives on chain that the ledger says is over, or does not know."""
    chain = Chain(
        f"http://127.0.0.1:{house.paper.nodes[0].port}",
        f"http://127.0.0.1:{house.paper.rest_port}",
    )
    try:
        living = await chain.resting(address)
    finally:
        await chain.close()
    states = {
        str(row["order_uuid"]): row["state"]
        for row in await house.rows(
            f'SELECT order_uuid, state FROM "order" WHERE account_id = {account}'
        )
    }
    for row in living:
        assert states.get(row["id"], "unknown to the ledger") not in OVER, row
        assert row["id"] in states, row


async def _no_alert_did_more_than_it_said(house: TourHouse) -> None:
    """What the orders of one alert opened is at most its size."""
    opened: dict[str, Decimal] = defaultdict(Decimal)
    for row in await house.rows(
        'SELECT signal_id, filled_size, reduce_only FROM "order" '
        "WHERE signal_id IS NOT NULL AND intent_id IS NOT NULL"
    ):
        if not row["reduce_only"]:
            opened[str(row["signal_id"])] += Decimal(row["filled_size"])
    said: dict[str, Any] = {
        str(row["id"]): json.loads(row["body"])
        for row in await house.rows("SELECT id, body FROM signal")
    }
    for signal_id, size in opened.items():
        body = said[signal_id]
        most = body.get("size") or body.get("market_position_size")
        if most is not None:
            assert size <= Decimal(most), (body, size)
