"""The proof of what became of a short-term order.

Filled is proved by fills under the order's own id. Dead is proved when node and indexer are both
past the highest good-til-block ever signed for it and a fills query answered after that shows no
more. A removal on the stream is a hint and settles nothing. Source: docs/protocol.md.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from core.dydx.indexer import IndexerError
from core.dydx.indexer_types import IndexerFill
from core.dydx.protocol import SHORT_BLOCK_WINDOW
from core.ledger import orders
from core.ledger.models import Account, Order
from core.trading import states
from core.trading.parts import Parts

RETRY_S = 1.0
LOOK_S = 2.0


@dataclass
class Working:
    """An order that is not settled. `settled`: fills proved its end; `done`: the ledger says so."""

    order: Order
    hint: str | None = None
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)


async def prove(
    working: Working,
    account: Account,
    parts: Parts,
    book: Callable[[Sequence[IndexerFill]], Awaitable[None]],
) -> tuple[str, str] | None:
    """Waits for the end of an order: its state and the evidence, or None when fills settled it.

    While the stream brings no news the fills are asked for, so that a position is watched soon.
    """
    limit = working.order.good_til_block

    async def look() -> Sequence[IndexerFill]:
        return await parts.venue.indexer.urgently().all_fills_since(
            account.address, account.subaccount_number, max(0, limit - 2 * SHORT_BLOCK_WINDOW)
        )

    while not await parts.venue.wait_past(limit, stop=working.settled, within_s=LOOK_S):
        if working.settled.is_set():
            return None
        if parts.venue.news_missing(account.address, account.subaccount_number):
            with contextlib.suppress(IndexerError):
                await book(await look())
    while True:
        try:
            fills = await look()
            break
        except IndexerError:
            await parts.clock.sleep(RETRY_S)
    await book(fills)
    order = await orders.get(working.order.id)
    assert order is not None
    if order.state in states.TERMINAL:
        return None
    evidence = f"node and indexer past block {limit}; the fills read after that show no more"
    if working.hint:
        evidence += f"; removed with {working.hint}"
    return ("expired" if order.state in ("broadcasting", "unknown") else "canceled", evidence)
