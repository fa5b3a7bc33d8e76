"""From the bytes that came to an alert: which grammar they speak, the secret in them, the alert."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.signals.alert import Alert
from core.signals.faults import AlertFault
from core.signals.fields import FIELDS, SECRET_FIELD
from core.signals.grammar import parse_alert, secret_of
from core.signals.presets import PRESETS, Content, Preset, PriceOf, known_in, preset_named
from core.signals.presets.common import Moment, checked_size, fault, several_orders
from core.signals.presets.content import content_of, read_loosely, text_of
from core.signals.presets.tradingview import in_other_words
from core.signals.reading import AlertObject, read_object
from core.signals.template import alert_template

__all__ = ["AUTO", "NAMES", "OWN", "PRESETS", "Body", "open_body", "template"]

OWN: Final = "perpgram"
AUTO: Final = "auto"
NAMES: Final = (AUTO, OWN, *(preset.name for preset in PRESETS))
_OWN_NAMES: Final = frozenset((*FIELDS, SECRET_FIELD))
_SHORTEST_SECRET: Final = 8


@dataclass(frozen=True)
class Body:
    """A body that was read in one grammar. `preset` is that grammar's name (never `auto`), `secret`
    what it gives as its secret, if anything. `content` is the rest of it, still to be understood.
    """

    preset: str
    secret: str | None
    content: Content

    def __repr__(self) -> str:
        return f"Body(preset={self.preset!r})"

    def alert(self, now: dt.datetime, price_of: PriceOf | None = None) -> Alert:
        """The alert in it. Raises AlertFault.

        `price_of` gives what a symbol, as the alert writes it, costs now: some platforms' limits
        are relative to that. Without it such an alert is a fault.
        """
        if self.preset == OWN:
            assert isinstance(self.content, AlertObject)
            return parse_alert(self.content, now)
        self._check_secret_is_nowhere_else()
        found = preset_named(self.preset).alert_of(self.content, Moment(now, price_of))
        return checked_size(found)

    def _check_secret_is_nowhere_else(self) -> None:
        """Raises `secret_elsewhere`: all but its own place is shown and stored."""
        if self.secret is None or len(self.secret) < _SHORTEST_SECRET:
            return
        if sum(text.count(self.secret) for text in _texts(self.content)) > 1:
            raise fault(
                "secret_elsewhere",
                "The secret stands in the body more than once.",
                "Keep it in its own place only; elsewhere it would be shown and stored.",
            )


def open_body(raw: bytes, preset: str = AUTO) -> Body:
    """Reads a body in a strategy's preset: `auto`, `perpgram` (our own) or another of `NAMES`.
    Raises AlertFault where it is not even readable.

    `auto` knows the other platforms by their shape and takes all else as our own; an object that
    has only fields of ours is ours. Two shapes at once are refused.
    """
    if preset == OWN:
        return _own(read_object(raw))
    if preset == AUTO:
        return _recognised(raw)
    found = preset_named(preset)
    content = content_of(text_of(raw), found)
    return _opened(found, content)


def template(preset: str, secret: str, *, sync: bool = False) -> str:
    """The ready message of a preset, with TradingView's placeholders and the secret in place. For
    `auto` it is that of our own grammar; `sync` asks for its message of the position to be in.
    """
    if preset in (AUTO, OWN):
        return alert_template(secret, sync=sync)
    return preset_named(preset).template(secret)


def _own(obj: AlertObject) -> Body:
    return Body(OWN, secret_of(obj), obj)


def _opened(preset: Preset, content: Content) -> Body:
    return Body(preset.name, preset.secret_of(content), content)


def _recognised(raw: bytes) -> Body:
    """The grammar whose shape the body has."""
    try:
        strict: AlertObject | None = read_object(raw)
    except AlertFault:
        strict = None
    content = strict if strict is not None else _loose(raw)
    ours = isinstance(content, Mapping) and _OWN_NAMES.issuperset(content)
    if ours and (strict is None or not in_other_words(strict)):
        return _own(strict or read_object(raw))
    found = [] if content is None else known_in(content)
    if len(found) > 1:
        names = " and ".join(preset.title for preset in found)
        raise fault(
            "preset_ambiguous",
            f"The body may be one for {names}.",
            "Choose the platform in the strategy's settings.",
        )
    if not found or content is None:
        return _own(strict or read_object(raw))
    return _opened(found[0], content)


def _loose(raw: bytes) -> Content | None:
    """The content of a body that is not a strict object of ours; None where nothing can be made of
    it. Raises `several_orders` for a list of another platform's messages.
    """
    try:
        text = text_of(raw)
        if text[0] not in "{[":
            return text
        value = read_loosely(text)
    except AlertFault:
        return None
    if isinstance(value, list):
        messages = [item for item in value if isinstance(item, Mapping)]
        if len(value) > 1 and messages and known_in(messages[0]):
            raise several_orders(f"a list of {len(value)} messages")
        return messages[0] if len(value) == 1 and messages else None
    assert isinstance(value, Mapping)
    return value


def _texts(value: Any) -> Iterator[str]:
    """All texts in a body's content, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
