"""From an intent to one signed order in the ledger, and from there to a node's answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from core.dydx.codes import classify
from core.dydx.drafts import OrderDraft
from core.dydx.limits import Priority
from core.dydx.markets import Market
from core.dydx.node import NodeUnreachable
from core.dydx.orders import (
    OrderArgs,
    PriceTooSmall,
    SizeTooSmall,
    limit_draft,
    market_draft,
    stop_market_draft,
)
from core.dydx.protocol import TimeInForce
from core.dydx.signing import SignedTx
from core.ledger import orders, positions
from core.ledger.models import Account, Intent, Order, Position
from core.trading.decision import Decision, Held, Limits, Refusal, Wish, decide
from core.trading.parts import Parts
from core.trading.plan import level_from_json, level_price, side_fault
from core.trading.quotes import FRESH_S
from core.trading.resting import Resting
from core.trading.rows import order_row
from core.trading.sending import Moment, NoRoom, Room, Sender

RESTS_FOR_S: Final = 24 * 3600
WATCH_BLOCKS = 5
UNREACHABLE = (
    "node_unreachable",
    "No dYdX node could be reached. Nothing was sent and your position is unchanged.",
)


@dataclass(frozen=True)
class View:
    """Market with the best price known, the chain's height, and why they may be old ones. `moment`
    and `room` are there for an order that goes into the chain's state.
    """

    market: Market
    height: int
    stale: str | None
    moment: Moment | None = None
    room: Room | None = None


class Executor:
    """Makes and sends the orders of one account. The lane calls `prepare` under its lock."""

    def __init__(
        self,
        account: Account,
        sender: Sender,
        resting: Resting,
        catch_up: Callable[[], Awaitable[bool]],
        parts: Parts,
    ) -> None:
        self._account = account
        self._sender = sender
        self._resting = resting
        self._catch_up = catch_up
        self._parts = parts

    async def look(self, intent: Intent) -> View:
        """What an intent is decided on; from memory while the streams are fresh. Raises Refusal."""
        ticker = str(intent.payload["ticker"])
        quote = await self._parts.venue.quotes.quote(ticker)
        market, stale = quote.market, quote.stale
        if market is None or market.oracle_price is None:
            if stale is not None:
                raise Refusal("prices_stale", f"{stale} Nothing was sent.")
            raise Refusal("symbol_unknown", f"dYdX has no market {ticker}; nothing was sent.")
        if stale is None and intent.payload["action"] != "close":
            stale = await self._account_stale()
        try:
            height = await self._parts.venue.height()
            await self._sender.learn_account_number()
        except NodeUnreachable:
            raise Refusal(*UNREACHABLE) from None
        moment = room = None
        if _rests(intent.payload.get("terms") or {}):
            try:
                moment = await self._sender.moment()
                room = await self._sender.room(moment)
            except NodeUnreachable:
                raise Refusal(*UNREACHABLE) from None
        return View(market, height, stale, moment, room)

    def _check_levels(self, intent: Intent, market: Market) -> None:
        """A stop or target read off a chart is refused where the prices follow no chart."""
        plan = intent.payload.get("plan") or {}
        for name in ("stop_loss", "take_profit"):
            level = level_from_json(plan.get(name))
            if level is None or level.price is None:
                continue
            far = self._parts.venue.far_from_paper_price(level.price, market)
            if far is not None:
                raise Refusal("price_not_of_paper", f"{far} Nothing was sent.")

    def _check_standing(self) -> None:
        standing = self._parts.venue.compliance.state(self._account.id)
        if not standing.may_open:
            raise Refusal(
                f"account_{standing.value}",
                "dYdX lets this account only close positions. Nothing was sent."
                if not standing.blocked
                else "dYdX does not serve this account: it refuses its address or the place from "
                "which it is asked. Nothing was sent.",
            )

    async def _account_stale(self) -> str | None:
        """Why fills of the account may be unknown, if so; it is read by request where the stream
        does not tell them.
        """
        address, number = self._account.address, self._account.subaccount_number
        if self._parts.venue.stream.account_fresh(address, number, FRESH_S):
            return None
        if await self._catch_up():
            return None
        return "What this account holds cannot be read from dYdX's indexer at the moment."

    async def prepare(self, intent: Intent, view: View) -> Order:
        """Decides and stores the order with the exact bytes to send.

        Raises Refusal; then nothing was stored. What only reduces passes on stale data too.
        """
        market = view.market
        assert market.oracle_price is not None
        now = self._parts.clock.now()
        self._sender.check_market(market)
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
            self._check_standing()
            if view.stale is not None:
                raise Refusal("prices_stale", f"{view.stale} Nothing was sent.")
            self._check_levels(intent, market)
            _check_plan(intent, decision, market)
        try:
            draft = self._draft(intent, decision, view)
        except SizeTooSmall:
            raise Refusal(
                "below_step",
                f"The size {decision.size:.8f} is below {market.ticker}'s smallest step of "
                f"{market.step_size.normalize():f}; nothing was sent.",
            ) from None
        except PriceTooSmall:
            raise Refusal(
                "below_tick",
                f"The price is below {market.ticker}'s smallest tick of "
                f"{market.tick_size.normalize():f}; nothing was sent.",
            ) from None
        except ValueError as error:
            raise Refusal(
                "order_impossible", f"There is no such order: {error}. Nothing was sent."
            ) from None
        nonce = None
        if draft.stateful:
            signed, nonce = self._sign_resting(draft, view)
        else:
            signed = self._sender.sign(draft)
        order = order_row(
            self._account,
            draft,
            signed,
            market,
            epoch=self._parts.ledger.epoch,
            now=now,
            purpose=intent.payload.get("purpose") or decision.kind,
            nonce=nonce,
            intent_id=intent.id,
            signal_id=intent.signal_id,
            position_id=position.id if position and decision.kind != "open" else None,
        )
        await orders.add(self._parts.ledger, order, f"{decision.kind} for intent {intent.id}")
        self._account.next_client_id = orders.following(draft.client_id)
        return order

    def _sign_resting(self, draft: OrderDraft, view: View) -> tuple[SignedTx, int]:
        """An order that goes into the chain's state, if the chain's limits leave room for it."""
        assert view.moment is not None
        assert view.room is not None
        try:
            view.room.take(len(self._resting.living()), Priority.ENTRY)
            stateful = self._sender.sign_stateful([draft], view.moment)
        except NoRoom as full:
            raise Refusal("chain_limit", f"The order was not sent: {full}.") from None
        return stateful.signed, stateful.nonce

    def _draft(self, intent: Intent, decision: Decision, view: View) -> OrderDraft:
        """The order that a decision asks for, in the kind that the alert named. Raises Refusal, and
        ValueError for what no order can be.
        """
        terms = intent.payload.get("terms") or {}
        order: OrderArgs = {
            "address": self._account.address,
            "number": self._account.subaccount_number,
            "client_id": self._account.next_client_id,
            "market": view.market,
            "side": decision.side,
            "size": decision.size,
        }
        kind = terms.get("kind", "market")
        slippage = int(intent.payload.get("slippage_bps") or self._parts.default_slippage_bps)
        if kind == "market":
            return market_draft(
                **order,
                slippage_bps=slippage,
                height=view.height,
                good_til_blocks=self._lifetime(intent),
                reduce_only=decision.reduce_only,
            )
        price = Decimal(terms["price"])
        if view.moment is None:
            return limit_draft(
                **order,
                price=price,
                time_in_force=TimeInForce.IOC,
                reduce_only=decision.reduce_only,
                height=view.height,
                good_til_blocks=self._lifetime(intent),
            )
        end = view.moment.end_of(int(terms.get("expires_s") or RESTS_FOR_S))
        if kind == "stop":
            return stop_market_draft(
                **order,
                trigger_price=price,
                good_til_block_time=end,
                slippage_bps=self._parts.stop_slippage_bps,
                reduce_only=decision.reduce_only,
            )
        if decision.reduce_only:
            raise Refusal(
                "resting_reduce",
                "dYdX has no limit order that only reduces a position and waits. Use the "
                "position's take profit, or time_in_force ioc. Nothing was sent.",
            )
        force = TimeInForce.POST_ONLY if terms["force"] == "post_only" else TimeInForce.UNSPECIFIED
        return limit_draft(**order, price=price, time_in_force=force, good_til_block_time=end)

    def _lifetime(self, intent: Intent) -> int:
        """Blocks that an order may live. A plan's close that finds no match is tried again only
        when it is proved dead, so it lives shorter.
        """
        blocks = self._parts.good_til_blocks
        return min(blocks, WATCH_BLOCKS) if intent.source == "watch" else blocks


def _rests(terms: dict[str, Any]) -> bool:
    """Whether an order of these terms goes into the chain's state."""
    kind: str = terms.get("kind", "market")
    return kind == "stop" or (kind == "limit" and bool(terms["force"] != "ioc"))


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
