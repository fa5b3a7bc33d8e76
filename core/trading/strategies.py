"""The counter for strategies: webhooks, their secrets and their defaults."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any

from core.ledger import accounts, strategies
from core.ledger.models import Strategy
from core.signals.identity import secret_hash
from core.signals.symbols import SymbolUnknown, resolve
from core.signals.template import alert_template
from core.trading.desk import StrategyChange
from core.trading.holdings import plain_view
from core.trading.key_desk import KeyDesk
from core.trading.views import DeskError, NewSecret, StrategyView, TraderView

SECRET_BYTES = 32
MAX_NAME = 32
DEFAULTS: dict[str, Any] = {
    "default_size_usd": Decimal(100),
    "take_profit_percent": Decimal(3),
    "stop_loss_percent": Decimal(2),
    "max_position_usd": Decimal(1000),
    "slippage_bps": 100,
    "max_alert_age_s": 60,
}
_CLEARABLE = frozenset(
    {
        "default_size",
        "default_size_usd",
        "take_profit_percent",
        "stop_loss_percent",
        "max_position_usd",
        "allowed_symbols",
    }
)


class StrategyDesk(KeyDesk):
    """Strategies of accounts."""

    async def create_strategy(self, trader: TraderView, account_id: int, name: str) -> NewSecret:
        """Codes: unknown_account, name_taken, name_invalid."""
        name = _checked_name(name)
        owned = {row.id: row for row in await accounts.of_trader(trader.id)}
        if account_id not in owned:
            raise DeskError("unknown_account", "This account is not connected any more.")
        await self._check_name_free(trader, name)
        secret = self._office.random.token_urlsafe(SECRET_BYTES)
        async with self._office.ledger.executing():
            row = await strategies.add(
                trader_id=trader.id,
                account=owned[account_id],
                name=name,
                webhook_uuid=self._office.random.uuid4(),
                secret_hash=secret_hash(secret),
                now=self._office.clock.now(),
                **DEFAULTS,
            )
        await self._office.strategy_book.load()
        return await self._with_secret(row, secret)

    async def rotate_secret(self, trader: TraderView, strategy_id: int) -> NewSecret:
        """A new secret; the old one stops working at once."""
        row = await self._own_strategy(trader, strategy_id)
        secret = self._office.random.token_urlsafe(SECRET_BYTES)
        await self._change(row, secret_hash=secret_hash(secret))
        return await self._with_secret(row, secret)

    async def strategies(self, trader: TraderView) -> list[StrategyView]:
        return [await self._strategy_view(row) for row in await strategies.of_trader(trader.id)]

    async def strategy(self, trader: TraderView, strategy_id: int) -> StrategyView:
        return await self._strategy_view(await self._own_strategy(trader, strategy_id))

    async def change_strategy(
        self, trader: TraderView, strategy_id: int, change: StrategyChange
    ) -> StrategyView:
        """Codes: unknown_strategy, value_invalid, symbol_unknown, name_taken, name_invalid."""
        row = await self._own_strategy(trader, strategy_id)
        values = {
            item.name: getattr(change, item.name)
            for item in fields(change)
            if item.name != "clear" and getattr(change, item.name) is not None
        }
        values |= dict.fromkeys(change.clear & _CLEARABLE)
        await self._check_values(trader, row, values)
        if "default_size" in values and values["default_size"] is not None:
            values["default_size_usd"] = None
        elif "default_size_usd" in values and values["default_size_usd"] is not None:
            values["default_size"] = None
        await self._change(row, **values)
        return await self.strategy(trader, strategy_id)

    async def pause_strategy(
        self, trader: TraderView, strategy_id: int, paused: bool
    ) -> StrategyView:
        row = await self._own_strategy(trader, strategy_id)
        await self._change(row, state="paused" if paused else "active")
        return await self.strategy(trader, strategy_id)

    async def delete_strategy(self, trader: TraderView, strategy_id: int) -> None:
        """Its webhook is unknown from now on; positions it opened stay watched."""
        row = await self._own_strategy(trader, strategy_id)
        await self._change(row, state="deleted")

    async def _check_values(
        self, trader: TraderView, row: Strategy, values: dict[str, Any]
    ) -> None:
        if "name" in values:
            values["name"] = _checked_name(values["name"])
            if values["name"] != row.name:
                await self._check_name_free(trader, values["name"])
        for name in ("default_size", "default_size_usd", "max_position_usd"):
            if values.get(name) is not None and values[name] <= 0:
                raise DeskError("value_invalid", "The value must be above zero.")
        for name, limit in (("take_profit_percent", 1000), ("stop_loss_percent", 100)):
            if values.get(name) is not None and not 0 < values[name] < limit:
                raise DeskError(
                    "value_invalid", f"The distance must be above 0 and below {limit} percent."
                )
        if "slippage_bps" in values and not 1 <= values["slippage_bps"] <= 500:
            raise DeskError("value_invalid", "Slippage must be between 0.01 and 5 percent.")
        if "max_alert_age_s" in values and not 1 <= values["max_alert_age_s"] <= 3600:
            raise DeskError("value_invalid", "The age limit must be between 1 and 3600 seconds.")
        if values.get("allowed_symbols") is not None:
            values["allowed_symbols"] = await self._resolved(row, values["allowed_symbols"])

    async def _resolved(self, row: Strategy, symbols: tuple[str, ...]) -> list[str]:
        account = await accounts.get(row.account_id)
        tickers = self._venue(account.network).stream.markets.tickers()  # type: ignore[arg-type]
        resolved = []
        for symbol in symbols:
            try:
                resolved.append(resolve(symbol, tickers))
            except SymbolUnknown as unknown:
                near = f" Nearest: {', '.join(unknown.nearest)}." if unknown.nearest else ""
                raise DeskError(
                    "symbol_unknown", f"dYdX has no market for {symbol}.{near}"
                ) from None
        return resolved

    async def _check_name_free(self, trader: TraderView, name: str) -> None:
        if name in {row.name for row in await strategies.of_trader(trader.id)}:
            raise DeskError("name_taken", f"You have a strategy named {name} already.")

    async def _own_strategy(self, trader: TraderView, strategy_id: int) -> Strategy:
        row = await strategies.get(strategy_id)
        if row is None or row.trader_id != trader.id or row.state == "deleted":
            raise DeskError("unknown_strategy", "This strategy does not exist any more.")
        return row

    async def _change(self, row: Strategy, **values: Any) -> None:
        async with self._office.ledger.executing():
            await strategies.change(row.id, **values)
        await self._office.strategy_book.load()

    async def _with_secret(self, row: Strategy, secret: str) -> NewSecret:
        return NewSecret(await self._strategy_view(row), secret, alert_template(secret))

    async def _strategy_view(self, row: Strategy) -> StrategyView:
        account = await accounts.get(row.account_id)
        base = self._office.settings.public_url.rstrip("/")
        return StrategyView(
            id=row.id,
            name=row.name,
            state=row.state,
            account=plain_view(account),
            webhook_url=f"{base}/api/webhooks/signal/{row.webhook_uuid}",
            default_size=row.default_size,
            default_size_usd=row.default_size_usd,
            take_profit_percent=row.take_profit_percent,
            stop_loss_percent=row.stop_loss_percent,
            max_position_usd=row.max_position_usd,
            allowed_symbols=None if row.allowed_symbols is None else tuple(row.allowed_symbols),
            slippage_bps=row.slippage_bps,
            max_alert_age_s=row.max_alert_age_s,
            first_outside_alert_at=row.first_outside_alert_at,
        )


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise DeskError("name_invalid", f"A name has 1 to {MAX_NAME} printable characters.")
    return name
