"""Disconnecting an account: its orders are cancelled and proved gone, then its key is erased.

What a key placed in the chain's state outlives the key, so it goes first. Orders in markets that
the key may not touch are counted and left.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from core import failpoints
from core.dydx.authenticators import KeyTrouble, key_trouble
from core.dydx.drafts import CancelDraft, OrderRef
from core.dydx.enums import OrderStatus
from core.dydx.indexer import IndexerError
from core.dydx.indexer_types import IndexerOrder
from core.dydx.node import Broadcast, NodeUnreachable, Outcome
from core.dydx.orders import batch_cancels
from core.dydx.protocol import OrderFlags
from core.events import KeyTold
from core.ledger import accounts, key_work, outbox, strategies
from core.ledger.models import Account, KeyWork
from core.trading.key_steps import SOON_S, Wait, move, move_inside, next_nonce
from core.trading.office import Office
from core.trading.signing import Signer
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

# Of an order in the chain's state "best effort canceled" proves nothing: it may come back.
LIVING: Final = (
    OrderStatus.OPEN,
    OrderStatus.UNTRIGGERED,
    OrderStatus.BEST_EFFORT_OPENED,
    OrderStatus.BEST_EFFORT_CANCELED,
)
KINDS: Final = frozenset(
    {OrderFlags.SHORT_TERM, OrderFlags.CONDITIONAL, OrderFlags.LONG_TERM, OrderFlags.TWAP}
)
CANCEL_AGAIN_S: Final = 5.0
# What was sent just before the account left is known to the indexer some blocks later.
SETTLING_BLOCKS: Final = 3
SLOW_AFTER: Final = dt.timedelta(seconds=60)
PAGE: Final = 1000
SHORT_TERM_EXTRA: Final = 10


@dataclass
class AccountLeaver:
    """Advances one piece of work of kind `leave`; `step` as that of KeyMaker."""

    office: Office
    venue: Venue
    work: KeyWork
    _refs: dict[str, OrderRef] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)
    _not_before: dict[str, float] = field(default_factory=dict)
    _until_height: int = 0

    async def step(self) -> None:
        if self.work.state == "cancelling":
            try:
                await self._cancel()
            except (NodeUnreachable, IndexerError):
                await self._tell_progress(dict(self.work.report or self._report([], 0)))
                raise
        else:
            await self._finish()

    # orders

    async def _cancel(self) -> None:
        """One pass: cancels what lives; erases the key once nothing does any more."""
        work = self.work
        assert work.account_id is not None
        account = await accounts.get(work.account_id)
        credential = await accounts.credential(account.id)
        if account.chain_account_number is None:
            on_chain = await self.venue.node.account(account.address)
            account.chain_account_number = on_chain.number if on_chain is not None else None
        if credential is None or account.chain_account_number is None:
            await self._erase(account, self._report([], 0))
            return
        signer = Signer(account, credential, self.office.vault, self.venue.network.chain_id)
        height = (await self.venue.indexer.height()).height
        rows = await self.venue.indexer.orders(
            account.address, account.subaccount_number, statuses=LIVING, limit=PAGE
        )
        block = await self.venue.node.latest_block()
        if not self._until_height:
            self._until_height = block.height + SETTLING_BLOCKS
        ours = [
            row for row in rows if row.order_flags in KINDS and signer.may_trade(row.clob_pair_id)
        ]
        living = [row for row in ours if not _expired(row, block.height)]
        doubtful = await self._prove_gone()
        open_ = [row for row in living if row.id not in self._gone]
        open_ids, untouchable = [row.id for row in open_], len(rows) - len(ours)
        if not open_ and not doubtful and height >= self._until_height:
            await self._erase(account, self._report(open_ids, untouchable))
            return
        if open_:
            self._until_height = max(self._until_height, block.height + 1)
        able = await self._send_cancels(account, signer, open_, block.height)
        report = self._report(open_ids, untouchable)
        if not able:
            await self._erase(account, report)
            return
        await self._tell_progress(report)
        raise Wait(SOON_S, f"{len(open_)} orders are not proved gone yet")

    async def _prove_gone(self) -> bool:
        """An order that was cancelled is gone once the node's committed state lacks it; True while
        one is there still.
        """
        for order_id, ref in self._refs.items():
            if order_id in self._gone or not ref.order_flags.stateful:
                continue
            if (await self.venue.node.stateful_order(ref)).order is None:
                self._gone.add(order_id)
        return any(
            ref.order_flags.stateful and order_id not in self._gone
            for order_id, ref in self._refs.items()
        )

    async def _send_cancels(
        self, account: Account, signer: Signer, rows: list[IndexerOrder], height: int
    ) -> bool:
        """Cancels what was not cancelled lately; False when the key can cancel nothing any more."""
        now = self.office.clock.monotonic()
        due = [row for row in rows if self._not_before.get(row.id, 0.0) <= now]
        await self._note_asked(due)
        short_term = []
        for row in due:
            ref = _ref_of(row, account)
            self._refs[row.id] = ref
            self._not_before[row.id] = now + CANCEL_AGAIN_S
            if not ref.order_flags.stateful:
                short_term.append(ref)
            elif row.good_til_block_time is not None:
                nonce = await next_nonce(self.office, self.venue, account.address)
                cancel = CancelDraft(
                    address=ref.address,
                    number=ref.number,
                    client_id=ref.client_id,
                    clob_pair_id=ref.clob_pair_id,
                    order_flags=ref.order_flags,
                    good_til_block_time=_seconds(row.good_til_block_time),
                )
                signed = signer.sign([cancel], sequence=nonce)
                answer = await self.venue.node.broadcast(signed.tx)
                failpoints.hit("leave_cancelled")
                self._note(row.id, answer)
                if _powerless(answer):
                    return False
        ends = [row.good_til_block or 0 for row in due if not row.order_flags]
        for batch in batch_cancels(short_term, max([height + SHORT_TERM_EXTRA, *ends])):
            answer = await self.venue.node.broadcast(signer.sign([batch]).tx)
            if _powerless(answer):
                return False
        return True

    def _note(self, order_id: str, answer: Broadcast) -> None:
        if answer.outcome is not Outcome.ACCEPTED:
            log.info("a cancel was not accepted", work=self.work.id, code=answer.code)
        if (answer.codespace, answer.code) in (("clob", 3006), ("clob", 3010)):
            self._not_before[order_id] = 0.0  # gone, or about to be; the next pass looks

    async def _tell_progress(self, report: dict[str, Any]) -> None:
        """Notes how far it is; after a while its trader is told that it takes long."""
        work, now = self.work, self.office.clock.now()
        slow = now - work.created_at > SLOW_AFTER
        tell_it = slow and not (work.report or {}).get("slow")
        if slow:
            report["slow"] = True
        if report == work.report:
            return
        async with self.office.ledger.executing():
            await key_work.note(work, report=report)
            if tell_it:
                key = f"key:{work.id}:slow"
                await outbox.put(work.trader_id, KeyTold(work.id), key=key, now=now)
        self.office.outbox_bell.ring()

    async def _note_asked(self, rows: list[IndexerOrder]) -> None:
        """Which orders were to be cancelled is stored before the first cancel leaves, so that the
        count is right after a restart, too.
        """
        report = self.work.report or {}
        before = report.get("asked", [])
        fresh = [row.id for row in rows if row.id not in before]
        if fresh:
            await key_work.note(self.work, report={**report, "asked": [*before, *fresh]})

    def _report(self, open_ids: list[str], untouchable: int) -> dict[str, Any]:
        asked: list[str] = (self.work.report or {}).get("asked", [])
        gone = [order_id for order_id in asked if order_id not in open_ids]
        return {"asked": asked, "cancelled": len(gone), "left": len(open_ids) + untouchable}

    # the key

    async def _erase(self, account: Account, report: dict[str, Any]) -> None:
        await erase(self.office, self.work, account, report)
        failpoints.hit("leave_erased")

    async def _finish(self) -> None:
        await self.office.ledger.scrub()
        await self.office.ledger.scrub()
        await move(self.office, self.work, "done")
        await self.office.strategy_book.load()


async def erase(office: Office, work: KeyWork, account: Account, report: dict[str, Any]) -> None:
    """In one transaction: the sealed key is gone, the account is disconnected."""
    async with office.ledger.executing():
        if await move_inside(office, work, "erased", report=report):
            await accounts.disconnect(account.id)
            await strategies.pause_of_account(account.id)
    office.outbox_bell.ring()


def _ref_of(row: IndexerOrder, account: Account) -> OrderRef:
    return OrderRef(
        account.address,
        account.subaccount_number,
        row.client_id,
        row.clob_pair_id,
        OrderFlags(row.order_flags),
    )


def _expired(row: IndexerOrder, height: int) -> bool:
    """A short-term order is dead once its last block is over; one that a node cancelled is not
    waited for.
    """
    if row.order_flags:
        return False
    if row.status == OrderStatus.BEST_EFFORT_CANCELED:
        return True
    return row.good_til_block is not None and height > row.good_til_block


def _seconds(time: dt.datetime) -> int:
    return int(time.timestamp())


def _powerless(answer: Broadcast) -> bool:
    """Whether the key cannot sign for the account any more."""
    trouble = key_trouble(answer.codespace, answer.code)
    return answer.outcome is Outcome.REFUSED and trouble is KeyTrouble.GONE
