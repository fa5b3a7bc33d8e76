"""The counter for trading keys: making one, taking its permission away, leaving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from core.dydx.authenticators import removing
from core.dydx.indexer import IndexerError
from core.dydx.key_text import KeyFault, read_address
from core.dydx.keys import SigningKey
from core.dydx.network import NetworkName
from core.dydx.node import NodeUnreachable
from core.dydx.wallet_transactions import sign_transaction
from core.ledger import accounts, key_work, positions, strategies
from core.ledger.models import KeyWork
from core.trading.account_rows import market_names, unreachable
from core.trading.connections import AccountDesk, Preview
from core.trading.key_keeper import KeyKeeper
from core.trading.key_leaving import erase
from core.trading.key_making import OWNER, TRADING
from core.trading.key_offer import (
    Costs,
    adding_costs,
    fee_views,
    markets_for_key,
    removing_costs,
)
from core.trading.key_states import LEAVE, MAKE, OPEN, REMOVE, WORKING
from core.trading.key_steps import Wait, move, move_inside, next_nonce, still_listed
from core.trading.key_views import FeeView, KeyOffer, KeyWorkView
from core.trading.office import Office
from core.trading.venue import Venue
from core.trading.views import DeskError, TraderView


def _no_work() -> DeskError:
    return DeskError("unknown_work", "This is over; there is nothing to do any more.")


class KeyDesk(AccountDesk):
    """Trading keys from the phrase of an account, and their end."""

    def __init__(self, office: Office) -> None:
        super().__init__(office)
        self._keeper = KeyKeeper(office)

    async def resume_key_work(self) -> None:
        """Takes up what an earlier process began. Call it once the networks are there."""
        await self._keeper.resume()

    async def close_key_work(self) -> None:
        """Stops at a step; the next start goes on."""
        await self._keeper.close()

    # making

    async def offer_key(self, trader: TraderView, network: NetworkName, phrase: str) -> KeyOffer:
        """What a trading key for the account of a phrase may do and costs. Nothing is stored or
        signed; the phrase's key stays in memory under the offer's token.
        """
        venue = self._venue(network)
        key = await self._key_of_phrase(phrase)
        await self._check_free(network, key.address, 0, trader)
        new_key = SigningKey.generate(self._office.random)
        preview = replace(self._preview(trader, network, key), new_key=new_key)
        return await self._offer(venue, preview, None)

    async def check_offer(self, trader: TraderView, token: str) -> KeyOffer:
        """The same offer with the balances of now."""
        preview = self._own_preview(trader, token)
        fresh = self._preview(trader, preview.network, preview.key)
        preview = replace(fresh, new_key=preview.new_key)
        return await self._offer(self._venue(preview.network), preview, token)

    async def _offer(self, venue: Venue, preview: Preview, token: str | None) -> KeyOffer:
        new_key, address = preview.new_key, preview.owner
        assert new_key is not None
        try:
            markets, listed = await markets_for_key(venue, new_key.public_key, preview.number)
            costs = await self._adding_costs(venue, preview, list(markets))
            subaccount = await venue.indexer.subaccount(address, preview.number)
            on_chain = await venue.node.account(address)
        except (IndexerError, NodeUnreachable):
            raise unreachable(preview.network) from None
        preview = replace(preview, pairs=tuple(markets))
        if token is None:
            token = self._keep_preview(preview)
        else:
            self._previews[token] = preview
        pays = costs.payable
        views = fee_views(venue.network, costs.fees, costs.balances)
        return KeyOffer(
            token=token,
            network=preview.network,
            address=address,
            subaccount_number=preview.number,
            equity=subaccount.equity if subaccount else None,
            free_collateral=subaccount.free_collateral if subaccount else None,
            known_on_chain=on_chain is not None,
            fees=views,
            pays=views[list(costs.fees).index(pays.denom)].coin if pays is not None else None,
            markets=tuple(markets.values()),
            markets_listed=listed,
            replaces=await self._is_connected(preview),
        )

    async def _adding_costs(self, venue: Venue, preview: Preview, pairs: list[int]) -> Costs:
        assert preview.new_key is not None
        return await adding_costs(
            venue,
            preview.owner,
            preview.key.public_key,
            preview.new_key.public_key,
            preview.number,
            pairs,
        )

    def address_in(self, text: str) -> str | None:
        """The one dYdX address in a message that holds no key."""
        try:
            return read_address(text)
        except KeyFault:
            return None

    async def make_key(self, trader: TraderView, token: str, message_id: int | None) -> KeyWorkView:
        """Seals both keys and begins; the rest is told in the chat message `message_id` and, at the
        end, by a KeyTold event. Raises DeskError `fee_missing` before anything is stored.
        """
        preview = self._own_preview(trader, token)
        venue = self._venue(preview.network)
        new_key = preview.new_key
        if new_key is None or not preview.pairs:
            raise DeskError("preview_gone", "I no longer have this offer. Send the phrase again.")
        try:
            costs = await self._adding_costs(venue, preview, list(preview.pairs))
        except NodeUnreachable:
            raise unreachable(preview.network) from None
        if costs.payable is None:
            raise DeskError("fee_missing", "The wallet cannot pay the network fee.")
        now = self._office.clock.now()
        async with self._office.ledger.executing():
            await self._check_free(preview.network, preview.owner, preview.number, trader)
            work = await key_work.add(
                trader_id=trader.id,
                kind=MAKE,
                state="sealed",
                network=preview.network,
                address=preview.owner,
                number=preview.number,
                public_key=new_key.public_key.hex(),
                clob_pairs=list(preview.pairs),
                message_id=message_id,
                now=now,
            )
            for role, key in ((OWNER, preview.key), (TRADING, new_key)):
                record, sealed = self._seal(trader.id, key)
                await key_work.keep_key(work, role, record=record, sealed=sealed, now=now)
        self._previews.pop(token, None)
        self._keeper.take(work)
        return await self._work_view(work)

    async def retry_key(
        self, trader: TraderView, work_id: int, message_id: int | None
    ) -> KeyWorkView:
        """Goes on with work that waited for its trader; what is under way only goes on being shown,
        in the message `message_id`.
        """
        work = await self._own_work(trader, work_id)
        if work.kind == MAKE and work.state in WORKING:
            async with self._office.ledger.executing():
                await key_work.note(work, message_id=message_id)
            self._keeper.take(work)
            return await self._work_view(work)
        if work.kind != MAKE or work.state != "stuck":
            raise _no_work()
        state = "sealed"
        if work.authenticator_id is not None:
            state = "proved" if (work.report or {}).get("proof") else "included"
        values = {"reason_code": None, "reason_text": None, "message_id": message_id}
        if not await move(self._office, work, state, **values):
            raise _no_work()
        self._keeper.take(work)
        return await self._work_view(work)

    async def abandon_key(self, trader: TraderView, work_id: int) -> KeyWorkView:
        """Erases both keys of a trading key in the making. A permission that is on chain already
        stays listed there; nobody has its key any more.
        """
        work = await self._own_work(trader, work_id)
        if work.kind != MAKE or work.state not in ("sealed", "signed", "included", "stuck"):
            raise _no_work()
        await self._keeper.drop(work.id)
        work = await self._own_work(trader, work_id)
        async with self._office.ledger.executing():
            if work.state not in ("sealed", "signed", "included", "stuck"):
                raise _no_work()
            await move_inside(self._office, work, "abandoned", tx=None)
            await key_work.erase_keys(work.id)
        await self._office.ledger.scrub()
        await self._office.ledger.scrub()
        self._office.outbox_bell.ring()
        return await self._work_view(work)

    # leaving

    async def disconnect_account(
        self, trader: TraderView, account_id: int, message_id: int | None = None
    ) -> KeyWorkView:
        """Pauses the account's strategies, cancels its orders, proves each gone, then erases the
        sealed key; the end is told by a KeyTold event.
        """
        rows = {row.id: row for row in await accounts.of_trader(trader.id)}
        account = rows.get(account_id)
        if account is None:
            raise DeskError("unknown_account", "This account is not connected any more.")
        if await positions.open_of([account_id]):
            raise DeskError(
                "position_open",
                "This account has an open position, and disconnecting would cancel its stop. "
                "Close it first.",
            )
        await self._office.lanes.shut(account_id)
        credential = await accounts.credential(account_id)
        now = self._office.clock.now()
        async with self._office.ledger.executing():
            await accounts.leave(account_id)
            await strategies.pause_of_account(account_id)
            work = await key_work.add(
                trader_id=trader.id,
                kind=LEAVE,
                state="cancelling",
                network=account.network,
                address=account.address,
                number=account.subaccount_number,
                account_id=account_id,
                authenticator_id=credential.authenticator_id if credential else None,
                message_id=message_id,
                now=now,
            )
        await self._office.strategy_book.load()
        self._keeper.take(work)
        return await self._work_view(work)

    async def erase_now(self, trader: TraderView, work_id: int) -> KeyWorkView:
        """Erases the key of an account that is being disconnected without waiting for its orders;
        what was not proved gone may still trade.
        """
        work = await self._own_work(trader, work_id)
        if work.kind != LEAVE or work.state != "cancelling" or work.account_id is None:
            raise _no_work()
        await self._keeper.drop(work.id)
        work = await self._own_work(trader, work_id)
        if work.state == "cancelling":
            account = await accounts.get(int(work.account_id or 0))
            report: dict[str, Any] = {**(work.report or {}), "unproved": True}
            await erase(self._office, work, account, report)
        self._keeper.take(work)
        return await self._work_view(work)

    # removing

    async def remove_key(
        self, trader: TraderView, work_id: int, phrase: str, message_id: int | None
    ) -> KeyWorkView:
        """Takes the permission of a key away that was erased here. The phrase signs once and is
        forgotten; `message_id` shows the progress. Codes: unknown_work, wrong_phrase, fee_missing,
        not_listed, network_unreachable, phrase_….
        """
        old = await self._own_work(trader, work_id)
        if old.authenticator_id is None:
            raise _no_work()
        venue = self._venue(old.network)  # type: ignore[arg-type]
        key = await self._key_of_phrase(phrase)
        if key.address != old.address:
            raise DeskError(
                "wrong_phrase",
                "This phrase belongs to another account. Nothing was signed, and it is forgotten.",
            )
        try:
            if not await still_listed(venue, old.address, old.authenticator_id):
                raise DeskError(
                    "not_listed", "The chain does not list this key any more: it is revoked."
                )
            costs = await removing_costs(venue, old.address, key.public_key, old.authenticator_id)
            account = await venue.node.account(old.address)
            nonce = await next_nonce(self._office, venue, old.address)
        except (NodeUnreachable, Wait):
            raise unreachable(venue.network.name) from None
        fee = costs.payable
        if account is None or fee is None:
            raise DeskError("fee_missing", _fee_text(venue, costs))
        signed = sign_transaction(
            removing(old.address, old.authenticator_id),
            key,
            venue.network.chain_id,
            account.number,
            nonce,
            fee,
        )
        async with self._office.ledger.executing():
            work = await key_work.add(
                trader_id=trader.id,
                kind=REMOVE,
                state="signed",
                network=old.network,
                address=old.address,
                number=old.subaccount_number,
                authenticator_id=old.authenticator_id,
                tx=signed.tx,
                tx_hash=signed.tx_hash,
                nonce=nonce,
                message_id=message_id,
                now=self._office.clock.now(),
            )
        self._keeper.take(work)
        return await self._work_view(work)

    async def is_revoked(self, trader: TraderView, work_id: int) -> bool:
        """Whether the chain lists the permission no more, asked now. Codes: unknown_work,
        network_unreachable.
        """
        work = await self._own_work(trader, work_id)
        if work.authenticator_id is None:
            raise _no_work()
        venue = self._venue(work.network)  # type: ignore[arg-type]
        try:
            return not await still_listed(venue, work.address, work.authenticator_id)
        except NodeUnreachable:
            raise unreachable(venue.network.name) from None

    # views

    async def key_work(self, work_id: int) -> KeyWorkView:
        """How a piece of work stands; for the notifier. Code: unknown_work."""
        work = await key_work.get(work_id)
        if work is None:
            raise _no_work()
        return await self._work_view(work)

    async def open_key_work(self, trader: TraderView) -> list[KeyWorkView]:
        """What is under way or waits for this trader."""
        rows = await key_work.of_trader(trader.id, OPEN)
        return [await self._work_view(row) for row in rows]

    async def _own_work(self, trader: TraderView, work_id: int) -> KeyWork:
        work = await key_work.get(work_id)
        if work is None or work.trader_id != trader.id:
            raise _no_work()
        return work

    async def _work_view(self, work: KeyWork) -> KeyWorkView:
        venue = self._office.venues.get(work.network)  # type: ignore[call-overload]
        names = None
        if venue is not None and work.clob_pairs is not None:
            names = market_names(venue, work.clob_pairs)
        fees: tuple[FeeView, ...] = ()
        if work.kind == MAKE and work.reason_code == "fee_missing" and venue is not None:
            fees = await self._fees_of(venue, work)
        return KeyWorkView(
            id=work.id,
            trader_id=work.trader_id,
            kind=work.kind,
            state=work.state,
            network=work.network,  # type: ignore[arg-type]
            address=work.address,
            subaccount_number=work.subaccount_number,
            account_id=work.account_id,
            authenticator_id=work.authenticator_id,
            markets=names,
            tx_hash=work.tx_hash,
            message_id=work.message_id,
            code=work.reason_code,
            text=work.reason_text,
            fees=fees,
            report=work.report or {},
        )

    async def _fees_of(self, venue: Venue, work: KeyWork) -> tuple[FeeView, ...]:
        """The fee and the balance of now; empty while the network cannot be asked."""
        new = bytes.fromhex(str(work.public_key))
        pairs = list(work.clob_pairs or [])
        try:
            costs = await adding_costs(venue, work.address, new, new, work.subaccount_number, pairs)
        except NodeUnreachable:
            return ()
        return fee_views(venue.network, costs.fees, costs.balances)


def _fee_text(venue: Venue, costs: Costs) -> str:
    views: Sequence[FeeView] = fee_views(venue.network, costs.fees, costs.balances)
    wanted = " or ".join(f"{view.amount:f} {view.coin}" for view in views)
    return (
        f"The wallet cannot pay the network fee of {wanted}. Send it there, then send the phrase "
        "again; it was used for nothing and is forgotten."
    )
