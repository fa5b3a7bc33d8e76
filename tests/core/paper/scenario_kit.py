"""Plays recorded scenarios of crafted transactions against an exchange in this process.

A scenario is a list of rows in the recorded order: `check` (a broadcast and its answer), `deliver`
(what became of it in its block) and `state` (what was seen afterwards). A script says who sends,
what the recording does not tell, and how to look; the player makes blocks so that each row happens
at its recorded height, crafts the messages from their short form, and compares.
"""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import (
    MsgBatchCancel,
    MsgCancelOrder,
    MsgPlaceOrder,
    OrderBatch,
)
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.clock import SystemClock
from core.paper.exchange import CheckResult
from core.paper.governance import Market
from core.paper.node import Gossip, Node
from core.paper.orders import order_key
from core.paper.state import Included
from tests.core.paper.chain_kit import CHAIN_ID, GOVERNANCE, LINK, Lab, Trader, lab

RECORDING: Final = Path(__file__).parents[2] / "data" / "recordings" / "chain.jsonl.xz"
_LOT_USD: Final = 100
_TIFS: Final = {"GTT": 0, "IOC": 1, "POST": 2, "FOK": 3}
_FLAGS: Final = {"short": 0, "cond": 32, "long": 64, "twap": 128}
_SIDES: Final = {"BUY": 1, "SELL": 2}
_CONDITIONS: Final = {"none": 0, "stop": 1, "take": 2}
_PLACE: Final = re.compile(
    r"place (?P<kind>\w+) (?P<side>[\w-]+) (?P<lots>[\d.e-]+) lots @(?P<price>[+-][\d.]+)% "
    r"(?P<tif>\w+)(?P<reduce> reduce-only)?(?: (?P<condition>\w+) (?P<trigger>[+-][\d.]+)%)?"
    r" (?P<until>gtbt?)(?P<offset>[+-]\d+)s?"
)
_CANCEL: Final = re.compile(r"cancel (?P<kind>short|stateful) gtbt?(?P<offset>[+-]\d+)s?")
_BATCH: Final = re.compile(r"batch cancel \[(?P<sizes>[\d, ]*)\] gtb(?P<offset>[+-]\d+)")


@dataclass(frozen=True)
class Row:
    """One recorded step."""

    step: str
    phase: str
    height: int
    codespace: str | None
    code: Any
    log: str
    messages: tuple[str, ...]
    observed: Any
    info: bool


def _row(raw: dict[str, Any]) -> Row:
    return Row(
        raw["step"],
        raw["phase"],
        raw["height"],
        raw.get("codespace"),
        raw.get("code"),
        raw.get("log", ""),
        tuple(raw.get("messages", ())),
        raw.get("observed"),
        raw.get("info", False),
    )


def recorded_scenarios() -> dict[str, list[Row]]:
    """All recorded scenarios by name, in the recorded order."""
    scenarios: dict[str, list[Row]] = {}
    with lzma.open(RECORDING, "rt") as lines:
        for line in lines:
            raw = json.loads(line)
            scenarios.setdefault(raw["scenario"], []).append(_row(raw))
    return scenarios


SCENARIOS: Final = recorded_scenarios()

Craft = Callable[["Play", Trader, Row], "bytes | list[Any]"]
Look = Callable[["Play"], Any]


@dataclass
class Script:
    """What the recording does not say about a scenario.

    `funds` are traders and their USDC, made in this order, `holds` their positions in lots before
    it begins, `setup` whatever else comes first. `cast` names the sender by step ("T" where it is
    silent), `same_as` the earlier step whose client id a step uses again or cancels, `craft` makes
    the messages or the signed bytes of a step, `change` alters the crafted message, `sign` are
    further arguments of the signature. `look` says how a state is observed, `before` is done before
    a row (before the blocks up to it), `elsewhere` are steps that another test plays.
    """

    pair: int = LINK
    price: str = "7.2"
    funds: Mapping[str, int] = field(default_factory=lambda: {"T": 10_000})
    holds: Mapping[str, float] = field(default_factory=dict)
    setup: Callable[[Play], None] | None = None
    cast: Mapping[str, str] | Callable[[Row], str] = field(default_factory=dict)
    same_as: Mapping[str, str] = field(default_factory=dict)
    craft: Mapping[str, Craft] = field(default_factory=dict)
    change: Mapping[str, Callable[[Any], None]] = field(default_factory=dict)
    look: Mapping[str, Look] = field(default_factory=dict)
    before: Mapping[str, Callable[[Play], None]] = field(default_factory=dict)
    sign: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()


class Play:
    """One scenario while it is played."""

    def __init__(self, name: str, script: Script) -> None:
        self.name = name
        self.script = script
        self.rows = SCENARIOS[name]
        self.lab: Lab = lab()
        self.node = Node(self.lab.exchange, Gossip(), SystemClock(), "recorded")
        self.traders: dict[str, Trader] = {}
        self.market: Market = GOVERNANCE.markets[script.pair]
        self.sent: dict[str, str] = {}
        self.raw: dict[str, bytes] = {}
        self.placed: dict[str, Any] = {}
        self._client_ids: dict[str, int] = {}
        self._nonces = 0
        self.many: list[Any] = []
        self.results: dict[str, CheckResult] = {}
        self.move(script.price)
        self.oracle = Decimal(script.price)
        for name, usdc in script.funds.items():
            self.trader(name, usdc)
        for name, held in script.holds.items():
            self.hold(name, held)
        if script.setup is not None:
            script.setup(self)
        self.base = self.lab.exchange.height - self.rows[0].height

    # -- the world --------------------------------------------------------------------------

    @property
    def lot(self) -> int:
        """Quantums of about 100 USD at the scenario's first price."""
        return self.lot_of(self.market, Decimal(self.script.price))

    def lot_of(self, market: Market, price: Decimal) -> int:
        """Quantums of about 100 USD of a market."""
        scale = market.scale
        size = (_LOT_USD / price / scale.step_size).to_integral_value()
        return max(int(size), 1) * scale.step_base_quantums

    def move(self, price: str | Decimal) -> None:
        """Set the market's oracle price and make the block that takes it over."""
        self.lab.exchange.set_price(self.market.ticker, Decimal(price))
        self.lab.block()

    def set_percent(self, percent: str) -> None:
        """Set the oracle's price for the next block, in per cent from the first one."""
        price = self.oracle * (1 + Decimal(percent) / 100)
        self.lab.exchange.set_price(self.market.ticker, price)

    def trader(self, name: str, usdc: int = 10_000) -> Trader:
        """A funded trader; "T/1" is subaccount 1 of the same owner as "T"."""
        if name not in self.traders:
            owner, _, number = name.partition("/")
            if number:
                made = Trader(self.trader(owner).wallet, int(number))
                if usdc:
                    self.lab.exchange.give(made.address, made.number, usdc * 1_000_000)
                    self.lab.block()
            else:
                made = self.lab.funded(100 + len(self.traders), usdc)
            self.traders[name] = made
        return self.traders[name]

    def hold(self, name: str, lots: float) -> None:
        """Have a trader hold so many lots, bought of (or sold to) another who appears for that."""
        one, other = self.trader(name), self.trader("the other side", 100_000)
        quantums = int(abs(lots) * self.lot)
        subticks = self.subticks(Decimal(0))
        for who, buys, tif in ((other, lots < 0, 0), (one, lots > 0, 1)):
            order = Order(
                order_id=who.order_id(self.next_id(who), self.market.id),
                side=Order.SIDE_BUY if buys else Order.SIDE_SELL,
                quantums=quantums,
                subticks=subticks,
                time_in_force=Order.TimeInForce.ValueType(tif),
                good_til_block=self.lab.gtb,
            )
            assert self.lab.send(who, MsgPlaceOrder(order=order)).code == 0
        self.lab.block()
        assert self.lots(name) == lots

    def lots(self, name: str = "T", market: Market | None = None) -> float:
        """A trader's position in lots."""
        chosen = market or self.market
        held = self.lab.exchange.subaccount(self.traders[name].key).position(chosen.id)
        return held / self.lot

    def state_of(self, step: str) -> str:
        """What a query says of the order of a step: open, triggered, untriggered or gone."""
        order = self.placed[step]
        found = self.lab.exchange.stateful_order(order_key(order.order_id))
        if found is None:
            return "gone"
        if order.order_id.order_flags != 32:
            return "open"
        return "triggered" if found[0].triggered else "untriggered"

    def subticks(self, percent: Decimal) -> int:
        """Subticks on a tick, in per cent from the first oracle price."""
        scale = self.market.scale
        ticks = self.oracle * (1 + percent / 100) / scale.tick_size
        return int(ticks.to_integral_value()) * scale.subticks_per_tick

    # -- playing ----------------------------------------------------------------------------

    def run(self) -> None:
        """Play all rows. Every one of them is compared, but those that only inform."""
        for row in self.rows:
            if row.step in self.script.elsewhere:
                continue
            before = self.script.before.get(row.step)
            if before is not None:
                before(self)
            self.advance(row.height + self.base)
            if row.phase == "check":
                self._check(row)
            elif row.phase == "deliver":
                self._deliver(row)
            elif not row.info or row.step in self.script.look:
                self._state(row)

    def advance(self, height: int) -> None:
        """Make blocks up to a height."""
        while self.lab.exchange.height < height:
            self.lab.block()

    def _check(self, row: Row) -> None:
        one = self._sender(row)
        craft = self.script.craft.get(row.step)
        crafted = craft(self, one, row) if craft else self.build(row, one)
        raw = crafted if isinstance(crafted, bytes) else self.sign(one, crafted, row.step)
        self.raw[row.step] = raw
        result = self.results[row.step] = self.node.submit(raw)
        self.sent[row.step] = result.tx_hash
        self._compare(row, result)

    def _deliver(self, row: Row) -> None:
        for _ in range(3):
            found = self.lab.exchange.transaction(self.sent[row.step])
            if found is not None:
                break
            self.lab.block()
        assert found is not None, f"{self.name}: {row.step} is in no block"
        self._compare(row, found)

    def _compare(self, row: Row, answer: CheckResult | Included) -> None:
        got = (answer.codespace, answer.code, comparable(answer.log, row.log))
        expected = (row.codespace, row.code, masked(row.log))
        assert got == expected, f"{self.name}: {row.step}: {got} instead of {expected}"

    def _state(self, row: Row) -> None:
        step = row.step
        look = self.script.look.get(step)
        if look is None and step in self.placed:
            seen: Any = self.state_of(step)
        else:
            assert look is not None, f"{self.name}: nothing says how to observe {step!r}"
            seen = look(self)
        assert seen == row.observed, f"{self.name}: {step}: {seen} instead of {row.observed}"

    def _sender(self, row: Row) -> Trader:
        cast = self.script.cast
        name = cast(row) if callable(cast) else cast.get(row.step, "T")
        return self.trader(name)

    # -- crafting ---------------------------------------------------------------------------

    def sign(self, one: Trader, messages: list[Any], step: str = "") -> bytes:
        """Sign messages; everything but short-term ones gets a fresh timestamp nonce."""
        how = dict(self.script.sign.get(step, {}))
        if not all(_is_short(message) for message in messages):
            how.setdefault("sequence", self.nonce())
        return one.sign(*messages, **{"chain_id": CHAIN_ID, **how})

    def nonce(self) -> int:
        """A timestamp nonce that was not used yet."""
        self._nonces += 1
        return int(self.lab.exchange.time.timestamp() * 1000) + self._nonces

    def next_id(self, one: Trader) -> int:
        """The next client id of an owner."""
        self._client_ids[one.address] = self._client_ids.get(one.address, 0) + 1
        return self._client_ids[one.address]

    def build(self, row: Row, one: Trader) -> list[Any]:
        """The messages of a row from their short form."""
        messages = [self._message(text, row.step, one) for text in row.messages]
        change = self.script.change.get(row.step)
        if change is not None:
            for message in messages:
                change(message)
        return messages

    def _message(self, text: str, step: str, one: Trader) -> Any:
        earlier = self.placed.get(self.script.same_as.get(step, ""))
        if place := _PLACE.fullmatch(text):
            order = self.order(place, one, earlier)
            self.placed[step] = order
            return MsgPlaceOrder(order=order)
        if cancel := _CANCEL.fullmatch(text):
            return self._cancel(cancel, one, earlier)
        if batch := _BATCH.fullmatch(text):
            sizes = [int(size) for size in batch["sizes"].split(",") if size.strip()]
            return MsgBatchCancel(
                subaccount_id=SubaccountId(owner=one.address, number=one.number),
                short_term_cancels=[
                    OrderBatch(clob_pair_id=self.market.id, client_ids=range(1, 1 + size))
                    for size in sizes
                ],
                good_til_block=max(self.lab.exchange.height + int(batch["offset"]), 0),
            )
        raise AssertionError(f"{self.name}: nothing says how to craft {text!r}")

    def order(self, brief: re.Match[str], one: Trader, earlier: Any = None) -> Any:
        """An order from its short form."""
        kind = brief["kind"]
        flags = _FLAGS[kind] if kind in _FLAGS else int(kind)
        client_id = earlier.order_id.client_id if earlier is not None else self.next_id(one)
        order = Order(
            order_id=one.order_id(client_id, self.market.id, flags),
            side=_number(_SIDES, brief["side"]),
            quantums=int(
                (
                    Decimal(brief["lots"]) * self.lot / self.market.scale.step_base_quantums
                ).to_integral_value()
            )
            * self.market.scale.step_base_quantums,
            subticks=self.subticks(Decimal(brief["price"])),
            time_in_force=_number(_TIFS, brief["tif"]),
            reduce_only=bool(brief["reduce"]),
            client_metadata=2,
        )
        if brief["condition"]:
            order.condition_type = _number(_CONDITIONS, brief["condition"])
            order.conditional_order_trigger_subticks = self.subticks(Decimal(brief["trigger"]))
        if brief["until"] == "gtb":
            order.good_til_block = self._until_block(brief["offset"])
        else:
            order.good_til_block_time = self.until_time(int(brief["offset"]))
        return order

    def until_time(self, offset: int) -> int:
        """Unix second so far from the last block's; 0 where the recording means none."""
        return max(int(self.lab.exchange.time.timestamp()) + offset, 0) if offset > -(10**9) else 0

    def _until_block(self, offset: str) -> int:
        """Height so far from the last block's. Recorded absolute heights far below or above it are
        meant as 0, 1 and the largest number.
        """
        value = int(offset)
        if value > 2**31:
            return 2**32 - 1
        if value < -1_000:
            return value + self._recorded_height
        return self.lab.exchange.height + value

    @property
    def _recorded_height(self) -> int:
        return self.lab.exchange.height - self.base

    def _cancel(self, brief: re.Match[str], one: Trader, earlier: Any) -> Any:
        short = brief["kind"] == "short"
        mine = [
            order
            for order in self.placed.values()
            if _owner(order) == one.key and (not order.order_id.order_flags) is short
        ]
        target = earlier if earlier is not None else (mine[-1] if mine else None)
        order_id = (
            one.order_id(self.next_id(one), self.market.id, 0 if short else 64)
            if target is None
            else target.order_id
        )
        cancel = MsgCancelOrder(order_id=order_id)
        if short:
            cancel.good_til_block = self._until_block(brief["offset"])
        else:
            cancel.good_til_block_time = self.until_time(int(brief["offset"]))
        return cancel


def _owner(order: Any) -> Any:
    return order_key(order.order_id).subaccount


def _number(names: Mapping[str, int], text: str) -> Any:
    return names[text] if text in names else int(text)


def _is_short(message: Any) -> bool:
    if isinstance(message, MsgPlaceOrder):
        return not message.order.order_id.order_flags
    if isinstance(message, MsgCancelOrder):
        return not message.order_id.order_flags
    return isinstance(message, MsgBatchCancel)


def masked(log: str) -> str:
    """A log without what differs from run to run: addresses, pointers, numbers; of a recovered
    panic the first line.
    """
    if log.startswith("recovered: "):
        log = log.partition("\n")[0]
    log = re.sub(r"fee payer address: .* does", "fee payer address: <raw> does", log, flags=re.S)
    log = re.sub(r"dydx1[0-9a-z]{38}", "<address>", log)
    log = re.sub(r"0x[0-9a-f]+", "<pointer>", log)
    # Go's protobuf picks a plain or a non-breaking space at random when it is built.
    return re.sub(r"\d+(\.\d+)?", "#", log.replace("\xa0", " "))


def comparable(log: str, recorded: str) -> str:
    """Our log in the form of a recorded one, which ends after 400 characters."""
    ours, theirs = masked(log), masked(recorded)
    if len(recorded) < 400:
        return ours
    head = theirs[:-24]
    return theirs if ours.startswith(head) else ours


def lots(name: str = "T") -> Look:
    """Looks at a trader's position in lots."""
    return lambda play: play.lots(name)


def state_of(step: str) -> Look:
    """Looks at the state of the order that a step placed."""
    return lambda play: play.state_of(step)


def percent(value: str) -> Callable[[Play], None]:
    """Moves the oracle's price, in per cent from the first one."""
    return lambda play: play.set_percent(value)


def again(step: str) -> Craft:
    """Sends the bytes of an earlier step again."""
    return lambda play, one, row: play.raw[step]
