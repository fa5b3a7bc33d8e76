"""A chain in which LINK-USD stands at 7.2, with traders, for tests of stateful orders."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder, MsgPlaceOrder
from v4_proto.dydxprotocol.sending.transfer_pb2 import Transfer
from v4_proto.dydxprotocol.sending.tx_pb2 import MsgCreateTransfer
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.paper.codec import decode, encode
from core.paper.exchange import CheckResult, Exchange
from core.paper.happenings import (
    BlockCommitted,
    Filled,
    OrderOpened,
    OrderRemoved,
    StatefulChanged,
)
from core.paper.orders import order_key
from core.paper.prices import PriceSettings
from core.paper.state import Included
from tests.core.paper.chain_kit import (
    BUY,
    GOVERNANCE,
    GTT,
    IOC,
    LINK,
    NO_LADDER,
    SELL,
    Lab,
    Trader,
    lab,
)

LONG, CONDITIONAL, TWAP, PART = 64, 32, 128, 256
STOP, TAKE = 1, 2
WHOLE = 10**6
"""Subticks of a thousandth of a dollar in LINK-USD, and quantums of one LINK."""


class Town:
    """A chain in which LINK-USD stands at 7.2, with traders A and B."""

    def __init__(self) -> None:
        self.lab: Lab = lab()
        self.lab.exchange.set_price("LINK-USD", Decimal("7.2"))
        self.a = self.lab.funded(1)
        self.b = self.lab.funded(2)
        self.ids = 0
        self.nonces = 0

    @property
    def exchange(self) -> Exchange:
        return self.lab.exchange

    def order(
        self, one: Trader, side: int, size: int, price: str, flags: int = LONG, **more: Any
    ) -> MsgPlaceOrder:
        """An order with the next client id, good for ten minutes or ten blocks."""
        self.ids += 1
        more.setdefault("client_id", self.ids)
        more.setdefault("tif", GTT)
        if flags:
            more.setdefault("good_til_block_time", self.until(600))
        else:
            more.setdefault("gtb", self.lab.gtb)
        trigger = more.pop("trigger", None)
        message = one.order(side, size, price, flags=flags, **more)
        if trigger is not None:
            kind, at = trigger
            message.order.condition_type = kind
            message.order.conditional_order_trigger_subticks = int(Decimal(at) * 10**9)
        return message

    def stop(self, one: Trader, size: int, price: str, at: str, **more: Any) -> MsgPlaceOrder:
        """A reduce-only stop that sells at the market."""
        more = {"tif": IOC, "reduce_only": True, "trigger": (STOP, at)} | more
        return self.order(one, SELL, size, price, CONDITIONAL, **more)

    def cancel(self, message: MsgPlaceOrder, seconds: int = 900) -> MsgCancelOrder:
        order_id = message.order.order_id
        return MsgCancelOrder(order_id=order_id, good_til_block_time=self.until(seconds))

    def until(self, seconds: int) -> int:
        return int(self.exchange.time.timestamp()) + seconds

    def send(self, one: Trader, *messages: Any, **how: Any) -> CheckResult:
        self.nonces += 1
        nonce = int(self.exchange.time.timestamp() * 1000) + self.nonces
        how.setdefault("sequence", nonce)
        return self.lab.send(one, *messages, **how)

    def put(self, one: Trader, message: MsgPlaceOrder) -> MsgPlaceOrder:
        """Place an order and make its block."""
        result = self.send(one, message)
        assert result.code == 0, result.log
        self.lab.block()
        return message

    def deliver(self, result: CheckResult) -> Included:
        self.lab.block()
        found = self.exchange.transaction(result.tx_hash)
        assert found is not None
        return found

    def move(self, price: str) -> None:
        """Move the oracle with the next block."""
        self.exchange.set_price("LINK-USD", Decimal(price))
        self.lab.block()

    def state(self, message: MsgPlaceOrder) -> str:
        found = self.exchange.stateful_order(order_key(message.order.order_id))
        if found is None:
            return "gone"
        return "triggered" if found[0].triggered else "there"

    def held(self, one: Trader) -> int:
        return int(self.lab.position(one))

    def give(self, one: Trader, size: int) -> None:
        """Have a trader hold LINK, bought from or sold to B at the oracle."""
        side, other = (BUY, SELL) if size > 0 else (SELL, BUY)
        self.now(self.b, other, abs(size), "7.2")
        self.now(one, side, abs(size), "7.2", tif=IOC)
        self.lab.block()
        assert self.held(one) == size

    def now(self, one: Trader, side: int, size: int, price: str, **more: Any) -> CheckResult:
        """Place a short-term order."""
        return self.lab.send(one, self.order(one, side, size, price, 0, **more))

    def told(self, message: MsgPlaceOrder) -> list[str]:
        """What was told of an order, in order, by the node's memory (memory:) and by blocks."""
        key = order_key(message.order.order_id)
        rows: list[str] = []
        for happening in self.lab.told:
            if isinstance(happening, OrderOpened) and happening.order.key == key:
                rows.append("memory: OPENED")
            if isinstance(happening, OrderRemoved) and happening.key == key:
                rows.append(f"memory: {happening.status} {happening.reason}")
            if isinstance(happening, BlockCommitted):
                for event in happening.events:
                    if isinstance(event, StatefulChanged) and event.order.key == key:
                        rows.append(f"{event.status} {event.reason or ''}".strip())
                    if isinstance(event, Filled) and event.order and event.order.key == key:
                        price = GOVERNANCE.markets[LINK].scale.price_of(event.subticks).normalize()
                        rows.append(f"FILL {event.quantums // WHOLE} at {price}")
        return rows

    def restart(self) -> None:
        """A new node process over what was stored: everything goes through its stored form."""
        tables = {
            name: {
                decode(encode(key)): decode(encode(value)) for key, value in table.committed.items()
            }
            for name, table in self.exchange.state.tables()
        }
        exchange = Exchange(GOVERNANCE, book=NO_LADDER, prices=PriceSettings(mode="still"))
        exchange.restore(tables)
        self.lab.exchange = exchange
        exchange.subscribe(self.lab.told.append)


def transfer(one: Trader, usdc: int, number: int = 128) -> MsgCreateTransfer:
    return MsgCreateTransfer(
        transfer=Transfer(
            sender=SubaccountId(owner=one.address, number=0),
            recipient=SubaccountId(owner=one.address, number=number),
            asset_id=0,
            amount=usdc * 1_000_000,
        )
    )


Case = Callable[[Town], None]


class Cases(dict[str, Case]):
    """Cases by the sentence that each of them shows."""

    def named(self, name: str) -> Callable[[Case], Case]:
        """Add the decorated function under a sentence."""

        def add(function: Case) -> Case:
            self[name] = function
            return function

        return add


def refused(result: CheckResult | Included) -> tuple[str, int]:
    """Codespace and code of an answer."""
    return result.codespace, result.code
