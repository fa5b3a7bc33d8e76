"""The counter for plans: what a trader changes about the protection of his positions."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_UP, Decimal
from typing import Any, Final

from core.dydx.markets import Market
from core.ledger import plans, positions
from core.ledger.models import Position, Target
from core.signals.alert import Level, TakeProfit
from core.trading.holdings import PositionDesk
from core.trading.plan import (
    break_even_json,
    level_json,
    level_price,
    side_fault,
    targets_from_json,
    targets_json,
    trailing_json,
)
from core.trading.plan_change import (
    EvenAt,
    PlanChange,
    StopTo,
    TargetTo,
    ToEntry,
    TrailBy,
)
from core.trading.plan_rows import Plan, load, write_plan
from core.trading.trailing import beyond
from core.trading.venue import Venue
from core.trading.views import DeskError, PositionView, TraderView

_SHARE: Final = Decimal("0.000000000001")


class PlanDesk(PositionDesk):
    """Changes plans; each change counts as one of the position."""

    async def adjust_plan(
        self, trader: TraderView, position_id: int, version: int, change: PlanChange
    ) -> PositionView:
        """Changes one thing of a plan. Codes: unknown_position, position_changed, position_closed,
        prices_stale, price_not_of_paper, price_tick, price_side, fraction_invalid, unknown_target.
        """
        row, account = await self._own_position(trader, position_id)
        if row.state != "open":
            raise DeskError("position_closed", f"This {row.ticker} position is closed already.")
        if row.version != version:
            raise DeskError("position_changed", "This position has changed in the meantime.")
        venue = self._office.venues[account.network]  # type: ignore[index]
        market = venue.stream.markets.get(row.ticker)
        if market is None or market.oracle_price is None:
            raise DeskError("prices_stale", "dYdX's prices cannot be read at the moment.")
        plan = (await load([row])).get(row.id)
        _check(change, row, plan, market, venue)
        async with self._office.ledger.executing():
            await _apply(change, row, plan, market)
            await positions.change(row)
            if row.signal_id is not None:
                await self._office.card(trader.id, row.signal_id)
        self._office.outbox_bell.ring()
        lane = self._office.lanes.get(account.id)
        if lane is not None:
            await lane.refresh_watch()
        return await self.position(trader, position_id)


# checks


def _check(
    change: PlanChange, row: Position, plan: Plan | None, market: Market, venue: Venue
) -> None:
    """Raises DeskError for what no plan can be."""
    if isinstance(change, StopTo) and change.level is not None:
        _check_price(_price(change.level, row, market, above=False), change.level, market, venue)
        _check_side(row, market, stop=_price(change.level, row, market, above=False))
    elif isinstance(change, TargetTo):
        _check_target(change, row, plan, market, venue)
    elif isinstance(change, EvenAt) and change.rule is not None and change.rule.at is not None:
        price = _price(change.rule.at, row, market, above=True)
        _check_price(price, change.rule.at, market, venue)
    elif isinstance(change, ToEntry):
        rule = plan.break_even if plan else None
        long = row.side == "LONG"
        even = beyond(
            row.entry_price, rule.beyond if rule else None, long=long, tick=market.tick_size
        )
        _check_side(row, market, stop=even)


def _check_target(
    change: TargetTo, row: Position, plan: Plan | None, market: Market, venue: Venue
) -> None:
    known = _open_target(plan, change.target_id)
    if change.target_id is not None and known is None:
        raise DeskError("unknown_target", "This target is not open any more.")
    if change.fraction is not None and not 0 < change.fraction <= 1:
        raise DeskError("fraction_invalid", "A target closes above 0 and at most 100 %.")
    if change.level is None:
        return
    price = _price(change.level, row, market, above=True)
    _check_price(price, change.level, market, venue)
    _check_side(row, market, target=price)


def _check_price(price: Decimal, level: Level, market: Market, venue: Venue) -> None:
    if level.price is None:
        return
    far = venue.far_from_paper_price(price, market)
    if far is not None:
        raise DeskError("price_not_of_paper", far)
    if level.price <= 0 or level.price % market.tick_size:
        raise DeskError(
            "price_tick",
            f"A price of {market.ticker} is a multiple of {market.tick_size.normalize():f} USD.",
        )


def _check_side(
    row: Position, market: Market, *, stop: Decimal | None = None, target: Decimal | None = None
) -> None:
    assert market.oracle_price is not None
    fault = side_fault(
        long=row.side == "LONG", price=market.oracle_price, take_profit=target, stop_loss=stop
    )
    if fault is not None:
        raise DeskError("price_side", fault)


def _price(level: Level, row: Position, market: Market, *, above: bool) -> Decimal:
    if level.price is not None:
        return level.price
    price = level_price(
        level,
        long=row.side == "LONG",
        above=above,
        entry=row.entry_price,
        tick=market.tick_size,
    )
    assert price is not None
    return price


# changes


async def _apply(change: PlanChange, row: Position, plan: Plan | None, market: Market) -> None:
    """The caller holds a transaction."""
    levels: dict[str, Any] = dict(plan.levels) if plan else {}
    if plan is not None and not levels and plan.row.stop_loss is not None:
        levels["stop_loss"] = {"price": format(plan.row.stop_loss, "f")}
    again = True
    flags: dict[str, Any] = {}
    if isinstance(change, StopTo):
        levels["stop_loss"] = level_json(change.level)
        flags = {"even": False, "stop_gone": 0}
        if change.level is None:
            levels |= {"trailing": None, "break_even": None}
    elif isinstance(change, TargetTo):
        levels["take_profit"] = targets_json(_ladder(change, row, plan, market))
        again = False
    elif isinstance(change, TrailBy):
        levels["trailing"] = trailing_json(change.trailing)
        flags = {"stop_gone": 0}
    elif isinstance(change, EvenAt):
        levels["break_even"] = break_even_json(change.rule)
        flags = {"even": False}
    elif isinstance(change, ToEntry):
        flags = {"even": True, "stop_gone": 0}
    else:
        flags = {"stop_gone": 0}
    await write_plan(row, plan, levels, market, source=None, again=again)
    written = await plans.protection(row.id)
    if written is not None and flags:
        await plans.change(written, **flags)


def _ladder(
    change: TargetTo, row: Position, plan: Plan | None, market: Market
) -> Sequence[TakeProfit]:
    """The open targets with the change, as parts of the position now."""
    found: list[TakeProfit] = []
    for target, level in with_levels(row, plan, market):
        if target.id != change.target_id:
            found.append(TakeProfit(level, _share(plan, target, row)))
        elif change.level is not None:
            found.append(TakeProfit(change.level, change.fraction or _share(plan, target, row)))
    if change.target_id is None and change.level is not None:
        taken = sum((one.fraction or Decimal(0) for one in found), Decimal(0))
        share = change.fraction
        if share is None and taken < 1:
            share = 1 - taken
        if share is None or share + taken > 1:
            free = max(1 - taken, Decimal(0))
            raise DeskError(
                "fraction_invalid",
                f"The other targets leave {free * 100:.0f} % of the position. Make one of them "
                "smaller first.",
            )
        found.append(TakeProfit(change.level, share))
    return found


def _share(plan: Plan | None, target: Target, row: Position) -> Decimal:
    """What is left of a target as a part of the position now, rounded up: the ladder cuts what goes
    beyond the whole.
    """
    left = plan.left(target) if plan else Decimal(0)
    return min((left / row.size).quantize(_SHARE, ROUND_UP), Decimal(1))


def with_levels(row: Position, plan: Plan | None, market: Market) -> list[tuple[Target, Level]]:
    """The open targets with the levels that they were given as."""
    if plan is None:
        return []
    given: dict[Decimal, Level] = {}
    for target in targets_from_json(plan.levels.get("take_profit")):
        given[_price(target.level, row, market, above=True)] = target.level
    return [
        (target, given.get(target.price, Level(price=target.price)))
        for target in plan.open_targets()
    ]


def _open_target(plan: Plan | None, target_id: int | None) -> Target | None:
    found = plan.open_targets() if plan else []
    return next((row for row in found if row.id == target_id), None)
