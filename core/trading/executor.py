"""From an intent to one signed order in the ledger, and from there to a node's answer."""

from __future__ import annotations

import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

import structlog

from core.dydx.codes import classify
from core.dydx.drafts import OrderDraft
from core.dydx.indexer import IndexerError
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
from core.dydx.protocol import Side, TimeInForce
from core.dydx.signing import SignedTx
from core.ledger import orders, positions
from core.ledger.models import Account, Intent, Order, Position
from core.signals.alert import Action, Alert, Force, OrderKind, SizeUnit
from core.trading import states
from core.trading.course import Course, Leg, Made, next_leg
from core.trading.decision import Crowded, Held, Refusal, Wish, decide
from core.trading.parts import Parts
from core.trading.permits import (
    SUPERSEDED,
    Permits,
    asked_at,
    check_intent_age,
    check_version,
    max_age_s,
    speaks_for_strategy,
)
from core.trading.quotes import FRESH_S
from core.trading.resting import Resting
from core.trading.rows import opens, order_row
from core.trading.sending import Moment, NoRoom, Room, Sender
from core.trading.share_keeper import share_close
from core.trading.slots import Reservation, StopRoom
from core.trading.syncing import is_sync, was_overtaken
from core.trading.wishes import size_from_json, wish_of

log = structlog.get_logger(__name__)

RESTS_FOR: Final = dt.timedelta(days=1)
WATCH_BLOCKS = 5
UNREACHABLE = (
    "node_unreachable",
    "No dYdX node could be reached. Nothing was sent and your position is unchanged.",
)


@dataclass(frozen=True)
class View:
    """Market with the best price known, the chain's height, and why they may be old ones. `moment`
    and `room` are there for an order that goes into the chain's state, `equity` (USD) where a size
    is a share of it.
    """

    market: Market
    height: int
    stale: str | None
    moment: Moment | None = None
    room: Room | None = None
    equity: Decimal | None = None


@dataclass(frozen=True)
class Decided:
    """What an intent acts on and does; `leg` is its next order, None where there is none."""

    position: Position | None
    held: Held | None
    course: Course
    leg: Leg | None


@dataclass(frozen=True)
class Prepared:
    """An order that is stored, and the place that is kept for its position's stop until it is
    over.
    """

    order: Order
    reservation: Reservation | None


class Executor:
    """Makes and sends the orders of one account. The lane calls `prepare` under its lock."""

    def __init__(
        self,
        account: Account,
        sender: Sender,
        resting: Resting,
        catch_up: Callable[[], Awaitable[bool]],
        reserve: Callable[[str, int | None], Reservation],
        parts: Parts,
    ) -> None:
        self._account = account
        self._sender = sender
        self._resting = resting
        self._catch_up = catch_up
        self._parts = parts
        self._permits = Permits(account, resting, parts)
        self._reserve = reserve

    async def look(self, intent: Intent) -> View:
        """What an intent is decided on; from memory while the streams are fresh. Raises Refusal."""
        ticker = str(intent.payload["ticker"])
        quote = await self._parts.venue.quotes.quote(ticker)
        market, stale = quote.market, quote.stale
        if market is None or market.oracle_price is None:
            if stale is not None:
                raise Refusal("prices_stale", f"{stale} Nothing was sent.")
            raise Refusal("symbol_unknown", f"dYdX has no market {ticker}; nothing was sent.")
        wish = wish_of(intent)
        if stale is None and wish.action is not Action.CLOSE:
            stale = await self._account_stale()
        equity = await self._equity() if _needs_equity(intent, wish) else None
        if wish.action is not Action.CLOSE:
            await self._permits.look(intent, market)
        try:
            height = await self._parts.venue.height()
            await self._sender.learn_account_number()
        except NodeUnreachable:
            raise Refusal(*UNREACHABLE) from None
        moment = room = None
        if wish.terms.rests:
            try:
                moment = await self._sender.moment()
                room = await self._sender.room(moment)
            except NodeUnreachable:
                raise Refusal(*UNREACHABLE) from None
        return View(market, height, stale, moment, room, equity)

    async def _equity(self) -> Decimal:
        """The account's equity in USD. Raises Refusal."""
        try:
            row = await self._parts.venue.indexer.urgently().subaccount(
                self._account.address, self._account.subaccount_number
            )
        except IndexerError:
            row = None
        if row is None:
            raise Refusal(
                "equity_unknown",
                "The account's equity cannot be read at the moment, so that the size is not known. "
                "Nothing was sent.",
            )
        return row.equity

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

    async def sketch(self, intent: Intent) -> tuple[Leg, Market]:
        """The first order that an intent would open something with, decided on what is known
        without a node. Raises Refusal, Parked.
        """
        quote = await self._parts.venue.quotes.quote(str(intent.payload["ticker"]))
        market = quote.market
        if market is None or market.oracle_price is None:
            raise Refusal(*UNREACHABLE)
        decided = await self._decided(intent, View(market, 0, quote.stale), [])
        leg = decided.leg
        if leg is None or not leg.opens:
            raise Refusal(*UNREACHABLE)
        await self._permits.check_opening(intent, leg, decided.held, market, quote.stale)
        return leg, market

    async def prepare(
        self, intent: Intent, view: View, made: Sequence[Order], *, cut: bool = False
    ) -> Prepared | None:
        """Decides and stores the intent's next order with the exact bytes to send; None when there
        is none to make after those in `made`.

        Raises Refusal, or Parked; then nothing was stored. What only reduces passes on stale data
        too. `cut`: nothing is opened any more.
        """
        market = view.market
        self._sender.check_market(market)
        decided = await self._decided(intent, view, made)
        leg, position = decided.leg, decided.position
        if leg is None:
            return None
        reservation = None
        if leg.opens:
            if cut:
                raise Refusal(*SUPERSEDED)
            await self._permits.check_opening(intent, leg, decided.held, market, view.stale)
            reservation = self._reserved(intent, leg, position, market.ticker)
        try:
            order = await self._stored(intent, view, leg, decided.course, position)
        except BaseException:
            if reservation is not None:
                reservation.release()
            raise
        if leg.opens:
            self._permits.note_stored()
        return Prepared(order, reservation)

    async def _decided(self, intent: Intent, view: View, made: Sequence[Order]) -> Decided:
        """What an intent does here and which order comes after those in `made`. Raises Refusal."""
        market = view.market
        assert market.oracle_price is not None
        position = await positions.open_in(self._account.id, market.ticker)
        if not made:
            check_version(intent, position)
        await self._permits.check_owner(intent, position, market.ticker)
        held, reducible = await self._holding(intent, position, market.ticker)
        if intent.course is None:
            course = await self._course(intent, view, held)
        else:
            course = Course.from_json(intent.course)
            if await was_overtaken(intent, course, made):
                course = await self._course_anew(intent, view, held, made) or course
        leg = next_leg(
            course,
            [
                Made(opens(row), row.filled_size, _rests(row))
                for row in made
                if row.id > course.after
            ],
            held.size if held is not None else Decimal(0),
            market.step_size,
            reducible,
        )
        return Decided(position, held, course, leg)

    async def _course(self, intent: Intent, view: View, held: Held | None) -> Course:
        """What an intent does, decided now. Raises Refusal."""
        price = view.market.oracle_price
        assert price is not None
        now, age_s = self._parts.clock.now(), max_age_s(intent)
        course = decide(_wish(intent, view), held, view.market, price, age_s, now)
        if not is_sync(intent):
            return course
        return replace(course, booked=await orders.newest_fill(self._account.id))

    async def _course_anew(
        self, intent: Intent, view: View, held: Held | None, made: Sequence[Order]
    ) -> Course | None:
        """What leads a sync to its target after the orders in `made`, all of them over; None where
        it is there, or its alert is not fresh any more.
        """
        try:
            check_intent_age(intent, self._parts.clock.now())
            course = await self._course(intent, view, held)
        except Refusal as refusal:
            log.info("a sync ends as it is", intent=intent.id, code=refusal.code)
            return None
        return replace(course, after=made[-1].id)

    async def _stored(
        self, intent: Intent, view: View, leg: Leg, course: Course, position: Position | None
    ) -> Order:
        """The row of a leg's order, with the exact bytes to send. Raises Refusal."""
        market, now = view.market, self._parts.clock.now()
        draft = self._drafted(intent, leg, view)
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
            purpose=intent.payload.get("purpose") or leg.kind,
            nonce=nonce,
            intent_id=intent.id,
            signal_id=intent.signal_id,
            position_id=position.id if position and leg.kind != "open" else None,
        )
        decided = course.to_json()
        evidence = f"{leg.kind} for intent {intent.id}"
        await orders.add(self._parts.ledger, order, evidence, course=decided)
        intent.course, intent.state = decided, "running"
        self._account.next_client_id = orders.following(draft.client_id)
        return order

    async def _holding(
        self, intent: Intent, position: Position | None, ticker: str
    ) -> tuple[Held | None, Decimal | None]:
        """What an intent acts on: the position, or for a strategy its own share of it, with as
        much of that as the chain lets be reduced. What a hand added is not the strategy's.
        """
        if not speaks_for_strategy(intent):
            return _held(position), None
        if position is None and not self._account.sharing:
            return None, None
        mine = int(intent.payload["strategy_id"])
        close = await share_close(self._account.id, ticker, mine)
        if close is None:
            return None, None
        size = close.size if close.side is Side.SELL else -close.size
        enlarged_at = position.enlarged_at if position is not None else intent.created_at
        return Held(position.id if position else 0, size, enlarged_at), close.reduce_only

    def _reserved(
        self, intent: Intent, leg: Leg, position: Position | None, ticker: str
    ) -> Reservation | None:
        """Keeps the place of the stop that an entry brings. Raises Refusal where there is none and
        the trader wants no position whose stop only the bot watches.
        """
        plan = intent.payload.get("plan") or {}
        if not (plan.get("stop_loss") or plan.get("trailing")):
            return None
        grows = leg.kind == "add" and position is not None
        kept = self._reserve(ticker, position.id if grows and position else None)
        if kept.room is StopRoom.NONE and self._account.without_stop_room == "refuse":
            kept.release()
            raise Refusal(
                "no_stop_room",
                "dYdX has no room for another stop of this account: its equity allows no more "
                "orders, or too many were placed just now. Nothing was sent. In /accounts you can "
                "choose to trade all the same, with the stop watched by the bot.",
            )
        return kept

    def _drafted(self, intent: Intent, leg: Leg, view: View) -> OrderDraft:
        """The order of a leg. Raises Refusal where there is no such order."""
        market = view.market
        try:
            return self._draft(intent, leg, view)
        except SizeTooSmall:
            raise Refusal(
                "below_step",
                f"The size {leg.size:.8f} is below {market.ticker}'s smallest step of "
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

    def _sign_resting(self, draft: OrderDraft, view: View) -> tuple[SignedTx, int]:
        """An order that goes into the chain's state, if the chain's limits leave room for it.
        Raises Crowded where they may soon.
        """
        assert view.moment is not None
        assert view.room is not None
        try:
            view.room.take(len(self._resting.living()), Priority.ENTRY)
            stateful = self._sender.sign_stateful([draft], view.moment)
        except NoRoom as full:
            refusal = Crowded if full.passes else Refusal
            raise refusal("chain_limit", f"The order was not sent: {full}.") from None
        return stateful.signed, stateful.nonce

    def _draft(self, intent: Intent, leg: Leg, view: View) -> OrderDraft:
        """The order that a leg asks for, in the kind that the alert named. Raises Refusal, and
        ValueError for what no order can be.
        """
        terms = wish_of(intent).terms
        order: OrderArgs = {
            "address": self._account.address,
            "number": self._account.subaccount_number,
            "client_id": self._account.next_client_id,
            "market": view.market,
            "side": leg.side,
            "size": leg.size,
        }
        slippage = int(intent.payload.get("slippage_bps") or self._parts.default_slippage_bps)
        if terms.kind is OrderKind.MARKET:
            return market_draft(
                **order,
                slippage_bps=slippage,
                height=view.height,
                good_til_blocks=self._lifetime(intent),
                reduce_only=leg.reduce_only,
            )
        price = terms.price
        assert price is not None
        if view.moment is None:
            return limit_draft(
                **order,
                price=price,
                time_in_force=TimeInForce.IOC,
                reduce_only=leg.reduce_only,
                height=view.height,
                good_til_blocks=self._lifetime(intent),
            )
        end = view.moment.end_of(int((terms.expires or RESTS_FOR).total_seconds()))
        if terms.kind is OrderKind.STOP:
            return stop_market_draft(
                **order,
                trigger_price=price,
                good_til_block_time=end,
                slippage_bps=self._parts.stop_slippage_bps,
                reduce_only=leg.reduce_only,
            )
        if leg.reduce_only:
            raise Refusal(
                "resting_reduce",
                "dYdX has no limit order that only reduces a position and waits. Use the "
                "position's take profit, or time_in_force ioc. Nothing was sent.",
            )
        post_only = terms.force is Force.POST_ONLY
        force = TimeInForce.POST_ONLY if post_only else TimeInForce.UNSPECIFIED
        return limit_draft(**order, price=price, time_in_force=force, good_til_block_time=end)

    def _lifetime(self, intent: Intent) -> int:
        """Blocks that an order may live. A plan's close that finds no match is tried again only
        when it is proved dead, so it lives shorter.
        """
        blocks = self._parts.good_til_blocks
        return min(blocks, WATCH_BLOCKS) if intent.source == "watch" else blocks


def _rests(order: Order) -> bool:
    """Whether an order waits in the chain's state for its price."""
    return bool(order.order_flags) and order.state in states.RESTING


def refusal_of(order: Order) -> Refusal:
    """Why the nodes refused an order, for its trader."""
    if order.codespace == "unsent" or order.code is None:
        return Refusal(*UNREACHABLE)
    meaning = classify(order.codespace or "", order.code)
    return Refusal(f"chain_{order.codespace}_{order.code}", meaning.sentence)


def _wish(intent: Intent, view: View) -> Wish:
    payload = intent.payload
    return Wish(
        alert=wish_of(intent),
        asked_at=asked_at(intent),
        default_size=size_from_json(payload.get("default_size")),
        sync=bool(payload.get("sync")),
        equity=view.equity,
    )


def _needs_equity(intent: Intent, wish: Alert) -> bool:
    size = wish.size or size_from_json(intent.payload.get("default_size"))
    return size is not None and size.unit in (SizeUnit.EQUITY_PERCENT, SizeUnit.RISK_PERCENT)


def _held(position: Position | None) -> Held | None:
    if position is None:
        return None
    signed = position.size if position.side == "LONG" else -position.size
    return Held(position.id, signed, position.enlarged_at)
