"""Orders that wait on chain: the list, and the question before one is cancelled."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from aiogram.utils.formatting import Bold, Text

from core.trading.views import ExternalOrderView, MockOrderView, OpenOrderView
from handlers.chat.buttons import MenuButton, OrderButton, SignalButton
from handlers.chat.texts import numbers
from handlers.chat.texts.external import order_lines
from handlers.chat.texts.screen import (
    LOOK,
    MOCK,
    PAPER,
    PROTECTED,
    WAITING,
    Screen,
    base_asset,
    button,
    keyboard,
    lines,
    market,
)

MAX_LISTED: Final = 20
MAX_MOCKS: Final = 5
OVER: Final = "This order is over already."
_KINDS: Final = {"limit": "limit", "post_only": "post-only", "stop": "stop", "market": "market"}


def order_list(
    waiting: Sequence[OpenOrderView],
    external: Sequence[ExternalOrderView],
    mocked: Sequence[MockOrderView],
    now: dt.datetime,
) -> Screen:
    """/orders; `external` are those that the bot did not make, `mocked` those never sent."""
    parts: list[Text | str] = [Text(Bold("Orders"), " · updated ", numbers.clock_time(now))]
    if not waiting:
        parts.append("None is waiting.")
    for number, row in enumerate(waiting[:MAX_LISTED], start=1):
        parts += _lines_of(number, row)
    if len(waiting) > MAX_LISTED:
        parts.append(f"and {len(waiting) - MAX_LISTED} more")
    if any(row.protects for row in waiting):
        parts.append(f"{PROTECTED} belongs to a position: change it with Adjust.")
    parts += order_lines(external)
    parts += _mock_lines(mocked)
    cancels = [
        button(
            f"Cancel {number} {base_asset(row.order.ticker)}",
            OrderButton(action="cancel", order_id=row.order.id),
        )
        for number, row in enumerate(waiting[:MAX_LISTED], start=1)
        if not row.protects and not row.cancel_asked
    ]
    rows = [cancels[start : start + 2] for start in range(0, len(cancels), 2)]
    rows += [
        [
            button(
                f"{MOCK} {number} {base_asset(row.ticker)}: retry or ignore…",
                SignalButton(do="show", signal_id=row.signal_id),
            )
        ]
        for number, row in enumerate(mocked[:MAX_MOCKS], start=1)
    ]
    return Screen(lines(*parts), keyboard(*rows, [button("↻ Refresh", MenuButton(what="orders"))]))


def _mock_lines(mocked: Sequence[MockOrderView]) -> list[Text | str]:
    if not mocked:
        return []
    found: list[Text | str] = ["", Bold(f"{MOCK} Mock orders"), "Nothing of these was sent."]
    for number, row in enumerate(mocked[:MAX_MOCKS], start=1):
        found.append(
            Text(
                f"{MOCK} {number}. {PAPER} " if row.network == "paper" else f"{MOCK} {number}. ",
                market(row.ticker),
                f"  {row.side}  {numbers.size(row.size, None)} at ",
                numbers.price(row.price, None),
                " · ",
                numbers.clock_time(row.created_at),
            )
        )
    if len(mocked) > MAX_MOCKS:
        found.append(f"and {len(mocked) - MAX_MOCKS} older")
    return found


def _lines_of(number: int, row: OpenOrderView) -> list[Text | str]:
    order = row.order
    sign = f"{PROTECTED} " if row.protects else ""
    first = Text(
        f"{number}. {sign}",
        f"{PAPER} " if row.network == "paper" else "",
        market(order.ticker),
        f"  {order.side}  {numbers.size(order.size, None)}",
    )
    state = "cancelling…" if row.cancel_asked else _STATES.get(order.state, "being proved")
    return [first, f"{what(row)} · {WAITING} {state}"]


_STATES: Final = {
    "open": "in the book",
    "partially_filled": "partly filled",
    "untriggered": "waits for its price",
    "triggered": "its price was reached",
    "dead": "reached its price without a fill",
}


def what(row: OpenOrderView) -> str:
    """Kind and price of an order."""
    order = row.order
    if row.protects:
        kind = "target" if order.purpose == "take_profit" else "stop"
    else:
        kind = _KINDS.get(order.kind, order.kind)
    at = order.limit_price if order.trigger_price is None else order.trigger_price
    return f"{kind} {numbers.price(at, None)}"


def confirm_cancel(row: OpenOrderView) -> Screen:
    """What cancelling would do, to be confirmed."""
    order = row.order
    filled = order.filled_size > 0
    return Screen(
        lines(
            Text(
                "Cancel ",
                Bold(market(order.ticker), f" {order.side}"),
                f" {numbers.size(order.size, None)}, {what(row)}?",
            ),
            f"{LOOK} {numbers.size(order.filled_size, None)} of it is filled and stays."
            if filled
            else "Nothing of it is filled.",
        ),
        keyboard(
            [button("Cancel it", OrderButton(action="cancel_yes", order_id=order.id), "danger")],
            [button("Keep it", MenuButton(what="orders"))],
        ),
    )
