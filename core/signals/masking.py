"""Takes secrets out of what is stored or shown: of whole bodies, and of excerpts of broken ones."""

from __future__ import annotations

import re

MASK = "***"
EXCERPT_BEFORE = 40
EXCERPT_AFTER = 40
MAX_NAME = 40

_QUOTES = "\"'`\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb"
# After the word "secret" all up to the closing quote, or to an unquoted value's end, may be it.
_SECRET_VALUE = re.compile(
    rf"(?i)secret[{_QUOTES}\\]*\s*[:=]?\s*"
    rf"(?P<value>(?:[{_QUOTES}][^{_QUOTES}]{{0,400}})?[^,}}\n]*)"
)
# What could be a key, a token or a part of one: long and without spaces. Backslash and percent are
# in it for escaped forms.
_TOKEN = re.compile(r"[A-Za-z0-9_\-+/=\\%~]{12,}")
_HARMLESS = re.compile(
    r"[0-9]+|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}"
    r"|(?:prev_)?market_position(?:_size)?|position_size|alert_message"
)
_ESCAPED = re.compile(r"\\|%[0-9A-Fa-f]{2}")
_FILLER = "\x00"
_SHORT_ESCAPES = {'"': r"\"", "\\": r"\\", "/": r"\/"}


def mask_body(raw: bytes, secret: str) -> str:
    """The body as text with every occurrence of the secret replaced by `***`.

    Finds it in each of JSON's spellings (`a`, `\\u0061`, `\\/`) and in percent-encoding. Bytes that
    are not UTF-8 and NUL are replaced, so that every database takes the text.
    """
    text = raw.decode("utf-8-sig", "replace").replace("\x00", "\ufffd")
    if not secret:
        return text
    if secret in MASK:
        return "(masked)" if secret in text else text
    masked = text.replace(secret, MASK)
    if _ESCAPED.search(masked):
        masked = re.sub("".join(_spellings(character) for character in secret), MASK, masked)
    return MASK if secret in masked else masked


def mask_text(text: str) -> str:
    """A text with all that may be a secret replaced by `***`, however broken it is."""
    return _collapsed(_blanked(text))


def excerpt_at(text: str, offset: int) -> str:
    """One line around an offset of a body, masked. Masked first and cut afterwards: a cut token
    would be too short to be known as one.
    """
    start = max(0, offset - EXCERPT_BEFORE)
    end = min(len(text), offset + EXCERPT_AFTER)
    shown = _collapsed(_blanked(text)[start:end])
    shown = "".join(c if c.isprintable() else " " for c in shown)
    return f"{'…' if start else ''}{shown}{'…' if end < len(text) else ''}"


def safe_name(name: str) -> str:
    """A name or value of a body that is repeated in a sentence: masked, short, one line."""
    shown = "".join(c if c.isprintable() else "?" for c in mask_text(name))
    return f"{shown[: MAX_NAME - 1]}…" if len(shown) > MAX_NAME else shown


def _blanked(text: str) -> str:
    """The same text, equally long, with what may be a secret overwritten."""
    text = text.replace(_FILLER, " ")
    blanked = list(text)
    for match in _SECRET_VALUE.finditer(text):
        _blank(blanked, *match.span("value"))
    for match in _TOKEN.finditer(text):
        if _HARMLESS.fullmatch(match.group()) is None:
            _blank(blanked, *match.span())
    return "".join(blanked)


def _blank(characters: list[str], start: int, end: int) -> None:
    characters[start:end] = _FILLER * (end - start)


def _collapsed(text: str) -> str:
    return re.sub(f"{_FILLER}+", MASK, text)


def _spellings(character: str) -> str:
    """A pattern of all ways to write a character in JSON, or percent-encoded."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    escaped = "".join(rf"\\u(?i:{units[i : i + 4]})" for i in range(0, len(units), 4))
    percent = "".join(f"%(?i:{byte:02x})" for byte in character.encode("utf-8", "surrogatepass"))
    ways = [re.escape(character), escaped, percent]
    if character in _SHORT_ESCAPES:
        ways.append(re.escape(_SHORT_ESCAPES[character]))
    return f"(?:{'|'.join(ways)})"
