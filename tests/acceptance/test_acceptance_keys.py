"""Trading keys over the whole house: kill -9 at every step, and no secret left anywhere."""

from __future__ import annotations

import json
from typing import Any

from bot.demo.visitor import take_webhook
from bot.emulator.screen import Shown
from core.clock import SystemRandom
from core.dydx.keys import SigningKey
from tests.acceptance.key_owner import an_owner
from tests.acceptance.leak_hunt import Hunt, files_below
from tests.acceptance.ledger_look import rows
from tests.acceptance.nursery import BotProcess
from tests.acceptance.phrase_visitor import fund, new_phrase, paper_as_testnet
from tests.acceptance.process_house import ProcessHouse
from tests.acceptance.until import until
from tests.key_moments import CANCELLED, ERASED, LEFT, MAKING, REMOVAL

SIGKILLED = -9
WITHIN_S = 90.0


async def to_way(house: ProcessHouse, label: str, asked: str) -> None:
    """From /start to where a key or phrase is awaited on what the bot takes for the testnet."""
    house.user.start()
    welcome = await house.user.wait_for_text("Where do you want to start?", WITHIN_S)
    house.user.press(welcome.id, "Testnet")
    ways = await house.user.wait_for_text("How do you want to connect", WITHIN_S)
    house.user.press(ways.id, label)
    await house.user.wait_for_text(asked, WITHIN_S)


async def dies(house: ProcessHouse, moment: str) -> BotProcess:
    """The bot, which will die at this moment of what it takes up again."""
    house.die_at(moment)
    bot = house.launch()
    assert await bot.ended(WITHIN_S) == SIGKILLED, (moment, bot.stderr[-2000:])
    return bot


def press(house: ProcessHouse, shown: Shown, part: str) -> None:
    button = next(b for row in shown.buttons for b in row if part in b.label)
    house.user.press(shown.id, data=button.data)


def search(house: ProcessHouse, hunt: Hunt) -> None:
    """Files, ledger, logs, and all that the bot ever told Telegram."""
    hunt.assert_nothing_in(files_below(house.folder, but=frozenset({"keys"})))
    told = [json.dumps(call.to_json(), ensure_ascii=False) for call in house.emulator.calls]
    hunt.assert_nothing_in(("a call", line.encode()) for line in told)


def ledger_bytes(house: ProcessHouse) -> bytes:
    return b"".join(blob for _, blob in files_below(house.folder / "ledger"))


def one_row(house: ProcessHouse, query: str) -> dict[str, Any]:
    (row,) = rows(house.folder, query)
    return row


async def test_kill_9_at_every_step_of_making_and_removing_a_key(street: ProcessHouse) -> None:
    phrase, address = new_phrase()
    hunt = Hunt()
    hunt.phrase("the phrase", phrase)
    street.settings |= paper_as_testnet(street) | {"LOG_LEVEL": "debug"}
    await fund(street, address)
    async with an_owner(street, SigningKey.from_phrase(phrase)) as owner:
        bot = await street.start(MAKING[0])
        await to_way(street, "2 Use phrase once", "Send the secret phrase")
        street.user.say(phrase)
        offer = await street.sees("shall I make the key?", within_s=WITHIN_S)
        street.user.press(offer.id, "Yes, make the key")
        assert await bot.ended(WITHIN_S) == SIGKILLED
        sealed: bytes = one_row(street, "SELECT sealed FROM sealed_key WHERE role = 'owner'")[
            "sealed"
        ]
        for moment in MAKING[1:]:
            assert moment == ERASED or sealed[-32:] in ledger_bytes(street)
            await dies(street, moment.partition(" ")[0])
            search(street, hunt)
        await street.start()
        made = await street.sees("Your trading key works", within_s=WITHIN_S)
        assert "cannot" in made.text.lower()
        assert sealed[-32:] not in ledger_bytes(street)
        assert rows(street.folder, "SELECT * FROM sealed_key") == []
        credential = one_row(street, "SELECT kind, authenticator_id FROM credential")
        (listed,) = await owner.listed()
        assert credential == {"kind": "trading_key", "authenticator_id": listed.id}
        search(street, hunt)

        await street.running.kill()
        for client_id in (1, 2):
            await owner.bid(client_id)
        bot = await street.start(CANCELLED)
        street.user.say("/accounts")
        accounts = await street.user.wait_for_text("Accounts", WITHIN_S)
        press(street, accounts, "dydx1")
        shown = await street.sees(address, "cannot withdraw", within_s=WITHIN_S)
        street.user.press(shown.id, "Disconnect…")
        sure = await street.sees("cancels every open order", within_s=WITHIN_S)
        street.user.press(sure.id, "Erase the key and disconnect")
        assert await bot.ended(WITHIN_S) == SIGKILLED
        await dies(street, LEFT)
        bot = await street.start(REMOVAL)
        left = await street.sees("Disconnected", "still lists the key", within_s=WITHIN_S)
        assert "2 orders cancelled and proved gone" in left.text
        assert await living(street, address) == []
        assert rows(street.folder, "SELECT * FROM credential") == []
        street.user.press(left.id, "Remove it with the phrase")
        await street.sees("the chain wants a signature", within_s=WITHIN_S)
        street.user.say(phrase)
        assert await bot.ended(WITHIN_S) == SIGKILLED
        await street.start()
        await street.sees("Revoked: the chain lists the key", within_s=WITHIN_S)
        assert await owner.listed() == ()
    search(street, hunt)


async def living(house: ProcessHouse, address: str) -> list[Any]:
    answer = await house.http.get(
        f"http://127.0.0.1:{house.paper.rest_port}/v4/orders",
        params={"address": address, "subaccountNumber": 0},
    )
    return [row for row in answer.json() if row["status"] in ("OPEN", "UNTRIGGERED")]


async def test_a_trading_key_that_is_brought_along_trades_and_is_found_nowhere(
    street: ProcessHouse,
) -> None:
    phrase, address = new_phrase()
    key = SigningKey.generate(SystemRandom())
    hunt = Hunt()
    hunt.phrase("the phrase", phrase)
    hunt.trading_key("the trading key", key.secret())
    street.settings |= paper_as_testnet(street) | {"LOG_LEVEL": "debug"}
    await fund(street, address)
    pasted = f"{address} 0x{key.secret().hex()}"
    async with an_owner(street, SigningKey.from_phrase(phrase)) as owner:
        await street.start()
        await to_way(street, "1 Trading key", "API Trading Keys")
        street.user.say(pasted)
        await street.sees("The chain does not list this key", within_s=WITHIN_S)
        street.user.say(pasted[:-2])
        await street.sees("has 62 characters", within_s=WITHIN_S)
        await owner.give_key(key, [0])
        search(street, hunt)
        street.user.say(pasted)
        preview = await street.sees("Is this your account?", within_s=WITHIN_S)
        assert "Markets: BTC-USD" in preview.text
        street.user.press(preview.id, "Yes, this one")
        _, street.url, street.template = await take_webhook(street.user)
        street.address = address
        await street.ready()
        assert (await street.alert("buy", ticker="BTC-USD", size="0.002"))["status"] == "ACCEPTED"
        await street.position_is("BTC-USD", "0.002")
        refused = await street.alert("buy", ticker="ETH-USD", size="0.05")
        assert refused["reason"]["code"] == "key_market"
        await street.sees("may not trade ETH-USD", within_s=WITHIN_S)
        await street.alert("close", ticker="BTC-USD")
        await street.position_is("BTC-USD", "0")
        sealed: bytes = one_row(street, "SELECT sealed FROM credential")["sealed"]
        search(street, hunt)
        await street.running.kill()
        await street.start()
        street.user.say(f"oops {pasted}")
        await street.sees("looked like a private key", within_s=WITHIN_S)
        await until(lambda: nothing_of(street, key))
        search(street, hunt)
    assert sealed[-32:] in ledger_bytes(street)


async def nothing_of(house: ProcessHouse, key: SigningKey) -> bool:
    return not any(key.secret().hex() in shown.text for shown in house.user.screen())
