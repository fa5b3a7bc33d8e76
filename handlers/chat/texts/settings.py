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
            Text(Bold("Mock when dYdX is unreachable"), " on" if mock else " off"),
            f"{MOCK} An entry that no node could be given is noted as a mock order: it trades "
            "nothing and is no position. You can have it traded later by a button."
            if mock
            else "An entry that no node could be given is refused, and I say so.",
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
