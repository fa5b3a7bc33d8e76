"""Keyboards under messages and their rules."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from bot.emulator.errors import bad_request

ACTIONS = (
    "url",
    "callback_data",
    "web_app",
    "login_url",
    "switch_inline_query",
    "switch_inline_query_current_chat",
    "switch_inline_query_chosen_chat",
    "copy_text",
    "callback_game",
    "pay",
    "disabled",
)
STYLES = {"danger", "success", "primary"}
MAX_CALLBACK_DATA_BYTES = 64
MAX_COPY_TEXT_CHARACTERS = 256
MAX_BUTTONS = 100
_TOP_DOMAINLESS = {"localhost"}

Markup = dict[str, Any]


def checked_markup(markup: Any) -> Markup | None:
    """A reply markup as it is stored; None where there is none.

    Raises ApiError: where Telegram only takes the first of several actions, this is stricter.
    """
    if markup is None:
        return None
    if not isinstance(markup, dict):
        raise bad_request("object expected as reply markup")
    if "inline_keyboard" in markup:
        rows = _inline_rows(markup["inline_keyboard"])
        return {"inline_keyboard": rows} if rows else None
    if "keyboard" in markup:
        return {**markup, "keyboard": _reply_rows(markup["keyboard"])}
    if markup.get("remove_keyboard") or markup.get("force_reply"):
        return dict(markup)
    return None


def is_inline(markup: Markup | None) -> bool:
    """Whether it lies under the message (and not where the user types)."""
    return markup is not None and "inline_keyboard" in markup


def _inline_rows(rows: Any) -> list[list[Markup]]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request(
            'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays'
        )
    checked = [[_inline_button(button) for button in row] for row in rows if row]
    if sum(len(row) for row in checked) > MAX_BUTTONS:
        raise bad_request("reply markup is too long")
    return checked


def _inline_button(given: Any) -> Markup:
    if not isinstance(given, dict):
        raise _unreadable("InlineKeyboardButton must be an Object")
    button: Markup = {str(key): value for key, value in given.items() if value is not None}
    text = button.get("text")
    if not isinstance(text, str):
        raise _unreadable('Can\'t find field "text"')
    if not text.strip():
        raise bad_request("inline keyboard button text must be non-empty")
    style = button.get("style")
    if style is not None and (not isinstance(style, str) or style not in STYLES):
        raise _unreadable("invalid button style specified")
    actions = [name for name in ACTIONS if name in button]
    if not actions:
        raise _unreadable("Text buttons are unallowed in the inline keyboard")
    if len(actions) > 1:
        raise _unreadable(f"exactly one action is allowed, found {' and '.join(actions)}")
    _check_action(actions[0], button[actions[0]])
    return button


def _check_action(action: str, value: Any) -> None:
    if action == "callback_data":
        if not isinstance(value, str) or not 1 <= len(value.encode()) <= MAX_CALLBACK_DATA_BYTES:
            raise bad_request("BUTTON_DATA_INVALID")
    elif action == "url":
        _check_url(value)
    elif action in {"web_app", "login_url"}:
        url = value.get("url") if isinstance(value, dict) else None
        if not isinstance(url, str):
            raise _unreadable('Can\'t find field "url"')
        if urlsplit(url).scheme != "https":
            what = "Web App" if action == "web_app" else "login"
            raise bad_request(
                f"inline keyboard button {what} URL '{url}' is invalid: "
                "Only HTTPS links are allowed"
            )
        _check_url(url)
    elif action == "copy_text":
        text = value.get("text") if isinstance(value, dict) else None
        if not isinstance(text, str):
            raise _unreadable('Can\'t find field "text"')
        if not 1 <= len(text) <= MAX_COPY_TEXT_CHARACTERS:
            raise bad_request("BUTTON_COPY_TEXT_INVALID")
    elif action == "disabled" and not isinstance(value, dict):
        raise _unreadable('field "disabled" must be of type Object')


def _check_url(value: Any) -> None:
    url = value if isinstance(value, str) else ""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme == "tg":
        return
    reachable = "." in host and host.rpartition(".")[2] not in _TOP_DOMAINLESS
    if parts.scheme not in {"http", "https"} or not reachable or " " in url:
        raise bad_request(f"inline keyboard button URL '{url}' is invalid: Wrong HTTP URL")


def _reply_rows(rows: Any) -> list[list[Markup]]:
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad_request('field "keyboard" must be an Array of Arrays')
    checked: list[list[Markup]] = []
    for row in rows:
        buttons: list[Markup] = []
        for button in row:
            shaped = {"text": button} if isinstance(button, str) else button
            if not isinstance(shaped, dict) or not isinstance(shaped.get("text"), str):
                raise bad_request("can't parse keyboard button: can't find field \"text\"")
            buttons.append(shaped)
        if buttons:
            checked.append(buttons)
    return checked


def _unreadable(reason: str) -> Exception:
    return bad_request(f"can't parse inline keyboard button: {reason}")
