"""What a block does besides matching: the faucet's gifts, money messages, and the list of included
transactions.
"""

from __future__ import annotations

import hashlib
import struct
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from google.protobuf.message import Message
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.dydxprotocol.accountplus.tx_pb2 import MsgAddAuthenticator, MsgRemoveAuthenticator
from v4_proto.dydxprotocol.clob.tx_pb2 import (
    MsgCancelOrder,
    MsgPlaceOrder,
    MsgProposedOperations,
    MsgUpdateLeverage,
)
from v4_proto.dydxprotocol.sending.transfer_pb2 import MsgDepositToSubaccount
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.protocol import USDC_DENOM
from core.paper.authenticators import Authenticators
from core.paper.check_tx import Waiting
from core.paper.clob import Clob, StatefulRemoval
from core.paper.envelopes import operations_transaction, response_data, unsigned_transaction
from core.paper.governance import Governance
from core.paper.happenings import BlockEvent, StatefulChanged, SubaccountKey, Transferred
from core.paper.leverage import update_leverage
from core.paper.margin import Margin
from core.paper.matching import Match
from core.paper.money import Movement, execute, gas_used, pay_fee
from core.paper.refusals import Refused, sdk
from core.paper.settlement import credit
from core.paper.state import Included, State
from core.paper.transactions import decode_address, encode_address, tx_hash

FAUCET_ADDRESS: Final = encode_address(hashlib.sha256(b"perpgram paper faucet").digest()[:20])
NATIVE_DENOM: Final = "adv4tnt"
_GIFT_COINS: Final = ((NATIVE_DENOM, 10**18), (USDC_DENOM, 20_000_000))
_GIFT_GAS: Final = (600_000, 117_000)
_TRANSACTIONS_KEPT: Final = 5_000
_MAX_SUBACCOUNT: Final = 128_000


@dataclass(frozen=True)
class Moment:
    """The block in which something happens."""

    height: int
    time_us: int


@dataclass(frozen=True)
class _Gift:
    address: str
    number: int
    quote_quantums: int
    raw: bytes


class _Undo(Exception):
    """Ends a trial."""


class Delivery:
    """Carries out what waits for a block, on the working state."""

    def __init__(
        self,
        state: State,
        margin: Margin,
        governance: Governance,
        authenticators: Authenticators,
        clob: Clob,
    ) -> None:
        self._state = state
        self._margin = margin
        self._governance = governance
        self._authenticators = authenticators
        self._clob = clob
        self._gifts: list[_Gift] = []
        self._gift_count = 0

    def give(self, address: str, number: int, quote_quantums: int) -> str:
        """Have the faucet pay USDC into a subaccount, and coins to its wallet, in the next block;
        the hash of its transaction. No USDC (0) pays the coins only. Raises ValueError for what is
        no address, number or amount.
        """
        if decode_address(address) is None:
            raise ValueError("the address was not a dYdX address")
        if not 0 <= number <= _MAX_SUBACCOUNT:
            raise ValueError("the subaccount number was not within 0 and 128000")
        if not 0 <= quote_quantums < 2**63:
            raise ValueError("the amount was negative or too large")
        messages: list[Message] = []
        if quote_quantums:
            recipient = SubaccountId(owner=address, number=number)
            messages.append(
                MsgDepositToSubaccount(
                    sender=FAUCET_ADDRESS, recipient=recipient, quantums=quote_quantums
                )
            )
        coins = [Coin(denom=denom, amount=str(amount)) for denom, amount in _GIFT_COINS]
        messages.append(MsgSend(from_address=FAUCET_ADDRESS, to_address=address, amount=coins))
        self._gift_count += 1
        raw = unsigned_transaction(messages, memo=f"{self._state.height}-{self._gift_count}")
        self._gifts.append(_Gift(address, number, quote_quantums, raw))
        return tx_hash(raw)

    def try_out(self, messages: tuple[Message, ...]) -> None:
        """Execute messages and undo them. Raises Refused as the block would."""
        with suppress(_Undo), self._state.savepoint():
            self._execute(messages)
            raise _Undo

    def fills(
        self, matches: list[Match], removals: list[StatefulRemoval], moment: Moment
    ) -> list[BlockEvent]:
        """The fills of a block's matches and what its proposer removed, in their order, under the
        hash of the proposer's operations.
        """
        if not matches and not removals:
            return []
        removed = tuple(event.order for _, event in removals)
        raw = operations_transaction(matches, f"block {moment.height}", removed)
        data = response_data([MsgProposedOperations()])
        identity = self._include(raw, moment, data=data, gas=(-1, 0))
        events: list[BlockEvent] = []
        waiting, number, counted = list(removals), 0, 0
        for position in range(len(matches) + 1):
            while waiting and waiting[0][0] <= position:
                changed = waiting.pop(0)[1]
                event_id = _event_id(moment.height, 0, number)
                events.append(replace(changed, event_id=event_id, transaction_hash=identity))
                number += 1
            if position < len(matches):
                match = matches[position]
                if match.number != counted:  # two changed subaccounts, then the fill
                    number, counted = number + 3, match.number
                events.append(match.filled(_event_id(moment.height, 0, number - 1), identity))
        return events

    def transactions(self, pending: list[Waiting], moment: Moment) -> list[BlockEvent]:
        """The gifts and the accepted transactions, in order of arrival."""
        events: list[BlockEvent] = []
        gifts, self._gifts = self._gifts, []
        for index, gift in enumerate(gifts, start=1):
            events += self._gift(gift, moment, index)
        for index, waiting in enumerate(pending, start=1 + len(gifts)):
            events += self._transaction(waiting, moment, index)
        return events

    def forget(self) -> None:
        """Drop the oldest included transactions."""
        kept = self._state.transactions
        surplus = len(kept.working) - _TRANSACTIONS_KEPT
        for identity in list(kept.working)[: max(surplus, 0)]:
            kept.drop(identity)

    def _gift(self, gift: _Gift, moment: Moment, index: int) -> list[BlockEvent]:
        self._state.know(gift.address)
        for denom, amount in _GIFT_COINS:
            self._state.pay(gift.address, denom, amount)
        identity = self._include(gift.raw, moment, gas=_GIFT_GAS)
        if not gift.quote_quantums:
            return []
        key = SubaccountKey(gift.address, gift.number)
        credit(self._state, key, gift.quote_quantums)
        movement = Movement(FAUCET_ADDRESS, None, gift.address, gift.number, gift.quote_quantums)
        return [_transferred(movement, _event_id(moment.height, index, 2), identity)]

    def _transaction(self, waiting: Waiting, moment: Moment, index: int) -> list[BlockEvent]:
        signed = waiting.signed
        done: list[Movement | StatefulChanged] = []
        result = ("", 0, "")
        wanted, used = signed.auth.fee.gas_limit, gas_used(signed.messages)
        if signed.is_clob:  # neither gas nor fee
            wanted, used = -1, 0
        go_back = self._clob.mark()
        try:
            if signed.authenticators:  # removed by a transaction before this one, perhaps
                self._authenticators.check(signed, self._state.accounts.get)
            if not signed.is_clob:
                pay_fee(self._state, signed.payer, signed.auth.fee)
            for signer, account in waiting.accounts.items():
                self._state.accounts.put(signer, account)
            with self._state.savepoint():
                if used > wanted and not signed.is_clob:
                    place = f"WriteFlat; gasWanted: {wanted}, gasUsed: {used}"
                    raise sdk(11, f"out of gas in location: {place}")
                done = self._execute(signed.messages, signed.authenticators)
        except Refused as refusal:
            go_back()
            result = (refusal.codespace, refusal.code, refusal.log)
        data = "" if result[1] else response_data(list(signed.messages))
        identity = self._include(signed.raw, moment, result=result, data=data, gas=(wanted, used))
        events: list[BlockEvent] = []
        number = 0
        for item in done:
            if isinstance(item, StatefulChanged):
                event_id = _event_id(moment.height, index, number)
                events.append(replace(item, event_id=event_id, transaction_hash=identity))
                number += 1
            else:
                number += 2
                event_id = _event_id(moment.height, index, number)
                events.append(_transferred(item, event_id, identity))
        return events

    def _execute(
        self, messages: tuple[Message, ...], authenticators: tuple[int, ...] = ()
    ) -> list[Movement | StatefulChanged]:
        done: list[Movement | StatefulChanged] = []
        for number, message in enumerate(messages):
            try:
                if isinstance(message, MsgPlaceOrder | MsgCancelOrder):
                    done += self._clob.execute(message, authenticators)
                else:
                    done += self.execute(message)
            except Refused as refusal:
                raise refusal.within(
                    f"failed to execute message; message index: {number}"
                ) from refusal
        return done

    def execute(self, message: Message) -> list[Movement]:
        """Carry out one message that is no order and no cancel. Raises Refused."""
        if isinstance(message, MsgAddAuthenticator):
            self._authenticators.add(message)
        elif isinstance(message, MsgRemoveAuthenticator):
            self._authenticators.remove(message)
        elif isinstance(message, MsgUpdateLeverage):
            update_leverage(message, self._state, self._governance, self._margin.collateral)
        else:
            return execute(message, self._state, self._margin)
        return []

    def _include(
        self,
        raw: bytes,
        moment: Moment,
        *,
        gas: tuple[int, int],
        result: tuple[str, int, str] = ("", 0, ""),
        data: str = "",
    ) -> str:
        identity = tx_hash(raw)
        time_s = moment.time_us // 1_000_000
        included: Any = Included(moment.height, time_s, raw, *result, data, *gas)
        self._state.transactions.put(identity, included)
        return identity


def _transferred(movement: Movement, event_id: bytes, identity: str) -> Transferred:
    return Transferred(
        movement.sender,
        movement.sender_number,
        movement.recipient,
        movement.recipient_number,
        movement.quote_quantums,
        event_id,
        identity,
    )


def end_of_block(events: list[StatefulChanged], height: int) -> list[BlockEvent]:
    """Events of the block's end, numbered as the indexer does."""
    return [
        replace(event, event_id=_event_id(height, -1, number))
        for number, event in enumerate(events)
    ]


def _event_id(height: int, transaction: int, event: int) -> bytes:
    """Height, transaction and event, as the indexer numbers them."""
    return struct.pack(">III", height, transaction + 2, event)
