"""Deposits, withdrawals, transfers and payments."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from v4_proto.dydxprotocol.sending.transfer_pb2 import Transfer
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer

from core.dydx.protocol import USDC_DENOM
from tests.conformance.chain import GOOD
from tests.conformance.chapters.refusals import Draft
from tests.conformance.checks import expect, expect_that, until
from tests.conformance.people import LONG, uuid_of
from tests.conformance.world import Room

USD = 1_000_000
GAS = 250_000


def _asset(message: Any, asset: int) -> Any:
    if isinstance(message, MsgCreateTransfer):
        message.transfer.asset_id = asset
    else:
        message.asset_id = asset
    return message


async def money(room: Room) -> None:
    """All ways of money between wallet and subaccounts."""
    a, b = room.people
    ours, theirs = await room.watch(a), await room.watch(b)
    rest, chain = room.rest, room.chain
    rows: tuple[tuple[str, Any, tuple[str, int]], ...] = (
        ("a transfer to itself", a.transfer(a, USD), ("sending", 1)),
        ("a transfer of nothing", a.transfer(b, 0), ("sending", 2)),
        ("a transfer of another asset", _asset(a.transfer(b, USD), 1), ("sending", 1101)),
        ("a transfer to subaccount 128,001", a.transfer(b, USD, 0, 128_001), ("subaccounts", 200)),
        ("a deposit of nothing", a.deposit(0), ("sending", 2)),
        ("a withdrawal of nothing", a.withdraw(0), ("sending", 2)),
        ("a withdrawal of another asset", _asset(a.withdraw(USD), 1), ("sending", 1101)),
        ("a deposit of another's coins", b.deposit(USD), ("sdk", 8)),
        ("a transfer from another's subaccount", b.transfer(a, USD), ("sdk", 8)),
        ("a payment to no address", a.pay("dydx1nonsense", 1), ("sdk", 7)),
    )
    for sentence, message, wanted in rows:
        async with room.check(f"{sentence} is refused ({wanted[0]} {wanted[1]})"):
            expect(await a.commit(message, gas=GAS), wanted)
    for sentence, message, wanted in (
        ("a transfer beyond the balance", a.transfer(b, 10**12), ("subaccounts", 102)),
        ("a withdrawal beyond the balance", a.withdraw(10**12), ("subaccounts", 102)),
        ("a transfer from an empty subaccount", a.transfer(b, USD, 9), ("subaccounts", 102)),
        ("a deposit beyond the wallet", a.deposit(10**15), ("sdk", 5)),
        ("a payment beyond the wallet", a.pay(b.address, 10**30), ("sdk", 5)),
    ):
        async with room.check(f"{sentence} is taken and fails in its block {wanted}"):
            answer, tx_hash = await a.send_stateful(message, fee=a.fee(GAS))
            expect(answer, GOOD, "the node's answer")
            expect(await chain.delivered(tx_hash), wanted, "the block's answer")

    async with room.check("a transfer moves USDC and is told to both sides, in REST too"):
        before = await a.usdc(), await b.usdc()
        await a.must(a.transfer(b, 30 * USD), gas=GAS)
        expect((await a.usdc(), await b.usdc()), (before[0] - 30 * USD, before[1] + 30 * USD))
        out = await ours.row("TRANSFER_OUT", "transfers", lambda r: r["type"] == "TRANSFER_OUT")
        into = await theirs.row("TRANSFER_IN", "transfers", lambda r: r["size"] == "30")
        expect((out["size"], into["size"]), ("30", "30"))
        expect(out["recipient"], {"address": b.address, "subaccountNumber": 0})
        listed = await rest.get("/transfers", address=a.address, subaccountNumber=0)
        expect(listed["transfers"][0]["transactionHash"], out["transactionHash"])
    async with room.check("transfers between two subaccounts are summed by /transfers/between"):
        told = await rest.get(
            "/transfers/between",
            sourceAddress=a.address,
            sourceSubaccountNumber=0,
            recipientAddress=b.address,
            recipientSubaccountNumber=0,
        )
        expect(len(told["transfersSubset"]), 1)
        expect(abs(Decimal(told["totalNetTransfers"])), Decimal(30))
    async with room.check("a transfer to an own new subaccount opens it, up to number 128,000"):
        await a.must(
            a.transfer(a, 20 * USD, 0, 1), a.transfer(a, 10 * USD, 0, 128_000), gas=GAS * 2
        )
        expect((await a.usdc(1), await a.usdc(128_000)), (20 * USD, 10 * USD))

        async def three() -> bool:
            told = await rest.find(f"/addresses/{a.address}")
            numbers = {row["subaccountNumber"] for row in (told or {}).get("subaccounts", [])}
            return numbers == {0, 1, 128_000}

        await until("three subaccounts", three)
    async with room.check("a withdrawal pays the wallet; a deposit brings it back"):
        before_usdc = await a.usdc()
        wallet = (await chain.balances(a.address)).get(USDC_DENOM, 0)
        await a.must(a.withdraw(15 * USD), gas=GAS)
        expect(await a.usdc(), before_usdc - 15 * USD)
        held = (await chain.balances(a.address)).get(USDC_DENOM, 0)
        paid = held - wallet
        expect_that(14 * USD < paid <= 15 * USD, f"the wallet got {paid}")
        await ours.row("WITHDRAWAL", "transfers", lambda r: r["type"] == "WITHDRAWAL")
        await a.must(a.deposit(10 * USD), gas=GAS)
        expect(await a.usdc(), before_usdc - 5 * USD)
        row = await ours.row("DEPOSIT", "transfers", lambda r: r["type"] == "DEPOSIT")
        expect(row["sender"], {"address": a.address})
    async with room.check("a withdrawal may pay another's wallet"):
        wallet = (await chain.balances(b.address)).get(USDC_DENOM, 0)
        await a.must(a.withdraw(3 * USD, recipient=b.address), gas=GAS)
        held = (await chain.balances(b.address)).get(USDC_DENOM, 0)
        expect(held - wallet, 3 * USD)
    async with room.check("a payment in the native coin or fee coin arrives"):
        denom = a.fee_denom
        wallet = (await chain.balances(b.address)).get(denom, 0)
        await a.must(a.pay(b.address, 1_000, denom), gas=GAS)
        held = (await chain.balances(b.address)).get(denom, 0)
        expect(held - wallet, 1_000)
    async with room.check("an order and the transfer that pays for it go in one transaction"):
        draft = Draft(a, room.market)
        message = draft.order(LONG, number=7)
        give = MsgCreateTransfer(
            transfer=Transfer(
                sender=a.subaccount_id(0),
                recipient=a.subaccount_id(7),
                asset_id=0,
                amount=200 * USD,
            )
        )
        expect(await a.commit(give, message), GOOD)
        order_id = message.order.order_id
        expect((await chain.stateful(order_id))[0], "open")
        expect(await a.usdc(7), 200 * USD)
        await until("the order in REST", lambda: rest.find(f"/orders/{uuid_of(order_id)}"))
    async with room.check("a transfer beyond the balance next to an order is refused at once"):
        await chain.blocks(1)
        draft = Draft(a, room.market)
        answer, _ = await a.send_stateful(a.transfer(b, 10**12), draft.order(LONG))
        expect(answer, ("subaccounts", 102))
