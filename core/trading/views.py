"""What the desk tells its callers: plain typed values, never ledger rows."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal
from uuid import UUID

from core.dydx.network import NetworkName
from core.signals.alert import BreakEven, MarketPosition, TakeProfit, Trailing
from core.trading.drift import DriftState

StrategyMode = Literal["live", "ask", "shadow", "paused"]
WithoutStopRoom = Literal["refuse", "watch"]
Status = Literal["ACCEPTED", "FILLED", "PENDING", "DUPLICATE", "MOCK", "REJECTED"]


class DeskError(Exception):
    """What a person asked for cannot be done. `code` is stable, `text` is a sentence for him;
    nothing was changed.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


@dataclass(frozen=True)
class TraderView:
    """One Telegram user as the bot knows him. role: pending, trader, admin, blocked, refused."""

    id: int
    telegram_id: int
    name: str
    role: str


@dataclass(frozen=True)
class AccountView:
    """An account with what the chain and its indexer said of it last; amounts None while they
    cannot be reached. `credential`: mnemonic or trading_key; `markets`: what a trading key may
    trade, None for all. `sharing`: several strategies may hold one market; `without_stop_room`:
    what becomes of an entry whose stop cannot rest on chain. `key_lost_at`: since when the chain
    refuses its key.
    """

    id: int
    network: NetworkName
    address: str
    subaccount_number: int
    equity: Decimal | None
    free_collateral: Decimal | None
    credential: str = "mnemonic"
    authenticator_id: int | None = None
    markets: tuple[str, ...] | None = None
    sharing: bool = False
    without_stop_room: WithoutStopRoom = "refuse"
    key_lost_at: dt.datetime | None = None


@dataclass(frozen=True)
class CredentialPreview:
    """An account that a phrase or a trading key leads to, looked up on chain; the key is kept in
    memory under `token` until confirmed (10 minutes). `kind`: mnemonic or trading_key; `markets`:
    what a trading key may trade, None for all. `replaces`: the account is connected and gets this
    key in place of its own.
    """

    token: str
    network: NetworkName
    address: str
    subaccount_number: int
    equity: Decimal | None
    free_collateral: Decimal | None
    known_on_chain: bool
    replaces: bool = False
    kind: str = "mnemonic"
    authenticator_id: int | None = None
    markets: tuple[str, ...] | None = None


@dataclass(frozen=True)
class LastAlert:
    """The latest alert of a strategy from outside, and what came of it so far."""

    at: dt.datetime
    symbol: str
    action: str
    state: str
    reason_text: str | None


@dataclass(frozen=True)
class Holding:
    """What a strategy holds in one market; `size` is unsigned, `side` LONG or SHORT."""

    ticker: str
    side: str
    size: Decimal


@dataclass(frozen=True)
class StrategyView:
    """A strategy without its secret. `state`: active or paused; `mode`: what it does while it is
    active. At most one default size is set. Levels of its plan are percentages of the entry.
    `aliases`: symbols of its alerts and the tickers that they mean.
    """

    id: int
    name: str
    state: str
    account: AccountView
    webhook_url: str
    default_size: Decimal | None
    default_size_usd: Decimal | None
    stop_loss_percent: Decimal | None
    max_position_usd: Decimal | None
    allowed_symbols: tuple[str, ...] | None
    slippage_bps: int
    max_alert_age_s: int
    first_outside_alert_at: dt.datetime | None
    mode: StrategyMode = "live"
    preset: str = "auto"
    sync: bool = False
    default_equity_percent: Decimal | None = None
    default_risk_percent: Decimal | None = None
    take_profits: tuple[TakeProfit, ...] = ()
    trailing: Trailing | None = None
    break_even: BreakEven | None = None
    aliases: tuple[tuple[str, str], ...] = ()
    silent_after_h: int | None = None
    last_alert: LastAlert | None = None
    holdings: tuple[Holding, ...] = ()


@dataclass(frozen=True)
class NewSecret:
    """A strategy with the secret that exists in clear only in this value; `template` is the ready
    body with it, in the form of the strategy's preset.
    """

    strategy: StrategyView
    secret: str
    template: str

    def __repr__(self) -> str:
        return f"NewSecret(strategy={self.strategy.id})"


@dataclass(frozen=True)
class OrderView:
    """An order as a message needs it. `kind`: market, limit, post_only or stop. `slippage_percent`
    is signed: positive is worse than the oracle price at decision. `expires_at` is set for orders
    in the chain's state.
    """

    id: int
    purpose: str
    kind: str
    ticker: str
    side: str
    size: Decimal
    limit_price: Decimal
    trigger_price: Decimal | None
    reference_price: Decimal
    reduce_only: bool
    state: str
    code: int | None
    codespace: str | None
    tx_hash: str
    good_til_block: int
    expires_at: dt.datetime | None
    filled_size: Decimal
    average_price: Decimal | None
    slippage_percent: Decimal | None
    created_at: dt.datetime
    accepted_at: dt.datetime | None
    resolved_at: dt.datetime | None


@dataclass(frozen=True)
class Cover:
    """An order of a plan that rests on chain. `size`: what it would close of the position as it is
    now; `leaving`: it is to be cancelled. `purpose`: stop_loss or take_profit.
    """

    purpose: str
    price: Decimal
    size: Decimal
    leaving: bool


@dataclass(frozen=True)
class ShareView:
    """What one strategy holds of a position, signed; without a strategy it was made by hand."""

    strategy_id: int | None
    name: str | None
    size: Decimal


@dataclass(frozen=True)
class Adopter:
    """A strategy that could take over what was made by hand."""

    strategy_id: int
    name: str


@dataclass(frozen=True)
class ExternalOrderView:
    """An order that waits on an account and that the bot did not make. `kind` in words."""

    order_uuid: UUID
    network: NetworkName
    account_id: int
    ticker: str
    side: str
    kind: str
    size: Decimal | None
    price: Decimal | None
    trigger_price: Decimal | None
    reduce_only: bool
    filled_size: Decimal
    expires_at: dt.datetime | None


@dataclass(frozen=True)
class MockOrderView:
    """What would have been sent while no node could be reached; `price` is the oracle's then."""

    signal_id: UUID
    network: NetworkName
    account_id: int
    ticker: str
    side: str
    size: Decimal
    price: Decimal
    created_at: dt.datetime


@dataclass(frozen=True)
class StrategyResult:
    """What a strategy made of its shares, in USDC. `closed`: all that is realised, after fees and
    with funding; `today`: the same since its trader's day began; `open`: what its shares would
    bring now, None without a price. `fees` and `funding` (negative: paid) are parts of `closed`.
    """

    strategy_id: int
    today: Decimal
    closed: Decimal
    fees: Decimal
    funding: Decimal
    open: Decimal | None


@dataclass(frozen=True)
class TargetView:
    """A target of a plan. `size`: what it is still to close, 0 where it was merged into the next or
    is done; `fraction`: of the position. state: waiting, closing, merged, done.
    """

    id: int
    number: int
    price: Decimal
    fraction: Decimal
    size: Decimal
    state: str
    on_chain: bool


@dataclass(frozen=True)
class PositionView:
    """A position with its plan and the price it would close at now. `size` is unsigned; `side` LONG
    or SHORT. `stop_on_chain` and `target_on_chain`: an order that closes all of it there is proved
    to rest in the chain's state; what is not is watched by the bot.

    `take_profit` is the nearest of `targets`, `stop_loss` the stop in force, which may trail or
    stand at break-even (`at_break_even`). `stop_asks`: its stop on chain was cancelled by hand more
    than once, and its trader is asked whether it shall rest there again.

    `funding`: what it received (negative: paid) so far. `today`: what the trader's day on this
    network brought, of a closed one. `covers`: the orders of its plan on chain. `shares`: who holds
    what of it while it is open.
    """

    id: int
    version: int
    trader_id: int
    network: NetworkName
    account_id: int
    signal_id: UUID | None
    ticker: str
    side: str
    state: str
    external: bool
    size: Decimal
    max_size: Decimal
    entry_price: Decimal
    exit_price: Decimal | None
    mark_price: Decimal | None
    unrealized_pnl: Decimal | None
    realized_pnl: Decimal
    fees: Decimal
    close_reason: str | None
    opened_at: dt.datetime
    closed_at: dt.datetime | None
    take_profit: Decimal | None
    stop_loss: Decimal | None
    stop_on_chain: bool
    target_on_chain: bool
    tick_size: Decimal
    step_size: Decimal
    targets: tuple[TargetView, ...] = ()
    trailing: Trailing | None = None
    break_even: BreakEven | None = None
    at_break_even: bool = False
    stop_asks: bool = False
    funding: Decimal = Decimal(0)
    today: Decimal | None = None
    covers: tuple[Cover, ...] = ()
    shares: tuple[ShareView, ...] = ()


@dataclass(frozen=True)
class SignalView:
    """All that the one message of a signal shows. `plan_on_chain`: whether the chain has room for
    the stop of a position that is being opened; None where nobody knows. `asked_until`: how long a
    signal waits for its trader's word. `nearest`: tickers that its unknown symbol may mean.
    """

    id: UUID
    trader_id: int
    network: NetworkName
    strategy_name: str
    received_at: dt.datetime
    state: str
    symbol: str
    action: str
    reason_code: str | None
    reason_text: str | None
    duplicates: int
    orders: tuple[OrderView, ...]
    position: PositionView | None
    plan_on_chain: bool | None = None
    asked_until: dt.datetime | None = None
    nearest: tuple[str, ...] = ()


@dataclass(frozen=True)
class OpenOrderView:
    """An order of the bot that waits in the chain's state. `protects`: it is part of a plan and is
    changed there. `cancel_asked`: it is to be gone, which is not proved yet.
    """

    order: OrderView
    network: NetworkName
    account_id: int
    protects: bool
    cancel_asked: bool


@dataclass(frozen=True)
class ChartView:
    """Where a strategy stands on TradingView's chart, as an alert said at `said_at`, and what it
    holds (signed). `there`: the two agree; `size` (coins) counts for strategies in sync mode only.
    """

    id: int
    strategy_id: int
    strategy_name: str
    network: NetworkName
    ticker: str
    position: MarketPosition
    size: Decimal | None
    said_at: dt.datetime
    held: Decimal
    there: bool
    state: DriftState
    step_size: Decimal


@dataclass(frozen=True)
class IntentView:
    """What a button or the monitor asked for, and why it could not be done. `code` and `text` are
    None while nothing stood against it.
    """

    id: int
    trader_id: int
    network: NetworkName
    source: str
    kind: str
    ticker: str
    position_id: int | None
    state: str
    code: str | None
    text: str | None


@dataclass(frozen=True)
class NetworkView:
    """Whether a network can be traded now, and why not."""

    name: NetworkName
    height: int | None
    stream_fresh: bool
    node_reachable: bool
    prices_fresh: bool
    paper_prices: str | None


@dataclass(frozen=True)
class StatusView:
    """What /status shows one trader."""

    networks: tuple[NetworkView, ...]
    accounts: tuple[AccountView, ...]
    open_positions: int
    waiting_signals: int
    unknown_orders: int
    started_at: dt.datetime


@dataclass(frozen=True)
class AlertAnswer:
    """What the webhook answers: the HTTP status and the body's fields (docs/webhook.md)."""

    http_status: int
    body: dict[str, object]
