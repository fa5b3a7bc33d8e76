"""Limits, modes, prices of a day's begin, and panics; and the rows from which P&L is counted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.ledger.alone import alone
from core.ledger.models import (
    Account,
    DayPrice,
    Fill,
    Intent,
    Order,
    Panic,
    PanicAccount,
    Position,
    RiskScope,
    Share,
    ShareMove,
)

# scopes


async def scopes() -> list[RiskScope]:
    """All scopes for which something was ever set."""
    return await RiskScope.all().order_by("id")


async def put_scope(scope: str, ref: int, **values: Any) -> None:
    """Sets values of a scope, inside the caller's transaction."""
    if await RiskScope.filter(scope=scope, ref=ref).update(**values):
        return
    await RiskScope.create(scope=scope, ref=ref, **{"limits": {}, "mode": "active", **values})


# prices of a day's begin


async def day_prices(since: dt.datetime) -> list[DayPrice]:
    return await DayPrice.filter(at__gte=since)


async def add_day_price(
    network: str, ticker: str, at: dt.datetime, price: Decimal, source: str
) -> bool:
    """Inside the caller's transaction; False where there is one already: it stays."""
    if await DayPrice.filter(network=network, ticker=ticker, at=at).exists():
        return False
    await DayPrice.create(network=network, ticker=ticker, at=at, price=price, source=source)
    return True


@alone
async def purge_day_prices(before: dt.datetime) -> int:
    return await DayPrice.filter(at__lt=before).delete()


# what an account holds and did


@dataclass(frozen=True)
class Picture:
    """An account's rows: its open positions, its shares, their moves since a moment (oldest first)
    with the fills that made them, and the orders that may still open something.
    """

    positions: list[Position]
    shares: list[Share]
    moves: list[ShareMove]
    fills: dict[UUID, Fill]
    pending: list[Order]


async def picture(account_id: int, since: dt.datetime, living: Collection[str]) -> Picture:
    """`living`: the states of orders that may still fill."""
    moves = await ShareMove.filter(account_id=account_id, at__gte=since).order_by("at", "id")
    uuids = {row.fill_uuid for row in moves if row.fill_uuid is not None}
    fills = await Fill.filter(fill_uuid__in=list(uuids)) if uuids else []
    return Picture(
        await Position.filter(account_id=account_id, state="open").order_by("id"),
        await Share.filter(account_id=account_id).order_by("id"),
        moves,
        {row.fill_uuid: row for row in fills},
        await Order.filter(
            account_id=account_id, state__in=list(living), reduce_only=False
        ).order_by("id"),
    )


async def results(account_id: int, limit: int) -> list[Position]:
    """The last closed positions, newest first."""
    return (
        await Position.filter(account_id=account_id, state="closed")
        .order_by("-closed_at", "-id")
        .limit(limit)
    )


async def entries_since(account_id: int, since: dt.datetime) -> list[Order]:
    """Orders made since then that could open something."""
    return await Order.filter(
        account_id=account_id, created_at__gte=since, reduce_only=False
    ).order_by("id")


async def last_move_id() -> int:
    """The newest move's row; 0 where there is none."""
    row = await ShareMove.all().order_by("-id").first()
    return row.id if row is not None else 0


async def accounts_moved_after(move_id: int) -> tuple[set[int], int]:
    """The accounts whose shares moved after a row, and the newest row."""
    rows = await ShareMove.filter(id__gt=move_id).only("id", "account_id")
    return {row.account_id for row in rows}, max((row.id for row in rows), default=move_id)


async def intent_by_key(key: str) -> Intent | None:
    return await Intent.get_or_none(key=key)


# panics


async def add_panic(
    *,
    trader_id: int,
    kind: str,
    key: str,
    account_ids: Collection[int],
    state: str,
    now: dt.datetime,
    message_id: int | None = None,
    parent_id: int | None = None,
) -> Panic | None:
    """A panic and its accounts, inside the caller's transaction; None when the key was used."""
    if await Panic.filter(key=key).exists():
        return None
    row = await Panic.create(
        trader_id=trader_id,
        kind=kind,
        key=key,
        state="working",
        message_id=message_id,
        parent_id=parent_id,
        created_at=now,
    )
    for account_id in account_ids:
        await PanicAccount.create(
            panic_id=row.id, account_id=account_id, state=state, report={}, changed_at=now
        )
    return row


async def panic(panic_id: int) -> Panic | None:
    return await Panic.get_or_none(id=panic_id)


async def panic_by_key(key: str) -> Panic | None:
    return await Panic.get_or_none(key=key)


async def working_panics(trader_id: int | None = None) -> list[Panic]:
    """Panics that are not over, oldest first."""
    found = Panic.filter(state="working")
    if trader_id is not None:
        found = found.filter(trader_id=trader_id)
    return await found.order_by("id")


async def children(parent_id: int) -> list[Panic]:
    return await Panic.filter(parent_id=parent_id).order_by("id")


async def panic_accounts(panic_ids: Collection[int]) -> list[PanicAccount]:
    return await PanicAccount.filter(panic_id__in=list(panic_ids)).order_by("id")


async def note_panic_account(row: PanicAccount, now: dt.datetime, **values: Any) -> None:
    """Writes down what is known of an account of a panic."""
    await PanicAccount.filter(id=row.id).update(changed_at=now, **values)
    for name, value in values.items():
        setattr(row, name, value)


async def finish_panic(panic_id: int, now: dt.datetime) -> bool:
    """True for the one caller who ends it."""
    return await Panic.filter(id=panic_id, state="working").update(state="done", done_at=now) == 1


async def accounts_by_trader() -> dict[int, list[Account]]:
    """The active accounts of every trader."""
    found: dict[int, list[Account]] = {}
    for row in await Account.filter(state="active").order_by("id"):
        found.setdefault(row.trader_id, []).append(row)
    return found
