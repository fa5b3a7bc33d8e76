"""How the chain says no: a codespace, a code and a log. The same number means different things in
different codespaces, so the pair is the key. Source: docs/protocol.md, codes.
"""

from __future__ import annotations

from typing import Final


class Refused(Exception):
    """A transaction was refused; `log` is what the chain puts into raw_log."""

    def __init__(self, codespace: str, code: int, log: str) -> None:
        super().__init__(f"{codespace} {code}: {log}")
        self.codespace = codespace
        self.code = code
        self.log = log


_CLOB: Final = {
    3: "Invalid order side",
    4: "Invalid order quantums",
    5: "Invalid order goodTilBlock",
    6: "Invalid order subticks",
    7: "Attempt to place an order that is already canceled",
    8: "ClobPair ID does not reference a valid CLOB",
    9: "A cancel already exists in the memclob for this order with a greater than or equal "
    "GoodTilBlock",
    10: "The next block height is greater than the GoodTilBlock of the message",
    11: "The GoodTilBlock of the message is further than ShortBlockWindow blocks into the future",
    12: "MsgPlaceOrder is invalid",
    20: "Replacing an existing order failed",
    24: "Order is fully filled",
    34: "Order conflicts with ClobPair status",
    44: "invalid time in force",
    45: "Invalid batch cancel message",
    48: "This field has been deprecated",
    50: "Invalid builder code",
    2001: "Reduce-only orders cannot increase the position size",
    2003: "Post-only order would cross one or more maker orders",
    2004: "IOC order is already filled, remaining size is cancelled.",
    2005: "Order would violate isolated subaccount constraints.",
    3000: "Invalid order flags",
    3001: "Invalid order goodTilBlockTime",
    3002: "Stateful orders cannot require immediate execution",
    3006: "Stateful order does not exist",
    5001: "Block rate limit exceeded",
    6000: "Conditional type is invalid",
    6001: "Conditional order trigger subticks is invalid",
    9002: "This function is not implemented",
    9003: "Reduce-only is currently disabled for non-IOC orders",
    11000: "Invalid order router address",
}
_SDK: Final = {
    2: "tx parse error",
    4: "unauthorized",
    5: "insufficient funds",
    6: "unknown request",
    8: "invalid pubkey",
    9: "unknown address",
    10: "invalid coins",
    11: "out of gas",
    12: "memo too large",
    13: "insufficient fee",
    15: "no signatures supplied",
    18: "invalid request",
    30: "tx timeout height",
    32: "incorrect account sequence",
}
_SENDING: Final = {
    1: "Sender is the same as recipient",
    2: "Invalid transfer amount",
    1101: "Non-USDC asset transfer not implemented",
}


def text_of(codespace: str, code: int) -> str:
    """The chain's own text of a code, as far as it is known here."""
    texts = {"clob": _CLOB, "sdk": _SDK, "sending": _SENDING}.get(codespace, {})
    return texts.get(code, f"refused ({codespace} {code})")


def clob(code: int, detail: str = "") -> Refused:
    """A refusal of the order book module; `detail` stands before the code's own text."""
    return _refusal("clob", code, detail, _CLOB[code])


def sdk(code: int, detail: str = "") -> Refused:
    """A refusal of the base framework."""
    return _refusal("sdk", code, detail, _SDK[code])


def sending(code: int, detail: str = "") -> Refused:
    """A refusal of the transfer module."""
    return _refusal("sending", code, detail, _SENDING[code])


def _refusal(codespace: str, code: int, detail: str, text: str) -> Refused:
    return Refused(codespace, code, f"{detail}: {text}" if detail else text)
