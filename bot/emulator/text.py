"""Text and its entities: UTF-16 arithmetic, validation, HTML, and what Telegram finds by itself."""

from __future__ import annotations

import re
from typing import Any

from bot.emulator.errors import bad_request

MAX_TEXT_UNITS = 4096
MAX_CAPTION_UNITS = 1024

_PLAIN_TYPES = {
    "bold",
    "italic",
    "underline",
    "strikethrough",
    "spoiler",
    "blockquote",
    "expandable_blockquote",
    "code",
    "pre",
    "text_link",
    "text_mention",
    "custom_emoji",
    "date_time",
}
_FOUND_TYPES = {
    "mention",
    "hashtag",
    "cashtag",
    "bot_command",
    "url",
    "email",
    "phone_number",
    "bank_card_number",
}
_SOURCE_TYPES = {"code", "pre"}
_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
    "tg-time": "date_time",
}
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9-]*)((?:\s+[^<>]*)?)>")
_ATTRIBUTE = re.compile(r"""([a-zA-Z-]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?""")
_REFERENCE = re.compile(r"&(#x[0-9a-fA-F]+|#[0-9]+|[a-zA-Z]+);?")
_FOUND = re.compile(
    r"(?P<url>https?://[^\s<>\"]+[^\s<>\".,:;!?)\]'])"
    r"|(?<![\w/@])(?P<bot_command>/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?)(?![\w/])"
    r"|(?<![\w@])(?P<mention>@[A-Za-z][A-Za-z0-9_]{3,31})(?!\w)"
)

Entity = dict[str, Any]


def units(text: str) -> int:
    """Length in UTF-16 code units, the measure of all offsets and limits."""
    return len(text) + sum(1 for character in text if ord(character) > 0xFFFF)


def slice_units(text: str, offset: int, length: int) -> str:
    """The part of a text that an entity covers."""
    raw = text.encode("utf-16-le")[offset * 2 : (offset + length) * 2]
    return raw.decode("utf-16-le", errors="replace")


def formatted(text: str, parse_mode: str, entities: Any) -> tuple[str, list[Entity]]:
    """Text and entities as they are stored: parsed or validated, trimmed, with what Telegram finds.

    Raises ApiError with Telegram's reason.
    """
    if len(text.encode()) > 1 << 15:
        raise bad_request("text is too long")
    mode = parse_mode.lower()
    if text and mode and mode != "none":
        if mode == "html":
            text, given = parse_html(text)
        elif mode in {"markdown", "markdownv2"}:
            raise bad_request("this emulator reads entities and HTML, not Markdown")
        else:
            raise bad_request("unsupported parse_mode")
    else:
        given = _checked(text, entities)
    text, given = _trimmed(text, given)
    found = _found(text, given)
    ordered = sorted([*given, *found], key=lambda entity: (entity["offset"], -entity["length"]))
    return text, ordered


def _checked(text: str, entities: Any) -> list[Entity]:
    if entities is None:
        return []
    if not isinstance(entities, list):
        raise bad_request("can't parse entities: expected an Array of MessageEntity")
    boundaries = _boundaries(text)
    total = units(text)
    checked: list[Entity] = []
    for entity in entities:
        one = _checked_one(entity)
        if one is None:
            continue
        start, end = one["offset"], one["offset"] + one["length"]
        if end > total:
            raise bad_request(
                f"entity beginning at UTF-16 offset {start} ends after the end of the text at "
                f"UTF-16 offset {total}"
            )
        if start not in boundaries:
            raise bad_request(f"entity begins in a middle of a UTF-16 symbol at offset {start}")
        if end not in boundaries:
            raise bad_request(
                f"entity beginning at UTF-16 offset {start} ends in a middle of a UTF-16 symbol"
            )
        checked.append(one)
    return checked


def _checked_one(entity: Any) -> Entity | None:
    if not isinstance(entity, dict):
        raise bad_request("can't parse MessageEntity: expected an Object")
    kind = entity.get("type")
    if not isinstance(kind, str):
        raise bad_request("can't parse MessageEntity: Type is not specified")
    offset, length = entity.get("offset"), entity.get("length")
    for name, value in (("offset", offset), ("length", length)):
        if not isinstance(value, int) or isinstance(value, bool):
            raise bad_request(f"can't parse MessageEntity: Can't find field \"{name}\"")
    assert isinstance(offset, int)
    assert isinstance(length, int)
    if offset < 0 or offset > 1_000_000:
        raise bad_request("receive an entity with incorrect offset")
    if length < 0 or length > 1_000_000:
        raise bad_request("receive an entity with incorrect length")
    if kind in _FOUND_TYPES or length == 0:
        return None
    if kind not in _PLAIN_TYPES:
        raise bad_request("can't parse MessageEntity: Unsupported type specified")
    stored: Entity = {"type": kind, "offset": offset, "length": length}
    needed = {
        "text_link": "url",
        "text_mention": "user",
        "custom_emoji": "custom_emoji_id",
        "date_time": "unix_time",
    }.get(kind)
    if needed is not None:
        if entity.get(needed) in (None, ""):
            raise bad_request(f"can't parse MessageEntity: Can't find field \"{needed}\"")
        stored[needed] = entity[needed]
    for optional in ("language", "date_time_format"):
        if entity.get(optional):
            stored[optional] = entity[optional]
    return stored


def _boundaries(text: str) -> set[int]:
    position, boundaries = 0, {0}
    for character in text:
        position += 2 if ord(character) > 0xFFFF else 1
        boundaries.add(position)
    return boundaries


def _trimmed(text: str, entities: list[Entity]) -> tuple[str, list[Entity]]:
    left = len(text) - len(text.lstrip(" \n\t\r"))
    shift = units(text[:left])
    text = text.strip(" \n\t\r")
    total = units(text)
    kept: list[Entity] = []
    for entity in entities:
        start = max(0, entity["offset"] - shift)
        end = min(total, entity["offset"] + entity["length"] - shift)
        if end > start:
            kept.append({**entity, "offset": start, "length": end - start})
    return text, kept


def _found(text: str, given: list[Entity]) -> list[Entity]:
    taken = [
        (entity["offset"], entity["offset"] + entity["length"])
        for entity in given
        if entity["type"] in _SOURCE_TYPES | {"text_link", "text_mention"}
    ]
    found: list[Entity] = []
    for match in _FOUND.finditer(text):
        start = units(text[: match.start()])
        length = units(match.group())
        if any(start < end and begin < start + length for begin, end in taken):
            continue
        assert match.lastgroup is not None
        found.append({"type": match.lastgroup, "offset": start, "length": length})
    return found


def parse_html(source: str) -> tuple[str, list[Entity]]:
    """Telegram's HTML: a short list of tags, four named references. Raises ApiError."""
    out: list[str] = []
    length = 0
    entities: list[Entity] = []
    opened: list[tuple[str, Entity]] = []
    position = 0

    def put(piece: str) -> None:
        nonlocal length
        out.append(piece)
        length += units(piece)

    def at(index: int) -> int:
        return len(source[:index].encode())

    while position < len(source):
        character = source[position]
        if character == "&":
            reference = _REFERENCE.match(source, position)
            decoded = _decoded(reference.group(1)) if reference else None
            if reference is None or decoded is None:
                put("&")
                position += 1
            else:
                put(decoded)
                position = reference.end()
            continue
        if character != "<":
            put(character)
            position += 1
            continue
        tag = _TAG.match(source, position)
        if tag is None:
            name = re.match(r"</?([^\s<>]*)", source[position:])
            raise bad_request(
                f'can\'t parse entities: Unsupported start tag "{name.group(1) if name else ""}" '
                f"at byte offset {at(position)}"
            )
        name_of = tag.group(2).lower()
        if tag.group(1):
            _close(name_of, opened, entities, length, at(position))
        else:
            opened.append((name_of, _open(name_of, tag.group(3), opened, length, at(position))))
        position = tag.end()
    if opened:
        raise bad_request(
            "can't parse entities: Can't find end tag corresponding to start tag "
            f'"{opened[-1][0]}"'
        )
    text = "".join(out)
    return text, [entity for entity in entities if entity["length"] > 0]


def _decoded(reference: str) -> str | None:
    if reference.startswith("#"):
        number = int(reference[2:], 16) if reference[1] == "x" else int(reference[1:])
        is_character = 0 < number < 0x110000 and not 0xD800 <= number < 0xE000
        return chr(number) if is_character else None
    return _NAMED.get(reference)


def _open(
    name: str, raw_attributes: str, opened: list[tuple[str, Entity]], length: int, offset: int
) -> Entity:
    if name not in _TAGS:
        raise bad_request(
            f'can\'t parse entities: Unsupported start tag "{name}" at byte offset {offset}'
        )
    attributes = {
        match[0].lower(): match[1] or match[2] or match[3]
        for match in _ATTRIBUTE.findall(raw_attributes)
    }
    entity: Entity = {"type": _TAGS[name], "offset": length, "length": 0}
    if name == "span" and attributes.get("class") != "tg-spoiler":
        raise bad_request(
            'can\'t parse entities: Tag "span" must have class "tg-spoiler" '
            f"at byte offset {offset}"
        )
    if name == "a":
        entity["url"] = _unreferenced(attributes.get("href", ""))
    elif name == "blockquote" and "expandable" in attributes:
        entity["type"] = "expandable_blockquote"
    elif name == "tg-emoji":
        entity["custom_emoji_id"] = attributes.get("emoji-id", "")
    elif name == "tg-time":
        unix_time = attributes.get("unix", "")
        if not unix_time.isascii() or not unix_time.isdigit():
            raise bad_request(
                f"can't parse entities: Invalid date-time specified at byte offset {offset}"
            )
        entity["unix_time"] = int(unix_time)
        if attributes.get("format"):
            entity["date_time_format"] = attributes["format"]
    elif name == "code" and attributes.get("class", "").startswith("language-"):
        language = attributes["class"].removeprefix("language-")
        if opened and opened[-1][0] == "pre" and opened[-1][1]["offset"] == length:
            opened[-1][1]["language"] = language
            entity["type"] = "inside_pre"
    return entity


def _close(
    name: str, opened: list[tuple[str, Entity]], entities: list[Entity], length: int, offset: int
) -> None:
    if not opened:
        raise bad_request(f"can't parse entities: Unexpected end tag at byte offset {offset}")
    expected, entity = opened.pop()
    if expected != name:
        raise bad_request(
            f"can't parse entities: Unmatched end tag at byte offset {offset}, "
            f'expected "</{expected}>", found "</{name}>"'
        )
    entity["length"] = length - entity["offset"]
    if entity["type"] == "inside_pre" or (entity["type"] == "text_link" and not entity["url"]):
        return
    entities.append(entity)


def _unreferenced(value: str) -> str:
    return _REFERENCE.sub(lambda match: _decoded(match.group(1)) or match.group(), value)
