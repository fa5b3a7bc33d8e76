"""Telling a secret phrase from other words, without looking at what it says."""

from __future__ import annotations

import re

_WORD = re.compile(r"[a-z]{3,8}")
_NUMBERING = re.compile(r"^\d{1,2}[.):]?$|^\d{1,2}[.):]")


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
