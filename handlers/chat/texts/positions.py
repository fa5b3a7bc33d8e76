"""Positions: the list, one position, and the conversation about its plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Final, Literal

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from aiogram.utils.formatting import Bold, Text

from core.trading.views import AccountView, PositionView
from handlers.chat.buttons import (
    CancelButton,
    MenuButton,
    PlanButton,
    PositionAction,
    PositionButton,
)
from handlers.chat.texts import numbers
from handlers.chat.texts.general import CANCEL_LINE
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    PROTECTED,
    PROVED,
    WATCHED,
    Screen,
    base_asset,
    button,
    dead_button,
    keyboard,
    lines,
    market,
    quiet,
)

MAX_LISTED: Final = 20
REASONS: Final = {
    "take_profit": "take profit",
    "stop_loss": "stop loss",
    "button": "by your button",
    "signal": "by an alert",
    "by_hand": "by hand, outside the bot",
    "liquidated": "liquidated",
    "deleveraged": "deleveraged by the chain",
}


def reason_words(reason: str | None) -> str:
    """Why a position was closed."""
    return REASONS.get(reason or "", "reason not known")


def title(position: PositionView) -> Text:
    """Sign of the network, market and side."""
    sign = f"{PAPER} " if position.network == "paper" else ""
    return Text(sign, Bold(market(position.ticker), "  ", position.side))


def amount_of(position: PositionView, fraction: Decimal = Decimal(1)) -> str:
    """Size and asset: 0.0150 BTC."""
    part = numbers.size(position.size * fraction, position.step_size)
    return f"{part} {base_asset(position.ticker)}"


def guard_sign(position: PositionView) -> str:
    """One sign for how a plan is held."""
    if position.take_profit is None and position.stop_loss is None:
        return ""
    return PROTECTED if _all_on_chain(position) else WATCHED


def _all_on_chain(position: PositionView) -> bool:
    return (position.stop_loss is None or position.stop_on_chain) and (
        position.take_profit is None or position.target_on_chain
    )


def _held(position: PositionView) -> str:
    """Who holds the plan: the chain what is proved to rest there, the bot the rest."""
    if _all_on_chain(position):
        return f"{PROTECTED} protected on chain"
    if position.stop_loss is not None and position.stop_on_chain:
        return f"{PROTECTED} stop on chain · {WATCHED} target watched by the bot"
    if position.take_profit is not None and position.target_on_chain:
        return f"{WATCHED} stop watched by the bot · {PROTECTED} target on chain"
    return f"{WATCHED} watched by the bot, not on chain"


def plan_lines(position: PositionView) -> list[str]:
    """Who holds the plan, and its prices with their distance from the entry."""
    if position.take_profit is None and position.stop_loss is None:
        return ["no stop and no target: only you close this position"]
    levels = []
    for word, level in (("stop", position.stop_loss), ("target", position.take_profit)):
        if level is None:
            levels.append(f"no {word}")
            continue
        away = numbers.percent(numbers.change_percent(position.entry_price, level))
        levels.append(f"{word} {numbers.price(level, position.tick_size)} ({away})")
    return [_held(position), *levels]


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
                f"{'–' if pnl is None else numbers.signed(pnl)}  {guard_sign(position)}",
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
        lines(*parts), keyboard(*rows, [button("↻ Refresh", MenuButton(what="positions"))])
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
        *plan_lines(position),
        "opened outside the bot" if position.external else None,
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
    close = button("Close…", _act(position, "close", nonce, card), "danger")
    half = half_button(position, nonce, card=card)
    adjust = button("Adjust TP/SL", _act(position, "adjust", nonce, card))
    again = button("↻ Refresh", _act(position, "show", nonce, card))
    return keyboard([adjust, again], [half], [close])


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
    net = position.realized_pnl - position.fees
    share = net / invested * 100 if invested else Decimal(0)
    way = numbers.price(position.entry_price, tick)
    if position.exit_price is not None:
        way += f" → {numbers.price(position.exit_price, tick)}"
    way += f" · {numbers.size(position.max_size, step)}"
    if position.closed_at is not None:
        way += f" · {numbers.duration(position.closed_at - position.opened_at)}"
    return [
        f"{numbers.signed_usdc(net)} after fees ({numbers.percent(share)})",
        way,
        f"fees {numbers.signed(-position.fees)} · before fees "
        f"{numbers.signed_usdc(position.realized_pnl)}",
    ]


# the conversation about take profit and stop loss


def ask_level(position: PositionView, *, stop: bool) -> Screen:
    """Asks for the take profit, then for the stop loss."""
    which: Literal["stop_loss", "take_profit"] = "stop_loss" if stop else "take_profit"
    current = position.stop_loss if stop else position.take_profit
    word = "stop" if stop else "target"
    entry = numbers.price(position.entry_price, position.tick_size)
    mark = position.mark_price
    shown = None if current is None else numbers.price(current, position.tick_size)
    return Screen(
        lines(
            title(position),
            f"entry {entry}"
            + ("" if mark is None else f" · mark {numbers.price(mark, position.tick_size)}"),
            f"{word} now: {shown or 'none'}",
            "",
            f"Send the new {word} as a price, or in percent of the entry like "
            f"{'2%' if stop else '3%'}. Write none for no {word}.",
            CANCEL_LINE,
        ),
        keyboard(
            [
                button(f"Keep {shown or 'none'}", PlanButton(level=which, answer="keep")),
                None
                if current is None
                else button(f"No {word}", PlanButton(level=which, answer="none")),
            ],
            [button("Cancel", CancelButton())],
        ),
    )


def level_refused(text: str, position: PositionView, *, stop: bool) -> Screen:
    """The answer was no price; the question stands."""
    again = ask_level(position, stop=stop)
    return Screen(lines(f"{LOOK} {quiet(text)}", again.content), again.keyboard)


def confirm_plan(
    position: PositionView, take_profit: Decimal | None, stop_loss: Decimal | None
) -> Screen:
    """The resulting prices before they are saved."""

    def shown(word: str, level: Decimal | None) -> str:
        if level is None:
            return f"no {word}"
        away = numbers.percent(numbers.change_percent(position.entry_price, level))
        return f"{word} {numbers.price(level, position.tick_size)} ({away})"

    return Screen(
        lines(
            title(position),
            f"entry {numbers.price(position.entry_price, position.tick_size)}",
            shown("stop", stop_loss),
            shown("target", take_profit),
            f"{LOOK} Without a stop nothing limits the loss." if stop_loss is None else None,
            CANCEL_LINE,
        ),
        keyboard(
            [
                button("Save", PlanButton(level="both", answer="save"), "success"),
                button("Cancel", CancelButton()),
            ]
        ),
    )


def plan_saved(position: PositionView) -> Screen:
    """The plan is stored."""
    return Screen(lines(Text(f"{PROVED} Saved. ", title(position)), *plan_lines(position)))
