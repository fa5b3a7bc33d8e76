"""The desk's face: all that the chat and the webhook may ask of the core. Callers pass who asks;
ownership is checked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from core.dydx.network import NetworkName
from core.trading.views import (
    AccountView,
    AlertAnswer,
    CredentialPreview,
    IntentView,
    NewSecret,
    OrderView,
    PositionView,
    SignalView,
    StatusView,
    StrategyView,
    TraderView,
)


class LedgerUnavailable(Exception):
    """An alert could not be stored; the sender must send it again."""


@dataclass(frozen=True)
class StrategyChange:
    """New values for a strategy; a field left at None is not touched, `clear` names fields to
    empty.
    """

    name: str | None = None
    default_size: Decimal | None = None
    default_size_usd: Decimal | None = None
    take_profit_percent: Decimal | None = None
    stop_loss_percent: Decimal | None = None
    max_position_usd: Decimal | None = None
    allowed_symbols: tuple[str, ...] | None = None
    slippage_bps: int | None = None
    max_alert_age_s: int | None = None
    clear: frozenset[str] = frozenset()


class Desk(Protocol):
    """Every method raises DeskError (stable code, sentence for the person) when it refuses; then
    nothing was changed.
    """

    # people
    async def trader_of(self, telegram_id: int, name: str) -> TraderView:
        """The trader of a Telegram user; made on first sight: admin by ADMIN_IDS, trader under
        SIGNUP=open, else pending (admins are told by an AccessAsked event) or refused under
        SIGNUP=closed.
        """

    async def use_admin_link(self, telegram_id: int, name: str, token: str) -> TraderView:
        """Makes the visitor admin. Codes: link_unknown, link_used, link_expired."""

    async def answer_access(self, admin: TraderView, trader_id: int, granted: bool) -> TraderView:
        """Lets a pending trader in or turns him away; he is told by an AccessAnswered event. Codes:
        not_admin, unknown_trader.
        """

    async def pending_traders(self, admin: TraderView) -> list[TraderView]: ...

    # accounts
    def networks(self) -> tuple[NetworkName, ...]:
        """The networks offered, in order."""

    async def open_paper_account(self, trader: TraderView) -> AccountView:
        """Makes a key, funds its subaccount from the paper faucet and stores it: one tap. Codes:
        network_unreachable, faucet_refused.
        """

    async def preview_phrase(
        self, trader: TraderView, network: NetworkName, phrase: str
    ) -> CredentialPreview:
        """Derives the account of a phrase (12 to 24 words) and looks it up; stores nothing. Codes:
        phrase_length, phrase_word, phrase_checksum, network_unreachable, account_taken,
        network_refused.
        """

    async def confirm_phrase(self, trader: TraderView, token: str) -> AccountView:
        """Seals the key of a preview and stores the account. Codes: preview_gone, account_taken."""

    def forget_preview(self, trader: TraderView, token: str) -> None:
        """Drops a preview and its key from memory."""

    async def accounts(self, trader: TraderView) -> list[AccountView]: ...

    async def disconnect_account(self, trader: TraderView, account_id: int) -> None:
        """Erases the sealed key; strategies of it are paused. Codes: unknown_account,
        position_open.
        """

    # strategies
    async def create_strategy(self, trader: TraderView, account_id: int, name: str) -> NewSecret:
        """Codes: unknown_account, name_taken, name_invalid."""

    async def rotate_secret(self, trader: TraderView, strategy_id: int) -> NewSecret: ...

    async def strategies(self, trader: TraderView) -> list[StrategyView]: ...

    async def strategy(self, trader: TraderView, strategy_id: int) -> StrategyView:
        """Code: unknown_strategy."""

    async def change_strategy(
        self, trader: TraderView, strategy_id: int, change: StrategyChange
    ) -> StrategyView:
        """Codes: unknown_strategy, value_invalid, symbol_unknown."""

    async def pause_strategy(
        self, trader: TraderView, strategy_id: int, paused: bool
    ) -> StrategyView: ...

    async def delete_strategy(self, trader: TraderView, strategy_id: int) -> None: ...

    # signals
    async def receive_alert(self, webhook_uuid: str, raw: bytes) -> AlertAnswer:
        """The webhook's whole work: authenticates, stores, hands to the lane and waits a little for
        the outcome. Never raises for what a body contains; raises LedgerUnavailable when the alert
        could not be stored.
        """

    async def send_test_alert(self, trader: TraderView, strategy_id: int, key: str) -> AlertAnswer:
        """An alert of the smallest size from the inside; proves nothing about the way from
        TradingView. `key` makes it act once.
        """

    async def signal(self, signal_id: UUID) -> SignalView: ...

    # positions
    async def positions(
        self, trader: TraderView, *, include_closed: bool = False
    ) -> list[PositionView]: ...

    async def position(self, trader: TraderView, position_id: int) -> PositionView:
        """Code: unknown_position."""

    async def close_position(
        self, trader: TraderView, position_id: int, version: int, fraction: Decimal, key: str
    ) -> None:
        """Asks for a reduce-only close at market of a fraction (0 < f ≤ 1); the outcome follows as
        events. The same `key` acts once. Codes: unknown_position, position_changed (another
        version), position_closed, below_step.
        """

    async def adjust_protection(
        self,
        trader: TraderView,
        position_id: int,
        version: int,
        take_profit: Decimal | None,
        stop_loss: Decimal | None,
    ) -> PositionView:
        """Sets or (None) removes the prices of the plan. Codes: unknown_position, position_changed,
        position_closed, price_side (a stop above the price of a long, …), price_tick.
        """

    async def status(self, trader: TraderView) -> StatusView: ...

    # used by the notifier, which renders outbox rows for their owner
    async def trader(self, trader_id: int) -> TraderView: ...

    async def position_by_id(self, position_id: int) -> PositionView: ...


class NotifierDesk(Desk, Protocol):
    """What the notifier asks besides: rows that its messages name, for their owner."""

    async def order(self, order_id: int) -> OrderView:
        """Code: unknown_order."""

    async def intent(self, intent_id: int) -> IntentView:
        """Code: unknown_intent."""
