"""What the steps of the tour know of each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.acceptance.phrase_visitor import fund, new_phrase
from tests.acceptance.tour_house import TourHouse

ADA, BOB, CLEO = 4711, 4712, 4713
BTC, ETH, SOL, LINK = "BTC-USD", "ETH-USD", "SOL-USD", "LINK-USD"


@dataclass
class Tour:
    """Accounts by the tour's own names."""

    house: TourHouse
    addresses: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)

    async def opened(self, name: str, who: int) -> None:
        """A paper account of this trader. One that was made when the process died is taken."""
        house = self.house
        await house.ask(who, "open_paper_account")
        found = await house.ask(who, "accounts")
        (row,) = [one for one in found if one["id"] not in self.accounts.values()][-1:]
        self.accounts[name], self.addresses[name] = row["id"], row["address"]

    async def funded(self, name: str) -> str:
        """The phrase of a new account with money on chain."""
        phrase, address = new_phrase()
        self.addresses[name] = address
        await fund(self.house, address)
        return phrase


Step = Callable[[Tour], Awaitable[None]]
