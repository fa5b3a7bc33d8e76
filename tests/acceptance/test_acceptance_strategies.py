"""Modes, aliases and moving of a strategy, by its trader's taps and alerts from outside."""

from __future__ import annotations

from bot.emulator.screen import Shown
from tests.acceptance.house import House

TICKER = "BTC-USD"
PATIENT_S = 60.0


async def page(house: House, name: str = "main") -> Shown:
    """The strategy's page, anew."""
    house.user.say(f"/strategy {name}")
    before = max(shown.id for shown in house.user.screen())

    def find(screen: list[Shown]) -> Shown | None:
        made = [one for one in screen if one.sender == "bot" and one.id > before]
        return next((one for one in made if one.text.startswith(f"Strategy {name}")), None)

    return await house.user.wait_until(find, 30)


async def mode(house: House, name: str) -> None:
    house.user.press((await page(house)).id, "Mode")
    shown = await house.sees("Mode of main")
    house.user.press(shown.id, name)
    await house.sees("Strategy main", f"\n{name}: ")


async def test_in_ask_mode_an_entry_waits_for_the_tap_and_a_close_does_not(desk: House) -> None:
    await mode(desk, "ask")
    answer = await desk.alert("buy", size="0.01")
    assert answer["status"] == "PENDING"
    card = await desk.sees(TICKER, "waits for your word", "It would buy 0.01 BTC-USD", reply=False)
    assert not await desk.fills()
    data = card.button("Execute").data
    for _ in range(3):
        desk.user.press(card.id, data=data, forged=True)
    await desk.position_is(TICKER, "0.01", PATIENT_S)
    await desk.sees(TICKER, "filled", "protected on chain", reply=False)
    await desk.alert("close")
    await desk.position_is(TICKER, "0", PATIENT_S)
    assert [row["size"] for row in await desk.fills()] == ["0.01", "0.01"]


async def test_an_ignored_entry_is_never_traded(desk: House) -> None:
    await mode(desk, "ask")
    await desk.alert("buy", size="0.01")
    card = await desk.sees(TICKER, "waits for your word", reply=False)
    execute = card.button("Execute").data
    desk.user.press(card.id, "Ignore")
    await desk.sees(TICKER, "ignored by you", reply=False)
    query = desk.user.press(card.id, data=execute, forged=True)
    await desk.user.wait_answer(query)
    await desk.height_past(await desk.height() + 3)
    assert not await desk.fills()


async def test_in_shadow_mode_nothing_is_sent_and_the_card_says_what_would_be(desk: House) -> None:
    await mode(desk, "shadow")
    await desk.alert("sell", size="0.01")
    card = await desk.sees(TICKER, "shadow mode: nothing was sent", "It would sell 0.01 BTC-USD")
    assert not card.labels()
    await desk.height_past(await desk.height() + 3)
    assert not await desk.fills()


async def test_a_paused_strategy_opens_nothing_and_a_restart_leaves_it_paused(desk: House) -> None:
    desk.user.press((await page(desk)).id, "Pause")
    await desk.sees("Strategy main", "paused: ")
    await desk.stop_bot()
    await desk.start_bot()
    answer = await desk.alert("buy", size="0.01")
    await desk.sees("refused: The strategy is paused")
    assert answer["status"] in ("REJECTED", "PENDING")
    assert not await desk.fills()


async def test_an_alias_counts_for_the_next_alert_and_never_for_the_refused_one(
    desk: House,
) -> None:
    await desk.alert("buy", ticker="BTCXUSD", size="0.01")
    refused = await desk.sees("BTCXUSD", "dYdX has no market", reply=True)
    data = refused.button(f"Next time it means {TICKER}").data
    for _ in range(2):
        desk.user.press(refused.id, data=data, forged=True)
    await desk.sees("BTCXUSD", "means BTC-USD from now on")
    await desk.height_past(await desk.height() + 3)
    assert not await desk.fills()
    await desk.alert("buy", ticker="BTCXUSD", size="0.01")
    await desk.position_is(TICKER, "0.01", PATIENT_S)


async def test_a_flat_strategy_moves_with_its_webhook(desk: House) -> None:
    assert desk.process is not None
    counter = desk.process.desk
    await counter.open_paper_account(await counter.trader_of(desk.user.id, "Ada"))
    desk.user.press((await page(desk)).id, "Move")
    where = await desk.sees("Where is main to trade?")
    desk.user.press(where.id, "paper ·")
    asked = await desk.sees("The next alert of main trades here")
    desk.user.press(asked.id, "Move it")
    await desk.sees("main trades here from now on")
    await desk.alert("buy", size="0.01")
    await desk.sees(TICKER, "filled", "protected on chain", within_s=PATIENT_S)
    assert not await desk.fills()
