"""Whatever is sent, the answer is Telegram's: a result or a refusal, never a broken server."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.emulator import ApiError
from bot.emulator.methods import METHODS
from bot.emulator.parameters import Parameters, Upload
from bot.emulator.state import Person, Telegram
from bot.emulator.text import formatted, slice_units, units
from bot.emulator.user import User
from core.clock import SystemClock, SystemRandom
from tests.bot.emulator.emulator_kit import ALICE, TOKEN
from tests.bot.emulator.test_emulator_messages import png

NAMES = [
    "chat_id",
    "message_id",
    "message_ids",
    "text",
    "caption",
    "parse_mode",
    "entities",
    "caption_entities",
    "reply_markup",
    "reply_parameters",
    "media",
    "photo",
    "document",
    "commands",
    "scope",
    "language_code",
    "menu_button",
    "description",
    "callback_query_id",
    "action",
    "file_id",
]
FIELDS = [
    "inline_keyboard",
    "keyboard",
    "text",
    "callback_data",
    "url",
    "web_app",
    "copy_text",
    "disabled",
    "style",
    "type",
    "offset",
    "length",
    "media",
    "caption",
    "parse_mode",
    "caption_entities",
    "command",
    "description",
    "chat_id",
    "message_id",
    "quote",
]
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.sampled_from(
        [ALICE, "photo", "bold", "web_app", "chat", "attach://x", "https://[", "HTML"]
    )
    | st.text(max_size=8)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    method=st.sampled_from(sorted(METHODS)),
    given_values=st.dictionaries(st.sampled_from(NAMES), values, max_size=6),
)
def test_any_parameters_are_answered_or_refused(method: str, given_values: dict[str, Any]) -> None:
    telegram = Telegram(TOKEN, SystemClock(), SystemRandom(), "Perpgram")
    alice = User(telegram, _person(telegram))
    alice.start()
    sent = METHODS["sendmessage"](telegram, Parameters({"chat_id": ALICE, "text": "x"}))
    parameters = Parameters(
        {"chat_id": ALICE, "message_id": sent["message_id"], **given_values},
        {"x": Upload("x.png", "image/png", png(2, 2))},
    )
    with contextlib.suppress(ApiError):
        METHODS[method](telegram, parameters)
    alice.screen()


@given(st.text(alphabet="ab 🚀\n<>/&;bicode", max_size=40))
def test_html_is_parsed_or_refused_and_entities_lie_in_the_text(source: str) -> None:
    try:
        text, entities = formatted(source, "HTML", None)
    except ApiError:
        return
    assert text == text.strip(" \n\t\r")
    for entity in entities:
        assert entity["length"] > 0
        assert 0 <= entity["offset"] <= units(text) - entity["length"]
        assert "�" not in slice_units(text, entity["offset"], entity["length"])


def _person(telegram: Telegram) -> Person:
    return telegram.people.setdefault(ALICE, Person(ALICE, "Alice", "en"))
