"""What the books hold beside positions: steps, shares and their moves, funding, and how far all of
it was checked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from decimal import Decimal
from typing import Any

from tortoise.expressions import Q

from core.ledger.models import (
    AccountBooks,
    Fill,
    Funding,
    Position,
    PositionTransition,
    Share,
    ShareMove,
)

ZERO = Decimal(0)


# steps of positions


async def add_step(**values: Any) -> None:
    """Appends a step of a position's state machine; the caller has checked that it is allowed."""
    await PositionTransition.create(**values)


async def steps_of(position_id: int) -> list[PositionTransition]:
    """The steps of a position, oldest first."""
    return await PositionTransition.filter(position_id=position_id).order_by("id")


# shares


async def shares_in(account_id: int, ticker: str) -> list[Share]:
    """The shares of a market, flat ones too."""
    return await Share.filter(account_id=account_id, ticker=ticker).order_by("strategy_id")


async def shares_of(account_ids: Collection[int]) -> list[Share]:
    """The shares of all markets of these accounts, flat ones too."""
    return await Share.filter(account_id__in=list(account_ids)).order_by("id")


async def shares_of_strategy(strategy_id: int) -> list[Share]:
    """What a strategy holds or held, on all its accounts."""
    return await Share.filter(strategy_id=strategy_id).order_by("id")


async def save_share(row: Share) -> None:
    """Writes a share's row, a new one too."""
    await row.save()


async def add_move(row: Share, **values: Any) -> None:
    """Appends what changed a share."""
    await ShareMove.create(
        share_id=row.id,
        account_id=row.account_id,
        partition=row.partition,
        strategy_id=row.strategy_id,
        size=row.size,
        **values,
    )


async def moves_since(
    account_ids: Collection[int], since: dt.datetime, strategy_id: int | None = None
) -> list[ShareMove]:
    """What changed shares of these accounts at or after a time, of one strategy or all."""
    found = ShareMove.filter(account_id__in=list(account_ids), at__gte=since)
    if strategy_id is not None:
        found = found.filter(strategy_id=strategy_id)
    return await found.order_by("id")


async def sizes_at(account_id: int, ticker: str, at: dt.datetime) -> dict[int, Decimal]:
    """The signed shares of a market as they were at a time, by strategy."""
    found: dict[int, Decimal] = {}
    for share in await shares_in(account_id, ticker):
        last = (
            await ShareMove.filter(share_id=share.id, at__lte=at)
            .exclude(cause="funding")
            .order_by("-id")
            .first()
        )
        if last is not None and last.size:
            found[share.strategy_id] = last.size
    return found


# funding


async def known_fundings(account_id: int, since: dt.datetime) -> set[tuple[str, dt.datetime]]:
    """Market and time of the payments that are booked, from a time on."""
    rows = await Funding.filter(account_id=account_id, at__gte=since).only("ticker", "at")
    return {(row.ticker, row.at) for row in rows}


async def add_funding(**values: Any) -> Funding:
    return await Funding.create(**values)


async def open_at(account_id: int, ticker: str, at: dt.datetime) -> Position | None:
    """The position that was open at the end of the block of that time."""
    return (
        await Position.filter(
            Q(closed_at__isnull=True) | Q(closed_at__gt=at),
            account_id=account_id,
            ticker=ticker,
            opened_at__lte=at,
        )
        .order_by("-id")
        .first()
    )


async def open_between(account_id: int, since: dt.datetime, until: dt.datetime) -> list[Position]:
    """The positions that were open at some time of a span."""
    return await Position.filter(
        Q(closed_at__isnull=True) | Q(closed_at__gte=since),
        account_id=account_id,
        opened_at__lte=until,
    )


async def add_position_funding(position: Position, payment: Decimal) -> None:
    """Adds a payment to a position. Its version stays: what a button was made for is unchanged."""
    position.funding += payment
    await Position.filter(id=position.id).update(funding=position.funding)


# how far it was read and checked


async def of_account(account_id: int) -> AccountBooks | None:
    return await AccountBooks.get_or_none(account_id=account_id)


async def note(account_id: int, **values: Any) -> None:
    """Writes down how far the books of an account were read or checked."""
    if not await AccountBooks.filter(account_id=account_id).update(**values):
        await AccountBooks.create(account_id=account_id, **values)


async def forget_balance(account_id: int) -> None:
    """The balance is to be noted anew: something came into the books that no fill explains."""
    await AccountBooks.filter(account_id=account_id).update(usdc=None, offset=None, height=0)


async def newest(account_id: int) -> tuple[int, int]:
    """The ids of the newest fill and the newest funding payment; 0 where there is none."""
    fill = await Fill.filter(account_id=account_id).order_by("-id").only("id").first()
    funding = await Funding.filter(account_id=account_id).order_by("-id").only("id").first()
    return (fill.id if fill else 0, funding.id if funding else 0)


async def count_since(account_id: int, fill_id: int, funding_id: int) -> int:
    """How many fills and payments were booked after these."""
    fills = await Fill.filter(account_id=account_id, id__gt=fill_id).count()
    return fills + await Funding.filter(account_id=account_id, id__gt=funding_id).count()


async def last_fill_height(account_id: int) -> int:
    """The block of the youngest fill that is booked; 0 without any."""
    row = await Fill.filter(account_id=account_id).order_by("-height").only("height").first()
    return row.height if row else 0


async def fills_of(position_id: int) -> list[Fill]:
    """The fills of a position, oldest first."""
    return await Fill.filter(position_id=position_id).order_by("id")
