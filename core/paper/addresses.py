"""What the chain says about a text that is no address of it."""

from __future__ import annotations

from typing import Final

import bech32

_CHARSET: Final = bech32.CHARSET
_CHECKSUM: Final = 6
_SHORTEST: Final = 8
_LONGEST: Final = 1_023


def complaint(address: str, prefix: str = "dydx") -> str:
    """Why an address is refused, in the chain's words and order."""
    if not address.strip():
        return "empty address string is not allowed"
    failed = "decoding bech32 failed: "
    if not _SHORTEST <= len(address) <= _LONGEST:
        return f"{failed}invalid bech32 string length {len(address)}"
    for character in address:
        if not 33 <= ord(character) <= 126:
            return f"{failed}invalid character in string: '{character}'"
    if address != address.lower() and address != address.upper():
        return f"{failed}string not all lowercase or all uppercase"
    text = address.lower()
    separator = text.rfind("1")
    if separator < 1 or separator + 1 + _CHECKSUM > len(text):
        return f"{failed}invalid separator index {separator}"
    head, tail = text[:separator], text[separator + 1 :]
    for character in tail:
        if character not in _CHARSET:
            return f"{failed}invalid character not part of charset: {ord(character)}"
    values = [_CHARSET.index(character) for character in tail[:-_CHECKSUM]]
    expected = "".join(_CHARSET[value] for value in bech32.bech32_create_checksum(head, values))
    if expected != tail[-_CHECKSUM:]:
        return f"{failed}invalid checksum (expected {expected} got {tail[-_CHECKSUM:]})"
    if bech32.convertbits(values, 5, 8, False) is None:
        return f"{failed}invalid incomplete group"
    if head != prefix:
        return f"invalid Bech32 prefix; expected {prefix}, got {head}"
    return "addresses cannot be empty: unknown address"
