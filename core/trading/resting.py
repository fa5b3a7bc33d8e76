"""Orders in the chain's state: sent, proved, cancelled.

What became of one is told by the node's committed state, by its transaction in a block and by the
indexer. While its fate is unknown only the same bytes are sent again: a stateful id is free again
the moment the order is gone, so that new bytes could trade twice. Source: docs/protocol.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog

from core.dydx.fate import Fate, Observed, fate
from core.dydx.indexer import IndexerError
from core.dydx.indexer_types import IndexerFill, IndexerOrder
from core.dydx.node import NodeUnreachable, Outcome
from core.dydx.node_types import OrderSighting, Tip
from core.dydx.nonces import is_nonce
from core.dydx.protocol import OrderFlags
from core.events import OrderUnfilled
from core.ledger import orders
from core.ledger.models import Order
from core.trading import states
from core.trading.guard_rows import expiry
from core.trading.rows import cancel_of, ref_of
from core.trading.sending import Sender
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

CANCEL_AGAIN_S: Final = 5.0
STREAM_TELLS_WITHIN_S: Final = 3.0
LOOK_AGAIN_S: Final = 15.0
LOOK_AT_REST_S: Final = 600.0
DEAD_AFTER_BLOCKS: Final = 3


class Resting:
    """The stateful orders of one account that are not settled."""

    def __init__(
        self,
        bench: Workbench,
        sender: Sender,
        book: Callable[[Sequence[IndexerFill]], Awaitable[None]],
    ) -> None:
        self._bench = bench
        self._parts = bench.parts
        self._sender = sender
        self._book = book
        self._living: dict[UUID, Order] = {}
        self._cancel_sent: dict[int, float] = {}
        self._triggered_at: dict[int, int] = {}
        self._gone_at: dict[int, Tip] = {}
        self._looked_at: dict[int, float] = {}
        self._on_triggered: Callable[[Order], None] | None = None

    def on_triggered(self, told: Callable[[Order], None]) -> None:
        """Who is told of each conditional order that the chain has triggered."""
        self._on_triggered = told

    async def load(self) -> None:
        """Takes over what the ledger holds."""
        account_id = self._bench.account.id
        rows = await orders.stateful_in_states(account_id, states.WORKING)
        self._living = {row.order_uuid: row for row in rows}

    def follow(self, order: Order) -> None:
        """An order that was stored just now."""
        self._living[order.order_uuid] = order

    def living(self) -> list[Order]:
        """What may still trade, oldest first."""
        return sorted(self._living.values(), key=lambda order: order.id)

    def get(self, order_uuid: UUID) -> Order | None:
        return self._living.get(order_uuid)

    async def refresh(self) -> None:
        """Reads the rows anew, after fills or others have changed them."""
        before = set(self._living)
        rows = await orders.stateful_in_states(self._bench.account.id, states.WORKING)
        fresh = {row.order_uuid: row for row in rows}
        for order_uuid in before & set(self._living):
            if order_uuid in fresh:
                self._living[order_uuid] = fresh[order_uuid]
            else:
                self._forget(self._living[order_uuid])

    def _forget(self, order: Order) -> None:
        self._living.pop(order.order_uuid, None)
        self._cancel_sent.pop(order.id, None)
        self._triggered_at.pop(order.id, None)
        self._gone_at.pop(order.id, None)
        self._looked_at.pop(order.id, None)

    # proof

    async def on_rows(self, changed: Sequence[IndexerOrder]) -> bool:
        """What the stream says of orders here; True when one of them moved."""
        moved = False
        for row in changed:
            order = self._living.get(UUID(row.id))
            if order is None:
                continue
            moved = True
            state = _committed_state(order, str(row.status))
            if state is None or state == order.state:
                continue
            evidence = f"{row.status} on the stream"
            if row.updated_at_height is not None:
                evidence += f" at height {row.updated_at_height}"
            await self._move(order, state, evidence, row.updated_at_height)
        return moved

    async def prove(self) -> None:
        """Looks up on chain what the stream does not tell, and writes down what is proved."""
        for order in self.living():
            if self._is_due(order):
                await self.prove_one(order)

    def _is_due(self, order: Order) -> bool:
        """Whether an order is to be looked up: one that was just sent is told by the stream within
        moments, and one that rests as the stream says it does needs a look now and then only.
        """
        now = self._parts.clock.monotonic()
        looked = self._looked_at.get(order.id)
        if order.state not in states.RESTING:
            age_s = (self._parts.clock.now() - order.created_at).total_seconds()
            return age_s >= STREAM_TELLS_WITHIN_S
        if order.cancel_asked_at is not None or order.state in ("triggered", "dead"):
            return True
        if self._streamed(order):
            return looked is None or now - looked >= LOOK_AT_REST_S
        return looked is None or now - looked >= LOOK_AGAIN_S or self._said_to_be_gone(order)

    def _streamed(self, order: Order) -> bool:
        """Whether the stream's latest news say that an order rests as the ledger has it."""
        row = self._row(order)
        return row is not None and _committed_state(order, str(row.status)) == order.state

    def _said_to_be_gone(self, order: Order) -> bool:
        """Whether the account's news are complete and an order is not among those that live."""
        account, stream = self._bench.account, self._parts.venue.stream
        fresh = stream.account_fresh(
            account.address, account.subaccount_number, STREAM_TELLS_WITHIN_S
        )
        return fresh and self._row(order) is None

    def _row(self, order: Order) -> IndexerOrder | None:
        account, stream = self._bench.account, self._parts.venue.stream
        mirror = stream.account(account.address, account.subaccount_number)
        return mirror.orders().get(str(order.order_uuid)) if mirror is not None else None

    async def prove_one(self, order: Order) -> None:
        """Looks one order up; what cannot be read now is looked up again later."""
        living = self._living.get(order.order_uuid)
        if living is None:
            return
        try:
            await self._prove(living)
        except (NodeUnreachable, IndexerError) as error:
            log.info("an order could not be looked up", order=order.id, error=str(error))

    async def _prove(self, order: Order) -> None:
        self._looked_at[order.id] = self._parts.clock.monotonic()
        block = await self._parts.venue.tip()
        sighting = await self._parts.venue.node.stateful_order(
            ref_of(self._bench.account, order),
            at_least=max(block.height, order.included_height or 0),
        )
        held = sighting.order
        if held is None:
            if order.state in states.RESTING:
                await self._settle(order, replace(block, height=sighting.height or block.height))
            else:
                await self._look_for_block(order, block, sighting)
            return
        self._gone_at.pop(order.id, None)
        if order.state not in states.RESTING:
            state = "open"
            if order.order_flags == OrderFlags.CONDITIONAL:
                state = "triggered" if held.triggered else "untriggered"
            seen = f"in the node's state at block {sighting.height}"
            await self._move(order, state, seen, sighting.height)
        elif order.state == "untriggered" and held.triggered:
            await self._move(order, "triggered", f"triggered at block {sighting.height}", None)
        elif order.state == "triggered":
            since = self._triggered_at.setdefault(order.id, block.height)
            if block.height >= since + DEAD_AFTER_BLOCKS:
                evidence = f"triggered and neither filled nor removed at block {block.height}"
                await self._move(order, "dead", evidence, None)

    async def _look_for_block(self, order: Order, tip: Tip, sighting: OrderSighting) -> None:
        """An order that was not seen in the state yet: did a block take it, or can none any more?

        The questions are asked in the order in which their answers can be put together.
        """
        assert order.nonce is not None
        node, indexer = self._parts.venue.node, self._parts.venue.indexer
        committed = None
        if not is_nonce(order.nonce):
            account = await node.account(self._bench.account.address)
            committed = account.sequence if account else None
        indexed = (await indexer.height()).height
        found = await node.transaction(order.tx_hash)
        row = await indexer.order(str(order.order_uuid))
        seen = Observed(
            sequence=order.nonce,
            tip=tip,
            committed_sequence=committed,
            transaction=found,
            sighting=sighting,
            indexer_height=indexed,
            row_seen=True,
            row_height=row.updated_at_height if row is not None else None,
        )
        judged = fate(seen)
        if judged is Fate.REFUSED and found is not None:
            evidence = f"block {found.height}: {found.codespace} {found.code}"
            async with self._bench.lock:
                await self._keep_replaced(order)
                await self._step(
                    order,
                    "refused_in_block",
                    evidence,
                    code=found.code,
                    codespace=found.codespace,
                )
        elif judged is Fate.ENDED:
            if found is not None:
                order.included_height = found.height
            await self._settle(order, tip)
        elif judged is Fate.DEAD:
            evidence = f"its nonce is over at block {tip.height}; neither node nor indexer know it"
            async with self._bench.lock:
                await self._keep_replaced(order)
                await self._step(order, "expired", evidence)
        elif found is None and order.state in ("unknown", "broadcasting"):
            await self._send_again(order)

    async def _send_again(self, order: Order) -> None:
        """The same bytes once more: a block takes them once, however often they come. Not those of
        an order that is still being sent, or that was decided while it was looked up: what no node
        was given may have been made anew by then.
        """
        if self._sender.has_in_hand(order):
            return
        fresh = await orders.get(order.id)
        if fresh is None or fresh.state not in ("unknown", "broadcasting"):
            return
        self._parts.ledger.check_granted()
        answer = await self._parts.venue.broadcast(order.tx, resend=True)
        if answer.outcome is Outcome.ACCEPTED and order.state == "unknown":
            evidence = f"the same bytes sent again, accepted by {answer.endpoint}"
            await self._move(order, "accepted", evidence, None)

    async def _settle(self, order: Order, block: Tip) -> None:
        """The node's state does not hold it any more: fills first, then its end. The indexer must
        know the first block without it; it may stay some blocks behind the node for ever.
        """
        block = self._gone_at.setdefault(order.id, block)
        indexer = self._parts.venue.indexer
        if (await indexer.height()).height < block.height:
            return
        account = self._bench.account
        since = max((order.included_height or block.height) - 1, 0)
        await self._book(
            await indexer.all_fills_since(account.address, account.subaccount_number, since)
        )
        ends_at = expiry(order)
        over = ends_at is not None and block.time >= ends_at
        evidence = f"no longer in the node's state at block {block.height}; fills are booked"
        async with self._bench.lock:
            state = "expired" if over else "canceled"
            await self._step(order, state, evidence, included_height=order.included_height)

    async def _move(self, order: Order, state: str, evidence: str, height: int | None) -> None:
        async with self._bench.lock:
            fresh = await orders.get(order.id)
            if fresh is None or state not in states.ALLOWED[fresh.state]:
                return
            values: dict[str, object] = {}
            if fresh.included_height is None and state in states.RESTING:
                values["included_height"] = height
            if fresh.accepted_at is None:
                values["accepted_at"] = self._parts.clock.now()
            await self._bench.transition(fresh, state, evidence, **values)
            self._living[fresh.order_uuid] = fresh
            if state in states.RESTING:
                self._sender.decided(fresh)
        if state == "triggered" and self._on_triggered is not None:
            self._on_triggered(fresh)

    async def _step(self, order: Order, state: str, evidence: str, **values: object) -> None:
        """The end of an order, unless fills have told it meanwhile. The caller holds the lock."""
        fresh = await orders.get(order.id)
        if fresh is not None and fresh.state not in states.TERMINAL:
            await self._bench.transition(fresh, state, evidence, **values)
            self._sender.decided(fresh)
            if fresh.intent_id is not None and fresh.cancel_asked_at is None:
                async with self._parts.ledger.executing():
                    await self._bench.tell(
                        OrderUnfilled(fresh.id), f"unfilled:{fresh.id}", fresh.signal_id
                    )
        self._forget(order)

    # cancelling

    async def cancel(self, order: Order) -> None:
        """Asks the chain to cancel an order; asked again until it is proved gone."""
        now = self._parts.clock.monotonic()
        if now - self._cancel_sent.get(order.id, -CANCEL_AGAIN_S) < CANCEL_AGAIN_S:
            return
        self._cancel_sent[order.id] = now
        if order.cancel_asked_at is None:
            async with self._bench.lock, self._parts.ledger.executing():
                await orders.ask_cancel(order, self._parts.clock.now())
        draft = cancel_of(self._bench.account, order)
        moment = await self._sender.moment()
        stateful = self._sender.sign_stateful([draft], moment, urgent=True)
        answer = await self._sender.send_cancel(stateful)
        log.info(
            "a cancel was sent",
            order=order.id,
            outcome=answer.outcome.value,
            codespace=answer.codespace,
            code=answer.code,
        )

    def is_being_replaced(self, order: Order) -> bool:
        """Whether the transaction that replaces an order is undecided: it cancels this one with it,
        or leaves it as the only one there is.
        """
        return any(
            _replaces(one, order) and one.state not in states.RESTING
            for one in self._living.values()
        )

    async def _keep_replaced(self, dead: Order) -> None:
        """The transaction of an order did nothing: what it was to replace stays. The caller holds
        the lock.
        """
        for order in self.living():
            if _replaces(dead, order):
                async with self._parts.ledger.executing():
                    await orders.ask_cancel(order, None)

    def exits(self, ticker: str) -> list[Order]:
        """The orders that may still close something in a market."""
        return [one for one in self._living.values() if one.ticker == ticker and one.reduce_only]


def _replaces(successor: Order, order: Order) -> bool:
    """Whether an order was stored together with the mark that this one is to be cancelled."""
    return (
        order.id < successor.id
        and order.position_id == successor.position_id
        and order.cancel_asked_at == successor.created_at
    )


def _committed_state(order: Order, status: str) -> str | None:
    """The state that a status of the indexer proves; None where it proves none."""
    if status == "UNTRIGGERED":
        return "untriggered"
    if status == "OPEN":
        return "triggered" if order.order_flags == OrderFlags.CONDITIONAL else "open"
    return None
