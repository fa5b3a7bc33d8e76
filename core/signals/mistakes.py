"""The mistakes that people make in alert messages, each with its cure.

Every function looks at the place where strict reading stopped and names the likeliest cause.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from core.signals.masking import safe_name
from core.signals.placeholders import PLACEHOLDER, cure_of


class Mistake(NamedTuple):
    """A stable code, a sentence that says what is wrong, and one that says what to do."""

    code: str
    text: str
    cure: str | None = None


TRAILING_COMMA = Mistake(
    "trailing_comma",
    "There is a comma after the last field.",
    "Remove the comma before the closing bracket.",
)
BAD_CHARACTER = Mistake(
    "bad_character",
    "The text holds a character that cannot be stored (NUL or half of a pair).",
    "Remove the escaped character (\\u0000 or \\ud800 to \\udfff).",
)
_SMART_QUOTES = Mistake(
    "smart_quotes",
    'There are typographic quotes; JSON knows only the straight one (").',
    "Replace them by straight quotes; notes and chats on phones put them in by themselves.",
)
_SINGLE_QUOTES = Mistake(
    "single_quotes",
    'There are single quotes; JSON knows only the double one (").',
    "Replace each ' by \".",
)
_COMMENT = Mistake(
    "comment",
    "There is a comment; JSON has none.",
    "Remove it.",
)
_NOT_JSON = Mistake(
    "not_json",
    "The body is not a JSON object.",
    "Paste the strategy's message into the alert's message; it begins with { and ends with }.",
)
_CUT_OFF = Mistake(
    "cut_off",
    "The body ends too early.",
    "Paste the whole message, to the last closing bracket.",
)
_NO_COMMA = Mistake(
    "comma_missing",
    "There is no comma between two fields.",
    "Put a comma at the end of each line but the last.",
)
_SMART = frozenset("\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02\u2033")
_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_NOT_FINITE = re.compile(r"[-+]?(?:nan|na|inf|infinity)\b", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:/-]*")


def at_start(text: str, at: int) -> Mistake:
    """The body does not begin with an opening brace."""
    if text[at] == "[":
        return Mistake(
            "not_an_object",
            "The body is a list; an alert is one object.",
            "Send one object { … } for each order.",
        )
    if text[at] in _SMART:
        return _SMART_QUOTES
    if text.startswith(("//", "/*", "#"), at):
        return _COMMENT
    if text.startswith("```", at):
        return Mistake(
            "code_fence",
            "The message begins with a code fence (```).",
            "Remove the lines with ``` around the object.",
        )
    return _NOT_JSON


def after_end(text: str, at: int) -> Mistake:
    """Something follows the object."""
    if text[at] == "{":
        return Mistake(
            "several_objects",
            "There is more than one object in the body.",
            "Send one alert for each order.",
        )
    if text.startswith(("//", "/*", "#"), at):
        return _COMMENT
    return Mistake(
        "text_after_end",
        "There is text after the closing bracket.",
        "Remove all after the last }.",
    )


def at_name(text: str, at: int) -> Mistake:
    """A field's name is wanted."""
    found = _quotes_or_comment(text, at)
    if found is not None:
        return found
    if text[at] == ",":
        return Mistake("extra_comma", "There is a comma too much.", "Remove it.")
    if text[at].isdigit() and text[at - 1] == ",":
        return _separator("A number has a comma in it")
    return Mistake(
        "name_unquoted", "A field's name is not in double quotes.", 'Write it like "symbol".'
    )


def at_colon(text: str, at: int) -> Mistake:
    """A colon is wanted after a field's name."""
    if at >= len(text):
        return _CUT_OFF
    if _smart_before(text, at):
        return _SMART_QUOTES
    return Mistake(
        "colon_missing",
        "There is no colon after the field's name.",
        'Write "name": value; a quote inside a text is written \\".',
    )


def at_end(text: str, at: int, bracket: str) -> Mistake:
    """A comma or the closing bracket is wanted."""
    found = _quotes_or_comment(text, at)
    if found is not None:
        return found
    if _smart_before(text, at):
        return _SMART_QUOTES
    if text[at] == '"':
        return _NO_COMMA
    if text[at] in "}]":
        return Mistake(
            "wrong_bracket",
            f"The closing bracket is {text[at]}, but {bracket} was open.",
            f"Close it with {bracket}.",
        )
    return Mistake(
        "quote_inside",
        "A value ends earlier than it should, or a comma is missing.",
        'Put commas between fields; write a quote inside a text as \\". '
        "If an order's name in your strategy holds quotes, rename it.",
    )


def at_value(text: str, at: int) -> Mistake:
    """A value is wanted."""
    found = _quotes_or_comment(text, at)
    if found is not None:
        return found
    placeholder = PLACEHOLDER.match(text, at)
    if placeholder is not None:
        return Mistake(
            "placeholder_unquoted",
            f"{safe_name(placeholder.group())} was not replaced, and it has no quotes around it.",
            f"Write it in double quotes. {cure_of(placeholder.group())}",
        )
    if text[at] in ",}]":
        return Mistake(
            "value_missing",
            "A field has no value.",
            "Fill it in, or remove the field; a placeholder without quotes may have been empty.",
        )
    if _NOT_FINITE.match(text, at):
        return Mistake(
            "not_a_number",
            "A number is not a number (NaN, na or Infinity).",
            "Your script has no value there at that bar; let it alert only when it has one.",
        )
    word = _WORD.match(text, at)
    if word is not None:
        if word.group().lower() in ("true", "false", "null", "none"):
            return Mistake(
                "word_case",
                f"{word.group()} is not written as JSON wants it.",
                "Write true, false or null in lower case.",
            )
        return Mistake(
            "value_unquoted",
            f"The text {safe_name(word.group())} has no quotes.",
            'Put double quotes around texts, placeholders too: "{{strategy.order.action}}".',
        )
    return Mistake("bad_value", "A value cannot be read.", "Write a text in double quotes.")


def number(token: str, *, well_formed: bool) -> Mistake:
    """A number that was not taken; `well_formed` as JSON sees it."""
    if well_formed:
        return Mistake(
            "number_range",
            "A number is too long, too large or too small.",
            "Numbers have at most 64 characters and lie between 1e-30 and 1e30.",
        )
    if _NOT_FINITE.match(token):
        return Mistake(
            "not_a_number",
            "A number is not a number (NaN or Infinity).",
            "Your script has no value there at that bar; let it alert only when it has one.",
        )
    if "_" in token:
        return _separator(f"{safe_name(token)} is not a number in JSON")
    if token.endswith("%"):
        cure = 'Write a percentage in quotes: "2%".'
    else:
        cure = (
            "Write it like 0.05: no plus sign, no leading zeros, digits on both sides of a point."
        )
    return Mistake("number_format", f"{safe_name(token)} is not a number in JSON.", cure)


def in_string(text: str, at: int) -> tuple[int, Mistake]:
    """A text that does not end well, and the offset where it goes wrong."""
    position = at + 1
    while position < len(text):
        character = text[position]
        if character == '"':
            break
        if character < " ":
            name = {"\n": "A line break", "\r": "A line break", "\t": "A tab"}.get(
                character, "A control character"
            )
            return position, Mistake(
                "quote_open",
                f"{name} stands inside a text, or its closing quote is missing.",
                "Close the text with a double quote on the same line.",
            )
        if character == "\\":
            if not _ESCAPE.match(text, position):
                return position, Mistake(
                    "bad_escape",
                    "A backslash stands before a character that needs none.",
                    "Write a backslash itself as \\\\.",
                )
            position += 1
        if character in _SMART:
            smart = position
            end = text.find('"', position)
            if end == -1 or "\n" in text[position:end]:
                return smart, _SMART_QUOTES
        position += 1
    return at, _CUT_OFF


def _smart_before(text: str, at: int) -> bool:
    """Whether a typographic quote earlier in the line did not end a text as its writer meant."""
    return any(character in _SMART for character in text[text.rfind("\n", 0, at) + 1 : at])


def _separator(text: str) -> Mistake:
    return Mistake(
        "number_format", f"{text}.", "Write it without separators and with a point: 1234.5."
    )


def _quotes_or_comment(text: str, at: int) -> Mistake | None:
    if at >= len(text):
        return _CUT_OFF
    if text[at] in _SMART:
        return _SMART_QUOTES
    if text[at] in "'`":
        return _SINGLE_QUOTES
    if text.startswith(("//", "/*", "#"), at):
        return _COMMENT
    return None
