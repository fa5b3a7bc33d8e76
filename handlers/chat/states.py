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
    """One part of a position's plan is awaited, then whether to save it."""

    value = State()
    confirm = State()


class SettingLimit(StatesGroup):
    """One limit of a scope."""

    value = State()


class ChoosingZone(StatesGroup):
    """Where a trader's days begin."""

    zone = State()


SECRET_STATES: Final = frozenset(
    state.state for state in Connecting.__states__ if state.state is not None
)
