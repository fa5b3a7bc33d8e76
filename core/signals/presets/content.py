"""From the bytes of a body to what a preset reads: its object, or its text.

Other platforms' messages are pasted from web pages and built in Pine, so what is written there
without doubt is read: typographic quotes, comments and a comma too much. Numbers, names and
duplicates stay as strict as in our own grammar.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from core.signals.faults import AlertFault
from core.signals.masking import excerpt_at
from core.signals.presets.common import Content, Preset, fault, several_orders
from core.signals.reading import MAX_BODY, read_object

_QUOTES: Final = '"\u201c\u201d\u201e\u201f\u2033\uff02'
_LIST: Final = "list"


def text_of(raw: bytes) -> str:
    """The text of a body. Raises AlertFault where it is none, empty or too long."""
    if len(raw) > MAX_BODY:
        raise fault(
            "too_large",
            f"The body is larger than {MAX_BODY} bytes.",
            "Shorten the message; an alert needs a few hundred characters.",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise fault(
            "not_utf8", "The body is not UTF-8 text.", "Send it as plain UTF-8 text."
        ) from error
    if not text.strip():
        raise fault("empty", "The body is empty.", "Paste the strategy's message into the alert.")
    if "\x00" in text:
        raise fault("bad_character", "The body holds a NUL character.", "Remove it.")
    return text.strip()


def content_of(text: str, preset: Preset) -> Content:
    """What a preset reads in a body. Raises AlertFault."""
    if text[0] in "{[" and preset.json:
        return _single(read_loosely(text))
    if not preset.text:
        raise AlertFault(
            "not_json",
            "The body is not a JSON object.",
            f"A message of {preset.title} begins with {{ and ends with }}.",
            line=1,
            column=1,
            excerpt=excerpt_at(text, 0),
        )
    return text


def read_loosely(text: str) -> Any:
    """The object or list in a text that begins with a bracket. Raises the fault of strict reading
    where repairs do not help.
    """
    try:
        return _read(text)
    except AlertFault as strict:
        repaired = _repaired(text)
        if repaired == text:
            raise
        try:
            return _read(repaired)
        except AlertFault:
            raise strict from None


def _read(text: str) -> Any:
    if text.startswith("["):
        return read_object(f'{{"{_LIST}":{text}}}'.encode("utf-8", "surrogatepass"))[_LIST]
    return read_object(text.encode("utf-8", "surrogatepass"))


def _single(value: Any) -> Mapping[str, Any]:
    """The one message in a body; a list of one is that one."""
    if isinstance(value, list):
        if len(value) == 1 and isinstance(value[0], Mapping):
            return value[0]
        raise several_orders(f"a list of {len(value)} messages")
    assert isinstance(value, Mapping)
    return value


def _repaired(text: str) -> str:
    """The same text with straight quotes, without comments and without a comma before a bracket."""
    pieces: list[str] = []
    last_end = text.rfind("*/")
    at = 0
    while at < len(text):
        character = text[at]
        if character in _QUOTES:
            end = _end_of_string(text, at)
            pieces.append(f'"{text[at + 1 : end]}"')
            at = end + 1
            continue
        after = _after_comment(text, at, last_end)
        if after > at:
            at = after
            continue
        if character == "," and _next_of(text, at + 1, last_end) in ("}", "]"):
            at += 1
            continue
        pieces.append(character)
        at += 1
    return "".join(pieces)


def _next_of(text: str, at: int, last_end: int) -> str:
    """The next character that is neither space nor in a comment; none at the end."""
    while at < len(text):
        after = _after_comment(text, at, last_end)
        if after > at:
            at = after
        elif text[at].isspace():
            at += 1
        else:
            break
    return text[at : at + 1]


def _after_comment(text: str, at: int, last_end: int) -> int:
    """Where a comment that begins here ends; the same place where none does. `last_end` is where
    the last mark is that can end one.
    """
    if text.startswith("//", at):
        end = text.find("\n", at)
        return len(text) if end == -1 else end
    if text.startswith("/*", at) and at + 2 <= last_end:
        return text.find("*/", at + 2) + 2
    return at


def _end_of_string(text: str, start: int) -> int:
    """Where the quote is that closes the one at `start`; the text's end where there is none. What
    began with a straight quote ends with one.
    """
    closing = '"' if text[start] == '"' else _QUOTES
    at = start + 1
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] in closing:
            return at
        at += 1
    return len(text)
