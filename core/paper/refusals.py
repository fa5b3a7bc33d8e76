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

    def within(self, context: str) -> Refused:
        """The same refusal, told from further outside."""
        return Refused(self.codespace, self.code, f"{context}: {self.log}")


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
    29: "Invalid stateful order cancellation",
    32: "Existing stateful order cancellation has higher-or-equal priority than the new one",
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
    3003: "The block time is greater than the GoodTilBlockTime of the message",
    3004: "The GoodTilBlockTime of the message is further than StatefulOrderTimeWindow into the "
    "future",
    3005: "Existing stateful order has higher-or-equal priority than the new one",
    3006: "Stateful order does not exist",
    3007: "Stateful order collateralization check failed",
    3008: "Stateful order was previously cancelled and therefore cannot be placed",
    3009: "Stateful order was previously removed and therefore cannot be placed",
    3010: "Stateful order cancellation failed because the order was already removed from state",
    5001: "Block rate limit exceeded",
    6000: "Conditional type is invalid",
    6001: "Conditional order trigger subticks is invalid",
    9002: "This function is not implemented",
    9003: "Reduce-only is currently disabled for non-IOC orders",
    10001: "Subaccount cannot open more orders due to equity tier limit.",
    11000: "Invalid order router address",
    11001: "Invalid address",
    11002: "Invalid update leverage",
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
    31: "unknown extension options",
    32: "incorrect account sequence",
    38: "not found",
}
_SENDING: Final = {
    1: "Sender is the same as recipient",
    2: "Invalid transfer amount",
    6: "Account address is invalid",
    1101: "Non-USDC asset transfer not implemented",
}
_ACCOUNTPLUS: Final = {
    1: "Authenticator is not found",
    2: "Invalid account address",
    3: "Authenticator data exceeds maximum length",
    4: "Smart account is not active",
    5: "Error initializing authenticator",
    6: "The transaction has multiple signers",
    100: "Signature verification failed",
    101: "Message type verification failed",
    102: "Clob pair id verification failed",
    103: "Subaccount verification failed",
    104: "AllOf verification failed",
    105: "AnyOf verification failed",
}


def text_of(codespace: str, code: int) -> str:
    """The chain's own text of a code, as far as it is known here."""
    texts = {
        "clob": _CLOB,
        "sdk": _SDK,
        "sending": _SENDING,
        "dydxaccountplus": _ACCOUNTPLUS,
    }.get(codespace, {})
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


def accountplus(code: int, detail: str = "") -> Refused:
    """A refusal of the module of authenticators."""
    return _refusal("dydxaccountplus", code, detail, _ACCOUNTPLUS[code])


def undefined(log: str) -> Refused:
    """A refusal that belongs to no module."""
    return Refused("undefined", 1, log)


def _refusal(codespace: str, code: int, detail: str, text: str) -> Refused:
    return Refused(codespace, code, f"{detail}: {text}" if detail else text)
