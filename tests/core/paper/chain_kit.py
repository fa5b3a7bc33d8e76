"""Helpers for tests of the paper network's chain half: traders with keys, an exchange by hand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import coincurve
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.node.builder import Builder, TxOptions, as_any
from dydx_v4_client.wallet import Wallet
from v4_proto.dydxprotocol.clob.order_pb2 import Order, OrderId
from v4_proto.dydxprotocol.clob.tx_pb2 import (
    LeverageEntry,
    MsgBatchCancel,
    MsgCancelOrder,
    MsgPlaceOrder,
    MsgUpdateLeverage,
)
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.paper.book import BookShape
from core.paper.exchange import CheckResult, Exchange
from core.paper.governance import load_governance
from core.paper.happenings import (
    BlockCommitted,
    Filled,
    Happening,
    OrderRemoved,
    SubaccountKey,
)
from core.paper.prices import PriceSettings

GOVERNANCE = load_governance()
CHAIN_ID = "localdydxprotocol"
LINK, SOL, EIGEN = 2, 5, 300
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
NO_LADDER = BookShape(levels=0)
GTT, IOC, POST_ONLY, FOK = 0, 1, 2, 3
BUY, SELL = 1, 2


@dataclass
class Trader:
    """A key, and what it signs. Sizes are LINK units or whatever the market's base is."""

    wallet: Wallet
    number: int = 0

    @property
    def address(self) -> str:
        return str(self.wallet.address)

    @property
    def key(self) -> SubaccountKey:
        return SubaccountKey(self.address, self.number)

    def order_id(self, client_id: int, pair: int = LINK, flags: int = 0) -> OrderId:
        return OrderId(
            subaccount_id=SubaccountId(owner=self.address, number=self.number),
            client_id=client_id,
            order_flags=flags,
            clob_pair_id=pair,
        )

    def order(
        self,
        side: int,
        size: str | int,
        price: str,
        *,
        client_id: int = 1,
        gtb: int = 0,
        tif: int = IOC,
        pair: int = LINK,
        flags: int = 0,
        **more: Any,
    ) -> MsgPlaceOrder:
        scale = GOVERNANCE.markets[pair].scale
        quantums = int(Decimal(size).scaleb(-scale.atomic_resolution))
        exponent = scale.atomic_resolution - scale.quantum_conversion_exponent + 6
        order = Order(
            order_id=self.order_id(client_id, pair, flags),
            side=side,
            quantums=quantums,
            subticks=int(Decimal(price).scaleb(exponent)),
            time_in_force=tif,
            client_metadata=1,
            **more,
        )
        if flags == 0 and "good_til_block_time" not in more:
            order.good_til_block = gtb
        return MsgPlaceOrder(order=order)

    def cancel(self, client_id: int, gtb: int, pair: int = LINK) -> MsgCancelOrder:
        return MsgCancelOrder(order_id=self.order_id(client_id, pair), good_til_block=gtb)

    def batch(self, gtb: int, *batches: Any) -> MsgBatchCancel:
        return MsgBatchCancel(
            subaccount_id=SubaccountId(owner=self.address, number=self.number),
            short_term_cancels=batches,
            good_til_block=gtb,
        )

    def sign(
        self,
        *messages: Any,
        sequence: int = 0,
        chain_id: str = CHAIN_ID,
        account_number: int | None = None,
        fee: Any = None,
        memo: str = "",
        authenticators: Sequence[int] = (),
    ) -> bytes:
        builder = Builder(chain_id, "adv4tnt", memo=memo)
        number = self.wallet.account_number if account_number is None else account_number
        options = TxOptions(list(authenticators), sequence, number)
        tx = builder.build_transaction(
            self.wallet, [as_any(row) for row in messages], fee or builder.fee(1_000_000), options
        )
        return bytes(tx.SerializeToString())


def gas(limit: int = 600_000) -> Any:
    """A fee that pays for so much gas."""
    builder = Builder(CHAIN_ID, "adv4tnt")
    return builder.fee(limit, builder.coin(limit * 25_000_000_000))


def trader(seed: int, number: int = 0) -> Trader:
    """A trader whose key follows from a number."""
    key = KeyPair(coincurve.PrivateKey(seed.to_bytes(32, "big")))
    return Trader(Wallet(key, 0, 0), number)


@dataclass
class Lab:
    """An exchange whose blocks a test makes itself. Prices stand still."""

    exchange: Exchange
    told: list[Happening] = field(default_factory=list)
    now: dt.datetime = NOON

    def block(self) -> BlockCommitted:
        self.now += dt.timedelta(seconds=1)
        commit = self.exchange.commit(self.now)
        self.exchange.publish(commit)
        return commit.block

    def blocks(self, count: int) -> None:
        for _ in range(count):
            self.block()

    def funded(self, seed: int, usdc: int = 20_000, number: int = 0) -> Trader:
        one = trader(seed, number)
        self.exchange.give(one.address, number, usdc * 1_000_000)
        self.block()
        account = self.exchange.account(one.address)
        assert account is not None
        one.wallet.account_number = account.number
        return one

    @property
    def gtb(self) -> int:
        return self.exchange.height + 10

    def send(self, one: Trader, *messages: Any, **how: Any) -> CheckResult:
        return self.exchange.check_tx(one.sign(*messages, **how))

    def place(self, one: Trader, side: int, size: str | int, price: str, **how: Any) -> CheckResult:
        how.setdefault("gtb", self.gtb)
        return self.send(one, one.order(side, size, price, **how))

    def position(self, one: Trader, pair: int = LINK) -> Decimal:
        held = self.exchange.subaccount(one.key).position(pair)
        return GOVERNANCE.markets[pair].scale.size_of(held)

    def fills(self, one: Trader) -> list[Filled]:
        return [
            event
            for happening in self.told
            if isinstance(happening, BlockCommitted)
            for event in happening.events
            if isinstance(event, Filled) and event.subaccount == one.key
        ]

    def removals(self, one: Trader) -> list[OrderRemoved]:
        return [
            row
            for row in self.told
            if isinstance(row, OrderRemoved) and row.key.subaccount == one.key
        ]


def lab(book: BookShape = NO_LADDER) -> Lab:
    """A new chain; without a synthetic maker unless a shape is given."""
    exchange = Exchange(GOVERNANCE, book=book, prices=PriceSettings(mode="still"))
    exchange.genesis(NOON)
    made = Lab(exchange)
    exchange.subscribe(made.told.append)
    return made


def leverage(one: Trader, ppm: int = 500_000, pair: int = LINK) -> MsgUpdateLeverage:
    """A message that needs a sequence and no fee, and does nothing harmful."""
    return MsgUpdateLeverage(
        subaccount_id=SubaccountId(owner=one.address, number=0),
        clob_pair_leverage=[LeverageEntry(clob_pair_id=pair, custom_imf_ppm=ppm)],
    )
