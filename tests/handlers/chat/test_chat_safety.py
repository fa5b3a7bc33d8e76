"""Forged buttons, other people's rows, hostile names, floods."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, get_args
from uuid import UUID

import pytest
from aiogram.filters.callback_data import CallbackData
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.emulator.text import formatted
from core.trading.views import (
    AccountView,
    Holding,
    IntentView,
    LastAlert,
    OpenOrderView,
    OrderView,
    PositionView,
    SignalView,
    StrategyView,
    TraderView,
)
from handlers.chat import buttons
from handlers.chat.buttons import (
    AccessButton,
    AccountButton,
    AliasButton,
    FieldButton,
    MenuButton,
    ModeButton,
    MoveButton,
    NetworkButton,
    PlanAnswer,
    PlanButton,
    PositionButton,
    PresetButton,
    PreviewButton,
    SecretButton,
    SignalButton,
    StrategyAction,
    StrategyButton,
    StrategyField,
    UnaliasButton,
)
from handlers.chat.texts import (
    admin,
    events,
    external,
    network,
    plans,
    positions,
    strategies,
    strategy_aliases,
    strategy_modes,
    strategy_moving,
    strategy_values,
)
from handlers.chat.texts.orders import confirm_cancel, order_list
from handlers.chat.texts.screen import Screen
from handlers.chat.texts.signals import card
from handlers.chat.texts.strategy_aliases import mark_of
from tests.handlers.chat.chat_world import PHRASE, ChatWorld, chat_world
from tests.handlers.chat.fake_desk import FakeDesk


@pytest.fixture
async def world() -> AsyncIterator[ChatWorld]:
    async with chat_world() as made:
        yield made


def belongings(desk: FakeDesk, trader_id: int) -> Any:
    """Everything in the desk that is a trader's own, or was done to it."""
    return copy.deepcopy(
        (
            [row for row in desk.account_rows.values() if row[0] == trader_id],
            [row for row in desk.strategy_rows.values() if row[0] == trader_id],
            [one for one in desk.position_rows.values() if one.trader_id == trader_id],
            desk.previews,
            desk.secrets,
            desk.closes,
            desk.plans,
            desk.tests_sent,
            desk.executed,
            [one for one in desk.signal_rows.values() if one.trader_id == trader_id],
            desk.mocking,
            desk.traders[trader_id],
        )
    )


def all_buttons(
    strategy_id: int, account_id: int, position: PositionView, signal_id: UUID
) -> list[str]:
    """Each button that the chat ever makes for these rows."""
    made = [
        buttons.CancelButton(),
        PreviewButton(yes=True),
        PreviewButton(yes=False),
        NetworkButton(network="mainnet"),
        SecretButton(strategy_id=strategy_id),
        AccessButton(asker_id=1, granted=False),
        AccessButton(asker_id=2, granted=True),
    ]
    for what in ("positions", "strategies", "accounts", "status", "connect"):
        made.append(MenuButton.model_validate({"what": what}))
    for action in (
        "show", "strategy", "disconnect", "erase", "settings", "share", "share_not", "room_watch",
    ):  # fmt: skip
        made.append(AccountButton.model_validate({"action": action, "account_id": account_id}))
    for action in get_args(StrategyAction):
        made.append(
            StrategyButton.model_validate(
                {"action": action, "strategy_id": strategy_id, "nonce": 7}
            )
        )
    for name in get_args(StrategyField):
        for empty in (True, False):
            data = {"field": name, "strategy_id": strategy_id, "empty": empty}
            made.append(FieldButton.model_validate(data))
    for mode in ("live", "ask", "shadow", "paused"):
        made.append(ModeButton.model_validate({"mode": mode, "strategy_id": strategy_id}))
    made.append(PresetButton(preset="okx", strategy_id=strategy_id))
    for sure in (True, False):
        made.append(MoveButton(strategy_id=strategy_id, account_id=account_id, sure=sure))
    made.append(UnaliasButton(strategy_id=strategy_id, mark=mark_of("FOO")))
    made.append(AliasButton(signal_id=signal_id, choice=0))
    made.append(SignalButton(do="execute", signal_id=signal_id))
    made.append(SignalButton(do="ignore", signal_id=signal_id))
    made.append(SignalButton(do="show", signal_id=signal_id))
    for action in ("show", "close", "close_yes", "half", "adjust"):
        for under_card in (True, False):
            made.append(
                PositionButton.model_validate(
                    {
                        "action": action,
                        "position_id": position.id,
                        "version": position.version,
                        "nonce": 7,
                        "card": under_card,
                    }
                )
            )
    for what in ("stop", "target", "new", "trail", "even", "entry", "again"):
        target_id = position.targets[0].id if what == "target" else 0
        made.append(
            PlanButton.model_validate(
                {
                    "what": what,
                    "position_id": position.id,
                    "version": position.version,
                    "target_id": target_id,
                }
            )
        )
    made += [PlanAnswer(answer="none"), PlanAnswer(answer="save")]
    return [one.pack() for one in made]


async def test_no_button_of_one_trader_does_anything_in_the_hands_of_another(
    world: ChatWorld,
) -> None:
    ann, bob = world.user(1), world.user(2, "Bob")
    await world.tap(ann, await world.start(ann), "Paper")
    me = await world.trader(ann)
    strategy = (await world.desk.strategies(me))[0]
    account = (await world.desk.accounts(me))[0]
    position = world.desk.open_position(me)
    shown = await world.start(bob)
    assert (await world.trader(bob)).role == "trader"
    told = len(ann.screen())
    _, view = world.desk.strategy_rows[strategy.id]
    world.desk.strategy_rows[strategy.id] = (me.id, replace(view, aliases=(("FOO", "BTC-USD"),)))
    signal = world.desk.add_signal(
        me, strategy, "asking", reason_code="symbol_unknown", nearest=("BTC-USD",)
    )
    before = belongings(world.desk, me.id)
    for data in all_buttons(strategy.id, account.id, position, signal.id):
        await world.forge(bob, shown.id, data)
        world.clock.move(1)
        await world.say(bob, "5")
        world.clock.move(1)
    assert belongings(world.desk, me.id) == before
    assert len(ann.screen()) == told
    seen = "\n".join(one.text for one in bob.history())
    assert "64,212" not in seen
    assert account.address not in seen
    assert strategy.webhook_url not in seen


async def test_every_forged_press_is_answered(world: ChatWorld) -> None:
    ann = world.user(1)
    shown = await world.start(ann)
    for data in (
        "x",
        "po:close_yes:1:1:1:1",
        "po:close_yes:99999999999999999999:1:1:0",
        "po:close_yes:-1:1:1:0",
        "st:delete_yes:１:1",
        "st:show::",
        "pn:save",
        "nw:mainnet",
        "\x00\x00",
        ":" * 30,
        "🧨" * 16,
    ):
        query = ann.press(shown.id, data=data, forged=True)
        await ann.wait_answer(query)
        world.clock.move(1)
    await world.quiet()
    assert set(world.updates.states.values()) == {"done"}


def test_no_two_kinds_of_button_have_one_prefix() -> None:
    prefixes = [kind.__prefix__ for kind in CallbackData.__subclasses__()]
    assert len(set(prefixes)) == len(prefixes)


@given(st.text(max_size=64))
def test_no_bytes_in_a_button_break_its_reading(data: str) -> None:
    for kind in (
        buttons.CancelButton,
        NetworkButton,
        PreviewButton,
        MenuButton,
        AccountButton,
        StrategyButton,
        FieldButton,
        SecretButton,
        PositionButton,
        PlanButton,
        PlanAnswer,
        AccessButton,
        ModeButton,
        PresetButton,
        MoveButton,
        UnaliasButton,
        AliasButton,
        SignalButton,
    ):
        try:
            kind.unpack(data)
        except (TypeError, ValueError):
            continue


@given(
    st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.integers(0, 2**31 - 1), st.booleans()
)
def test_the_longest_button_fits_into_64_bytes(
    position_id: int, version: int, nonce: int, under_card: bool
) -> None:
    made = PositionButton(
        action="close_yes", position_id=position_id, version=version, nonce=nonce, card=under_card
    )
    assert PositionButton.unpack(made.pack()) == made
    strategy = StrategyButton(action="delete_yes", strategy_id=position_id, nonce=nonce)
    assert StrategyButton.unpack(strategy.pack()) == strategy


# words of others

NOW = dt.datetime(2026, 5, 4, 9, 41, tzinfo=dt.UTC)
OURS = {"bold", "code", "pre", "date_time"}
OUR_COMMANDS = {"/cancel", "/positions", "/strategies", "/help", "/start", "/strategy", "/requests"}
HOSTILE = [
    "@someone",
    "/delete_everything",
    "https://evil.example/a?b=c",
    "evil.example.com",
    "#tag $BTC",
    "<b>bold</b> *x* _y_ [z](tg://user?id=1)",
    "a\nb\r\nc\u2028d",
    "\u202eright to left\u202c",
    "🧨" * 40,
    "\u0000\u0007",
    "",
    " ",
    "x" * 5000,
]


def hostile_screens(words: str) -> list[Screen]:
    """Each screen that shows somebody's words, with these."""
    account = AccountView(
        1, "testnet", "dydx1kvs2jpgq0j8ka8kfwsezwh5a8ywtl8yj7xytr5", 0, None, None
    )
    strategy = StrategyView(
        1, words, "active", account, "http://localhost:8080/api/webhooks/signal/x",
        None, None, None, None, (words, words), 100, 60, None,
        aliases=((words, words),), last_alert=LastAlert(NOW, words, words, words, words),
        holdings=(Holding(words, "LONG", Decimal(1)),),
    )  # fmt: skip
    order = OrderView(
        1, "entry", "limit", words, "BUY", Decimal(1), Decimal(1), None, Decimal(1), False,
        "refused", 7, words, words, 1, None, Decimal(0), None, None, NOW, NOW, NOW,
    )  # fmt: skip
    position = PositionView(
        1, 1, 1, "testnet", 1, None, words, "LONG", "open", True, Decimal(1), Decimal(1),
        Decimal(1), None, Decimal(1), Decimal(1), Decimal(0), Decimal(0), words, NOW, None,
        None, None, False, False, Decimal("0.1"), Decimal("0.1"),
    )  # fmt: skip
    signal = SignalView(
        __import__("uuid").UUID(int=1), 1, "testnet", words, NOW, "refused", words, words, "x",
        words, 2, (order,), None,
    )  # fmt: skip
    unlisted = replace(signal, orders=(), reason_code="symbol_unknown", nearest=(words, words))
    person = TraderView(1, 1, words, "pending")
    unreadable: dict[str, Any] = {
        "strategy_id": 1, "code": "x", "text": words, "cure": words, "line": 1, "column": 2,
        "field": words, "excerpt": words, "count": 3,
    }  # fmt: skip
    intent = IntentView(1, 1, "testnet", "button", "close", words, 1, "refused", "x", words)
    return [
        card(signal, 1),
        card(replace(signal, state="missed", position=position), 1),
        events.signal_refused(signal),
        events.signal_missed(signal, position, 1),
        events.signal_missed(signal, None, 1),
        events.order_unknown(order, "testnet"),
        events.order_unfilled(order, None),
        external.position_by_hand(position, "-1", None),
        events.protection_failing(position, 3, 1),
        events.intent_refused(intent),
        order_list([OpenOrderView(order, "testnet", 1, False, False)], [], [], NOW),
        confirm_cancel(OpenOrderView(order, "testnet", 1, True, True)),
        events.alert_unreadable(strategy, unreadable),
        events.access_asked(person),
        events.access_settled(person),
        events.mismatch_found(account, {"ticker": words, "chain_size": "1", "ledger_size": "2"}),
        network.news_missing(account, {"since": NOW.isoformat()}),
        network.news_back(None, {"since": NOW.isoformat()}),
        network.account_standing(account, {"standing": words}),
        network.operator_notice(
            {"network": words, "what": words, "accounts": 1, "since": NOW.isoformat()}
        ),
        admin.requests([person] * 12),
        strategies.strategy_screen(strategy, 1, None),
        strategies.strategy_list([strategy] * 30, has_account=True),
        strategies.strategy_silent(strategy, {"hours": 24}),
        strategy_values.value_refused(words, "size", 1),
        strategy_values.edit_menu(strategy),
        strategy_modes.mode_screen(strategy),
        strategy_modes.alerts_screen(replace(strategy, preset=words)),
        strategy_modes.template_screen(strategy, "{}", None),
        strategy_aliases.alias_list(strategy),
        strategy_aliases.alias_made(strategy, words, words),
        strategy_moving.ask_account(strategy, [replace(account, id=2)]),
        strategy_moving.confirm_move(strategy, account),
        card(replace(unlisted, state="asking", asked_until=NOW), 1),
        card(replace(unlisted, state="shadow"), 1),
        card(replace(unlisted, state="mock"), 1),
        card(unlisted, 1),
        events.signal_refused(unlisted),
        events.signal_asks(replace(unlisted, state="asking")),
        events.signal_mocked(replace(unlisted, state="mock")),
        positions.position_list([position] * 30, [account], NOW),
        positions.position_screen(position, NOW, 1),
        plans.plan_menu(position),
        plans.ask_part(position, "trail"),
        plans.confirm_part(position, "stop 1", warns=True),
        plans.stop_removed(position, 2),
        plans.protection_missing(position),
        plans.protection_missing(position, watched=True),
    ]


def check(screen: Screen) -> None:
    """Telegram takes it, and finds nothing in it that we did not mean."""
    kwargs = screen.kwargs()
    entities = [one.model_dump(exclude_none=True) for one in kwargs["entities"]]
    text, stored = formatted(kwargs["text"], "", entities)
    units = len(text.encode("utf-16-le")) // 2
    assert 0 < units <= 4096
    for entity in stored:
        raw = text.encode("utf-16-le")
        start, end = entity["offset"] * 2, (entity["offset"] + entity["length"]) * 2
        covered = raw[start:end].decode("utf-16-le")
        if entity["type"] == "bot_command":
            assert covered in OUR_COMMANDS
        else:
            assert entity["type"] in OURS, covered
    if screen.keyboard is not None:
        for row in screen.keyboard.inline_keyboard:
            assert all(one.text.strip() and "\n" not in one.text for one in row)


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_make_no_entity(words: str) -> None:
    for screen in hostile_screens(words):
        check(screen)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_no_words_make_an_entity(words: str) -> None:
    for screen in hostile_screens(words):
        check(screen)


async def test_a_flood_is_skipped_and_said_once_but_phrases_still_go(world: ChatWorld) -> None:
    ann = world.user(1)
    await world.start(ann)
    world.clock.move(60)
    sleep = world.clock.sleep

    async def standing(seconds: float) -> None:  # time stands still, so no allowance grows
        return None

    world.clock.sleep = standing  # type: ignore[method-assign]
    for _ in range(40):
        ann.say("hello")
    ann.say(" ".join(PHRASE))
    await world.quiet()
    world.clock.sleep = sleep  # type: ignore[method-assign]
    texts = [one.text for one in ann.screen() if one.sender == "bot"]
    assert len([text for text in texts if "did not understand" in text]) == 20
    assert len([text for text in texts if "Too many at once" in text]) == 1
    assert all("ability" not in one.text for one in ann.screen())
