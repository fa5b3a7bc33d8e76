"""Checks of query parameters, with the error objects that the real REST service answers.

The service reports every failed check of a request, in the order of its schema; a parameter that
was sent adds its value and the place it came from. Source: docs/protocol.md, indexer REST.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Collection, Mapping
from typing import Any, Final

Json = dict[str, Any]
MAX_LIMIT: Final = 1000
MAX_SUBACCOUNT: Final = 128_000
ORDER_STATUSES: Final = (
    "OPEN",
    "FILLED",
    "CANCELED",
    "BEST_EFFORT_CANCELED",
    "UNTRIGGERED",
    "ERROR",
    "BEST_EFFORT_OPENED",
)
ORDER_TYPES: Final = (
    "LIMIT",
    "MARKET",
    "STOP_LIMIT",
    "STOP_MARKET",
    "TRAILING_STOP",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TWAP",
    "TWAP_SUBORDER",
)
FILL_TYPES: Final = (
    "LIMIT",
    "LIQUIDATED",
    "LIQUIDATION",
    "DELEVERAGED",
    "OFFSETTING",
    "TWAP_SUBORDER",
)
_SUBACCOUNT_TEXT: Final = "subaccountNumber must be a non-negative integer less than 128001"
_PARENT_TEXT: Final = "parentSubaccountNumber must be a non-negative integer less than 128"


class Invalid(Exception):
    """A request that the service refuses, with its status and body."""

    def __init__(self, status: int, errors: list[Json]) -> None:
        super().__init__(str(errors))
        self.status = status
        self.body: Json = {"errors": errors}


def refusal(status: int, text: str) -> Invalid:
    """A refusal with one plain message."""
    return Invalid(status, [{"msg": text}])


class Checks:
    """Reads parameters and gathers what is wrong with them; `done` raises it all at once."""

    def __init__(self, query: Mapping[str, str], path: Mapping[str, str]) -> None:
        self._query = query
        self._path = path
        self._errors: list[Json] = []

    def done(self) -> None:
        """Raises Invalid (400) if any check failed."""
        if self._errors:
            raise Invalid(400, self._errors)

    def fail(self, name: str, text: str, location: str, **value: Any) -> None:
        """Note a failed check."""
        self._errors.append({**value, "msg": text, "param": name, "location": location})

    def address(self, name: str = "address") -> str:
        """The required address."""
        value = self._query.get(name)
        if not value:
            self.fail(name, "address must be a valid dydx address", "params")
            self.fail(name, "Cannot read properties of undefined (reading 'length')", "params")
            return ""
        return value

    def subaccount(self, name: str = "subaccountNumber") -> int:
        """The required subaccount number, from the path or the query."""
        return self._number(name, MAX_SUBACCOUNT, _SUBACCOUNT_TEXT)

    def parent(self) -> int:
        """The required parent subaccount number, from the path or the query."""
        return self._number("parentSubaccountNumber", 127, _PARENT_TEXT)

    def limit(self) -> int:
        """How many rows at most; 1000 when not sent."""
        value = self._query.get("limit")
        if value is None:
            return MAX_LIMIT
        number = _integer(value)
        if number is None or not 1 <= number <= MAX_LIMIT:
            text = f"limit must be a positive integer that is not greater than max: {MAX_LIMIT}"
            self.fail("limit", text, "query", value=number)
            return 1
        return number

    def page(self) -> int | None:
        """The page asked for, from 1."""
        value = self._query.get("page")
        if value is None:
            return None
        number = _integer(value)
        if number is None or number < 1:
            self.fail("page", "page must be a non-negative integer", "query", value=value)
            return None
        return number

    def ticker(self, tickers: Collection[str], name: str = "ticker") -> str | None:
        """A market by its ticker; None when not sent."""
        location = "params" if name in self._path else "query"
        value = self._path.get(name, self._query.get(name))
        if value is not None and value not in tickers:
            text = "ticker must be a valid ticker (BTC-USD, etc)"
            self.fail(name, text, location, value=value)
        return value

    def choice(self, name: str, choices: Collection[str], text: str | None = None) -> str | None:
        """One of some words; None when not sent."""
        value = self._query.get(name)
        if value is not None and value not in choices:
            text = text or f"{name} must be one of {','.join(choices)}"
            self.fail(name, text, "query", value=value)
        return value

    def choices(
        self, name: str, choices: Collection[str], text: str | None = None
    ) -> list[str] | None:
        """Some of some words, separated by commas; None when not sent."""
        value = self._query.get(name)
        if value is None:
            return None
        words = value.split(",")
        if any(word not in choices for word in words):
            text = text or f"{name} must be one of {','.join(choices)}"
            self.fail(name, text, "query", value=words)
        return words

    def required_choice(self, name: str, choices: Collection[str], text: str) -> str:
        """One of some words that must be sent; its absence is reported twice, as recorded."""
        if name not in self._query:
            self.fail(name, text, "query")
            self.fail(name, text, "query")
            return ""
        return self.choice(name, choices, text) or ""

    def time(self, name: str) -> dt.datetime | None:
        """An ISO time; None when not sent."""
        value = self._query.get(name)
        if value is None:
            return None
        try:
            at = dt.datetime.fromisoformat(value)
        except ValueError:
            self.fail(name, "Invalid value", "query", value=value)
            return None
        return at if at.tzinfo else at.replace(tzinfo=dt.UTC)

    def height(self, name: str) -> int | None:
        """A block height; None when not sent."""
        value = self._query.get(name)
        if value is None:
            return None
        number = _integer(value)
        if number is None or number < 0:
            self.fail(name, "Invalid value", "query", value=value)
        return number

    def order_id(self) -> str:
        """The order id in the path."""
        value = self._path["orderId"]
        try:
            return str(uuid.UUID(value))
        except ValueError:
            self.fail("orderId", "Invalid value", "params", value=value)
            return ""

    def market_pair(self) -> str | None:
        """`market` with its `marketType`: both or neither."""
        market, kind = self._query.get("market"), self._query.get("marketType")
        if market is not None and kind is None:
            text = "marketType must be provided if market is provided"
            self.fail("marketType", text, "query")
        if kind is not None and market is None:
            text = "market must be provided if marketType is provided"
            self.fail("market", text, "query")
        return market

    def _number(self, name: str, largest: int, text: str) -> int:
        location = "params" if name in self._path else "query"
        value = self._path.get(name, self._query.get(name))
        if value is None:
            self.fail(name, text, "params")
            return 0
        number = _integer(value)
        if number is None or not 0 <= number <= largest:
            self.fail(name, text, location, value=value)
            return 0
        return number


def _integer(text: str) -> int | None:
    """A whole number written with digits only; None otherwise."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None
