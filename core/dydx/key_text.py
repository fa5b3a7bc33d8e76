"""Reading what a person pastes from dYdX's page of trading keys: a private key and an address."""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.dydx.drafts import is_address
from core.dydx.keys import SigningKey

_TOKEN = re.compile(r"[0-9A-Za-z]+")
_HEX = re.compile(r"(?:0[xX])?([0-9a-fA-F]{64})")
_ALMOST_HEX = re.compile(r"0[xX][0-9a-zA-Z]{8,}|[0-9a-fA-F]{48,}")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u2060\ufeff]")


class KeyFault(Exception):
    """What was pasted is no trading key. `code` is stable, `text` is for its owner and quotes
    nothing of the key; `address` is the key's own where that was given as its account's.

    Codes: key_missing, key_malformed, key_several, address_missing, address_malformed,
    address_of_key, address_several.
    """

    def __init__(self, code: str, text: str, address: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.address = address


@dataclass(frozen=True)
class TradingKeyText:
    """A key and the address of the account that it shall trade for."""

    key: SigningKey
    owner: str


def read_trading_key(text: str, known_address: str | None = None) -> TradingKeyText:
    """Finds the private key (64 hexadecimal digits, with or without 0x) and the owner's address.

    dYdX's page shows the key's own address beside the key; where both addresses are pasted the
    other one is meant. `known_address` was given before. Raises KeyFault.
    """
    tokens = _TOKEN.findall(_INVISIBLE.sub("", text))
    key = _key(tokens)
    addresses = _addresses(tokens)
    owners = [address for address in addresses if address != key.address]
    if len(owners) > 1:
        raise KeyFault(
            "address_several",
            "There are two addresses in your message. Send the key with the address of the "
            "account that it shall trade for.",
        )
    if owners:
        return TradingKeyText(key, owners[0])
    if known_address is not None and known_address != key.address:
        return TradingKeyText(key, known_address)
    if addresses:
        raise KeyFault(
            "address_of_key",
            "This address belongs to the key itself. I need the address of your account, which "
            "dydx.trade shows in your profile: send it together with the key.",
            key.address,
        )
    raise KeyFault(
        "address_missing",
        "The address of your account is missing. Send it together with the key: dydx.trade "
        "shows it in your profile, it begins with dydx1.",
    )


def read_address(text: str) -> str | None:
    """The address, where a message holds one and no key. Raises KeyFault for a wrong address."""
    tokens = _TOKEN.findall(_INVISIBLE.sub("", text))
    if any(_ALMOST_HEX.fullmatch(token) for token in tokens):
        return None
    addresses = _addresses(tokens)
    return addresses[0] if len(addresses) == 1 else None


def _key(tokens: list[str]) -> SigningKey:
    found = {match.group(1).lower() for token in tokens if (match := _HEX.fullmatch(token))}
    if len(found) > 1:
        raise KeyFault("key_several", "There are two private keys in your message. Send one.")
    if not found:
        almost = [token for token in tokens if _ALMOST_HEX.fullmatch(token)]
        if almost:
            digits = len(re.sub(r"^0[xX]", "", almost[0]))
            raise KeyFault(
                "key_malformed",
                "A private key has 64 hexadecimal digits (0 to 9, a to f) after 0x; what you sent "
                f"has {digits} characters. Copy it anew.",
            )
        raise KeyFault(
            "key_missing",
            "I found no private key in your message. dydx.trade shows it once, when the trading "
            "key is made: it begins with 0x.",
        )
    try:
        return SigningKey.from_secret(bytes.fromhex(found.pop()))
    except ValueError:
        raise KeyFault("key_malformed", "This is no private key of dYdX. Copy it anew.") from None


def _addresses(tokens: list[str]) -> list[str]:
    found: list[str] = []
    for token in tokens:
        if not token.lower().startswith("dydx1"):
            continue
        address = token.lower()
        if not is_address(address):
            raise KeyFault(
                "address_malformed",
                "The address that begins with dydx1 is not complete or has a typing error. Copy "
                "it anew.",
            )
        if address not in found:
            found.append(address)
    return found
