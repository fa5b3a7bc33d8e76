"""Signed transactions: decoding with the chain's complaints, addresses, signatures.

A signature is secp256k1 over the SHA-256 of SignDoc(body, auth info, chain id, account number).
Source: docs/protocol.md, sequence, nonces, fees.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import bech32
import coincurve
import coincurve.ecdsa
from Crypto.Hash import RIPEMD160
from google.protobuf.message import DecodeError, Message
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import AuthInfo, SignDoc, TxBody, TxRaw
from v4_proto.dydxprotocol.accountplus.tx_pb2 import (
    MsgAddAuthenticator,
    MsgRemoveAuthenticator,
    TxExtension,
)
from v4_proto.dydxprotocol.clob.tx_pb2 import (
    MsgBatchCancel,
    MsgCancelOrder,
    MsgPlaceOrder,
    MsgUpdateLeverage,
)
from v4_proto.dydxprotocol.sending.transfer_pb2 import (
    MsgDepositToSubaccount,
    MsgWithdrawFromSubaccount,
)
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer

from core.paper.refusals import sdk

MAX_BYTES: Final = 1_048_576
_KNOWN: Final[tuple[type[Any], ...]] = (
    MsgPlaceOrder,
    MsgCancelOrder,
    MsgBatchCancel,
    MsgUpdateLeverage,
    MsgDepositToSubaccount,
    MsgWithdrawFromSubaccount,
    MsgCreateTransfer,
    MsgSend,
    MsgAddAuthenticator,
    MsgRemoveAuthenticator,
)
_BY_URL: Final = {f"/{kind.DESCRIPTOR.full_name}": kind for kind in _KNOWN}
_EXTENSION: Final = f"/{TxExtension.DESCRIPTOR.full_name}"
# What only a block's proposer writes.
_INJECTED: Final = frozenset(
    {
        "/dydxprotocol.bridge.MsgAcknowledgeBridges",
        "/dydxprotocol.clob.MsgProposedOperations",
        "/dydxprotocol.perpetuals.MsgAddPremiumVotes",
        "/dydxprotocol.prices.MsgUpdateMarketPrices",
    }
)
_INTEGER: Final = re.compile(r"[+-]?\d+")
_CLOB: Final = (MsgPlaceOrder, MsgCancelOrder, MsgBatchCancel, MsgUpdateLeverage)


@dataclass(frozen=True)
class Signed:
    """A decoded transaction with the bytes that were signed."""

    raw: bytes
    body: TxBody
    auth: AuthInfo
    body_bytes: bytes
    auth_bytes: bytes
    signatures: tuple[bytes, ...]
    messages: tuple[Message, ...]
    authenticators: tuple[int, ...]

    @property
    def tx_hash(self) -> str:
        """Hash by which the chain knows it."""
        return tx_hash(self.raw)

    @property
    def is_clob(self) -> bool:
        """Holds an order or a cancel, and therefore needs no fee."""
        return any(isinstance(message, _CLOB) for message in self.messages)

    @property
    def has_orders(self) -> bool:
        """Holds an order or a cancel."""
        return any(isinstance(message, _CLOB[:3]) for message in self.messages)

    @property
    def is_short_term(self) -> bool:
        """Holds a short-term order or cancel, and therefore needs no sequence."""
        return any(is_short_term(message) for message in self.messages)

    @property
    def signers(self) -> tuple[str, ...]:
        """Who has to sign, in the order of the signatures: each message's signer, then whoever pays
        in their place.
        """
        payer = self.auth.fee.payer
        found = [signer_of(message) for message in self.messages] + ([payer] if payer else [])
        return tuple(dict.fromkeys(found))

    @property
    def payer(self) -> str:
        """Who pays the fee."""
        return self.auth.fee.payer or signer_of(self.messages[0])

    def public_key(self, index: int) -> bytes | None:
        """A signer's public key, None where the transaction carries none."""
        if not self.auth.signer_infos[index].HasField("public_key"):
            return None
        key = PubKey()
        packed = self.auth.signer_infos[index].public_key
        return bytes(key.key) if packed.Unpack(key) else None


def tx_hash(raw: bytes) -> str:
    """Hash of a transaction's bytes, upper case hex."""
    return hashlib.sha256(raw).hexdigest().upper()


def decode(raw: bytes) -> Signed:
    """Decode a transaction. Raises Refused (sdk 2) for what the chain cannot read."""
    _check_frame(raw)
    try:
        outer = TxRaw.FromString(raw)
        body = TxBody.FromString(outer.body_bytes)
        auth = AuthInfo.FromString(outer.auth_info_bytes)
    except DecodeError as error:
        raise sdk(2, "unexpected EOF") from error
    _check_options(body)
    messages = []
    for packed in body.messages:
        kind = _BY_URL.get(packed.type_url)
        if kind is None and packed.type_url in _INJECTED:
            raise sdk(18, "app-injected msg must only be included in DeliverTx")
        if kind is None:
            raise sdk(2, f"unable to resolve type URL {packed.type_url}")
        try:
            messages.append(kind.FromString(packed.value))
        except DecodeError as error:
            raise sdk(2, "unexpected EOF") from error
        for coin in getattr(messages[-1], "amount", ()) if kind is MsgSend else ():
            if not _INTEGER.fullmatch(coin.amount):
                raise sdk(2, f'math/big: cannot unmarshal "{coin.amount}" into a *big.Int')
    try:
        authenticators = _authenticators(body)
        for info in auth.signer_infos:
            info.public_key.Unpack(PubKey())
    except DecodeError as error:
        raise sdk(2, "invalid length") from error
    return Signed(
        raw=raw,
        body=body,
        auth=auth,
        body_bytes=outer.body_bytes,
        auth_bytes=outer.auth_info_bytes,
        signatures=tuple(outer.signatures),
        messages=tuple(messages),
        authenticators=authenticators,
    )


def is_short_term(message: Message) -> bool:
    """Whether a message is a short-term order, its cancel or a batch of cancels."""
    if isinstance(message, MsgPlaceOrder):
        return not message.order.order_id.order_flags
    if isinstance(message, MsgCancelOrder):
        return not message.order_id.order_flags
    return isinstance(message, MsgBatchCancel)


def signer_of(message: Message) -> str:
    """The address that has to sign a message. One in capitals is the same account's."""
    named = _signer_named(message)
    return named.lower() if named.isupper() else named


def _signer_named(message: Message) -> str:
    if isinstance(message, MsgPlaceOrder):
        return str(message.order.order_id.subaccount_id.owner)
    if isinstance(message, MsgCancelOrder):
        return str(message.order_id.subaccount_id.owner)
    if isinstance(message, MsgBatchCancel | MsgUpdateLeverage):
        return str(message.subaccount_id.owner)
    if isinstance(message, MsgCreateTransfer):
        return str(message.transfer.sender.owner)
    if isinstance(message, MsgWithdrawFromSubaccount):
        return str(message.sender.owner)
    if isinstance(message, MsgSend):
        return str(message.from_address)
    return str(getattr(message, "sender"))  # noqa: B009


@lru_cache(maxsize=10_000)
def address_of(public_key: bytes) -> str:
    """The address of a compressed public key."""
    return encode_address(RIPEMD160.new(hashlib.sha256(public_key).digest()).digest())


def encode_address(raw: bytes, prefix: str = "dydx") -> str:
    """The address of its 20 bytes."""
    words = bech32.convertbits(raw, 8, 5)
    return str(bech32.bech32_encode(prefix, words))


@lru_cache(maxsize=10_000)
def decode_address(address: str) -> bytes | None:
    """The bytes of an address, None where it is not one."""
    prefix, words = bech32.bech32_decode(address)
    if prefix != "dydx" or words is None:
        return None
    raw = bech32.convertbits(words, 5, 8, False)
    return None if raw is None else bytes(raw)


def signature_holds(
    signed: Signed, public_key: bytes, account_number: int, chain_id: str, index: int = 0
) -> bool:
    """Whether a signature is this key's over this chain id and account number. The chain accepts
    only the lower of the two possible values of s.
    """
    document = SignDoc(
        body_bytes=signed.body_bytes,
        auth_info_bytes=signed.auth_bytes,
        account_number=account_number,
        chain_id=chain_id,
    ).SerializeToString()
    signature = signed.signatures[index]
    if len(signature) != 64:
        return False
    try:
        der = coincurve.ecdsa.cdata_to_der(coincurve.ecdsa.deserialize_compact(signature))
        return bool(coincurve.PublicKey(public_key).verify(der, document))
    except ValueError:
        return False


def _check_options(body: TxBody) -> None:
    """The chain reads the type of every option, and knows none that is critical."""
    for option in (*body.extension_options, *body.non_critical_extension_options):
        if option.type_url != _EXTENSION and option.type_url not in _BY_URL:
            raise sdk(2, f"unable to resolve type URL {option.type_url}")
    if body.extension_options:
        raise sdk(31)


def _authenticators(body: TxBody) -> tuple[int, ...]:
    """What the first extension selects; the others only have to be readable."""
    found = [
        tuple(TxExtension.FromString(option.value).selected_authenticators)
        for option in body.non_critical_extension_options
        if option.type_url == _EXTENSION
    ]
    return found[0] if found else ()


def _check_frame(raw: bytes) -> None:
    """The chain reads the outer frame strictly: length-delimited fields only."""
    position = 0
    while position < len(raw):
        tag, position = _varint(raw, position)
        if not tag >> 3 or tag >> 3 > 2**29 - 1:
            raise sdk(2, "invalid length; proto: invalid field number")
        if tag & 7 != 2:
            raise sdk(2, f"expected 2 wire type, got {tag & 7}")
        length, position = _varint(raw, position)
        position += length
        if position > len(raw):
            raise sdk(2, "invalid length; unexpected EOF")


def _varint(raw: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(raw) and shift < 64:
        byte = raw[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    raise sdk(2, "invalid length; unexpected EOF")
