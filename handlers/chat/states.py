"""What a chat can be waiting for."""

from __future__ import annotations

from typing import Final

from aiogram.fsm.state import State, StatesGroup


class Connecting(StatesGroup):
    """A key is awaited, or the answer whether its account is the right one. The conversation's data
    hold the network and the way (key, once, keep, remove), never the key.
    """

    phrase = State()
    trading_key = State()
    confirm = State()
    offer = State()
    removal = State()


class NamingStrategy(StatesGroup):
    """The name of a new strategy."""

    name = State()


class EditingStrategy(StatesGroup):
    """One value of a strategy."""

    value = State()


class AdjustingPlan(StatesGroup):
    """Take profit, then stop loss, then whether to save them."""

    take_profit = State()
    stop_loss = State()
    confirm = State()


SECRET_STATES: Final = frozenset(
    state.state for state in Connecting.__states__ if state.state is not None
)
