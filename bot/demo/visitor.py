"""A person's first two minutes, for story and bench: from /start to a webhook."""

from __future__ import annotations

from bot.emulator.screen import Shown
from bot.emulator.user import User

CHAT_WITHIN_S = 90.0


async def open_paper_account(user: User) -> None:
    """/start and one tap. Raises ScreenTimeout when the bot does not answer."""
    user.start()
    welcome = await user.wait_for_text("Where do you want to start?", CHAT_WITHIN_S)
    user.press(welcome.id, "Paper")
    await user.wait_for_text("paper account is ready", CHAT_WITHIN_S)


async def take_webhook(user: User) -> tuple[Shown, str, str]:
    """The message with the secret, its webhook address and its ready alert message."""
    shown = await user.wait_for_text("Paste these into the TradingView alert", CHAT_WITHIN_S)
    return shown, user.copy(shown.id, "Copy URL"), user.copy(shown.id, "Copy message")


async def own_address(user: User) -> str:
    """The whole address of the only account, from /accounts."""
    user.say("/accounts")
    listed = await user.wait_for_text("Accounts", CHAT_WITHIN_S)
    user.press(listed.id, data=_first_account(listed))

    def whole(screen: list[Shown]) -> str | None:
        for shown in reversed(screen):
            for part in shown.covered("code"):
                if part.startswith("dydx1") and "…" not in part:
                    return part
        return None

    return await user.wait_until(whole, CHAT_WITHIN_S)


def _first_account(listed: Shown) -> str:
    for row in listed.buttons:
        for button in row:
            if button.data and "dydx1" in button.label:
                return button.data
    raise LookupError("no account is listed")
