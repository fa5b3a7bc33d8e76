"""Parameters of a JSON-RPC call: named or in order, in a body or in an address.

In a body bytes are base64 (hex where they are a query's data), in an address hex after 0x or plain
text in quotes; whole numbers are texts.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

Json = dict[str, Any]


class RpcError(Exception):
    """A call ends with a JSON-RPC error."""

    def __init__(self, code: int, message: str, data: str = "") -> None:
        super().__init__(data or message)
        self.body: Json = {"code": code, "message": message}
        if data:
            self.body["data"] = data


def internal(data: str) -> RpcError:
    """The call failed."""
    return RpcError(-32603, "Internal error", data)


class Params:
    """The parameters as they came. Every reader raises RpcError for a value of the wrong kind."""

    def __init__(self, given: Any, *, in_address: bool = False) -> None:
        self._given = given
        self._in_address = in_address
        self._named: Json = {}

    def name(self, names: tuple[str, ...]) -> None:
        """Give parameters in order their names."""
        given = {} if self._given is None else self._given
        if isinstance(given, list):
            if len(given) > len(names):
                raise self._bad(f"expected {len(names)} parameters, got {len(given)}")
            given = dict(zip(names, given, strict=False))
        if not isinstance(given, dict):
            raise self._bad("params must be an object or a list")
        self._named = given

    def text(self, name: str) -> str:
        """A text; empty where there is none."""
        value = self._named.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise self._bad(f"cannot unmarshal {name} into a string")
        return value.strip('"') if self._in_address else value

    def number(self, name: str) -> int | None:
        """A whole number."""
        value = self._named.get(name)
        if isinstance(value, int):
            raise self._bad(f'invalid 64-bit integer encoding "{value}", expected string')
        text = self.text(name)
        if not text:
            return None
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit()):
            raise self._bad(f'invalid 64-bit integer encoding "{text}", expected string')
        return int(text)

    def raw(self, name: str, *, hexadecimal: bool = False) -> bytes:
        """Bytes; none where there are none."""
        value = self._named.get(name)
        if value is None:
            return b""
        if not isinstance(value, str):
            raise self._bad(f"cannot unmarshal {name} into bytes")
        if self._in_address and not value.startswith("0x"):
            return value.strip('"').encode()
        if self._in_address or hexadecimal:
            return self._hex(value.removeprefix("0x") if self._in_address else value)
        try:
            return base64.b64decode(value, validate=True)
        except (ValueError, binascii.Error) as error:
            raise self._bad("illegal base64 data at input byte 0") from error

    def _hex(self, text: str) -> bytes:
        for one in text:
            if one not in "0123456789abcdefABCDEF":
                raise self._bad(f"encoding/hex: invalid byte: U+{ord(one):04X} '{one}'")
        if len(text) % 2:
            raise self._bad("encoding/hex: odd length hex string")
        return bytes.fromhex(text)

    def _bad(self, what: str) -> RpcError:
        kind = "http" if self._in_address else "json"
        return RpcError(
            -32602, "Invalid params", f"error converting {kind} params to arguments: {what}"
        )
