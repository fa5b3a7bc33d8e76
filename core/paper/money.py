"""Money that moves in a block: deposits, withdrawals, transfers, sends, and the fees they need.

Source: docs/protocol.md, sequence, nonces, fees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from google.protobuf.message import Message
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import Fee
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator, MsgRemoveAuthenticator
from v4_proto.dydxprotocol.sending.transfer_pb2 import (
    MsgDepositToSubaccount,
    MsgWithdrawFromSubaccount,
)
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.protocol import USDC_DENOM
from core.paper.funds import CLOSED_WALLETS, FEE_COLLECTOR
from core.paper.gates import closed
from core.paper.governance import Governance
from core.paper.happenings import SubaccountKey
from core.paper.margin import Margin
from core.paper.refusals import Refused, sdk
from core.paper.settlement import credit, current, store
from core.paper.state import State, Subaccount
from core.paper.transactions import decode_address

# Gas of a transaction with one such message, measured on the real chain.
_GAS: Final[dict[type[Message], int]] = {
    MsgSend: 72_067,
    MsgDepositToSubaccount: 83_566,
    MsgWithdrawFromSubaccount: 85_779,
    MsgCreateTransfer: 77_068,
    MsgRemoveAuthenticator: 45_058,
}
_DENOM: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9/:._-]{2,127}")
_GAS_OF_ADDING: Final = 60_400
_GAS_OF_A_BYTE_ADDED: Final = 40
_GAS_OF_CHECKS: Final = 43_000
_GAS_OF_FIRST_READ: Final = 1_180


@dataclass(frozen=True)
class Movement:
    """Money that moved. A side without number is a wallet."""

    sender: str
    sender_number: int | None
    recipient: str
    recipient_number: int | None
    quote_quantums: int


def gas_used(messages: tuple[Message, ...]) -> int:
    """Gas that a transaction of these messages takes."""
    return _GAS_OF_CHECKS + sum(_gas(message) - _GAS_OF_CHECKS for message in messages)


def _gas(message: Message) -> int:
    if isinstance(message, MsgAddAuthenticator):
        return _GAS_OF_ADDING + _GAS_OF_A_BYTE_ADDED * len(message.data)
    return _GAS.get(type(message), _GAS_OF_CHECKS)


def check_fee(fee: Fee, governance: Governance) -> None:
    """Refuse gas that does not last for the checks, and a fee below the minimum price of it."""
    if fee.gas_limit < _GAS_OF_CHECKS:
        used = _GAS_OF_FIRST_READ if fee.gas_limit < _GAS_OF_FIRST_READ else _GAS_OF_CHECKS
        place = "ReadFlat" if used == _GAS_OF_FIRST_READ else "WriteFlat"
        raise sdk(
            11, f"out of gas in location: {place}; gasWanted: {fee.gas_limit}, gasUsed: {used}"
        )
    required = {
        denom: -(-fee.gas_limit * int(price * 1000) // 1000)
        for denom, price in governance.gas_prices
    }
    offered = {coin.denom: coin_amount(coin.amount) for coin in fee.amount}
    ordered = [coin.denom for coin in fee.amount] == sorted(offered)
    if ordered and any(offered.get(denom, 0) >= need for denom, need in required.items()):
        return
    got = ",".join(f"{coin.amount}{coin.denom}" for coin in fee.amount)
    need = ",".join(f"{amount}{denom}" for denom, amount in sorted(required.items()))
    raise sdk(13, f"insufficient fees; got: {got} required: {need}")


def pay_fee(state: State, payer: str, fee: Fee) -> None:
    """Take the fee from a wallet. Raises Refused (sdk 5) where it is not there."""
    for coin in fee.amount:
        amount = coin_amount(coin.amount)
        held = state.balance(payer, coin.denom)
        if held < amount:
            raise sdk(
                5,
                f"spendable balance {held}{coin.denom} is smaller than {amount}{coin.denom}: "
                "insufficient funds",
            )
    for coin in fee.amount:
        state.pay(payer, coin.denom, -coin_amount(coin.amount))
        state.pay(FEE_COLLECTOR, coin.denom, coin_amount(coin.amount))


def execute(message: Message, state: State, margin: Margin) -> list[Movement]:
    """Carry out one message in the block. Raises Refused without having changed anything."""
    if isinstance(message, MsgSend):
        return _send(message, state)
    if isinstance(message, MsgDepositToSubaccount):
        return _deposit(message, state)
    if isinstance(message, MsgWithdrawFromSubaccount):
        return _withdraw(message, state, margin)
    if isinstance(message, MsgCreateTransfer):
        return _transfer(message, state, margin)
    raise sdk(6, f"no message handler found for {message.DESCRIPTOR.full_name}")


def _send(message: MsgSend, state: State) -> list[Movement]:
    if decode_address(message.to_address) is None:
        raise Refused("sdk", 7, "invalid to address: invalid address")
    denoms = [coin.denom for coin in message.amount]
    if (
        denoms != sorted(set(denoms))
        or not denoms
        or not all(_DENOM.fullmatch(denom) for denom in denoms)
        or not all(coin.amount.isdigit() and int(coin.amount) for coin in message.amount)
    ):
        raise sdk(10, ",".join(f"{coin.amount}{coin.denom}" for coin in message.amount))
    _may_receive(message.to_address)
    for coin in message.amount:
        _have(state, message.from_address, coin.denom, coin_amount(coin.amount))
    state.know(message.to_address)
    for coin in message.amount:
        state.pay(message.from_address, coin.denom, -coin_amount(coin.amount))
        state.pay(message.to_address, coin.denom, coin_amount(coin.amount))
    return []


def _deposit(message: MsgDepositToSubaccount, state: State) -> list[Movement]:
    _have(state, message.sender, USDC_DENOM, message.quantums)
    state.pay(message.sender, USDC_DENOM, -message.quantums)
    recipient = _key(message.recipient)
    credit(state, recipient, message.quantums)
    return [Movement(message.sender, None, recipient.owner, recipient.number, message.quantums)]


def _withdraw(message: MsgWithdrawFromSubaccount, state: State, margin: Margin) -> list[Movement]:
    if decode_address(message.recipient) is None:
        raise Refused("sdk", 7, "invalid recipient: invalid address")
    sender = _key(message.sender)
    touched = current(state, sender).subaccount
    _take(state, margin, sender, message.quantums, touched, wallet=message.recipient)
    state.know(message.recipient)
    state.pay(message.recipient, USDC_DENOM, message.quantums)
    return [Movement(sender.owner, sender.number, message.recipient, None, message.quantums)]


def _transfer(message: MsgCreateTransfer, state: State, margin: Margin) -> list[Movement]:
    transfer = message.transfer
    sender, recipient = _key(transfer.sender), _key(transfer.recipient)
    touched = [current(state, key).subaccount for key in (sender, recipient)]
    _take(state, margin, sender, transfer.amount, *touched)
    credit(state, recipient, transfer.amount)
    return [
        Movement(sender.owner, sender.number, recipient.owner, recipient.number, transfer.amount)
    ]


def _take(
    state: State,
    margin: Margin,
    key: SubaccountKey,
    amount: int,
    *touched: Subaccount,
    wallet: str | None = None,
) -> None:
    """Take USDC out of a subaccount; `touched` are all whom the movement concerns, `wallet` who
    gets it where no subaccount does.
    """
    before = current(state, key)
    after = before.subaccount.paid(-amount)
    result: str = "WithdrawalsAndTransfersBlocked"
    if not closed(state, margin.markets, *touched):
        result = margin.update(before.subaccount, after)
    if result != "Success":
        raise Refused(
            "subaccounts",
            102,
            f"Subaccount with id {{{key.owner} {key.number}}} failed with UpdateResult: "
            f"{result}: failed to apply subaccount updates",
        )
    if wallet is not None:
        _may_receive(wallet)
    store(state, key, before, after)


def _may_receive(address: str) -> None:
    if address in CLOSED_WALLETS:
        raise sdk(4, f"{address} is not allowed to receive funds")


def _have(state: State, address: str, denom: str, amount: int) -> None:
    held = state.balance(address, denom)
    if held < amount:
        raise sdk(5, f"spendable balance {held}{denom} is smaller than {amount}{denom}")


def _key(wire: SubaccountId) -> SubaccountKey:
    return SubaccountKey(wire.owner, wire.number)


def coin_amount(text: str) -> int:
    """A coin's amount; the chain accepts digits only."""
    if not text.isascii() or not text.isdigit():
        raise sdk(18, f"invalid coin amount {text}")
    return int(text)
