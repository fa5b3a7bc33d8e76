"""Phrases as people paste them, and keys that keep their secret."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.clock import SystemRandom
from core.dydx.keys import PhraseFault, SigningKey, normalise_phrase

# Published test phrases of BIP-39; nobody's.
TWELVE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
TWENTY_FOUR = "abandon " * 23 + "art"
ABANDON = "abandon " * 11 + "about"


@pytest.mark.parametrize(
    "pasted",
    [
        TWELVE,
        f"  {TWELVE.upper()}\n",
        "\n".join(TWELVE.split()),
        "\r\n".join(f"{n}. {word}" for n, word in enumerate(TWELVE.split(), 1)),
        " ".join(f"{n}){word}" for n, word in enumerate(TWELVE.split(), 1)),
        "\t".join(f"{n} {word}" for n, word in enumerate(TWELVE.split(), 1)),
        ", ".join(TWELVE.split()),
        f'"{TWELVE}"',
        TWELVE.replace(" ", "\u00a0"),
        TWELVE.replace("legal", "leg\u200bal"),
        TWELVE.translate({ord(c): ord(c) - ord("a") + ord("ａ") for c in "aeiou"}),
    ],
)
def test_a_phrase_is_understood_however_it_was_pasted(pasted: str) -> None:
    assert normalise_phrase(pasted) == TWELVE


@pytest.mark.parametrize("phrase", [TWELVE, TWENTY_FOUR.strip(), ABANDON])
def test_phrases_of_twelve_and_twenty_four_words_are_taken(phrase: str) -> None:
    assert normalise_phrase(phrase) == phrase


@pytest.mark.parametrize("count", [0, 1, 11, 13, 14, 23, 25, 48])
def test_another_number_of_words_is_a_fault_of_length(count: int) -> None:
    with pytest.raises(PhraseFault) as caught:
        normalise_phrase("abandon " * count)
    assert caught.value.code == "phrase_length"
    assert f"this has {count}" in caught.value.text


def test_a_wrong_word_is_named_by_its_position_and_its_neighbours_only() -> None:
    words = TWELVE.split()
    words[4] = "wavve"
    with pytest.raises(PhraseFault) as caught:
        normalise_phrase(" ".join(words))

    assert caught.value.code == "phrase_word"
    assert "Word 5 " in caught.value.text
    assert "wave" in caught.value.text
    shown = caught.value.text + str(caught.value) + repr(caught.value)
    for word in {"legal", "winner", "thank", "year", "sausage", "worth", "useful", "wavve"}:
        assert word not in shown


def test_words_in_the_wrong_order_are_a_fault_of_checksum_and_none_is_shown() -> None:
    with pytest.raises(PhraseFault) as caught:
        normalise_phrase(TWELVE.replace("legal winner", "winner legal", 1))

    assert caught.value.code == "phrase_checksum"
    assert not set(caught.value.text.lower().split()) & (set(TWELVE.split()) - {"year"})
    assert caught.value.__cause__ is None


def told_of(text: str) -> PhraseFault | None:
    try:
        normalise_phrase(text)
    except PhraseFault as fault:
        return fault
    return None


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader_and_no_long_part_of_it_is_shown(text: str) -> None:
    fault = told_of(text)

    assert fault is not None
    assert fault.code in {"phrase_length", "phrase_word", "phrase_checksum"}
    assert not any(part in fault.text for part in text.split() if len(part) > 12)


def test_a_phrase_gives_the_address_that_other_wallets_give() -> None:
    # The same key as cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4, which is widely published.
    key = SigningKey.from_phrase(ABANDON)

    assert key.address == "dydx19rl4cm2hmr8afy4kldpxz3fka4jguq0a4erelz"
    assert key.public_key.hex() == (
        "024f4e2ad99c34d60b9ba6283c9431a8418af8673212961f97a77b6377fcd05b62"
    )


def test_a_key_survives_the_vault() -> None:
    key = SigningKey.from_phrase(TWELVE)

    again = SigningKey.from_secret(key.secret())

    assert (again.address, again.public_key) == (key.address, key.public_key)
    assert len(key.secret()) == 32


def test_a_key_never_shows_its_secret() -> None:
    key = SigningKey.from_phrase(TWELVE)

    for shown in (repr(key), str(key), f"{key}", f"{[key]}"):
        assert key.secret().hex() not in shown
        assert "withheld" in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        copy.deepcopy(key)


@pytest.mark.parametrize("secret", [b"", b"\x01" * 31, b"\x00" * 32, b"\xff" * 32])
def test_bytes_that_are_no_key_are_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match=r"key"):
        SigningKey.from_secret(secret)


def test_generated_keys_differ() -> None:
    random = SystemRandom()

    keys = {SigningKey.generate(random).address for _ in range(20)}

    assert len(keys) == 20
