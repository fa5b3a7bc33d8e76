"""A position's plan in words, and the conversation that changes it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Bold, Text

from core.signals.alert import BreakEven, Level, Trailing
from core.trading.views import PositionView, TargetView
from handlers.chat.buttons import CancelButton, PlanAnswer, PlanButton, PlanPart
from handlers.chat.texts import numbers
from handlers.chat.texts.general import CANCEL_LINE
from handlers.chat.texts.screen import (
    LOOK,
    PAPER,
    PROTECTED,
    PROVED,
    WATCHED,
    Screen,
    button,
    keyboard,
    lines,
    market,
    quiet,
)

LIVE: Final = frozenset({"waiting", "closing"})


def title(position: PositionView) -> Text:
    """Sign of the network, market and side."""
    sign = f"{PAPER} " if position.network == "paper" else ""
    return Text(sign, Bold(market(position.ticker), "  ", position.side))


def open_targets(position: PositionView) -> list[TargetView]:
    """What is still to be carried out, nearest first."""
    return [target for target in position.targets if target.state in LIVE]


def has_plan(position: PositionView) -> bool:
    """Whether anything but its trader may close a position."""
    return bool(position.stop_loss is not None or open_targets(position) or position.trailing)


def guard_sign(position: PositionView) -> str:
    """One sign for how a plan is held."""
    if not has_plan(position):
        return ""
    return PROTECTED if _all_on_chain(position) else WATCHED


def _all_on_chain(position: PositionView) -> bool:
    targets = open_targets(position)
    return (position.stop_loss is None or position.stop_on_chain) and all(
        target.on_chain for target in targets
    )


def _held(position: PositionView) -> str:
    """Who holds the plan: the chain what is proved to rest there, the bot the rest."""
    targets = open_targets(position)
    on_chain = sum(1 for target in targets if target.on_chain)
    word = "target" if len(targets) == 1 else "targets"
    if _all_on_chain(position):
        return f"{PROTECTED} protected on chain"
    if position.stop_loss is not None and position.stop_on_chain:
        if on_chain:
            return (
                f"{PROTECTED} stop and {on_chain} of {len(targets)} targets on chain · "
                f"{WATCHED} the rest watched by the bot"
            )
        return f"{PROTECTED} stop on chain · {WATCHED} {word} watched by the bot"
    if on_chain and position.stop_loss is not None:
        some = word if on_chain == len(targets) else f"{on_chain} of {len(targets)} targets"
        return f"{WATCHED} stop watched by the bot · {PROTECTED} {some} on chain"
    if on_chain:
        return (
            f"{PROTECTED} {on_chain} of {len(targets)} targets on chain · "
            f"{WATCHED} the rest watched by the bot"
        )
    return f"{WATCHED} watched by the bot, not on chain"


def plan_lines(position: PositionView) -> list[str]:
    """Who holds the plan, and its prices with their distance from the entry."""
    if not has_plan(position):
        return ["no stop and no target: only you close this position"]
    found = [_held(position), _stop_line(position)]
    if position.trailing is not None:
        found.append(f"trailing: {trailing_words(position.trailing)}")
    if position.break_even is not None and not position.at_break_even:
        found.append(f"break-even: {break_even_words(position.break_even)}")
    return [*found, *_target_lines(position)]


def _stop_line(position: PositionView) -> str:
    if position.stop_loss is None:
        return "no stop"
    note = ", break-even" if position.at_break_even else ""
    return f"stop {_priced(position, position.stop_loss)}{note}"


def _priced(position: PositionView, price: Decimal) -> str:
    away = numbers.percent(numbers.change_percent(position.entry_price, price))
    return f"{numbers.price(price, position.tick_size)} ({away})"


def _target_lines(position: PositionView) -> list[str]:
    targets = open_targets(position)
    mixed = not all(target.on_chain for target in targets) and any(
        target.on_chain for target in targets
    )
    whole = len(targets) == 1 and targets[0].size == position.size
    found = [_target_line(position, target, whole=whole, mixed=mixed) for target in targets]
    merged = [target for target in position.targets if target.state == "merged"]
    if merged:
        names = ", ".join(numbers.price(t.price, position.tick_size) for t in merged)
        found.append(f"{names}: its part is below one step and closes with the next target")
    return found or ["no target"]


def _target_line(position: PositionView, target: TargetView, *, whole: bool, mixed: bool) -> str:
    sign = f" {PROTECTED if target.on_chain else WATCHED}" if mixed else ""
    if whole:
        return f"target {_priced(position, target.price)}{sign}"
    part = numbers.size(target.size, position.step_size)
    return f"target {_priced(position, target.price)} closes {part}{sign}"


def distance_words(level: Level) -> str:
    """A distance as it was given."""
    if level.percent is not None:
        return f"{numbers.plain(level.percent)} %"
    return f"{numbers.plain(level.offset or level.price or Decimal(0))} USD"


def trailing_words(trailing: Trailing) -> str:
    """1 % behind the best price, once +2 % is met"""
    words = f"{distance_words(trailing.distance)} behind the best price"
    if trailing.activation is None:
        return words
    return f"{words}, once {_where(trailing.activation)} is met"


def break_even_words(rule: BreakEven) -> str:
    """stop to the entry once +1 % is met"""
    place = "the entry" if rule.beyond is None else f"entry +{distance_words(rule.beyond)}"
    when = "the first target fills" if rule.at is None else f"{_where(rule.at)} is met"
    return f"stop to {place} once {when}"


def _where(level: Level) -> str:
    words = distance_words(level)
    return numbers.plain(level.price) if level.price is not None else f"+{words}"


# the conversation


def _part(position: PositionView, what: PlanPart, target_id: int = 0) -> PlanButton:
    return PlanButton(
        what=what, position_id=position.id, version=position.version, target_id=target_id
    )


def plan_menu(position: PositionView, note: str | None = None) -> Screen:
    """The plan with a button for each of its parts. `note` is said first."""
    mark = position.mark_price
    entry = f"entry {numbers.price(position.entry_price, position.tick_size)}"
    if mark is not None:
        entry += f" · mark {numbers.price(mark, position.tick_size)}"
    targets = [
        button(
            f"Target {numbers.price(target.price, position.tick_size)}",
            _part(position, "target", target.id),
        )
        for target in open_targets(position)
    ]
    rows = [targets[start : start + 2] for start in range(0, len(targets), 2)]
    stop = position.stop_loss
    shown = "none" if stop is None else numbers.price(stop, position.tick_size)
    return Screen(
        lines(note, title(position), entry, *plan_lines(position)),
        keyboard(
            [button(f"Stop {shown}", _part(position, "stop")), even_button(position)],
            *rows,
            [button("Add a target", _part(position, "new"))],
            [
                button("Trailing", _part(position, "trail")),
                button("Break-even rule", _part(position, "even")),
            ],
        ),
    )


def even_button(position: PositionView) -> InlineKeyboardButton | None:
    """Moves the stop to the entry; absent where the price is not past it, or the stop is."""
    mark, entry, stop = position.mark_price, position.entry_price, position.stop_loss
    if mark is None or position.at_break_even or position.state != "open":
        return None
    sign = 1 if position.side == "LONG" else -1
    if (mark - entry) * sign <= 0 or (stop is not None and (stop - entry) * sign >= 0):
        return None
    return button("Stop to entry", _part(position, "entry"))


_ASKED: Final = {
    "stop": (
        "Send the new stop as a price, or in percent of the entry like 2%. In percent it follows "
        "the entry when the position grows. Write none for no stop."
    ),
    "target": (
        "Send the target as a price, or in percent of the entry like 3%. With a share behind it, "
        "like 3% 50%, it closes that part of the position. Write none to take it out."
    ),
    "new": (
        "Send the new target as a price, or in percent of the entry, and the share that it closes, "
        "like 3% 50%."
    ),
    "trail": (
        "Send how far the stop stays behind the best price, like 1% or 200 (USD). With a "
        "beginning, like 1% after 2%, it waits for that price. Write none to switch it off."
    ),
    "even": (
        "Send when the stop goes to the entry, like 1%, or target for the first target. How far "
        "past the entry, if you like: 1% + 0.1%. Write none to switch it off."
    ),
}
_NONE: Final = {"stop": "No stop", "target": "Take it out", "trail": "Off", "even": "Off"}


def ask_part(position: PositionView, what: PlanPart, target: TargetView | None = None) -> Screen:
    """Asks for one part of the plan."""
    none = _NONE.get(what)
    return Screen(
        lines(title(position), _now(position, what, target), "", _ASKED[what], CANCEL_LINE),
        keyboard(
            [
                None if none is None else button(none, PlanAnswer(answer="none")),
                button("Cancel", CancelButton()),
            ]
        ),
    )


def _now(position: PositionView, what: PlanPart, target: TargetView | None) -> str:
    if what == "stop":
        return "no stop now" if position.stop_loss is None else f"{_stop_line(position)} now"
    if what == "trail":
        trailing = position.trailing
        return f"trailing now: {'off' if trailing is None else trailing_words(trailing)}"
    if what == "even":
        rule = position.break_even
        return f"break-even now: {'off' if rule is None else break_even_words(rule)}"
    if target is not None:
        return f"target now: {_priced(position, target.price)}"
    return f"entry {numbers.price(position.entry_price, position.tick_size)}"


def part_refused(
    text: str, position: PositionView, what: PlanPart, target: TargetView | None
) -> Screen:
    """The answer cannot be used; the question stands."""
    again = ask_part(position, what, target)
    return Screen(lines(f"{LOOK} {quiet(text)}", again.content), again.keyboard)


def confirm_part(position: PositionView, change: str, *, warns: bool) -> Screen:
    """What is about to be saved."""
    return Screen(
        lines(
            title(position),
            f"entry {numbers.price(position.entry_price, position.tick_size)}",
            change,
            f"{LOOK} Without a stop nothing limits the loss." if warns else None,
            CANCEL_LINE,
        ),
        keyboard(
            [
                button("Save", PlanAnswer(answer="save"), "success"),
                button("Cancel", CancelButton()),
            ]
        ),
    )


def price_change(position: PositionView, word: str, price: Decimal, share: Decimal | None) -> str:
    """stop 62,928 (−2.0 %)"""
    part = "" if share is None else f", closes {numbers.plain(share * 100)} %"
    return f"{word} {_priced(position, price)}{part}"


SAVED: Final = f"{PROVED} Saved."


# messages


def stop_removed(position: PositionView, count: int) -> Screen:
    """Somebody cancelled the stop on chain."""
    head = Text(f"{LOOK} ", title(position), ": the stop on chain was cancelled outside the bot")
    if count == 1:
        return Screen(lines(head, "I placed it again."))
    if not position.stop_asks or position.state != "open":
        return Screen(lines(head, "It is settled by now."))
    return Screen(
        lines(
            head,
            f"That was the {_times(count)} time, so I ask: shall it rest on chain again? Until you "
            "answer I watch its price instead. If I am down, nothing limits the loss.",
        ),
        keyboard(
            [button("Place it again", _part(position, "again"), "success")],
            [button("No stop…", _part(position, "stop"), "danger")],
        ),
    )


def _times(count: int) -> str:
    return {2: "second", 3: "third"}.get(count, f"{count}th")


def protection_missing(position: PositionView, *, watched: bool = False) -> Screen:
    """The stop of a position is not on chain; `watched`: the bot watches the price meanwhile."""
    if position.state != "open":
        return Screen(lines(Text(title(position), " is closed by now.")))
    amount = numbers.size(position.size, position.step_size)
    if watched:
        return Screen(
            lines(
                Text(f"{LOOK} ", title(position), ": the stop is not on chain yet"),
                f"{amount} is open. I watch the price and close when the stop is met, as long as I "
                "run. I keep placing it; you can place one on dydx.trade.",
            )
        )
    return Screen(
        lines(
            Text(f"{LOOK} ", title(position), ": the stop is not in force just now"),
            f"It does not rest on chain, and I have no present prices to watch. {amount} is open "
            "and nothing limits its loss. I keep trying; you can place a stop on dydx.trade.",
        )
    )
