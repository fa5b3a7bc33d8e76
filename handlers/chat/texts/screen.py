"""What a message is made of: content as entities and a keyboard."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from aiogram.filters.callback_data import CallbackData
from aiogram.types import (
    CopyTextButton,
    DisabledButton,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
)
from aiogram.utils.formatting import Code, Text

WAITING: Final = "⏳"
PROVED: Final = "✅"
WATCHED: Final = "👁"
PROTECTED: Final = "🛡"
LOOK: Final = "⚠️"
REFUSED: Final = "⛔"
UNKNOWN: Final = "❔"
PAPER: Final = "🧪"
MOCK: Final = "🎭"

MAX_COPY_CHARACTERS: Final = 256
_JOINER: Final = "\u2060"
_MARKED = re.compile(r"[@/#$:](?=\w|/)")
_DOTTED = re.compile(r"(?<=\w)\.(?=[^\W\d_])")
_MARKET = re.compile(r"[A-Z0-9]{1,20}-USD")


@dataclass(frozen=True)
class Screen:
    """One message: what it says and the buttons under it."""

    content: Text
    keyboard: InlineKeyboardMarkup | None = None

    def kwargs(self) -> dict[str, Any]:
        """Arguments of sendMessage and editMessageText."""
        return {**self.content.as_kwargs(), "reply_markup": self.keyboard}

    @property
    def text(self) -> str:
        """The bare text."""
        return self.content.render()[0]


def lines(*items: Text | str | None) -> Text:
    """One line per item; None is no line, an empty string an empty one."""
    parts: list[Text | str] = []
    for item in items:
        if item is None:
            continue
        if parts:
            parts.append("\n")
        parts.append(item)
    return Text(*parts)


def clean(value: str, limit: int = 64) -> str:
    """Somebody else's words without line breaks, control and direction marks, cut to length."""
    kept = "".join(
        " " if character.isspace() else character
        for character in value
        if character.isspace() or unicodedata.category(character)[0] != "C"
    )
    kept = " ".join(kept.split())
    return kept if len(kept) <= limit else f"{kept[: limit - 1]}…"


def theirs(value: str, limit: int = 64) -> Text:
    """Somebody else's words, in code: Telegram finds no link, mention or command in there."""
    return Code(clean(value, limit) or "–")


def quiet(sentence: str, limit: int = 400) -> str:
    """A sentence that may quote somebody else's words, so that Telegram makes no link, mention,
    hashtag or command of them.
    """
    kept = clean(sentence, limit)
    kept = _MARKED.sub(lambda match: f"{match.group()}{_JOINER}", kept)
    return _DOTTED.sub(f".{_JOINER}", kept)


def word(value: str) -> str:
    """One word of somebody else, in capitals: the action of an alert."""
    return quiet(value.upper(), 12) or "–"


def market(ticker: str) -> Text | str:
    """A ticker; what does not look like one is somebody else's words."""
    return ticker if _MARKET.fullmatch(ticker) else theirs(ticker, 32)


def base_asset(ticker: str) -> str:
    """BTC of BTC-USD, for labels of buttons."""
    return quiet(ticker.removesuffix("-USD"), 20) or "–"


def short_address(address: str) -> str:
    """dydx1kvs2…7xytr5"""
    return address if len(address) <= 18 else f"{address[:9]}…{address[-6:]}"


def button(label: str, data: CallbackData, style: str | None = None) -> InlineKeyboardButton:
    """A button that calls the bot back."""
    return InlineKeyboardButton(text=label.strip() or "–", callback_data=data.pack(), style=style)


def dead_button(label: str) -> InlineKeyboardButton:
    """A button that only says what is going on."""
    return InlineKeyboardButton(text=label, disabled=DisabledButton())


def copy_button(label: str, value: str) -> InlineKeyboardButton | None:
    """A button that copies; None where Telegram does not take a text of this length."""
    if not 1 <= len(value) <= MAX_COPY_CHARACTERS:
        return None
    return InlineKeyboardButton(text=label, copy_text=CopyTextButton(text=value))


def keyboard(*rows: Sequence[InlineKeyboardButton | None]) -> InlineKeyboardMarkup | None:
    """Rows of buttons; what is None or empty is left out."""
    kept = [[item for item in row if item is not None] for row in rows]
    kept = [row for row in kept if row]
    return InlineKeyboardMarkup(inline_keyboard=kept) if kept else None
