"""From an alert to a message, over real sockets: HTTP in, gRPC out, websocket back, chat seen."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.acceptance.by_hand import trade_by_hand
from tests.acceptance.house import House
from tests.acceptance.until import until


async def test_an_alert_becomes_a_filled_order_and_a_watched_position(desk_on_both: House) -> None:
    house = desk_on_both
    answer = await house.alert("buy", size="0.01")
    assert (answer["http_status"], answer["side"]) == (200, "BUY")
    assert answer["status"] in ("ACCEPTED", "FILLED")
    await house.position_is("BTC-USD", "0.01")
    card = await house.sees("BTC-USD", "filled", "protected on chain")
    assert "LONG" in card.text
    assert [row["orderId"] for row in await house.fills()] == [answer["order_id"]]


async def test_the_take_profit_closes_the_position_and_the_message_says_what_it_brought(
    desk_on_both: House,
) -> None:
    house = desk_on_both
    before = await house.usdc()
    await house.alert("buy", size="0.01")
    await house.sees("protected on chain")
    await house.price("BTC-USD", str((await house.oracle("BTC-USD")) * Decimal("1.04") // 1))
    closed = await house.sees("closed: take profit", reply=True)
    await house.position_is("BTC-USD", "0")
    gain = await house.usdc() - before
    shown = Decimal(closed.text.split("\n")[1].split(" ")[0].replace("−", "-"))
    assert gain > 0
    assert abs(shown - gain) <= Decimal("0.01")


async def test_the_stop_loss_closes_a_short_when_the_price_rises(desk: House) -> None:
    await desk.alert("sell", ticker="ETH-USD", size="0.2")
    await desk.sees("ETH-USD", "SHORT", "protected on chain")
    await desk.price("ETH-USD", str((await desk.oracle("ETH-USD")) * Decimal("1.03") // 1))
    await desk.sees("closed: stop loss", reply=True)
    await desk.position_is("ETH-USD", "0")


async def test_a_resent_alert_places_no_second_order(desk_on_both: House) -> None:
    house = desk_on_both
    body = house.body("buy", size="0.01")
    first = await house.post(body)
    again = [await house.post(body) for _ in range(3)]
    assert [answer["status"] for answer in again] == ["DUPLICATE"] * 3
    assert {answer["signal_id"] for answer in again} == {first["signal_id"]}
    await house.sees("sent again 3 times; acted once")
    await house.position_is("BTC-USD", "0.01")
    assert sum(Decimal(row["size"]) for row in await house.fills()) == Decimal("0.01")


async def test_alerts_of_one_market_act_in_their_order(desk: House) -> None:
    """A buy and a close right behind it never race: the close finds the position."""
    await desk.alert("buy", size="0.01")
    await desk.alert("close")
    await desk.sees("closed: by an alert", reply=True)
    await desk.position_is("BTC-USD", "0")
    sides = [row["side"] for row in reversed(await desk.fills())]
    assert sides == sorted(sides)


async def test_a_sell_against_a_long_reduces_at_most_to_flat(desk: House) -> None:
    await desk.alert("buy", size="0.01")
    await desk.position_is("BTC-USD", "0.01")
    await desk.alert("sell", size="0.5")
    await desk.position_is("BTC-USD", "0")
    await desk.sees("closed: by an alert", reply=True)


@pytest.mark.parametrize(
    ("action", "fields", "code"),
    [
        ("close", {}, "nothing_to_close"),
        ("buy", {"size": "5"}, "max_position"),
        ("buy", {"size": "0.00001"}, "below_step"),
        ("buy", {"ticker": "NOSUCHUSD", "size": "1"}, "symbol_unknown"),
        ("buy", {"size": "0.01", "type": "limit", "price": 10**22}, "order_impossible"),
        ("buy", {"size": "0.01", "stop_loss": 10_000_000}, "price_not_of_paper"),
    ],
)
async def test_what_is_refused_is_answered_and_told_with_its_reason(
    desk: House, action: str, fields: dict[str, object], code: str
) -> None:
    answer = await desk.alert(action, **fields)
    assert (answer["http_status"], answer["status"]) == (200, "REJECTED")
    assert answer["reason"]["code"] == code
    told = await desk.sees("refused", reply=True)
    assert answer["reason"]["text"].split(".")[0][:40] in told.text.replace("\n", " ")
    assert await desk.fills() == []


async def test_a_stop_on_the_wrong_side_is_refused(desk: House) -> None:
    stop = int(await desk.oracle("BTC-USD") * Decimal("1.05"))
    answer = await desk.alert("buy", size="0.01", stop_loss=stop)
    assert answer["reason"]["code"] == "plan_side"
    assert await desk.fills() == []


async def test_the_close_button_closes_once_however_often_it_is_pressed(desk: House) -> None:
    await desk.alert("buy", size="0.01")
    card = await desk.sees("protected on chain")
    half = next(label for label in card.labels() if label.startswith("½"))
    data = card.button(half).data
    assert data is not None
    for _ in range(3):
        desk.user.press(card.id, data=data, forged=True)
    await desk.position_is("BTC-USD", "0.005")
    await desk.sees("BTC-USD", "open now", "0.0050 BTC")
    assert sum(Decimal(r["size"]) for r in await desk.fills() if r["side"] == "SELL") == Decimal(
        "0.005"
    )


async def test_a_fill_made_by_hand_is_told_and_booked(desk: House) -> None:
    """A trade outside the bot, with the same key: the ledger follows the chain and says so."""
    await desk.alert("buy", size="0.01")
    await desk.sees("protected on chain")
    await trade_by_hand(desk, "BTC-USD", "SELL", Decimal("0.01"))
    await desk.sees("closed: by hand", reply=True)
    await desk.position_is("BTC-USD", "0")


async def test_every_position_in_the_ledger_is_what_the_chain_has(desk: House) -> None:
    for ticker, size in (("BTC-USD", "0.01"), ("ETH-USD", "0.2"), ("SOL-USD", "3")):
        await desk.alert("buy", ticker=ticker, size=size)
    for ticker, size in (("BTC-USD", "0.01"), ("ETH-USD", "0.2"), ("SOL-USD", "3")):
        await desk.position_is(ticker, size)
    desk.user.say("/positions")

    async def all_listed() -> bool:
        text = "\n".join(shown.text for shown in desk.user.screen())
        return all(part in text for part in ("0.0100", "0.200", "3"))

    await until(all_listed)
