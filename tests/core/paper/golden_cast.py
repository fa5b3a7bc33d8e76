"""Fresh keys for the people of the recorded story, and their transactions signed anew."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

import coincurve
from v4_proto.cosmos.tx.v1beta1.tx_pb2 import AuthInfo, SignDoc, TxRaw

from tests.core.paper.chain_kit import CHAIN_ID, trader

Json = dict[str, Any]
UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ADDRESS: Final = re.compile(r"dydx1[a-z0-9]{38}")


@dataclass
class Cast:
    """Fresh keys for the recorded addresses and public keys, in order of their appearance."""

    keys: dict[str, coincurve.PrivateKey] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    public: dict[bytes, coincurve.PrivateKey] = field(default_factory=dict)

    def address(self, recorded: str) -> str:
        """Our address for a recorded one."""
        if recorded not in self.addresses:
            one = trader(7_000 + len(self.addresses))
            self.addresses[recorded] = one.address
            self.keys[recorded] = one.wallet.key.key
        return self.addresses[recorded]

    def translated(self, text: str) -> str:
        """A text with our addresses in place of the recorded ones."""
        return ADDRESS.sub(lambda found: self.address(found[0]), text)

    def key_of(self, public: bytes, signer: str) -> coincurve.PrivateKey:
        """Our key for a recorded public key. A signer's second key is a trading key."""
        if public not in self.public:
            own = self.keys[signer]
            known = own in self.public.values()
            key = trader(8_000 + len(self.public)).wallet.key.key if known else own
            self.public[public] = key
        return self.public[public]


def signer_of(message: Json) -> str:
    """The recorded address that signs a message."""
    if "order" in message:
        return str(message["order"]["order_id"]["subaccount_id"]["owner"])
    if "order_id" in message:
        return str(message["order_id"]["subaccount_id"]["owner"])
    for name in ("subaccount_id", "sender"):
        held = message.get(name, message.get("transfer", {}).get(name))
        if held is not None:
            return str(held["owner"] if isinstance(held, dict) else held)
    raise ValueError(message)


def compressed(key: coincurve.PrivateKey) -> bytes:
    return bytes(key.public_key.format())


def signed_anew(row: Json, cast: Cast, account_number: int) -> bytes:
    """A recorded transaction with our addresses, keys and signature."""
    raw = TxRaw.FromString(base64.b64decode(row["tx"]))
    body = ADDRESS_BYTES.sub(lambda found: cast.address(found[0].decode()).encode(), raw.body_bytes)
    body = AUTHENTICATOR_DATA.sub(lambda found: _translated_tree(found[0], cast), body)
    auth = AuthInfo.FromString(raw.auth_info_bytes)
    signer = signer_of(row["messages"][0])
    public = auth.signer_infos[0].public_key.value
    key = cast.key_of(public[2:], signer)
    auth.signer_infos[0].public_key.value = public[:2] + compressed(key)
    chain_id = "another-chain" if row["label"] == "wrong chain id" else CHAIN_ID
    auth_bytes = auth.SerializeToString()
    document = SignDoc(
        body_bytes=body,
        auth_info_bytes=auth_bytes,
        chain_id=chain_id,
        account_number=account_number,
    )
    signature = key.sign_recoverable(document.SerializeToString())[:64]
    made = TxRaw(body_bytes=body, auth_info_bytes=auth_bytes, signatures=[signature])
    return bytes(made.SerializeToString())


ADDRESS_BYTES: Final = re.compile(rb"dydx1[a-z0-9]{38}")
AUTHENTICATOR_DATA: Final = re.compile(rb"\[\{\"type\":.*\}\]")


def _translated_tree(data: bytes, cast: Cast) -> bytes:
    """An authenticator tree with our trading key in place of the recorded one."""
    tree = json.loads(data)
    for part in tree:
        if part["type"] == "SignatureVerification":
            recorded = base64.b64decode(part["config"])
            number = 8_000 + len(cast.public)
            key = cast.public.setdefault(recorded, trader(number).wallet.key.key)
            part["config"] = base64.b64encode(compressed(key)).decode()
    return json.dumps(tree, separators=(",", ":")).encode()
