"""What holds for all accounts of a trader."""

from __future__ import annotations

from aiogram.utils.formatting import Bold, Text

from handlers.chat.buttons import RiskButton, SettingButton
from handlers.chat.texts.screen import MOCK, Screen, button, keyboard, lines


def settings_screen(*, mock: bool) -> Screen:
    """/settings"""
    return Screen(
        lines(
            Bold("Settings"),
            "",
            Text(Bold("Mock when dYdX is unreachable"), f" {_mock_words(on=mock)}"),
        ),
        keyboard(
            [
                button("Switch mock off", SettingButton(what="mock_not"))
                if mock
                else button("Switch mock on", SettingButton(what="mock"))
            ],
            [
                button("Limits", RiskButton(do="list", kind="bot", ref=0)),
                button("Zone", RiskButton(do="zone", kind="bot", ref=0)),
            ],
        ),
    )


def _mock_words(*, on: bool) -> str:
    if on:
        return (
            f"on: an entry that no node could be given is noted as a mock order {MOCK}. It trades "
            "nothing and is no position; a button has it traded later."
        )
    return "off: an entry that no node could be given is refused, and I say so."
