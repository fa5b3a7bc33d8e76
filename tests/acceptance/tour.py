"""The tour: every feature once, by a bot that dies wherever it writes or sends for the first time.

Each step asserts on the chain what it leads to, so that an effect that is lost or doubled on the
way is seen at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal

from core.dydx.keys import SigningKey
from tests.acceptance.key_owner import Owner
from tests.acceptance.phrase_visitor import fund, new_phrase
from tests.acceptance.tour_house import TourHouse

ADA, BOB, CLEO = 4711, 4712, 4713
BTC, ETH, SOL, LINK = "BTC-USD", "ETH-USD", "SOL-USD", "LINK-USD"


@dataclass
class Tour:
    """What the steps know of each other."""

    house: TourHouse
    addresses: dict[str, str] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)
    phrases: dict[str, str] = field(default_factory=dict)
    owners: dict[str, Owner] = field(default_factory=dict)

    async def opened(self, name: str, who: int) -> None:
        """A paper account of this trader."""
        house = self.house
        before = {row["id"] for row in await house.rows("SELECT id FROM account")}
        await house.ask(who, "open_paper_account")
        found = await house.ask(who, "accounts")
        (row,) = [one for one in found if one["id"] not in before][-1:]
        self.accounts[name], self.addresses[name] = row["id"], row["address"]

    async def funded(self, name: str) -> str:
        """A phrase of one's own, with money on chain."""
        phrase, address = new_phrase()
        self.phrases[name], self.addresses[name] = phrase, address
        await fund(self.house, address)
        return phrase

    def owner(self, name: str, node: Owner | None = None) -> SigningKey:
        return SigningKey.from_phrase(self.phrases[name])


Step = Callable[[Tour], Awaitable[None]]


async def people(tour: Tour) -> None:
    """An admin by his link, a newcomer who is let in, one who is turned away."""
    house = tour.house
    token = await house.call("admin_link")
    await house.call("use_admin_link", who=ADA, token=token, fine=("link_used",))
    for who, granted in ((BOB, True), (CLEO, False)):
        met = await house.call("meet", who=who)
        await house.ask(
            ADA, "answer_access", trader_id=met["id"], granted=granted, fine=("unknown_trader",)
        )


async def settings(tour: Tour) -> None:
    house, account = tour.house, tour.accounts["main"]
    await house.ask(ADA, "set_mock_when_unreachable", on=False)
    for sharing in (True, False):
        await house.ask(ADA, "set_sharing", account_id=account, sharing=sharing)
    await house.ask(ADA, "set_without_stop_room", account_id=account, choice="watch")
    await house.ask(ADA, "set_zone", text="Europe/Berlin")
    await house.ask(ADA, "change_limit", kind="account", ref=account, field="max_order", text="50000")


async def trades(tour: Tour) -> None:
    """In, more, less, around, out; resent; a fault; a button."""
    house, address = tour.house, tour.addresses["main"]
    main = await house.strategy(ADA, tour.accounts["main"], "trades")
    await main.holds(address, "buy", BTC, "0.01", size="0.01")
    body = main.body("add", BTC, size="0.005")
    for _ in range(3):
        await house.deliver(main.url, body)
    await house.held(address, BTC, "0.015")
    await main.holds(address, "reduce", BTC, "0.01", size="0.005")
    await main.holds(address, "short", BTC, "-0.004", size="0.004")
    await house.deliver(main.url, b'{"secret": "wrong')
    await main.alert("buy", "NOPEUSD", size="0.1")
    await main.ends("refused")
    row = await house.row(
        f"SELECT id, version FROM position WHERE state = 'open' AND ticker = '{BTC}'"
    )
    await house.ask(
        ADA, "close_position", position_id=row["id"], version=row["version"], fraction="1", key="k1"
    )
    await house.held(address, BTC, "0")


STEPS: tuple[Step, ...] = (people,)


async def whole(tour: Tour, say: Callable[[str], None] = lambda line: None) -> None:
    """All steps in their order."""
    house = tour.house
    house.begin()
    for step in (people, opening, settings, trades):
        say(f"{step.__name__} ({house.deaths} deaths)")
        await step(tour)


async def opening(tour: Tour) -> None:
    await tour.opened("main", ADA)
