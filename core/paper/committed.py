"""What queries see of the exchange: the state of the last published block, and the nodes' book."""

from __future__ import annotations

import datetime as dt
from typing import Final

from core.dydx.protocol import Side
from core.paper.book import Book
from core.paper.clearing import SYNTHETIC_MAKER
from core.paper.governance import Governance, Market
from core.paper.happenings import OrderKey, SubaccountKey
from core.paper.margin import Collateral, Margin
from core.paper.settlement import settled
from core.paper.state import (
    Account,
    Authenticator,
    Included,
    State,
    StatefulOrder,
    Subaccount,
)

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Committed:
    """Reads only what was published."""

    def __init__(self, governance: Governance) -> None:
        self.state = State()
        self._books = {market_id: Book() for market_id in governance.markets}
        self._committed_margin = Margin(governance.markets, self.oracle_price, self.open_interest)

    @property
    def height(self) -> int:
        """Height of the last published block."""
        return self.state.header.committed["last"].height

    @property
    def time(self) -> dt.datetime:
        """Time of the last published block."""
        return moment_of(self.state.header.committed["last"].time_us)

    def account(self, address: str) -> Account | None:
        """The committed account of an address."""
        return self.state.accounts.committed.get(address)

    def authenticators(self, address: str) -> list[tuple[int, Authenticator]]:
        """The committed authenticators of an address with their ids, in the order of their text."""
        held = self.state.authenticators.committed.items()
        found = [(number, row) for (owner, number), row in held if owner == address]
        return sorted(found, key=lambda row: str(row[0]))

    def balances(self, address: str) -> dict[str, int]:
        """The committed balances of a wallet by denom, without zeros."""
        return {
            denom: amount
            for (owner, denom), amount in sorted(self.state.balances.committed.items())
            if owner == address and amount
        }

    def balance(self, address: str, denom: str) -> int:
        """The committed balance of a wallet in one denom."""
        return self.state.balances.committed.get((address, denom), 0)

    def subaccount(self, key: SubaccountKey) -> Subaccount:
        """The committed subaccount; empty where nobody ever paid into it."""
        return self.state.subaccounts.committed.get(key, Subaccount())

    def subaccounts(self) -> dict[SubaccountKey, Subaccount]:
        """Every trader's committed subaccount."""
        return {
            key: value
            for key, value in self.state.subaccounts.committed.items()
            if key != SYNTHETIC_MAKER
        }

    def collateral(self, key: SubaccountKey) -> Collateral:
        """Net collateral and requirements of a committed subaccount, its funding settled, at
        committed prices.
        """
        held = settled(self.subaccount(key), self.state.funding.committed)
        return self._committed_margin.collateral(held.subaccount)

    def stateful_order(self, key: OrderKey) -> tuple[StatefulOrder, int] | None:
        """A committed long-term or conditional order and what it has filled; None for TWAP orders,
        whose parts can be asked for.
        """
        held = self.state.stateful.committed.get(key)
        if held is None:
            return None
        fill = self.state.fills.committed.get(key)
        return held, fill.quantums if fill else 0

    def oracle_price(self, market: Market) -> int:
        """The committed integer of a market's oracle price."""
        return self.state.prices.committed[market.market_id]

    def open_interest(self, market: Market) -> int:
        """Quantums held long in a market, committed."""
        return self.state.interest.committed.get(market.id, 0)

    def funding_index(self, market: Market) -> int:
        """The committed funding index of a market, in ppm of quote quantums per base quantum."""
        return self.state.funding.committed.get(market.id, 0)

    def book_levels(self, clob_pair_id: int, side: Side) -> list[tuple[int, int]]:
        """(subticks, quantums) of one side of the nodes' book, best first."""
        return self._books[clob_pair_id].levels(side)

    def transaction(self, identity: str) -> Included | None:
        """A transaction that is in a block."""
        return self.state.transactions.committed.get(identity.upper())

    def included(self) -> list[Included]:
        """The transactions of all published blocks, as far as they are kept, oldest first."""
        return list(self.state.transactions.committed.values())

    def transactions_of(self, height: int) -> list[bytes]:
        """The transactions of a published block, as far as they are kept."""
        found: list[bytes] = []
        for row in reversed(self.state.transactions.committed.values()):
            if row.height < height:
                break
            if row.height == height:
                found.insert(0, row.raw)
        return found

    def time_of(self, height: int) -> dt.datetime | None:
        """Time of a published block, of the last thousand."""
        time_us = self.state.times.committed.get(height)
        return None if time_us is None else moment_of(time_us)


def microseconds(moment: dt.datetime) -> int:
    """Unix microseconds of a time."""
    return int((moment - _EPOCH) / dt.timedelta(microseconds=1))


def moment_of(unix_us: int) -> dt.datetime:
    """The time of unix microseconds."""
    return _EPOCH + dt.timedelta(microseconds=unix_us)
