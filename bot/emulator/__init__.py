"""Telegram on a local port: the Bot API, strict, with a page that is a phone's chat.

For the demo, for scripted stories and for tests. It needs neither Telegram nor a typed client.
"""

from bot.emulator.dashboard import Dashboard
from bot.emulator.errors import ApiError
from bot.emulator.screen import Shown, ShownButton
from bot.emulator.server import Emulator
from bot.emulator.state import Call, Press
from bot.emulator.user import ScreenTimeout, User

__all__ = [
    "ApiError",
    "Call",
    "Dashboard",
    "Emulator",
    "Press",
    "ScreenTimeout",
    "Shown",
    "ShownButton",
    "User",
]
