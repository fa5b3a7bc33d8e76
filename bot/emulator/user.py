"""A person with a phone: writes, presses, blocks, looks."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from bot.emulator.screen import Shown, screen_of
from bot.emulator.state import Person, Press, Telegram
from bot.emulator.text import formatted

Result = TypeVar("Result")
_PAYLOAD = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ScreenTimeout(AssertionError):
    """What was waited for did not show up in time; the text holds what was seen instead."""


class User:
    """One Telegram user in his private chat with the bot."""

    def __init__(self, telegram: Telegram, person: Person) -> None:
        self._telegram = telegram
        self.person = person

    @property
    def id(self) -> int:
        """The Telegram id, which is the chat's id too."""
        return self.person.id

    def start(self, payload: str = "") -> int:
        """Open the bot by its link and press Start. `payload`: up to 64 of A-Z a-z 0-9 _ -."""
        if payload and not _PAYLOAD.fullmatch(payload):
            raise ValueError("a start payload was given that no link can carry")
        return self.say(f"/start {payload}".strip())

    def say(self, text: str, *, reply_to: int | None = None) -> int:
        """Send a text message; returns its id. A first message opens the chat."""
        if self.person.blocked:
            raise PermissionError("the bot is blocked by this user: unblock first")
        text, entities = formatted(text, "", None)
        if not text:
            raise ValueError("an empty message cannot be sent")
        telegram = self._telegram
        self.person.started = True
        message = telegram.new_message(self.id, "user")
        message.text, message.entities, message.reply_to = text, entities, reply_to
        telegram.add(message)
        telegram.updates.put("message", telegram.message_to_api(message))
        return message.id

    def press(
        self,
        message_id: int,
        label: str | None = None,
        *,
        data: str | None = None,
        forged: bool = False,
    ) -> str:
        """Press an inline button by its label or its data; returns the callback query's id.

        `forged` sends `data` as a manipulated client can: whether such a button is there or not.
        Raises LookupError where the screen has no such button that can be pressed.
        """
        if forged:
            if data is None:
                raise ValueError("a forged press needs data")
        else:
            data = self._pressable(message_id, label, data)
        return self._send_press(message_id, data)

    def copy(self, message_id: int, label: str) -> str:
        """Press a copy button; returns what lies in the clipboard then. Raises LookupError."""
        text = self.message(message_id).button(label).copy_text
        if text is None:
            raise LookupError(f"button {label!r} copies nothing")
        return text

    def open_web_app(self, message_id: int, label: str) -> str:
        """The address that a web app button opens, with the init data signed by the bot's token."""
        url = self.message(message_id).button(label).web_app
        if url is None:
            raise LookupError(f"button {label!r} opens no web app")
        return f"{url.partition('#')[0]}#tgWebAppData={quote(self.init_data(), safe='')}"

    def init_data(self) -> str:
        """Signed init data of a Mini App opened by this user now."""
        fields = {
            "auth_date": str(int(self._telegram.clock.now().timestamp())),
            "query_id": self._telegram.random.token_urlsafe(16),
            "user": json.dumps(self.person.to_api(), separators=(",", ":")),
        }
        check = "\n".join(f"{name}={fields[name]}" for name in sorted(fields))
        key = hmac.new(b"WebAppData", self._telegram.token.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, check.encode(), hashlib.sha256).hexdigest()
        return urlencode({**fields, "hash": signature})

    def block(self) -> None:
        """Stop the bot: what it sends now fails with 403."""
        self._set_blocked(True)

    def unblock(self) -> None:
        """Let the bot write again."""
        self._set_blocked(False)

    def screen(self) -> list[Shown]:
        """The visible messages, oldest first."""
        return screen_of(self._telegram, self.id)

    def history(self) -> list[Shown]:
        """All messages there ever were, deleted ones too."""
        return screen_of(self._telegram, self.id, deleted=True)

    def message(self, message_id: int) -> Shown:
        """One visible message. Raises LookupError."""
        for shown in self.screen():
            if shown.id == message_id:
                return shown
        raise LookupError(f"message {message_id} is not on the screen")

    def answers(self) -> list[Press]:
        """The presses that the bot answered, in that order: `answer` is the toast or alert."""
        presses = self._telegram.chat_presses(self.id)
        mine = [press for press in presses if press.answered_at is not None]
        return sorted(mine, key=lambda press: press.answered_at or press.at)

    async def wait_until(
        self, predicate: Callable[[list[Shown]], Result | None], timeout_s: float = 10.0
    ) -> Result:
        """The first true value of `predicate(screen)`. Raises ScreenTimeout after `timeout_s`."""
        loop_end = self._deadline(timeout_s)
        while True:
            count = self._telegram.pulse.count
            value = predicate(self.screen())
            if value:
                return value
            left = loop_end - self._monotonic()
            if left <= 0 or not await self._telegram.pulse.past(count, left):
                value = predicate(self.screen())
                if value:
                    return value
                raise ScreenTimeout(f"not seen within {timeout_s} s; the screen:\n{self.told()}")

    async def wait_for_text(self, part: str, timeout_s: float = 10.0) -> Shown:
        """The latest message of the bot that contains `part`. Raises ScreenTimeout."""

        def latest(screen: list[Shown]) -> Shown | None:
            fitting = [one for one in screen if one.sender == "bot" and part in one.text]
            return fitting[-1] if fitting else None

        return await self.wait_until(latest, timeout_s)

    async def wait_answer(self, query_id: str, timeout_s: float = 10.0) -> Press:
        """The bot's answer to a press. Raises ScreenTimeout."""

        def answered(screen: list[Shown]) -> Press | None:
            press = self._telegram.presses[query_id]
            return press if press.answered else None

        return await self.wait_until(answered, timeout_s)

    def told(self) -> str:
        """The screen as plain text, for transcripts and failures."""
        lines: list[str] = []
        for shown in self.screen():
            who = {"bot": "BOT ", "user": "USER", "service": "····"}[shown.sender]
            extra = " [photo]" if shown.photo else ""
            lines.append(f"{who} #{shown.id}{extra} {shown.text}".replace("\n", "\n     "))
            lines.extend(
                "     " + " ".join(f"[{button.label}]" for button in row) for row in shown.buttons
            )
        return "\n".join(lines) or "(empty)"

    def _pressable(self, message_id: int, label: str | None, data: str | None) -> str:
        shown = self.message(message_id)
        if label is not None:
            button = shown.button(label)
        else:
            fitting = [one for row in shown.buttons for one in row if one.data == data]
            if data is None or not fitting:
                raise LookupError(f"message {message_id} has no button with data {data!r}")
            button = fitting[0]
        if button.disabled:
            raise LookupError(f"button {button.label!r} is disabled")
        if button.data is None:
            raise LookupError(f"button {button.label!r} is not one that tells the bot")
        return button.data

    def _send_press(self, message_id: int, data: str) -> str:
        telegram = self._telegram
        query_id = str((1 << 60) + telegram.random.below(1 << 61))
        press = Press(query_id, self.id, message_id, data, telegram.clock.now())
        message = telegram.visible(self.id, message_id)
        shown = (
            telegram.message_to_api(message)
            if message is not None
            else {"message_id": message_id, "chat": self.person.chat(), "date": 0}
        )
        telegram.updates.put(
            "callback_query",
            {
                "id": query_id,
                "from": self.person.to_api(),
                "message": shown,
                "chat_instance": str(7_000_000_000 + self.id),
                "data": data,
            },
        )
        telegram.add_press(press)
        return query_id

    def _set_blocked(self, blocked: bool) -> None:
        if self.person.blocked == blocked:
            return
        telegram = self._telegram
        old, new = ("member", "kicked") if blocked else ("kicked", "member")
        self.person.blocked = blocked
        telegram.updates.put(
            "my_chat_member",
            {
                "chat": self.person.chat(),
                "from": self.person.to_api(),
                "date": int(telegram.now().timestamp()),
                "old_chat_member": self._membership(old),
                "new_chat_member": self._membership(new),
            },
        )
        telegram.pulse.beat()

    def _membership(self, status: str) -> dict[str, Any]:
        member: dict[str, Any] = {"user": self._telegram.bot_user(), "status": status}
        if status == "kicked":
            member["until_date"] = 0
        return member

    def _monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def _deadline(self, timeout_s: float) -> float:
        return self._monotonic() + timeout_s
