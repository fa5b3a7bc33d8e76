"""Signatures, sequences, timestamp nonces, duplicates, fees and malformed transactions."""

from __future__ import annotations

import secrets
import time
from typing import Any

import coincurve
import grpc
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.node.builder import Builder, as_any, get_signature, get_signer_info
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.cosmos.tx.v1beta1.service_pb2 import BROADCAST_MODE_ASYNC, BROADCAST_MODE_UNSPECIFIED
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import AuthInfo, Fee, Tx, TxBody

from tests.conformance.chain import GOOD, hash_of
from tests.conformance.chapters.refusals import Draft
from tests.conformance.checks import Mismatch, expect, expect_that, until
from tests.conformance.people import (
    CONDITIONAL,
    FIRST_NONCE,
    LONG,
    Person,
    cancel,
)
from tests.conformance.world import Room


def _raw(who: Person, messages: list[Any], **body: Any) -> bytes:
    """A transaction whose body has more than the builder knows."""
    inner = TxBody(messages=[as_any(message) for message in messages], **body)
    info = AuthInfo(
        signer_infos=[get_signer_info(_public(who.pair), who.nonce())],
        fee=Fee(gas_limit=1_000_000),
    )
    signature = get_signature(who.pair, inner, info, who.number, who.target.chain_id)
    return bytes(Tx(body=inner, auth_info=info, signatures=[signature]).SerializeToString())


def _public(pair: KeyPair) -> Any:
    from dydx_v4_client.wallet import Wallet

    return Wallet(pair, 0, 0).public_key


async def transactions(room: Room) -> None:
    """What a node says before it looks at the order."""
    await _signatures(room)
    await _shape(room)
    await _sequences(room)
    await _nonces(room)
    await _duplicates(room)
    await _fees(room)


async def _signatures(room: Room) -> None:
    who = room.people[0]
    draft = Draft(who, room.market)
    stranger = KeyPair(coincurve.PrivateKey(secrets.token_bytes(32)))
    for kind, flags in (("short-term", 0), ("long-term", LONG)):
        async with room.check(f"a {kind} order signed for another chain is refused (sdk 4)"):
            tx = who.sign(draft.order(flags), chain_id="dydx-none-1", sequence=who.nonce())
            expect(await room.chain.broadcast(tx), ("sdk", 4))
        async with room.check(f"a {kind} order with another account number is refused (sdk 4)"):
            number = who.number + 1
            tx = who.sign(draft.order(flags), account_number=number, sequence=who.nonce())
            expect(await room.chain.broadcast(tx), ("sdk", 4))
        async with room.check(f"a {kind} order signed by another's key is refused (sdk 8)"):
            tx = who.sign(draft.order(flags), key=stranger, sequence=who.nonce())
            expect(await room.chain.broadcast(tx), ("sdk", 8))
        async with room.check(f"a {kind} order of an unknown account is refused (sdk 9)"):
            unknown = Person(room.chain, room.world.target)
            tx = unknown.sign(Draft(unknown, room.market).order(flags), sequence=who.nonce())
            expect(await room.chain.broadcast(tx), ("sdk", 9))
        async with room.check(f"a {kind} order without a signature is refused (sdk 15)"):
            parsed = Tx.FromString(who.sign(draft.order(flags), sequence=who.nonce()))
            del parsed.signatures[:]
            expect(await room.chain.broadcast(parsed.SerializeToString()), ("sdk", 15))
        async with room.check(f"a {kind} order with a bent signature is refused (sdk 4)"):
            parsed = Tx.FromString(who.sign(draft.order(flags), sequence=who.nonce()))
            parsed.signatures[0] = bytes(64)
            expect(await room.chain.broadcast(parsed.SerializeToString()), ("sdk", 4))
    async with room.check("a payment of an unknown account is refused (sdk 9), its text no UTF-8"):
        unknown = Person(room.chain, room.world.target)
        tx = unknown.sign(unknown.pay(who.address, 1), fee=unknown.fee(100_000))
        expect(await room.chain.broadcast(tx), ("sdk", 9))


async def _shape(room: Room) -> None:
    who = room.people[0]
    draft = Draft(who, room.market)
    rows = (
        ("garbage", b"hello" + secrets.token_hex(8).encode(), ("sdk", 2)),
        ("a truncated transaction", who.sign(draft.order())[:-20], ("sdk", 2)),
        ("no bytes at all", b"", ("grpc", 3)),
        ("more than a megabyte", bytes(1_048_600), ("sdk", 21)),
        ("a transaction without messages", _raw(who, []), ("sdk", 18)),
        ("a memo over 256 characters", who.sign(draft.order(), memo="x" * 257), ("sdk", 12)),
        (
            "two short-term orders in one transaction",
            who.sign(draft.order(), draft.order()),
            ("sdk", 18),
        ),
        (
            "a short-term and a long-term order in one transaction",
            who.sign(draft.order(), draft.order(LONG)),
            ("sdk", 18),
        ),
        (
            "a short-term order and a transfer in one transaction",
            who.sign(draft.order(), who.transfer(room.people[1], 1)),
            ("sdk", 18),
        ),
        (
            "a long-term order and two transfers in one transaction",
            who.sign(
                draft.order(LONG),
                who.transfer(room.people[1], 1),
                who.transfer(room.people[1], 1),
                sequence=who.nonce(),
            ),
            ("sdk", 18),
        ),
        (
            "a timeout height before the order's block",
            _raw(who, [draft.order(gtb=12)], timeout_height=room.chain.height + 5),
            ("sdk", 18),
        ),
        (
            "a timeout height in the past",
            _raw(who, [draft.order(LONG)], timeout_height=1),
            ("sdk", 30),
        ),
    )
    for sentence, tx, wanted in rows:
        async with room.check(f"{sentence} is refused ({wanted[0]} {wanted[1]})"):
            expect(await room.chain.broadcast(tx), wanted)
    async with room.check("a memo of 256 characters is accepted"):
        expect(await who.send(draft.order(), memo="m" * 256), GOOD)
    async with room.check("an unknown message type is refused (sdk 2)"):
        body = TxBody(messages=[as_any(draft.order())])
        body.messages[0].type_url = "/dydxprotocol.clob.MsgNothing"
        info = AuthInfo(
            signer_infos=[get_signer_info(_public(who.pair), 0)], fee=Fee(gas_limit=1_000_000)
        )
        signature = get_signature(who.pair, body, info, who.number, who.target.chain_id)
        tx = Tx(body=body, auth_info=info, signatures=[signature]).SerializeToString()
        expect(await room.chain.broadcast(tx), ("sdk", 2))
    async with room.check("broadcast mode ASYNC answers 0 to anything, mode 0 is refused"):
        tx = who.sign(draft.order(quantums=0))
        expect(await room.chain.broadcast(tx, BROADCAST_MODE_ASYNC), GOOD)
        tx = who.sign(draft.order())
        answer = await room.chain.broadcast(tx, BROADCAST_MODE_UNSPECIFIED)
        expect(answer, ("grpc", grpc.StatusCode.UNKNOWN.value[0]))


async def _sequences(room: Room) -> None:
    who = room.people[1]
    draft = Draft(who, room.market)
    for sequence in (0, 7, 12_345, FIRST_NONCE + 5, 2**63):
        async with room.check(f"a short-term order is accepted with sequence {sequence}"):
            expect(await who.send(draft.order(), sequence=sequence), GOOD)

    async def committed() -> int:
        known = await room.chain.account(who.address)
        assert known is not None
        return known[1]

    async with room.check(
        "an ordinary sequence must be the next one, also within a block (sdk 32)"
    ):
        first = await committed()
        for sequence, wanted in (
            (first + 3, ("sdk", 32)),
            (first, GOOD),
            (first, ("sdk", 32)),
            (first + 1, GOOD),
        ):
            tx = who.sign(draft.order(LONG), sequence=sequence)
            expect(await room.chain.broadcast(tx), wanted, f"sequence {sequence - first:+}")
            if wanted == GOOD:
                last = hash_of(tx)
        await room.chain.delivered(last)
        expect(await committed(), first + 2, "the committed sequence")
    async with room.check("a refused transaction takes no sequence"):
        await room.chain.blocks(1)
        first = await committed()
        tx = who.sign(draft.order(LONG, subticks=1), sequence=first)
        expect(await room.chain.broadcast(tx), ("clob", 12))
        tx = who.sign(draft.order(LONG), sequence=first)
        expect(await room.chain.broadcast(tx), GOOD)
        expect(await room.chain.delivered(hash_of(tx)), GOOD)


async def _nonces(room: Room) -> None:
    who = room.people[2]
    draft = Draft(who, room.market)
    async with room.check("a timestamp nonce is accepted once and leaves the sequence alone"):
        nonce = who.nonce()
        tx = who.sign(draft.order(LONG), sequence=nonce)
        expect(await room.chain.broadcast(tx), GOOD)
        expect(await room.chain.delivered(hash_of(tx)), GOOD)
        known = await room.chain.account(who.address)
        expect(known, (who.number, 0))
        tx = who.sign(draft.order(LONG), sequence=nonce)
        expect(await room.chain.broadcast(tx), ("sdk", 32))
    now = int(time.time() * 1000)
    for sentence, nonce in (
        ("a nonce over 30 s behind the block", now - 40_000),
        ("a nonce over 30 s ahead of the block", now + 40_000),
        ("the smallest nonce", FIRST_NONCE),
    ):
        async with room.check(f"{sentence} is refused (sdk 32)"):
            await room.chain.blocks(1)
            tx = who.sign(draft.order(LONG), sequence=nonce)
            expect(await room.chain.broadcast(tx), ("sdk", 32))
    async with room.check("nonces need not come in order"):
        await room.chain.blocks(1)
        now = int(room.chain.time.timestamp() * 1000)
        for nonce in (now + 4_001, now + 3_001):
            tx = who.sign(draft.order(LONG), sequence=nonce)
            expect(await room.chain.broadcast(tx), GOOD)
        expect(await room.chain.delivered(hash_of(tx)), GOOD)
    async with room.check("a nonce serves a payment too"):
        expect(await who.commit(who.pay(room.people[0].address, 1), gas=120_000), GOOD)


async def _duplicates(room: Room) -> None:
    who = room.people[0]
    draft = Draft(who, room.market)
    async with room.check("the same bytes again give sdk 19 with an empty text, good or refused"):
        for message in (draft.order(), draft.order(quantums=0)):
            tx = who.sign(message)
            await room.chain.broadcast(tx)
            again = await room.chain.broadcast(tx)
            expect((again.pair, again.log), (("sdk", 19), ""))
    async with room.check("a long-term order's bytes give sdk 19 also after their block"):
        answer, tx_hash = await who.send_stateful(draft.order(LONG))
        expect(answer, GOOD)
        row = await until("the block", lambda: room.chain.found(tx_hash))
        tx = Tx.FromString(row.tx.value).SerializeToString()
        expect(hash_of(tx), tx_hash, "the hash of the transaction in the block")
        expect(await room.chain.broadcast(tx), ("sdk", 19))


async def _fees(room: Room) -> None:
    who, other = room.people[0], room.people[1]
    native = who.target.native_denom
    async with room.check("a payment without a fee is refused (sdk 13)"):
        builder = Builder(who.target.chain_id, native)
        tx = who.sign(who.pay(other.address, 1), fee=builder.fee(100_000), sequence=who.nonce())
        expect(await room.chain.broadcast(tx), ("sdk", 13))
    async with room.check("a fee below the least gas price is refused (sdk 13)"):
        fee = who.fee(100_000)
        fee.amount[0].amount = str(int(fee.amount[0].amount) // 10)
        tx = who.sign(who.pay(other.address, 1), fee=fee, sequence=who.nonce())
        expect(await room.chain.broadcast(tx), ("sdk", 13))
    async with room.check("fee coins out of order are refused (sdk 13)"):
        coins = [Coin(denom=denom, amount="2500000000000000") for denom in ("zzz", native)]
        tx = who.sign(
            who.pay(other.address, 1),
            fee=Fee(gas_limit=100_000, amount=coins),
            sequence=who.nonce(),
        )
        expect(await room.chain.broadcast(tx), ("sdk", 13))
    async with room.check("a fee beyond the wallet is refused (sdk 5)"):
        fee = who.fee(100_000)
        fee.amount[0].amount = str(10**30)
        tx = who.sign(who.pay(other.address, 1), fee=fee, sequence=who.nonce())
        expect(await room.chain.broadcast(tx), ("sdk", 5))
    async with room.check("too little gas is out of gas (sdk 11)"):
        answer = await who.commit(who.pay(other.address, 1), gas=20_000)
        expect(answer, ("sdk", 11))
    async with room.check("Simulate tells the gas of a payment, and a little more pays for it"):
        message = who.pay(other.address, 1)
        tx = who.sign(message, fee=who.fee(200_000), sequence=who.nonce())
        used = (await room.chain.simulate(tx)).gas_info.gas_used
        expect_that(30_000 < used < 150_000, f"gas was {used}")
        answer, tx_hash = await who.send_stateful(message, fee=who.fee(int(used * 1.8)))
        expect(answer, GOOD)
        row = await until("the block", lambda: room.chain.found(tx_hash))
        expect((row.codespace, row.code), GOOD)
        expect_that(0 < row.gas_used <= row.gas_wanted, f"gas used was {row.gas_used}")
    async with room.check("Simulate of an order fails"):
        try:
            await room.chain.simulate(who.sign(Draft(who, room.market).order()))
        except grpc.aio.AioRpcError:
            pass
        else:
            raise Mismatch("it answered")
    async with room.check("a transaction that holds an order costs nothing"):
        before = await room.chain.balances(who.address)
        draft = Draft(who, room.market)
        message = draft.order(CONDITIONAL)
        expect(await who.commit(message), GOOD)
        expect(await room.chain.balances(who.address), before)
        order = message.order
        stop = cancel(order.order_id, good_til_block_time=order.good_til_block_time + 60)
        expect(await who.commit(stop), GOOD)
    async with room.check("GetTx of an unknown hash is NOT_FOUND, of nonsense UNKNOWN"):
        expect(await room.chain.found("AB" * 32), None)
        from v4_proto.cosmos.tx.v1beta1.service_pb2 import GetTxRequest

        try:
            await room.chain.tx.GetTx(GetTxRequest(hash="nonsense"), timeout=10)
        except grpc.aio.AioRpcError as error:
            expect(error.code().name, "UNKNOWN")
        else:
            raise Mismatch("nonsense was answered")
