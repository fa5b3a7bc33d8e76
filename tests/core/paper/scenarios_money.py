"""Scripts of the recorded scenarios about money: transfers, gas, margin, liquidation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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
from core.paper.happenings import SubaccountKey
from tests.core.paper.chain_kit import Trader, gas
from tests.core.paper.scenario_kit import Craft, Play, Row, Script, lots, percent

_USDC: Final = 1_000_000


def transfer(
    amount: int, *, to: str = "T", number: int = 1, sender: int = 0, asset: int = 0
) -> Craft:
    """USDC from a subaccount of T to one of somebody's."""

    def craft(play: Play, one: Trader, _: Row) -> list[Any]:
        owner = play.trader(to).address
        return [
            MsgCreateTransfer(
                transfer=Transfer(
                    sender=SubaccountId(owner=one.address, number=sender),
                    recipient=SubaccountId(owner=owner, number=number),
                    asset_id=asset,
                    amount=amount,
                )
            )
        ]

    return craft


def withdraw(amount: int, *, to: str = "T", asset: int = 0) -> Craft:
    """USDC from T's subaccount to somebody's wallet."""

    def craft(play: Play, one: Trader, _: Row) -> list[Any]:
        sender = SubaccountId(owner=one.address)
        recipient = play.trader(to).address
        return [
            MsgWithdrawFromSubaccount(
                sender=sender, recipient=recipient, asset_id=asset, quantums=amount
            )
        ]

    return craft


def deposit(amount: int, *, of: str = "T") -> Craft:
    """USDC from somebody's wallet to T's subaccount."""

    def craft(play: Play, one: Trader, _: Row) -> list[Any]:
        recipient = SubaccountId(owner=one.address)
        sender = play.trader(of).address
        return [MsgDepositToSubaccount(sender=sender, recipient=recipient, quantums=amount)]

    return craft


def send(play: Play, one: Trader, _: Row) -> list[Any]:
    """A few USDC from wallet to wallet."""
    coin = Coin(denom=USDC_DENOM, amount="1000000")
    to = play.trader("other").address
    return [MsgSend(from_address=one.address, to_address=to, amount=[coin])]


def usdc_of(play: Play, name: str, number: int = 0) -> int:
    """Quote quantums of a subaccount."""
    key = SubaccountKey(play.traders[name].address, number)
    return play.lab.exchange.subaccount(key).usdc


def thousand_in_the_wallet(play: Play) -> None:
    """T's wallet holds 1,000 USDC, as in the recording, instead of the faucet's."""
    state = play.lab.exchange.state
    address = play.traders["T"].address
    state.pay(address, USDC_DENOM, 1_000 * _USDC - state.balance(address, USDC_DENOM))


def paid(steps: Mapping[str, Craft]) -> dict[str, dict[str, Any]]:
    """A fee for the transactions of these steps."""
    return {step: {"fee": gas()} for step in steps}


_MONEY: Final[dict[str, Craft]] = {
    "transfer to itself": transfer(_USDC, number=0),
    "transfer of nothing": transfer(0),
    "transfer of another asset": transfer(_USDC, asset=1),
    "transfer to subaccount 128001": transfer(_USDC, number=128_001),
    "deposit of nothing": deposit(0),
    "withdrawal of another asset": withdraw(_USDC, asset=1),
    "deposit of another's coins": deposit(_USDC, of="other"),
    "transfer beyond the balance": transfer(101 * _USDC),
    "withdrawal beyond the balance": withdraw(101 * _USDC),
    "deposit beyond the wallet": deposit(5_000 * _USDC),
    "transfer from an empty subaccount": transfer(_USDC, sender=9),
    "transfer to subaccount 1": transfer(30 * _USDC),
    "transfer to subaccount 128000": transfer(_USDC, number=128_000),
    "transfer to another owner": transfer(10 * _USDC, to="other", number=0),
    "withdrawal to another wallet": withdraw(5 * _USDC, to="other"),
    "deposit": deposit(2 * _USDC),
    "all that is left": transfer(56 * _USDC),
}

MONEY: Final = Script(
    funds={"T": 100, "other": 100},
    setup=thousand_in_the_wallet,
    craft=_MONEY,
    sign=paid(_MONEY),
    look={
        "nothing moved": lambda play: usdc_of(play, "T"),
        "what is left": lambda play: [
            usdc_of(play, "T", number) // _USDC for number in (0, 1, 128_000)
        ],
        "what the other has": lambda play: usdc_of(play, "other") // _USDC,
        "empty": lambda play: [
            usdc_of(play, "T"),
            dict(play.lab.exchange.subaccount(play.traders["T"].key).positions),
        ],
    },
)

_GAS: Final[dict[str, Craft]] = {
    "send": send,
    "deposit": deposit(_USDC),
    "withdraw": withdraw(_USDC),
    "transfer to a new subaccount": transfer(_USDC, number=1),
    "transfer": transfer(_USDC, number=1),
}

GAS_OF: Final = Script(
    funds={"T": 10_000, "other": 100}, craft=_GAS, sign=paid(_GAS), same_as={"cancel": "long-term"}
)

_MARGIN: Final[dict[str, Craft]] = {
    "withdraw more than is free": withdraw(60 * _USDC),
    "withdraw less than is free": withdraw(40 * _USDC),
}

MARGIN_ON_WITHDRAWAL: Final = Script(
    funds={"T": 100, "M": 10_000},
    holds={"T": 5},
    cast={"an offer": "M", "a bid": "M"},
    craft=_MARGIN,
    sign=paid(_MARGIN),
    look={"refused in silence": lots(), "reduced": lots()},
)

LIQUIDATION: Final = Script(
    funds={"T": 100, "M": 10_000},
    holds={"T": 9},
    cast={"bids": "M"},
    before={"closed by liquidation": percent("-8.1")},
    look={
        "closed by liquidation": lots(),
        "what is left, of 100": lambda play: usdc_of(play, "T") // _USDC,
    },
)

SCRIPTS: Final[dict[str, Script]] = {
    "money": MONEY,
    "gas_of": GAS_OF,
    "margin_on_withdrawal": MARGIN_ON_WITHDRAWAL,
    "liquidation": LIQUIDATION,
}
