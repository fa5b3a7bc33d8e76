"""Authenticator trees as the chain stores them: read as the chain reads them, oddities noted.

A node is a type and its configuration in bytes. The configuration of AllOf and AnyOf is a JSON list
of nodes whose `config` is base64 text (dYdX's web) or a list of numbers (its Python client); the
chain takes both, takes field names in any case and overlooks fields that it does not know. Source:
docs/protocol.md, trading keys.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

ALL_OF: Final = "AllOf"
ANY_OF: Final = "AnyOf"
SIGNATURE: Final = "SignatureVerification"
MESSAGES: Final = "MessageFilter"
SUBACCOUNTS: Final = "SubaccountFilter"
CLOB_PAIRS: Final = "ClobPairIdFilter"
KNOWN: Final = frozenset({ALL_OF, ANY_OF, SIGNATURE, MESSAGES, SUBACCOUNTS, CLOB_PAIRS})
MAX_DEPTH: Final = 64


class TreeFault(ValueError):
    """A tree cannot be read; the chain cannot use it either."""


@dataclass(frozen=True)
class Node:
    """One authenticator: a leaf with its configuration, or a branch (AllOf, AnyOf) with its parts.

    `odd`: the chain reads it, but neither dYdX's web nor its clients write it like this.
    """

    type: str
    config: bytes
    parts: tuple[Node, ...] = ()
    odd: bool = False

    def walk(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def names_key(self, public_key: bytes) -> bool:
        """Whether a signature of this key is looked at anywhere in the tree; also where a type
        that we do not know holds the key in some form.
        """
        forms = (public_key, base64.b64encode(public_key))
        return any(
            node.config == public_key
            if node.type == SIGNATURE
            else node.type not in KNOWN and any(form in node.config for form in forms)
            for node in self.walk()
        )


def read_tree(type_: str, config: bytes, depth: int = 0) -> Node:
    """The tree of an authenticator. Raises TreeFault."""
    if type_ not in (ALL_OF, ANY_OF):
        return Node(type_, config)
    if depth >= MAX_DEPTH:
        raise TreeFault("the tree is nested too deeply")
    parts: list[Node] = []
    odd = False
    for item in _items(config):
        fields, strange = _fields(item)
        odd = odd or strange
        kind = fields.get("type", "")
        if not isinstance(kind, str):
            raise TreeFault("a part's type was not a text")
        value = fields.get("config")
        if value is None or (isinstance(value, list) and None in value):
            odd = True  # the chain takes null for nothing, and for zero
            value = [] if value is None else [0 if item is None else item for item in value]
        parts.append(read_tree(kind, _config(value), depth + 1))
    return Node(type_, config, tuple(parts), odd)


def _items(config: bytes) -> list[Any]:
    try:
        items = json.loads(config.decode("utf-8", "replace"), object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        raise TreeFault("the parts were not JSON") from None
    if not isinstance(items, list):
        raise TreeFault("the parts were not a list")
    return items


def _fields(item: Any) -> tuple[dict[str, Any], bool]:
    """A part's fields as the chain takes them (the last of equal names counts), and whether it is
    written oddly. Objects come as tuples of pairs.
    """
    if not isinstance(item, tuple):
        raise TreeFault("a part was not an object")
    names = [str(name) for name, _ in item]
    fields = {str(name).lower(): value for name, value in item}
    return fields, sorted(names) != ["config", "type"]


def _config(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            return base64.b64decode(value.replace("\r", "").replace("\n", ""), validate=True)
        except (binascii.Error, ValueError):
            raise TreeFault("a configuration was not base64") from None
    if isinstance(value, list) and all(type(item) is int and 0 <= item <= 255 for item in value):
        return bytes(value)
    raise TreeFault("a configuration was neither base64 nor a list of bytes")


def write_tree(type_: str, *parts: tuple[str, bytes]) -> bytes:
    """The configuration of a branch as dYdX's web writes it: base64, no spaces."""
    assert type_ in (ALL_OF, ANY_OF)
    return json.dumps(
        [
            {"type": kind, "config": base64.b64encode(config).decode("ascii")}
            for kind, config in parts
        ],
        separators=(",", ":"),
    ).encode("ascii")
