"""What a person sees on the phone."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from bot.emulator.markup import Markup
from bot.emulator.state import Message, Sender, Telegram
from bot.emulator.text import Entity, slice_units


@dataclass(frozen=True)
class ShownButton:
    """An inline button. `pending` while a press of it waits for the bot's answer."""

    label: str
    data: str | None
    copy_text: str | None
    url: str | None
    web_app: str | None
    style: str | None
    disabled: bool
    pending: bool


@dataclass(frozen=True)
class Shown:
    """A message on the screen. `text` is the caption where there is a photo or a document.

    `photo` and `document` are file ids; `time` is when it was sent, `edited` whether it was since.
    """

    id: int
    sender: Sender
    text: str
    entities: list[Entity]
    buttons: list[list[ShownButton]]
    photo: str | None
    photo_width: int
    photo_height: int
    document: str | None
    document_name: str | None
    reply_to: int | None
    quote: str | None
    edited: bool
    time: dt.datetime
    pinned: bool
    protected: bool
    media_group_id: str | None

    def to_json(self) -> dict[str, Any]:
        """As the page gets it."""
        return {**asdict(self), "time": self.time.isoformat()}

    def labels(self) -> list[str]:
        """The words on its buttons, row by row."""
        return [button.label for row in self.buttons for button in row]

    def button(self, label: str) -> ShownButton:
        """The button with this label; else the only one that contains it.

        Raises LookupError where there is none, or several.
        """
        buttons = [button for row in self.buttons for button in row]
        exact = [button for button in buttons if button.label == label]
        near = [button for button in buttons if label.casefold() in button.label.casefold()]
        found = exact or near
        if len(found) != 1:
            raise LookupError(
                f"message {self.id} has {len(found)} buttons {label!r}; it has {self.labels()}"
            )
        return found[0]

    def covered(self, kind: str) -> list[str]:
        """The parts of the text under entities of a type, say `code`."""
        return [
            slice_units(self.text, entity["offset"], entity["length"])
            for entity in self.entities
            if entity["type"] == kind
        ]


def screen_of(telegram: Telegram, chat_id: int, *, deleted: bool = False) -> list[Shown]:
    """The chat's messages, oldest first; with `deleted`, those that are gone too."""
    pending = {(press.message_id, press.data) for press in telegram.waiting_presses(chat_id)}
    return [
        _shown(message, pending)
        for message in telegram.chat_messages(chat_id)
        if deleted or not message.deleted
    ]


def _shown(message: Message, pending: set[tuple[int, str]]) -> Shown:
    file = message.file
    rows = (message.markup or {}).get("inline_keyboard", [])
    return Shown(
        id=message.id,
        sender=message.sender,
        text=message.text,
        entities=message.entities,
        buttons=[[_button(button, message.id, pending) for button in row] for row in rows],
        photo=file.file_id if file is not None and file.kind == "photo" else None,
        photo_width=file.width if file is not None else 0,
        photo_height=file.height if file is not None else 0,
        document=file.file_id if file is not None and file.kind == "document" else None,
        document_name=file.file_name if file is not None and file.kind == "document" else None,
        reply_to=message.reply_to,
        quote=message.quote,
        edited=message.edited_at is not None,
        time=message.at,
        pinned=message.pinned,
        protected=message.protected,
        media_group_id=message.media_group_id,
    )


def _button(button: Markup, message_id: int, pending: set[tuple[int, str]]) -> ShownButton:
    data = button.get("callback_data")
    return ShownButton(
        label=button["text"],
        data=data,
        copy_text=(button.get("copy_text") or {}).get("text"),
        url=button.get("url"),
        web_app=(button.get("web_app") or {}).get("url"),
        style=button.get("style"),
        disabled="disabled" in button,
        pending=data is not None and (message_id, data) in pending,
    )
