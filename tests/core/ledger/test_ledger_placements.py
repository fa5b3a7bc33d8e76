"""What an address placed in the chain's state lately, over all its accounts."""

from __future__ import annotations

import datetime as dt

from core.ledger import orders
from core.ledger.models import Account
from tests.core.ledger.ledger_kit import NOW, a_trader, an_account, an_order, opened

LONG_AGO = NOW - dt.timedelta(hours=2)
SINCE = NOW - dt.timedelta(minutes=3)


async def test_the_placements_of_all_accounts_of_an_address_are_told(ledger_url: str) -> None:
    """By their time where no block is known, else by their block: the chain may have stood."""
    async with opened(ledger_url):
        trader = await a_trader()
        first, second = await an_account(trader, 0), await an_account(trader, 1)
        other = await an_account(trader, 2)
        await Account.filter(id=other.id).update(address="dydx1other")
        await an_order(first, 1, order_flags=32, state="refused")
        await an_order(second, 1, order_flags=64, created_at=LONG_AGO, included_height=900)
        await an_order(first, 2, order_flags=32, created_at=LONG_AGO, included_height=800)
        await an_order(first, 3, order_flags=32, created_at=LONG_AGO)
        await an_order(first, 4, order_flags=0)
        await an_order(other, 1, order_flags=32)

        placed = await orders.placed_since("paper", "dydx1test", SINCE, 800)

        assert sorted(placed, key=str) == [(900, LONG_AGO), (None, NOW)]
