"""The counter for positions and signals: what is held, what happened, what a button asks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal, localcontext
from uuid import UUID

from core.dydx.markets import Market
from core.dydx.node import NodeUnreachable
from core.dydx.protocol import OrderFlags, TimeInForce
from core.ledger import accounts, intents, orders, positions, signals, strategies
from core.ledger.models import Account, Order, Position, Signal, Strategy
from core.trading import states
from core.trading.guard_rows import expiry, guard_order, is_guard
from core.trading.office import Office
from core.trading.plan_rows import Plan, load
from core.trading.plan_views import plan_fields
from core.trading.position_books import whole_view, with_books
from core.trading.protection import GuardOrder
from core.trading.quotes import FRESH_S
from core.trading.venue import Venue, slippage_percent
from core.trading.views import (
    AccountView,
    DeskError,
    IntentView,
    NetworkView,
    OrderView,
    PositionView,
    SignalView,
    StatusView,
    TraderView,
)

_ONE_STEP = Decimal("0.000001")


class PositionDesk:
    """Positions, signals and the state of the house."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._started_at = office.clock.now()

    # positions

    async def positions(
        self, trader: TraderView, *, include_closed: bool = False
    ) -> list[PositionView]:
        owned = {row.id: row for row in await accounts.of_trader(trader.id)}
        found = (
            await positions.recent_of(list(owned))
            if include_closed
            else await positions.open_of(list(owned))
        )
        plans = await load(found)
        guards = await self._guards(found)
        views = [
            self._position_view(row, owned[row.account_id], plans.get(row.id), guards)
            for row in found
        ]
        return await with_books(views, found)

    async def position(self, trader: TraderView, position_id: int) -> PositionView:
        """Code: unknown_position."""
        row, account = await self._own_position(trader, position_id)
        return await self._whole_view(row, account)

    async def position_by_id(self, position_id: int) -> PositionView:
        """For the notifier, which renders outbox rows for their owner."""
        row = await positions.get(position_id)
        if row is None:
            raise DeskError("unknown_position", "This position does not exist.")
        account = await accounts.get(row.account_id)
        return await self._whole_view(row, account)

    async def close_position(
        self, trader: TraderView, position_id: int, version: int, fraction: Decimal, key: str
    ) -> None:
        """Asks for a reduce-only close at market of a fraction; the outcome follows as events."""
        row, account = await self._own_position(trader, position_id)
        if row.state != "open":
            raise DeskError("position_closed", f"This {row.ticker} position is closed already.")
        if row.external:
            raise DeskError(
                "position_external",
                f"This {row.ticker} position was made by hand; the bot does not close it. "
                "Adopt it into a strategy first, or close it where you made it.",
            )
        if row.version != version:
            raise DeskError("position_changed", "This position has changed in the meantime.")
        if not 0 < fraction <= 1:
            raise DeskError("fraction_invalid", "A fraction lies above 0 and at most at 1.")
        market = self._market(account, row.ticker)
        if market is not None and market.scale.quantums_down(row.size * fraction) == 0:
            raise DeskError(
                "below_step",
                f"That part is below {row.ticker}'s smallest step of "
                f"{market.step_size.normalize():f}. Close the whole position instead.",
            )
        lane = self._office.lanes.get(account.id)
        if lane is None:
            raise DeskError(
                "not_ready", "The bot is still checking this account on chain. Try again shortly."
            )
        strategy = await strategies.get(row.strategy_id) if row.strategy_id else None
        async with self._office.ledger.executing():
            intent = await intents.add(
                account=await accounts.lock(account.id),
                key=f"button:{key}",
                source="button",
                kind="close",
                payload={
                    "ticker": row.ticker,
                    "action": "close",
                    "fraction": format(fraction, "f"),
                    "version": version,
                    "strategy_id": row.strategy_id,
                    "slippage_bps": strategy.slippage_bps if strategy else None,
                },
                now=self._office.clock.now(),
                position_id=row.id,
            )
        if intent is not None:
            lane.submit(intent)

    # signals

    async def signal(self, signal_id: UUID) -> SignalView:
        """All that the one message of a signal shows."""
        row = await signals.get(signal_id)
        if row is None:
            raise DeskError("unknown_signal", "This signal does not exist.")
        strategy = await strategies.get(row.strategy_id)
        account = await accounts.get(row.account_id)
        assert strategy is not None
        held = await positions.get(row.position_id) if row.position_id else None
        # the orders of a plan are told as its protection, not as steps of the signal
        made = [order for order in await orders.of_signal(row.id) if not is_guard(order)]
        lane = self._office.lanes.get(account.id)
        return SignalView(
            id=row.id,
            trader_id=strategy.trader_id,
            network=account.network,  # type: ignore[arg-type]
            strategy_name=strategy.name,
            received_at=row.received_at,
            state=row.state,
            symbol=made[0].ticker if made else str(row.parsed["symbol"]),
            action=str(row.parsed["action"] or row.parsed["target"]["position"]),
            reason_code=row.reason_code,
            reason_text=row.reason_text,
            duplicates=row.duplicates,
            orders=tuple(view_of_order(order) for order in made),
            position=await self._whole_view(held, account) if held else None,
            plan_on_chain=lane.plan_fits() if lane is not None else None,
            asked_until=asked_until(row, strategy),
            nearest=tuple(row.parsed.get("nearest") or ()),
        )

    async def order(self, order_id: int) -> OrderView:
        """For the notifier. Code: unknown_order."""
        row = await orders.get(order_id)
        if row is None:
            raise DeskError("unknown_order", "This order does not exist.")
        return view_of_order(row)

    async def intent(self, intent_id: int) -> IntentView:
        """For the notifier. Code: unknown_intent."""
        row = await intents.get(intent_id)
        if row is None:
            raise DeskError("unknown_intent", "This request does not exist.")
        account = await accounts.get(row.account_id)
        return IntentView(
            id=row.id,
            trader_id=account.trader_id,
            network=account.network,  # type: ignore[arg-type]
            source=row.source,
            kind=row.kind,
            ticker=str(row.payload.get("ticker") or row.payload.get("symbol") or ""),
            position_id=row.position_id,
            state=row.state,
            code=row.reason_code,
            text=row.reason_text,
        )

    # the house

    async def status(self, trader: TraderView) -> StatusView:
        owned = await accounts.of_trader(trader.id)
        ids = [row.id for row in owned]
        mine = [row.id for row in await strategies.of_trader(trader.id)]
        return StatusView(
            networks=tuple([await self._network(v) for v in self._office.venues.values()]),
            accounts=tuple(plain_view(row) for row in owned),
            open_positions=len(await positions.open_of(ids)),
            waiting_signals=await signals.waiting_count(mine),
            unknown_orders=await orders.count_in_state(ids, "unknown"),
            started_at=self._started_at,
        )

    async def _network(self, venue: Venue) -> NetworkView:
        try:
            block = await venue.node.latest_block()
        except NodeUnreachable:
            block = None
        await venue.ask_price_source()
        return NetworkView(
            name=venue.network.name,
            height=block.height if block else venue.stream.height,
            stream_fresh=venue.stream.fresh(FRESH_S),
            node_reachable=block is not None,
            prices_fresh=venue.prices_fresh,
            paper_prices=venue.price_source,
        )

    # inside

    async def _own_position(self, trader: TraderView, position_id: int) -> tuple[Position, Account]:
        row = await positions.get(position_id)
        account = await accounts.get(row.account_id) if row is not None else None
        if row is None or account is None or account.trader_id != trader.id:
            raise DeskError("unknown_position", "This position does not exist.")
        return row, account

    def _market(self, account: Account, ticker: str) -> Market | None:
        venue = self._office.venues.get(account.network)  # type: ignore[call-overload]
        return venue.stream.markets.get(ticker) if venue is not None else None

    async def _whole_view(self, row: Position, account: Account) -> PositionView:
        plan = (await load([row])).get(row.id)
        view = self._position_view(row, account, plan, await self._guards([row]))
        return await whole_view(view, row, account, self._office.clock.now())

    async def _guards(self, held: Sequence[Position]) -> list[GuardOrder]:
        """The orders that hold the plans of these positions on chain."""
        rows = await orders.of_positions([row.id for row in held], states.RESTING)
        return [guard_order(row) for row in rows if is_guard(row)]

    def _position_view(
        self,
        row: Position,
        account: Account,
        plan: Plan | None,
        guards: Sequence[GuardOrder],
    ) -> PositionView:
        market = self._market(account, row.ticker)
        mark = market.oracle_price if market is not None else None
        unrealized = None
        if mark is not None and row.state == "open":
            sign = 1 if row.side == "LONG" else -1
            unrealized = (mark - row.entry_price) * row.size * sign
        return PositionView(
            id=row.id,
            version=row.version,
            trader_id=account.trader_id,
            network=account.network,  # type: ignore[arg-type]
            account_id=account.id,
            signal_id=row.signal_id,
            ticker=row.ticker,
            side=row.side,
            state=row.state,
            external=row.external,
            size=row.size,
            max_size=row.max_size,
            entry_price=row.entry_price,
            exit_price=row.exit_price,
            mark_price=mark,
            unrealized_pnl=unrealized,
            realized_pnl=row.realized_pnl,
            fees=row.fees,
            close_reason=row.close_reason,
            opened_at=row.opened_at,
            closed_at=row.closed_at,
            **plan_fields(row, plan, market, guards),
            tick_size=market.tick_size if market else _ONE_STEP,
            step_size=market.step_size if market else _ONE_STEP,
        )


def asked_until(row: Signal, strategy: Strategy) -> dt.datetime | None:
    """How long a signal waits for its trader's word; None for one that does not wait."""
    if row.state != "asking":
        return None
    given = row.parsed.get("time")
    since = dt.datetime.fromisoformat(given) if given else row.received_at
    age_s = row.parsed.get("stale_after_s") or strategy.max_alert_age_s
    return since + dt.timedelta(seconds=float(age_s))


def plain_view(row: Account) -> AccountView:
    """An account without asking anybody for its equity."""
    return AccountView(
        id=row.id,
        network=row.network,  # type: ignore[arg-type]
        address=row.address,
        subaccount_number=row.subaccount_number,
        equity=None,
        free_collateral=None,
        sharing=row.sharing,
        without_stop_room=row.without_stop_room,  # type: ignore[arg-type]
        key_lost_at=row.key_lost_at,
    )


def _kind(row: Order) -> str:
    """How an order trades, as its trader would call it."""
    if row.order_flags == OrderFlags.CONDITIONAL:
        return "stop"
    if row.time_in_force == TimeInForce.POST_ONLY:
        return "post_only"
    return "limit" if row.order_flags == OrderFlags.LONG_TERM else "market"


def view_of_order(row: Order) -> OrderView:
    average = None
    slippage = None
    with localcontext() as context:
        context.prec = 50
        if row.filled_size:
            average = row.filled_quote / row.filled_size
            slippage = slippage_percent(
                1 if row.side == "BUY" else -1, average, row.reference_price
            )
    return OrderView(
        id=row.id,
        purpose=row.purpose,
        kind=_kind(row),
        ticker=row.ticker,
        side=row.side,
        size=row.size,
        limit_price=row.limit_price,
        trigger_price=row.trigger_price,
        reference_price=row.reference_price,
        reduce_only=row.reduce_only,
        state=row.state,
        code=row.code,
        codespace=row.codespace,
        tx_hash=row.tx_hash,
        good_til_block=row.good_til_block,
        expires_at=expiry(row),
        filled_size=row.filled_size,
        average_price=average,
        slippage_percent=slippage,
        created_at=row.created_at,
        accepted_at=row.accepted_at,
        resolved_at=row.resolved_at,
    )
