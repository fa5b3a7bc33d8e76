"""Moving a strategy to another account or network, while nothing of it is open or under way."""

from __future__ import annotations

from core.ledger import accounts, strategies
from core.ledger.models import Account, Strategy
from core.trading import states
from core.trading.office import Office
from core.trading.strategy_views import holdings_of
from core.trading.views import DeskError


async def move(office: Office, row: Strategy, target: Account) -> None:
    """Gives a strategy to another account; webhook, secret and values stay. Codes: same_account,
    strategy_holds, strategy_busy.
    """
    if target.id == row.account_id:
        raise DeskError("same_account", "The strategy trades on this account already.")
    async with office.ledger.executing():
        await accounts.lock(row.account_id)
        fresh = await strategies.lock(row.id)
        await _check_flat(fresh)
        await strategies.change(row.id, account_id=target.id, partition=target.partition)


async def _check_flat(row: Strategy) -> None:
    held = await holdings_of(row)
    if held:
        names = ", ".join(one.ticker for one in held)
        raise DeskError(
            "strategy_holds",
            f"{row.name} holds {names} on this account. Close it first; then it can be moved.",
        )
    if await strategies.is_busy(row.id, row.account_id, states.WORKING):
        raise DeskError(
            "strategy_busy",
            f"An alert or an order of {row.name} is not over yet. Cancel it or wait for its end; "
            "then it can be moved.",
        )
