"""The bot's watch behind the orders on chain: closes at once what nothing rests for, and what an
order should have closed two blocks ago.

It sends reduce-only orders at ever wider bounds, each after its predecessor is proved over, tells
when they do not help, and keeps trying.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final

import structlog

from core.dydx.node import NodeUnreachable
from core.events import ProtectionFailing, SignalChanged
from core.ledger import accounts, intents, plans, positions
from core.ledger.models import Intent, Position, Target
from core.signals.alert import Action, Alert, Size, SizeUnit
from core.trading.guard_rows import guard_order, is_guard
from core.trading.plan_book import Held, PlanBook
from core.trading.plan_rows import adopt_old_target, load
from core.trading.protection import STOP, rests_for
from core.trading.resting import Resting
from core.trading.watch import Met
from core.trading.wishes import alert_json
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

RETRY_PAUSE_S: Final = 2.0
LOOK_EVERY_S: Final = 0.5
BLOCKS_FOR_THE_CHAIN: Final = 2
CLOSED_WITHIN_S: Final = 15.0
SLIPPAGES_BPS: Final = (500, 1_000, 2_000)
TOLD_ATTEMPTS: Final = frozenset({3, 5, 20, 100})


def slippage_bps(attempts: int) -> int:
    """How far from the oracle price the order may trade after so many that did not close."""
    return SLIPPAGES_BPS[min(attempts, len(SLIPPAGES_BPS) - 1)]


class Sentry:
    """Carries out what prices meet, for one account. `told` is what the watch calls."""

    def __init__(
        self,
        bench: Workbench,
        resting: Resting,
        submit: Callable[[Intent], object],
        wake: Callable[[], None],
    ) -> None:
        self._bench = bench
        self._parts = bench.parts
        self._resting = resting
        self._submit = submit
        self._wake = wake
        self.book = PlanBook(bench, self.told)
        self._minded: set[int] = set()

    def told(self, met: Met) -> None:
        """A price met a mark."""
        if met.mark.kind == "best":
            if self.book.follow(met):
                self._wake()
        elif met.mark.kind == "even":
            self._bench.spawn(self._again_if_it_fails(met, self._reach_even(met.position_id)))
        else:
            self._bench.spawn(self._again_if_it_fails(met, self._carry_out(met)))
            if met.mark.kind == "stop" and met.position_id not in self._minded:
                self._minded.add(met.position_id)
                self._bench.spawn(self._mind_once(met.position_id))

    async def _again_if_it_fails(self, met: Met, work: Any) -> None:
        try:
            await work
        except Exception:  # whatever it is: the next price tries again
            log.exception("a plan could not be carried out", position=met.position_id)
            self._parts.venue.watch.again(met.position_id, met.mark)

    # break-even

    async def _reach_even(self, position_id: int) -> None:
        """The stop moves to break-even from now on."""
        async with self._bench.lock:
            row = self.book.get(position_id)
            if row is None or row.plan.row.even:
                return
            async with self._parts.ledger.executing():
                await plans.change(row.plan.row, even=True)
                if row.position.signal_id is not None:
                    signal_id = row.position.signal_id
                    await self._bench.tell(SignalChanged(signal_id), f"card:{signal_id}", signal_id)
            self.book.mark(row)
        self._parts.outbox_bell.ring()
        self._wake()

    # closing

    async def _carry_out(self, met: Met) -> None:
        if met.mark.on_chain:
            await self._leave_it_to_the_chain(met.position_id)
            if met.mark.kind == "stop" and not await self._still_held(met.position_id):
                return
            if met.mark.kind == "target" and not await self._target_left(
                met.position_id, met.mark.target_id
            ):
                return
        await self.close(met.position_id, met.mark.target_id)

    async def _leave_it_to_the_chain(self, position_id: int) -> None:
        """Waits two blocks, or less where the position is closed before."""
        met_at: int | None = None
        while True:
            try:
                height = (await self._parts.venue.node.tip()).height
            except NodeUnreachable:
                height = None
            if height is not None:
                met_at = height if met_at is None else met_at
                if height >= met_at + BLOCKS_FOR_THE_CHAIN:
                    break
            position = await positions.get(position_id)
            if position is None or position.state != "open":
                break
            await self._parts.clock.sleep(LOOK_EVERY_S)
        self._wake()

    async def _held_on_chain(self, position: Position) -> Decimal | None:
        """The unsigned size in the node's committed state; None where it cannot be asked."""
        market = self.book.market(position.ticker)
        account = self._bench.account
        try:
            state = await self._parts.venue.node.subaccount(
                account.address, account.subaccount_number
            )
        except NodeUnreachable:
            return None
        if market is None:
            return None
        quantums = state.positions.get(market.clob_pair_id) or 0
        return abs(market.scale.size_of(quantums))

    async def _still_held(self, position_id: int) -> bool:
        """Whether the chain's committed state still has the position; an unanswered question counts
        as yes, as the closing order is reduce-only.
        """
        position = await positions.get(position_id)
        if position is None or position.state != "open":
            return False
        held = await self._held_on_chain(position)
        return held is None or held > 0

    async def _target_left(self, position_id: int, target_id: int) -> bool:
        """Whether a target's part is still held: neither booked as closed nor gone from the node's
        committed position, which may be ahead of the books.
        """
        position = await positions.get(position_id)
        if position is None or position.state != "open":
            return False
        found = (await load([position])).get(position_id)
        target = _target(found.targets if found else [], target_id)
        if found is None or target is None or found.left(target) <= 0:
            return False
        held = await self._held_on_chain(position)
        return held is None or held > position.size - found.left(target)

    async def close(self, position_id: int, target_id: int = STOP) -> None:
        """Stores and hands on the intent that closes a position whose stop was met, or the part of
        a target.
        """
        if target_id != STOP:
            if not await self._begin(position_id, target_id):
                return
            await self._withdraw(position_id, target_id)
        async with self._bench.lock, self._parts.ledger.executing():
            intent = await self._intent(position_id, target_id)
        if intent is not None:
            self._submit(intent)

    async def _begin(self, position_id: int, target_id: int) -> bool:
        """Takes a target into the bot's own hands; False where somebody else has it, or nothing is
        left of it.
        """
        async with self._bench.lock:
            position = await positions.get(position_id)
            plan = (await load([position])).get(position_id) if position else None
            target = _target(plan.targets if plan else [], target_id)
            if plan is None or not plan.armed or target is None or target.state != "waiting":
                return False
            if plan.left(target) <= 0:
                return False
            async with self._parts.ledger.executing():
                await plans.change_target(target, state="closing")
            return True

    async def _withdraw(self, position_id: int, target_id: int) -> None:
        """Has the order on chain of a target cancelled and waits until it is proved gone: together
        with the bot's own it would close more than the target's part.
        """
        while rests := [
            row
            for row in self._resting.living()
            if is_guard(row) and row.position_id == position_id and row.target_id == target_id
        ]:
            try:
                for order in rests:
                    await self._resting.cancel(order)
                    await self._resting.prove_one(order)
            except NodeUnreachable:
                log.info("a target's order cannot be cancelled yet", position=position_id)
            if any(row in self._resting.living() for row in rests):
                await self._parts.clock.sleep(LOOK_EVERY_S)

    async def _intent(self, position_id: int, target_id: int) -> Intent | None:
        """The caller holds the lock and a transaction."""
        position = await positions.get(position_id)
        if position is None or position.state != "open":
            return None
        payload: dict[str, Any] = {
            "ticker": position.ticker,
            "action": "close",
            "purpose": "stop_loss",
            "strategy_id": position.strategy_id,
        }
        if target_id == STOP:
            row = await plans.protection(position_id)
            if row is None or row.state != "armed":
                return None
            attempts, key = row.attempts, f"watch:{position_id}:{row.attempts}"
            await plans.set_state(position_id, "closing")
        else:
            plan = (await load([position])).get(position_id)
            target = _target(plan.targets if plan else [], target_id)
            if plan is None or target is None or target.state != "closing":
                return None
            if not plan.armed or plan.left(target) <= 0:
                # all of it is being closed, or it is settled as done from here
                await plans.change_target(target, state="waiting")
                return None
            attempts, key = target.attempts, f"watch:{position_id}:t{target_id}:{target.attempts}"
            payload |= {
                "purpose": "take_profit",
                "target": target_id,
                "wish": alert_json(
                    Alert(
                        action=Action.CLOSE,
                        symbol=position.ticker,
                        size=Size(min(plan.left(target), position.size), SizeUnit.BASE),
                    )
                ),
            }
        return await intents.add(
            account=await accounts.lock(self._bench.account.id),
            key=key,
            source="watch",
            kind="close",
            payload=payload | {"slippage_bps": slippage_bps(attempts)},
            now=self._parts.clock.now(),
            signal_id=None,
            position_id=position_id,
        )

    async def retry(self, intent: Intent) -> None:
        """A plan's close is over: where it did not do all it was for, arm again, say so when it
        went on for long, and try once more.
        """
        assert intent.position_id is not None
        position_id = intent.position_id
        target_id = int(intent.payload.get("target") or STOP)
        position = await positions.get(position_id)
        if position is None or position.state != "open":
            return
        attempts = await self._rearm(position, target_id)
        if attempts is None:
            return
        # the chain's own order may have closed it meanwhile, which the books do not know yet
        if attempts in TOLD_ATTEMPTS and await self._left(position_id, target_id):
            await self._tell(position, attempts, f"failing:{position_id}:{target_id}:{attempts}")
        self._wake()
        await self._parts.clock.sleep(RETRY_PAUSE_S)
        if await self._left(position_id, target_id):
            await self.close(position_id, target_id)
        else:
            # what fills explain is booked by then; a price that still meets the plan acts anew
            async with self._bench.lock:
                row = self.book.get(position_id)
                marks = [] if row is None else self.book.marks(row)
            for mark in marks:
                if mark.target_id == target_id and mark.kind in ("stop", "target"):
                    self._parts.venue.watch.again(position_id, mark)

    async def _tell(self, position: Position, attempts: int, key: str) -> None:
        """Says that what was met is still open."""
        failing = ProtectionFailing(position.id, attempts)
        async with self._parts.ledger.executing():
            await self._bench.tell(failing, key, position.signal_id)
        self._parts.outbox_bell.ring()

    async def _mind_once(self, position_id: int) -> None:
        try:
            await self._mind(position_id)
        finally:
            self._minded.discard(position_id)

    async def _mind(self, position_id: int) -> None:
        """Says so where a stop that was met has neither closed its position in time nor rests."""
        await self._parts.clock.sleep(CLOSED_WITHIN_S)
        position = await positions.get(position_id)
        row = self.book.get(position_id)
        if position is None or row is None or self._rests(row):
            return
        if await self._still_held(position_id):
            now = self._parts.clock.now()
            await self._tell(position, row.plan.row.attempts, f"late:{position_id}:{now}")

    def _rests(self, row: Held) -> bool:
        """Whether the stop of a position rests in the chain's state, for all of it."""
        price, position = self.book.stop_price(row), row.position
        orders = [guard_order(one) for one in self._resting.living() if is_guard(one)]
        return price is not None and rests_for(
            position.id, position.size, orders, price, trails=row.plan.trailing
        )

    async def _left(self, position_id: int, target_id: int) -> bool:
        if target_id == STOP:
            return await self._still_held(position_id)
        return await self._target_left(position_id, target_id)

    async def _rearm(self, position: Position, target_id: int) -> int | None:
        """Arms a level again whose closing intent is over; the attempts so far. None where there
        is nothing left to do.
        """
        async with self._bench.lock, self._parts.ledger.executing():
            plan = (await load([position])).get(position.id)
            if plan is None:
                return None
            if target_id == STOP:
                attempts = plan.row.attempts + 1
                await plans.set_state(position.id, "armed", attempts)
                return attempts
            target = _target(plan.targets, target_id)
            if target is None or target.state != "closing":
                return None
            await plans.change_target(target, state="waiting", attempts=target.attempts + 1)
            return target.attempts if plan.left(target) > 0 else None

    async def take_over(self, left_over: Sequence[Intent]) -> None:
        """After a restart: arms what was being closed without an intent that goes on, and brings
        plans of earlier versions up to date.
        """
        going_on = {
            (intent.position_id, int(intent.payload.get("target") or STOP))
            for intent in left_over
            if intent.source == "watch"
        }
        held = await positions.open_of([self._bench.account.id])
        found = await load(held)
        for position in held:
            plan = found.get(position.id)
            if plan is None:
                continue
            async with self._parts.ledger.executing():
                await adopt_old_target(position, plan.row)
                if plan.row.state == "closing" and (position.id, STOP) not in going_on:
                    await plans.set_state(position.id, "armed", plan.row.attempts + 1)
                for target in plan.targets:
                    if target.state == "closing" and (position.id, target.id) not in going_on:
                        await plans.change_target(
                            target, state="waiting", attempts=target.attempts + 1
                        )


def _target(targets: Sequence[Target], target_id: int) -> Target | None:
    return next((row for row in targets if row.id == target_id), None)
