"""What buttons carry. Clients can forge any of it: the desk checks the owner, and bounds are
checked here, so that no number is larger than a row id can be.
"""

from __future__ import annotations

from typing import Annotated, Literal

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

    action: Literal["show", "strategy", "disconnect", "erase"]
    account_id: Number


StrategyAction = Literal[
    "show", "edit", "test", "rotate", "rotate_yes", "pause", "resume", "delete", "delete_yes"
]


class StrategyButton(CallbackData, prefix="st"):
    """Something about a strategy. `nonce` names the keyboard, so that a double tap acts once."""

    action: StrategyAction
    strategy_id: Number
    nonce: Number


class FieldButton(CallbackData, prefix="sf"):
    """Which default of a strategy is to change."""

    field: Literal["size", "target", "stop", "maximum", "symbols", "slippage", "age"]
    strategy_id: Number


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


class PlanButton(CallbackData, prefix="pl"):
    """An answer in the conversation about take profit and stop loss."""

    level: Literal["take_profit", "stop_loss", "both"]
    answer: Literal["keep", "none", "save"]


class AccessButton(CallbackData, prefix="ax"):
    """Lets a waiting person in, or not."""

    asker_id: Number
    granted: bool
