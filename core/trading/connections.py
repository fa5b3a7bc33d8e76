"""The counter for accounts: how a key comes in, and how it leaves."""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final
from uuid import UUID

import structlog

from core import failpoints
from core.dydx.authenticators import OWNERS_KEY, Fit, Unfit, judge
from core.dydx.faucet import FaucetError, fund
from core.dydx.indexer import IndexerError
from core.dydx.indexer_types import Subaccount
from core.dydx.key_text import KeyFault, read_trading_key
from core.dydx.keys import PhraseFault, SigningKey, normalise_phrase
from core.dydx.network import NetworkName
from core.dydx.node import NodeUnreachable
from core.ledger import accounts, key_work
from core.ledger.models import Account
from core.trading.account_rows import account_row, market_names, unreachable
from core.trading.decision import Refusal
from core.trading.key_states import OPEN, WORKING
from core.trading.office import Office
from core.trading.venue import Venue
from core.trading.views import AccountView, CredentialPreview, DeskError, TraderView

log = structlog.get_logger(__name__)

PREVIEW_TTL = dt.timedelta(minutes=10)
CREDIT_WAIT_S = 15.0
MNEMONIC: Final = "mnemonic"
TRADING_KEY: Final = "trading_key"


@dataclass(frozen=True)
class Preview:
    """A key that waits for its owner's yes, in memory only. `owner` is the account's address and
    `fit` what a trading key may do; `new_key` was made for an offer.
    """

    trader_id: int
    key: SigningKey
    network: NetworkName
    owner: str
    number: int
    expires_at: dt.datetime
    fit: Fit | None = None
    new_key: SigningKey | None = None
    pairs: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        return MNEMONIC if self.fit is None else TRADING_KEY


class AccountDesk:
    """Connects accounts and shows them."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._previews: dict[str, Preview] = {}

    def networks(self) -> tuple[NetworkName, ...]:
        return tuple(self._office.venues)

    async def open_paper_account(self, trader: TraderView) -> AccountView:
        """Makes a key, funds its subaccount and stores it: one tap."""
        venue = self._venue("paper")
        key = SigningKey.generate(self._office.random)
        funds = self._office.settings.paper_funds_usd
        try:
            await fund(venue.network, key.address, 0, Decimal(funds))
            failpoints.passed()
            await self._wait_for_credit(venue, key.address)
            account = await self._store_account(trader, venue, self._preview(trader, "paper", key))
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
        key = await self._key_of_phrase(phrase)
        await self._check_free(network, key.address, 0)
        return await self._show(venue, self._preview(trader, network, key))

    async def preview_trading_key(
        self, trader: TraderView, network: NetworkName, text: str, known_address: str | None = None
    ) -> CredentialPreview:
        """Reads a trading key and has the chain say what it can and cannot do; stores nothing."""
        venue = self._venue(network)
        try:
            given = read_trading_key(text, known_address)
        except KeyFault as fault:
            if fault.address is not None and await self._is_account(venue, fault.address):
                raise DeskError(OWNERS_KEY.code, OWNERS_KEY.reason) from None
            raise DeskError(fault.code, fault.text) from None
        fit = await self._fit(venue, given.key, given.owner)
        number = 0 if fit.subaccounts is None else fit.subaccounts[0]
        await self._check_free(network, given.owner, number, trader)
        preview = self._preview(trader, network, given.key, given.owner, number, fit)
        return await self._show(venue, preview)

    async def _is_account(self, venue: Venue, address: str) -> bool:
        """Whether the chain knows an address; the one of a trading key it does not."""
        try:
            return await venue.node.account(address) is not None
        except NodeUnreachable:
            return False

    async def confirm_preview(self, trader: TraderView, token: str) -> AccountView:
        """Seals the key of a preview and stores the account."""
        preview = self._own_preview(trader, token)
        venue = self._venue(preview.network)
        if preview.fit is not None:  # its owner may have changed his mind meanwhile
            fit = await self._fit(venue, preview.key, preview.owner)
            if fit.subaccounts is not None and preview.number not in fit.subaccounts:
                raise DeskError("preview_gone", "This key was changed. Please send it once more.")
            preview = replace(preview, fit=fit)
        replacing = trader if preview.fit is not None else None
        await self._check_free(preview.network, preview.owner, preview.number, replacing)
        account = await self._store_account(trader, venue, preview)
        self._previews.pop(token, None)
        return await self.view(account)

    def forget_preview(self, trader: TraderView, token: str) -> None:
        preview = self._previews.get(token)
        if preview is not None and preview.trader_id == trader.id:
            del self._previews[token]

    async def accounts(self, trader: TraderView) -> list[AccountView]:
        rows = await accounts.of_trader(trader.id)
        return list(await asyncio.gather(*(self.view(row) for row in rows)))

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
        credential = await accounts.credential(account.id)
        pairs = credential.clob_pairs if credential is not None else None
        return AccountView(
            id=account.id,
            network=account.network,  # type: ignore[arg-type]
            address=account.address,
            subaccount_number=account.subaccount_number,
            equity=subaccount.equity if subaccount else None,
            free_collateral=subaccount.free_collateral if subaccount else None,
            credential=credential.kind if credential is not None else MNEMONIC,
            authenticator_id=credential.authenticator_id if credential is not None else None,
            markets=None if pairs is None or venue is None else market_names(venue, pairs),
            sharing=account.sharing,
            without_stop_room=account.without_stop_room,  # type: ignore[arg-type]
            key_lost_at=account.key_lost_at,
        )

    # keys in memory

    async def _key_of_phrase(self, phrase: str) -> SigningKey:
        try:
            return await asyncio.to_thread(SigningKey.from_phrase, normalise_phrase(phrase))
        except PhraseFault as fault:
            raise DeskError(fault.code, fault.text) from None

    def _preview(
        self,
        trader: TraderView,
        network: NetworkName,
        key: SigningKey,
        owner: str | None = None,
        number: int = 0,
        fit: Fit | None = None,
    ) -> Preview:
        until = self._office.clock.now() + PREVIEW_TTL
        return Preview(trader.id, key, network, owner or key.address, number, until, fit)

    def _keep_preview(self, preview: Preview) -> str:
        now = self._office.clock.now()
        self._previews = {t: p for t, p in self._previews.items() if p.expires_at > now}
        token = self._office.random.token_urlsafe(9)
        self._previews[token] = preview
        return token

    def _own_preview(self, trader: TraderView, token: str) -> Preview:
        preview = self._previews.get(token)
        now = self._office.clock.now()
        if preview is None or preview.trader_id != trader.id or preview.expires_at <= now:
            raise DeskError("preview_gone", "I no longer have this key. Please send it once more.")
        return preview

    async def _show(self, venue: Venue, preview: Preview) -> CredentialPreview:
        """Looks the account up and keeps the key in memory."""
        try:
            subaccount = await venue.indexer.subaccount(preview.owner, preview.number)
            on_chain = await venue.node.account(preview.owner)
        except (IndexerError, NodeUnreachable):
            raise unreachable(preview.network) from None
        fit = preview.fit
        pairs = fit.clob_pairs if fit is not None else None
        return CredentialPreview(
            token=self._keep_preview(preview),
            network=preview.network,
            address=preview.owner,
            subaccount_number=preview.number,
            equity=subaccount.equity if subaccount else None,
            free_collateral=subaccount.free_collateral if subaccount else None,
            known_on_chain=on_chain is not None,
            replaces=await self._is_connected(preview),
            kind=preview.kind,
            authenticator_id=fit.id if fit is not None else None,
            markets=None if pairs is None else market_names(venue, pairs),
        )

    async def _is_connected(self, preview: Preview) -> bool:
        row = await accounts.find(preview.network, preview.owner, preview.number)
        return row is not None and row.state == "active"

    async def _fit(self, venue: Venue, key: SigningKey, owner: str) -> Fit:
        """What the chain lets a trading key do. Raises DeskError where it is none that we take."""
        if key.address == owner:
            raise DeskError(OWNERS_KEY.code, OWNERS_KEY.reason)
        try:
            verdict = judge(await venue.node.authenticators(owner), key.public_key, owner)
            await venue.tickers()
        except (NodeUnreachable, Refusal):
            raise unreachable(venue.network.name) from None
        if isinstance(verdict, Unfit):
            raise DeskError(verdict.code, verdict.reason)
        if verdict.clob_pairs is not None and not market_names(venue, verdict.clob_pairs):
            raise DeskError(
                "key_can_less", "This key may trade none of the markets that dYdX lists."
            )
        return verdict

    # rows

    def _venue(self, network: NetworkName) -> Venue:
        venue = self._office.venues.get(network)
        if venue is None:
            raise DeskError("network_refused", f"The network {network} is not offered here.")
        return venue

    async def _check_free(
        self,
        network: NetworkName,
        address: str,
        number: int,
        replacing: TraderView | None = None,
    ) -> None:
        """Raises DeskError where the account cannot be connected now. With `replacing` its own
        trader may give it a new key in place of the one it has.
        """
        row = await accounts.find(network, address, number)
        if row is not None and row.state == "leaving":
            raise DeskError(
                "account_leaving",
                "This account is being disconnected: its orders are being cancelled. "
                "Wait for my message about it, then connect it again.",
            )
        if row is not None and row.state == "active" and not _may_replace(row, replacing):
            raise DeskError("account_taken", "This account is connected to the bot already.")
        making = await key_work.on_address(network, address, OPEN)
        if making is not None and making.kind == "make":
            raise DeskError(
                "key_in_the_making",
                "A trading key is being made for this account. Finish that first."
                if making.state in WORKING
                else "A trading key for this account waits for your answer. Finish that first.",
            )

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

    def _seal(self, trader_id: int, key: SigningKey) -> tuple[UUID, bytes]:
        record = self._office.random.uuid4()
        sealed = self._office.vault.seal(key.secret(), trader_id=trader_id, record=record)
        return record, sealed

    async def _store_account(self, trader: TraderView, venue: Venue, preview: Preview) -> Account:
        """Seals the key and stores account and credential together, then opens the lane."""
        now = self._office.clock.now()
        record, sealed = self._seal(trader.id, preview.key)
        try:
            on_chain = await venue.node.account(preview.owner)
            height = (await venue.indexer.height()).height
        except (NodeUnreachable, IndexerError):
            raise unreachable(venue.network.name) from None
        network, fit = venue.network.name, preview.fit
        known = await accounts.find(network, preview.owner, preview.number)
        replacing = known is not None and known.state == "active"
        if known is not None and replacing:
            await self._office.lanes.shut(known.id)
        async with self._office.ledger.executing():
            account = await account_row(
                self._office,
                trader.id,
                network,
                preview.owner,
                preview.number,
                on_chain.number if on_chain else None,
                height,
                replacing=fit is not None,
            )
            if account is None:
                raise DeskError("account_taken", "This account is connected to the bot already.")
            await accounts.add_credential(
                record=record,
                account_id=account.id,
                trader_id=trader.id,
                kind=preview.kind,
                sealed=sealed,
                now=now,
                authenticator_id=fit.id if fit is not None else None,
                clob_pairs=list(fit.clob_pairs) if fit is not None and fit.clob_pairs else None,
            )
        if replacing:
            await self._office.ledger.scrub()
            await self._office.ledger.scrub()
        if not await self._office.lanes.open(account):
            log.warning("lane waits for the network", account=account.id)
        return account


def _may_replace(row: Account, trader: TraderView | None) -> bool:
    return trader is not None and row.trader_id == trader.id
