"""What a strategy does with its alerts: its mode, the form they come in, sync."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final

from aiogram.types import InlineKeyboardButton
from aiogram.utils.formatting import Bold, Code, Pre, Text

from core.signals.body import AUTO, OWN
from core.signals.presets import PRESETS, Preset
from core.trading.views import StrategyMode, StrategyView
from handlers.chat.buttons import FieldButton, ModeButton, PresetButton, StrategyButton
from handlers.chat.texts.screen import (
    LOOK,
    PROVED,
    Screen,
    button,
    copy_button,
    keyboard,
    lines,
    quiet,
    theirs,
)

MODES: Final[Mapping[StrategyMode, str]] = {
    "live": "each alert is traded at once.",
    "ask": "an entry waits for your tap until it is too old. Closes never wait.",
    "shadow": "no entry is sent to dYdX; each card says what I would have done.",
    "paused": "entries are refused until you resume.",
}
TOASTS: Final[Mapping[StrategyMode, str]] = {
    "live": "Live: alerts are traded at once.",
    "ask": "Ask: entries wait for your tap.",
    "shadow": "Shadow: no entry is sent.",
    "paused": "Paused: entries are refused.",
}
LONG_LABEL: Final = 16
SYNC_LINES: Final = (
    '"market_position": "{{strategy.market_position}}",\n'
    '"market_position_size": "{{strategy.market_position_size}}",'
)


def mode_of(strategy: StrategyView) -> StrategyMode:
    """The mode that counts now: a pause lies over the others."""
    return "paused" if strategy.state == "paused" else strategy.mode


def preset_name(preset: str) -> str:
    """A form of alerts by its platform's name."""
    found = _preset(preset)
    if found is not None:
        return found.title
    return {AUTO: "auto", OWN: "Perpgram"}.get(preset, quiet(preset, 16))


def _preset(name: str) -> Preset | None:
    return next((one for one in PRESETS if one.name == name), None)


def mode_screen(strategy: StrategyView) -> Screen:
    """The modes, and what each means."""
    now = mode_of(strategy)

    def choose(mode: StrategyMode) -> InlineKeyboardButton:
        chosen = ModeButton(mode=mode, strategy_id=strategy.id)
        return button(f"{PROVED} {mode}" if mode == now else mode, chosen)

    return Screen(
        lines(
            Text("Mode of ", theirs(strategy.name), ": ", Bold(now)),
            "",
            *(Text(Bold(mode), f" – {words}") for mode, words in MODES.items()),
            "",
            "The mode is kept over restarts. In each of them an open position keeps its stop and "
            "targets, and alerts still close it.",
        ),
        keyboard(
            [choose("live"), choose("ask")],
            [choose("shadow"), choose("paused")],
            [_to(strategy, "Back", "show")],
        ),
    )


def alerts_screen(strategy: StrategyView) -> Screen:
    """How alerts are read."""
    sync = "on" if strategy.sync else "off"
    return Screen(
        lines(
            Text("Alerts of ", theirs(strategy.name)),
            "",
            Text("format ", Bold(preset_name(strategy.preset)), f": {_format_words(strategy)}"),
            Text("sync ", Bold(sync), f": {_sync_words(on=strategy.sync)}"),
            f"aliases {len(strategy.aliases)}: symbols that you gave a meaning",
        ),
        keyboard(
            [_to(strategy, "Format", "presets"), _to(strategy, "Sync", "sync")],
            [
                _to(strategy, "Show message", "template"),
                _to(strategy, f"Aliases ({len(strategy.aliases)})", "aliases"),
            ],
            [
                button("Silence", FieldButton(field="silence", strategy_id=strategy.id)),
                _to(strategy, "Back", "show"),
            ],
        ),
    )


def _format_words(strategy: StrategyView) -> str:
    if strategy.preset == AUTO:
        return "known by its shape, else mine."
    return "other forms are refused."


def _sync_words(*, on: bool) -> str:
    if on:
        return "I hold what the chart's strategy holds."
    return "each alert is one order."


def sync_screen(strategy: StrategyView) -> Screen:
    """What sync means, and its switch."""
    return Screen(
        lines(
            Text("Sync of ", theirs(strategy.name), ": ", Bold("on" if strategy.sync else "off")),
            "",
            "Off: buy and sell are orders; they add to a position or reduce it.",
            "On: market_position and its size in the alert are the target. I trade the difference, "
            "so a missed alert is made up for by the next one.",
            *_sync_message(strategy),
        ),
        keyboard(
            [
                _to(strategy, "Switch off", "sync_off")
                if strategy.sync
                else _to(strategy, "Switch on", "sync_on"),
                _to(strategy, "Back", "alerts"),
            ],
            [copy_button("Copy lines", SYNC_LINES) if strategy.preset in (AUTO, OWN) else None],
        ),
    )


def _sync_message(strategy: StrategyView) -> list[Text | str]:
    if strategy.preset not in (AUTO, OWN):
        return []
    return ["", "In my own format the message needs these lines too:", Pre(SYNC_LINES)]


def preset_screen(strategy: StrategyView, presets: Sequence[str]) -> Screen:
    """Which form the alerts come in."""
    buttons = [
        button(
            f"{PROVED} {preset_name(one)}" if one == strategy.preset else preset_name(one),
            PresetButton(preset=one, strategy_id=strategy.id),
        )
        for one in presets
    ]
    return Screen(
        lines(
            Text("In which format do alerts of ", theirs(strategy.name), " come?"),
            "auto knows each by its shape and reads the rest as mine. Webhook and secret stay.",
            "After a change paste the new message into the alert, or alerts are refused.",
        ),
        keyboard(
            *in_rows(buttons),
            [_to(strategy, "Back", "alerts")],
        ),
    )


def in_rows(buttons: Sequence[InlineKeyboardButton]) -> list[list[InlineKeyboardButton]]:
    """Two buttons a row; one with a long label has a row for itself."""
    rows: list[list[InlineKeyboardButton]] = []
    for one in buttons:
        alone = len(one.text) > LONG_LABEL
        if rows and len(rows[-1]) == 1 and not alone and len(rows[-1][0].text) <= LONG_LABEL:
            rows[-1].append(one)
        else:
            rows.append([one])
    return rows


def template_screen(strategy: StrategyView, template: str, problem: str | None) -> Screen:
    """The message of a strategy without its secret, which is not kept anywhere."""
    found = _preset(strategy.preset)
    return Screen(
        lines(
            Text(
                "Message of ",
                theirs(strategy.name),
                f" · {preset_name(strategy.preset)}",
            ),
            None if found is None else found.line,
            template_block(template),
            None if found is None else f"The secret's place is {found.place}.",
            "Put your secret where the message says so. I do not keep it: if it is gone, make a "
            "new one and get this message with it.",
            "",
            Text("webhook ", Code(strategy.webhook_url)),
            f"{LOOK} {problem}" if problem else None,
        ),
        keyboard(
            [
                copy_button("Copy URL", strategy.webhook_url),
                copy_button("Copy message", template),
            ],
            [_to(strategy, "New secret…", "rotate"), _to(strategy, "Back", "alerts")],
        ),
    )


def template_block(template: str) -> Pre:
    """A message to copy, in the colours of its form."""
    try:
        json.loads(template)
    except ValueError:
        return Pre(template)
    return Pre(template, language="json")


def _to(strategy: StrategyView, label: str, action: str) -> InlineKeyboardButton:
    data = {"action": action, "strategy_id": strategy.id, "nonce": 0}
    return button(label, StrategyButton.model_validate(data))
