"""Limits and modes: what is set, what it means now, and the questions that change it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup
from aiogram.utils.formatting import Bold, Text

from core.trading.risk.limits import FIELDS, Limits, Mode, ScopeKind
from core.trading.risk.rules import REFUSALS
from core.trading.risk.views import ScopeView, ZoneView
from handlers.chat.buttons import (
    CancelButton,
    LimitButton,
    MenuButton,
    PanicButton,
    RiskButton,
)
from handlers.chat.texts import numbers
from handlers.chat.texts.general import CANCEL_LINE
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    PROVED,
    REFUSED,
    Screen,
    button,
    clean,
    keyboard,
    lines,
    quiet,
    short_address,
    theirs,
)

MAX_LISTED: Final = 20
REASONS: Final = {
    "by_hand": "by hand",
    "panic": "by panic",
    "drawdown": "by the drawdown limit",
}
OVER: Final = {
    "daily_loss": "daily loss reached",
    "drawdown": "drawdown reached",
    "cool_down": "cooling down after losses",
}


def act(label: str, do: str, view: ScopeView, style: str | None = None) -> InlineKeyboardButton:
    """A button about a scope."""
    data = RiskButton.model_validate({"do": do, "kind": view.kind.value, "ref": view.ref})
    return button(label, data, style)


def name_of(view: ScopeView) -> Text | str:
    """What a scope is called."""
    if view.kind is ScopeKind.BOT:
        return "the whole bot"
    sign = f"{PAPER} " if view.network == "paper" else ""
    if view.kind is ScopeKind.STRATEGY:
        return Text(f"{sign}strategy ", theirs(view.name))
    address, _, rest = view.name.partition(" · ")
    return f"{sign}{view.network} {short_address(address)} · {rest}"


def _label(view: ScopeView) -> str:
    if view.kind is ScopeKind.BOT:
        return "The whole bot"
    if view.kind is ScopeKind.STRATEGY:
        return clean(view.name, 32)
    return f"{view.network} {short_address(view.name.partition(' · ')[0])}"


def scope_list(scopes: Sequence[ScopeView], zone: ZoneView) -> Screen:
    """/limits"""
    parts: list[Text | str] = [Bold("Limits")]
    if not scopes:
        parts.append("No account is connected yet.")
    for view in scopes[:MAX_LISTED]:
        parts.append(Text(state_sign(view), " ", name_of(view), f" · {state_words(view)}"))
    if len(scopes) > MAX_LISTED:
        parts.append(f"and {len(scopes) - MAX_LISTED} more")
    parts += ["", *zone_lines(zone)]
    parts.append("Closing and cancelling always work.")
    return Screen(
        lines(*parts),
        keyboard(
            *([act(_label(view), "show", view)] for view in scopes[:MAX_LISTED]),
            [
                button("Zone", RiskButton(do="zone", kind="bot", ref=0)),
                button("Panic…", PanicButton(do="ask", house=False, nonce=0), "danger"),
            ],
        ),
    )


def state_sign(view: ScopeView) -> str:
    """One sign for whether anything new may be opened."""
    return REFUSED if view.mode is not Mode.ACTIVE or view.over else PROVED


def state_words(view: ScopeView) -> str:
    """Mode and reached limits in a few words."""
    if view.mode is Mode.HALTED:
        return f"halted {REASONS.get(view.mode_reason or '', 'by hand')}"
    if view.mode is Mode.REDUCING:
        return f"only reduces, {REASONS.get(view.mode_reason or '', 'by hand')}"
    if view.over:
        return ", ".join(OVER.get(code, code) for code in view.over)
    return "active"


def zone_lines(zone: ZoneView) -> list[str]:
    """Where the days begin."""
    found = [f"Your day: {quiet(zone.name)}, now {zone.now:%H:%M}"]
    if zone.next_name is not None and zone.next_from is not None:
        found.append(
            f"From {zone.next_from:%Y-%m-%d %H:%M} UTC on: {quiet(zone.next_name)}; until then "
            "the running day goes on."
        )
    return found


def scope_screen(view: ScopeView, note: str | None = None) -> Screen:
    """One scope with its limits, figures and buttons."""
    active = view.mode is Mode.ACTIVE
    return Screen(
        lines(
            note,
            Text(Bold("Limits"), " · ", name_of(view)),
            Text(state_sign(view), f" {state_words(view)}"),
            *figure_lines(view),
            "",
            *limit_lines(view.limits),
            "Each network is counted by itself; the day is that of UTC."
            if view.kind is ScopeKind.BOT
            else None,
        ),
        keyboard(
            [act("Change a limit", "edit", view)],
            [
                act("Only reduce", "reduce", view) if active else None,
                act("Halt…", "halt", view, "danger") if view.mode is not Mode.HALTED else None,
            ],
            [act("Resume anyway…" if active else "Resume…", "resume", view)]
            if view.resumable
            else [],
            [button("All limits", RiskButton(do="list", kind="bot", ref=0))],
        ),
    )


def figure_lines(view: ScopeView) -> list[str]:
    """Today's result and what is reached."""
    found = []
    if view.limits.daily_loss is not None:
        of = numbers.amount(-view.limits.daily_loss)
        today = "being computed" if view.today is None else numbers.signed(view.today)
        found.append(f"today {today} of {of} USDC")
    if view.waived:
        found.append(
            f"{LOOK} you resumed: the daily loss does not count until {_clock(view.day_ends, view)}"
        )
    if view.limits.drawdown is not None:
        now = "not known yet" if view.drawdown is None else f"{view.drawdown:.2f} %"
        found.append(f"drawdown {now} of {numbers.plain(view.limits.drawdown)} %")
    if view.until is not None:
        found.append(f"free again by itself at {_clock(view.until, view)}")
    return found


def _clock(moment: dt.datetime, view: ScopeView) -> str:
    at = moment.astimezone(view.zone.now.tzinfo)
    return f"{at:%H:%M} ({quiet(view.zone.name)})"


def limit_lines(limits: Limits) -> list[str]:
    """What is limited, a line each."""
    found = [_line(limits, name) for name in FIELDS]
    told = [one for one in found if one is not None]
    return told or ["Nothing is limited."]


def _line(limits: Limits, name: str) -> str | None:
    field = FIELDS[name]
    if all(getattr(limits, one) is None for one in field.sets):
        return None
    return f"{field.label.lower()}: {_value(limits, name)}"


def _value(limits: Limits, name: str) -> str:
    match name:
        case "losses":
            return f"{limits.losses}, then {limits.cool_down_min} min nothing new"
        case "depth":
            return (
                f"at least {_usd(limits.depth_usd)} within "
                f"{numbers.plain(limits.depth_percent or Decimal(0))} %"
            )
        case "markets":
            return quiet(" ".join(limits.markets or ()), 200) or "none"
        case "hours":
            return ", ".join(str(window) for window in limits.hours or ())
        case "drawdown" | "max_spread" | "price_band":
            return f"{numbers.plain(getattr(limits, name))} %"
        case "max_leverage":
            return f"{numbers.plain(limits.max_leverage or Decimal(0))} times"
        case "daily_loss" | "max_position" | "max_order":
            return _usd(getattr(limits, name))
    return str(getattr(limits, name))


def _usd(value: Decimal | None) -> str:
    return numbers.usdc(value or Decimal(0))


def edit_menu(view: ScopeView) -> Screen:
    """Which limit is to change."""

    def pick(name: str) -> InlineKeyboardButton:
        data = LimitButton.model_validate({"field": name, "kind": view.kind.value, "ref": view.ref})
        return button(FIELDS[name].label, data)

    names = list(FIELDS)
    return Screen(
        lines(
            Text("Which limit of ", name_of(view), " is to change?"),
            *limit_lines(view.limits),
        ),
        keyboard(
            *(
                [pick(name) for name in names[start : start + 2]]
                for start in range(0, len(names), 2)
            ),
            [act("Done", "show", view)],
        ),
    )


def ask_value(view: ScopeView, field: str) -> Screen:
    """Asks for one limit."""
    now = _line(view.limits, field)
    return Screen(
        lines(
            Text("Limits of ", name_of(view)),
            FIELDS[field].question,
            f"Now {now}. none lifts it." if now else "It is not limited now.",
            CANCEL_LINE,
        ),
        keyboard([button("Cancel", CancelButton())]),
    )


def value_refused(text: str, field: str) -> Screen:
    """The value cannot be used; the question stands."""
    return Screen(
        lines(f"{LOOK} {quiet(text)}", FIELDS[field].question, CANCEL_LINE),
        keyboard([button("Cancel", CancelButton())]),
    )


def confirm_halt(view: ScopeView) -> Screen:
    """Before a scope is halted."""
    return Screen(
        lines(
            Text("Halt ", name_of(view), "?"),
            "Nothing new is opened, and orders that wait in the book and would open something are "
            "cancelled. Positions and their stops stay; closing still works.",
        ),
        keyboard([act("Halt", "halt_yes", view, "danger")], [act("Keep it", "show", view)]),
    )


def confirm_resume(view: ScopeView) -> Screen:
    """Before a scope is resumed against its own limit."""
    told = [f"{LOOK} {state_words(view)}", *figure_lines(view)]
    if "daily_loss" in view.over:
        told.append(f"The daily loss will not count until {_clock(view.day_ends, view)}.")
    if "drawdown" in view.over or view.mode_reason == "drawdown":
        told.append("The drawdown will be counted from the equity of now.")
    if "cool_down" in view.over:
        told.append("The losses so far will be forgiven.")
    return Screen(
        lines(Text("Resume ", name_of(view), "? Alerts will open positions again."), *told),
        keyboard([act("Resume", "resume_yes", view, "danger")], [act("Keep it", "show", view)]),
    )


def ask_zone(zone: ZoneView) -> Screen:
    """Asks where the days begin."""
    return Screen(
        lines(
            *zone_lines(zone),
            "Send the zone in which your day begins, like Europe/Berlin or New York. It takes "
            "effect with the next day.",
            CANCEL_LINE,
        ),
        keyboard([button("Cancel", CancelButton())]),
    )


def zone_refused(text: str) -> Screen:
    """The zone is not known; the question stands."""
    return Screen(
        lines(f"{LOOK} {quiet(text)}", CANCEL_LINE),
        keyboard([button("Cancel", CancelButton())]),
    )


def zone_saved(zone: ZoneView) -> Screen:
    """What was chosen."""
    return Screen(
        lines(f"{PROVED} Saved.", *zone_lines(zone)),
        keyboard([button("All limits", RiskButton(do="list", kind="bot", ref=0))]),
    )


def refusal_keyboard(code: str | None) -> InlineKeyboardMarkup | None:
    """Under a signal that a limit or mode refused."""
    if code not in REFUSALS:
        return None
    return keyboard([button("See limits", RiskButton(do="list", kind="bot", ref=0))])


def breached(view: ScopeView | None, code: str, text: str) -> Screen:
    """A limit was reached. The text begins with the limit's name."""
    head, _, rest = text.partition(". ")
    rows: list[list[InlineKeyboardButton]] = [[button("Positions", MenuButton(what="positions"))]]
    if view is not None:
        rows.insert(0, [act("See limits", "show", view)])
        if view.resumable:
            rows.insert(1, [act("Resume anyway…", "resume", view)])
    return Screen(
        lines(
            Text(f"{REFUSED} ", Bold(quiet(head[:1].upper() + head[1:])), " reached"),
            None if view is None else name_of(view),
            quiet(rest) or None,
            "Open positions and their stops stay as they are.",
            "Orders that wait and would open something are cancelled."
            if code == "drawdown"
            else None,
        ),
        keyboard(*rows),
    )
