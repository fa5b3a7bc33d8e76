"""Deposits, withdrawals, transfers and sends in the block, and the margin they must leave."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.dydxprotocol.sending.transfer_pb2 import (
    MsgDepositToSubaccount,
    MsgWithdrawFromSubaccount,
    Transfer,
)
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.protocol import USDC_DENOM
from core.paper.happenings import SubaccountKey, Transferred
from core.paper.state import Included, Subaccount
from tests.core.paper.chain_kit import BUY, GTT, LINK, SELL, Lab, Trader, gas, lab, trader

USDC = 1_000_000


@pytest.fixture
def world() -> tuple[Lab, Trader]:
    made = lab()
    made.exchange.set_price("LINK-USD", Decimal(7))
    return made, made.funded(1, 100)


def transfer(one: Trader, amount: int, to: int = 1) -> MsgCreateTransfer:
    return MsgCreateTransfer(
        transfer=Transfer(
            sender=SubaccountId(owner=one.address, number=one.number),
            recipient=SubaccountId(owner=one.address, number=to),
            amount=amount,
        )
    )


def withdraw(one: Trader, amount: int) -> MsgWithdrawFromSubaccount:
    sender = SubaccountId(owner=one.address, number=one.number)
    return MsgWithdrawFromSubaccount(sender=sender, recipient=one.address, quantums=amount)


def deposit(one: Trader, amount: int) -> MsgDepositToSubaccount:
    recipient = SubaccountId(owner=one.address, number=one.number)
    return MsgDepositToSubaccount(sender=one.address, recipient=recipient, quantums=amount)


def deliver(made: Lab, one: Trader, *messages: Any, limit: int = 600_000) -> Included:
    account = made.exchange.account(one.address)
    assert account is not None
    result = made.send(one, *messages, sequence=account.sequence, fee=gas(limit))
    assert (result.code, result.log) == (0, "[]")
    made.block()
    included = made.exchange.transaction(result.tx_hash)
    assert included is not None
    return included


def test_money_moves_between_wallet_and_subaccounts(world: tuple[Lab, Trader]) -> None:
    made, one = world

    outcomes = [
        deliver(made, one, transfer(one, 30 * USDC)),
        deliver(made, one, withdraw(one, 10 * USDC)),
        deliver(made, one, deposit(one, 5 * USDC)),
    ]

    assert [row.code for row in outcomes] == [0, 0, 0]
    assert made.exchange.subaccount(one.key).usdc == 65 * USDC
    assert made.exchange.subaccount(SubaccountKey(one.address, 1)).usdc == 30 * USDC
    assert made.exchange.balance(one.address, USDC_DENOM) == 25 * USDC
    moved = [
        (event.sender_number, event.recipient_number, event.quote_quantums)
        for happening in made.told
        for event in getattr(happening, "events", ())
        if isinstance(event, Transferred)
    ][1:]
    assert moved == [(0, 1, 30 * USDC), (0, None, 10 * USDC), (None, 0, 5 * USDC)]


@pytest.mark.parametrize("kind", [transfer, withdraw])
def test_more_than_there_is_passes_check_tx_and_fails_in_the_block(
    world: tuple[Lab, Trader], kind: Any
) -> None:
    made, one = world

    included = deliver(made, one, kind(one, 101 * USDC))

    assert (included.codespace, included.code) == ("subaccounts", 102)
    assert included.log == (
        f"failed to execute message; message index: 0: Subaccount with id {{{one.address} 0}} "
        "failed with UpdateResult: NewlyUndercollateralized: failed to apply subaccount updates"
    )
    assert made.exchange.subaccount(one.key).usdc == 100 * USDC


def test_a_deposit_beyond_the_wallet_fails_in_the_block(world: tuple[Lab, Trader]) -> None:
    made, one = world

    included = deliver(made, one, deposit(one, 5000 * USDC))

    assert (included.codespace, included.code, included.log) == (
        "sdk",
        5,
        "failed to execute message; message index: 0: spendable balance 20000000"
        f"{USDC_DENOM} is smaller than 5000000000{USDC_DENOM}: insufficient funds",
    )


def test_a_failing_message_undoes_those_before_it_but_not_fee_and_sequence(
    world: tuple[Lab, Trader],
) -> None:
    made, one = world
    native = made.exchange.balance(one.address, "adv4tnt")

    included = deliver(made, one, transfer(one, 30 * USDC), transfer(one, 80 * USDC))

    account = made.exchange.account(one.address)
    assert account is not None
    assert included.code == 102
    assert "message index: 1" in included.log
    assert made.exchange.subaccount(one.key).usdc == 100 * USDC
    assert account.sequence == 1
    assert native - made.exchange.balance(one.address, "adv4tnt") == 600_000 * 25_000_000_000


def test_too_little_gas_fails_in_the_block_or_at_once(world: tuple[Lab, Trader]) -> None:
    made, one = world

    none = made.send(one, transfer(one, USDC), fee=gas(0))
    short = deliver(made, one, transfer(one, USDC), limit=60_000)

    assert (none.codespace, none.code, none.log) == (
        "sdk",
        11,
        "out of gas in location: ReadFlat; gasWanted: 0, gasUsed: 1180: out of gas",
    )
    assert (short.codespace, short.code) == ("sdk", 11)
    assert made.exchange.subaccount(one.key).usdc == 100 * USDC


def test_a_fee_that_the_wallet_lacks_is_refused(world: tuple[Lab, Trader]) -> None:
    made, one = world
    first = made.send(one, transfer(one, USDC), sequence=0, fee=gas(30_000_000))

    second = made.send(one, transfer(one, 2 * USDC), sequence=1, fee=gas(30_000_000))

    assert first.code == 0
    assert (second.codespace, second.code) == ("sdk", 5)


@pytest.mark.parametrize("amounts", [[("adv4tnt", "6"), ("adv4tnt", "6")], []])
def test_coins_in_disorder_are_not_sent(
    world: tuple[Lab, Trader], amounts: list[tuple[str, str]]
) -> None:
    made, one = world
    coins = [Coin(denom=denom, amount=amount) for denom, amount in amounts]
    message = MsgSend(from_address=one.address, to_address=trader(5).address, amount=coins)

    assert deliver(made, one, message).code == 10
    assert made.exchange.balance(trader(5).address, "adv4tnt") == 0


def test_margin_binds_withdrawals_and_increases_but_never_a_reduction(
    world: tuple[Lab, Trader],
) -> None:
    """100 USDC; 100 LINK at 7 USD need 70 USD of initial margin (10 %)."""
    made, one = world
    maker = made.funded(2, 100_000)
    made.place(maker, SELL, 300, "7", client_id=1, tif=GTT, gtb=made.exchange.height + 40)
    made.place(one, BUY, 100, "7", client_id=1)
    made.block()

    too_much = deliver(made, one, withdraw(one, 31 * USDC))
    allowed = deliver(made, one, withdraw(one, 29 * USDC))
    made.place(one, BUY, 10, "7", client_id=2)
    made.exchange.set_price("LINK-USD", Decimal("6.6"))
    made.block()
    made.place(maker, BUY, 300, "6.6", client_id=2, tif=GTT)
    made.place(one, SELL, 40, "6.6", client_id=3)
    made.block()

    assert (too_much.code, allowed.code) == (102, 0)
    assert [row.reason for row in made.removals(one)] == ["UNDERCOLLATERALIZED"]
    assert made.position(one) == 60
    collateral = made.exchange.collateral(one.key)
    assert collateral.net < collateral.initial


@pytest.mark.parametrize(
    ("before", "after", "result"),
    [
        ((0, 0), (-1, 0), "NewlyUndercollateralized"),
        ((100, 0), (0, 0), "Success"),
        ((-630_000_000, 100), (-637_000_100, 101), "NewlyUndercollateralized"),
        ((-650_000_000, 100), (-643_000_000, 99), "Success"),
        ((-650_000_000, 100), (-644_000_000, 99), "StillUndercollateralized"),
        ((-650_000_000, 100), (50_000_000, 0), "Success"),
        ((-710_000_000, 100), (-10_000_000, 0), "StillUndercollateralized"),
    ],
)
def test_an_update_below_the_margin_passes_only_if_it_makes_nothing_worse(
    world: tuple[Lab, Trader], before: tuple[int, int], after: tuple[int, int], result: str
) -> None:
    """USDC in millionths and LINK at 7 USD: initial margin 10 %, maintenance 5 %."""
    made, _ = world
    old, new = (
        Subaccount(usdc, ((LINK, size * 1_000_000),) if size else ())
        for usdc, size in (before, after)
    )

    assert made.exchange.margin.update(old, new) == result
