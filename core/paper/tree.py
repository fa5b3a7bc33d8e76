"""Authenticator trees: what may be registered, and what one then lets pass.

A tree is made of a signature check, filters for message types, subaccounts and clob pairs, and of
AllOf and AnyOf over at least two parts. Registering looks only at the types and at the size of
keys; a filter that cannot be read fails when it is used. Source: docs/protocol.md, authenticators.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgBatchCancel, MsgCancelOrder, MsgPlaceOrder

from core.paper.gojson import Part, Unreadable, read_parts
from core.paper.refusals import Refused, accountplus, sdk, undefined

KEY_SIZE: Final = 33
_COMPOSITE: Final = {"AllOf": "allOf", "AnyOf": "anyOf"}
_KINDS: Final = frozenset(
    {*_COMPOSITE, "SignatureVerification", "MessageFilter", "SubaccountFilter", "ClobPairIdFilter"}
)
_HIGHEST: Final = 2**32 - 1


@dataclass(frozen=True)
class Request:
    """A message to be let through. `verifies` says whether the transaction's signature is that of a
    public key; `complaint` is what a failed signature is told.
    """

    message: Message
    verifies: Callable[[bytes], bool]
    complaint: str


Check = Callable[[Request, str], None]
"""Raises Refused for a request; the text is the node's id in the tree, such as 7.1.0."""


def is_known(kind: str) -> bool:
    """Whether the chain has this type of authenticator."""
    return kind in _KINDS


def needs_signature(kind: str, config: bytes, identity: str) -> bool:
    """Whether no path through a tree goes without a signature. Raises Refused for a tree that
    cannot be registered.
    """
    if kind == "SignatureVerification":
        if len(config) != KEY_SIZE:
            raise undefined(
                f"invalid secp256k1 public key size, expected {KEY_SIZE}, got {len(config)}"
            )
        return True
    if kind not in _COMPOSITE:
        return False
    try:
        parts = read_parts(config)
    except Unreadable as error:
        raise undefined(f"failed to unmarshal sub-authenticator init data: {error}") from error
    if len(parts) <= 1:
        raise sdk(18, "no sub-authenticators provided")
    found = [_part_needs(part, f"{identity}.{index}") for index, part in enumerate(parts)]
    return all(found) if kind == "AnyOf" else any(found)


def _part_needs(part: Part, identity: str) -> bool:
    if not is_known(part.kind):
        raise sdk(
            18,
            "sub-authenticator failed to be added in function `OnAuthenticatorAdded` as type is "
            "not registered in manager",
        )
    try:
        return needs_signature(part.kind, part.config, identity)
    except Refused as refusal:
        raise refusal.within(
            f"sub-authenticator `OnAuthenticatorAdded` failed (sub-authenticator id = {identity})"
        ) from refusal


def build(kind: str, config: bytes) -> Check:
    """The check that a registered tree is. Raises Refused where a part of it cannot be read."""
    if kind == "SignatureVerification":
        return lambda request, _: _signature(request, config)
    if kind == "MessageFilter":
        urls = frozenset(config.decode("utf-8", "replace").split(","))
        return lambda request, _: _message_type(request, urls)
    if kind == "SubaccountFilter":
        numbers = _numbers(config)
        return lambda request, _: _subaccount(request, numbers)
    if kind == "ClobPairIdFilter":
        pairs = _numbers(config)
        return lambda request, _: _clob_pair(request, pairs)
    parts = _built(kind, config)
    if kind == "AllOf":
        return lambda request, identity: _all_of(parts, request, identity)
    return lambda request, identity: _any_of(parts, request, identity)


def _built(kind: str, config: bytes) -> list[tuple[str, Check]]:
    try:
        parts = read_parts(config)
    except Unreadable as error:
        raise undefined(
            f"failed to parse sub-authenticators initialization data: {error}"
        ) from error
    if len(parts) <= 1:
        raise sdk(18, f"{_COMPOSITE[kind]} must have at least 2 sub-authenticators")
    built: list[tuple[str, Check]] = []
    for part in parts:
        try:
            built.append((part.kind, build(part.kind, part.config)))
        except Refused as refusal:
            raise refusal.within(
                f"failed to initialize sub-authenticator (type = {part.kind})"
            ) from refusal
    return built


def _all_of(parts: list[tuple[str, Check]], request: Request, identity: str) -> None:
    for index, (_, check) in enumerate(parts):
        try:
            check(request, f"{identity}.{index}")
        except Refused as refusal:
            raise accountplus(104, refusal.log) from refusal


def _any_of(parts: list[tuple[str, Check]], request: Request, identity: str) -> None:
    complaints: list[str] = []
    for index, (kind, check) in enumerate(parts):
        own = f"{identity}.{index}"
        try:
            check(request, own)
        except Refused as refusal:
            complaints.append(f"[{kind} (id = {own})] {refusal.log}; ")
        else:
            return
    raise accountplus(
        105, f"all sub-authenticators failed to authenticate: {'; '.join(complaints)}"
    )


def _signature(request: Request, key: bytes) -> None:
    if not request.verifies(key):
        raise accountplus(100, request.complaint)


def _message_type(request: Request, urls: frozenset[str]) -> None:
    url = f"/{request.message.DESCRIPTOR.full_name}"
    if url not in urls:
        raise accountplus(
            101, f"message types do not match. Got {url}, Expected {_go_set(sorted(urls))}"
        )


def _subaccount(request: Request, numbers: frozenset[int]) -> None:
    message = request.message
    if isinstance(message, MsgPlaceOrder):
        number = message.order.order_id.subaccount_id.number
    elif isinstance(message, MsgCancelOrder):
        number = message.order_id.subaccount_id.number
    elif isinstance(message, MsgBatchCancel):
        number = message.subaccount_id.number
    else:
        return
    if number not in numbers:
        raise accountplus(
            103, f"subaccount number {number} not in whitelist {_go_set(sorted(numbers))}"
        )


def _clob_pair(request: Request, pairs: frozenset[int]) -> None:
    message = request.message
    if isinstance(message, MsgPlaceOrder):
        asked = [message.order.order_id.clob_pair_id]
    elif isinstance(message, MsgCancelOrder):
        asked = [message.order_id.clob_pair_id]
    elif isinstance(message, MsgBatchCancel):
        asked = [batch.clob_pair_id for batch in message.short_term_cancels]
    else:
        return
    for pair in asked:
        if pair not in pairs:
            raise accountplus(102, f"order id {pair} not in whitelist {_go_set(sorted(pairs))}")


def _numbers(config: bytes) -> frozenset[int]:
    """A list of unsigned 32-bit numbers with commas between."""
    numbers: set[int] = set()
    for text in config.decode("utf-8", "backslashreplace").split(","):
        if not (text.isascii() and text.isdigit()):
            raise undefined(f'strconv.ParseUint: parsing "{_quoted(text)}": invalid syntax')
        if int(text) > _HIGHEST:
            raise undefined(f'strconv.ParseUint: parsing "{text}": value out of range')
        numbers.add(int(text))
    return frozenset(numbers)


def _quoted(text: str) -> str:
    return text.replace('"', '\\"')


def _go_set(sorted_keys: list[str] | list[int]) -> str:
    """A set as the chain prints it."""
    return f"map[{' '.join(f'{key}:{{}}' for key in sorted_keys)}]"
