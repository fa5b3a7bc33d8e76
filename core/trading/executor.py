"""From an intent to one signed order in the ledger, and from there to a node's answer."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.dydx.codes import classify
from core.dydx.keys import SigningKey
from core.dydx.markets import Market
from core.dydx.node import Broadcast, NodeUnreachable, Outcome
from core.dydx.orders import SignedOrder, SizeTooSmall, market_draft, sign_order
from core.dydx.protocol import CLIENT_ID_LIMIT
from core.events import Event, OrderUnknown, SignalChanged
from core.ledger import accounts, orders, outbox, positions
from core.ledger.models import Account, Intent, Order, Position
from core.trading import states
from core.trading.decision import Decision, Held, Limits, Refusal, Wish, decide
from core.trading.parts import Parts
from core.trading.plan import level_from_json, level_price, side_fault

WATCH_BLOCKS = 5
UNREACHABLE = (
    "node_unreachable",
    "No dYdX node could be reached. Nothing was sent and your position is unchanged.",
)


class Executor:
    """Makes and sends the orders of one account. The lane calls `prepare` under its lock."""

    def __init__(self, account: Account, sealed: bytes, record: UUID, parts: Parts) -> None:
        self._account = account
        self._sealed = sealed
        self._record = record
        self._parts = parts

    async def look(self, intent: Intent) -> tuple[Market, int]:
        """Market with a current price, and height; from memory while the stream is fresh.

        Raises Refusal.
        """
        ticker = str(intent.payload["ticker"])
        market = await self._parts.venue.market(ticker)
        if market is None or market.oracle_price is None:
            raise Refusal("symbol_unknown", f"dYdX has no market {ticker}; nothing was sent.")
        try:
            height = await self._parts.venue.height()
            if self._account.chain_account_number is None:
                await self._learn_account_number()
        except NodeUnreachable:
            raise Refusal(*UNREACHABLE) from None
        return market, height

    async def _learn_account_number(self) -> None:
        on_chain = await self._parts.venue.node.account(self._account.address)
        if on_chain is None:
            raise Refusal(
                "account_unknown",
                f"The chain does not know {self._account.address} yet. Deposit USDC first.",
            )
        self._account.chain_account_number = on_chain.number
        await accounts.set_chain_account_number(self._account.id, on_chain.number)

    async def prepare(self, intent: Intent, market: Market, height: int) -> Order:
        """Decides and stores the order with the exact bytes to send.

        Raises Refusal; then nothing was stored.
        """
        assert market.oracle_price is not None
        now = self._parts.clock.now()
        position = await positions.open_in(self._account.id, market.ticker)
        _check_version(intent, position)
        decision = decide(
            _wish(intent, now),
            _held(position),
            market,
            market.oracle_price,
            _limits(intent.payload.get("limits")),
            now,
        )
        if not decision.reduce_only:
            _check_plan(intent, decision, market)
        signed = self._sign(intent, decision, market, height)
        draft = signed.draft
        order = Order(
            account_id=self._account.id,
            partition=self._account.partition,
            intent_id=intent.id,
            signal_id=intent.signal_id,
            position_id=position.id if position and decision.kind != "open" else None,
            purpose=intent.payload.get("purpose") or decision.kind,
            order_uuid=UUID(signed.order_uuid),
            client_id=draft.client_id,
            order_flags=0,
            clob_pair_id=market.clob_pair_id,
            ticker=market.ticker,
            side=decision.side.value,
            size=plain(market.scale.size_of(draft.quantums)),
            limit_price=plain(market.scale.price_of(draft.subticks)),
            reference_price=market.oracle_price,
            quantums=str(draft.quantums),
            subticks=str(draft.subticks),
            reduce_only=draft.reduce_only,
            good_til_block=draft.good_til_block,
            tx=signed.tx,
            tx_hash=signed.tx_hash,
            state="broadcasting",
            filled_size=Decimal(0),
            filled_quote=Decimal(0),
            epoch=self._parts.ledger.epoch,
            created_at=now,
            broadcast_at=now,
        )
        next_client_id = (draft.client_id + 1) % CLIENT_ID_LIMIT
        await orders.add(self._parts.ledger, order, f"{decision.kind} for intent {intent.id}")
        self._account.next_client_id = next_client_id
        return order

    def _sign(self, intent: Intent, decision: Decision, market: Market, height: int) -> SignedOrder:
        slippage = int(intent.payload.get("slippage_bps") or self._parts.default_slippage_bps)
        try:
            draft = market_draft(
                address=self._account.address,
                number=self._account.subaccount_number,
                client_id=self._account.next_client_id,
                market=market,
                side=decision.side,
                size=decision.size,
                slippage_bps=slippage,
                height=height,
                good_til_blocks=self._lifetime(intent),
                reduce_only=decision.reduce_only,
            )
        except SizeTooSmall:
            raise Refusal(
                "below_step",
                f"The size {decision.size:.8f} is below {market.ticker}'s smallest step of "
                f"{market.step_size.normalize():f}; nothing was sent.",
            ) from None
        secret = self._parts.vault.open(
            self._sealed, trader_id=self._account.trader_id, record=self._record
        )
        assert self._account.chain_account_number is not None
        return sign_order(
            draft,
            SigningKey.from_secret(secret),
            self._parts.venue.network.chain_id,
            self._account.chain_account_number,
        )

    def _lifetime(self, intent: Intent) -> int:
        """Blocks that an order may live. A plan's close that finds no match is tried again only
        when it is proved dead, so it lives shorter.
        """
        blocks = self._parts.good_til_blocks
        return min(blocks, WATCH_BLOCKS) if intent.source == "watch" else blocks

    async def send(self, order: Order, received_at: dt.datetime | None) -> Broadcast:
        """One broadcast of the stored bytes."""
        started = self._parts.clock.now()
        answer = await self._parts.venue.node.broadcast(order.tx)
        if received_at is not None:
            own_s = (started - received_at).total_seconds()
            self._parts.observer.broadcast(own_s, answer.outcome.value)
        return answer

    async def record(self, order: Order, answer: Broadcast) -> Order:
        """Writes down what the nodes answered; a fill that came first is not overwritten."""
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
        evidence = (
            f"{answer.outcome.value} by {answer.endpoint}: {answer.codespace or ''} {answer.code}"
        )
        events: list[tuple[str, Event]] = []
        if order.signal_id is not None:
            events.append((f"card:{order.signal_id}", SignalChanged(order.signal_id)))
        if state == "unknown":
            events.append((f"unknown:{order.id}", OrderUnknown(order.id)))
        trader_id, signal_id = self._account.trader_id, order.signal_id
        messages = [
            outbox.putting(trader_id, event, key=key, now=now, signal_id=signal_id)
            for key, event in events
        ]
        ledger = self._parts.ledger
        if await orders.record_answer(ledger, order, state, evidence, now, messages, **values):
            return order
        fresh = await orders.get(order.id)
        assert fresh is not None
        return fresh


_STATE_OF = {
    Outcome.ACCEPTED: "accepted",
    Outcome.REFUSED: "refused",
    Outcome.UNSENT: "refused",
    Outcome.UNKNOWN: "unknown",
}


def refusal_of(order: Order) -> Refusal:
    """Why the nodes refused an order, for its trader."""
    if order.codespace == "unsent" or order.code is None:
        return Refusal(*UNREACHABLE)
    meaning = classify(order.codespace or "", order.code)
    return Refusal(f"chain_{order.codespace}_{order.code}", meaning.sentence)


def _check_version(intent: Intent, position: Position | None) -> None:
    """A button acts on the position that its presser saw, not on what became of it meanwhile."""
    version = intent.payload.get("version")
    if version is None or position is None:
        return
    if position.id != intent.position_id or position.version != version:
        raise Refusal(
            "position_changed",
            f"The {position.ticker} position changed before this was carried out. "
            "Nothing was sent; look at it again.",
        )


def _wish(intent: Intent, now: dt.datetime) -> Wish:
    payload = intent.payload
    asked_at = payload.get("asked_at")
    return Wish(
        action=payload["action"],
        size=_decimal(payload.get("size")),
        size_usd=_decimal(payload.get("size_usd")),
        fraction=_decimal(payload.get("fraction")),
        asked_at=dt.datetime.fromisoformat(asked_at) if asked_at else now,
    )


def _limits(values: dict[str, Any] | None) -> Limits | None:
    if values is None:
        return None
    allowed = values["allowed_symbols"]
    return Limits(
        max_position_usd=_decimal(values["max_position_usd"]),
        allowed_symbols=None if allowed is None else tuple(allowed),
        max_alert_age_s=values["max_alert_age_s"],
    )


def plain(value: Decimal) -> Decimal:
    """The same number without trailing zeros and without an exponent."""
    return Decimal(format(value.normalize(), "f"))


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(value)


def _held(position: Position | None) -> Held | None:
    if position is None:
        return None
    signed = position.size if position.side == "LONG" else -position.size
    return Held(position.id, signed, position.enlarged_at)


def _check_plan(intent: Intent, decision: Decision, market: Market) -> None:
    """A plan whose prices would close the position at once is refused before anything is sent."""
    plan = intent.payload.get("plan") or {}
    price = market.oracle_price
    assert price is not None
    long = decision.side.sign > 0
    tick = market.tick_size
    fault = side_fault(
        long=long,
        price=price,
        take_profit=level_price(
            level_from_json(plan.get("take_profit")), long=long, above=True, entry=price, tick=tick
        ),
        stop_loss=level_price(
            level_from_json(plan.get("stop_loss")), long=long, above=False, entry=price, tick=tick
        ),
    )
    if fault is not None:
        raise Refusal("plan_side", f"{fault} Nothing was sent.")
