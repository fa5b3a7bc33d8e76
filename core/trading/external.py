"""The counter for what was made by hand on an account of the bot: shown as external, and left alone
until its trader says otherwise. Also what strategies made of their shares.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Final
from uuid import UUID

from core.dydx.enums import OrderStatus
from core.dydx.indexer import IndexerError
from core.dydx.indexer_types import IndexerOrder
from core.dydx.markets import Market
from core.ledger import accounts, books, positions, reconciliation, strategies
from core.ledger.models import Account, Position, Share, Strategy
from core.signals.alert import Alert
from core.trading.office import Office
from core.trading.plan import level_from_json, level_price, side_fault, targets_from_json
from core.trading.plan_rows import is_plan, set_plan
from core.trading.position_books import since_midnight
from core.trading.position_states import after
from core.trading.quotes import FRESH_S
from core.trading.share_keeper import Holders, book_of, parts_in, signed_size
from core.trading.shares import BY_HAND, ZERO
from core.trading.views import (
    Adopter,
    DeskError,
    ExternalOrderView,
    StrategyResult,
    TraderView,
)
from core.trading.wishes import plan_json

LIVING: Final = (OrderStatus.OPEN, OrderStatus.UNTRIGGERED)


class ExternalDesk:
    """Orders and positions that the bot did not make; results of strategies."""

    def __init__(self, office: Office) -> None:
        self._office = office

    # orders

    async def external_orders(self, trader: TraderView) -> list[ExternalOrderView]:
        """The orders that wait on the trader's accounts and that the bot did not make, by account.
        The bot never cancels or replaces them. An account that cannot be read is left out.
        """
        found: list[ExternalOrderView] = []
        for account in await accounts.of_trader(trader.id):
            rows = await self._living_orders(account)
            ours = await reconciliation.known_orders([UUID(row.id) for row in rows])
            found += [_order_view(row, account) for row in rows if UUID(row.id) not in ours]
        return found

    async def _living_orders(self, account: Account) -> Sequence[IndexerOrder]:
        """The stream's orders while it is fresh, else those that the indexer lists."""
        venue = self._office.venues.get(account.network)  # type: ignore[call-overload]
        if venue is None:
            return ()
        address, number = account.address, account.subaccount_number
        mirror = venue.stream.account(address, number)
        if mirror is not None and venue.stream.account_fresh(address, number, FRESH_S):
            rows: Sequence[IndexerOrder] = list(mirror.orders().values())
        else:
            try:
                rows = await venue.indexer.orders(address, number, statuses=LIVING)
            except IndexerError:
                return ()
        return [row for row in rows if row.status in LIVING]

    # positions

    async def adopters(self, trader: TraderView, position_id: int) -> list[Adopter]:
        """The strategies that could adopt what was made by hand of a position. Codes:
        unknown_position, position_closed, nothing_by_hand.
        """
        position, account = await self._open_position(trader, position_id)
        return [Adopter(row.id, row.name) for row in await self._adopters(account, position)]

    async def check_adoption(
        self, trader: TraderView, position_id: int, strategy_id: int
    ) -> Adopter:
        """The strategy that would adopt, for the question before. Codes as of `adopt_position`."""
        position, account = await self._open_position(trader, position_id)
        strategy = await self._adopter(trader, account, position, strategy_id)
        await self._plan_to_bring(position, account, strategy)
        return Adopter(strategy.id, strategy.name)

    async def adopt_position(
        self, trader: TraderView, position_id: int, version: int, strategy_id: int
    ) -> None:
        """Gives what was made by hand of a position to a strategy: its plan and limits hold for it
        from now on. Nothing is traded. Codes: unknown_position, position_closed, position_changed,
        nothing_by_hand, unknown_strategy, market_in_use, symbol_not_allowed, max_position,
        prices_stale, price_side.
        """
        row, account = await self._open_position(trader, position_id)
        strategy = await self._adopter(trader, account, row, strategy_id)
        plan = await self._plan_to_bring(row, account, strategy)
        now = self._office.clock.now()
        async with self._office.ledger.executing():
            await accounts.lock(account.id)
            position = await positions.get(position_id)
            if position is None or position.state != "open" or position.version != version:
                raise DeskError("position_changed", "This position has changed in the meantime.")
            holders = await Holders.load(account, position.ticker, position)
            adopted = await holders.adopt(strategy.id, now)
            if is_plan(plan):
                await holders.keep_plan(strategy.id, plan, now, None)
            held_by = holders.holder(strategy.id)
            state = after(position.state, "adopted")
            await positions.change(position, state=state, strategy_id=held_by, external=False)
            await books.add_step(
                position_id=position.id,
                step="adopted",
                cause="trader",
                change=ZERO,
                size=signed_size(position),
                fill_uuid=None,
                evidence=f"{adopted:f} adopted into strategy {strategy.id}",
                epoch=self._office.ledger.epoch,
                at=now,
            )
            if is_plan(plan) and held_by == strategy.id:
                await set_plan(position, plan, self._market_of(account, position.ticker))
        lane = self._office.lanes.get(account.id)
        if lane is not None:
            await lane.refresh_watch()

    async def _open_position(
        self, trader: TraderView, position_id: int
    ) -> tuple[Position, Account]:
        row = await positions.get(position_id)
        account = await accounts.get(row.account_id) if row is not None else None
        if row is None or account is None or account.trader_id != trader.id:
            raise DeskError("unknown_position", "This position does not exist.")
        if row.state != "open":
            raise DeskError("position_closed", f"This {row.ticker} position is closed already.")
        return row, account

    async def _adopters(self, account: Account, position: Position) -> list[Strategy]:
        """Raises DeskError where nothing of the position was made by hand."""
        parts = await parts_in(position.account_id, position.ticker)
        if not parts.get(BY_HAND):
            raise DeskError(
                "nothing_by_hand", f"Nothing of this {position.ticker} position was made by hand."
            )
        rows = await strategies.of_trader(account.trader_id)
        here = [row for row in rows if row.account_id == account.id]
        if position.strategy_id is None or account.sharing:
            return here
        return [row for row in here if row.id == position.strategy_id]

    async def _adopter(
        self, trader: TraderView, account: Account, position: Position, strategy_id: int
    ) -> Strategy:
        allowed = {row.id: row for row in await self._adopters(account, position)}
        if strategy_id in allowed:
            return allowed[strategy_id]
        row = await strategies.get(strategy_id)
        if row is None or row.trader_id != trader.id or row.account_id != account.id:
            raise DeskError("unknown_strategy", "This account has no such strategy.")
        raise DeskError(
            "market_in_use",
            f"{position.ticker} of this account belongs to another strategy until it is flat.",
        )

    async def _plan_to_bring(
        self, position: Position, account: Account, strategy: Strategy
    ) -> dict[str, object]:
        """The plan that the strategy would bring. Raises DeskError where its limits forbid that, or
        where the plan would close the position at once.
        """
        ticker = position.ticker
        market = self._market_of(account, ticker)
        price = market.oracle_price if market is not None else None
        if market is None or price is None:
            raise DeskError("prices_stale", "dYdX's prices cannot be read at the moment.")
        if strategy.allowed_symbols is not None and ticker not in strategy.allowed_symbols:
            raise DeskError(
                "symbol_not_allowed", f"{ticker} is not among the markets of {strategy.name}."
            )
        with localcontext() as context:
            context.prec = 50
            worth = position.size * price
        if strategy.max_position_usd is not None and worth > strategy.max_position_usd:
            raise DeskError(
                "max_position",
                f"The position is worth {worth:.2f} USD, above the limit of {strategy.name} of "
                f"{strategy.max_position_usd:f} USD.",
            )
        plan = plan_json(Alert(action=None, symbol=ticker), strategy)
        fault = _plan_fault(position, plan, market, price)
        if fault is not None:
            raise DeskError("price_side", f"With the plan of {strategy.name}: {fault}")
        return plan

    def _market_of(self, account: Account, ticker: str) -> Market | None:
        venue = self._office.venues.get(account.network)  # type: ignore[call-overload]
        return venue.stream.markets.get(ticker) if venue is not None else None

    # results

    async def strategy_result(self, trader: TraderView, strategy_id: int) -> StrategyResult:
        """What a strategy has made of its shares: fills, fees and funding, in USDC. Code:
        unknown_strategy.
        """
        row = await strategies.get(strategy_id)
        if row is None or row.trader_id != trader.id:
            raise DeskError("unknown_strategy", "This strategy does not exist.")
        shares = await books.shares_of_strategy(strategy_id)
        open_pnl: Decimal | None = ZERO
        for share in shares:
            account = await accounts.get(share.account_id)
            market = self._market_of(account, share.ticker) if share.size else None
            if not share.size or open_pnl is None:
                continue
            price = market.oracle_price if market is not None else None
            open_pnl = None if price is None else open_pnl + _open_pnl(share, price)
        owned = {share.account_id for share in shares}
        today = await since_midnight(trader.id, owned, self._office.clock.now(), strategy_id)
        return StrategyResult(
            strategy_id=strategy_id,
            today=today,
            closed=sum((s.realized_pnl - s.fees + s.funding for s in shares), ZERO),
            fees=sum((s.fees for s in shares), ZERO),
            funding=sum((s.funding for s in shares), ZERO),
            open=open_pnl,
        )


def _open_pnl(share: Share, price: Decimal) -> Decimal:
    book = book_of(share)
    with localcontext() as context:
        context.prec = 50
        return (price - book.entry_price) * book.size


def _plan_fault(
    position: Position, plan: dict[str, object], market: Market, price: Decimal
) -> str | None:
    """Why a plan would close a position at once; None when it would not."""
    long, entry, tick = position.side == "LONG", position.entry_price, market.tick_size
    stop = level_price(
        level_from_json(plan.get("stop_loss")),  # type: ignore[arg-type]
        long=long,
        above=False,
        entry=entry,
        tick=tick,
    )
    targets = [
        level_price(target.level, long=long, above=True, entry=entry, tick=tick)
        for target in targets_from_json(plan.get("take_profit"))
    ]
    faults = [
        side_fault(long=long, price=price, take_profit=target, stop_loss=stop)
        for target in targets or [None]
    ]
    return next((fault for fault in faults if fault is not None), None)


def _order_view(row: IndexerOrder, account: Account) -> ExternalOrderView:
    return ExternalOrderView(
        order_uuid=UUID(row.id),
        network=account.network,  # type: ignore[arg-type]
        account_id=account.id,
        ticker=row.ticker,
        side=str(row.side or ""),
        kind=str(row.type or "LIMIT").lower().replace("_", " "),
        size=row.size,
        price=row.price,
        trigger_price=row.trigger_price,
        reduce_only=bool(row.reduce_only),
        filled_size=row.total_filled or ZERO,
        expires_at=row.good_til_block_time,
    )
