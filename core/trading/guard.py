"""Keeps the plans of an account true: orders on chain first, and the bot's watch behind them.

A plan's levels rest on chain as conditional reduce-only orders wherever chain and tier have room.
The bot watches the oracle price all the same: it closes at once what nothing rests for, and what an
order should have closed two blocks ago.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import structlog

from core import failpoints
from core.dydx.drafts import CancelDraft, OrderDraft
from core.dydx.limits import Priority
from core.dydx.markets import Market
from core.dydx.node import NodeUnreachable, Outcome
from core.dydx.orders import stop_market_draft, take_profit_market_draft
from core.dydx.protocol import Side
from core.events import ProtectionFailing
from core.ledger import accounts, intents, orders, positions
from core.ledger.models import Intent, Order, Position
from core.trading.decision import Refusal
from core.trading.guard_rows import guard_order, held_position, is_guard
from core.trading.plan import Breach, breach
from core.trading.protection import Cancel, Place, in_hand, steps
from core.trading.resting import Resting
from core.trading.rows import cancel_of, order_row
from core.trading.sending import Moment, NoRoom, Room, Sender
from core.trading.watch import PlanWatch
from core.trading.workbench import Workbench

log = structlog.get_logger(__name__)

RETRY_PAUSE_S: Final = 2.0
PLAN_LIFETIME_S: Final = 90 * 86_400
BLOCKS_FOR_THE_CHAIN: Final = 2
TOLD_ATTEMPTS: Final = frozenset({1, 5, 20, 100})


class Guard:
    """The plans of one account."""

    def __init__(
        self,
        bench: Workbench,
        sender: Sender,
        resting: Resting,
        submit: Callable[[Intent], object],
    ) -> None:
        self._bench = bench
        self._parts = bench.parts
        self._sender = sender
        self._resting = resting
        self._submit = submit
        self._watch = PlanWatch(bench.account)
        self._bell = asyncio.Event()
        self._tier_full = False

    # what is watched

    async def refresh(self) -> None:
        """Reads positions and plans anew; the caller holds the lock."""
        held = await positions.open_of([self._bench.account.id])
        plans = await positions.protections([row.id for row in held])
        guards = [guard_order(row) for row in self._resting.living() if is_guard(row)]
        self._watch.replace(held, plans, in_hand(guards))

    def watched_tickers(self) -> set[str]:
        """The markets in which a plan is watched."""
        return self._watch.tickers()

    def watched_positions(self) -> set[int]:
        """The positions whose plan is watched or being carried out."""
        return self._watch.positions()

    # orders on chain

    def wake(self) -> None:
        """Something changed that the orders on chain may have to follow."""
        self._bell.set()

    async def run(self) -> None:
        """Brings the orders in line with the plans whenever woken."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            try:
                if not await self._tend():
                    self._bench.spawn(self._wake_later())
            except (NodeUnreachable, NoRoom) as error:
                log.info(
                    "plans wait for the chain", account=self._bench.account.id, error=str(error)
                )
                self._bench.spawn(self._wake_later())
            except Exception:  # whatever it is: the account's plans must not go untended for it
                log.exception("plans could not be tended", account=self._bench.account.id)
                self._bench.spawn(self._wake_later())

    async def _wake_later(self) -> None:
        await self._parts.clock.sleep(RETRY_PAUSE_S)
        self.wake()

    async def _tend(self) -> bool:
        """One round; True when everything is in place."""
        await self._resting.refresh()
        await self._resting.prove()
        async with self._bench.lock:
            held = await positions.open_of([self._bench.account.id])
            plans = await positions.protections([row.id for row in held])
            await self.refresh()
        planned = [
            held_position(row, plans[row.id])
            for row in held
            if row.id in plans and plans[row.id].state == "armed"
        ]
        # a plan that is being carried out by the bot keeps its orders until the position is closed
        busy = {row.id for row in held if row.id in plans and plans[row.id].state == "closing"}
        guards = {
            row.id: row
            for row in self._resting.living()
            if is_guard(row) and row.position_id not in busy
        }
        rows = {row.id: row for row in held}
        todo = steps(
            planned, [guard_order(row) for row in guards.values()], self._parts.clock.now()
        )
        for step in todo:
            if isinstance(step, Cancel):
                await self._resting.cancel(guards[step.order_id])
            else:
                await self._place(step, rows[step.position_id], guards)
        leaving = [row for row in self._resting.living() if row.cancel_asked_at is not None]
        for order in leaving:
            await self._resting.cancel(order)
        await self._sender.look_at_equity()
        settled = all(row.state == "untriggered" for row in guards.values())
        return not todo and not leaving and settled

    async def _place(self, step: Place, position: Position, guards: dict[int, Order]) -> None:
        """Carries a step out where market and chain allow it now; else the next round tries."""
        market = self._parts.venue.stream.markets.get(position.ticker)
        if market is None or market.oracle_price is None:
            return
        if _is_met(step, position, market.oracle_price):
            return  # it would be carried out at once; the watch does that at a better price
        replaced = guards.get(step.replaces) if step.replaces is not None else None
        if replaced is not None and self._tier_full:
            await self._resting.cancel(replaced)
            return
        try:
            moment = await self._sender.moment()
            room = await self._sender.room(moment)
            async with self._bench.lock:
                stored = await self._store(step, position, market, replaced, moment, room)
        except (ValueError, Refusal) as error:
            log.warning("a plan's level has no order", position=position.id, error=str(error))
            return
        except NoRoom as error:
            log.info("a plan's level waits", position=position.id, reason=str(error))
            return
        failpoints.hit("stop_stored")
        answer = await self._sender.send(stored)
        failpoints.hit("stop_sent")
        async with self._bench.lock:
            fresh = await self._sender.record(stored, answer)
        self._tier_full = (answer.codespace, answer.code) == ("clob", 10001)
        if replaced is not None and answer.outcome in (Outcome.REFUSED, Outcome.UNSENT):
            # nothing of the transaction happened: the old order stays what it was
            async with self._bench.lock, self._parts.ledger.executing():
                await orders.ask_cancel(replaced, None)
        log.info(
            "a plan's order was sent",
            position=position.id,
            purpose=step.purpose,
            state=fresh.state,
            codespace=answer.codespace,
            code=answer.code,
        )

    async def _store(
        self,
        step: Place,
        position: Position,
        market: Market,
        replaced: Order | None,
        moment: Moment,
        room: Room,
    ) -> Order:
        """The row of a plan's order, with the bytes to send. The caller holds the lock."""
        account = self._bench.account
        held = len(self._resting.living()) - (replaced is not None)
        room.take(held, Priority.PROTECTION)
        make = stop_market_draft if step.purpose == "stop_loss" else take_profit_market_draft
        draft = make(
            address=account.address,
            number=account.subaccount_number,
            client_id=account.next_client_id,
            market=market,
            side=Side.SELL if position.side == "LONG" else Side.BUY,
            size=step.size,
            trigger_price=step.trigger,
            good_til_block_time=moment.end_of(PLAN_LIFETIME_S),
            # a target that can only be had far below its price is better left to the watch
            slippage_bps=self._parts.stop_slippage_bps
            if step.purpose == "stop_loss"
            else self._parts.default_slippage_bps,
        )
        drafts: list[OrderDraft | CancelDraft] = [draft]
        if replaced is not None:
            drafts.insert(0, cancel_of(account, replaced))
        urgent = step.purpose == "stop_loss"
        stateful = self._sender.sign_stateful(drafts, moment, urgent=urgent)
        order = order_row(
            account,
            draft,
            stateful.signed,
            market,
            epoch=self._parts.ledger.epoch,
            now=self._parts.clock.now(),
            purpose=step.purpose,
            nonce=stateful.nonce,
            position_id=position.id,
            signal_id=position.signal_id,
        )
        await orders.add(self._parts.ledger, order, f"plan of position {position.id}", replaced)
        account.next_client_id = orders.following(draft.client_id)
        self._resting.follow(order)
        return order

    # the watch behind them

    async def on_prices(self, prices: dict[str, Decimal]) -> None:
        """Closes what has met its plan, at once or after the chain had its chance."""
        for met in self._watch.met(prices):
            if met.on_chain:
                self._bench.spawn(self._close_unless_done(met.position_id, met.breach))
            else:
                self._bench.spawn(self.close(met.position_id, met.breach))

    async def _close_unless_done(self, position_id: int, what: Breach) -> None:
        """Two blocks after the price was met: closes what the chain's order has not closed."""
        venue = self._parts.venue
        try:
            met_at = (await venue.node.tip()).height
        except NodeUnreachable:
            met_at = venue.stream.height or 0
        never = asyncio.Event()
        while not await venue.wait_past(
            met_at + BLOCKS_FOR_THE_CHAIN - 1, stop=never, within_s=RETRY_PAUSE_S
        ):
            position = await positions.get(position_id)
            if position is None or position.state != "open":
                return
        self.wake()
        if await self._still_held(position_id):
            await self.close(position_id, what)

    async def _still_held(self, position_id: int) -> bool:
        """Whether the chain's committed state still has the position; an unanswered question counts
        as yes, as the closing order is reduce-only.
        """
        position = await positions.get(position_id)
        if position is None or position.state != "open":
            return False
        market = self._parts.venue.stream.markets.get(position.ticker)
        try:
            account = self._bench.account
            state = await self._parts.venue.node.subaccount(
                account.address, account.subaccount_number
            )
        except NodeUnreachable:
            return True
        return market is None or bool(state.positions.get(market.clob_pair_id))

    async def close(self, position_id: int, what: Breach) -> None:
        """Stores and hands on the intent that closes a position whose plan was met."""
        async with self._bench.lock, self._parts.ledger.executing():
            position = await positions.get(position_id)
            plan = await positions.protection(position_id)
            if (
                position is None
                or position.state != "open"
                or plan is None
                or plan.state != "armed"
            ):
                return
            await positions.set_protection_state(position_id, "closing")
            intent = await intents.add(
                account=await accounts.lock(self._bench.account.id),
                key=f"watch:{position_id}:{plan.attempts}",
                source="watch",
                kind="close",
                payload={
                    "ticker": position.ticker,
                    "action": "close",
                    "purpose": what,
                    "strategy_id": position.strategy_id,
                },
                now=self._parts.clock.now(),
                signal_id=None,
                position_id=position_id,
            )
        failpoints.hit("close_stored")
        if intent is not None:
            self._submit(intent)

    async def retry(self, intent: Intent) -> None:
        """A plan's close did not flatten the position: arm again, say so, and try once more."""
        assert intent.position_id is not None
        position = await positions.get(intent.position_id)
        plan = await positions.protection(intent.position_id)
        if position is None or position.state != "open" or plan is None:
            return
        attempts = plan.attempts + 1
        # the chain's own order may have closed it meanwhile, which the books do not know yet
        held = await self._still_held(position.id)
        async with self._parts.ledger.executing():
            await positions.set_protection_state(position.id, "armed", attempts)
            if held and attempts in TOLD_ATTEMPTS:
                await self._bench.tell(
                    ProtectionFailing(position.id, attempts),
                    f"failing:{position.id}:{attempts}",
                    position.signal_id,
                )
        self._parts.outbox_bell.ring()
        self.wake()
        await self._parts.clock.sleep(RETRY_PAUSE_S)
        if await self._still_held(position.id):
            await self.close(position.id, intent.payload["purpose"])

    async def rearm(self, left_over: Sequence[Intent]) -> None:
        """Arms plans whose closing intent is over while their position is still open."""
        closing = {intent.position_id for intent in left_over if intent.source == "watch"}
        held = await positions.open_of([self._bench.account.id])
        for position_id, plan in (await positions.protections([row.id for row in held])).items():
            if plan.state == "closing" and position_id not in closing:
                async with self._parts.ledger.executing():
                    await positions.set_protection_state(position_id, "armed", plan.attempts + 1)


def _is_met(step: Place, position: Position, price: Decimal) -> bool:
    stop = step.trigger if step.purpose == "stop_loss" else None
    target = step.trigger if step.purpose == "take_profit" else None
    long = position.side == "LONG"
    return breach(long=long, price=price, take_profit=target, stop_loss=stop) is not None
