"""The first two minutes, over the emulated Bot API."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from bot.emulator.screen import Shown
from bot.emulator.user import User
from tests.handlers.chat.chat_world import PHRASE, ChatWorld, chat_world

PHRASE_TEXT = " ".join(PHRASE)


async def to_kept_phrase(world: ChatWorld, user: User) -> Shown:
    """From /start to where the phrase is awaited whose key will be kept."""
    ways = await world.tap(user, await world.start(user), "Testnet")
    assert ways is not None
    asked = await world.tap(user, ways, "3 Keep phrase")
    assert asked is not None
    return asked


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


async def test_paper_takes_one_tap_and_ends_with_a_webhook(world: ChatWorld) -> None:
    world.url_problem = "TradingView cannot reach localhost."
    ann = world.user(1)
    shown = await world.start(ann)
    assert "Where do you want to start" in shown.text
    first = await world.tap(ann, shown, "Paper")
    assert first is not None
    assert "paper account is ready" in first.text
    assert "1,204.11 USDC" in first.text
    secret = await world.latest(ann)
    strategy = (await world.desk.strategies(await world.trader(ann)))[0]
    assert strategy.name == "main"
    assert secret.covered("code")[1] == strategy.webhook_url
    template = json.loads(secret.covered("pre")[0])
    assert template["secret"] == world.desk.secrets[strategy.id]
    assert ann.copy(secret.id, "Copy URL") == strategy.webhook_url
    assert json.loads(ann.copy(secret.id, "Copy message")) == template
    assert "TradingView cannot reach localhost." in secret.text
    assert "no alert from outside yet" in secret.text


async def test_a_second_tap_on_paper_makes_no_second_account(world: ChatWorld) -> None:
    ann = world.user(1)
    shown = await world.start(ann)
    data = shown.button("Paper").data
    assert data is not None
    ann.press(shown.id, data=data, forged=True)
    ann.press(shown.id, data=data, forged=True)
    await world.quiet()
    assert len(await world.desk.accounts(await world.trader(ann))) == 1


async def test_the_message_with_the_phrase_is_deleted_before_the_phrase_is_read(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    asked = await to_kept_phrase(world, ann)
    assert "withdrawing included" in asked.text
    assert "/cancel" in asked.text
    before = len(world.emulator.calls)
    ann.say(PHRASE_TEXT)
    preview = await world.latest(ann)
    after = [call.method for call in world.emulator.calls[before:] if call.method != "getUpdates"]
    assert after[0] == "deleteMessage"
    assert world.desk.journal == ["preview"]
    assert "Your message is deleted" in preview.text
    assert "Equity 1,204.11 USDC · free 1,204.11" in preview.text
    assert "dydx1kvs2" in preview.text
    assert all(PHRASE_TEXT not in one.text for one in ann.screen())
    done = await world.tap(ann, preview, "Yes, this one")
    assert done is not None
    assert "Connected" in done.text
    assert "is ready" in (await world.latest(ann)).text
    account = (await world.desk.accounts(await world.trader(ann)))[0]
    assert account.network == "testnet"


async def test_nothing_of_the_phrase_is_stored_or_logged(
    world: ChatWorld, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    ann = world.user(1)
    await to_kept_phrase(world, ann)
    await world.say(ann, PHRASE_TEXT)
    await world.say(ann, PHRASE_TEXT.replace("abandon", "abandonn"))
    await world.say(ann, "/cancel")
    out, err = capsys.readouterr()
    stored = [*world.conversations.written, repr(world.updates.kinds)]
    kept = "\n".join([*stored, caplog.text, out, err])
    sent = json.dumps([call.parameters for call in world.emulator.calls], default=str)
    for word in PHRASE:
        assert f"{word} " not in kept
    assert "ability able" not in sent


async def test_a_phrase_that_cannot_be_deleted_is_said_so_and_deleted_later(
    world: ChatWorld,
) -> None:
    ann = world.user(1)
    await to_kept_phrase(world, ann)
    world.emulator.faults.fail("deleteMessage", 400, "Bad Request: message can't be deleted")
    shown = await world.say(ann, PHRASE_TEXT)
    assert "I could not delete your message" in shown.text
    assert "Is this your account?" in shown.text
    await world.notify()
    assert all(PHRASE_TEXT not in one.text for one in ann.screen())


async def test_a_wrong_phrase_is_asked_for_again(world: ChatWorld) -> None:
    ann = world.user(1)
    await to_kept_phrase(world, ann)
    shown = await world.say(ann, "too short")
    assert "this had 2" in shown.text
    assert "/cancel" in shown.text
    assert "Is this your account?" in (await world.say(ann, PHRASE_TEXT)).text


async def test_a_preview_lost_by_a_restart_is_asked_for_again(world: ChatWorld) -> None:
    ann = world.user(1)
    await to_kept_phrase(world, ann)
    shown = await world.say(ann, PHRASE_TEXT)
    world.desk.previews.clear()
    await world.tap(ann, shown, "Yes, this one")
    assert "send the phrase again" in (await world.latest(ann)).text
    assert "Is this your account?" in (await world.say(ann, PHRASE_TEXT)).text


async def test_no_forgets_the_key_and_asks_for_another(world: ChatWorld) -> None:
    ann = world.user(1)
    await to_kept_phrase(world, ann)
    shown = await world.say(ann, PHRASE_TEXT)
    again = await world.tap(ann, shown, "No")
    assert again is not None
    assert "Forgotten" in again.text
    assert not world.desk.previews


async def test_cancel_forgets_the_key(world: ChatWorld) -> None:
    ann = world.user(1)
    await to_kept_phrase(world, ann)
    await world.say(ann, PHRASE_TEXT)
    assert "Left" in (await world.say(ann, "/cancel")).text
    assert not world.desk.previews
    assert "Nothing was waiting" in (await world.say(ann, "/cancel")).text


@pytest.mark.parametrize(
    "text",
    [
        PHRASE_TEXT,
        PHRASE_TEXT.title(),
        "\n".join(f"{number}. {word}" for number, word in enumerate(PHRASE, 1)),
        f"/start {PHRASE_TEXT}",
    ],
)
async def test_a_phrase_that_nobody_asked_for_is_deleted(world: ChatWorld, text: str) -> None:
    ann = world.user(1)
    await world.start(ann)
    shown = await world.say(ann, text)
    assert "looked like a secret phrase" in shown.text
    assert all("ability" not in one.text for one in ann.screen())
    assert world.desk.phrases_seen == 0


async def test_ordinary_words_are_not_taken_for_a_phrase(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    shown = await world.say(ann, "I would like to know how to close a position with a button here")
    assert "did not understand" in shown.text


async def test_a_failing_faucet_leaves_the_choice_open(world: ChatWorld) -> None:
    from core.trading.views import DeskError

    ann = world.user(1)
    shown = await world.start(ann)
    await world.trader(ann)
    real = world.desk.open_paper_account

    async def broken(trader: object) -> object:
        raise DeskError("faucet_refused", "The paper faucet gave no money. Nothing was made.")

    world.desk.open_paper_account = broken  # type: ignore[method-assign,assignment]
    again = await world.tap(ann, shown, "Paper")
    assert again is not None
    assert "gave no money" in (await world.latest(ann)).text
    world.desk.open_paper_account = real  # type: ignore[method-assign]
    done = await world.tap(ann, again, "Paper")
    assert done is not None
    assert "is ready" in done.text


# who may come in


async def test_the_admin_link_makes_its_first_visitor_admin(world: ChatWorld) -> None:
    world.desk.signup = "approval"
    world.desk.admin_tokens["tok_EN-1"] = "fresh"
    ann, bob = world.user(1), world.user(2, "Bob")
    await world.start(ann, "admin-tok_EN-1")
    texts = [one.text for one in ann.screen() if one.sender == "bot"]
    assert "You are the admin" in texts[0]
    assert "Where do you want to start" in texts[1]
    shown = await world.start(bob, "admin-tok_EN-1")
    assert "Telegram id: 2" in shown.text
    assert (await world.trader(bob)).role == "pending"


async def test_who_waits_sees_his_id_and_hears_the_answer(world: ChatWorld) -> None:
    world.desk.signup = "approval"
    world.desk.admin_tokens["T"] = "fresh"
    ann, bob, eve = world.user(1), world.user(2, "Bob @evil /start"), world.user(3, "Eve")
    await world.start(ann, "admin-T")
    assert "Telegram id: 2" in (await world.start(bob)).text
    await world.start(eve)
    await world.notify()
    asked = [one for one in ann.screen() if "Telegram id" in one.text]
    assert len(asked) == 2
    assert not asked[0].covered("mention")
    assert not asked[0].covered("bot_command")
    settled = await world.tap(ann, asked[0], "Approve")
    assert settled is not None
    assert "was let in" in settled.text
    await world.tap(ann, asked[1], "Decline")
    await world.notify()
    assert "You were let in" in (await world.latest(bob)).text
    assert "declined" in (await world.latest(eve)).text
    assert "Where do you want to start" in (await world.start(bob)).text
    assert "not open to you" in (await world.start(eve)).text


async def test_an_answer_given_is_not_turned_round_by_an_old_button(world: ChatWorld) -> None:
    world.desk.signup = "approval"
    world.desk.admin_tokens["T"] = "fresh"
    ann, bob = world.user(1), world.user(2, "Bob")
    await world.start(ann, "admin-T")
    await world.start(bob)
    await world.notify()
    asked = await world.latest(ann)
    decline = asked.button("Decline").data
    await world.tap(ann, asked, "Approve")
    assert decline is not None
    await world.forge(ann, asked.id, decline)
    assert (await world.trader(bob)).role == "trader"
    assert ann.answers()[-1].answer == "This was answered already."


async def test_nobody_but_an_admin_lets_people_in(world: ChatWorld) -> None:
    from handlers.chat.buttons import AccessButton

    world.desk.signup = "approval"
    bob = world.user(2, "Bob")
    shown = await world.start(bob)
    me = await world.trader(bob)
    data = AccessButton(asker_id=me.id, granted=True).pack()
    await world.forge(bob, shown.id, data)
    assert (await world.trader(bob)).role == "pending"
    world.desk.signup = "open"
    cal = world.user(3, "Cal")
    shown = await world.start(cal)
    await world.forge(cal, shown.id, data)
    assert (await world.trader(bob)).role == "pending"
    assert "Only an admin" in (await world.say(cal, "/requests")).text


async def test_groups_are_not_answered(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    before = len([call for call in world.emulator.calls if call.method == "sendMessage"])
    world.emulator.raw_update(
        "message",
        {
            "message_id": 7,
            "date": 1,
            "chat": {"id": -100, "type": "group", "title": "g"},
            "from": ann.person.to_api(),
            "text": "/positions",
        },
    )
    await world.quiet()
    after = len([call for call in world.emulator.calls if call.method == "sendMessage"])
    assert after == before
