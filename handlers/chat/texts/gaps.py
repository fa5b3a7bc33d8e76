"""A time in which no alert could be taken."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Final

from aiogram.utils.formatting import Bold, Text

from core.trading.views import ChartView, PositionView
from handlers.chat.buttons import MenuButton
from handlers.chat.texts import numbers
from handlers.chat.texts.drift import chart_line, sync_button
from handlers.chat.texts.plans import guard_sign, title
from handlers.chat.texts.screen import LOOK, Screen, button, keyboard, lines

MAX_POSITIONS: Final = 20
MAX_CHARTS: Final = 8


def gap_found(
    payload: dict[str, Any],
    positions: Sequence[PositionView],
    charts: Sequence[ChartView],
    nonce: int,
) -> Screen:
    """From when to when, what that means for alerts, what is held, and where charts stood."""
    began = dt.datetime.fromisoformat(str(payload["began_at"]))
    ended = dt.datetime.fromisoformat(str(payload["ended_at"]))
    shown = charts[:MAX_CHARTS]
    return Screen(
        lines(
            f"{LOOK} I could take no alerts for {numbers.duration(ended - began)}",
            Text("from ", numbers.date_time(began), " to ", numbers.date_time(ended)),
            "TradingView does not repeat what it sent meanwhile: those alerts are lost, and I "
            "cannot know whether there were any. Stops and targets on chain went on working.",
            "",
            Bold("Positions as found"),
            *(_position(one) for one in positions[:MAX_POSITIONS]),
            _more(len(positions) - MAX_POSITIONS),
            "none" if not positions else None,
            None
            if payload.get("complete")
            else "Not every account could be read yet: this is what was known last.",
            *(("", Bold("By the last alerts")) if shown else ()),
            *(chart_line(one) for one in shown),
            _more(len(charts) - MAX_CHARTS),
        ),
        keyboard(
            *([sync_button(one, nonce)] for one in shown),
            [button("Positions", MenuButton(what="positions"))],
        ),
    )


def _position(position: PositionView) -> Text:
    size = numbers.size(position.size, position.step_size)
    return Text(title(position), f"  {size}  {guard_sign(position)}")


def _more(count: int) -> str | None:
    return f"and {count} more" if count > 0 else None
