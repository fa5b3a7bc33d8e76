"""Trading keys: how an authenticator is added, used, misused and removed."""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from typing import Any

import coincurve
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator, MsgRemoveAuthenticator

from tests.conformance.chain import GOOD
from tests.conformance.chapters.desk import Desk
from tests.conformance.chapters.refusals import Draft
from tests.conformance.checks import expect, expect_that
from tests.conformance.people import BUY, IOC, LONG, SELL, Person, batch, cancel
from tests.conformance.world import Room

GAS = 200_000
MESSAGES = (
    "/dydxprotocol.clob.MsgPlaceOrder",
    "/dydxprotocol.clob.MsgCancelOrder",
    "/dydxprotocol.clob.MsgBatchCancel",
)


def part(kind: str, config: bytes) -> dict[str, str]:
    """A part of a tree, as the web writes it."""
    return {"type": kind, "config": b64encode(config).decode()}


def tree(*parts: dict[str, str]) -> bytes:
    return json.dumps(list(parts), separators=(",", ":")).encode()


def web_tree(public: bytes) -> bytes:
    """The tree of a key that dYdX's web makes."""
    any_of = tree(*(part("MessageFilter", url.encode()) for url in MESSAGES))
    return tree(
        part("SignatureVerification", public),
        part("AnyOf", any_of),
        part("SubaccountFilter", b"0"),
    )


def fresh_key() -> tuple[KeyPair, bytes]:
    """A key pair and its public key's 33 bytes."""
    pair = KeyPair(coincurve.PrivateKey(secrets.token_bytes(32)))
    return pair, Wallet(pair, 0, 0).public_key.key


def add(owner: Person, kind: str, data: bytes) -> Any:
    return MsgAddAuthenticator(sender=owner.address, authenticator_type=kind, data=data)


async def newest(owner: Person) -> int:
    """The id of the authenticator that was added last."""
    ids: list[int] = [row.id for row in await owner.chain.authenticators(owner.address)]
    return max(ids)


async def trading_keys(room: Room) -> None:
    """One key's life: added, used, misused, removed."""
    desk = Desk(room)
    owner, other = room.people
    ours = await room.watch(owner)
    draft = Draft(owner, room.market)
    key, public = fresh_key()
    data = web_tree(public)
    async with room.check(
        "the owner adds a key as dYdX's web makes it, and it is listed with its tree"
    ):
        expect(await owner.commit(add(owner, "AllOf", data), gas=GAS), GOOD)
        (row,) = await room.chain.authenticators(owner.address)
        expect((row.type, row.config), ("AllOf", data))
        id_ = row.id
    how: dict[str, Any] = {"key": key, "authenticators": [id_]}
    async with room.check("the key places, cancels and batch-cancels short-term orders"):
        order = draft.order()
        expect(await owner.send(order, **how), GOOD)
        order_id = order.order.order_id
        await ours.order(order_id, "BEST_EFFORT_OPENED")
        expect(await owner.send(cancel(order_id, good_til_block=desk.gtb), **how), GOOD)
        await ours.order(order_id, "BEST_EFFORT_CANCELED", "USER_CANCELED")
        message = batch(owner.subaccount_id(), desk.gtb, room.market.pair, [1, 2])
        expect(await owner.send(message, **how), GOOD)
    async with room.check("the key places and cancels a long-term order with a timestamp nonce"):
        order = draft.order(LONG)
        expect(await owner.commit(order, **how), GOOD)
        stop = cancel(order.order.order_id, good_til_block_time=desk.gtbt(900))
        expect(await owner.commit(stop, **how), GOOD)
    async with room.check("the key trades"):
        await desk.place(other, SELL, 1, 10)
        _, message = desk.order(owner, BUY, 1, 20, IOC)
        expect(await owner.send(message, **how), GOOD)
        await desk.holds(owner, 1)
    async with room.check("two stateful orders in one transaction need the id twice"):
        pair = [draft.order(LONG), draft.order(LONG)]
        answer, _ = await owner.send_stateful(*pair, **how)
        expect(answer, ("sdk", 18), "with one id")
        await room.chain.blocks(1)
        answer = await owner.commit(*pair, key=key, authenticators=[id_, id_])
        expect(answer, GOOD, "with two")
        stops = [cancel(one.order.order_id, good_til_block_time=desk.gtbt(900)) for one in pair]
        expect(await owner.commit(*stops, key=key, authenticators=[id_, id_]), GOOD)
    stranger, _ = fresh_key()
    bad: tuple[tuple[str, Any, dict[str, Any], tuple[str, int]], ...] = (
        ("an order in subaccount 1", draft.order(number=1), {}, ("dydxaccountplus", 104)),
        ("a transfer", owner.transfer(other, 1), {}, ("dydxaccountplus", 104)),
        ("a withdrawal", owner.withdraw(1), {}, ("dydxaccountplus", 104)),
        ("a payment", owner.pay(other.address, 1), {}, ("dydxaccountplus", 104)),
        (
            "removing itself",
            MsgRemoveAuthenticator(sender=owner.address, id=id_),
            {},
            ("dydxaccountplus", 104),
        ),
        ("adding another key", add(owner, "AllOf", data), {}, ("dydxaccountplus", 104)),
        ("a stranger's signature", draft.order(), {"key": stranger}, ("dydxaccountplus", 104)),
        ("the owner's signature", draft.order(), {"key": owner.pair}, ("dydxaccountplus", 104)),
        ("another account number", draft.order(), {"account_number": 1}, ("dydxaccountplus", 104)),
        ("another chain id", draft.order(), {"chain_id": "x-1"}, ("dydxaccountplus", 104)),
        ("an unknown id", draft.order(), {"authenticators": [id_ + 10**6]}, ("dydxaccountplus", 1)),
        ("an id too many", draft.order(), {"authenticators": [id_, id_]}, ("sdk", 18)),
        ("no id", draft.order(), {"authenticators": []}, ("sdk", 8)),
        (
            "an order of another owner",
            Draft(other, room.market).order(),
            {},
            ("dydxaccountplus", 1),
        ),
    )
    for sentence, message, change, wanted in bad:
        async with room.check(f"by the key: {sentence} is refused {wanted}"):
            send = {**how, "fee": owner.fee(GAS), "sequence": owner.nonce(), **change}
            if "MsgPlaceOrder" in type(message).__name__:
                del send["fee"]
            expect(await room.chain.broadcast(owner.sign(message, **send)), wanted)
    async with room.check("an order of the key and a transfer in one transaction are refused"):
        messages = [draft.order(LONG), owner.transfer(other, 1)]
        answer, _ = await owner.send_stateful(*messages, key=key, authenticators=[id_, id_])
        expect(answer, ("dydxaccountplus", 104))
    async with room.check("the owner still signs for himself"):
        expect(await owner.send(draft.order()), GOOD)
    async with room.check("after its removal the key is refused, and its long-term order lives on"):
        _, message = desk.order(owner, BUY, 1, -50, flags=LONG)
        expect(await owner.commit(message, **how), GOOD)
        remove = MsgRemoveAuthenticator(sender=owner.address, id=id_)
        expect(await owner.commit(remove, gas=GAS), GOOD)
        expect(await room.chain.authenticators(owner.address), [])
        expect(await owner.send(draft.order(), **how), ("dydxaccountplus", 1))
        await room.chain.blocks(1)
        expect((await room.chain.stateful(message.order.order_id))[0], "open")
        await desk.place(other, SELL, 1, -60, IOC)
        await ours.fill(message.order.order_id)
    async with room.check("removing it twice fails in the block (dydxaccountplus 1)"):
        expect(await owner.commit(remove, gas=GAS), ("dydxaccountplus", 1))


async def authenticator_trees(room: Room) -> None:
    """Odd trees, those that are refused and those that are not."""
    owner, other = room.people
    draft = Draft(owner, room.market)
    key, public = fresh_key()
    signature = part("SignatureVerification", public)
    place_only = part("MessageFilter", MESSAGES[0].encode())
    rows: tuple[tuple[str, str, bytes, tuple[str, int]], ...] = (
        ("data over 1,024 bytes", "AllOf", b"x" * 1_025, ("dydxaccountplus", 3)),
        ("an unknown type", "Foo", public, ("undefined", 1)),
        ("no JSON", "AllOf", b"nonsense", ("undefined", 1)),
        ("a public key of 32 bytes", "SignatureVerification", public[1:], ("undefined", 1)),
        ("a filter without a signature", "MessageFilter", MESSAGES[0].encode(), ("undefined", 1)),
        ("a tree that needs no signature", "AllOf", tree(place_only, place_only), ("undefined", 1)),
        ("a path without a signature", "AnyOf", tree(signature, place_only), ("undefined", 1)),
        ("AllOf of one", "AllOf", tree(signature), ("sdk", 18)),
        ("AllOf of none", "AllOf", b"[]", ("sdk", 18)),
        (
            "AllOf with an unknown part",
            "AllOf",
            tree(signature, part("Foo", b"x")),
            ("sdk", 18),
        ),
    )
    for sentence, kind, data, wanted in rows:
        async with room.check(f"an authenticator with {sentence} is refused {wanted}"):
            expect(await owner.commit(add(owner, kind, data), gas=GAS), wanted)
    async with room.check("adding a key for another owner is refused (sdk 8)"):
        answer = await owner.commit(add(other, "SignatureVerification", public), gas=GAS)
        expect(answer, ("sdk", 8))
    async with room.check("a key without a filter may also pay; a stranger's signature gives 100"):
        expect(await owner.commit(add(owner, "SignatureVerification", public), gas=GAS), GOOD)
        how: dict[str, Any] = {"key": key, "authenticators": [await newest(owner)]}
        expect(await owner.commit(owner.pay(other.address, 1), gas=GAS, **how), GOOD)
        stranger, _ = fresh_key()
        answer = await owner.send(draft.order(), **{**how, "key": stranger})
        expect(answer, ("dydxaccountplus", 100))
    async with room.check("a market filter lets one market pass and no other"):
        pairs = part("ClobPairIdFilter", str(room.market.pair).encode())
        data = tree(signature, place_only, pairs)
        expect(await owner.commit(add(owner, "AllOf", data), gas=GAS), GOOD)
        how = {"key": key, "authenticators": [await newest(owner)]}
        expect(await owner.send(draft.order(), **how), GOOD)
        other_pair = draft.order(pair=0 if room.market.pair else 1)
        expect(await owner.send(other_pair, **how), ("dydxaccountplus", 104))
        stop = cancel(owner.order_id(room.market.pair), good_til_block=room.chain.height + 10)
        expect(await owner.send(stop, **how), ("dydxaccountplus", 104), "a cancel")
    async with room.check("trees that dydx-v4-client writes, with lists of numbers, work too"):
        parts = [
            {"type": "SignatureVerification", "config": list(public)},
            {"type": "MessageFilter", "config": list(MESSAGES[0].encode())},
        ]
        data = json.dumps(parts, separators=(",", ":")).encode()
        expect(await owner.commit(add(owner, "AllOf", data), gas=GAS), GOOD)
        how = {"key": key, "authenticators": [await newest(owner)]}
        expect(await owner.send(draft.order(), **how), GOOD)
    async with room.check("ids are listed in order of their text, and all can be removed"):
        ids = [row.id for row in await room.chain.authenticators(owner.address)]
        expect(ids, sorted(ids, key=str))
        for id_ in ids:
            remove = MsgRemoveAuthenticator(sender=owner.address, id=id_)
            expect(await owner.commit(remove, gas=GAS), GOOD)
        expect_that(not await room.chain.authenticators(owner.address), "some were left")
