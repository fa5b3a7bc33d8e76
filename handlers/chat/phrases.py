"""Telling a secret from other words, without looking at what it says."""

from __future__ import annotations

import re

_WORD = re.compile(r"[a-z]{3,8}")
_NUMBERING = re.compile(r"^\d{1,2}[.):]?$|^\d{1,2}[.):]")


_KEY = re.compile(r"(?<![0-9A-Za-z])0[xX][0-9a-fA-F]{56,72}(?![0-9A-Za-z])")
_BARE_KEY = re.compile(r"[0-9a-fA-F]{64}")


def looks_like_secret(text: str) -> bool:
    """Whether a text has the shape of a secret phrase or holds a private key."""
    return looks_like_phrase(text) or looks_like_key(text)


def looks_like_key(text: str) -> bool:
    """Whether a text holds what looks like a private key: hexadecimal digits after 0x, about as
    many as a key has, or just 64 of them.
    """
    return bool(_KEY.search(text) or _BARE_KEY.fullmatch(text.strip()))


def looks_like_phrase(text: str) -> bool:
    """Whether a text has the shape of a BIP-39 phrase: 12 to 24 words of 3 to 8 letters, with or
    without numbering, commas and capitals. Too careful is fine here: such a message is deleted.
    """
    words = []
    bare = re.sub(r"^/\S*\s", "", text.strip())
    for raw in re.split(r"[\s,;]+", bare):
        word = _NUMBERING.sub("", raw).strip(".\"'`").lower()
        if word:
            words.append(word)
    return 12 <= len(words) <= 24 and all(_WORD.fullmatch(word) for word in words)
