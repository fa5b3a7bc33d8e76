"""Help, hints and what is said when something failed."""

from __future__ import annotations

from typing import Final

from aiogram.utils.formatting import Bold, Code, Text

from handlers.chat.buttons import MenuButton
from handlers.chat.texts.screen import LOOK, Screen, button, keyboard, lines, quiet

CANCEL_LINE: Final = "/cancel leaves."

COMMANDS: Final = (
    ("positions", "Open positions and their buttons"),
    ("orders", "Orders that wait on chain"),
    ("strategies", "Webhooks, sizes and limits"),
    ("limits", "What may be traded, and how much"),
    ("panic", "Cancel and close everything, halt"),
    ("zone", "Where your day begins"),
    ("accounts", "Accounts and equity"),
    ("settings", "What holds for all accounts"),
    ("status", "What works right now"),
    ("help", "What I can do"),
    ("cancel", "Leave a question"),
)


def help_screen(*, admin: bool) -> Screen:
    """/help"""
    listed = [f"/{command} – {what}" for command, what in COMMANDS]
    return Screen(
        lines(
            Bold("Perpgram"),
            "A TradingView alert becomes an order on dYdX. Each alert has one message here, and it "
            "changes as things are proved.",
            "",
            "/start – Connect an account",
            *listed,
            "/requests – Who waits to be let in" if admin else None,
            "",
            "⏳ waiting · ✅ proved · 👁 watched by the bot · ⚠️ needs a look · ⛔ refused · "
            "❔ unknown, being proved · 🧪 paper",
        )
    )


def hint() -> Screen:
    """For what was not understood."""
    return Screen(
        lines("I did not understand that. Nothing was done.", "/help shows what I can do.")
    )


def text_only() -> Screen:
    """A picture or voice where words are needed."""
    return Screen(Text("I read text only. Nothing was done."))


def cancelled(*, something: bool) -> Screen:
    """/cancel"""
    if something:
        return Screen(Text("Left. Nothing was changed."))
    return Screen(Text("Nothing was waiting for an answer."))


def refused(text: str) -> Screen:
    """What the desk said no to. Its sentence is shown as it is, without links."""
    return Screen(lines(f"{LOOK} {quiet(text)}"))


def failed(error_id: str) -> Screen:
    """Something broke inside the bot."""
    return Screen(
        Text(
            f"{LOOK} That failed inside the bot. Your positions are as the chain has them; look at "
            "/positions before you try again. If it happens again, tell the operator this number: ",
            Code(error_id),
        ),
        keyboard([button("Positions", MenuButton(what="positions"))]),
    )


def stray_secret(*, deleted: bool, key: bool) -> Screen:
    """A secret phrase or a private key that nobody asked for."""
    what = "private key" if key else "secret phrase"
    return Screen(
        lines(
            f"{LOOK} That looked like a {what}, and I had not asked for one.",
            "I deleted the message without reading it further."
            if deleted
            else "I could not delete the message. Delete it yourself now: hold it, then Delete.",
            "It has passed through Telegram. If it is a trading key, remove it on dydx.trade."
            if key
            else "It has passed through Telegram. If it guards money, move the money to a new "
            "phrase.",
            "To connect an account, begin with /start.",
        )
    )


def too_fast() -> Screen:
    """A flood of messages or taps."""
    return Screen(
        Text("Too many at once. I read on in a few seconds; what you sent now is skipped.")
    )


def stale_button() -> str:
    """A toast for a button that means nothing any more."""
    return "This button is out of date."
