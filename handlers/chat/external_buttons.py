"""Buttons about what was made by hand."""

from __future__ import annotations

from typing import Literal

from aiogram.filters.callback_data import CallbackData

from handlers.chat.buttons import Number


class AdoptButton(CallbackData, prefix="ad"):
    """Gives a position that was made by hand to a strategy: `ask` for which one, `choose` one, and
    `sure` after the question. `version`: the position as it was shown.
    """

    step: Literal["ask", "choose", "sure"]
    position_id: Number
    version: Number
    strategy_id: Number = 0
