"""Signing, sending and writing down what the nodes answered: one account's way to the chain."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.dydx.drafts import CancelDraft, OrderDraft
from core.dydx.indexer import IndexerError
from core.dydx.limits import EquityTiers, PlacementBudget, Priority
from core.dydx.markets import Market
from core.dydx.node import Broadcast, Outcome
from core.dydx.node_types import Tip
from core.dydx.nonces import STALLED_AFTER_S, NoncesFull
from core.dydx.signing import SignedTx
from core.events import Event, OrderUnknown, SignalChanged
from core.ledger import accounts, orders, outbox
from core.ledger.models import Account, Order
from core.ledger.raw import Statement
from core.trading import states
from core.trading.decision import Refusal
from core.trading.key_loss import notes_of
from core.trading.owner import Owner
from core.trading.parts import Parts
from core.trading.signing import Signer

EQUITY_FOR_S: Final = 60.0
EQUITY_AT_REST_FOR_S: Final = 600.0
# A node that stands apart takes an order that no block ever holds; what protects goes to two.
COPIES_OF_CLOSES: Final = 2
# What no node was given goes out again after these pauses; its good-til-block is not over by then.
SEND_AGAIN_AFTER_S: Final = (0.5, 1.0, 2.0)
_BEFORE: Final = dt.timedelta(minutes=3)
_BLOCKS_BEFORE: Final = 200
# What was placed longer ago than this lies at least so many blocks back.
_JUST_NOW: Final = dt.timedelta(seconds=5)
_BLOCKS_SINCE: Final = 3


class NoRoom(Exception):
    """The chain's limits leave no room for another order just now; the text says which. `passes`:
    a few blocks may be enough.
    """

    def __init__(self, text: str, *, passes: bool = True) -> None:
        super().__init__(text)
        self.passes = passes


@dataclass(frozen=True)
class Stateful:
    """A signed transaction about orders in the chain's state, and the nonce in it."""

    signed: SignedTx
    nonce: int


@dataclass(frozen=True)
class Moment:
    """The chain's last block, how many seconds ago it came, and the account's committed sequence
    where the chain stands.
    """

    tip: Tip
    age_s: float
    committed_sequence: int | None

    def end_of(self, lifetime_s: int) -> int:
        """The unix second at which an order ends that lives so long from now on."""
        return int(self.tip.time.timestamp()) + lifetime_s


@dataclass(frozen=True)
class Room:
    """The chain's limits for another order. `slots`: how many the account's equity allows, None
    where nobody can say and the chain decides.
    """

    height: int
    budget: PlacementBudget
    slots: int | None

    def take(self, held: int, priority: Priority) -> None:
        """Counts one placement; `held` orders of the account are in the chain's state already.
        Raises NoRoom, and nothing is counted.
        """
        if self.slots is not None and held >= self.slots:
            text = f"the account's equity allows {self.slots} orders in the chain's state"
            raise NoRoom(text, passes=False)
        if not self.budget.take(self.height, 1, priority):
            raise NoRoom("the chain takes no more orders of this address in these blocks")


class Sender:
    """Signs with an account's credential and sends; respects the chain's limits before."""

    def __init__(self, account: Account, signer: Signer, parts: Parts) -> None:
        self._account = account
        self._signer = signer
        self._parts = parts
        self._equity_at: float | None = None
        self._slots: int | None = None
        self._in_hand: set[int] = set()

    @property
    def _owner(self) -> Owner:
        return self._parts.venue.owner(self._account.address)

    async def restore(self) -> None:
        """Takes over the nonces of transactions that are undecided."""
        rows = await orders.stateful_in_states(self._account.id, states.WORKING)
        self._owner.restore(row.nonce for row in rows if row.nonce is not None)

    async def learn_account_number(self) -> None:
        """Asks the chain for the account's number once. Raises NodeUnreachable, Refusal."""
        if self._account.chain_account_number is not None:
            return
        on_chain = await self._parts.venue.node.account(self._account.address)
        if on_chain is None:
            raise Refusal(
                "account_unknown",
                f"The chain does not know {self._account.address} yet. Deposit USDC first.",
            )
        self._account.chain_account_number = on_chain.number
        async with self._parts.ledger.executing():
            await accounts.set_chain_account_number(self._account.id, on_chain.number)

    def check_market(self, market: Market) -> None:
        """Raises Refusal where the account's key may not trade a market."""
        self._signer.check(market.clob_pair_id, market.ticker)

    def sign(self, draft: OrderDraft) -> SignedTx:
        """Signs a short-term order. The account's number is known."""
        return self._signer.sign([draft])

    async def moment(self) -> Moment:
        """When the chain is now. Asked before the lane's lock is taken, as all that needs the
        network. Raises NodeUnreachable, Refusal.
        """
        await self.learn_account_number()
        tip = await self._parts.venue.tip()
        age_s = self._parts.venue.block_age_s()
        stands = age_s > STALLED_AFTER_S
        sequence = await self._owner.committed_sequence() if stands else None
        return Moment(tip, age_s, sequence)

    async def room(self, moment: Moment) -> Room:
        """The chain's limits for another order. Raises NodeUnreachable."""
        budget, _ = await self._rules(moment.tip.height)
        slots = await self._slots_now(moment.tip.height, EQUITY_FOR_S)
        return Room(moment.tip.height, budget, slots)

    def sign_stateful(
        self,
        drafts: Sequence[OrderDraft | CancelDraft],
        moment: Moment,
        *,
        urgent: bool = False,
    ) -> Stateful:
        """Signs orders and cancels that are done together. Raises NoRoom."""
        try:
            nonce = self._owner.nonce(
                moment.tip,
                moment.age_s,
                committed_sequence=moment.committed_sequence,
                urgent=urgent,
            )
        except NoncesFull as full:
            raise NoRoom(str(full)) from None
        return Stateful(self._signer.sign(drafts, sequence=nonce), nonce)

    # limits

    async def _rules(self, height: int) -> tuple[PlacementBudget, EquityTiers]:
        async def placed_before() -> list[int]:
            now, account = self._parts.clock.now(), self._account
            rows = await orders.placed_since(
                account.network, account.address, now - _BEFORE, height - _BLOCKS_BEFORE
            )
            return [_latest_height(height, *row, now) for row in rows]

        return await self._owner.rules(placed_before)

    @property
    def slots(self) -> int | None:
        """How many orders in the chain's state the account's equity allows, as last known."""
        return self._slots

    @property
    def budget(self) -> PlacementBudget | None:
        """The placements of the account's owner; None before the chain's rules were read."""
        return self._owner.budget

    async def look_at_equity(self) -> None:
        """Keeps what `fits` answers current; costs a request every ten minutes."""
        await self._slots_now(await self._parts.venue.height(), EQUITY_AT_REST_FOR_S)

    async def _slots_now(self, height: int, max_age_s: float) -> int | None:
        """Orders that the account's equity allows; None while nobody can say: the chain decides."""
        now = self._parts.clock.monotonic()
        if self._equity_at is not None and now - self._equity_at < max_age_s:
            return self._slots
        try:
            row = await self._parts.venue.indexer.subaccount(
                self._account.address, self._account.subaccount_number
            )
        except IndexerError:
            return None
        _, tiers = await self._rules(height)
        self._slots = tiers.slots(row.equity) if row is not None else None
        self._equity_at = now
        return self._slots

    # sending

    async def send_cancel(self, cancel: Stateful) -> Broadcast:
        """Sends the cancel of an order; the chain takes as many as come."""
        self._parts.ledger.check_granted()
        answer = await self._parts.venue.broadcast(cancel.signed.tx, copies=COPIES_OF_CLOSES)
        notes = self._key_notes(answer, self._parts.clock.now())
        if notes:
            await self._parts.ledger.commit(notes)
        if answer.outcome in (Outcome.REFUSED, Outcome.UNSENT):
            rejected = (answer.codespace, answer.code) == ("sdk", 32)
            self._owner.refused(cancel.nonce, rejected=rejected)
        return answer

    async def cancel_short_term(self, order: Order) -> Broadcast:
        """Sends the cancel of a short-term order. Nodes keep it to its good-til-block, also where
        they have not seen the order. Source: docs/protocol.md, short-term orders.
        """
        cancel = CancelDraft(
            address=self._account.address,
            number=self._account.subaccount_number,
            client_id=order.client_id,
            clob_pair_id=order.clob_pair_id,
            good_til_block=order.good_til_block,
        )
        signed = self._signer.sign([cancel])
        self._parts.ledger.check_granted()
        return await self._parts.venue.broadcast(signed.tx, copies=COPIES_OF_CLOSES)

    async def send(self, order: Order, received_at: dt.datetime | None = None) -> Broadcast:
        """Broadcasts the stored bytes: once, or a few times while they reach no node at all. Until
        `record` has the answer nobody else may send them.
        """
        self._in_hand.add(order.id)
        started = self._parts.clock.now()
        copies = COPIES_OF_CLOSES if order.reduce_only else 1
        try:
            self._parts.ledger.check_granted()
            answer = await self._parts.venue.broadcast(order.tx, copies=copies)
            for pause_s in SEND_AGAIN_AFTER_S:
                if answer.outcome is not Outcome.UNSENT:
                    break
                await self._parts.clock.sleep(pause_s)
                self._parts.ledger.check_granted()
                answer = await self._parts.venue.broadcast(order.tx, copies=copies)
        except BaseException:
            self._in_hand.discard(order.id)
            raise
        if received_at is not None:
            own_s = (started - received_at).total_seconds()
            self._parts.observer.broadcast(own_s, answer.outcome.value)
        return answer

    async def record(self, order: Order, answer: Broadcast) -> Order:
        """Writes down what the nodes answered; a fill that came first is not overwritten."""
        try:
            return await self._record(order, answer)
        finally:
            self._in_hand.discard(order.id)

    def has_in_hand(self, order: Order) -> bool:
        """Whether an order is being sent, or its answer is not written down yet."""
        return order.id in self._in_hand

    async def _record(self, order: Order, answer: Broadcast) -> Order:
        now = self._parts.clock.now()
        state = _STATE_OF[answer.outcome]
        states.check_transition("broadcasting", state)
        values: dict[str, Any] = {"code": answer.code, "codespace": answer.codespace}
        if answer.outcome is Outcome.UNSENT:
            values["codespace"] = "unsent"
        if state == "accepted":
            values["accepted_at"] = now
        if state == "refused":
            values["resolved_at"] = now
            if (answer.codespace, answer.code) == ("clob", 10001):
                self._equity_at = None  # the equity is another than was thought
            if (answer.codespace, answer.code) == ("clob", 5001) and order.order_flags:
                self._owner.placements_exceeded(self._parts.venue.stream.height)
            if order.nonce is not None:
                rejected = (answer.codespace, answer.code) == ("sdk", 32)
                self._owner.refused(order.nonce, rejected=rejected)
        evidence = (
            f"{answer.outcome.value} by {answer.endpoint}: {answer.codespace or ''} {answer.code}"
        )
        events: list[tuple[str, Event]] = []
        if order.signal_id is not None:
            events.append((f"card:{order.signal_id}", SignalChanged(order.signal_id)))
        if state == "unknown" and order.intent_id is not None:
            events.append((f"unknown:{order.id}", OrderUnknown(order.id)))
        trader_id, signal_id = self._account.trader_id, order.signal_id
        messages = [
            outbox.putting(trader_id, event, key=key, now=now, signal_id=signal_id)
            for key, event in events
        ]
        messages += self._key_notes(answer, now)
        ledger = self._parts.ledger
        if await orders.record_answer(ledger, order, state, evidence, now, messages, **values):
            return order
        fresh = await orders.get(order.id)
        assert fresh is not None
        return fresh

    def _key_notes(self, answer: Broadcast, now: dt.datetime) -> list[Statement]:
        """What a refusal says of the key that signed, for the transaction that records it."""
        return notes_of(
            self._account, self._signer.authenticator_id, answer.codespace, answer.code, now
        )

    def decided(self, order: Order) -> None:
        """A stateful order's transaction is in a block, or can never come into one."""
        if order.nonce is not None:
            self._owner.decided(order.nonce)


def _latest_height(
    height: int, included_height: int | None, created_at: dt.datetime, now: dt.datetime
) -> int:
    """The last block behind which an order can have been sent, when `height` is the present one."""
    if included_height is not None:
        return included_height
    return height if now - created_at <= _JUST_NOW else height - _BLOCKS_SINCE


_STATE_OF: Final = {
    Outcome.ACCEPTED: "accepted",
    Outcome.REFUSED: "refused",
    Outcome.UNSENT: "refused",
    Outcome.UNKNOWN: "unknown",
}
