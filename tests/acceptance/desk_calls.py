"""What a test may ask of the desk through the door of `desk_process`; JSON in and out."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Awaitable, Callable
from decimal import Decimal
from enum import Enum
from typing import Any, Final
from uuid import UUID

from bot.app import Process
from core.clock import SystemRandom
from core.dydx.orders import market_draft
from core.dydx.protocol import Side
from core.ledger import accounts, models, raw
from core.signals.alert import BreakEven, Level, TakeProfit, Trailing
from core.trading.desk import StrategyChange
from core.trading.plan_change import EvenAt, PlanChange, StopTo, TrailBy
from core.trading.risk.limits import Mode, ScopeKind
from core.trading.rows import cancel_of
from core.trading.signing import Signer
from core.trading.venue import Venue


async def ask(process: Process, *, who: int, method: str, **given: Any) -> Any:
    """A method of the desk, as this Telegram user."""
    trader = await process.desk.trader_of(who, f"Trader {who}")
    values = {name: _value(method, name, value) for name, value in given.items()}
    return await getattr(process.desk, method)(trader, **values)


async def meet(process: Process, *, who: int) -> Any:
    """Somebody shows up."""
    return await process.desk.trader_of(who, f"Trader {who}")


async def admin_link(process: Process) -> Any:
    """A new one-time link's token."""
    return await process.desk.make_admin_link()


async def use_admin_link(process: Process, *, who: int, token: str) -> Any:
    """Somebody follows it."""
    return await process.desk.use_admin_link(who, f"Trader {who}", token)


async def rows(process: Process, *, sql: str) -> Any:
    """What the ledger holds."""
    return await raw.run(sql)


async def spoil(process: Process, *, model: str, where: dict[str, Any], **values: Any) -> Any:
    """Changes rows behind the desk's back; True when there were any."""
    async with process.ledger.executing():
        return bool(await getattr(models, model).filter(**where).update(**values))


async def age(
    process: Process, *, model: str, where: dict[str, Any], fields: list[str], seconds: float
) -> Any:
    """Has moments in the ledger lie further back."""
    then = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=seconds)
    async with process.ledger.executing():
        rows = getattr(models, model).filter(**where)
        return bool(await rows.update(**dict.fromkeys(fields, then)))


async def trade_by_hand(
    process: Process, *, account_id: int, ticker: str, side: str, size: str
) -> Any:
    """A market order with the account's own key, as a front end would place it."""
    account, venue, signer = await _hand(process, account_id)
    market = venue.stream.markets.get(ticker)
    assert market is not None
    draft = market_draft(
        address=account.address,
        number=0,
        client_id=SystemRandom().below(2**32),
        market=market,
        side=Side(side),
        size=Decimal(size),
        slippage_bps=200,
        height=(await venue.node.latest_block()).height,
    )
    answer = await venue.node.broadcast(signer.sign([draft]).tx)
    return answer.outcome.value


async def cancel_by_hand(process: Process, *, order_id: int) -> Any:
    """Cancels an order in the chain's state as a front end would."""
    order = await models.Order.get(id=order_id)
    account, venue, signer = await _hand(process, order.account_id)
    owner = venue.owner(account.address)
    nonce = owner.nonce(await venue.node.tip(), 0.0, committed_sequence=None, urgent=True)
    answer = await venue.node.broadcast(signer.sign([cancel_of(account, order)], sequence=nonce).tx)
    return answer.outcome.value


async def _hand(process: Process, account_id: int) -> tuple[models.Account, Venue, Signer]:
    account = await accounts.get(account_id)
    credential = await accounts.credential(account_id)
    assert credential is not None
    if account.chain_account_number is None:
        venue = process.venues[account.network]  # type: ignore[index]
        on_chain = await venue.node.account(account.address)
        assert on_chain is not None
        account.chain_account_number = on_chain.number
    venue = process.venues[account.network]  # type: ignore[index]
    vault = process.desk._office.vault
    return account, venue, Signer(account, credential, vault, venue.network.chain_id)


async def ready(process: Process) -> Any:
    """The accounts whose lanes are open."""
    return sorted(seat.account.id for seat in process.lanes.seats() if seat.ready)


CALLS: Final[dict[str, Callable[..., Awaitable[Any]]]] = {
    one.__name__: one
    for one in (
        ask,
        meet,
        admin_link,
        use_admin_link,
        rows,
        spoil,
        age,
        trade_by_hand,
        cancel_by_hand,
        ready,
    )
}


def _level(given: dict[str, str]) -> Level:
    return Level(**{name: Decimal(value) for name, value in given.items()})


def _strategy_change(given: dict[str, Any]) -> StrategyChange:
    read: dict[str, Callable[[Any], Any]] = {
        "clear": frozenset,
        "allowed_symbols": tuple,
        "trailing": lambda value: Trailing(_level(value)),
        "break_even": lambda value: BreakEven(_level(value)),
        "take_profits": lambda rows: tuple(TakeProfit(_level(row)) for row in rows),
    }
    values = {}
    for name, value in given.items():
        if name in read:
            values[name] = read[name](value)
        elif isinstance(value, str) and name not in ("name", "preset"):
            values[name] = Decimal(value)
        else:
            values[name] = value
    return StrategyChange(**values)


def _plan_change(given: dict[str, Any]) -> PlanChange:
    (kind, level), *_ = given.items()
    found: PlanChange
    if kind == "stop":
        found = StopTo(_level(level))
    elif kind == "trail":
        found = TrailBy(Trailing(_level(level)))
    else:
        found = EvenAt(BreakEven(_level(level)))
    return found


def _value(method: str, name: str, value: Any) -> Any:
    if name == "change":
        read = _plan_change if method == "adjust_plan" else _strategy_change
        return read(value)
    if name == "signal_id":
        return UUID(value)
    if name == "fraction":
        return Decimal(value)
    if name == "kind":
        return ScopeKind(value)
    if name == "mode" and method == "set_risk_mode":
        return Mode(value)
    return value


def encoded(value: Any) -> Any:
    """As JSON has it."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: encoded(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, dict):
        return {str(key): encoded(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [encoded(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
