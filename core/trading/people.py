"""The counter for people: who may use the desk."""

from __future__ import annotations

import datetime as dt
import hashlib

from core.events import AccessAnswered, AccessAsked
from core.ledger import facts, outbox, traders
from core.ledger.models import Trader
from core.trading.office import Office
from core.trading.views import DeskError, TraderView

ADMIN_LINK_TTL = dt.timedelta(minutes=15)


def view_of_trader(row: Trader) -> TraderView:
    return TraderView(row.id, row.telegram_id, row.name, row.role)


class PeopleDesk:
    """Sign-up, approval and the one-time admin link."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def trader_of(self, telegram_id: int, name: str) -> TraderView:
        """The trader of a Telegram user; made on first sight."""
        row = await traders.by_telegram_id(telegram_id)
        settings = self._office.settings
        if row is not None:
            if telegram_id in settings.admin_ids and row.role != "admin":
                async with self._office.ledger.executing():
                    await traders.set_role(row.id, "admin")
                row.role = "admin"
            if not row.reachable:
                await self.set_reachable(row.id, True)
            return view_of_trader(row)
        role = {"open": "trader", "approval": "pending", "closed": "refused"}[settings.signup]
        if telegram_id in settings.admin_ids:
            role = "admin"
        now = self._office.clock.now()
        async with self._office.ledger.executing():
            row, is_new = await traders.meet(telegram_id, name, role, now)
            if is_new and role == "pending":
                for admin in await traders.with_role("admin"):
                    await outbox.put(
                        admin.id, AccessAsked(row.id), key=f"asked:{row.id}:{admin.id}", now=now
                    )
        self._office.outbox_bell.ring()
        return view_of_trader(row)

    async def trader(self, trader_id: int) -> TraderView:
        return view_of_trader(await traders.get(trader_id))

    async def set_reachable(self, trader_id: int, reachable: bool) -> None:
        """Whether Telegram delivers to this trader: not once he blocked the bot."""
        async with self._office.ledger.executing():
            await traders.set_reachable(trader_id, reachable)

    async def note_bot_name(self, name: str) -> None:
        """Remembers the bot's name at Telegram, for links that are made without asking it."""
        async with self._office.ledger.executing():
            await facts.remember(facts.BOT_NAME, name)

    async def needs_admin(self) -> bool:
        """True while nobody is admin, neither by setting nor in the ledger."""
        return not self._office.settings.admin_ids and not await traders.admin_exists()

    async def make_admin_link(self) -> str:
        """A one-time token, good for 15 minutes; only its hash is kept."""
        token = self._office.random.token_urlsafe(24)
        async with self._office.ledger.executing():
            await traders.add_admin_link(
                link_hash(token), self._office.clock.now() + ADMIN_LINK_TTL
            )
        return token

    async def use_admin_link(self, telegram_id: int, name: str, token: str) -> TraderView:
        """Makes the visitor admin. Codes: link_unknown, link_used, link_expired."""
        link = await traders.admin_link(link_hash(token))
        now = self._office.clock.now()
        if link is None:
            raise DeskError("link_unknown", "This admin link is not known here.")
        if link.used_at is not None:
            raise DeskError("link_used", "This admin link was used before. It works once.")
        if link.expires_at <= now:
            raise DeskError(
                "link_expired", "This admin link has expired. Make a new one on the server."
            )
        async with self._office.ledger.executing():
            if not await traders.use_admin_link(link.id, now):
                raise DeskError("link_used", "This admin link was used before. It works once.")
            row, is_new = await traders.meet(telegram_id, name, "admin", now)
            if not is_new:
                await traders.set_role(row.id, "admin")
                row.role = "admin"
            for pending in await traders.with_role("pending"):
                await outbox.put(
                    row.id, AccessAsked(pending.id), key=f"asked:{pending.id}:{row.id}", now=now
                )
        return view_of_trader(row)

    async def answer_access(self, admin: TraderView, trader_id: int, granted: bool) -> TraderView:
        """Lets a pending trader in or turns him away."""
        await self._check_admin(admin)
        row = await traders.find(trader_id)
        if row is None or row.role != "pending":
            raise DeskError("unknown_trader", "This person is not waiting for an answer.")
        row.role = "trader" if granted else "refused"
        now = self._office.clock.now()
        async with self._office.ledger.executing():
            await traders.set_role(row.id, row.role)
            await outbox.put(row.id, AccessAnswered(granted), key=f"access:{row.id}", now=now)
        self._office.outbox_bell.ring()
        return view_of_trader(row)

    async def pending_traders(self, admin: TraderView) -> list[TraderView]:
        await self._check_admin(admin)
        return [view_of_trader(row) for row in await traders.with_role("pending")]

    async def _check_admin(self, admin: TraderView) -> None:
        row = await traders.get(admin.id)
        if row.role != "admin":
            raise DeskError("not_admin", "Only an admin can do this.")


def link_hash(token: str) -> str:
    """What is kept of a link's token."""
    return hashlib.sha256(token.encode()).hexdigest()
