"""The money: what fills and funding moved on chain is what the books say, to 0.01 USDC."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tests.sim.chain import TrueFill
from tests.sim.telling import moment

if TYPE_CHECKING:
    from tests.sim.judge import Judge
    from tests.sim.people import Person

CENT: Final = Decimal("0.01")
FUNDING_BOOKED_WITHIN_S: Final = 660.0
"""An account at rest is looked at every ten minutes."""
ZERO: Final = Decimal(0)


class MoneyCheck:
    """`note` is called with every block, `look` when all is calm."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._world = judge.world
        self._paid: dict[tuple[int, str, str], tuple[float, Decimal]] = {}
        self._counted: dict[int, int] = {}

    def note(self) -> None:
        """Remembers when which funding fell due."""
        names = {market.id: ticker for ticker, market in self._world.chain.markets.items()}
        for person in self._world.people:
            rows = self._world.chain.indexer.rows.payments.get(person.key, [])
            known = self._counted.get(person.account_id, 0)
            for row in rows[known:]:
                key = (person.account_id, names[row.market], _second(row.created_at))
                self._paid[key] = (self._world.loop.passed, row.payment)
            self._counted[person.account_id] = len(rows)

    def look(self) -> None:
        for person in self._world.people:
            self._chain(person)
            self._books(person)
            self._funding(person)

    def _moved(self, person: Person) -> Decimal:
        fills = (fill for fill in self._world.chain.fills if fill.key == person.key)
        return sum((cash_of(fill) for fill in fills), ZERO)

    def _chain(self, person: Person) -> None:
        """The chain's own sum: what this judge counts is all there is."""
        chain = self._world.chain
        start = Decimal(chain.deposits[person.key]) / 1_000_000
        expected = start + self._moved(person) + chain.funding[person.key]
        if abs(expected - chain.usdc(person.key)) > CENT:
            name = person.cast.name
            self._judge.blame("chain_money", f"{name}: {chain.usdc(person.key)}, not {expected}")

    def _books(self, person: Person) -> None:
        moved, name = self._moved(person), person.cast.name
        booked = ZERO
        for row in self._rows("fill", person):
            sign = -1 if row["side"] == "BUY" else 1
            booked += sign * Decimal(row["size"]) * Decimal(row["price"]) - Decimal(row["fee"])
        if abs(moved - booked) > CENT:
            self._judge.blame("money", f"{name}: {moved} by the chain's fills, {booked} booked")
        funding = sum((Decimal(row["payment"]) for row in self._rows("funding", person)), ZERO)
        of_positions = ZERO
        for row in self._rows("position", person):
            signed = Decimal(row["size"]) * (1 if row["side"] == "LONG" else -1)
            of_positions += Decimal(row["realized_pnl"]) - Decimal(row["fees"])
            of_positions += Decimal(row["funding"]) - signed * Decimal(row["entry_price"])
        of_shares = ZERO
        for row in self._rows("share", person):
            of_shares += Decimal(row["realized_pnl"]) - Decimal(row["fees"])
            of_shares += Decimal(row["funding"])
            of_shares -= Decimal(row["size"]) * Decimal(row["entry_price"])
        for what, total in (("positions", of_positions), ("shares", of_shares)):
            if abs(moved + funding - total) > CENT:
                self._judge.blame(
                    "money", f"{name}: {moved} and {funding} of funding, {total} by {what}"
                )

    def _funding(self, person: Person) -> None:
        """Each payment is booked once, as it was, in time; and nothing else is."""
        booked = {
            (person.account_id, row["ticker"], _second(moment(row["at"]))): Decimal(row["payment"])
            for row in self._rows("funding", person)
        }
        for key, amount in booked.items():
            paid = self._paid.get(key)
            if paid is None or abs(paid[1] - amount) > CENT / 100:
                self._judge.blame("funding", f"{key[1:]}: {amount} booked, {paid} paid")
        for key, (at, amount) in self._paid.items():
            late = self._world.loop.passed - at > FUNDING_BOOKED_WITHIN_S
            if key[0] == person.account_id and late and key not in booked:
                self._judge.blame("funding", f"{key[1:]}: {amount} paid and not booked")

    def _rows(self, table: str, person: Person) -> list[dict[str, Any]]:
        return self._judge.rows(f"SELECT * FROM {table} WHERE account_id = ?", person.account_id)


def cash_of(fill: TrueFill) -> Decimal:
    """What a fill did to the account's USDC."""
    return (-fill.quote if fill.side == "BUY" else fill.quote) - fill.fee


def _second(at: dt.datetime) -> str:
    return at.isoformat(timespec="milliseconds")
