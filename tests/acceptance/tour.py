"""The tour: every feature once, by a bot that dies wherever it writes or sends for the first time.

Each step asserts on the chain what it leads to, so that an effect that is lost or doubled on the
way is seen at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.acceptance.tour_chat import chat, telegram
from tests.acceptance.tour_keys import keys
from tests.acceptance.tour_kit import ADA, BOB, CLEO, Step, Tour
from tests.acceptance.tour_risk import (
    by_hand,
    funding,
    limits,
    lost,
    panics,
    spoilt,
    strategies,
)
from tests.acceptance.tour_trading import (
    asks,
    cut,
    drifts,
    in_flight,
    plans,
    trades,
    unsent,
    waiting,
    watched,
)


async def people(tour: Tour) -> None:
    """An admin by his link, a newcomer who is let in, one who is turned away; their accounts."""
    house = tour.house
    for who in (ADA, BOB, CLEO):
        house.emulator.user(who, f"Trader {who}").start()
    token = await house.call("admin_link")
    await house.call("use_admin_link", who=ADA, token=token, fine=("link_used",))
    for who, granted in ((BOB, True), (CLEO, False)):
        met = await house.call("meet", who=who)
        await house.ask(
            ADA, "answer_access", trader_id=met["id"], granted=granted, fine=("unknown_trader",)
        )
    for name, who in (("main", ADA), ("second", ADA), ("bob", BOB)):
        await tour.opened(name, who)
    house.settings["ADMIN_IDS"] = str(BOB)
    await house.killed()
    await house.call("meet", who=BOB)
    await house.comes(f"SELECT 1 AS one FROM trader WHERE role = 'admin' AND telegram_id = {BOB}")


async def settings(tour: Tour) -> None:
    """What a trader sets."""
    house, account = tour.house, tour.accounts["main"]
    await house.ask(ADA, "set_mock_when_unreachable", on=False)
    for sharing in (True, False):
        await house.ask(ADA, "set_sharing", account_id=account, sharing=sharing)
    await house.ask(ADA, "set_without_stop_room", account_id=account, choice="watch")
    await house.ask(ADA, "set_zone", text="Europe/Berlin")
    limit: dict[str, Any] = {
        "kind": "account",
        "ref": account,
        "field": "max_order",
        "text": "50000",
    }
    await house.ask(ADA, "change_limit", **limit)


STEPS: tuple[Step, ...] = (
    people,
    settings,
    trades,
    asks,
    waiting,
    plans,
    watched,
    cut,
    in_flight,
    unsent,
    drifts,
    strategies,
    by_hand,
    limits,
    chat,
    telegram,
    funding,
    spoilt,
    lost,
    panics,
    keys,
)


async def whole(tour: Tour, say: Callable[[str], None]) -> None:
    """All steps in their order."""
    house = tour.house
    house.begin()
    for step in STEPS:
        say(f"{step.__name__} ({house.deaths} deaths)")
        await step(tour)
