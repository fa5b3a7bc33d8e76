"""Scripts of the recorded scenarios about trading keys."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import coincurve
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator, MsgRemoveAuthenticator
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgPlaceOrder
from v4_proto.dydxprotocol.sending.transfer_pb2 import MsgWithdrawFromSubaccount, Transfer
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from tests.core.paper.chain_kit import Trader, gas
from tests.core.paper.scenario_kit import Craft, Play, Row, Script

KEY: Final = KeyPair(coincurve.PrivateKey(bytes(31) + b"\x77"))
STRANGER: Final = KeyPair(coincurve.PrivateKey(bytes(31) + b"\x78"))
PUBLIC: Final = coincurve.PrivateKey(bytes(31) + b"\x77").public_key.format()
PLACE: Final = b"/dydxprotocol.clob.MsgPlaceOrder"
CANCEL: Final = b"/dydxprotocol.clob.MsgCancelOrder"
BATCH: Final = b"/dydxprotocol.clob.MsgBatchCancel"


def part(kind: str, config: bytes) -> dict[str, Any]:
    return {"type": kind, "config": base64.b64encode(config).decode()}


def tree(*parts: dict[str, Any]) -> bytes:
    return json.dumps(parts).encode()


SIGNATURE: Final = part("SignatureVerification", PUBLIC)
WEB: Final = tree(
    SIGNATURE,
    part("AnyOf", tree(*(part("MessageFilter", url) for url in (PLACE, CANCEL, BATCH)))),
    part("SubaccountFilter", b"0"),
)


def latest(play: Play, one: Trader) -> int:
    """The id of the authenticator added last."""
    return max(number for number, _ in play.lab.exchange.authenticators(one.address))


def adds(kind: str, data: bytes) -> Craft:
    """The owner adds a tree."""

    def craft(play: Play, one: Trader, row: Row) -> bytes:
        message = MsgAddAuthenticator(sender=one.address, authenticator_type=kind, data=data)
        return one.sign(message, sequence=play.nonce(), fee=gas())

    return craft


def removes(number: int | None = None) -> Craft:
    """The owner removes his latest authenticator, or one by its number."""

    def craft(play: Play, one: Trader, row: Row) -> bytes:
        chosen = latest(play, one) if number is None else number
        message = MsgRemoveAuthenticator(sender=one.address, id=chosen)
        return one.sign(message, sequence=play.nonce(), fee=gas())

    return craft


def by_key(
    make: Callable[[Play, Trader, Row], list[Any]] | None = None,
    *,
    key: KeyPair | None = KEY,
    ids: Sequence[int] | None = None,
    each: int | None = None,
    owner: str = "T",
    **how: Any,
) -> Craft:
    """Messages of the owner, signed by another key through his latest authenticator, or through
    these ids; `each` says how many times the id is selected. No key is the owner's own.
    """

    def craft(play: Play, one: Trader, row: Row) -> bytes:
        messages = (make or _as_recorded)(play, one, row)
        chosen = play.trader(owner)
        selected = ids
        if selected is None:
            selected = [latest(play, chosen)] * (len(messages) if each is None else each)
        account = one.wallet.account_number
        signer = Trader(one.wallet if key is None else Wallet(key, account, 0))
        short = row.messages[0].startswith(("place short", "cancel short", "batch"))
        arguments: dict[str, Any] = {
            "sequence": 0 if short else play.nonce(),
            "authenticators": selected,
        } | how
        if not any(text.startswith(("place", "cancel", "batch")) for text in row.messages):
            arguments["fee"] = gas()
        return signer.sign(*messages, **arguments)

    return craft


def _as_recorded(play: Play, one: Trader, row: Row) -> list[Any]:
    return play.build(row, one)


def sends(play: Play, one: Trader, row: Row) -> list[Any]:
    coins = [Coin(denom="adv4tnt", amount="1")]
    to = play.trader("M").address
    return [MsgSend(from_address=one.address, to_address=to, amount=coins)]


def withdraws(play: Play, one: Trader, row: Row) -> list[Any]:
    sender = SubaccountId(owner=one.address, number=0)
    return [MsgWithdrawFromSubaccount(sender=sender, recipient=one.address, quantums=1_000_000)]


def transfers(play: Play, one: Trader, row: Row) -> list[Any]:
    transfer = Transfer(
        sender=SubaccountId(owner=one.address, number=0),
        recipient=SubaccountId(owner=one.address, number=1),
        amount=1_000_000,
    )
    return [MsgCreateTransfer(transfer=transfer)]


def takes_itself_away(play: Play, one: Trader, row: Row) -> list[Any]:
    return [MsgRemoveAuthenticator(sender=one.address, id=latest(play, one))]


def adds_another(play: Play, one: Trader, row: Row) -> list[Any]:
    return [MsgAddAuthenticator(sender=one.address, authenticator_type="AllOf", data=WEB)]


def order_and_transfer(play: Play, one: Trader, row: Row) -> list[Any]:
    return [play._message(row.messages[0], row.step, one), *transfers(play, one, row)]


def in_subaccount(number: int) -> Callable[[Play, Trader, Row], list[Any]]:
    def make(play: Play, one: Trader, row: Row) -> list[Any]:
        return play.build(row, Trader(one.wallet, number))

    return make


def in_bitcoin(play: Play, one: Trader, row: Row) -> list[Any]:
    messages = play.build(row, one)
    order = messages[0].order
    order.order_id.clob_pair_id = 0
    order.quantums, order.subticks = 1_000_000, 100_000
    return [MsgPlaceOrder(order=order)]


def count(play: Play) -> int:
    return len(play.lab.exchange.authenticators(play.trader("T").address))


MONEY: Final = {"T": 10_000, "M": 10_000}
PLACE_PARTS: Final = [SIGNATURE, part("MessageFilter", PLACE)]
AS_ARRAYS: Final = [
    {"type": one["type"], "config": list(base64.b64decode(one["config"]))} for one in PLACE_PARTS
]

WEB_TREE: Final = Script(
    funds=MONEY,
    cast={"another owner's order": "M"},
    craft={
        "add": adds("AllOf", WEB),
        "place": by_key(),
        "cancel": by_key(),
        "batch cancel": by_key(),
        "long-term": by_key(),
        "long-term cancel": by_key(),
        "conditional": by_key(),
        "place in subaccount 1": by_key(in_subaccount(1)),
        "transfer": by_key(transfers),
        "withdraw": by_key(withdraws),
        "send": by_key(sends),
        "remove the authenticator": by_key(takes_itself_away),
        "add another": by_key(adds_another),
        "order with a transfer": by_key(order_and_transfer),
        "two stateful orders, an id each": by_key(),
        "two messages, one id": by_key(each=1),
        "one message, two ids": by_key(each=2),
        "a stranger's key": by_key(key=STRANGER),
        "the owner's key through the authenticator": by_key(key=None),
        "wrong account number": by_key(account_number=999),
        "wrong chain id": by_key(chain_id="dydx-mainnet-1"),
        "without the extension": by_key(ids=[]),
        "empty list, key of the API": by_key(ids=[]),
        "empty list, owner's key": by_key(ids=[], key=None),
        "unknown id": by_key(ids=[1_105]),
        "another owner's order": by_key(),
        "stateful with a wrong sequence": by_key(sequence=77),
        "remove": removes(),
        "place after the removal": by_key(ids=[0]),
        "remove once more": removes(0),
    },
    look={"it has an id": lambda play: count(play) == 1, "none left": count},
)

FILTERS: Final = Script(
    funds=MONEY,
    craft={
        "signature only": adds("SignatureVerification", PUBLIC),
        "signature only: place": by_key(),
        "signature only: send": by_key(sends),
        "signature only: wrong key": by_key(key=STRANGER),
        "clob pair filter": adds("AllOf", tree(*PLACE_PARTS, part("ClobPairIdFilter", b"2"))),
        "clob pair: inside": by_key(),
        "clob pair: outside": by_key(in_bitcoin),
        "clob pair: cancel is not in the message filter": by_key(),
        "lists with commas": adds(
            "AllOf",
            tree(
                SIGNATURE,
                part("MessageFilter", PLACE + b"," + CANCEL),
                part("SubaccountFilter", b"0,1"),
                part("ClobPairIdFilter", b"0,2"),
            ),
        ),
        "lists: second pair": by_key(in_bitcoin),
        "lists: second message": by_key(),
        "lists: second subaccount": by_key(in_subaccount(1)),
        "lists: third subaccount": by_key(in_subaccount(2)),
        "no message filter": adds("AllOf", tree(SIGNATURE, part("SubaccountFilter", b"0"))),
        "no message filter: a send passes": by_key(sends),
        "no message filter: a withdrawal passes": by_key(withdraws),
        "AnyOf of two AllOfs": adds(
            "AnyOf",
            tree(
                part("AllOf", tree(*PLACE_PARTS)),
                part("AllOf", tree(SIGNATURE, part("MessageFilter", CANCEL))),
            ),
        ),
        "AnyOf: place": by_key(),
        "AnyOf: cancel": by_key(),
        "AnyOf: send": by_key(sends),
        "arrays of numbers, as the package composes": adds("AllOf", tree(*AS_ARRAYS)),
        "arrays: place": by_key(),
        "arrays: cancel": by_key(),
        "as the package's message helper re-encodes it": adds("AllOf", tree(*PLACE_PARTS)),
        "helper: place": by_key(),
        "subaccount filter first": adds("AllOf", tree(part("SubaccountFilter", b"1"), SIGNATURE)),
        "a transfer passes a subaccount filter for 1": by_key(transfers),
    },
)

KEY_TRADES: Final = Script(
    funds=MONEY,
    cast={"offers": "M", "a seller": "M", "a seller down to the long-term bid": "M"},
    craft={
        "add": adds("AllOf", WEB),
        "IOC by the key": by_key(),
        "bid by the key, resting": by_key(),
        "long-term bid by the key": by_key(),
        "the key is removed": removes(),
    },
    look={
        step: lambda play: play.lots()
        for step in (
            "filled",
            "the removed key's bid does not fill",
            "its long-term bid still does",
        )
    },
)

SCRIPTS: Final[dict[str, Script]] = {
    "web_tree": WEB_TREE,
    "filters": FILTERS,
    "key_trades": KEY_TRADES,
}
