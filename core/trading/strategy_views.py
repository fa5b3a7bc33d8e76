"""How a strategy is shown: its values, what it holds, its latest alert."""

from __future__ import annotations

from typing import Any

from core.ledger import accounts, books, strategies
from core.ledger.models import Strategy
from core.trading.holdings import plain_view
from core.trading.office import Office
from core.trading.plan import break_even_from_json, trailing_from_json
from core.trading.share_keeper import share_of
from core.trading.strategy_columns import take_profits_of
from core.trading.views import Holding, LastAlert, StrategyView


async def strategy_view(office: Office, row: Strategy) -> StrategyView:
    """A strategy without its secret."""
    account = await accounts.get(row.account_id)
    base = office.settings.public_url.rstrip("/")
    return StrategyView(
        id=row.id,
        name=row.name,
        state=row.state,
        account=plain_view(account),
        webhook_url=f"{base}/api/webhooks/signal/{row.webhook_uuid}",
        default_size=row.default_size,
        default_size_usd=row.default_size_usd,
        stop_loss_percent=row.stop_loss_percent,
        max_position_usd=row.max_position_usd,
        allowed_symbols=None if row.allowed_symbols is None else tuple(row.allowed_symbols),
        slippage_bps=row.slippage_bps,
        max_alert_age_s=row.max_alert_age_s,
        first_outside_alert_at=row.first_outside_alert_at,
        mode=row.mode,  # type: ignore[arg-type]
        preset=row.preset,
        sync=row.sync,
        default_equity_percent=row.default_equity_percent,
        default_risk_percent=row.default_risk_percent,
        take_profits=take_profits_of(row),
        trailing=trailing_from_json(row.trailing),
        break_even=break_even_from_json(row.break_even),
        aliases=tuple(sorted((row.aliases or {}).items())),
        silent_after_h=row.silent_after_h,
        last_alert=await _last_alert(row),
        holdings=await holdings_of(row),
    )


async def _last_alert(row: Strategy) -> LastAlert | None:
    signal = await strategies.last_signal(row.id)
    if signal is None:
        return None
    return LastAlert(
        at=signal.received_at,
        symbol=str(signal.parsed.get("symbol") or ""),
        action=_action(signal.parsed),
        state=signal.state,
        reason_text=signal.reason_text,
    )


def _action(parsed: dict[str, Any]) -> str:
    """What an alert asked for; one without an action names the position that it wants."""
    target = parsed.get("target") or {}
    return str(parsed.get("action") or target.get("position") or "")


async def holdings_of(row: Strategy) -> tuple[Holding, ...]:
    """What a strategy holds on its account, by market."""
    shares = [one for one in await books.shares_of_strategy(row.id) if one.size]
    opened = await strategies.held(row.id, row.account_id)
    tickers = {one.ticker for one in shares if one.account_id == row.account_id}
    found = []
    for ticker in sorted(tickers | {one.ticker for one in opened}):
        size = await share_of(row.account_id, ticker, row.id)
        if size:
            found.append(Holding(ticker, "LONG" if size > 0 else "SHORT", abs(size)))
    return tuple(found)
