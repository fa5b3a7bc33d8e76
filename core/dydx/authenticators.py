"""Trading keys: what an authenticator lets its key do, and the tree of a key that we make.

A trading key signs in its owner's name, as far as an authenticator of the owner's account allows.
The filters for subaccounts and markets look at order messages only and let everything else pass: a
message filter is what keeps a key from withdrawing. Source: docs/protocol.md, trading keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator, MsgRemoveAuthenticator

from core.dydx import authenticator_tree as trees
from core.dydx.authenticator_tree import Node, TreeFault, read_tree, write_tree
from core.dydx.keys import address_of

PLACE: Final = "/dydxprotocol.clob.MsgPlaceOrder"
CANCEL: Final = "/dydxprotocol.clob.MsgCancelOrder"
BATCH_CANCEL: Final = "/dydxprotocol.clob.MsgBatchCancel"
TRADING_MESSAGES: Final = (PLACE, CANCEL, BATCH_CANCEL)
MAX_DATA: Final = 1024
MAX_SUBACCOUNT: Final = 128_000
_NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
_ACCOUNTPLUS: Final = "dydxaccountplus"


@dataclass(frozen=True)
class Authenticator:
    """One row of GetAuthenticators. Ids begin at 0: never test one by truthiness."""

    id: int
    type: str
    config: bytes


@dataclass(frozen=True)
class Fit:
    """A key that can trade and nothing else. None: no limit to subaccounts or markets."""

    id: int
    subaccounts: tuple[int, ...] | None
    clob_pairs: tuple[int, ...] | None
    messages: tuple[str, ...] = TRADING_MESSAGES


@dataclass(frozen=True)
class Unfit:
    """A key that is refused. `code` is stable, `reason` a sentence for its owner.

    Codes: key_is_owner, key_not_listed, key_can_more, key_can_less, key_odd.
    """

    code: str
    reason: str


def judge(
    authenticators: Sequence[Authenticator], public_key: bytes, owner: str | None = None
) -> Fit | Unfit:
    """What this key can do by the authenticators of an account.

    Every authenticator that names the key must be fit: a thief of the key would choose the one that
    allows the most. Of several fit ones the newest is taken. With `owner` the account's own key is
    recognised.
    """
    if owner is not None and address_of(public_key) == owner:
        return OWNERS_KEY
    fits: list[Fit] = []
    for row in sorted(authenticators, key=lambda row: row.id):
        try:
            tree = read_tree(row.type, row.config)
        except TreeFault:
            continue  # no transaction passes a tree that the chain cannot read
        if not tree.names_key(public_key):
            continue
        verdict = _judge_tree(row.id, tree, public_key)
        if isinstance(verdict, Unfit):
            return verdict
        fits.append(verdict)
    if not fits:
        return Unfit(
            "key_not_listed",
            "The chain does not list this key for that account: it belongs to another account, or "
            "was removed, or was not confirmed yet.",
        )
    return fits[-1]


OWNERS_KEY: Final = Unfit(
    "key_is_owner",
    "This is the account's own key, which can withdraw. I want a trading key, which cannot.",
)


def _can_more(what: str) -> Unfit:
    return Unfit(
        "key_can_more",
        f"This key can {what}. I only take keys that trade and do nothing else.",
    )


def _odd(what: str) -> Unfit:
    return Unfit(
        "key_odd",
        f"This key's permission on chain is not one that I can vouch for: {what}. "
        "Make a new one on dydx.trade.",
    )


def _judge_tree(id_: int, tree: Node, public_key: bytes) -> Fit | Unfit:
    if tree.type == trees.SIGNATURE:
        return _can_more("do everything your account can, withdrawing included")
    if tree.type != trees.ALL_OF:
        return _odd(f"it begins with {_name(tree.type)} instead of AllOf")
    if any(node.odd for node in tree.walk()):
        return _odd("it is written in an unusual way")
    by_type: dict[str, list[Node]] = {}
    for part in tree.parts:
        by_type.setdefault(part.type, []).append(part)
    signatures = by_type.pop(trees.SIGNATURE, [])
    if len(signatures) != 1 or signatures[0].config != public_key:
        return _odd("it does not ask for exactly the signature of this key")
    allowed = by_type.pop(trees.MESSAGES, []) + by_type.pop(trees.ANY_OF, [])
    subaccounts = by_type.pop(trees.SUBACCOUNTS, [])
    pairs = by_type.pop(trees.CLOB_PAIRS, [])
    if by_type:
        return _odd(f"it holds {_name(next(iter(by_type)))} where a filter belongs")
    if not allowed:
        return _can_more("withdraw: no filter limits it to orders")
    if max(len(allowed), len(subaccounts), len(pairs)) > 1:
        return _odd("it holds the same kind of filter twice")
    messages = _messages(allowed[0])
    if isinstance(messages, Unfit):
        return messages
    numbers = _numbers(subaccounts, "subaccount filter", MAX_SUBACCOUNT)
    markets = _numbers(pairs, "market filter", 2**32 - 1)
    if isinstance(numbers, Unfit):
        return numbers
    if isinstance(markets, Unfit):
        return markets
    return Fit(id_, numbers, markets, messages)


def _messages(part: Node) -> tuple[str, ...] | Unfit:
    """The messages of a message filter, or of an AnyOf of message filters: exactly the three."""
    if part.type == trees.ANY_OF:
        if any(child.type != trees.MESSAGES for child in part.parts):
            return _odd("an AnyOf in it holds something else than message filters")
        if len(part.parts) < 2:
            return _odd("an AnyOf in it has fewer than two parts")
    filters = part.parts or (part,)
    names = [name for one in filters for name in one.config.decode("utf-8", "replace").split(",")]
    more = [name for name in names if name not in TRADING_MESSAGES]
    if any(_MESSAGE.fullmatch(name) for name in more):
        return _can_more(f"send {_name(_short(next(filter(_MESSAGE.fullmatch, more))))}")
    if more:
        return _odd("its message filter names something that is no message")
    if len(set(names)) != len(names):
        return _odd("its message filter names a message twice")
    missing = [_ABILITIES[name] for name in TRADING_MESSAGES if name not in names]
    if missing:
        return Unfit(
            "key_can_less",
            f"This key cannot {' or '.join(missing)}, which I need to trade and to protect you. "
            "Make a new one on dydx.trade.",
        )
    return TRADING_MESSAGES


_MESSAGE = re.compile(r"/[A-Za-z0-9_.]{3,120}")
_ABILITIES: Final = {
    PLACE: "place orders",
    CANCEL: "cancel orders",
    BATCH_CANCEL: "cancel orders in batches",
}


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _name(text: str) -> str:
    """A name out of a stranger's tree, safe to show."""
    kept = re.sub(r"[^A-Za-z0-9]", "", text)[:40]
    return kept or "an unnamed part"


def _numbers(parts: list[Node], what: str, limit: int) -> tuple[int, ...] | Unfit | None:
    """The whole numbers of a filter; None without a filter."""
    if not parts:
        return None
    texts = parts[0].config.decode("utf-8", "replace").split(",")
    if not all(_NUMBER.fullmatch(text) and int(text) <= limit for text in texts):
        return _odd(f"its {what} is empty or not made of numbers, so that every order would fail")
    numbers = tuple(sorted({int(text) for text in texts}))
    if len(numbers) != len(texts):
        return _odd(f"its {what} names a number twice")
    return numbers


def own_tree(
    public_key: bytes, subaccounts: Iterable[int], clob_pairs: Iterable[int] | None
) -> bytes:
    """The configuration of the AllOf that we ask for: this signature, the three order messages,
    these subaccounts and, where given, only these markets.

    Raises ValueError when it would exceed the chain's 1,024 bytes or a filter would be empty.
    """
    parts = [
        (trees.SIGNATURE, public_key),
        (trees.MESSAGES, ",".join(TRADING_MESSAGES).encode()),
        (trees.SUBACCOUNTS, _listed(subaccounts)),
    ]
    if clob_pairs is not None:
        parts.append((trees.CLOB_PAIRS, _listed(clob_pairs)))
    data = write_tree(trees.ALL_OF, *parts)
    if len(data) > MAX_DATA:
        raise ValueError(f"the authenticator has {len(data)} bytes, the chain takes {MAX_DATA}")
    return data


def _listed(numbers: Iterable[int]) -> bytes:
    text = ",".join(str(number) for number in sorted(set(numbers)))
    if not text:
        raise ValueError("a filter must name something")
    return text.encode()


def fitting_pairs(
    public_key: bytes, subaccounts: Iterable[int], wanted: Sequence[int]
) -> tuple[int, ...]:
    """As many of the wanted markets, in their order, as one authenticator can hold."""
    numbers = tuple(subaccounts)
    kept: list[int] = []
    for pair in wanted:
        try:
            own_tree(public_key, numbers, [*kept, pair])
        except ValueError:
            break
        kept.append(pair)
    return tuple(kept)


def adding(owner: str, data: bytes) -> Any:
    """The message that gives a key its permission; the owner's own key signs it."""
    return MsgAddAuthenticator(sender=owner, authenticator_type=trees.ALL_OF, data=data)


def removing(owner: str, id_: int) -> Any:
    """The message that takes it away; no trading key can sign it (dydxaccountplus 104)."""
    return MsgRemoveAuthenticator(sender=owner, id=id_)


class KeyTrouble(Enum):
    """What a refusal says of a trading key."""

    GONE = "gone"
    SWITCHED_OFF = "switched_off"
    FORBIDDEN = "forbidden"


def key_trouble(codespace: str, code: int | None) -> KeyTrouble | None:
    """What a node's refusal says of the trading key that signed; None when it is not about the key.

    GONE: the owner removed it, it will never sign again. SWITCHED_OFF: the chain takes no trading
    keys at the moment. FORBIDDEN: the signature, message, subaccount or market is not allowed.
    """
    if codespace != _ACCOUNTPLUS or code is None:
        return None
    if code in (1, 5):
        return KeyTrouble.GONE
    if code == 4:
        return KeyTrouble.SWITCHED_OFF
    return KeyTrouble.FORBIDDEN if 100 <= code <= 105 else None
