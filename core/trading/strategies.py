"""The counter for strategies: webhooks, their secrets, defaults, modes, accounts and aliases."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from core.ledger import accounts, signals, strategies
from core.ledger.models import Strategy
from core.signals.body import NAMES, template
from core.signals.identity import secret_hash
from core.signals.symbols import SymbolUnknown, resolve
from core.trading.account_settings import SettingsDesk
from core.trading.desk import StrategyChange
from core.trading.strategy_aliases import with_alias, without_alias
from core.trading.strategy_columns import columns_of
from core.trading.strategy_moving import move
from core.trading.strategy_rules import check_numbers, check_plan, check_whole, checked_name
from core.trading.strategy_silence import is_silent, tell_silent
from core.trading.strategy_views import strategy_view
from core.trading.views import DeskError, NewSecret, StrategyMode, StrategyView, TraderView

SECRET_BYTES: Final = 32
IN_ITS_PLACE: Final = "PUT-THE-SECRET-HERE"
DEFAULTS: Final[dict[str, Any]] = {
    "default_size_usd": Decimal(100),
    "take_profit_percent": Decimal(3),
    "stop_loss_percent": Decimal(2),
    "max_position_usd": Decimal(1000),
    "slippage_bps": 100,
    "max_alert_age_s": 60,
}


class StrategyDesk(SettingsDesk):
    """Strategies of accounts."""

    async def create_strategy(self, trader: TraderView, account_id: int, name: str) -> NewSecret:
        """Codes: unknown_account, name_taken, name_invalid."""
        name = checked_name(name)
        account = await self._own_account(trader, account_id)
        await self._check_name_free(trader, name)
        secret = self._office.random.token_urlsafe(SECRET_BYTES)
        async with self._office.ledger.executing():
            row = await strategies.add(
                trader_id=trader.id,
                account=account,
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

    async def alert_template(self, trader: TraderView, strategy_id: int) -> str:
        """The message in the preset's form, with a word in the place of the secret."""
        row = await self._own_strategy(trader, strategy_id)
        return template(row.preset, IN_ITS_PLACE, sync=row.sync)

    async def strategies(self, trader: TraderView) -> list[StrategyView]:
        return [
            await strategy_view(self._office, row) for row in await strategies.of_trader(trader.id)
        ]

    async def strategy(self, trader: TraderView, strategy_id: int) -> StrategyView:
        return await strategy_view(self._office, await self._own_strategy(trader, strategy_id))

    async def change_strategy(
        self, trader: TraderView, strategy_id: int, change: StrategyChange
    ) -> StrategyView:
        """Codes: unknown_strategy, value_invalid, symbol_unknown, name_taken, name_invalid,
        preset_unknown, stop_missing, target_missing.
        """
        row = await self._own_strategy(trader, strategy_id)
        check_plan(change.take_profits, change.trailing, change.break_even)
        values = columns_of(change)
        await self._check_values(trader, row, values)
        if values.get("silent_after_h") is not None:
            now = self._office.clock.now()
            told = is_silent(row, values["silent_after_h"], now)  # its trader sees that now
            values["silence_told_at"] = now if told else None
        await self._change(row, **values)
        return await self.strategy(trader, strategy_id)

    async def set_strategy_mode(
        self, trader: TraderView, strategy_id: int, mode: StrategyMode
    ) -> StrategyView:
        """A pause keeps the mode that was, for when it ends."""
        row = await self._own_strategy(trader, strategy_id)
        values = {"state": "paused"} if mode == "paused" else {"state": "active", "mode": mode}
        await self._change(row, **values)
        return await self.strategy(trader, strategy_id)

    async def move_strategy(
        self, trader: TraderView, strategy_id: int, account_id: int
    ) -> StrategyView:
        """Codes: unknown_strategy, unknown_account, same_account, strategy_holds, strategy_busy."""
        row = await self._own_strategy(trader, strategy_id)
        await move(self._office, row, await self._own_account(trader, account_id))
        await self._office.strategy_book.load()
        return await self.strategy(trader, strategy_id)

    async def add_alias(self, trader: TraderView, signal_id: UUID, ticker: str) -> StrategyView:
        """Codes: unknown_signal, unknown_strategy, alias_invalid, symbol_unknown."""
        signal = await signals.get(signal_id)
        if signal is None:
            raise DeskError("unknown_signal", "This alert does not exist.")
        row = await self._own_strategy(trader, signal.strategy_id)
        aliases = with_alias(row, signal, ticker, await self._tickers(row))
        await self._change(row, aliases=aliases)
        return await self.strategy(trader, row.id)

    async def remove_alias(self, trader: TraderView, strategy_id: int, symbol: str) -> StrategyView:
        """Codes: unknown_strategy, alias_unknown."""
        row = await self._own_strategy(trader, strategy_id)
        await self._change(row, aliases=without_alias(row, symbol) or None)
        return await self.strategy(trader, strategy_id)

    async def delete_strategy(self, trader: TraderView, strategy_id: int) -> None:
        """Its webhook is unknown from now on; positions it opened stay watched."""
        row = await self._own_strategy(trader, strategy_id)
        await self._change(row, state="deleted")

    async def tell_silent_strategies(self) -> None:
        """Tells traders whose strategies fell silent; a job calls this every few minutes."""
        await tell_silent(self._office)

    async def _check_values(
        self, trader: TraderView, row: Strategy, values: dict[str, Any]
    ) -> None:
        if "name" in values:
            values["name"] = checked_name(values["name"])
            if values["name"] != row.name:
                await self._check_name_free(trader, values["name"])
        if values.get("preset", row.preset) not in NAMES:
            raise DeskError("preset_unknown", "This form of alerts is not known here.")
        check_numbers(values)
        check_whole(row, values)
        if values.get("allowed_symbols") is not None:
            values["allowed_symbols"] = await self._resolved(row, values["allowed_symbols"])

    async def _resolved(self, row: Strategy, symbols: tuple[str, ...]) -> list[str]:
        tickers = await self._tickers(row)
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

    async def _tickers(self, row: Strategy) -> frozenset[str]:
        """The markets that the strategy's network lists now."""
        account = await accounts.get(row.account_id)
        return frozenset(self._venue(account.network).stream.markets.tickers())  # type: ignore[arg-type]

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
        view = await strategy_view(self._office, row)
        return NewSecret(view, secret, template(row.preset, secret, sync=row.sync))
