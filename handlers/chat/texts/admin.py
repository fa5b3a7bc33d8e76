"""For admins: who waits to be let in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiogram.utils.formatting import Bold, Code, Text

from core.trading.views import TraderView
from handlers.chat.buttons import AccessButton
from handlers.chat.texts.screen import Screen, button, clean, keyboard, lines, theirs

MAX_LISTED: Final = 10


def requests(waiting: Sequence[TraderView]) -> Screen:
    """/requests"""
    if not waiting:
        return Screen(Text("Nobody waits to be let in."))
    shown = waiting[:MAX_LISTED]
    return Screen(
        lines(
            Bold("Waiting to be let in"),
            *(Text(theirs(one.name), " · ", Code(str(one.telegram_id))) for one in shown),
            f"and {len(waiting) - len(shown)} more" if len(waiting) > len(shown) else None,
        ),
        keyboard(
            *(
                [
                    button(
                        f"Approve {clean(one.name, 16)}",
                        AccessButton(asker_id=one.id, granted=True),
                        "success",
                    ),
                    button("Decline", AccessButton(asker_id=one.id, granted=False), "danger"),
                ]
                for one in shown
            )
        ),
    )


def not_admin() -> Screen:
    """Somebody else asked."""
    return Screen(Text("Only an admin of this bot can see that."))
