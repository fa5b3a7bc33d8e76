"""The desk's face: all that the chat and the webhook may ask of the core. Callers pass who asks;
ownership is checked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol
from uuid import UUID

from core.dydx.network import NetworkName
from core.signals.alert import BreakEven, TakeProfit, Trailing
from core.trading.key_views import KeyOffer, KeyWorkView
from core.trading.plan_change import PlanChange
from core.trading.risk.limits import Mode, ScopeKind
from core.trading.risk.views import PanicPreview, PanicView, ScopeView, ZoneView
from core.trading.views import (
    AccountView,
    Adopter,
    AlertAnswer,
    ChartView,
    CredentialPreview,
    ExternalOrderView,
    IntentView,
    MockOrderView,
    NewSecret,
    OpenOrderView,
    OrderView,
    PositionView,
    SignalView,
    StatusView,
    StrategyMode,
    StrategyResult,
    StrategyView,
    TraderView,
    WithoutStopRoom,
)


class LedgerUnavailable(Exception):
    """An alert could not be stored; the sender must send it again."""


@dataclass(frozen=True)
class StrategyChange:
    """New values for a strategy; a field left at None is not touched, `clear` names fields to
    empty. A new default size takes the place of the old one. Levels are percentages of the entry.
    """

    name: str | None = None
    preset: str | None = None
    sync: bool | None = None
    default_size: Decimal | None = None
    default_size_usd: Decimal | None = None
    default_equity_percent: Decimal | None = None
    default_risk_percent: Decimal | None = None
    take_profits: tuple[TakeProfit, ...] | None = None
    stop_loss_percent: Decimal | None = None
    trailing: Trailing | None = None
    break_even: BreakEven | None = None
    max_position_usd: Decimal | None = None
    allowed_symbols: tuple[str, ...] | None = None
    slippage_bps: int | None = None
    max_alert_age_s: int | None = None
    silent_after_h: int | None = None
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

    async def mock_when_unreachable(self, trader: TraderView) -> bool:
        """Whether an order that no node could be given becomes a mock order."""

    async def set_mock_when_unreachable(self, trader: TraderView, on: bool) -> None: ...

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

    async def set_sharing(self, trader: TraderView, account_id: int, sharing: bool) -> AccountView:
        """Whether several strategies may hold one market of an account; changed only while it is
        flat. Codes: unknown_account, position_open, account_busy.
        """

    async def set_without_stop_room(
        self, trader: TraderView, account_id: int, choice: WithoutStopRoom
    ) -> AccountView:
        """What becomes of an entry whose stop cannot rest on chain. Code: unknown_account."""

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
        """Codes: unknown_strategy, value_invalid, symbol_unknown, name_taken, name_invalid,
        preset_unknown, stop_missing, target_missing.
        """

    async def set_strategy_mode(
        self, trader: TraderView, strategy_id: int, mode: StrategyMode
    ) -> StrategyView:
        """Code: unknown_strategy."""

    async def alert_template(self, trader: TraderView, strategy_id: int) -> str:
        """The strategy's message in its preset's form, with a word in the place of the secret.
        Code: unknown_strategy.
        """

    async def move_strategy(
        self, trader: TraderView, strategy_id: int, account_id: int
    ) -> StrategyView:
        """Gives a flat strategy to another account; webhook and secret stay. Codes:
        unknown_strategy, unknown_account, same_account, strategy_holds, strategy_busy.
        """

    async def add_alias(self, trader: TraderView, signal_id: UUID, ticker: str) -> StrategyView:
        """From now on the unknown symbol of a refused signal means `ticker`, in alerts of its
        strategy. The signal itself stays refused. Codes: unknown_signal, unknown_strategy,
        alias_invalid, symbol_unknown.
        """

    async def remove_alias(self, trader: TraderView, strategy_id: int, symbol: str) -> StrategyView:
        """Codes: unknown_strategy, alias_unknown."""

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

    async def execute_signal(self, trader: TraderView, signal_id: UUID, key: str) -> None:
        """Carries out a signal that waits for its trader; once, whatever `key`s come. Codes:
        unknown_signal, signal_over.
        """

    async def ignore_signal(self, trader: TraderView, signal_id: UUID) -> None:
        """Lets a signal that waits for its trader go. Codes: unknown_signal, signal_over."""

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
        version), position_closed, position_external (made by hand), below_step.
        """

    async def adjust_plan(
        self, trader: TraderView, position_id: int, version: int, change: PlanChange
    ) -> PositionView:
        """Changes one thing of a position's plan. Codes: unknown_position, position_changed,
        position_closed, prices_stale, price_not_of_paper, price_side (a stop above the price of a
        long, …), price_tick, fraction_invalid, unknown_target.
        """

    # orders
    async def open_orders(self, trader: TraderView) -> list[OpenOrderView]:
        """The orders that wait in the chain's state, oldest first."""

    async def mock_orders(self, trader: TraderView) -> list[MockOrderView]:
        """The latest orders that were not sent, as no node could be reached, and that were not sent
        for real since; newest first.
        """

    async def cancel_order(self, trader: TraderView, order_id: int) -> OpenOrderView:
        """Has a waiting order cancelled; its card tells when it is proved. Asking again changes
        nothing. Codes: unknown_order, order_over, order_protects (it belongs to a plan), not_ready.
        """

    # what was made by hand
    async def external_orders(self, trader: TraderView) -> list[ExternalOrderView]:
        """The orders that wait on the trader's accounts and that the bot did not make. An account
        that cannot be read is left out.
        """

    async def adopters(self, trader: TraderView, position_id: int) -> list[Adopter]:
        """The strategies that could adopt what was made by hand of a position. Codes:
        unknown_position, position_closed, nothing_by_hand.
        """

    async def check_adoption(
        self, trader: TraderView, position_id: int, strategy_id: int
    ) -> Adopter:
        """The strategy that would adopt, for the question before. Codes as of `adopt_position`."""

    async def adopt_position(
        self, trader: TraderView, position_id: int, version: int, strategy_id: int
    ) -> None:
        """Gives what was made by hand of a position to a strategy of its account: the strategy's
        plan and limits hold for it from now on; nothing is traded. Codes: unknown_position,
        position_closed, position_changed, nothing_by_hand, unknown_strategy, market_in_use,
        symbol_not_allowed, max_position, prices_stale, price_side (its plan would close it at
        once).
        """

    async def strategy_result(self, trader: TraderView, strategy_id: int) -> StrategyResult:
        """What a strategy made of its shares. Code: unknown_strategy."""

    # limits
    async def risk_scopes(self, trader: TraderView) -> list[ScopeView]:
        """All that this trader may set limits for: his accounts and strategies, for an admin the
        whole bot first.
        """

    async def risk_scope(self, trader: TraderView, kind: ScopeKind, ref: int) -> ScopeView:
        """One of them. Codes: unknown_scope, not_admin."""

    async def change_limit(
        self, trader: TraderView, kind: ScopeKind, ref: int, field: str, text: str
    ) -> ScopeView:
        """Sets one limit (`limits.FIELDS`) from what its owner wrote; none lifts it. Codes:
        unknown_scope, not_admin, value_invalid, symbol_unknown.
        """

    async def set_risk_mode(
        self, trader: TraderView, kind: ScopeKind, ref: int, mode: Mode
    ) -> ScopeView:
        """Codes: unknown_scope, not_admin."""

    async def resume_risk(self, trader: TraderView, kind: ScopeKind, ref: int) -> ScopeView:
        """Opens a scope again, whatever limit or mode closed it. Codes: unknown_scope,
        not_admin.
        """

    async def zone(self, trader: TraderView) -> ZoneView:
        """Where this trader's days begin."""

    async def set_zone(self, trader: TraderView, text: str) -> ZoneView:
        """Another zone, from the next day on. Code: zone_unknown."""

    # panic
    async def panic_preview(self, trader: TraderView, *, house: bool = False) -> PanicPreview:
        """What a panic would meet. Code: not_admin."""

    async def panic(
        self, trader: TraderView, key: str, message_id: int | None, *, house: bool = False
    ) -> PanicView:
        """Halts, cancels every order, closes every position, also what was made by hand, and proves
        each; `message_id` shows the progress, a PanicTold event the end. With `house` an admin does
        it to the whole bot. The same `key` acts once. Codes: not_admin, no_account.
        """

    async def close_all(self, trader: TraderView, key: str, message_id: int | None) -> PanicView:
        """Closes every position, also what was made by hand. The same `key` acts once. Code:
        no_account.
        """

    async def resume_after_panic(self, trader: TraderView, *, house: bool = False) -> int:
        """Opens what a panic halted; how many scopes. Code: not_admin."""

    async def panic_view(self, panic_id: int) -> PanicView:
        """How a panic stands; for the notifier. Code: unknown_panic."""

    async def status(self, trader: TraderView) -> StatusView: ...

    # TradingView's positions
    async def chart_positions(self, trader: TraderView) -> list[ChartView]:
        """Where the charts of a trader's active strategies stand, as their alerts said last."""

    async def chart_by_id(self, trader: TraderView, chart_id: int) -> ChartView:
        """One of them, whatever the strategy does now. Codes: unknown_strategy, unknown_target."""

    async def sync_strategy(
        self, trader: TraderView, strategy_id: int, ticker: str, key: str
    ) -> ChartView:
        """Brings a strategy to where its chart stood last; the outcome follows as events. The same
        `key` acts once. Codes: unknown_strategy, unknown_target, in_sync, size_missing, not_ready.
        """

    async def ignore_drift(self, trader: TraderView, strategy_id: int, ticker: str) -> ChartView:
        """Leaves a strategy as it is: nothing more is said until chart and strategy agree again, or
        the chart turns. Codes: unknown_strategy, unknown_target.
        """

    # used by the notifier, which renders outbox rows for their owner
    async def trader(self, trader_id: int) -> TraderView: ...

    async def position_by_id(self, position_id: int) -> PositionView: ...


class NotifierDesk(Desk, Protocol):
    """What the notifier asks besides: rows that its messages name, for their owner."""

    async def order(self, order_id: int) -> OrderView:
        """Code: unknown_order."""

    async def intent(self, intent_id: int) -> IntentView:
        """Code: unknown_intent."""

    async def chart_position(self, trader: TraderView, strategy_id: int, ticker: str) -> ChartView:
        """Codes: unknown_strategy, unknown_target."""
