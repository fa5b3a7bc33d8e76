"""Transactions that an account's own key signs and its wallet pays a fee for.

Orders are free of fees; giving a key its permission and taking it away are not. The fee comes from
the wallet, not from a subaccount, and is paid in USDC or in the chain's own coin. Source:
docs/protocol.md, sequence, nonces and fees.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any, Final

from dydx_v4_client.node.builder import as_any
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from v4_proto.cosmos.tx.signing.v1beta1.signing_pb2 import SignMode
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import AuthInfo, ModeInfo, SignerInfo, Tx, TxBody
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import Fee as FeeMessage

from core.dydx.keys import SigningKey
from core.dydx.protocol import USDC_DENOM
from core.dydx.signing import SignedTx, sign_messages, tx_hash

USDC_PER_GAS: Final = Fraction(25, 1000)
NATIVE_PER_GAS: Final = Fraction(25_000_000_000)
HEADROOM: Final = Fraction(18, 10)
_SIMULATION_GAS: Final = 1_000_000
# Simulation of a transaction without a fee leaves out the gas of paying it.
_PAYING_GAS: Final = 19_000
# Gas that a real node used, for when it cannot be asked: 80,960 for an authenticator of 514 bytes,
# 45,058 for removing it.
_ADDING_GAS: Final = 62_000
_ADDING_GAS_PER_BYTE: Final = 50
REMOVING_GAS: Final = 50_000


@dataclass(frozen=True)
class Fee:
    """A gas limit and the coin that pays for it, in the coin's smallest unit."""

    gas_limit: int
    denom: str
    amount: int


def adding_gas(data_bytes: int) -> int:
    """What adding an authenticator of this size is known to take, generously."""
    return _ADDING_GAS + _ADDING_GAS_PER_BYTE * data_bytes


def gas_of_simulation(simulated: int) -> int:
    """What a transaction will use, fee payment included, by its simulation without a fee."""
    return simulated + _PAYING_GAS


def fees(gas_used: int, native_denom: str) -> dict[str, Fee]:
    """The fee for this much gas in each coin that the chain takes, USDC first. The limit leaves
    headroom; amounts are rounded up.
    """
    limit = ceil(gas_used * HEADROOM)
    return {
        USDC_DENOM: Fee(limit, USDC_DENOM, ceil(limit * USDC_PER_GAS)),
        native_denom: Fee(limit, native_denom, ceil(limit * NATIVE_PER_GAS)),
    }


def unsigned_transaction(message: Any, public_key: bytes, sequence: int) -> bytes:
    """A transaction for simulation only: its signature is empty, nobody can send it."""
    signer = SignerInfo(
        public_key=as_any(PubKey(key=public_key)),
        mode_info=ModeInfo(single=ModeInfo.Single(mode=SignMode.SIGN_MODE_DIRECT)),
        sequence=sequence,
    )
    built = Tx(
        body=TxBody(messages=[as_any(message)]),
        auth_info=AuthInfo(signer_infos=[signer], fee=FeeMessage(gas_limit=_SIMULATION_GAS)),
        signatures=[b""],
    )
    return bytes(built.SerializeToString())


def sign_transaction(
    message: Any,
    key: SigningKey,
    chain_id: str,
    account_number: int,
    sequence: int,
    fee: Fee,
) -> SignedTx:
    """Signs one message with an account's own key.

    `sequence`: the account's next one, or a timestamp nonce in milliseconds.
    """
    paid = FeeMessage(
        gas_limit=fee.gas_limit, amount=[Coin(denom=fee.denom, amount=str(fee.amount))]
    )
    tx = sign_messages([message], key, chain_id, account_number, sequence=sequence, fee=paid)
    return SignedTx(tx, tx_hash(tx), ())
