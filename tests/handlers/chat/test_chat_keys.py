"""Trading keys in the chat: brought along, made from a phrase, taken away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.emulator.screen import Shown
from bot.emulator.user import User
from core.dydx.keys import SigningKey
from core.events import KeyLost
from core.trading.views import DeskError
from handlers.chat.phrases import looks_like_secret
from tests.handlers.chat.chat_world import PHRASE, ChatWorld, chat_world
from tests.handlers.chat.fake_keys import FEE, OWNER

PHRASE_TEXT = " ".join(PHRASE)
SECRET = bytes(range(1, 33))
KEY = "0x" + SECRET.hex()
KEYS_OWN_ADDRESS = SigningKey.from_secret(SECRET).address


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def to_way(world: ChatWorld, user: User, label: str) -> Shown:
    """From /start to where a key or phrase is awaited."""
    ways = await world.tap(user, await world.start(user), "Testnet")
    assert ways is not None
    assert "How do you want to connect on testnet?" in ways.text
    asked = await world.tap(user, ways, label)
    assert asked is not None
    return asked


def everything(world: ChatWorld, user: User) -> str:
    """What is on the screen and what was ever stored of the conversation."""
    return "\n".join([*(one.text for one in user.screen()), *world.conversations.written])


# brought along


@pytest.mark.parametrize(
    "text",
    [
        f"{OWNER} {KEY}",
        f"{KEY}\n{OWNER}",
        f"address: {OWNER}, key: {SECRET.hex().upper()}",
        f"wallet {KEYS_OWN_ADDRESS}\nprivate key {KEY}\nmy account {OWNER}",
    ],
)
async def test_a_trading_key_is_deleted_judged_and_connected(world: ChatWorld, text: str) -> None:
    ann = world.user(1)
    await to_way(world, ann, "1 Trading key")
    shown = await world.say(ann, text)
    assert "Your message is deleted" in shown.text
    assert "The chain lists the key (id 0)" in shown.text
    assert "Cannot: withdraw" in shown.text
    assert "Markets: BTC-USD, ETH-USD, SOL-USD" in shown.text
    await world.tap(ann, shown, "Yes, this one")
    texts = "\n".join(one.text for one in ann.screen())
    assert "The trading key is stored encrypted; it cannot withdraw" in texts
    (account,) = await world.desk.accounts(await world.trader(ann))
    assert account.credential == "trading_key"
    assert SECRET.hex() not in everything(world, ann).lower()


async def test_the_address_may_come_first_and_the_key_after_it(world: ChatWorld) -> None:
    ann = world.user(1)
    await to_way(world, ann, "1 Trading key")
    assert "Now send the private key" in (await world.say(ann, OWNER)).text
    assert "Is this your account?" in (await world.say(ann, KEY)).text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (KEY, "The address of your account is missing"),
        (f"{KEYS_OWN_ADDRESS} {KEY}", "This address belongs to the key itself"),
        (f"{OWNER[:-1]}q {KEY}", "is not complete or has a typing error"),
        (f"{OWNER} {KEY[:-1]}", "what you sent has 63 characters"),
        (f"{OWNER} hello", "I found no private key"),
        (f"{OWNER} 0x{'0' * 64}", "This is no private key"),
        (PHRASE_TEXT, "I found no private key"),
    ],
)
async def test_what_is_no_trading_key_is_refused_without_being_quoted(
    world: ChatWorld, text: str, told: str
) -> None:
    ann = world.user(1)
    await to_way(world, ann, "1 Trading key")
    shown = await world.say(ann, text)
    assert told in shown.text or "Noted" in shown.text
    assert SECRET.hex() not in everything(world, ann).lower()
    assert all(text != one.text for one in ann.screen())


async def test_the_chains_verdict_on_a_key_is_told_and_another_one_awaited(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await to_way(world, ann, "1 Trading key")
    world.desk.verdict = DeskError("key_can_more", "This key can withdraw.")
    shown = await world.say(ann, f"{OWNER} {KEY}")
    assert "⛔ This key can withdraw." in shown.text
    world.desk.verdict = None
    assert "Is this your account?" in (await world.say(ann, f"{OWNER} {KEY}")).text


@pytest.mark.parametrize("text", [KEY, f"my key is {KEY}!", SECRET.hex(), SECRET.hex().upper()])
async def test_a_private_key_that_nobody_asked_for_is_deleted(world: ChatWorld, text: str) -> None:
    ann = world.user(1)
    await world.start(ann)
    shown = await world.say(ann, text)
    assert "looked like a private key" in shown.text
    assert SECRET.hex() not in everything(world, ann).lower()


@pytest.mark.parametrize("text", ["0x12", "buy 0.0150 BTC at 64212", OWNER])
def test_ordinary_texts_are_not_taken_for_keys(text: str) -> None:
    assert not looks_like_secret(text)


async def test_the_ways_are_explained_and_lead_back(world: ChatWorld) -> None:
    ann = world.user(1)
    why = await to_way(world, ann, "What is the difference?")
    assert "A thief could withdraw everything" in why.text
    back = await world.tap(ann, why, "Back")
    assert back is not None
    assert "How do you want to connect" in back.text


# made from a phrase


async def test_a_phrase_used_once_shows_fee_and_wallet_before_anything_is_signed(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await to_way(world, ann, "2 Use phrase once")
    shown = await world.say(ann, PHRASE_TEXT)
    assert "Your message is deleted" in shown.text
    assert "Network fee: 0.0041 USDC; the wallet holds 20 USDC" in shown.text
    assert "these are the 3 most traded of 250" in shown.text
    assert not world.desk.works
    made = await world.tap(ann, shown, "Yes, make the key")
    assert made is not None
    (work,) = world.desk.works.values()
    assert work.message_id == made.id
    for state, done in (("signed", 1), ("included", 2), ("proved", 3), ("erased", 4)):
        world.desk.move_work(work.id, state)
        await world.notify()
        assert next(s for s in ann.screen() if s.id == made.id).text.count("✅") == done
    world.desk.works[work.id] = replace(work, state="erased", account_id=1, tx_hash="AB12" * 16)
    world.desk.move_work(work.id, "done")
    await world.notify()
    told = await world.latest(ann)
    assert "Your trading key works" in told.text
    assert "The key of your phrase is erased" in told.text
    assert "New strategy" in told.labels()


async def test_a_poor_wallet_is_told_what_is_missing_and_looked_at_again(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    world.desk.wallet_usdc = Decimal("0.001")
    await to_way(world, ann, "2 Use phrase once")
    shown = await world.say(ann, PHRASE_TEXT)
    assert "USDC: fee 0.0041, wallet 0.001, missing 0.0031" in shown.text
    assert "DYDX: fee 0.0041, wallet 0, missing 0.0041" in shown.text
    assert OWNER in shown.covered("code")
    assert ann.copy(shown.id, "Copy address") == OWNER
    assert "Yes, make the key" not in shown.labels()
    poor = await world.tap(ann, shown, "Check again")
    assert poor is not None
    assert "missing 0.0031" in poor.text
    world.desk.wallet_usdc = FEE
    rich = await world.tap(ann, poor, "Check again")
    assert rich is not None
    assert "Yes, make the key" in rich.labels()


async def test_other_ways_forget_the_phrase_and_lead_back(world: ChatWorld) -> None:
    ann = world.user(1)
    await to_way(world, ann, "2 Use phrase once")
    shown = await world.say(ann, PHRASE_TEXT)
    back = await world.tap(ann, shown, "Other ways")
    assert back is not None
    assert "How do you want to connect" in back.text
    assert not world.desk.offers


async def test_a_stuck_key_says_why_and_is_tried_again_or_given_up(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    work = world.desk.add_work(me.id, "make", "sealed", None)
    world.desk.works[work.id] = replace(
        work, code="key_refused", text="dYdX refused the key.", authenticator_id=0
    )
    world.desk.move_work(work.id, "stuck")
    await world.notify()
    told = await world.latest(ann)
    assert "dYdX refused the key." in told.text
    assert "stays here, encrypted" in told.text
    listed = await world.say(ann, "/accounts")
    again = await world.tap(ann, listed, "Trading key")
    assert again is not None
    assert "dYdX refused the key." in again.text
    await world.tap(ann, told, "Try again")
    assert world.desk.works[work.id].state == "sealed"
    world.desk.move_work(work.id, "stuck")
    await world.notify()
    sure = await world.tap(ann, await world.latest(ann), "Give up")
    assert sure is not None
    await world.tap(ann, sure, "Erase both keys")
    await world.notify()
    ended = await world.latest(ann)
    assert "Both keys are erased" in ended.text
    assert "a key that nobody has any more" in ended.text
    assert "Remove it with the phrase" in ended.labels()


async def test_a_key_that_the_chain_forgot_is_told_with_the_way_to_a_new_one(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    account = world.desk.add_account(me.id, "testnet", OWNER)
    world.outbox.put(me.id, KeyLost(account.id), world.clock.now())
    await world.notify()
    told = await world.latest(ann)
    assert "does not work any more" in told.text
    asked = await world.tap(ann, told, "Connect a new key")
    assert asked is not None
    assert "Where is the account to connect?" in asked.text


# taken away


async def test_revoked_is_said_only_when_the_chain_lists_the_key_no_more(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    work = world.desk.add_work(me.id, "leave", "cancelling", None, authenticator_id=0)
    world.desk.move_work(work.id, "done", cancelled=3, left=1)
    await world.notify()
    told = await world.latest(ann)
    assert "3 orders cancelled and proved gone" in told.text
    assert "1 order still open that I could not cancel" in told.text
    assert "Revoked" not in told.text
    await world.tap(ann, told, "Is it gone?")
    assert "Not revoked: the chain still lists the key (id 0)" in (await world.latest(ann)).text
    world.desk.listed = False
    await world.tap(ann, told, "Is it gone?")
    assert "Revoked: the chain lists the key (id 0) no more" in (await world.latest(ann)).text


async def test_the_phrase_handed_in_once_more_removes_the_key_and_is_deleted(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await world.start(ann)
    me = await world.trader(ann)
    work = world.desk.add_work(me.id, "leave", "cancelling", None, authenticator_id=7)
    world.desk.move_work(work.id, "done")
    await world.notify()
    await world.tap(ann, await world.latest(ann), "Remove it with the phrase")
    assert "sign once and forget the phrase" in (await world.latest(ann)).text
    assert "another account" in (await world.say(ann, "too short")).text
    shown = await world.say(ann, PHRASE_TEXT)
    assert "Removing the key's permission" in shown.text
    assert world.desk.removal_phrases == 2
    assert "ability able" not in everything(world, ann)
    removal = max(world.desk.works)
    world.desk.move_work(removal, "done")
    await world.notify()
    assert "Revoked: the chain lists the key (id 7) no more" in (await world.latest(ann)).text


async def test_nobody_reaches_anothers_key(world: ChatWorld) -> None:
    from handlers.chat.buttons import KeyButton

    ann, eve = world.user(1), world.user(2, "Eve")
    await world.start(ann)
    me = await world.trader(ann)
    work = world.desk.add_work(me.id, "make", "stuck", None, authenticator_id=0)
    shown = await world.start(eve)
    for action in ("show", "retry", "abandon_yes", "erase", "check", "remove"):
        data = KeyButton(action=action, work_id=work.id).pack()
        await world.forge(eve, shown.id, data)
    assert world.desk.works[work.id].state == "stuck"
    assert OWNER not in everything(world, eve)
