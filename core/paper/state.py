"""What the exchange remembers, twice: `working` is the state the next block will have, `committed`
the state of the last published block. Queries read the committed one, as on the real chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from core.paper.happenings import OrderKey, PaperOrder, SubaccountKey

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Account:
    """An account of the chain. `nonces` are the timestamp nonces kept, `ejected` the largest one
    that was dropped from them.
    """

    number: int
    sequence: int = 0
    public_key: bytes | None = None
    nonces: tuple[int, ...] = ()
    ejected: int = 0


@dataclass(frozen=True)
class Subaccount:
    """USDC in quote quantums and signed positions by perpetual id, without zeros. `indices` are the
    funding indices up to which the positions are settled, those other than 0; `leverage` the
    initial margins in ppm that the trader chose, by perpetual id.
    """

    usdc: int = 0
    positions: tuple[tuple[int, int], ...] = ()
    indices: tuple[tuple[int, int], ...] = ()
    leverage: tuple[tuple[int, int], ...] = ()

    def position(self, perpetual_id: int) -> int:
        """Signed quantums held of a perpetual."""
        for held, quantums in self.positions:
            if held == perpetual_id:
                return quantums
        return 0

    def index(self, perpetual_id: int) -> int:
        """The funding index up to which a position is settled."""
        return dict(self.indices).get(perpetual_id, 0)

    def changed(
        self, perpetual_id: int, quantums: int, quote_quantums: int, index: int = 0
    ) -> Subaccount:
        """This subaccount after a position and its USDC moved by these amounts; `index` is the
        funding index that a new position begins with.
        """
        positions = dict(self.positions)
        indices = dict(self.indices)
        if perpetual_id not in positions:
            indices[perpetual_id] = index
        positions[perpetual_id] = positions.get(perpetual_id, 0) + quantums
        kept = tuple(sorted((key, value) for key, value in positions.items() if value))
        settled = tuple((key, indices[key]) for key, _ in kept if indices.get(key))
        return replace(self, usdc=self.usdc + quote_quantums, positions=kept, indices=settled)

    def paid(self, quote_quantums: int) -> Subaccount:
        """This subaccount after its USDC moved."""
        return replace(self, usdc=self.usdc + quote_quantums)


@dataclass(frozen=True)
class OrderFill:
    """What an order id has filled, and the height at whose end the chain forgets it."""

    quantums: int
    forget_at: int


@dataclass(frozen=True)
class Authenticator:
    """What stands beside an account's own key: type and configuration, as it was added."""

    kind: str
    config: bytes


@dataclass(frozen=True)
class StatefulOrder:
    """A long-term or conditional order, or a part of a TWAP order, in the chain's state. Height and
    index say when it was placed, for a triggered one when it was triggered: its time priority.
    """

    order: PaperOrder
    height: int
    index: int
    triggered: bool = False

    @property
    def placed(self) -> bool:
        """Whether it belongs on the book: all but a conditional order that waits."""
        return not self.order.condition_type or self.triggered


@dataclass(frozen=True)
class TwapOrder:
    """A TWAP order in the chain's state: parts still to be placed, and quantums not filled yet."""

    order: PaperOrder
    height: int
    legs: int
    quantums: int


@dataclass(frozen=True)
class Volume:
    """What an owner (or everybody, the owner "") traded, in quote quantums, as taker and maker."""

    taker: int = 0
    maker: int = 0


@dataclass(frozen=True)
class HourVolumes:
    """What was traded in one hour, by owner, and the unix second at which the hour ended."""

    ends_s: int
    owners: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class Epoch:
    """A clock of the chain: the unix second of its next tick, how often it ticked, and the height
    of the block that last did.
    """

    next_tick_s: int
    duration_s: int
    number: int = 0
    start_height: int = 0
    running: bool = False


@dataclass(frozen=True)
class Premiums:
    """Premiums in ppm by perpetual, zeros left out, and how often all were measured."""

    count: int = 0
    values: tuple[tuple[int, tuple[int, ...]], ...] = ()


@dataclass(frozen=True)
class Outage:
    """The first block after the chain stood still."""

    height: int
    time_us: int


@dataclass(frozen=True)
class Included:
    """A transaction in a block, as GetTx shows it."""

    height: int
    time_s: int
    raw: bytes
    codespace: str
    code: int
    log: str
    data: str
    gas_wanted: int
    gas_used: int


@dataclass(frozen=True)
class Header:
    """The last block: height, unix microseconds, and how many accounts were numbered so far."""

    height: int
    time_us: int
    accounts: int


Changes = dict[str, dict[object, object]]


class Table(Generic[K, V]):
    """A mapping with a working and a committed side."""

    def __init__(self) -> None:
        self.working: dict[K, V] = {}
        self.committed: dict[K, V] = {}
        self._touched: set[K] = set()
        self._undo: list[dict[K, tuple[V | None, bool]]] = []

    def get(self, key: K) -> V | None:
        """The working value."""
        return self.working.get(key)

    def put(self, key: K, value: V) -> None:
        """Set the working value."""
        self._remember(key)
        self.working[key] = value
        self._touched.add(key)

    def drop(self, key: K) -> None:
        """Remove the working value."""
        if key in self.working:
            self._remember(key)
            del self.working[key]
            self._touched.add(key)

    def take_changes(self) -> dict[K, V | None]:
        """What changed since the last call, None for removed, and forget that it did."""
        changes = {key: self.working.get(key) for key in self._touched}
        self._touched.clear()
        return changes

    def publish(self, changes: dict[K, V | None]) -> None:
        """Make these changes the committed state."""
        _apply(self.committed, changes)

    def begin(self) -> None:
        """From here on, remember what `undo` would have to restore."""
        self._undo.append({})

    def undo(self) -> None:
        """Go back to the last `begin`; the mapping stays the same object."""
        for key, (value, touched) in self._undo.pop().items():
            if value is None:
                self.working.pop(key, None)
            else:
                self.working[key] = value
            if not touched:
                self._touched.discard(key)

    def keep(self) -> None:
        """Keep what happened since the last `begin`; an earlier one can still undo it."""
        done = self._undo.pop()
        if self._undo:
            for key, before in done.items():
                self._undo[-1].setdefault(key, before)

    def _remember(self, key: K) -> None:
        if self._undo:
            self._undo[-1].setdefault(key, (self.working.get(key), key in self._touched))

    def load(self, rows: dict[K, V]) -> None:
        """Start from saved rows."""
        self.working = dict(rows)
        self.committed = dict(rows)
        self._touched.clear()


def _apply(target: dict[K, V], changes: dict[K, V | None]) -> None:
    for key, value in changes.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value


class State:
    """All tables of the exchange. Balances are by (address, denom); prices by market id; the parts
    of TWAP orders by (due at unix second, key of the part), the value is that second again;
    authenticators by (owner, id), and under `next_ids` the next number of what is numbered;
    `times` are the unix microseconds of the last blocks by height.

    Funding (the index) and interest (quantums held long) are by perpetual id, outages by their
    least length in seconds. `negative` holds the height at which a subaccount below zero was seen,
    by collateral pool; `settled` the funding that was paid in the block being made.
    """

    def __init__(self) -> None:
        self.header: Table[str, Header] = Table()
        self.accounts: Table[str, Account] = Table()
        self.balances: Table[tuple[str, str], int] = Table()
        self.subaccounts: Table[SubaccountKey, Subaccount] = Table()
        self.fills: Table[OrderKey, OrderFill] = Table()
        self.prices: Table[int, int] = Table()
        self.transactions: Table[str, Included] = Table()
        self.authenticators: Table[tuple[str, int], Authenticator] = Table()
        self.next_ids: Table[str, int] = Table()
        self.times: Table[int, int] = Table()
        self.funding: Table[int, int] = Table()
        self.settled: Table[SubaccountKey, tuple[tuple[int, int], ...]] = Table()
        self.interest: Table[int, int] = Table()
        self.premiums: Table[str, Premiums] = Table()
        self.epochs: Table[str, Epoch] = Table()
        self.volumes: Table[str, Volume] = Table()
        self.hours: Table[int, HourVolumes] = Table()
        self.outages: Table[int, Outage] = Table()
        self.negative: Table[str, int] = Table()
        self.stateful: Table[OrderKey, StatefulOrder] = Table()
        self.twaps: Table[OrderKey, TwapOrder] = Table()
        self.twap_parts: Table[tuple[int, OrderKey], int] = Table()
        self.stateful_counts: Table[SubaccountKey, int] = Table()

    def tables(self) -> Iterator[tuple[str, Table[object, object]]]:
        """Every table with its name, in a fixed order."""
        yield from vars(self).items()

    @property
    def height(self) -> int:
        """Height of the last finished block."""
        return self.header.working["last"].height

    def subaccount(self, key: SubaccountKey) -> Subaccount:
        """The working subaccount; an unknown one is empty."""
        return self.subaccounts.get(key) or Subaccount()

    def balance(self, address: str, denom: str) -> int:
        """The working balance of a wallet."""
        return self.balances.get((address, denom)) or 0

    def pay(self, address: str, denom: str, amount: int) -> None:
        """Move a wallet's balance. The caller has checked that it does not become negative."""
        self.balances.put((address, denom), self.balance(address, denom) + amount)

    def know(self, address: str) -> Account:
        """The account of an address, numbered now if it is new."""
        account = self.accounts.get(address)
        if account is None:
            last = self.header.working["last"]
            account = Account(number=last.accounts)
            self.header.put("last", replace(last, accounts=last.accounts + 1))
            self.accounts.put(address, account)
        return account

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what happened inside when it ends with an exception."""
        tables = [table for _, table in self.tables()]
        for table in tables:
            table.begin()
        try:
            yield
        except BaseException:
            for table in tables:
                table.undo()
            raise
        for table in tables:
            table.keep()

    def take_changes(self) -> Changes:
        """What this block changed, by table."""
        return {name: table.take_changes() for name, table in self.tables()}

    def publish(self, changes: Changes) -> None:
        """Make a block's changes the committed state."""
        for name, table in self.tables():
            table.publish(changes[name])
