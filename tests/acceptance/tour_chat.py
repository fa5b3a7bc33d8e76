"""Steps of the tour: what the chat writes and sends by itself."""

from __future__ import annotations

import asyncio

from tests.acceptance.tour_kit import BOB, Tour
from tests.acceptance.tour_trading import OVER, bare


async def chat(tour: Tour) -> None:
    """What only the chat writes and sends: lists, buttons, words that must not stay."""
    house, user = tour.house, tour.house.user
    faults = house.emulator.faults

    async def look() -> None:
        await through("SOL", "Close…")

    async def adjust() -> None:
        await through("SOL", "Adjust", "Trailing")
        user.say("9%")
        await asyncio.sleep(2)

    async def through(*labels: str) -> None:
        user.say("/positions")
        for label in labels:
            await asyncio.sleep(2)
            press(label)
        await asyncio.sleep(2)

    def press(start: str) -> None:
        """The latest button of this name."""
        for shown in reversed(user.screen()):
            for label in shown.labels():
                if label.startswith(start):
                    user.press(shown.id, label)
                    return

    async def leak() -> None:
        user.say("0x" + "ab" * 32)
        await asyncio.sleep(2)

    async def stumble() -> None:
        faults.fail("deleteMessage", 400, "Bad Request: message cannot be deleted")
        await leak()

    sending = "handlers.chat.sending"
    await house.until_died(look, f"{sending}.say", f"{sending}.edit", f"{sending}.set_keyboard")
    await house.until_died(leak, f"{sending}.delete")
    await house.until_died(adjust, "handlers.chat.storage")
    await house.until_died(stumble, "handlers.chat.deletions")
    faults.clear()


async def telegram(tour: Tour) -> None:
    """Telegram is slow, away, or blocked; a conversation about a secret is cut off."""
    house, user = tour.house, tour.house.user
    faults = house.emulator.faults
    made = await bare(tour, "talks")

    async def refused() -> None:
        await made.alert("buy", "NOPEUSD", size="0.1")
        await made.ends(*OVER)

    async def flooded() -> None:
        faults.flood(1, "sendMessage", times=2)
        await refused()

    async def away() -> None:
        faults.unreachable = True
        for _ in range(10):
            await refused()
        faults.unreachable = False
        await house.comes(
            "SELECT 1 AS one WHERE NOT EXISTS (SELECT 1 FROM outgoing_message WHERE state = 'live')"
        )

    await house.until_died(flooded, "bot.notifier.Notifier._postpone")
    await house.until_died(away, "bot.notifier.Notifier._digest")
    odd = {"where": {"kind": "strategy_silent"}, "kind": "nonsense", "state": "live"}
    await house.call("spoil", model="OutgoingMessage", **odd)
    await house.comes(
        "SELECT 1 AS one FROM outgoing_message WHERE kind = 'nonsense' AND state = 'dead'"
    )

    bob = house.emulator.user(BOB, "Bob")
    bob.start()
    await asyncio.sleep(3)
    bob.block()
    theirs = await house.strategy(BOB, tour.accounts["bob"], "bobs")
    await theirs.alert("buy", "NOPEUSD", size="0.1")
    await house.comes(
        "SELECT 1 AS one FROM outgoing_message WHERE trader_id = "
        f"(SELECT id FROM trader WHERE telegram_id = {BOB}) AND state = 'dead'"
    )
    bob.unblock()
    await house.call("meet", who=BOB)
    await house.comes(f"SELECT 1 AS one FROM trader WHERE telegram_id = {BOB} AND reachable")

    async def half_way() -> None:
        user.start()
        for asked, label in (
            ("Perpgram is here", "Connect another account"),
            ("Where is the account to connect?", "Testnet"),
            ("How do you want to connect", "3 Keep phrase"),
        ):
            shown = await user.wait_for_text(asked, 60)
            user.press(shown.id, label)
        await user.wait_for_text("Send the secret phrase", 60)
        await house.killed()
        await asyncio.sleep(3)

    await house.until_died(half_way, "handlers.chat.resuming")
