"""The counter for panic and "close all"."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from core.events import PanicTold
from core.ledger import accounts, outbox, positions, risk, traders
from core.ledger.models import Account, Panic, PanicAccount
from core.trading.office import Office
from core.trading.risk.limits import BOT, Mode, ScopeKey, account_scope
from core.trading.risk.panic_keeper import PanicKeeper
from core.trading.risk.views import Found, PanicAccountView, PanicPreview, PanicView
from core.trading.risk.watch import RiskWatch
from core.trading.views import DeskError, TraderView


class PanicDesk:
    """Begins panics and shows them; `tick_risk` and the keeper's calls are for the process."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._panics = PanicKeeper(office)
        self._risk_watch = RiskWatch(
            office.firewall, office.ledger, office.lanes, office.clock, office.outbox_bell
        )

    async def tick_risk(self) -> None:
        """Looks whether a limit was reached; called by a job."""
        await self._risk_watch.tick()

    async def resume_panics(self) -> None:
        """Takes up what an earlier process began. Call it once the networks are there."""
        await self._panics.resume()

    async def close_panics(self) -> None:
        """Stops at a step; the next start goes on."""
        await self._panics.close()

    # beginning one

    async def panic_preview(self, trader: TraderView, *, house: bool = False) -> PanicPreview:
        """What a panic would meet, as far as the ledger knows. Code: not_admin."""
        by_trader = await self._panic_accounts(trader, house=house)
        rows = [row for owned in by_trader.values() for row in owned]
        held = await positions.open_of([row.id for row in rows])
        foreign = sum(1 for row in held if row.external)
        return PanicPreview(len(rows), len(held), foreign, len(by_trader))

    async def panic(
        self, trader: TraderView, key: str, message_id: int | None, *, house: bool = False
    ) -> PanicView:
        """Halts all of a trader's accounts at once, then cancels every order and closes every
        position of them, also what was made by hand, and proves each; `message_id` shows the
        progress. With `house` an admin does it to the whole bot. The same `key` acts once. Codes:
        not_admin, no_account.
        """
        by_trader = await self._panic_accounts(trader, house=house)
        if not by_trader:
            raise DeskError("no_account", "No account is connected; there is nothing to close.")
        scopes = [account_scope(row.id) for owned in by_trader.values() for row in owned]
        if house:
            scopes = [BOT]
        now = self._office.clock.now()
        halted: dict[str, Any] = {
            "mode": Mode.HALTED,
            "mode_reason": "panic",
            "mode_since": now,
        }
        begun: list[Panic] = []
        async with self._office.ledger.executing():
            if not house:
                owned = by_trader[trader.id]
                row = await self._add_panic(
                    trader.id, "panic", f"panic:{trader.id}:{key}", owned, message_id
                )
                begun += [row] if row is not None else []
            else:
                begun = await self._add_house_panic(trader, key, by_trader, message_id)
            if begun:
                await self._office.firewall.scopes.write(scopes, **halted)
        if begun:
            self._office.firewall.scopes.apply(scopes, **halted)
        for row in begun:
            await self._panics.take(row)
        self._office.outbox_bell.ring()
        return await self._panic_of_key(f"{'house' if house else 'panic'}:{trader.id}:{key}")

    async def close_all(self, trader: TraderView, key: str, message_id: int | None) -> PanicView:
        """Closes every position of a trader's accounts, also what was made by hand. Nothing is
        halted; orders that wait stay. The same `key` acts once. Code: no_account.
        """
        owned = await accounts.of_trader(trader.id)
        if not owned:
            raise DeskError("no_account", "No account is connected; there is nothing to close.")
        whole = f"close_all:{trader.id}:{key}"
        async with self._office.ledger.executing():
            row = await self._add_panic(trader.id, "close_all", whole, owned, message_id)
        if row is not None:
            await self._panics.take(row)
        self._office.outbox_bell.ring()
        return await self._panic_of_key(whole)

    async def _panic_accounts(self, trader: TraderView, *, house: bool) -> dict[int, list[Account]]:
        if not house:
            owned = await accounts.of_trader(trader.id)
            return {trader.id: owned} if owned else {}
        row = await traders.find(trader.id)
        if row is None or row.role != "admin":
            raise DeskError("not_admin", "Only an admin can do this.")
        return await risk.accounts_by_trader()

    async def _add_panic(
        self,
        trader_id: int,
        kind: str,
        key: str,
        owned: Sequence[Account],
        message_id: int | None,
        parent_id: int | None = None,
    ) -> Panic | None:
        return await risk.add_panic(
            trader_id=trader_id,
            kind=kind,
            key=key,
            account_ids=[row.id for row in owned],
            state="working",
            now=self._office.clock.now(),
            message_id=message_id,
            parent_id=parent_id,
        )

    async def _add_house_panic(
        self,
        admin: TraderView,
        key: str,
        by_trader: dict[int, list[Account]],
        message_id: int | None,
    ) -> list[Panic]:
        """The admin's own panic, and one for every trader, who is told of it."""
        house = await self._add_panic(admin.id, "house", f"house:{admin.id}:{key}", [], message_id)
        if house is None:
            return []
        begun = []
        now = self._office.clock.now()
        for trader_id, owned in by_trader.items():
            part_key = f"panic:{trader_id}:house:{house.id}"
            part = await self._add_panic(trader_id, "panic", part_key, owned, None, house.id)
            assert part is not None
            begun.append(part)
            await outbox.put(trader_id, PanicTold(part.id), key=f"panic:{part.id}:begun", now=now)
        return begun

    async def resume_after_panic(self, trader: TraderView, *, house: bool = False) -> int:
        """Opens what a panic halted: the trader's accounts, or the whole bot for an admin; how
        many scopes. Code: not_admin.
        """
        if house:
            await self._panic_accounts(trader, house=True)
            keys = [BOT]
        else:
            keys = [account_scope(row.id) for row in await accounts.of_trader(trader.id)]
        book = self._office.firewall.scopes
        halted: list[ScopeKey] = [key for key in keys if book.get(key).mode_reason == "panic"]
        now = self._office.clock.now()
        for key in halted:
            await book.change(key, mode=Mode.ACTIVE, mode_reason=None, mode_since=now)
        return len(halted)

    # showing them

    async def panic_view(self, panic_id: int) -> PanicView:
        """How a panic stands; for the notifier. Code: unknown_panic."""
        row = await risk.panic(panic_id)
        if row is None:
            raise DeskError("unknown_panic", "This is over; there is nothing to do any more.")
        return await self._panic_view_of(row)

    async def _panic_of_key(self, key: str) -> PanicView:
        row = await risk.panic_by_key(key)
        assert row is not None
        return await self._panic_view_of(row)

    async def _panic_view_of(self, row: Panic) -> PanicView:
        parts = await risk.children(row.id) if row.kind == "house" else []
        rows = await risk.panic_accounts([row.id])
        return PanicView(
            id=row.id,
            trader_id=row.trader_id,
            kind=row.kind,  # type: ignore[arg-type]
            done=row.state == "done",
            by_admin=row.parent_id is not None,
            message_id=row.message_id,
            created_at=row.created_at,
            done_at=row.done_at,
            accounts=tuple([await _account_view(one) for one in rows]),
            traders=len(parts),
            traders_done=sum(1 for part in parts if part.state == "done"),
        )


async def _account_view(row: PanicAccount) -> PanicAccountView:
    account, report = await accounts.get(row.account_id), row.report
    asked: dict[str, bool] = report.get("orders", {})
    met: dict[str, dict[str, Any]] = report.get("positions", {})
    ours = {ticker: bool(value["ours"]) for ticker, value in met.items()}
    return PanicAccountView(
        account_id=account.id,
        network=account.network,
        address=account.address,
        subaccount_number=account.subaccount_number,
        state=row.state,
        orders=len(asked),
        foreign_orders=sum(1 for mine in asked.values() if not mine),
        orders_gone=int(report.get("gone", 0)),
        positions=tuple(
            Found(ticker, Decimal(value["size"]), ours[ticker]) for ticker, value in met.items()
        ),
        still_open=tuple(
            Found(ticker, Decimal(size), ours.get(ticker, False))
            for ticker, size in report.get("open", {}).items()
        ),
        height=report.get("height"),
        trouble=report.get("trouble"),
    )
