"""Positions: the list, one position, and the conversation about its plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from aiogram.utils.formatting import Bold, Text

from core.trading.views import AccountView, PositionView
from handlers.chat.buttons import (
    MenuButton,
    PanicButton,
    PositionAction,
    PositionButton,
)
from handlers.chat.texts import numbers
from handlers.chat.texts.external import adopt_button, cost_line, external_keyboard, share_lines
from handlers.chat.texts.plans import even_button, guard_sign, plan_lines, title
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    Screen,
    base_asset,
    button,
    dead_button,
    keyboard,
    lines,
    market,
)

MAX_LISTED: Final = 20
REASONS: Final = {
    "take_profit": "take profit",
    "stop_loss": "stop loss",
    "button": "by your button",
    "panic": "by panic or close all",
    "signal": "by an alert",
    "by_hand": "by hand, outside the bot",
    "liquidated": "liquidated",
    "deleveraged": "deleveraged by the chain",
}


def reason_words(reason: str | None) -> str:
    """Why a position was closed."""
    return REASONS.get(reason or "", "reason not known")


def amount_of(position: PositionView, fraction: Decimal = Decimal(1)) -> str:
    """Size and asset: 0.0150 BTC."""
    part = numbers.size(position.size * fraction, position.step_size)
    return f"{part} {base_asset(position.ticker)}"


def result_line(position: PositionView) -> str | None:
    """What the position would bring now."""
    if position.unrealized_pnl is None:
        return "P&L unknown: no price just now"
    change = Decimal(0)
    if position.mark_price is not None:
        change = numbers.change_percent(position.entry_price, position.mark_price)
    if position.side == "SHORT":
        change = -change
    return f"{numbers.signed_usdc(position.unrealized_pnl)} ({numbers.percent(change)})"


def position_list(
    positions: Sequence[PositionView], accounts: Sequence[AccountView], now: dt.datetime
) -> Screen:
    """/positions"""
    parts: list[Text | str] = [Text(Bold("Positions"), " · updated ", numbers.clock_time(now))]
    if not positions:
        parts.append("None is open.")
    for position in positions[:MAX_LISTED]:
        pnl = position.unrealized_pnl
        parts.append(
            Text(
                f"{PAPER} " if position.network == "paper" else "",
                market(position.ticker),
                f"  {position.side}  {numbers.size(position.size, position.step_size)}  "
                f"{'–' if pnl is None else numbers.signed(pnl)}  {guard_sign(position)}"
                f"{' by hand' if position.external else ''}",
            )
        )
    if len(positions) > MAX_LISTED:
        parts.append(f"and {len(positions) - MAX_LISTED} more")
    for account in accounts[:MAX_LISTED]:
        if account.equity is not None:
            free = account.free_collateral
            parts.append(f"{account.network}: equity {numbers.usdc(account.equity)}")
            if free is not None:
                parts.append(f"free {numbers.usdc(free)}")
    openers = [
        button(
            base_asset(position.ticker) + ("" if position.network != "paper" else f" {PAPER}"),
            PositionButton(action="show", position_id=position.id, version=0, nonce=0, card=False),
        )
        for position in positions[:MAX_LISTED]
    ]
    rows = [openers[start : start + 3] for start in range(0, len(openers), 3)]
    return Screen(
        lines(*parts),
        keyboard(
            *rows,
            [
                button("Close all…", PanicButton(do="close_all", house=False, nonce=0), "danger")
                if positions
                else None,
                button("↻ Refresh", MenuButton(what="positions")),
            ],
        ),
    )


def position_screen(
    position: PositionView, now: dt.datetime, nonce: int, note: str | None = None
) -> Screen:
    """One position with its buttons. `note` is said first."""
    parts: list[Text | str | None] = [f"{LOOK} {note}" if note else None, title(position)]
    if position.state != "open":
        parts += [
            f"Closed: {reason_words(position.close_reason)}",
            *closed_lines(position),
        ]
        return Screen(lines(*parts), keyboard([button("Positions", MenuButton(what="positions"))]))
    mark = position.mark_price
    parts += [
        f"{amount_of(position)} · entry {numbers.price(position.entry_price, position.tick_size)}",
        "mark unknown" if mark is None else f"mark {numbers.price(mark, position.tick_size)}",
        result_line(position),
        cost_line(position),
        *plan_lines(position),
        *share_lines(position),
        Text("opened ", numbers.date_time(position.opened_at)),
        Text("updated ", numbers.clock_time(now)),
    ]
    return Screen(lines(*parts), position_keyboard(position, nonce, card=False))


def _act(position: PositionView, action: PositionAction, nonce: int, card: bool) -> PositionButton:
    return PositionButton(
        action=action,
        position_id=position.id,
        version=position.version,
        nonce=nonce,
        card=card,
    )


def position_keyboard(
    position: PositionView, nonce: int, *, card: bool
) -> InlineKeyboardMarkup | None:
    """The buttons of an open position; none when it is closed."""
    if position.state != "open":
        return None
    if position.external:
        return external_keyboard(position, card=card)
    close = button("Close…", _act(position, "close", nonce, card), "danger")
    half = half_button(position, nonce, card=card)
    adjust = button("Adjust", _act(position, "adjust", nonce, card))
    again = button("↻ Refresh", _act(position, "show", nonce, card))
    return keyboard(
        [adjust, even_button(position), again], [adopt_button(position)], [half], [close]
    )


def half_button(position: PositionView, nonce: int, *, card: bool) -> InlineKeyboardButton | None:
    """Closes half; absent where half is less than a step."""
    if position.step_size > 0 and position.size / 2 < position.step_size:
        return None
    return button(
        f"½ Close {amount_of(position, Decimal('0.5'))}",
        _act(position, "half", nonce, card),
        "danger",
    )


def confirm_close_keyboard(
    position: PositionView, nonce: int, *, card: bool
) -> InlineKeyboardMarkup | None:
    """What closing the whole would do, to be confirmed."""
    pnl = position.unrealized_pnl
    effect = "" if pnl is None else f" (≈ {numbers.signed(pnl)})"
    return keyboard(
        [
            button(
                f"Close {amount_of(position)} at market{effect}",
                _act(position, "close_yes", nonce, card),
                "danger",
            )
        ],
        [button("Keep it open", _act(position, "show", nonce, card))],
    )


def closing_keyboard(
    position: PositionView, fraction: Decimal, nonce: int, *, card: bool
) -> InlineKeyboardMarkup | None:
    """After the tap: nothing to press twice, but a way to look again."""
    return keyboard(
        [dead_button(f"Closing {amount_of(position, fraction)}…")],
        [button("↻ Refresh", _act(position, "show", nonce, card))],
    )


CHANGED: Final = "This position has changed; here is the current one."


def closed_lines(position: PositionView) -> list[str]:
    """Result, way and cost of a closed position, as a line each."""
    tick, step = position.tick_size, position.step_size
    invested = position.entry_price * position.max_size
    net = position.realized_pnl - position.fees + position.funding
    share = net / invested * 100 if invested else Decimal(0)
    way = numbers.price(position.entry_price, tick)
    if position.exit_price is not None:
        way += f" → {numbers.price(position.exit_price, tick)}"
    way += f" · {numbers.size(position.max_size, step)}"
    if position.closed_at is not None:
        way += f" · {numbers.duration(position.closed_at - position.opened_at)}"
    costs = [f"fees {numbers.signed(-position.fees)}"]
    if position.funding:
        costs.append(f"funding {numbers.signed(position.funding)}")
    costs.append(f"before fees {numbers.signed_usdc(position.realized_pnl)}")
    after = "after fees and funding" if position.funding else "after fees"
    found = [
        f"{numbers.signed_usdc(net)} {after} ({numbers.percent(share)})",
        way,
        " · ".join(costs),
    ]
    if position.today is not None:
        found.append(f"today {numbers.signed_usdc(position.today)}")
    return found
