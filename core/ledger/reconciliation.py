"""What the checks against the chain ask of the ledger, and what they remember in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from core.ledger.models import Gap, MarketState, Order, Position

AT_ONCE = 1000


@dataclass(frozen=True)
class UnknownOrder:
    """An order whose fate nobody knows; `since` is when it was made."""

    order_id: int
    account_id: int
    since: dt.datetime


async def unknown_orders(account_ids: Collection[int]) -> list[UnknownOrder]:
    """The orders of these accounts whose fate is not known, oldest first."""
    found: list[UnknownOrder] = []
    for ids in _portions(account_ids):
        rows = await Order.filter(account_id__in=ids, state="unknown").only(
            "id", "account_id", "created_at"
        )
        found += [UnknownOrder(row.id, row.account_id, row.created_at) for row in rows]
    return sorted(found, key=lambda row: row.since)


async def holding(account_ids: Collection[int]) -> set[int]:
    """Which of these accounts have an open position in the books."""
    found: set[int] = set()
    for ids in _portions(account_ids):
        rows = await Position.filter(account_id__in=ids, state="open").only("account_id")
        found |= {row.account_id for row in rows}
    return found


async def known_orders(order_uuids: Collection[UUID]) -> set[UUID]:
    """Which of these orders the bot made."""
    rows = await Order.filter(order_uuid__in=list(order_uuids)).only("order_uuid")
    return {row.order_uuid for row in rows}


# times in which no alert could be taken


async def add_gap(began_at: dt.datetime, ended_at: dt.datetime) -> Gap:
    """Notes a gap that is to be told."""
    return await Gap.create(began_at=began_at, ended_at=ended_at, state="open")


async def open_gaps() -> list[Gap]:
    """The gaps that were not told to everybody yet, oldest first."""
    return await Gap.filter(state="open").order_by("id")


async def close_gap(gap_id: int) -> None:
    """Everybody was told."""
    await Gap.filter(id=gap_id).update(state="told")


# markets


async def market_states(network: str) -> dict[str, tuple[str, str]]:
    """Status and type of each market by ticker, as last found."""
    rows = await MarketState.filter(network=network)
    return {row.ticker: (row.status, row.market_type) for row in rows}


async def add_market_states(
    network: str, found: dict[str, tuple[str, str]], now: dt.datetime
) -> None:
    """Markets that are met for the first time."""
    await MarketState.bulk_create(
        [
            MarketState(
                network=network,
                ticker=ticker,
                status=status,
                market_type=market_type,
                changed_at=now,
            )
            for ticker, (status, market_type) in found.items()
        ]
    )


async def change_market_state(
    network: str, ticker: str, found: tuple[str, str], now: dt.datetime
) -> None:
    """A market's status or type is another one now."""
    await MarketState.filter(network=network, ticker=ticker).update(
        status=found[0], market_type=found[1], changed_at=now
    )


async def traders_in_market(network: str, ticker: str, living: Collection[str]) -> list[int]:
    """The traders with an open position or an order in one of the states `living` in a market."""
    held = await Position.filter(
        ticker=ticker, state="open", account__network=network, account__state__not="disconnected"
    ).values_list("account__trader_id", flat=True)
    waiting = await Order.filter(
        ticker=ticker,
        state__in=list(living),
        account__network=network,
        account__state__not="disconnected",
    ).values_list("account__trader_id", flat=True)
    found: set[int] = {int(str(one)) for one in (*held, *waiting)}
    return sorted(found)


def _portions(ids: Collection[int]) -> Iterator[Sequence[int]]:
    listed = list(ids)
    for start in range(0, len(listed), AT_ONCE):
        yield listed[start : start + AT_ONCE]
