"""dYdX changed how a market may be traded."""

from __future__ import annotations

from typing import Any, Final

from aiogram.utils.formatting import Bold, Text

from handlers.chat.buttons import MenuButton
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    PROVED,
    Screen,
    button,
    keyboard,
    lines,
    market,
    quiet,
)

_STATUSES: Final = {
    "ACTIVE": ("active again", "It takes orders as usual."),
    "PAUSED": (
        "paused",
        "It takes no orders, not even closing ones. Nothing of yours can be closed or protected "
        "there until it goes on.",
    ),
    "CANCEL_ONLY": (
        "cancel-only",
        "Orders can be cancelled and nothing else. Nothing of yours can be closed or protected "
        "there until it goes on.",
    ),
    "POST_ONLY": (
        "post-only",
        "It takes only orders that wait in the book. Closing at market and stops do not fill until "
        "it goes on.",
    ),
    "INITIALIZING": (
        "being set up",
        "It takes only orders that wait in the book. Closing at market and stops do not fill yet.",
    ),
    "FINAL_SETTLEMENT": (
        "being settled for good",
        "dYdX takes no more orders in it and closes every position at its settlement price. "
        "Nothing has to be done.",
    ),
}


def market_changed(payload: dict[str, Any]) -> Screen:
    """To those who hold something in the market."""
    status, was = str(payload["status"]), str(payload["was"])
    sign = f"{PAPER} " if payload["network"] == "paper" else ""
    title, meaning = _STATUSES.get(status, (quiet(status, 24), "What it takes is not known to me."))
    moved = status != was
    mark = PROVED if status == "ACTIVE" and moved else LOOK
    return Screen(
        lines(
            Text(f"{mark} {sign}", Bold(market(str(payload["ticker"]))), f" is {title}")
            if moved
            else Text(f"{mark} {sign}", Bold(market(str(payload["ticker"]))), " changed"),
            meaning if moved else None,
            _type_words(payload),
        ),
        keyboard(
            [
                button("Positions", MenuButton(what="positions")),
                button("Orders", MenuButton(what="orders")),
            ]
        ),
    )


def _type_words(payload: dict[str, Any]) -> str | None:
    if payload["market_type"] == payload["was_type"]:
        return None
    if payload["market_type"] == "ISOLATED":
        return (
            "It is an isolated market now: an account that trades it may hold nothing else, and I "
            "open nothing new there. Closing works."
        )
    return "It is a cross-margin market now: entries are taken again."
