"""What buttons carry. Clients can forge any of it: the desk checks the owner, and bounds are
checked here, so that no number is larger than a row id can be.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from aiogram.filters.callback_data import CallbackData
from pydantic import Field

Number = Annotated[int, Field(ge=0, lt=2**31)]


class CancelButton(CallbackData, prefix="cx"):
    """Leaves whatever waits for an answer."""


class NetworkButton(CallbackData, prefix="nw"):
    """Where to connect an account."""

    network: Literal["paper", "testnet", "mainnet"]


class WayButton(CallbackData, prefix="wy"):
    """How to connect: with a trading key, with a phrase that is used once, with a phrase whose key
    is kept; `choose` shows the ways again, `why` what the difference is.
    """

    way: Literal["key", "once", "keep", "choose", "why"]
    network: Literal["paper", "testnet", "mainnet"]


class OfferButton(CallbackData, prefix="of"):
    """An answer to the offer of a trading key: make it, look at the wallet again, another way."""

    do: Literal["make", "check", "other"]


class KeyButton(CallbackData, prefix="kw"):
    """Something about work on a key."""

    action: Literal["show", "retry", "abandon", "abandon_yes", "erase", "remove", "check"]
    work_id: Number


class PreviewButton(CallbackData, prefix="pv"):
    """Whether the account that a phrase or key leads to is the right one."""

    yes: bool


class MenuButton(CallbackData, prefix="mn"):
    """Opens a list."""

    what: Literal["positions", "orders", "strategies", "accounts", "status", "connect"]


class AccountButton(CallbackData, prefix="ac"):
    """Something about an account."""

    action: Literal[
        "show",
        "strategy",
        "disconnect",
        "erase",
        "settings",
        "share",
        "share_not",
        "room_refuse",
        "room_watch",
    ]
    account_id: Number


class SettingButton(CallbackData, prefix="se"):
    """Something that a trader decides for all his accounts."""

    what: Literal["show", "mock", "mock_not"]


StrategyAction = Literal[
    "show",
    "edit",
    "test",
    "rotate",
    "rotate_yes",
    "modes",
    "alerts",
    "presets",
    "template",
    "sync",
    "sync_on",
    "sync_off",
    "aliases",
    "move",
    "delete",
    "delete_yes",
]


class StrategyButton(CallbackData, prefix="st"):
    """Something about a strategy. `nonce` names the keyboard, so that a double tap acts once."""

    action: StrategyAction
    strategy_id: Number
    nonce: Number


StrategyField = Literal[
    "size",
    "targets",
    "stop",
    "trailing",
    "break_even",
    "maximum",
    "symbols",
    "slippage",
    "age",
    "silence",
]


class FieldButton(CallbackData, prefix="sf"):
    """Which default of a strategy is to change; with `empty` it shall have none."""

    field: StrategyField
    strategy_id: Number
    empty: bool = False


class ModeButton(CallbackData, prefix="sm"):
    """What a strategy does with its alerts."""

    mode: Literal["live", "ask", "shadow", "paused"]
    strategy_id: Number


class PresetButton(CallbackData, prefix="sp"):
    """In which form a strategy's alerts come."""

    preset: Annotated[str, Field(pattern="^[a-z0-9-]{1,16}$")]
    strategy_id: Number


class MoveButton(CallbackData, prefix="mv"):
    """To which account a strategy is to be moved; `sure` after the question."""

    strategy_id: Number
    account_id: Number
    sure: bool


class UnaliasButton(CallbackData, prefix="ua"):
    """Removes the alias of a symbol; `mark` names the symbol."""

    strategy_id: Number
    mark: Annotated[str, Field(pattern="^[0-9a-f]{8}$")]


class AliasButton(CallbackData, prefix="al"):
    """Which of the nearest tickers the unknown symbol of a refused alert means from now on."""

    signal_id: UUID
    choice: Annotated[int, Field(ge=0, lt=10)]


class SignalButton(CallbackData, prefix="sg"):
    """The answer to a signal that waits for it, or (`show`) the question itself again."""

    do: Literal["execute", "ignore", "show"]
    signal_id: UUID


class SecretButton(CallbackData, prefix="sc"):
    """The secret was copied: its message can go."""

    strategy_id: Number


PositionAction = Literal["show", "close", "close_yes", "half", "adjust"]


class PositionButton(CallbackData, prefix="po"):
    """Something about a position at a version. `nonce` names the keyboard, so that a double tap
    acts once; `card` says that it lies under the signal's own message.
    """

    action: PositionAction
    position_id: Number
    version: Number
    nonce: Number
    card: bool


class OrderButton(CallbackData, prefix="or"):
    """Something about a waiting order."""

    action: Literal["cancel", "cancel_yes"]
    order_id: Number


PlanPart = Literal["stop", "target", "new", "trail", "even", "entry", "again"]


class PlanButton(CallbackData, prefix="pl"):
    """Which part of a position's plan is to change, of the position at a version. `target_id` is 0
    for what is no target.
    """

    what: PlanPart
    position_id: Number
    version: Number
    target_id: Number


class PlanAnswer(CallbackData, prefix="pq"):
    """An answer in the conversation about a part of a plan."""

    answer: Literal["none", "save"]


ScopeName = Literal["bot", "account", "strategy"]


class RiskButton(CallbackData, prefix="rk"):
    """Something about the limits and the mode of a scope; `list` and `zone` name none."""

    do: Literal[
        "list", "zone", "show", "edit", "reduce", "halt", "halt_yes", "resume", "resume_yes"
    ]
    kind: ScopeName
    ref: Number


class LimitButton(CallbackData, prefix="rl"):
    """Which limit of a scope is to change."""

    field: Literal[
        "daily_loss",
        "drawdown",
        "losses",
        "max_position",
        "max_order",
        "max_leverage",
        "max_positions",
        "max_orders_per_minute",
        "markets",
        "hours",
        "depth",
        "max_spread",
        "price_band",
    ]
    kind: ScopeName
    ref: Number


class PanicButton(CallbackData, prefix="pn"):
    """Panic, "close all" and what opens again after them; `house` means the whole bot. `nonce`
    names the keyboard, so that a double tap acts once.
    """

    do: Literal["ask", "yes", "close_all", "close_all_yes", "resume", "keep"]
    house: bool
    nonce: Number


class AccessButton(CallbackData, prefix="ax"):
    """Lets a waiting person in, or not."""

    asker_id: Number
    granted: bool
