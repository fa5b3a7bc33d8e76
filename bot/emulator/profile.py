"""What a bot sets about itself: commands, descriptions, name, menu button."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from bot.emulator.errors import bad_request
from bot.emulator.markup import checked_markup
from bot.emulator.parameters import Parameters, word
from bot.emulator.state import Person, Telegram
from bot.emulator.text import units

_COMMAND = re.compile(r"[a-z0-9_]{1,32}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_SCOPES = {
    "default",
    "all_private_chats",
    "all_group_chats",
    "all_chat_administrators",
    "chat",
    "chat_administrators",
    "chat_member",
}


def set_my_commands(telegram: Telegram, parameters: Parameters) -> Any:
    key = _scope(telegram, parameters), _language(parameters)
    given = parameters.structure("commands", "commands")
    if given is None:
        given = []
    if not isinstance(given, list):
        raise bad_request("expected an Array of BotCommand")
    if len(given) > 100:
        raise bad_request("BOT_COMMANDS_TOO_MUCH")
    telegram.profile.commands[key] = [_command(one) for one in given]
    telegram.pulse.beat()
    return True


def get_my_commands(telegram: Telegram, parameters: Parameters) -> Any:
    key = _scope(telegram, parameters), _language(parameters)
    return telegram.profile.commands.get(key, [])


def delete_my_commands(telegram: Telegram, parameters: Parameters) -> Any:
    key = _scope(telegram, parameters), _language(parameters)
    telegram.profile.commands.pop(key, None)
    telegram.pulse.beat()
    return True


def commands_for(telegram: Telegram, person: Person) -> list[dict[str, str]]:
    """The menu that this person sees: the narrowest scope, his language first."""
    chat_scope = json.dumps({"type": "chat", "chat_id": person.id}, sort_keys=True)
    for scope in (chat_scope, "all_private_chats", "default"):
        for language in (person.language_code, ""):
            commands = telegram.profile.commands.get((scope, language))
            if commands:
                return commands
    return []


def _command(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        raise bad_request("can't parse BotCommand: expected an Object")
    for name in ("command", "description"):
        if not isinstance(given.get(name), str):
            raise bad_request(f"can't parse BotCommand: can't find field \"{name}\"")
    command, description = given["command"].removeprefix("/"), given["description"].strip()
    if not _COMMAND.fullmatch(command):
        raise bad_request("BOT_COMMAND_INVALID")
    if not description:
        raise bad_request("command description must be non-empty")
    if units(description) > 256:
        raise bad_request("BOT_COMMAND_DESCRIPTION_INVALID")
    return {"command": command, "description": description}


def _scope(telegram: Telegram, parameters: Parameters) -> str:
    given = parameters.structure("scope", "BotCommandScope")
    if given is None:
        return "default"
    kind = word(given.get("type")) if isinstance(given, dict) else ""
    if kind not in _SCOPES:
        raise bad_request("can't parse BotCommandScope: Unsupported type specified")
    if not kind.startswith("chat"):
        return kind
    chat_id = given.get("chat_id")
    if chat_id in (None, ""):
        raise bad_request("can't parse BotCommandScope: Empty chat_id specified")
    person = telegram.known_person(str(chat_id))
    if kind != "chat":
        raise bad_request("can't change commands for private chats with this scope")
    return json.dumps({"type": "chat", "chat_id": person.id}, sort_keys=True)


def _language(parameters: Parameters) -> str:
    language = parameters.text("language_code")
    if language and not _LANGUAGE.fullmatch(language):
        raise bad_request("invalid language code specified")
    return language


def _setter(attribute: str, field: str, limit: int) -> Callable[[Telegram, Parameters], Any]:
    def set_text(telegram: Telegram, parameters: Parameters) -> Any:
        texts: dict[str, str] = getattr(telegram.profile, attribute)
        language, text = _language(parameters), parameters.text(field).strip()
        if units(text) > limit:
            raise bad_request(f"{field.replace('_', ' ')} is too long")
        if text:
            texts[language] = text
        else:
            texts.pop(language, None)
        telegram.pulse.beat()
        return True

    return set_text


def _getter(attribute: str, field: str) -> Callable[[Telegram, Parameters], Any]:
    def get_text(telegram: Telegram, parameters: Parameters) -> Any:
        texts: dict[str, str] = getattr(telegram.profile, attribute)
        default = telegram.bot_name if field == "name" else ""
        return {field: texts.get(_language(parameters)) or texts.get("", default)}

    return get_text


def set_chat_menu_button(telegram: Telegram, parameters: Parameters) -> Any:
    button = parameters.structure("menu_button", "menu button") or {"type": "default"}
    kind = word(button.get("type")) if isinstance(button, dict) else ""
    if kind not in {"default", "commands", "web_app"}:
        raise bad_request("can't parse menu button: MenuButton has unsupported type")
    if kind == "web_app":
        text = button.get("text")
        if not isinstance(text, str) or not text.strip():
            raise bad_request("can't parse menu button: menu button text must be non-empty")
        check = {"text": text, "web_app": button.get("web_app")}
        checked_markup({"inline_keyboard": [[check]]})
    telegram.profile.menu_buttons[_menu_chat(telegram, parameters)] = button
    telegram.pulse.beat()
    return True


def get_chat_menu_button(telegram: Telegram, parameters: Parameters) -> Any:
    chat = _menu_chat(telegram, parameters)
    buttons = telegram.profile.menu_buttons
    button = buttons.get(chat) or buttons.get(0) or {"type": "default"}
    return {"type": "commands"} if button["type"] == "default" else button


def _menu_chat(telegram: Telegram, parameters: Parameters) -> int:
    chat_id = parameters.text("chat_id")
    return telegram.known_person(chat_id).id if chat_id else 0


METHODS: dict[str, Callable[[Telegram, Parameters], Any]] = {
    "setmycommands": set_my_commands,
    "getmycommands": get_my_commands,
    "deletemycommands": delete_my_commands,
    "setmydescription": _setter("descriptions", "description", 512),
    "getmydescription": _getter("descriptions", "description"),
    "setmyshortdescription": _setter("short_descriptions", "short_description", 120),
    "getmyshortdescription": _getter("short_descriptions", "short_description"),
    "setmyname": _setter("names", "name", 64),
    "getmyname": _getter("names", "name"),
    "setchatmenubutton": set_chat_menu_button,
    "getchatmenubutton": get_chat_menu_button,
}
