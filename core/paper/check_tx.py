"""CheckTx: whether a node takes a transaction, in the chain's order of checks.

Short-term messages are carried out here at once, in the node's memory; everything else waits for
its block. What is not built yet is refused with the chain's own "not implemented" (clob 9002) or
"unknown request" (sdk 6), never accepted in silence. Source: docs/protocol.md, sequence, nonces,
fees.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Final

from google.protobuf.message import Message
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator, MsgRemoveAuthenticator
from v4_proto.dydxprotocol.clob.tx_pb2 import (
    MsgBatchCancel,
    MsgCancelOrder,
    MsgPlaceOrder,
    MsgUpdateLeverage,
)

from core.dydx.protocol import OrderFlags
from core.paper.faults import ExchangeFaults
from core.paper.governance import Governance, Limit, Market
from core.paper.happenings import OrderKey, SubaccountKey
from core.paper.money import check_fee, coin_amount
from core.paper.refusals import Refused, clob, sdk
from core.paper.short_term import ShortTerm, order_key
from core.paper.state import Account, State
from core.paper.stateless import check_message
from core.paper.transactions import (
    Signed,
    address_of,
    decode_address,
    is_short_term,
    signature_holds,
    signer_of,
)

TIMESTAMP_NONCE: Final = 2**40
_NONCE_WINDOW_MS: Final = 30_000
_NONCES_KEPT: Final = 20
_MEMO_LIMIT: Final = 256
_UNBUILT: Final = (MsgAddAuthenticator, MsgRemoveAuthenticator, MsgUpdateLeverage)
_PANIC: Final = (
    "recovered: runtime error: invalid memory address or nil pointer dereference\nstack:\n"
    "goroutine 1 [running]:\n"
)


class RateLimit:
    """Weights per owner over the last blocks; refused attempts count too."""

    def __init__(self, name: str, limits: tuple[Limit, ...]) -> None:
        self._name = name
        self._limits = limits
        self._used: dict[int, dict[str, int]] = {}

    def count(self, owner: str, height: int, weight: int = 1) -> None:
        """Count an attempt. Raises Refused (clob 5001) once a limit is exceeded."""
        block = self._used.setdefault(height, defaultdict(int))
        block[owner] += weight
        for limit in self._limits:
            used = sum(
                counts.get(owner, 0)
                for past, counts in self._used.items()
                if past > height - limit.blocks
            )
            if used > limit.limit:
                raise clob(
                    5001,
                    f"Rate of {used} exceeds configured block rate limit of "
                    f"{{NumBlocks:{limit.blocks} Limit:{limit.limit}}} for {self._name} and "
                    f"{owner}",
                )

    def forget(self, height: int) -> None:
        """Drop what no limit looks back to any more."""
        oldest = height - max((limit.blocks for limit in self._limits), default=0)
        self._used = {past: counts for past, counts in self._used.items() if past > oldest}


@dataclass(frozen=True)
class Waiting:
    """An accepted transaction that waits for its block; `account` is the signer's after it."""

    signed: Signed
    signer: str
    account: Account


@dataclass
class Checker:
    """The pipeline. `pending` are accepted transactions that wait for the block, `ahead` the
    accounts as they will be once those are in it.
    """

    governance: Governance
    state: State
    short_term: ShortTerm
    chain_id: str
    faults: ExchangeFaults
    pending: list[Waiting] = field(default_factory=list)
    ahead: dict[str, Account] = field(default_factory=dict)
    spent: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._short_rate = RateLimit(
            "MaxShortTermOrdersAndCancelsPerNBlocks", self.governance.short_term_limits
        )
        self._stateful_rate = RateLimit(
            "MaxStatefulOrdersPerNBlocks", self.governance.stateful_limits
        )

    def check(self, signed: Signed) -> None:
        """Take a transaction, or raise Refused without a trace in sequence or nonces."""
        _validate(signed)
        if signed.is_clob:
            _mixture(signed)
        else:
            check_fee(signed.auth.fee, self.governance)
        self._body(signed)
        signer = signer_of(signed.messages[0])
        account = self.authenticate(signed, signer)
        self._fee(signed, signer)
        for message in signed.messages:
            if isinstance(message, MsgPlaceOrder | MsgCancelOrder | MsgBatchCancel):
                self._clob(message, signer)
            elif isinstance(message, _UNBUILT):
                raise sdk(6, f"no message handler found for {message.DESCRIPTOR.full_name}")
        if not signed.is_short_term:
            self.ahead[signer] = account
            for key, amount in self._fee(signed, signer).items():
                self.spent[key] = self.spent.get(key, 0) + amount
            self.pending.append(Waiting(signed, signer, account))

    def authenticate(self, signed: Signed, signer: str) -> Account:
        """Check key, sequence and signature of a transaction; the account as it is after it."""
        if signed.authenticators:
            self._authenticator(signed, signer)
        account = self.ahead.get(signer) or self.state.accounts.get(signer)
        if account is None:
            if signed.is_clob:
                raise sdk(9, f"account {signer} does not exist")
            raw = (decode_address(signer) or b"").decode("utf-8", "replace")
            raise sdk(9, f"fee payer address: {raw} does not exist")
        public_key = _public_key(signed, signer, account)
        for other in signed.messages[1:]:
            if signer_of(other) != signer:
                raise sdk(4, "wrong number of signers; expected 2, got 1")
        if not signed.is_short_term:
            account = self._replay(account, signed.sequence)
        if not signature_holds(signed, public_key, account.number, self.chain_id):
            raise sdk(
                4,
                f"signature verification failed; please verify account number ({account.number}) "
                f"and chain-id ({self.chain_id}): (unable to verify single signer signature)",
            )
        return replace(account, public_key=public_key)

    def check_sequence(self, signed: Signed) -> None:
        """Refuse an unknown signer, or a sequence that is not his next."""
        signer = signer_of(signed.messages[0])
        account = self.ahead.get(signer) or self.state.accounts.get(signer)
        if account is None:
            raise sdk(9, f"account {signer} does not exist")
        self._replay(account, signed.sequence)

    def finish_block(self, height: int) -> list[Waiting]:
        """The transactions for the block; the checks start anew behind it."""
        pending, self.pending = self.pending, []
        self.ahead = {}
        self.spent = {}
        self._short_rate.forget(height)
        self._stateful_rate.forget(height)
        return pending

    def _fee(self, signed: Signed, payer: str) -> dict[tuple[str, str], int]:
        """What a transaction costs its payer. Raises Refused (sdk 5) where the wallet lacks it."""
        cost: dict[tuple[str, str], int] = {}
        for coin in signed.auth.fee.amount:
            key = (payer, coin.denom)
            cost[key] = amount = coin_amount(coin.amount)
            held = self.state.balance(*key) - self.spent.get(key, 0)
            if held < amount:
                raise sdk(
                    5,
                    f"spendable balance {held}{coin.denom} is smaller than {amount}{coin.denom}",
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

    def _authenticator(self, signed: Signed, signer: str) -> None:
        """No key can be registered yet, so that none is ever found."""
        number = signed.authenticators[0]
        url = f"/{signed.messages[0].DESCRIPTOR.full_name}"
        raise Refused(
            "dydxaccountplus",
            1,
            f"failed to get initialized authenticator (account = {signer}, authenticator id = "
            f"{number}, msg index = 0, msg type url = {url}): authenticator {number} not found "
            f"for account {signer}: Authenticator is not found",
        )

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

    def _clob(self, message: Message, owner: str) -> None:
        if isinstance(message, MsgPlaceOrder):
            self._place(message, owner)
        elif isinstance(message, MsgCancelOrder):
            self._cancel(message, owner)
        elif isinstance(message, MsgBatchCancel):
            self._batch_cancel(message, owner)

    def _place(self, message: MsgPlaceOrder, owner: str) -> None:
        order = message.order
        market = self.governance.markets.get(order.order_id.clob_pair_id)
        if market is None:
            raise clob(8, f"Clob {order.order_id.clob_pair_id} is not a valid clob")
        height = self.state.height
        if order.order_id.order_flags != OrderFlags.SHORT_TERM:
            self._stateful_rate.count(owner, height + 1)
            raise clob(9002, "stateful orders")
        self.short_term.window(order.good_til_block, height + 1)
        self._short_rate.count(owner, height + 1)
        _multiples(message, market)
        refusal = self.faults.take_refusal()
        if refusal is not None:
            raise refusal
        self.short_term.place(order, market, self.faults.withholds(market.ticker))

    def _cancel(self, message: MsgCancelOrder, owner: str) -> None:
        key = order_key(message.order_id)
        if key.order_flags != OrderFlags.SHORT_TERM:
            raise clob(
                3006,
                "Order Id to cancel does not exist. OrderId : "
                f"{{SubaccountId:{{Owner:{key.subaccount.owner} Number:{key.subaccount.number}}} "
                f"ClientId:{key.client_id} OrderFlags:{key.order_flags} "
                f"ClobPairId:{key.clob_pair_id}}}",
            )
        self.short_term.window(message.good_til_block, self.state.height + 1)
        self._short_rate.count(owner, self.state.height + 1)
        if key.clob_pair_id not in self.governance.markets:
            raise Refused(
                "undefined",
                111222,
                f"recovered: No orderbook exists with id {key.clob_pair_id}\nstack:\n"
                "goroutine 1 [running]:\n",
            )
        self.short_term.cancel(key, message.good_til_block)

    def _batch_cancel(self, message: MsgBatchCancel, owner: str) -> None:
        """Cancels that fail inside a batch are lost without a word, as on the chain."""
        self.short_term.window(message.good_til_block, self.state.height + 1)
        self._short_rate.count(owner, self.state.height + 1, weight=2)
        subaccount = SubaccountKey(message.subaccount_id.owner, message.subaccount_id.number)
        for batch in message.short_term_cancels:
            if batch.clob_pair_id not in self.governance.markets:
                continue
            for client_id in batch.client_ids:
                key = OrderKey(subaccount, client_id, 0, batch.clob_pair_id)
                try:
                    self.short_term.cancel(key, message.good_til_block)
                except Refused:
                    continue


def _validate(signed: Signed) -> None:
    if not signed.messages:
        raise sdk(18, "must contain at least one message")
    for message in signed.messages:
        check_message(message)
    if not signed.signatures:
        raise Refused("sdk", 15, "no signatures supplied")
    if len(signed.signatures) != 1:
        raise sdk(4, f"wrong number of signers; expected 1, got {len(signed.signatures)}")


def _mixture(signed: Signed) -> None:
    if len(signed.messages) > 1 and any(is_short_term(row) for row in signed.messages):
        raise sdk(
            18,
            "a transaction containing short term MsgCancelOrder or MsgPlaceOrder may not contain "
            "more than one message",
        )


def _public_key(signed: Signed, signer: str, account: Account) -> bytes:
    public_key = signed.public_key()
    if public_key is None:
        if account.public_key is None:
            raise sdk(8, "unrecognized public key type: <nil>")
        raise Refused("undefined", 111222, _PANIC)
    if address_of(public_key) != signer:
        raise sdk(8, f"pubKey does not match signer address {signer} with signer index: 0")
    return public_key


def _multiples(message: MsgPlaceOrder, market: Market) -> None:
    order, scale = message.order, market.scale
    if order.subticks % scale.subticks_per_tick:
        raise clob(
            12,
            f"Order subticks {order.subticks} must be a multiple of the ClobPair's "
            f"SubticksPerTick {scale.subticks_per_tick}",
        )
    if order.quantums % scale.step_base_quantums:
        raise clob(
            12,
            f"Order Quantums {order.quantums} must be a multiple of the ClobPair's "
            f"StepBaseQuantums {scale.step_base_quantums}",
        )
