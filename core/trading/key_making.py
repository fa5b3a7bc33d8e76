"""Making a trading key from an account's own key, step by step; each step survives a crash.

The own key stays encrypted until a block holds the new key's permission and an order signed by the
new key was accepted; then it is erased. Until then everything can be taken up again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import structlog

from core.dydx.authenticators import Fit, KeyTrouble, adding, judge, key_trouble, own_tree
from core.dydx.drafts import CancelDraft, OrderDraft
from core.dydx.keys import SigningKey
from core.dydx.node import Broadcast, NodeUnreachable, Outcome
from core.dydx.protocol import CLIENT_ID_LIMIT, Side, TimeInForce
from core.dydx.signing import sign
from core.dydx.wallet_transactions import sign_transaction
from core.ledger import accounts, key_work
from core.ledger.models import KeyWork
from core.trading.account_rows import account_row
from core.trading.key_offer import adding_costs
from core.trading.key_steps import (
    LATER_S,
    SOON_S,
    Wait,
    is_dead,
    move,
    move_inside,
    next_nonce,
    stick,
)
from core.trading.office import Office
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

OWNER: Final = "owner"
TRADING: Final = "trading"
PROOF_BLOCKS: Final = 10
PROOF_ATTEMPTS: Final = 8
SIGN_ATTEMPTS: Final = 5
TOO_LATE: Final = frozenset({("sdk", 30), ("sdk", 32)})


@dataclass
class KeyMaker:
    """Advances one piece of work of kind `make`; `step` makes one step or raises Wait.

    Also raises NodeUnreachable and IndexerError: then nothing was lost and it is tried again.
    """

    office: Office
    venue: Venue
    work: KeyWork
    _signed: int = 0
    _refused: int = 0
    _send_at: float | None = 0.0

    async def step(self) -> None:
        match self.work.state:
            case "sealed":
                await self._sign()
            case "signed":
                await self._include()
            case "included":
                await self._prove()
            case "proved":
                await self._erase()
            case "erased":
                await self._finish()

    async def _key(self, role: str) -> SigningKey:
        row = await key_work.key(self.work.id, role)
        assert row is not None
        return SigningKey.from_secret(
            self.office.vault.open(row.sealed, trader_id=row.trader_id, record=row.record)
        )

    # the permission

    async def _sign(self) -> None:
        """Stores the transaction that adds the permission, after one more look at its fee."""
        work, venue = self.work, self.venue
        listed = await self._listed()
        if listed is not None:  # a transaction thought dead had come into a block
            await self._take_over(listed)
            return
        if self._signed >= SIGN_ATTEMPTS:
            self._signed = 0
            await stick(self.office, work, "key_not_included", _NOT_INCLUDED)
            return
        account = await venue.node.account(work.address)
        owner, new = await self._key(OWNER), bytes.fromhex(str(work.public_key))
        pairs = list(work.clob_pairs or [])
        costs = await adding_costs(
            venue, work.address, owner.public_key, new, work.subaccount_number, pairs
        )
        fee = costs.payable
        if account is None or fee is None:
            await stick(self.office, work, "fee_missing", _FEE_MISSING)
            return
        nonce = await next_nonce(self.office, venue, work.address)
        signed = sign_transaction(
            adding(work.address, own_tree(new, [work.subaccount_number], pairs)),
            owner,
            venue.network.chain_id,
            account.number,
            nonce,
            fee,
        )
        self._signed += 1
        self._send_at = 0.0
        await move(self.office, work, "signed", tx=signed.tx, tx_hash=signed.tx_hash, nonce=nonce)

    async def _include(self) -> None:
        """Sends the stored bytes until a block holds them, or none ever can."""
        work, venue = self.work, self.venue
        assert work.tx is not None
        assert work.tx_hash is not None
        assert work.nonce is not None
        block = await venue.node.latest_block()
        try:
            found = await venue.node.transaction(work.tx_hash)
        except NodeUnreachable:  # the nodes that answer keep no transactions
            found = None
        if found is not None:
            venue.owner(work.address).decided(work.nonce)
            if (found.codespace, found.code) in TOO_LATE:  # its nonce had passed: nothing was paid
                await move(self.office, work, "sealed")
                return
            if found.code != 0:
                text = _REFUSED_IN_BLOCK.format(found.codespace, found.code)
                await stick(self.office, work, "key_refused_in_block", text)
                return
            listed = await self._listed()
            if listed is None:
                raise Wait(SOON_S, "the node does not list the permission yet")
            await self._take_over(listed)
            return
        if is_dead(work.nonce, block):
            listed = await self._listed()
            venue.owner(work.address).decided(work.nonce)
            if listed is not None:  # in the state, though this node keeps no transactions
                await self._take_over(listed)
                return
            await move(self.office, work, "sealed")
            return
        if self._send_at is not None and self.office.clock.monotonic() >= self._send_at:
            await self._send(work.tx)
        raise Wait(SOON_S, "no block holds the permission yet")

    async def _send(self, tx: bytes) -> None:
        """One broadcast. Bytes of an earlier process may live already: then only time tells."""
        mine = self._signed > 0
        answer = await self.venue.broadcast(tx, resend=not mine)
        self._send_at = self.office.clock.monotonic() + LATER_S
        if answer.outcome is Outcome.ACCEPTED:
            self._send_at = None
        elif answer.outcome is Outcome.REFUSED and mine:
            assert self.work.nonce is not None
            rejected = (answer.codespace, answer.code) == ("sdk", 32)
            self.venue.owner(self.work.address).refused(self.work.nonce, rejected=rejected)
            await self._turned_away(answer)

    async def _turned_away(self, answer: Broadcast) -> None:
        """Every node refused the bytes: they can come into no block by us."""
        log.info("a permission was refused", work=self.work.id, code=answer.code)
        if (answer.codespace, answer.code) in TOO_LATE | {("sdk", 20)}:
            await move(self.office, self.work, "sealed")
            raise Wait(LATER_S, "the transaction has to be signed anew")
        if (answer.codespace, answer.code) in (("sdk", 5), ("sdk", 13)):
            await stick(self.office, self.work, "fee_missing", _FEE_MISSING)
            return
        sentence = answer.meaning.sentence if answer.meaning is not None else ""
        await stick(self.office, self.work, "key_refused", f"dYdX refused the key. {sentence}")

    async def _listed(self) -> Fit | None:
        """The permission of our key in the chain's state."""
        work = self.work
        verdict = judge(
            await self.venue.node.authenticators(work.address),
            bytes.fromhex(str(work.public_key)),
            work.address,
        )
        if isinstance(verdict, Fit):
            return verdict
        if verdict.code != "key_not_listed":
            log.error("a key of ours was found unfit", work=work.id, code=verdict.code)
        return None

    async def _take_over(self, listed: Fit) -> None:
        await move(self.office, self.work, "included", authenticator_id=listed.id)

    # the proof

    async def _prove(self) -> None:
        """Has an order accepted that the new key signed, and cancels it at once.

        The order cannot trade: it bids the lowest price that the market knows for its smallest
        size, must not cross the book, and lives a few blocks.
        """
        work, venue = self.work, self.venue
        account = await venue.node.account(work.address)
        if account is None:
            raise Wait(LATER_S, "the node does not know the account")
        key = await self._key(TRADING)
        draft = await self._proof_draft()
        assert work.authenticator_id is not None
        authenticators = [work.authenticator_id]
        chain_id = venue.network.chain_id
        signed = sign([draft], key, chain_id, account.number, authenticators=authenticators)
        answer = await venue.broadcast(signed.tx)
        if answer.outcome is Outcome.ACCEPTED:
            report = {"proof": signed.tx_hash}
            await move(self.office, work, "proved", report=report)
            cancel = CancelDraft.of(draft, draft.last_block + 1)
            signed = sign([cancel], key, chain_id, account.number, authenticators=authenticators)
            await venue.broadcast(signed.tx)  # it expires by itself if this is lost
            return
        if answer.outcome is not Outcome.REFUSED:
            raise Wait(LATER_S, "no node said what it thinks of the order")
        self._refused += 1
        trouble = key_trouble(answer.codespace, answer.code)
        log.info("a proving order was refused", work=work.id, code=answer.code)
        if self._refused < PROOF_ATTEMPTS and trouble is not KeyTrouble.SWITCHED_OFF:
            raise Wait(SOON_S * self._refused, "a node refused the order; it may be behind")
        self._refused = 0
        sentence = answer.meaning.sentence if answer.meaning is not None else ""
        await stick(self.office, work, "key_proof_refused", f"{_PROOF_REFUSED} {sentence}")

    async def _proof_draft(self) -> OrderDraft:
        allowed = set(self.work.clob_pairs or [])
        pairs = [
            pair
            for pair in await self.venue.node.clob_pairs()
            if pair.status == "ACTIVE" and (not allowed or pair.id in allowed)
        ]
        if not pairs:
            raise Wait(LATER_S, "no market of the key is open")
        pair = min(pairs, key=lambda pair: pair.id)
        block = await self.venue.node.latest_block()
        return OrderDraft(
            address=self.work.address,
            number=self.work.subaccount_number,
            client_id=self.office.random.below(CLIENT_ID_LIMIT),
            clob_pair_id=pair.id,
            side=Side.BUY,
            quantums=pair.step_base_quantums,
            subticks=pair.subticks_per_tick,
            good_til_block=block.height + PROOF_BLOCKS,
            time_in_force=TimeInForce.POST_ONLY,
            client_metadata=0,
        )

    # the change of keys

    async def _erase(self) -> None:
        """In one transaction: the new key signs for the account, the owner's is gone."""
        work, office = self.work, self.office
        on_chain = await self.venue.node.account(work.address)
        height = (await self.venue.indexer.height()).height
        now = office.clock.now()
        known = await accounts.find(work.network, work.address, work.subaccount_number)
        if known is not None and known.state == "active" and known.trader_id == work.trader_id:
            await office.lanes.shut(known.id)  # its key is replaced
        async with office.ledger.executing():
            key = await key_work.key(work.id, TRADING)
            assert key is not None
            account = await account_row(
                office,
                work.trader_id,
                work.network,
                work.address,
                work.subaccount_number,
                on_chain.number if on_chain else None,
                height,
                replacing=True,
            )
            if account is None:
                await move_inside(
                    office, work, "stuck", reason_code="account_taken", reason_text=_TAKEN
                )
            elif await move_inside(office, work, "erased", account_id=account.id, tx=None):
                await key_work.make_credential(work, account, key, now)
                await key_work.erase_keys(work.id)
        office.outbox_bell.ring()

    async def _finish(self) -> None:
        """Leaves no trace of what was erased, and begins to trade."""
        await self.office.ledger.scrub()
        await self.office.ledger.scrub()
        assert self.work.account_id is not None
        account = await accounts.get(self.work.account_id)
        await move(self.office, self.work, "done")
        if not await self.office.lanes.open(account):
            log.warning("lane waits for the network", account=account.id)


_FEE_MISSING: Final = (
    "The wallet cannot pay the network fee. The fee is paid from the wallet, not from the trading "
    "account."
)
_NOT_INCLUDED: Final = (
    "No block took the permission, although it was sent several times. Nothing was changed."
)
_REFUSED_IN_BLOCK: Final = (
    "dYdX refused the permission in its block ({0} {1}). "
    + "The fee is spent, nothing else was changed."
)
_PROOF_REFUSED: Final = (
    "The permission is on chain, but an order signed by the new key was refused."
)
_TAKEN: Final = (
    "This account was connected to the bot in another way meanwhile. Disconnect it there first."
)
