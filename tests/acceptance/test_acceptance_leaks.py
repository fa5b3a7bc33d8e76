"""A whole life of the bot; everything it wrote is searched for what it must not have written."""

from __future__ import annotations

import base64
import datetime as dt
import json
import secrets
import signal
import sqlite3

import asyncpg
import pytest

from bot.demo.visitor import take_webhook
from bot.emulator.screen import Shown
from core.dydx.keys import PhraseFault, SigningKey, normalise_phrase
from core.ledger.address import PostgresAddress, parse_address
from core.ledger.copies import take_copy
from tests.acceptance.leak_hunt import Hunt, files_below
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
from tests.postgres import in_thread

SIZE = "0.002"
NOT_OURS_TO_HIDE = frozenset({"keys"})
UNEXPECTED = (
    "lane work failed",
    "the answer of an alert could not be read",
    "an alert could not be taken",
    "an alert could not be stored",
    "chat handler failed",
)


@pytest.mark.parametrize(
    "form",
    [
        lambda key: key,
        lambda key: key.hex().encode(),
        lambda key: key.hex().upper().encode(),
        base64.b64encode,
        base64.urlsafe_b64encode,
        lambda key: base64.b64encode(b"x" + key + b"yz"),
        lambda key: base64.urlsafe_b64encode(b"xy" + key + b"z"),
        lambda key: repr(key).encode(),
    ],
)
def test_the_hunt_finds_a_key_in_each_form(form: object) -> None:
    assert callable(form)
    hunt, key = Hunt(), secrets.token_bytes(32)
    hunt.secret("a key", key)
    assert hunt.found_in(b"before " + form(key) + b" after")
    assert not hunt.found_in(b"before " + form(secrets.token_bytes(32)) + b" after")


@pytest.mark.parametrize("between", [" ", ", ", "\n", '", "', "%20", "\\n7. "])
def test_the_hunt_finds_three_words_of_a_phrase_however_they_are_strung(between: str) -> None:
    hunt = Hunt()
    phrase, _ = new_phrase()
    hunt.phrase("a phrase", phrase)
    words = phrase.split()
    assert hunt.found_in(between.join(words[7:10]).upper().encode())
    assert not hunt.found_in(between.join([words[7], "and", words[9]]).encode())


class Life:
    """What a trader and strangers do to a bot from its first start to its end."""

    def __init__(self, house: ProcessHouse, database_url: str) -> None:
        self.house = house
        self.hunt = Hunt()
        self._address = parse_address(database_url)
        key = house.folder / "keys" / "master.key"
        house.settings |= paper_as_testnet(house)
        house.settings |= {
            "MASTER_KEY": "",
            "MASTER_KEY_FILE": str(key),
            "LOG_LEVEL": "debug",
        }
        self._key_file = key
        self.hunt.text("the bot's token", house.emulator.token)
        self.hunt.text("half of the bot's token", house.emulator.token.partition(":")[2])

    async def begin(self) -> None:
        await self.house.start()
        self.hunt.secret("the master key", bytes.fromhex(self._key_file.read_text().strip()))

    async def connect(self, *, mistaken: bool = False) -> None:
        """By phrase; `mistaken`: after all the mistakes that can be made with one."""
        house = self.house
        self.phrase, house.address = new_phrase()
        self.hunt.phrase("the phrase", self.phrase)
        await fund(house, house.address)
        if mistaken:
            await self._say_and_see_it_go(self.phrase)
        await offer_phrase(house)
        preview = await (self._mistaken_phrases() if mistaken else send_phrase(house, self.phrase))
        house.user.press(preview.id, "Yes, this one")
        _, house.url, house.template = await take_webhook(house.user)
        self.secret = json.loads(house.template)["secret"]
        self.hunt.text("the webhook's secret", self.secret)

    async def _mistaken_phrases(self) -> Shown:
        house = self.house
        for name, wrong, told in self._mistakes():
            self.hunt.phrase(name, wrong, valid=False)
            await self._say_and_see_it_go(wrong)
            await house.sees(told)
        await self.search()
        numbered = "\n".join(
            f"{n}. {word.title()}" for n, word in enumerate(self.phrase.split(), 1)
        )
        preview = await send_phrase(house, numbered)
        await self._say_and_see_it_go(self.phrase)
        await self.search()
        return preview

    def _mistakes(self) -> list[tuple[str, str, str]]:
        words = self.phrase.split()
        misspelt = [*words[:4], words[4][::-1] + "qx", *words[5:]]
        return [
            ("a misspelt phrase", " ".join(misspelt), "Word 5 is not in the dictionary"),
            ("a wrong phrase", _wrong_checksum(words), "they are not a phrase"),
            ("a phrase cut short", " ".join(words[:23]), "this has 23"),
        ]

    async def _say_and_see_it_go(self, phrase: str) -> None:
        self.house.user.say(phrase)

        def gone(screen: list[Shown]) -> bool:
            return not any(shown.text == phrase for shown in screen)

        await self.house.user.wait_until(gone, 30)

    async def alerts(self) -> None:
        """Broken ones with the secret in the wrong places, and two that act."""
        house, secret = self.house, self.secret
        good = house.body("buy", ticker="BTC-USD", size=SIZE)
        fields = json.loads(good)
        bodies = [
            good.rstrip(b"}") + b",}",
            good.replace(b'"', "“".encode()),
            good[: len(good) // 2],
            b"secret=" + secret.encode(),
            json.dumps(fields | {"secret": secret[::-1]}).encode(),
            json.dumps({"symbol": secret, "action": "buy"}).encode(),
            json.dumps(fields | {secret: secret}).encode(),
            json.dumps(fields | {"note": secret}).encode(),
            json.dumps(fields | {"symbol": secret}).encode(),
            json.dumps(fields | {"action": secret}).encode(),
            json.dumps(fields | {"size": secret}).encode(),
            json.dumps(fields | {"time": secret}).encode(),
            json.dumps(fields | {"id": secret}).encode(),
            json.dumps(fields | {"take_profit": secret}).encode(),
        ]
        for body in bodies:
            answer = await house.http.post(house.url, content=body)
            assert answer.status_code in (200, 404, 422), answer.text
            self.hunt.assert_nothing_in([("an answer", answer.content)])
        address = f"{house.url}?secret={secret}"
        answer = await house.http.post(address, content=b"{}", headers={"X-Secret": secret})
        assert answer.status_code == 404
        await house.http.get(f"{house.bot_http}/{secret}")
        await house.alert("buy", ticker="ETH-USD", size="0.05")
        await house.sees("ETH-USD", "protected on chain")
        for ticker in ("ETH-USD", "BTC-USD"):
            await house.alert("close", ticker=ticker)
            await house.position_is(ticker, "0")

    async def search(self) -> None:
        """Files, database, log, and all that the bot ever told Telegram."""
        house = self.house
        blobs = files_below(house.folder, but=NOT_OURS_TO_HIDE)
        address = self._address
        if isinstance(address, PostgresAddress):
            blobs.append(("PostgreSQL", in_thread(lambda: _dump(address))))
        self.hunt.assert_nothing_in(blobs)
        known = str(house.user.id).encode()
        assert any(known in blob for _, blob in blobs), "the control found nothing"
        told = [json.dumps(call.to_json(), ensure_ascii=False) for call in house.emulator.calls]
        secret = getattr(self, "secret", None)
        showing = [line for line in told if secret is not None and secret in line]
        self.hunt.assert_nothing_in(
            ("a call", line.encode()) for line in told if line not in showing
        )
        assert len(showing) == (0 if secret is None else 1)

    async def copy(self) -> None:
        """A copy of the ledger, as before a migration."""
        folder = self.house.folder / "copies"
        made = await take_copy(self._address, folder, dt.datetime.now(dt.UTC), "a-test")
        if not isinstance(self._address, PostgresAddress):
            assert made is not None

    async def disconnect(self) -> None:
        house = self.house
        house.user.say("/accounts")
        listed = await house.user.wait_for_text("Accounts", 30)
        button = next(b for row in listed.buttons for b in row if "dydx1" in b.label)
        house.user.press(listed.id, data=button.data)
        shown = await house.sees(house.address)
        house.user.press(shown.id, "Disconnect…")
        await until(lambda: self._press_erase())

    async def _press_erase(self) -> bool:
        for shown in reversed(self.house.user.screen()):
            for row in shown.buttons:
                for button in row:
                    if "rase" in button.label and button.data is not None:
                        self.house.user.press(shown.id, data=button.data)
                        return True
        return False


def _wrong_checksum(words: list[str]) -> str:
    """The same words, two of them swapped so that the checksum does not fit."""
    for i in range(len(words) - 1):
        swapped = [*words[:i], words[i + 1], words[i], *words[i + 2 :]]
        try:
            normalise_phrase(" ".join(swapped))
        except PhraseFault:
            return " ".join(swapped)
    raise AssertionError("every swap was a phrase")


async def _dump(address: PostgresAddress) -> bytes:
    connection = await asyncpg.connect(**address.arguments())
    try:
        names = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        parts = []
        for name in names:
            table = name["tablename"]
            for row in await connection.fetch(f'SELECT t::text AS line FROM "{table}" t'):
                parts.append(row["line"])
            for row in await connection.fetch(f'SELECT * FROM "{table}"'):
                parts.append(repr(dict(row)))
        return "\n".join(parts).encode()
    finally:
        await connection.close()


async def test_nothing_readable_of_any_secret_is_anywhere_after_a_whole_life(
    street_on_both: ProcessHouse, ledger_url: str
) -> None:
    life = Life(street_on_both, ledger_url)
    await life.begin()
    await life.connect(mistaken=True)
    await life.alerts()
    await life.search()
    await street_on_both.running.kill()
    await life.search()
    await street_on_both.start()
    await life.copy()
    await life.search()
    await life.disconnect()
    await street_on_both.sees("erased")
    await life.search()
    street_on_both.running.send(signal.SIGTERM)
    assert await street_on_both.running.ended() == 0
    await life.search()


async def test_a_disconnected_account_leaves_not_even_its_sealed_key_behind(
    street: ProcessHouse, sqlite_ledger_url: str
) -> None:
    """Neither in the file's free pages nor in its write-ahead log."""
    life = Life(street, sqlite_ledger_url)
    await life.begin()
    await life.connect()
    sealed: bytes = rows(street.folder, "SELECT sealed FROM credential")[0]["sealed"]
    key = SigningKey.from_phrase(life.phrase)
    assert key.secret() not in sealed
    here = files_below(street.folder / "ledger")
    assert any(sealed[-32:] in blob for _, blob in here), "the control found nothing"
    await life.disconnect()
    await street.sees("erased")
    await until(lambda: _is_gone(street, sealed[-32:]))


async def _is_gone(house: ProcessHouse, tail: bytes) -> bool:
    return not any(tail in blob for _, blob in files_below(house.folder / "ledger"))


async def test_an_error_that_nobody_expected_writes_no_secret_into_the_log(
    street: ProcessHouse, sqlite_ledger_url: str
) -> None:
    """Tables vanish under the running bot: deep in the work on an alert and on a key."""
    life = Life(street, sqlite_ledger_url)
    await life.begin()
    await life.connect()
    _drop(street, "order_transition")
    await street.alert("buy", ticker="BTC-USD", size=SIZE)
    _drop(street, "order")
    twice = street.body("buy", ticker="ETH-USD")
    for _ in range(2):
        await street.http.post(street.url, content=twice)
    _drop(street, "outgoing_message")
    await street.http.post(street.url, content=street.body("buy")[:-1])
    await street.http.post(street.url, content=street.body("buy"))
    await street.http.post(street.url, content=street.body("buy", size="much"))
    preview = await offer_another(street)
    _drop(street, "credential")
    street.user.press(preview.id, "Yes, this one")
    street.user.say("/accounts")
    for control in UNEXPECTED:
        await _logs(street, control)
    life.hunt.assert_nothing_in([("the log", street.running.stderr.encode())])


async def offer_another(house: ProcessHouse) -> Shown:
    """A second account by its phrase, up to the yes; the question for it."""
    phrase, address = new_phrase()
    await fund(house, address)
    house.user.start()
    welcome = await house.user.wait_for_text("Perpgram is here", 30)
    house.user.press(welcome.id, "Connect another account")
    asked = await house.user.wait_for_text("Where is the account to connect?", 30)
    house.user.press(asked.id, "Testnet")
    ways = await house.user.wait_for_text("How do you want to connect", 30)
    house.user.press(ways.id, "3 Keep phrase")
    await house.user.wait_for_text("Send the secret phrase", 30)
    return await send_phrase(house, phrase)


def _drop(house: ProcessHouse, table: str) -> None:
    ledger = sqlite3.connect(house.folder / "ledger" / "perpgram.db", timeout=10)
    ledger.execute(f'ALTER TABLE "{table}" RENAME TO "gone_{table}"')
    ledger.commit()
    ledger.close()


async def _logs(house: ProcessHouse, event: str) -> None:
    """Waits until the bot has logged an event: else nothing was there to be searched."""
    seen: list[str] = []

    async def logged() -> bool:
        # what stands behind the last line's end is still being written
        whole = house.running.stderr.rpartition("\n")[0].splitlines()
        seen[:] = [json.loads(line)["event"] for line in whole]
        return event in seen

    try:
        await until(logged)
    except AssertionError:
        raise AssertionError(f"no {event!r} among {sorted(set(seen))}") from None
