"""kill -9 at any moment: the story goes on, no order twice, no alert and no message lost."""

from __future__ import annotations

import asyncio
import os
import random
from decimal import Decimal
from typing import Any

import pytest

from bot.demo.visitor import take_webhook
from core.signals.identity import body_hash
from tests.acceptance.ledger_look import rows
from tests.acceptance.phrase_visitor import (
    fund,
    new_phrase,
    offer_phrase,
    paper_as_testnet,
    send_phrase,
)
from tests.acceptance.process_house import ProcessHouse
from tests.acceptance.until import until
from tests.failpoint_sites import sites
from tests.key_moments import KEYS

SIGKILLED = -9
TICKER = "BTC-USD"
SIZE = Decimal("0.002")
RISE = Decimal("1.04")
CYCLES = int(os.environ.get("PERPGRAM_CRASH_CYCLES", "12"))
SEED = int(os.environ.get("PERPGRAM_CRASH_SEED", "20"))

STORED = "core.trading.executor.Executor._stored"  # the signed order, no byte left
SENT = "core.trading.sending.Sender.send"  # a node answered, the ledger does not know what
BOOKED = "core.trading.bookkeeper.Bookkeeper.book"  # fills, of which nobody was told
TOLD = "bot.notifier.Notifier._new"  # Telegram took a new message, the outbox does not know

OPENING = (
    "core.trading.intake.AlertDesk._store_alert",  # signal and intent, the alert is not answered
    STORED,
    SENT,
    BOOKED,
    "core.trading.guard.Guard._store",  # the signed order of a plan, no byte left
    f"{SENT} 2",
    f"{SENT} 3",
    TOLD,
)
CLOSING = (
    BOOKED,
    "core.trading.resting.Resting.cancel",  # the wish to cancel an order, no byte left
    "core.trading.sending.Sender.send_cancel",  # a node answered for the cancel
    TOLD,
)
WATCHING = ("core.trading.sentry.Sentry.close", STORED, SENT)
ONBOARDING = (
    "core.trading.connections.AccountDesk.open_paper_account",  # funded, its key not stored
    "core.trading.connections.AccountDesk._store_account",  # its first strategy is not made
)


def test_every_moment_that_a_test_here_dies_at_exists() -> None:
    moments = (*OPENING, *CLOSING, *WATCHING, *ONBOARDING, *KEYS)
    functions = {site.function for site in sites()}
    assert {moment.partition(" ")[0] for moment in moments} <= functions


async def connected(house: ProcessHouse) -> None:
    """A trader with a webhook; the bot that served him is dead."""
    bot = await house.start()
    await house.connect()
    await bot.kill()


async def rise_to_take_profit(house: ProcessHouse) -> None:
    price = (await house.oracle(TICKER)) * RISE // 1
    await house.price(TICKER, str(price))


def closing_messages(house: ProcessHouse) -> list[str]:
    screen = house.user.screen()
    return [one.text for one in screen if "closed: take profit" in one.text and one.reply_to]


async def assert_one_trade(house: ProcessHouse) -> None:
    """By the chain: the alert's size bought once and sold once, and the ledger says the same."""
    assert await house.traded(TICKER, "BUY") == SIZE
    assert await house.traded(TICKER, "SELL") == SIZE
    on_chain = {row["id"] for row in await house.fills()}

    async def ledger_agrees() -> bool:
        return {row["fill_uuid"] for row in rows(house.folder, "SELECT * FROM fill")} == on_chain

    await until(ledger_agrees)


@pytest.mark.parametrize("moment", OPENING)
async def test_an_alert_whose_bot_dies_acts_once_after_the_next_start(
    street: ProcessHouse, moment: str
) -> None:
    street.settings["GOOD_TIL_BLOCKS"] = "20"  # the same bytes must still be good after the start
    await connected(street)
    dying = await street.start(moment)
    body = street.body("buy", ticker=TICKER, size=str(SIZE))
    await street.post_or_lose(body)
    assert await dying.ended() == SIGKILLED
    await street.start()
    assert (await street.post(body))["status"] == "DUPLICATE"
    await street.position_is(TICKER, str(SIZE))
    await street.sees(TICKER, "filled", "protected on chain")
    await street.rests(
        ("STOP_LIMIT", "SELL", str(SIZE)), ("TAKE_PROFIT", "SELL", str(SIZE)), within_s=60
    )
    await rise_to_take_profit(street)
    await street.sees("closed: take profit", reply=True)
    await street.position_is(TICKER, "0")
    await assert_one_trade(street)
    assert len(closing_messages(street)) == 1
    await street.rests()


@pytest.mark.parametrize("moment", CLOSING)
async def test_a_take_profit_whose_bot_dies_closes_once_and_is_told(
    street: ProcessHouse, moment: str
) -> None:
    await connected(street)
    dying = await street.start()
    body = street.body("buy", ticker=TICKER, size=str(SIZE))
    assert (await street.post(body))["http_status"] == 200
    await street.sees("protected on chain")
    street.die_at(moment)
    await rise_to_take_profit(street)
    assert await dying.ended() == SIGKILLED
    before = len(closing_messages(street))
    await street.start()
    await street.position_is(TICKER, "0")
    await street.sees("closed: take profit", reply=True)
    assert (await street.post(body))["status"] == "DUPLICATE"
    await assert_one_trade(street)
    await until(lambda: all_told(street))
    # sent, but not known to be: said again rather than not at all
    assert len(closing_messages(street)) == before + 1
    assert before == 0 or moment == TOLD
    await street.rests()


@pytest.mark.parametrize("moment", WATCHING)
async def test_a_bot_that_dies_closing_what_the_chain_did_not_close_closes_it_once(
    street: ProcessHouse, moment: str
) -> None:
    """The chain's order finds no match; two blocks later the bot closes, and dies over it."""
    await connected(street)
    dying = await street.start()
    body = street.body("buy", ticker=TICKER, size=str(SIZE))
    assert (await street.post(body))["http_status"] == 200
    await street.sees("protected on chain")
    street.die_at(moment)
    await street.control("faults", fill_withheld=True)
    await rise_to_take_profit(street)
    assert await dying.ended() == SIGKILLED
    await street.start()
    await street.control("faults", clear=True)
    await street.position_is(TICKER, "0", within_s=60)
    await street.sees("closed: take profit", reply=True)
    await assert_one_trade(street)
    await street.rests()


async def test_an_alert_that_was_answered_survives_a_kill_right_after_the_answer(
    street: ProcessHouse,
) -> None:
    await connected(street)
    bot = await street.start()
    body = street.body("buy", ticker=TICKER, size=str(SIZE))
    assert (await street.post(body))["http_status"] == 200
    await bot.kill()
    await street.start()
    await street.position_is(TICKER, str(SIZE))
    await street.sees(TICKER, "filled", "protected on chain")
    assert (await street.post(body))["status"] == "DUPLICATE"
    assert await street.traded(TICKER, "BUY") == SIZE


@pytest.mark.parametrize("moment", ONBOARDING)
async def test_who_tapped_paper_when_the_bot_died_gets_a_webhook_after_the_next_start(
    street: ProcessHouse, moment: str
) -> None:
    dying = await street.start(moment)
    street.user.start()
    welcome = await street.user.wait_for_text("Where do you want to start?", 60)
    street.user.press(welcome.id, "Paper")
    assert await dying.ended() == SIGKILLED
    await street.start()
    _, street.url, street.template = await take_webhook(street.user)
    (account,) = rows(street.folder, "SELECT * FROM account WHERE state = 'active'")
    street.address = account["address"]
    await street.alert("buy", ticker=TICKER, size=str(SIZE))
    await street.position_is(TICKER, str(SIZE))


async def test_who_was_about_to_send_a_phrase_when_the_bot_died_is_asked_again(
    street: ProcessHouse,
) -> None:
    """Once before the phrase, once between its preview and the yes."""
    street.settings |= paper_as_testnet(street)
    phrase, address = new_phrase()
    await fund(street, address)
    bot = await street.start()
    await offer_phrase(street)
    await bot.kill()
    bot = await street.start()
    await street.sees("I was restarted", within_s=60)
    preview = await send_phrase(street, phrase)
    await bot.kill()
    await street.start()
    await street.sees("I was restarted", within_s=60)
    street.user.press(preview.id, "Yes, this one")
    again = await send_phrase(street, phrase)
    street.user.press(again.id, "Yes, this one")
    await take_webhook(street.user)
    assert [row["address"] for row in rows(street.folder, "SELECT * FROM account")] == [address]


class Stranger:
    """Sends alerts on several markets all the time, as TradingView: what is lost is sent again."""

    def __init__(self, house: ProcessHouse, dice: random.Random) -> None:
        self._house = house
        self._dice = dice
        self.answered: dict[str, dict[str, Any]] = {}
        self.sent = 0

    async def run(self, sizes: dict[str, str]) -> None:
        """Until it is cancelled."""
        while True:
            ticker = self._dice.choice(list(sizes))
            body = self._house.body("buy", ticker=ticker, size=sizes[ticker])
            self.sent += 1
            for _ in range(4):
                answer = await self._house.post_or_lose(body)
                if answer is not None and answer["http_status"] == 200:
                    self.answered[body_hash(body)] = answer
                    break
                await asyncio.sleep(0.1)
            await asyncio.sleep(self._dice.uniform(0.1, 0.5))


async def test_no_alert_acts_twice_or_gets_lost_in_many_crashes_at_random_moments(
    street: ProcessHouse,
) -> None:
    dice = random.Random(SEED)
    await connected(street)
    stranger = Stranger(street, dice)
    sizes = {"BTC-USD": "0.0002", "ETH-USD": "0.003", "SOL-USD": "0.1", "DOGE-USD": "30"}
    sending = asyncio.create_task(stranger.run(sizes))
    try:
        for _ in range(CYCLES):
            await one_random_crash(street, dice)
        await street.start()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    await until(lambda: all_told(street), 60)
    await assert_books_are_the_chains(street)
    signals = {row["body_hash"]: row for row in rows(street.folder, "SELECT * FROM signal")}
    assert set(stranger.answered) <= set(signals)
    assert {row["state"] for row in signals.values()} <= {"executed", "refused", "missed"}
    executed = [row for row in signals.values() if row["state"] == "executed"]
    assert executed, "the crashes left no alert alive"
    print(f"\n{stranger.sent} alerts, {CYCLES} crashes: {len(executed)} of {len(signals)} executed")


async def one_random_crash(house: ProcessHouse, dice: random.Random) -> None:
    moment = dice.choice(["", *OPENING]).partition(" ")[0]
    bot = await house.start(f"{moment} {dice.randint(1, 4)}" if moment else "")
    try:
        await bot.ended(within_s=dice.uniform(0.1, 1.5))
    except AssertionError:
        await bot.kill()


async def all_told(house: ProcessHouse) -> bool:
    """Every signal came to its end and nothing waits to be sent."""
    open_signals = rows(house.folder, "SELECT id FROM signal WHERE state IN ('stored', 'running')")
    unsent = rows(house.folder, "SELECT id FROM outgoing_message WHERE state <> 'sent'")
    return not open_signals and not unsent


async def assert_books_are_the_chains(house: ProcessHouse) -> None:
    fills = await house.fills()
    booked = rows(house.folder, "SELECT * FROM fill")
    assert {row["id"] for row in fills} == {row["fill_uuid"] for row in booked}
    orders = rows(house.folder, 'SELECT * FROM "order"')
    assert {row["orderId"] for row in fills} <= {row["order_uuid"] for row in orders}
    of_signals = [row["signal_id"] for row in orders if row["intent_id"] is not None]
    assert len(of_signals) == len(set(of_signals)), "an alert made two orders"
    for ticker in {row["ticker"] for row in orders}:
        mine = [row for row in orders if row["ticker"] == ticker]
        filled = sum((Decimal(row["filled_size"]) for row in mine), Decimal(0))
        assert await house.traded(ticker, "BUY") == filled
        assert await house.chain_size(ticker) == filled
        assert all(Decimal(row["filled_size"]) <= Decimal(row["size"]) for row in mine)
        held = rows(
            house.folder,
            "SELECT size FROM position WHERE ticker = ? AND state = 'open'",
            ticker,
        )
        assert sum((Decimal(row["size"]) for row in held), Decimal(0)) == filled
