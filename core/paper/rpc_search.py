"""Searching transactions by their height, hash and signer, the keys that clients search by.

Other keys of events are understood and match nothing, for the paper network keeps no events.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from typing import Final

from core.paper.exchange import Exchange
from core.paper.failures import Failed
from core.paper.refusals import Refused
from core.paper.rpc_params import internal
from core.paper.state import Included
from core.paper.transactions import decode, signer_of, tx_hash

_CONDITION: Final = re.compile(
    r"\s*([\w.]+)\s*(<=|>=|=|<|>)\s*(?:'([^']*)'|(-?\d+(?:\.\d+)?))\s*(?:AND\b|$)"
)
_COMPARE: Final[dict[str, Callable[[int, int], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}
Found = tuple[bytes, int, Included]


def search(exchange: Exchange, query: str) -> list[Found]:
    """(bytes, place in the block, what became of it), oldest first. Raises RpcError for a query
    that cannot be read.
    """
    conditions = _conditions(query)
    return [found for found in _all(exchange) if all(_holds(found, row) for row in conditions)]


def search_heights(exchange: Exchange, query: str) -> list[int]:
    """Heights of the blocks that a query over block.height finds, lowest first; other keys match
    nothing. Raises RpcError for a query that cannot be read.
    """
    heights = range(1, exchange.height + 1)
    for name, sign, value in _conditions(query):
        if name != "block.height" or not value.isdecimal():
            return []
        wanted = int(value)
        first = {"=": wanted, ">": wanted + 1, ">=": wanted}.get(sign, 1)
        last = {"=": wanted, "<": wanted - 1, "<=": wanted}.get(sign, exchange.height)
        heights = range(max(heights.start, first), min(heights.stop, last + 1))
    return list(heights)


def _conditions(query: str) -> list[tuple[str, str, str]]:
    conditions: list[tuple[str, str, str]] = []
    position = 0
    while position < len(query) or not conditions:
        match = _CONDITION.match(query, position)
        if match is None or match.end() == position:
            raise internal(f"offset {position}: EOF")
        name, sign, text, number = match.groups()
        conditions.append((name, sign, number if text is None else text))
        position = match.end()
    return conditions


def _all(exchange: Exchange) -> Iterator[Found]:
    height, index = 0, 0
    for found in exchange.included():
        height, index = (height, index + 1) if found.height == height else (found.height, 0)
        yield found.raw, index, found


def _holds(found: Found, condition: tuple[str, str, str]) -> bool:
    raw, _, included = found
    name, sign, value = condition
    if name == "tx.height":
        try:
            return _COMPARE[sign](included.height, int(value))
        except ValueError:
            return False
    if name == "tx.hash":
        return sign == "=" and tx_hash(raw) == value.upper()
    if name == "message.sender":
        return sign == "=" and value in _signers(raw)
    return False


def _signers(raw: bytes) -> set[str]:
    try:
        return {signer_of(message) for message in decode(raw).messages}
    except (Refused, Failed):
        return set()
