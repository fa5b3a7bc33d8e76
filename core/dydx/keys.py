"""Secret phrases and signing keys, through dydx-v4-client's key pair and wallet."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from difflib import get_close_matches
from functools import cache
from typing import Final

import bech32
import coincurve
from bip_utils import Bip39Languages, Bip39MnemonicValidator, MnemonicChecksumError
from bip_utils.bip.bip39.bip39_mnemonic_utils import Bip39WordsListGetter
from Crypto.Hash import RIPEMD160
from dydx_v4_client.key_pair import KeyPair, bytes_from_mnemonic
from dydx_v4_client.wallet import Wallet

from core.clock import Random

PHRASE_LENGTHS = (12, 15, 18, 21, 24)
ADDRESS_PREFIX: Final = "dydx"
_SPAN = re.compile(r"[a-z]+")


class PhraseFault(Exception):
    """A secret phrase cannot be used. `code` is stable, `text` is for its owner.

    Codes: phrase_length, phrase_word, phrase_checksum. Of the phrase itself the text holds at most
    the position of a word and dictionary words near to it, never a word of the phrase.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


@cache
def _words() -> tuple[str, ...]:
    listed = Bip39WordsListGetter().GetByLanguage(Bip39Languages.ENGLISH)
    return tuple(listed.GetWordAtIdx(index) for index in range(listed.Length()))


def normalise_phrase(text: str) -> str:
    """The phrase as BIP-39 wants it: NFKD, lower case, single spaces; numbering and commas gone.

    Raises PhraseFault when it is not 12, 15, 18, 21 or 24 dictionary words with a right checksum.
    """
    plain = unicodedata.normalize("NFKD", text).lower()
    plain = re.sub(r"[\u200b-\u200f\u2060\ufeff]", "", plain)
    plain = re.sub(r"(?<![^\W\d_])\d+\s*[.):\-]?", " ", plain)
    words = [part.strip("\"'`.,;:()[]{}<>*_-–—•·“”‘’") for part in re.split(r"[\s,;]+", plain)]
    words = [word for word in words if word]
    if len(words) not in PHRASE_LENGTHS:
        raise PhraseFault(
            "phrase_length",
            f"A secret phrase has 12 or 24 words (also 15, 18 or 21); this has {len(words)}.",
        )
    known = set(_words())
    for position, word in enumerate(words, start=1):
        if word not in known:
            near = _near(word)
            advice = f" Near to it: {', '.join(near)}." if near else ""
            raise PhraseFault(
                "phrase_word", f"Word {position} is not in the dictionary of phrases.{advice}"
            )
    phrase = " ".join(words)
    try:
        Bip39MnemonicValidator(Bip39Languages.ENGLISH).Validate(phrase)
    except MnemonicChecksumError:
        raise PhraseFault(
            "phrase_checksum",
            "All words are in the dictionary, but together they are not a phrase: one word is "
            "another than it should be, or two changed places.",
        ) from None
    return phrase


def _near(word: str) -> list[str]:
    if not _SPAN.fullmatch(word):
        return []
    return get_close_matches(word, _words(), n=3, cutoff=0.6)


def address_of(public_key: bytes) -> str:
    """The dYdX address of a compressed public key."""
    digest = RIPEMD160.new(hashlib.sha256(public_key).digest()).digest()
    return str(bech32.bech32_encode(ADDRESS_PREFIX, bech32.convertbits(digest, 8, 5)))


class SigningKey:
    """A secp256k1 key that signs for an address. Its text forms show nothing of the secret."""

    __slots__ = ("_pair", "address")

    def __init__(self, pair: KeyPair) -> None:
        self._pair = pair
        self.address: str = Wallet(pair, 0, 0).address

    @classmethod
    def from_phrase(cls, phrase: str) -> SigningKey:
        """The first account of a phrase that `normalise_phrase` returned.

        Takes tens of milliseconds of CPU: call it in a thread.
        """
        return cls.from_secret(bytes_from_mnemonic(phrase))

    @classmethod
    def from_secret(cls, secret: bytes) -> SigningKey:
        """The key of 32 secret bytes. Raises ValueError when they are no key of the curve."""
        if len(secret) != 32:
            raise ValueError("a signing key has 32 bytes")
        try:
            return cls(KeyPair(coincurve.PrivateKey(secret)))
        except ValueError:
            raise ValueError("these bytes are no key of the curve") from None

    @classmethod
    def generate(cls, random: Random) -> SigningKey:
        """A fresh random key."""
        while True:
            try:
                return cls.from_secret(random.token_bytes(32))
            except ValueError:
                continue

    @property
    def pair(self) -> KeyPair:
        """The key pair as dydx-v4-client signs with it."""
        return self._pair

    @property
    def public_key(self) -> bytes:
        """33 bytes, compressed."""
        key: bytes = self._pair.public_key_bytes
        return key

    def secret(self) -> bytes:
        """The 32 secret bytes, for the vault only."""
        secret: bytes = self._pair.key.secret
        return secret

    def __repr__(self) -> str:
        return f"SigningKey({self.address}, secret withheld)"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not serialised")
