"""What the emulated Telegram knows: people, messages, presses, files, the bot's profile."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from bot.emulator.errors import ApiError, bad_request
from bot.emulator.faults import Faults
from bot.emulator.limits import Limits
from bot.emulator.markup import Markup
from bot.emulator.text import Entity
from bot.emulator.updates import Updates
from core.clock import Clock, Random

CALLBACK_LIFE = dt.timedelta(seconds=15)
DELETABLE_FOR = dt.timedelta(hours=48)
CALLS_KEPT = 50_000

Sender = Literal["bot", "user", "service"]


@dataclass(frozen=True)
class StoredFile:
    """Bytes that were sent, by the bot or by a user."""

    file_id: str
    unique_id: str
    kind: Literal["photo", "document"]
    file_name: str
    content_type: str
    content: bytes
    width: int = 0
    height: int = 0

    @property
    def path(self) -> str:
        """Below `/file/bot<token>/`."""
        return f"{self.kind}s/{self.unique_id}/{self.file_name}"


@dataclass
class Message:
    """One message of a private chat. `text` is the caption where `file` is set."""

    id: int
    chat_id: int
    sender: Sender
    at: dt.datetime
    text: str = ""
    entities: list[Entity] = field(default_factory=list)
    file: StoredFile | None = None
    markup: Markup | None = None
    has_reply_keyboard: bool = False
    reply_to: int | None = None
    quote: str | None = None
    edited_at: dt.datetime | None = None
    deleted: bool = False
    pinned: bool = False
    pinned_id: int | None = None
    media_group_id: str | None = None
    protected: bool = False


@dataclass
class Person:
    """A Telegram user and the private chat with the bot, which has the same id."""

    id: int
    name: str
    language_code: str
    username: str | None = None
    started: bool = False
    blocked: bool = False
    reply_keyboard: list[list[str]] = field(default_factory=list)
    typing_until: dt.datetime | None = None

    def to_api(self) -> dict[str, Any]:
        """A User."""
        user: dict[str, Any] = {
            "id": self.id,
            "is_bot": False,
            "first_name": self.name,
            "language_code": self.language_code,
        }
        if self.username:
            user["username"] = self.username
        return user

    def chat(self) -> dict[str, Any]:
        """A Chat."""
        chat: dict[str, Any] = {"id": self.id, "type": "private", "first_name": self.name}
        if self.username:
            chat["username"] = self.username
        return chat


@dataclass
class Press:
    """A press of a button that waits for its answer, and the answer."""

    id: str
    chat_id: int
    message_id: int
    data: str
    at: dt.datetime
    answered: bool = False
    answer: str = ""
    alert: bool = False
    answered_at: dt.datetime | None = None


@dataclass(frozen=True)
class Call:
    """One call of the bot, as the log keeps it. `error` is None where it was carried out."""

    number: int
    at: dt.datetime
    method: str
    parameters: dict[str, Any]
    error: str | None

    def to_json(self) -> dict[str, Any]:
        """As the user's side shows it."""
        return {
            "number": self.number,
            "at": self.at.isoformat(),
            "method": self.method,
            "parameters": self.parameters,
            "error": self.error,
        }


@dataclass
class Profile:
    """What the bot has set about itself. Commands by (scope, language)."""

    commands: dict[tuple[str, str], list[dict[str, str]]] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    short_descriptions: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    menu_buttons: dict[int, dict[str, Any]] = field(default_factory=dict)


class Pulse:
    """A counter of changes that can be waited for."""

    def __init__(self) -> None:
        self.count = 0
        self._event = asyncio.Event()

    def beat(self) -> None:
        """Something changed."""
        self.count += 1
        self._event.set()
        self._event = asyncio.Event()

    async def past(self, count: int, timeout_s: float) -> bool:
        """True once there were more than `count` changes, False after `timeout_s` seconds."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.count <= count:
                    await self._event.wait()
        except TimeoutError:
            return False
        return True


class Telegram:
    """The state behind the Bot API and behind the users' screens."""

    def __init__(self, token: str, clock: Clock, random: Random, bot_name: str) -> None:
        self.token = token
        self.clock = clock
        self.random = random
        self.bot_id = int(token.partition(":")[0])
        self.bot_name = bot_name
        self.bot_username = f"{bot_name.lower()}_bot"
        self.people: dict[int, Person] = {}
        self.messages: dict[int, Message] = {}
        self.presses: dict[str, Press] = {}
        self._by_chat: dict[int, list[Message]] = {}
        self._presses_by_chat: dict[int, list[Press]] = {}
        self.files: dict[str, StoredFile] = {}
        self.profile = Profile()
        self.faults = Faults()
        self.limits = Limits()
        self.pulse = Pulse()
        self.updates = Updates(first_id=100_000_000 + random.below(800_000_000))
        self.calls: deque[Call] = deque(maxlen=CALLS_KEPT)
        self._next_message_id = 1
        self._next_call = 1

    def log_call(self, method: str, parameters: dict[str, Any], error: str | None) -> None:
        """Remember a call of the bot."""
        self.calls.append(Call(self._next_call, self.clock.now(), method, parameters, error))
        self._next_call += 1

    def bot_user(self) -> dict[str, Any]:
        """The bot as a User."""
        return {
            "id": self.bot_id,
            "is_bot": True,
            "first_name": self.profile.names.get("", self.bot_name),
            "username": self.bot_username,
        }

    def person_to_write_to(self, chat_id: str) -> Person:
        """The chat's person. Raises ApiError where the bot may not write there."""
        person = self.known_person(chat_id)
        if person.blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        return person

    def known_person(self, chat_id: str) -> Person:
        """The chat's person. Raises ApiError where the bot does not know the chat."""
        if not chat_id:
            raise bad_request("chat_id is empty")
        try:
            person = self.people.get(int(chat_id))
        except ValueError:
            person = None
        if person is None or not person.started:
            raise bad_request("chat not found")
        return person

    def visible(self, chat_id: int, message_id: int) -> Message | None:
        """A message that is there and not deleted."""
        message = self.messages.get(message_id)
        if message is None or message.deleted or message.chat_id != chat_id:
            return None
        return message

    def add(self, message: Message) -> Message:
        """Put a new message into its chat."""
        self.messages[message.id] = message
        self._by_chat.setdefault(message.chat_id, []).append(message)
        self.pulse.beat()
        return message

    def chat_messages(self, chat_id: int) -> list[Message]:
        """All messages of a chat, oldest first, deleted ones too."""
        return self._by_chat.get(chat_id, [])

    def pinned_in(self, chat_id: int) -> list[Message]:
        """The pinned messages of a chat, oldest first."""
        return [one for one in self.chat_messages(chat_id) if one.pinned and not one.deleted]

    def add_press(self, press: Press) -> None:
        """A button was pressed."""
        self.presses[press.id] = press
        self._presses_by_chat.setdefault(press.chat_id, []).append(press)
        self.pulse.beat()

    def chat_presses(self, chat_id: int) -> list[Press]:
        """All presses in a chat, oldest first."""
        return self._presses_by_chat.get(chat_id, [])

    def waiting_presses(self, chat_id: int) -> list[Press]:
        """The presses that the bot may still answer."""
        now = self.clock.now()
        recent: list[Press] = []
        for press in reversed(self.chat_presses(chat_id)):
            if now - press.at > CALLBACK_LIFE:
                break
            if not press.answered:
                recent.append(press)
        return recent[::-1]

    def new_message(self, chat_id: int, sender: Sender) -> Message:
        """An empty message with the next id; ids are shared by all chats of the bot."""
        message = Message(self._next_message_id, chat_id, sender, self.now())
        self._next_message_id += 1
        return message

    def now(self) -> dt.datetime:
        """The clock's time in whole seconds, as messages carry it."""
        return self.clock.now().replace(microsecond=0)

    def keep_file(
        self,
        kind: Literal["photo", "document"],
        file_name: str,
        content_type: str,
        content: bytes,
        size: tuple[int, int] = (0, 0),
    ) -> StoredFile:
        """Keep bytes under a new file id."""
        stored = StoredFile(
            file_id=f"{kind[0]}{self.random.token_urlsafe(24)}",
            unique_id=self.random.token_urlsafe(12),
            kind=kind,
            file_name=file_name,
            content_type=content_type,
            content=content,
            width=size[0],
            height=size[1],
        )
        self.files[stored.file_id] = stored
        return stored

    def message_to_api(self, message: Message, *, nested: bool = False) -> dict[str, Any]:
        """A Message, as the bot gets it. What it replies to is included once."""
        person = self.people[message.chat_id]
        sender = person.to_api() if message.sender == "user" else self.bot_user()
        shown: dict[str, Any] = {
            "message_id": message.id,
            "from": sender,
            "chat": person.chat(),
            "date": int(message.at.timestamp()),
        }
        if message.edited_at is not None:
            shown["edit_date"] = int(message.edited_at.timestamp())
        if message.protected:
            shown["has_protected_content"] = True
        if message.media_group_id is not None:
            shown["media_group_id"] = message.media_group_id
        if message.file is not None:
            shown |= _media_to_api(message.file)
        text_field = "text" if message.file is None else "caption"
        if message.text:
            shown[text_field] = message.text
        if message.entities:
            name = "entities" if message.file is None else "caption_entities"
            shown[name] = message.entities
        if message.markup is not None:
            shown["reply_markup"] = message.markup
        if not nested:
            self._add_relatives(message, shown)
        return shown

    def _add_relatives(self, message: Message, shown: dict[str, Any]) -> None:
        original = self.messages.get(message.reply_to or 0)
        if original is not None and not original.deleted:
            shown["reply_to_message"] = self.message_to_api(original, nested=True)
            if message.quote:
                shown["quote"] = {"text": message.quote, "position": 0}
        pinned = self.messages.get(message.pinned_id or 0)
        if pinned is not None:
            shown["pinned_message"] = self.message_to_api(pinned, nested=True)


def _media_to_api(file: StoredFile) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "file_id": file.file_id,
        "file_unique_id": file.unique_id,
        "file_size": len(file.content),
    }
    if file.kind == "photo":
        return {"photo": [{**shown, "width": file.width, "height": file.height}]}
    return {"document": {**shown, "file_name": file.file_name, "mime_type": file.content_type}}
