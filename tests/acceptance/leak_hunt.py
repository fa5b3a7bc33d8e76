"""Looks for secrets in whatever form somebody could have written them down by mistake."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from pathlib import Path

from bip_utils import Bip39SeedGenerator
from dydx_v4_client.key_pair import bytes_from_mnemonic

CONSECUTIVE = 3
_BETWEEN = rb"(?:\\[nrt]|[^a-z]){1,12}"


class Hunt:
    """What must be found nowhere: phrases, what is derived from them, texts."""

    def __init__(self) -> None:
        self._words: dict[str, re.Pattern[bytes]] = {}
        self._exact: dict[str, bytes] = {}
        self._any_case: dict[str, bytes] = {}

    def phrase(self, name: str, phrase: str, *, valid: bool = True) -> None:
        """Any three of its words in their order and, of a valid one, its seed and its key."""
        words = [word.encode() for word in phrase.lower().split()]
        runs = [
            _BETWEEN.join(re.escape(word) for word in words[i : i + CONSECUTIVE])
            for i in range(len(words) - CONSECUTIVE + 1)
        ]
        self._words[f"words of {name}"] = re.compile(b"|".join(runs))
        if valid:
            self.secret(f"seed of {name}", Bip39SeedGenerator(phrase).Generate())
            self.secret(f"key of {name}", bytes_from_mnemonic(phrase))

    def secret(self, name: str, secret: bytes) -> None:
        """As they are, as hexadecimal digits, as base64 wherever it begins, as Python shows it."""
        self._exact[f"{name}, raw"] = secret
        self._exact[f"{name}, shown"] = repr(secret)[2:-1].encode()
        self._any_case[f"{name}, hex"] = secret.hex().encode()
        for shift in range(3):
            text = base64.b64encode(b"\0" * shift + secret)
            inner = text[4 * bool(shift) : -4]  # the ends depend on what stands beside it
            self._exact[f"{name}, base64+{shift}"] = inner
            self._exact[f"{name}, base64url+{shift}"] = inner.replace(b"+", b"-").replace(
                b"/", b"_"
            )

    def trading_key(self, name: str, secret: bytes) -> None:
        """As `secret`, and each half of its hexadecimal digits, as a quotation would be cut."""
        self.secret(name, secret)
        digits = secret.hex().encode()
        self._any_case[f"{name}, first half"] = digits[:32]
        self._any_case[f"{name}, second half"] = digits[32:]

    def text(self, name: str, secret: str) -> None:
        """A secret that is a text already."""
        self._exact[name] = secret.encode()

    def found_in(self, blob: bytes) -> list[str]:
        """The names of what is in there."""
        small = blob.lower()
        found = [name for name, words in self._words.items() if words.search(small)]
        found += [name for name, secret in self._exact.items() if secret in blob]
        found += [name for name, secret in self._any_case.items() if secret in small]
        return sorted(found)

    def assert_nothing_in(self, blobs: Iterable[tuple[str, bytes]]) -> None:
        """Raises AssertionError naming the place and what was found, not the secret itself."""
        leaks = {place: found for place, blob in blobs if (found := self.found_in(blob))}
        assert not leaks, leaks


def files_below(folder: Path, *, but: frozenset[str] = frozenset()) -> list[tuple[str, bytes]]:
    """Every file of a folder with its content; `but` names folders directly below it."""
    return [
        (str(file.relative_to(folder)), file.read_bytes())
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.relative_to(folder).parts[0] not in but
    ]
