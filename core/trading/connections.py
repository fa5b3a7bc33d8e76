"""The counter for accounts: how a key comes in, and how it leaves."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

import structlog

from core import failpoints
from core.dydx.faucet import FaucetError, fund
from core.dydx.indexer import IndexerError
from core.dydx.indexer_types import Subaccount
from core.dydx.keys import PhraseFault, SigningKey, normalise_phrase
from core.dydx.network import NetworkName
from core.dydx.node import NodeUnreachable
from core.dydx.protocol import CLIENT_ID_LIMIT
from core.ledger import accounts, positions, strategies
from core.ledger.models import Account
from core.trading.office import Office
from core.trading.venue import Venue
from core.trading.views import AccountView, CredentialPreview, DeskError, TraderView

log = structlog.get_logger(__name__)

PREVIEW_TTL = dt.timedelta(minutes=10)
CREDIT_WAIT_S = 15.0


@dataclass(frozen=True)
class _Preview:
    """A key that waits for its owner's yes, in memory only."""

    trader_id: int
    key: SigningKey
    network: NetworkName
    expires_at: dt.datetime


class AccountDesk:
    """Connects and disconnects accounts."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._previews: dict[str, _Preview] = {}

    def networks(self) -> tuple[NetworkName, ...]:
        return tuple(self._office.venues)

    async def open_paper_account(self, trader: TraderView) -> AccountView:
        """Makes a key, funds its subaccount and stores it: one tap."""
        venue = self._venue("paper")
        key = SigningKey.generate(self._office.random)
        funds = self._office.settings.paper_funds_usd
        try:
            await fund(venue.network, key.address, 0, Decimal(funds))
            await self._wait_for_credit(venue, key.address)
            failpoints.hit("account_opening")
            account = await self._store_account(trader, venue, key)
        except FaucetError as error:
            raise DeskError(
                "faucet_refused", f"The paper faucet gave no money: {error}. Nothing was made."
            ) from None
        return await self.view(account)

    async def preview_phrase(
        self, trader: TraderView, network: NetworkName, phrase: str
    ) -> CredentialPreview:
        """Derives the account of a phrase and looks it up; stores nothing."""
        venue = self._venue(network)
        try:
            key = await asyncio.to_thread(SigningKey.from_phrase, normalise_phrase(phrase))
        except PhraseFault as fault:
            raise DeskError(fault.code, fault.text) from None
        await self._check_free(network, key.address)
        try:
            subaccount = await venue.indexer.subaccount(key.address, 0)
            on_chain = await venue.node.account(key.address)
        except (IndexerError, NodeUnreachable):
            raise DeskError(
                "network_unreachable",
                f"dYdX {network} cannot be reached at the moment. Nothing was stored; try again.",
            ) from None
        now = self._office.clock.now()
        self._previews = {t: p for t, p in self._previews.items() if p.expires_at > now}
        token = self._office.random.token_urlsafe(9)
        self._previews[token] = _Preview(trader.id, key, network, now + PREVIEW_TTL)
        return CredentialPreview(
            token=token,
            network=network,
            address=key.address,
            subaccount_number=0,
            equity=subaccount.equity if subaccount else None,
            free_collateral=subaccount.free_collateral if subaccount else None,
            known_on_chain=on_chain is not None,
        )

    async def confirm_phrase(self, trader: TraderView, token: str) -> AccountView:
        """Seals the key of a preview and stores the account."""
        preview = self._previews.get(token)
        now = self._office.clock.now()
        if preview is None or preview.trader_id != trader.id or preview.expires_at <= now:
            raise DeskError(
                "preview_gone", "I no longer have this phrase. Please send it once more."
            )
        await self._check_free(preview.network, preview.key.address)
        account = await self._store_account(trader, self._venue(preview.network), preview.key)
        del self._previews[token]
        return await self.view(account)

    def forget_preview(self, trader: TraderView, token: str) -> None:
        preview = self._previews.get(token)
        if preview is not None and preview.trader_id == trader.id:
            del self._previews[token]

    async def accounts(self, trader: TraderView) -> list[AccountView]:
        rows = await accounts.of_trader(trader.id)
        return list(await asyncio.gather(*(self.view(row) for row in rows)))

    async def disconnect_account(self, trader: TraderView, account_id: int) -> None:
        """Erases the sealed key; strategies of it are paused."""
        rows = {row.id: row for row in await accounts.of_trader(trader.id)}
        if account_id not in rows:
            raise DeskError("unknown_account", "This account is not connected any more.")
        if await positions.open_of([account_id]):
            raise DeskError(
                "position_open",
                "This account has an open position that only the bot watches. Close it first.",
            )
        await self._office.lanes.shut(account_id)
        async with self._office.ledger.executing():
            await accounts.disconnect(account_id)
            await strategies.pause_of_account(account_id)
        await self._office.ledger.scrub()
        await self._office.ledger.scrub()
        await self._office.strategy_book.load()

    async def view(self, account: Account) -> AccountView:
        """The account with what the indexer says of it now."""
        subaccount: Subaccount | None = None
        venue = self._office.venues.get(account.network)  # type: ignore[call-overload]
        if venue is not None:
            try:
                subaccount = await venue.indexer.subaccount(
                    account.address, account.subaccount_number
                )
            except IndexerError:
                subaccount = None
        return AccountView(
            id=account.id,
            network=account.network,  # type: ignore[arg-type]
            address=account.address,
            subaccount_number=account.subaccount_number,
            equity=subaccount.equity if subaccount else None,
            free_collateral=subaccount.free_collateral if subaccount else None,
        )

    def _venue(self, network: NetworkName) -> Venue:
        venue = self._office.venues.get(network)
        if venue is None:
            raise DeskError("network_refused", f"The network {network} is not offered here.")
        return venue

    async def _check_free(self, network: NetworkName, address: str) -> None:
        row = await accounts.find(network, address, 0)
        if row is not None and row.state == "active":
            raise DeskError("account_taken", "This account is connected to the bot already.")

    async def _wait_for_credit(self, venue: Venue, address: str) -> None:
        """The faucet answers when the chain has the money; the indexer shows it a moment later."""
        deadline = self._office.clock.monotonic() + CREDIT_WAIT_S
        while self._office.clock.monotonic() < deadline:
            try:
                subaccount = await venue.indexer.subaccount(address, 0)
            except IndexerError:
                subaccount = None
            if subaccount is not None and subaccount.equity > Decimal(0):
                return
            await self._office.clock.sleep(0.2)
        raise DeskError(
            "network_unreachable",
            "The paper network did not show the money in time. Nothing was stored; try again.",
        )

    async def _store_account(self, trader: TraderView, venue: Venue, key: SigningKey) -> Account:
        """Seals the key and stores account and credential together, then opens the lane."""
        now = self._office.clock.now()
        record = self._office.random.uuid4()
        sealed = self._office.vault.seal(key.secret(), trader_id=trader.id, record=record)
        try:
            on_chain = await venue.node.account(key.address)
            height = (await venue.indexer.height()).height
        except (NodeUnreachable, IndexerError):
            raise DeskError(
                "network_unreachable",
                "dYdX cannot be reached at the moment. Nothing was stored; try again.",
            ) from None
        network = venue.network.name
        async with self._office.ledger.executing():
            account = await accounts.find(network, key.address, 0)
            if account is not None and account.state == "active":
                raise DeskError("account_taken", "This account is connected to the bot already.")
            if account is None:
                account = await accounts.add(
                    trader_id=trader.id,
                    network=network,
                    address=key.address,
                    number=0,
                    chain_account_number=on_chain.number if on_chain else None,
                    first_client_id=self._office.random.below(CLIENT_ID_LIMIT),
                    fills_height=height,
                    now=now,
                )
            else:
                await accounts.reconnect(account.id, trader.id)
                account = await accounts.get(account.id)
            await accounts.add_credential(
                record=record,
                account_id=account.id,
                trader_id=trader.id,
                kind="mnemonic",
                sealed=sealed,
                now=now,
            )
        failpoints.hit("account_stored")
        await self._adopt(venue, account)
        if not await self._office.lanes.open(account):
            log.warning("lane waits for the network", account=account.id)
        return account

    async def _adopt(self, venue: Venue, account: Account) -> None:
        """Positions that were there before the bot are shown as external, without a plan."""
        try:
            rows = await venue.indexer.perpetual_positions(
                account.address, account.subaccount_number, status="OPEN"
            )
        except IndexerError:
            return
        now = self._office.clock.now()
        async with self._office.ledger.executing():
            for row in rows:
                if await positions.open_in(account.id, row.market):
                    continue
                await positions.add(
                    account_id=account.id,
                    partition=account.partition,
                    ticker=row.market,
                    side="LONG" if row.size > 0 else "SHORT",
                    state="open",
                    external=True,
                    size=abs(row.size),
                    max_size=abs(row.size),
                    entry_price=row.entry_price,
                    closed_size=Decimal(0),
                    realized_pnl=Decimal(0),
                    fees=Decimal(0),
                    opened_at=now,
                    enlarged_at=now,
                )
