"""What the buttons under a difference between chart and chain carry."""

from __future__ import annotations

from typing import Literal

from aiogram.filters.callback_data import CallbackData

from handlers.chat.buttons import Number


class SyncButton(CallbackData, prefix="sy"):
    """Bring a strategy to where its chart stands, or leave it. `nonce` names the keyboard, so that
    a double tap acts once.
    """

    action: Literal["sync", "ignore"]
    chart_id: Number
    nonce: Number
