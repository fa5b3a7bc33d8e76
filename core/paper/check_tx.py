"""CheckTx: whether a node takes a transaction, in the chain's order of checks.

Short-term messages are carried out here at once, in the node's memory; everything else waits for
its block. Source: docs/protocol.md, sequence, nonces, fees.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from v4_proto.cosmos.tx.signing.v1beta1.signing_pb2 import SIGN_MODE_DIRECT
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgPlaceOrder

from core.paper.addresses import complaint
from core.paper.authenticators import Authenticators
from core.paper.clob_checks import ClobChecks
from core.paper.governance import Governance
from core.paper.money import check_fee, coin_amount
from core.paper.refusals import Refused, sdk, undefined
from core.paper.state import Account, State
from core.paper.stateless import check_message
from core.paper.transactions import (
    Signed,
    address_of,
    decode_address,
    is_short_term,
    signature_holds,
)

TIMESTAMP_NONCE: Final = 2**40
_NONCE_WINDOW_MS: Final = 30_000
_NONCES_KEPT: Final = 20
_MEMO_LIMIT: Final = 256
_PANIC: Final = (
    "recovered: runtime error: invalid memory address or nil pointer dereference\nstack:\n"
    "goroutine 1 [running]:\n"
)


@dataclass(frozen=True)
class Waiting:
    """An accepted transaction that waits for its block; `accounts` are its signers' after it."""

    signed: Signed
    accounts: dict[str, Account]


@dataclass
class Checker:
    """The pipeline. `pending` are accepted transactions that wait for the block, `ahead` the
    accounts as they will be once those are in it.
    """

    governance: Governance
    state: State
    clob: ClobChecks
    chain_id: str
    authenticators: Authenticators
    pending: list[Waiting] = field(default_factory=list)
    ahead: dict[str, Account] = field(default_factory=dict)
    spent: dict[tuple[str, str], int] = field(default_factory=dict)

    def check(self, signed: Signed) -> None:
        """Take a transaction, or raise Refused without a trace in sequence or nonces."""
        _validate(signed)
        if signed.is_clob:
            _mixture(signed)
        else:
            check_fee(signed.auth.fee, self.governance)
        self._body(signed)
        accounts = self.authenticate(signed)
        self._fee(signed)
        if signed.is_clob:
            self.clob.check(signed)
        # Of a short-term one the public key is known until the next block, which does not hold it.
        self.ahead |= accounts
        if not signed.is_short_term:
            for key, amount in self._fee(signed).items():
                self.spent[key] = self.spent.get(key, 0) + amount
            self.pending.append(Waiting(signed, accounts))

    def authenticate(self, signed: Signed) -> dict[str, Account]:
        """Check sequences, and keys and signatures or authenticators of a transaction; its signers'
        accounts as they are after it.
        """
        signers, infos = signed.signers, signed.auth.signer_infos
        if len(infos) != len(signers):
            raise sdk(4, f"invalid number of signer;  expected: {len(signers)}, got {len(infos)}")
        if signed.authenticators and signed.is_short_term:
            self._select(signed)
            return {}
        accounts: dict[str, Account] = {}
        for index, signer in enumerate(signers):
            account = self._known(signed, index)
            if not signed.is_short_term:
                account = self._replay(account, infos[index].sequence)
            accounts[signer] = account
        if signed.authenticators:
            self._select(signed)
            return accounts
        keys = [
            _public_key(signed, index, accounts[signer]) for index, signer in enumerate(signers)
        ]
        for index, signer in enumerate(signers):
            self._signature(signed, index, keys[index], accounts[signer])
        return {
            signer: replace(accounts[signer], public_key=keys[index])
            for index, signer in enumerate(signers)
        }

    def _select(self, signed: Signed) -> None:
        """Have the selected authenticators look at it. Raises Refused."""
        if signed.payer != signed.signers[0]:
            raise sdk(4, "fee payer must be the first signer")
        self.authenticators.check(signed, self._account)

    def _known(self, signed: Signed, index: int) -> Account:
        signer = signed.signers[index]
        account = self._account(signer)
        if account is not None:
            return account
        if signed.is_clob or signer != signed.payer:
            raise sdk(9, f"account {signer} does not exist")
        raw = (decode_address(signer) or b"").decode("utf-8", "replace")
        raise sdk(9, f"fee payer address: {raw} does not exist")

    def _signature(self, signed: Signed, index: int, public_key: bytes, account: Account) -> None:
        if signed.auth.signer_infos[index].mode_info.single.mode != SIGN_MODE_DIRECT:
            raise sdk(
                4,
                f"signature verification failed; please verify account number ({account.number}), "
                f"sequence ({account.sequence}) and chain-id ({self.chain_id})",
            )
        if not signature_holds(signed, public_key, account.number, self.chain_id, index):
            raise sdk(
                4,
                f"signature verification failed; please verify account number ({account.number}) "
                f"and chain-id ({self.chain_id}): (unable to verify single signer signature)",
            )

    def simulate(self, signed: Signed) -> None:
        """Refuse what is wrong in itself, an unknown signer, a sequence that is not his next, and
        what the selected authenticators do not let through. Signatures are not looked at.
        """
        for message in signed.messages:
            check_message(message)
        for index, (signer, info) in enumerate(
            zip(signed.signers, signed.auth.signer_infos, strict=False)
        ):
            account = self._account(signer)
            if account is None:
                raise sdk(9, f"account {signed.signers[index]} does not exist")
            self._replay(account, info.sequence)
        if signed.authenticators:
            self.authenticators.check(signed, self._account, simulated=True)

    def finish_block(self, height: int) -> list[Waiting]:
        """The transactions for the block; the checks start anew behind it."""
        pending, self.pending = self.pending, []
        self.ahead = {}
        self.spent = {}
        self.clob.finish_block(height)
        return pending

    def _fee(self, signed: Signed) -> dict[tuple[str, str], int]:
        """What a transaction costs its payer: orders are free. Raises Refused (sdk 5) where the
        wallet lacks it.
        """
        cost: dict[tuple[str, str], int] = {}
        if signed.is_clob:
            return cost
        if signed.auth.fee.granter not in ("", signed.payer):
            raise sdk(38, "fee-grant not found")
        for coin in signed.auth.fee.amount:
            key = (signed.payer, coin.denom)
            cost[key] = amount = coin_amount(coin.amount)
            held = self.state.balance(*key) - self.spent.get(key, 0)
            if held < amount:
                raise sdk(
                    5,
                    f"spendable balance {held}{coin.denom} is smaller than {amount}{coin.denom}: "
                    "insufficient funds",
                )
        return cost

    def _body(self, signed: Signed) -> None:
        height = self.state.height
        timeout = signed.body.timeout_height
        if timeout and timeout < height:
            raise sdk(30, f"block height: {height}, timeout height: {timeout}")
        if signed.is_short_term and timeout:
            message = signed.messages[0]
            until = getattr(message, "good_til_block", 0)
            if isinstance(message, MsgPlaceOrder):
                until = message.order.good_til_block
            if timeout < until:
                raise sdk(
                    18,
                    f"a short term transaction's timeout height {timeout} may not be less than its "
                    f"goodTilBlock {until}",
                )
        memo = len(signed.body.memo.encode())
        if memo > _MEMO_LIMIT:
            raise sdk(
                12, f"maximum number of characters is {_MEMO_LIMIT} but received {memo} characters"
            )

    def _account(self, address: str) -> Account | None:
        """An account as it will be after what already waits for the block."""
        return self.ahead.get(address) or self.state.accounts.get(address)

    def _replay(self, account: Account, sequence: int) -> Account:
        if sequence >= TIMESTAMP_NONCE:
            return self._nonce(account, sequence)
        if sequence != account.sequence:
            raise sdk(
                32,
                f"account sequence mismatch, expected {account.sequence}, got {sequence}",
            )
        return replace(account, sequence=sequence + 1)

    def _nonce(self, account: Account, nonce: int) -> Account:
        """A timestamp nonce: unix milliseconds near the last block's time, used once."""
        block_ms = self.state.header.working["last"].time_us // 1000
        if abs(nonce - block_ms) > _NONCE_WINDOW_MS:
            raise sdk(32, f"timestamp nonce {nonce} not within valid time window")
        kept = account.nonces
        full = len(kept) >= _NONCES_KEPT
        if nonce in kept or nonce <= account.ejected or (full and nonce <= min(kept)):
            raise sdk(32, f"timestamp nonce {nonce} rejected")
        if not full:
            return replace(account, nonces=(*kept, nonce))
        smallest = min(kept)
        rest = tuple(value for value in kept if value != smallest)
        return replace(account, nonces=(*rest, nonce), ejected=smallest)


def _validate(signed: Signed) -> None:
    if not signed.messages:
        raise sdk(18, "must contain at least one message")
    for message in signed.messages:
        check_message(message)
    if not signed.signatures:
        raise Refused("sdk", 15, "no signatures supplied")
    signers = signed.signers
    for signer in signers:
        if decode_address(signer) is None:
            raise undefined(complaint(signer))
    if len(signed.signatures) != len(signers):
        raise sdk(
            4, f"wrong number of signers; expected {len(signers)}, got {len(signed.signatures)}"
        )


def _mixture(signed: Signed) -> None:
    if len(signed.messages) > 1 and any(is_short_term(row) for row in signed.messages):
        raise sdk(
            18,
            "a transaction containing short term MsgCancelOrder or MsgPlaceOrder may not contain "
            "more than one message",
        )


def _public_key(signed: Signed, index: int, account: Account) -> bytes:
    signer, public_key = signed.signers[index], signed.public_key(index)
    if public_key is None:
        if account.public_key is None:
            raise sdk(8, "unrecognized public key type: <nil>")
        raise Refused("undefined", 111222, _PANIC)
    if address_of(public_key) != signer:
        raise sdk(8, f"pubKey does not match signer address {signer} with signer index: {index}")
    return public_key
