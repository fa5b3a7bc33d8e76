"""The desk's face: all that the chat and the webhook may ask of the core. Callers pass who asks;
ownership is checked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from core.dydx.network import NetworkName
from core.trading.key_views import KeyOffer, KeyWorkView
from core.trading.views import (
    AccountView,
    AlertAnswer,
    CredentialPreview,
    IntentView,
    NewSecret,
    OpenOrderView,
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

    async def preview_trading_key(
        self, trader: TraderView, network: NetworkName, text: str, known_address: str | None = None
    ) -> CredentialPreview:
        """Reads a trading key (private key and its account's address) and asks the chain what it
        can and cannot do; stores nothing. Codes: key_missing, key_malformed, key_several,
        address_missing, address_malformed, address_of_key, address_several, key_is_owner,
        key_not_listed, key_can_more, key_can_less, key_odd, network_unreachable, account_taken,
        account_leaving, key_in_the_making, network_refused.
        """

    async def confirm_preview(self, trader: TraderView, token: str) -> AccountView:
        """Seals the key of a preview and stores the account. Codes: preview_gone, account_taken,
        and those of `preview_trading_key`.
        """

    def forget_preview(self, trader: TraderView, token: str) -> None:
        """Drops a preview and its key from memory."""

    async def accounts(self, trader: TraderView) -> list[AccountView]: ...

    async def disconnect_account(
        self, trader: TraderView, account_id: int, message_id: int | None = None
    ) -> KeyWorkView:
        """Pauses the account's strategies, cancels every order that its key can cancel, proves each
        gone, then erases the sealed key. `message_id` shows the progress; a KeyTold event tells the
        end. Codes: unknown_account, position_open.
        """

    async def erase_now(self, trader: TraderView, work_id: int) -> KeyWorkView:
        """Erases the key of an account that is being disconnected without waiting for its orders.
        Code: unknown_work.
        """

    # trading keys
    def address_in(self, text: str) -> str | None:
        """The one dYdX address in a message that holds no key, else None."""

    async def offer_key(self, trader: TraderView, network: NetworkName, phrase: str) -> KeyOffer:
        """What a trading key for a phrase's account may do and costs; stores and signs nothing.
        Codes as of `preview_phrase`.
        """

    async def check_offer(self, trader: TraderView, token: str) -> KeyOffer:
        """The same offer with the balances of now. Codes: preview_gone, network_unreachable."""

    async def make_key(self, trader: TraderView, token: str, message_id: int | None) -> KeyWorkView:
        """Begins to make the key of an offer; goes on after a restart. Codes: preview_gone,
        fee_missing, account_taken, network_unreachable.
        """

    async def retry_key(
        self, trader: TraderView, work_id: int, message_id: int | None
    ) -> KeyWorkView:
        """Goes on with a key that was stuck. Code: unknown_work."""

    async def abandon_key(self, trader: TraderView, work_id: int) -> KeyWorkView:
        """Erases a key in the making and the owner's key with it. Code: unknown_work."""

    async def remove_key(
        self, trader: TraderView, work_id: int, phrase: str, message_id: int | None
    ) -> KeyWorkView:
        """Has the chain forget a key that was erased here; the phrase signs once. Codes:
        unknown_work, wrong_phrase, not_listed, fee_missing, network_unreachable, phrase_….
        """

    async def is_revoked(self, trader: TraderView, work_id: int) -> bool:
        """Whether the chain lists a key no more. Codes: unknown_work, network_unreachable."""

    async def open_key_work(self, trader: TraderView) -> list[KeyWorkView]:
        """Work on keys that is under way or waits for this trader, oldest first."""

    async def key_work(self, work_id: int) -> KeyWorkView:
        """How work on a key stands; for the notifier. Code: unknown_work."""

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

    # orders
    async def open_orders(self, trader: TraderView) -> list[OpenOrderView]:
        """The orders that wait in the chain's state, oldest first."""

    async def cancel_order(self, trader: TraderView, order_id: int) -> OpenOrderView:
        """Has a waiting order cancelled; its card tells when it is proved. Asking again changes
        nothing. Codes: unknown_order, order_over, order_protects (it belongs to a plan), not_ready.
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
