"""Cancelling every order of a subaccount, also those that the bot did not make, until each is
proved gone.

What rests in the chain's state is gone once a node's committed state lacks it; a short-term order
once its last block is over. The indexer says what there is; it has to be past the block in which
anything could still have come in.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from core.dydx.authenticators import KeyTrouble, key_trouble
from core.dydx.drafts import CancelDraft, OrderRef
from core.dydx.enums import OrderStatus
from core.dydx.indexer_types import IndexerOrder
from core.dydx.node import Broadcast, Outcome
from core.dydx.orders import batch_cancels
from core.dydx.protocol import OrderFlags
from core.ledger.models import Account
from core.trading.key_steps import next_nonce
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
_ASKABLE: Final = frozenset({OrderFlags.CONDITIONAL, OrderFlags.LONG_TERM})
CANCEL_AGAIN_S: Final = 5.0
# What was sent just before is known to the indexer some blocks later.
SETTLING_BLOCKS: Final = 3
PAGE: Final = 1000
SHORT_TERM_EXTRA: Final = 10

Noted = Callable[[list[IndexerOrder]], Awaitable[None]]


async def _cancelled_by_nobody_else(row: IndexerOrder) -> bool:
    return False


@dataclass(frozen=True)
class Look:
    """What a pass found at block `height`: orders to be cancelled that are not proved gone, how
    many the key may not touch, and those that are `left` for now. `done`: nothing to be cancelled
    is left, proved.
    """

    living: tuple[IndexerOrder, ...]
    left: tuple[IndexerOrder, ...]
    untouchable: int
    height: int
    done: bool


@dataclass
class OrderSweep:
    """Cancels what `wanted` names, pass by pass: `look`, then `cancel` what it found."""

    office: Office
    venue: Venue
    account: Account
    signer: Signer
    wanted: Callable[[IndexerOrder], bool] = lambda row: True
    _refs: dict[str, OrderRef] = field(default_factory=dict)
    _gone: set[str] = field(default_factory=set)
    _not_before: dict[str, float] = field(default_factory=dict)
    _until_height: int = 0

    async def look(self) -> Look:
        """Raises NodeUnreachable and IndexerError."""
        height = (await self.venue.indexer.height()).height
        rows = await self.venue.indexer.orders(
            self.account.address, self.account.subaccount_number, statuses=LIVING, limit=PAGE
        )
        block = await self.venue.node.latest_block()
        if not self._until_height:
            self._until_height = block.height + SETTLING_BLOCKS
        concerned = [row for row in rows if self.wanted(row)]
        ours = [
            row
            for row in concerned
            if row.order_flags in KINDS and self.signer.may_trade(row.clob_pair_id)
        ]
        living = [row for row in ours if not _expired(row, block.height)]
        left = tuple(row for row in rows if row.order_flags and not self.wanted(row))
        doubtful = await self._prove_gone(max(height, block.height))
        open_ = tuple(row for row in living if row.id not in self._gone)
        done = not open_ and not doubtful and height >= self._until_height
        if open_:
            self._until_height = max(self._until_height, block.height + 1)
        return Look(open_, left, len(concerned) - len(ours), block.height, done)

    async def _prove_gone(self, at_least: int) -> bool:
        """An order that was cancelled is gone once the node's committed state lacks it, at a block
        that the indexer and the node have; True while one is there still.
        """
        asked = {id_: ref for id_, ref in self._refs.items() if ref.order_flags in _ASKABLE}
        for order_id, ref in asked.items():
            if order_id in self._gone:
                continue
            if (await self.venue.node.stateful_order(ref, at_least=at_least)).order is None:
                self._gone.add(order_id)
        return any(order_id not in self._gone for order_id in asked)

    async def cancel(
        self,
        found: Look,
        note: Noted,
        otherwise: Callable[[IndexerOrder], Awaitable[bool]] = _cancelled_by_nobody_else,
    ) -> bool:
        """Cancels what was not cancelled lately; False when the key can cancel nothing any more.

        `note` is awaited with the orders before the first cancel leaves. `otherwise` says True of
        an order that it has cancelled itself. Raises NodeUnreachable.
        """
        now = self.office.clock.monotonic()
        due = [row for row in found.living if self._not_before.get(row.id, 0.0) <= now]
        await note(due)
        short_term = []
        for row in due:
            ref = _ref_of(row, self.account)
            self._refs[row.id] = ref
            self._not_before[row.id] = now + CANCEL_AGAIN_S
            if await otherwise(row):
                continue
            if not ref.order_flags.stateful:
                short_term.append(ref)
            elif row.good_til_block_time is not None and not await self._cancel_one(row, ref):
                return False
        ends = [row.good_til_block or 0 for row in due if not row.order_flags]
        for batch in batch_cancels(short_term, max([found.height + SHORT_TERM_EXTRA, *ends])):
            answer = await self.venue.broadcast(self.signer.sign([batch]).tx)
            if _powerless(answer):
                return False
        return True

    async def _cancel_one(self, row: IndexerOrder, ref: OrderRef) -> bool:
        assert row.good_til_block_time is not None
        nonce = await next_nonce(self.office, self.venue, self.account.address)
        cancel = CancelDraft(
            address=ref.address,
            number=ref.number,
            client_id=ref.client_id,
            clob_pair_id=ref.clob_pair_id,
            order_flags=ref.order_flags,
            good_til_block_time=_seconds(row.good_til_block_time),
        )
        answer = await self.venue.broadcast(self.signer.sign([cancel], sequence=nonce).tx)
        if answer.outcome is not Outcome.ACCEPTED:
            log.info("a cancel was not accepted", account=self.account.id, code=answer.code)
        if (answer.codespace, answer.code) in (("clob", 3006), ("clob", 3010)):
            self._not_before[row.id] = 0.0  # gone, or about to be; the next pass looks
        return not _powerless(answer)


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
