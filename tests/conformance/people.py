"""Fresh accounts, what they sign, and the bank that funds them."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Any

import coincurve
import httpx
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.node.builder import Builder, TxOptions, as_any
from dydx_v4_client.wallet import Wallet
from v4_proto.cosmos.bank.v1beta1.tx_pb2 import MsgSend
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.dydxprotocol.clob.order_pb2 import Order, OrderId
from v4_proto.dydxprotocol.clob.tx_pb2 import (
    MsgBatchCancel,
    MsgCancelOrder,
    MsgPlaceOrder,
    OrderBatch,
)
from v4_proto.dydxprotocol.sending.transfer_pb2 import (
    MsgDepositToSubaccount,
    MsgWithdrawFromSubaccount,
    Transfer,
)
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.protocol import USDC_DENOM, order_uuid
from tests.conformance.chain import GOOD, Answer, Chain, hash_of
from tests.conformance.checks import Mismatch, until
from tests.conformance.target import Target

GTT, IOC, POST_ONLY, FOK = 0, 1, 2, 3
BUY, SELL = 1, 2
SHORT, CONDITIONAL, LONG, TWAP = 0, 32, 64, 128
STOP, TAKE = 1, 2
NATIVE_PER_GAS = 25_000_000_000
FIRST_NONCE = 1 << 40


class Person:
    """A key and its account on one chain."""

    def __init__(self, chain: Chain, target: Target, pair: KeyPair | None = None) -> None:
        self.pair = pair or KeyPair(coincurve.PrivateKey(secrets.token_bytes(32)))
        self.chain = chain
        self.target = target
        self.address: str = Wallet(self.pair, 0, 0).address
        self.number = 0
        self.fee_denom = target.native_denom
        self._ids = secrets.randbelow(2**31)
        self._nonce = 0
        self._placed_at: list[int] = []
        self._turn = asyncio.Lock()

    async def learn(self) -> None:
        """Reads the account number. Raises Mismatch while the chain does not know the account."""
        known = await self.chain.account(self.address)
        if known is None:
            raise Mismatch(f"{self.address} is unknown to the chain")
        self.number = known[0]

    def client_id(self) -> int:
        """One that was never used before."""
        self._ids += 1
        return self._ids

    def nonce(self) -> int:
        """A timestamp nonce that was never used before."""
        self._nonce = max(int(time.time() * 1000), self._nonce + 1)
        return self._nonce

    # messages

    def subaccount_id(self, number: int = 0) -> SubaccountId:
        return SubaccountId(owner=self.address, number=number)

    def order_id(
        self, pair: int, flags: int = SHORT, client_id: int | None = None, number: int = 0
    ) -> OrderId:
        return OrderId(
            subaccount_id=self.subaccount_id(number),
            client_id=self.client_id() if client_id is None else client_id,
            order_flags=flags,
            clob_pair_id=pair,
        )

    def transfer(self, to: Person, usdc: int, number: int = 0, to_number: int = 0) -> Any:
        """`usdc` in quote quantums."""
        return MsgCreateTransfer(
            transfer=Transfer(
                sender=self.subaccount_id(number),
                recipient=to.subaccount_id(to_number),
                asset_id=0,
                amount=usdc,
            )
        )

    def deposit(self, usdc: int, number: int = 0) -> Any:
        return MsgDepositToSubaccount(
            sender=self.address, recipient=self.subaccount_id(number), asset_id=0, quantums=usdc
        )

    def withdraw(self, usdc: int, number: int = 0, recipient: str | None = None) -> Any:
        return MsgWithdrawFromSubaccount(
            sender=self.subaccount_id(number),
            recipient=recipient or self.address,
            asset_id=0,
            quantums=usdc,
        )

    def pay(self, to: str, amount: int, denom: str | None = None) -> Any:
        coins = [Coin(denom=denom or self.target.native_denom, amount=str(amount))]
        return MsgSend(from_address=self.address, to_address=to, amount=coins)

    # transactions

    def fee(self, gas: int) -> Any:
        builder = Builder(self.target.chain_id, self.fee_denom)
        per_gas = gas // 40 + 1 if self.fee_denom == USDC_DENOM else gas * NATIVE_PER_GAS
        return builder.fee(gas, builder.coin(per_gas))

    def sign(
        self,
        *messages: Any,
        sequence: int = 0,
        chain_id: str | None = None,
        account_number: int | None = None,
        fee: Any = None,
        memo: str = "",
        authenticators: Sequence[int] = (),
        key: KeyPair | None = None,
    ) -> bytes:
        """A signed transaction. Without `fee` it is free, as those with orders are."""
        builder = Builder(chain_id or self.target.chain_id, self.fee_denom, memo=memo)
        number = self.number if account_number is None else account_number
        options = TxOptions(list(authenticators), sequence, number)
        tx = builder.build_transaction(
            Wallet(key or self.pair, number, sequence),
            [as_any(message) for message in messages],
            fee or builder.fee(1_000_000),
            options if authenticators else None,
        )
        return bytes(tx.SerializeToString())

    async def send(self, *messages: Any, **how: Any) -> Answer:
        """The node's answer to short-term messages, or to whatever `how` says."""
        return await self.chain.broadcast(self.sign(*messages, **how))

    async def send_stateful(self, *messages: Any, **how: Any) -> tuple[Answer, str]:
        """Sends with a timestamp nonce; gives the node's answer and the hash.

        Orders keep within the chain's limit of two a block.
        """
        places = sum(isinstance(message, MsgPlaceOrder) for message in messages)
        async with self._turn:
            if places:
                height = await self.chain.fresh()
                if self._placed_at and self._placed_at[-1] >= height:
                    await self.chain.reached(self._placed_at[-1] + 1)
                self._placed_at.append(self.chain.height)
            how.setdefault("sequence", self.nonce())
            tx = self.sign(*messages, **how)
            return await self.chain.broadcast(tx), hash_of(tx)

    async def commit(self, *messages: Any, gas: int = 0, **how: Any) -> Answer:
        """The node's refusal, or what the block said. `gas` for what is not free."""
        if gas:
            how["fee"] = self.fee(gas)
        answer, tx_hash = await self.send_stateful(*messages, **how)
        if answer != GOOD:
            return answer
        return await self.chain.delivered(tx_hash)

    async def must(self, *messages: Any, gas: int = 0, **how: Any) -> None:
        """As `commit`, where nothing but success will do."""
        answer = await self.commit(*messages, gas=gas, **how)
        if answer != GOOD:
            raise Mismatch(f"a needed transaction was refused: {answer}")

    async def position(self, pair: int, number: int = 0) -> int:
        """Committed signed quantums."""
        return (await self.chain.subaccount(self.address, number))[1].get(pair, 0)

    async def usdc(self, number: int = 0) -> int:
        """Committed quote quantums."""
        return (await self.chain.subaccount(self.address, number))[0]


def uuid_of(order_id: Any) -> str:
    """The indexer's id of an order."""
    owner = order_id.subaccount_id
    return str(
        order_uuid(
            owner.owner,
            owner.number,
            order_id.client_id,
            order_id.clob_pair_id,
            order_id.order_flags,
        )
    )


def place(
    order_id: OrderId, side: int, quantums: int, subticks: int, tif: int = GTT, **more: Any
) -> MsgPlaceOrder:
    return MsgPlaceOrder(
        order=Order(
            order_id=order_id,
            side=side,
            quantums=quantums,
            subticks=subticks,
            time_in_force=tif,
            **more,
        )
    )


def cancel(order_id: OrderId, **until_when: int) -> MsgCancelOrder:
    """`good_til_block` or `good_til_block_time`."""
    return MsgCancelOrder(order_id=order_id, **until_when)


def batch(
    owner: SubaccountId, good_til_block: int, pair: int, ids: Sequence[int]
) -> MsgBatchCancel:
    return MsgBatchCancel(
        subaccount_id=owner,
        short_term_cancels=[OrderBatch(clob_pair_id=pair, client_ids=ids)],
        good_til_block=good_til_block,
    )


class Bank:
    """The one funded account of a run; it funds all others and gets what they leave."""

    def __init__(self, chain: Chain, target: Target, http: httpx.AsyncClient) -> None:
        self._chain, self._target, self._http = chain, target, http
        pair = KeyPair.from_mnemonic(target.mnemonic) if target.mnemonic else None
        self.owner = Person(chain, target, pair)
        self._funded: list[Person] = []
        self._coins = 0
        self._lock = asyncio.Lock()

    async def open(self, people: int) -> None:
        """Gets money for so many accounts. Raises Mismatch where there is none."""
        if not self._target.mnemonic:
            # A local faucet gives one native coin at a time; fees of some accounts need more.
            times = -(-people // 8) if self._target.here else 1
            for _ in range(times):
                await self._ask_faucet(-(-people // times) * self._target.funds_usdc)
        await self.owner.learn()
        coins = await self._chain.balances(self.owner.address)
        if coins.get(self._target.native_denom, 0) < 10**17:
            self.owner.fee_denom = USDC_DENOM
        self._coins = coins.get(self.owner.fee_denom, 0) * 3 // 4 // people

    async def _ask_faucet(self, usdc: int) -> None:
        if self._target.faucet is None:
            raise Mismatch("there is neither a mnemonic nor a faucet")
        body = {"address": self.owner.address, "subaccountNumber": 0, "amount": usdc}
        url = f"{self._target.faucet}/faucet/tokens"
        refusal = ""

        async def given() -> bool:
            # The chain blocks all transfers for some fifty blocks after an outage or a bankruptcy.
            nonlocal refusal
            answer = await self._http.post(url, json=body, timeout=60.0)
            refusal = f"{answer.status_code} {answer.text[:200]}"
            return answer.is_success

        try:
            await until("the faucet's yes", given, within_s=90.0, pause_s=5.0)
        except Mismatch:
            raise Mismatch(f"the faucet answered {refusal}") from None

        async def there() -> bool:
            return (
                await self.owner.usdc() > 0
                and await self._chain.account(self.owner.address) is not None
            )

        await until("the faucet's money", there, within_s=60.0)
        if not await self._chain.balances(self.owner.address):
            body = {"address": self.owner.address}
            await self._http.post(f"{self._target.faucet}/faucet/native-token", json=body)
            await until("the faucet's coins", lambda: self._chain.balances(self.owner.address))

    async def people(self, count: int, usdc: int | None = None) -> list[Person]:
        """Fresh accounts with `usdc` whole USDC each and coins for fees."""
        each = (self._target.funds_usdc if usdc is None else usdc) * 1_000_000
        made = [Person(self._chain, self._target) for _ in range(count)]
        messages: list[Any] = []
        for one in made:
            one.fee_denom = self.owner.fee_denom
            if each:
                messages.append(self.owner.transfer(one, each))
            messages.append(self.owner.pay(one.address, self._coins, self.owner.fee_denom))
        async with self._lock:
            for at in range(0, len(messages), 40):
                part = messages[at : at + 40]
                await self.owner.must(*part, gas=100_000 + 110_000 * len(part))
        for one in made:
            await one.learn()
        self._funded += made
        return made

    async def collect(self) -> None:
        """Takes back what is free, where the money is somebody's."""
        if not self._target.mnemonic:
            return

        async def back(one: Person) -> None:
            usdc = await one.usdc()
            if usdc > 1_000_000:
                await one.commit(one.transfer(self.owner, usdc - 1_000_000), gas=200_000)

        await asyncio.gather(*(back(one) for one in self._funded), return_exceptions=True)
