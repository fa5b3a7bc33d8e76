"""Traders and the links that make admins."""

from __future__ import annotations

import datetime as dt

from core.ledger import raw
from core.ledger.models import AdminLink, Trader


async def by_telegram_id(telegram_id: int) -> Trader | None:
    return await Trader.get_or_none(telegram_id=telegram_id)


async def get(trader_id: int) -> Trader:
    return await Trader.get(id=trader_id)


async def find(trader_id: int) -> Trader | None:
    return await Trader.get_or_none(id=trader_id)


async def add(telegram_id: int, name: str, role: str, now: dt.datetime) -> Trader:
    return await Trader.create(
        telegram_id=telegram_id, name=name[:128], role=role, reachable=True, created_at=now
    )


async def meet(telegram_id: int, name: str, role: str, now: dt.datetime) -> tuple[Trader, bool]:
    """The trader of a Telegram user, made with this role where there is none; whether he was made
    now. Two messages of a newcomer may be worked at once.
    """
    row = Trader(
        telegram_id=telegram_id, name=name[:128], role=role, reachable=True, created_at=now
    )
    is_new = await raw.insert_if_absent(row, conflict="telegram_id")
    return await Trader.get(telegram_id=telegram_id), is_new


async def set_role(trader_id: int, role: str) -> None:
    await Trader.filter(id=trader_id).update(role=role)


async def set_reachable(trader_id: int, reachable: bool) -> None:
    """Whether Telegram delivers to this trader: False once he blocked the bot."""
    await Trader.filter(id=trader_id).update(reachable=reachable)


async def set_mock_when_unreachable(trader_id: int, on: bool) -> None:
    """Whether an order that no node could be given becomes a mock order."""
    await Trader.filter(id=trader_id).update(mock_when_unreachable=on)


async def with_role(role: str) -> list[Trader]:
    return await Trader.filter(role=role).order_by("id")


async def admin_exists() -> bool:
    return await Trader.filter(role="admin").exists()


async def add_admin_link(token_hash: str, expires_at: dt.datetime) -> None:
    await AdminLink.create(token_hash=token_hash, expires_at=expires_at, used_at=None)


async def admin_link(token_hash: str) -> AdminLink | None:
    return await AdminLink.get_or_none(token_hash=token_hash)


async def use_admin_link(link_id: int, now: dt.datetime) -> bool:
    """True for exactly one caller."""
    return await AdminLink.filter(id=link_id, used_at=None).update(used_at=now) == 1


async def set_zone(
    trader_id: int, zone: str, next_zone: str | None, next_zone_from: dt.datetime | None
) -> None:
    """Where a trader's days begin, and where they will."""
    await Trader.filter(id=trader_id).update(
        zone=zone, next_zone=next_zone, next_zone_from=next_zone_from
    )


async def with_due_zone(now: dt.datetime) -> list[Trader]:
    """Those whose next zone has taken effect."""
    return await Trader.filter(next_zone_from__lte=now)
