"""Telegram's updates as they come, before anything of them is decoded into types."""

from __future__ import annotations

from typing import Any, Final

from aiogram.methods import TelegramMethod

KIND_CHARACTERS: Final = 32


class GetRawUpdates(TelegramMethod[list[dict[str, Any]]]):
    """getUpdates whose answer is not decoded into types, so that no update can stall the rest."""

    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int | None = None
    limit: int | None = None
    timeout: int | None = None
    allowed_updates: list[str] | None = None


def kind_of(raw: dict[str, Any]) -> str:
    """What an update is, by its first field beside the number."""
    for name in raw:
        if name != "update_id":
            return str(name)[:KIND_CHARACTERS]
    return "empty"


def chat_id_of(raw: dict[str, Any], kind: str) -> int | None:
    """The chat whose order an update keeps: its own, or its sender's chat with the bot."""
    content = raw.get(kind)
    if not isinstance(content, dict):
        return None
    for place in (content.get("chat"), _inner(content, "message", "chat"), content.get("from")):
        if isinstance(place, dict) and isinstance(place.get("id"), int):
            return int(place["id"])
    return None


def _inner(content: dict[str, Any], first: str, second: str) -> Any:
    inner = content.get(first)
    return inner.get(second) if isinstance(inner, dict) else None
