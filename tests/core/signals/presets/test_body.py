"""Which grammar a body speaks, where its secret is, and what comes of garbage: a fault."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.signals.body import AUTO, NAMES, OWN, PRESETS, open_body, template
from core.signals.faults import AlertFault
from core.signals.masking import mask_body
from core.signals.meaning import Situation, Unmeant, meaning_of
from core.signals.placeholders import PLACEHOLDER
from tests.core.signals.presets.preset_kit import (
    DEFAULT,
    EQUITY,
    FIVE_S_AGO,
    NOW,
    PRICE,
    SECRET,
    alert_in,
    fault_in,
    raw,
    told,
)

ALL = [preset.name for preset in PRESETS]
MOMENT = "2026-01-31T12:00:00Z"


def filled(name: str, order: str, after: str, before: str, contracts: str, code: str) -> str:
    """A preset's message as TradingView would send it; positions like "long 2"."""
    position, size = after.split()
    previous, previous_size = before.split()
    values = {
        "ticker": "LINKUSDT.P",
        "exchange": "BYBIT",
        "interval": "60",
        "time": "2026-01-31T11:00:00Z",
        "timenow": MOMENT,
        "close": "100",
        "syminfo.currency": "USDT",
        "syminfo.basecurrency": "LINK",
        "strategy.order.action": order,
        "strategy.order.contracts": contracts,
        "strategy.order.price": "100",
        "strategy.order.id": "Entry",
        "strategy.order.comment": code,
        "strategy.market_position": position,
        "strategy.market_position_size": size,
        "strategy.prev_market_position": previous,
        "strategy.prev_market_position_size": previous_size,
        "strategy.position_size": f"-{size}" if position == "short" else size,
    }
    return PLACEHOLDER.sub(lambda match: values[match.group()[2:-2]], template(name, SECRET))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("order", "after", "before", "contracts", "code", "held", "expected"),
    [
        ("buy", "long 2", "flat 0", "2", "ENTER-LONG", "0", "open BUY"),
        ("sell", "short 2", "flat 0", "2", "ENTER-SHORT", "0", "open SELL"),
        ("sell", "flat 0", "long 2", "2", "EXIT-LONG", "2", "close SELL"),
        ("buy", "flat 0", "short 2", "2", "EXIT-SHORT", "-2", "close BUY"),
        ("sell", "flat 0", "long 2", "2", "EXIT-LONG", "0", "none"),
        ("buy", "flat 0", "short 2", "2", "EXIT-SHORT", "0", "none"),
        ("sell", "short 2", "long 2", "4", "ENTER-SHORT", "2", "reverse SELL"),
        ("buy", "long 2", "short 2", "4", "ENTER-LONG", "-2", "reverse BUY"),
    ],
)
def test_each_template_opens_closes_and_turns_as_the_strategy_does(
    name: str,
    order: str,
    after: str,
    before: str,
    contracts: str,
    code: str,
    held: str,
    expected: str,
) -> None:
    body = filled(name, order, after, before, contracts, code)

    assert told(body, held, name).startswith(expected)
    assert told(body, held) == told(body, held, name)


@pytest.mark.parametrize("name", ALL)
def test_each_template_has_the_secret_in_its_place_and_it_can_be_masked(name: str) -> None:
    body = filled(name, "buy", "long 2", "flat 0", "2", "ENTER-LONG").encode()

    for preset in (name, AUTO):
        opened = open_body(body, preset)
        assert (opened.preset, opened.secret) == (name, SECRET)
    masked = mask_body(body, SECRET)
    assert SECRET not in masked
    assert "***" in masked
    assert SECRET not in repr(open_body(body))


@pytest.mark.parametrize("name", [one for one in ALL if one not in ("wundertrading", "alertatron")])
def test_each_template_carries_the_time_of_the_alert(name: str) -> None:
    body = filled(name, "buy", "long 2", "flat 0", "2", "ENTER-LONG")

    assert alert_in(body, name).time == FIVE_S_AGO


@pytest.mark.parametrize("name", [AUTO, OWN])
def test_without_a_preset_the_template_is_our_own(name: str) -> None:
    obj = json.loads(template(name, SECRET))

    assert obj["secret"] == SECRET
    assert set(obj) >= {"symbol", "action", "time"}


def test_every_preset_has_words_for_the_chat() -> None:
    assert ("auto", "perpgram", *ALL) == NAMES
    for preset in PRESETS:
        assert preset.title
        assert preset.line.endswith(".")
        assert preset.place


OUR_OWN: list[dict[str, Any]] = [
    {"secret": "s", "symbol": "BTCUSD", "action": "buy"},
    {"symbol": "BTCUSD", "action": "sell", "market_position": "flat", "contracts": "1"},
    {"symbol": "BTCUSD", "action": "buy", "size": 1, "take_profit": "2%", "stop_loss": "1%"},
    {"symbol": "BTCUSD", "action": "close", "id": "x", "time": MOMENT},
    {"symbol": "BTCUSD", "market_position": "long", "market_position_size": 1, "sync": True},
    {},
]


@pytest.mark.parametrize("body", OUR_OWN)
def test_a_body_of_our_own_fields_is_our_own(body: dict[str, Any]) -> None:
    assert open_body(raw(body)).preset == OWN


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", "empty"),
        ("buy bitcoin", "not_json"),
        ("[]", "not_an_object"),
        ('{"symbol": "BTCUSD", "action": buy}', "value_unquoted"),
        ('{"symbol": "BTCUSD", "action": "buy",}', "trailing_comma"),
        ({"symbol": "BTCUSD", "action": "buy", "foo": 1}, "unknown_field"),
        ({"symbol": "BTCUSD", "action": "buy", "stop_los": 90}, "unknown_field"),
        ({"symbol": "BTCUSD", "action": "buy", "takeprofitt": 120, "qty": 1}, "unknown_field"),
    ],
)
def test_what_has_no_shape_of_another_is_judged_as_our_own(body: Any, code: str) -> None:
    with pytest.raises(AlertFault) as caught:
        open_body(raw(body)).alert(NOW)

    assert caught.value.code == code


def test_two_shapes_at_once_are_refused() -> None:
    body = {
        "ticker": "BTCUSD",
        "action": "buy",
        "signalToken": "x",
        "pointer": "p",
        "prev_position": "flat",
    }
    both = {**body, "instrument": "BTC-USDT"}

    assert fault_in(both).code == "preset_ambiguous"
    assert told({**both, "quantity": 1}, "0", "tickerly") == "open BUY 1 1"


@pytest.mark.parametrize(
    ("body", "preset", "secret"),
    [
        ({"ticker": "X", "action": "buy", "secret": "ours"}, "traderspost", "ours"),
        ({"isBuy": True, "token": "theirs", "secret": "ours"}, "tv-hub", "ours"),
        ({"isBuy": True, "token": "theirs"}, "tv-hub", "theirs"),
        ({"api_key": "k", "api_secret": "a"}, "altrady", "a"),
        ({"bot_uuid": "b", "secret": "c"}, "3commas", "c"),
        ({"message_type": "bot", "email_token": "e"}, "3commas", "e"),
        ({"market": "m", "order": "buy", "position": "long", "passphrase": "p"}, "junta", "p"),
        ("SYMBOL=X;SIGNAL=BUY;TOKEN=t", "octobot", "t"),
        ("SYMBOL=X;SIGNAL=BUY;secret=ours", "octobot", "ours"),
        ("s=X b=long t=market secret=ours", "autoview", "ours"),
        ("s=X b=long t=market Secret = 'ours'", "autoview", "ours"),
        ("k(X) { market(side=buy, amount=1); } #bot secret=ours", "alertatron", "ours"),
        ("secret=ours k(X) { market(side=buy, amount=1); } #bot", "alertatron", "ours"),
        ("ENTER-LONG_A_XUSDT_b_1H_id secret=ours", "wundertrading", "ours"),
        ({"code": "ENTER-LONG", "secret": "ours"}, "wundertrading", "ours"),
        ("s=X b=long t=market", "autoview", None),
        ({"ticker": "X", "action": "buy", "secret": 5}, "traderspost", None),
    ],
)
def test_the_secret_is_read_at_the_platforms_place_or_at_ours(
    body: Any, preset: str, secret: str | None
) -> None:
    opened = open_body(raw(body))

    assert (opened.preset, opened.secret) == (preset, secret)


@pytest.mark.parametrize(
    "body",
    [
        {"ticker": "X", "action": "buy", "secret": SECRET, "comment": f"by {SECRET}"},
        {"ticker": "X", "action": "buy", "secret": SECRET, SECRET: 1},
        {"bot_uuid": SECRET, "secret": SECRET, "tv_instrument": "X", "action": "enter_long"},
        {"general": {"secret": SECRET}, "order": {"id": SECRET}, "market": {}},
        f"SYMBOL=X\nSIGNAL=BUY\nTOKEN={SECRET}\nTAG={SECRET}",
        f"s=X b=long t=market secret={SECRET} id={SECRET}",
    ],
)
def test_a_secret_in_a_second_place_is_refused(body: Any) -> None:
    fault = fault_in(body)

    assert fault.code == "secret_elsewhere"
    assert SECRET not in f"{fault.text}{fault.cure}{fault.field}{fault.excerpt}"


def test_a_body_is_read_up_to_eight_kibibytes() -> None:
    body = raw("s=X b=long t=market " + "#" * 8172)

    assert len(body) == 8192
    assert open_body(body).preset == "autoview"
    with pytest.raises(AlertFault, match="too_large"):
        open_body(body + b"#", "autoview")


@pytest.mark.parametrize(
    "body",
    [
        '{"ticker": "BTCUSD", // the market\n "action": "exit",\n}',
        "{“ticker”: “BTCUSD”, “action”: “exit”}",
        '{"ticker": "BTCUSD", "action": "exit", /* all */}',
        '{"ticker": "BTCUSD", "comment": "he said “go” // now,}", "action": "exit",}',
    ],
)
def test_quotes_comments_and_commas_of_web_pages_are_read(body: str) -> None:
    assert told(body, "2") == "close SELL 2 0"


@pytest.mark.parametrize(
    "body",
    [
        {"ticker": "X", "action": "buy", "quantity": "0"},
        {"ticker": "X", "action": "add", "quantity": 0},
        {"action": "ENTER_LONG", "instrument": "X", "signalToken": "t", "amount": "0"},
        {"code": "ENTER-LONG", "symbol": "X", "amountPerTrade": 0},
        {"exchange": "okx", "pair": "X", "isBuy": True, "units": 0, "token": "t"},
        {
            "side": "buy",
            "symbol": "X",
            "name": "n",
            "open": {"amountType": "sumUsd", "amount": "0"},
        },
        {"market": "X", "order": "buy", "position": "long", "size": "0"},
        {"market": "X", "desired_position": "LONG", "size": 0},
    ],
)
def test_an_entry_of_zero_is_refused_and_not_made_with_the_strategys_size(
    body: dict[str, Any],
) -> None:
    assert fault_in(body).code == "size_zero"


@pytest.mark.parametrize(
    "body",
    [
        {"ticker": "X", "action": "exit", "quantity": "0"},
        {"action": "EXIT_LONG", "instrument": "X", "signalToken": "t", "amount": "0"},
        {
            "action": "sell",
            "marketPosition": "flat",
            "instrument": "X",
            "signalToken": "t",
            "amount": "0",
        },
    ],
)
def test_an_exit_of_zero_closes_all(body: dict[str, Any]) -> None:
    assert told(body, "2") == "close SELL 2 0"


def _answered(body: bytes, preset: str) -> None:
    """Reads a body and asks what it means; only faults may come of it, and none shows a secret."""
    said = []
    try:
        alert = open_body(body, preset).alert(NOW, lambda symbol: PRICE)
        for position in ("0", "2", "-2"):
            try:
                meaning_of(alert, Situation(Decimal(position), PRICE, EQUITY, DEFAULT))
            except Unmeant as reason:
                said.append(reason.text)
    except AlertFault as fault:
        said.append(f"{fault.text}{fault.cure}{fault.field}{fault.excerpt}")
    assert all(said)
    assert SECRET not in "".join(said)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1",
        "a.b-",
        "a(",
        "k(X) {",
        "a=",
        "secret=",
        "/* ",
        "//",
        "{",
        "[",
        ",",
        " ",
        "“",
        "((a",
        ";\\n",
    ],
)
def test_the_longest_bodies_of_one_piece_are_answered(name: str, piece: str) -> None:
    for start in ("", "{", "k(X) { ", "s=X b=long "):
        _answered((start + piece * 8192)[:8192].encode()[:8000], name)


NAMES_IN_BODIES = st.sampled_from(
    [
        "ticker",
        "action",
        "sentiment",
        "quantity",
        "quantityType",
        "takeProfit",
        "stopLoss",
        "time",
        "price",
        "orderType",
        "limitPrice",
        "secret",
        "bot_uuid",
        "tv_instrument",
        "strategy_info",
        "order",
        "market_position",
        "amount",
        "currency_type",
        "message_type",
        "email_token",
        "pair",
        "volume",
        "SIGNAL",
        "SYMBOL",
        "VOLUME",
        "STOP_PRICE",
        "PRICE",
        "TAKE_PROFIT_PRICE_1",
        "code",
        "amountPerTrade",
        "takeProfits",
        "isBuy",
        "isSell",
        "isClose",
        "units",
        "targets",
        "token",
        "exchange",
        "prev_position",
        "pointer",
        "name",
        "side",
        "symbol",
        "open",
        "close",
        "dca",
        "sl",
        "tp",
        "orders",
        "ofs",
        "piece",
        "api_key",
        "api_secret",
        "quote_amount",
        "take_profit",
        "stop_loss",
        "instrument",
        "signalToken",
        "investmentType",
        "maxLag",
        "marketPosition",
        "market",
        "position",
        "desired_position",
        "take_profits",
        "reverse",
        "size",
        "passphrase",
        "general",
        "currency",
        "base",
        "contracts",
        "steps",
        "enabled",
        "percent",
        "decrease",
        "type",
        "alertTimestamp",
    ]
)
WORDS = st.sampled_from(
    [
        "buy",
        "sell",
        "long",
        "short",
        "flat",
        "exit",
        "close",
        "enter_long",
        "EXIT_SHORT",
        "ENTER-LONG_A_BTCUSDT_n_1H_id",
        "1",
        "0.5",
        "-1",
        "5%",
        "-5%",
        "10d",
        "@95",
        "e1%",
        "NaN",
        "{{ticker}}",
        "true",
        "false",
        "limit",
        "market",
        "BTCUSDT",
        "USDT_BTC",
        "base",
        "quote",
        "percent",
        "1e30",
        "1e-30",
        "2026-01-31T12:00:00Z",
    ]
)
SCALARS = st.one_of(
    WORDS, st.text(max_size=12), st.booleans(), st.none(), st.integers(-5, 10**12), st.just(SECRET)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(NAMES_IN_BODIES, inner, max_size=4)
    ),
    max_leaves=8,
)
PRESET_NAMES = st.sampled_from(NAMES)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(NAMES_IN_BODIES, VALUES, max_size=8), PRESET_NAMES)
def test_objects_of_known_names_give_an_alert_or_a_fault(body: dict[str, Any], name: str) -> None:
    _answered(json.dumps(body).encode(), name)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), PRESET_NAMES)
def test_bytes_give_an_alert_or_a_fault(body: bytes, name: str) -> None:
    _answered(body, name)


SYMBOLS = " =;|&\n(){}[],.:%@#\"'-_+/\\"
FRAGMENTS = st.sampled_from(
    [
        "SYMBOL=BTCUSD",
        "SIGNAL=SELL",
        "VOLUME=5%",
        "STOP_PRICE=-5%",
        "s=BTCUSD",
        "b=long",
        "q=5%",
        "c=position",
        "t=limit",
        "p=-1%",
        "sl=1%",
        "k(BTCUSDT)",
        "{",
        "market(side=buy,amount=1)",
        "limit(position=50%p,offset=e1%)",
        "cancel(which=all)",
        "stopOrder(",
        ")",
        "}",
        "#bot",
        "secret=",
        "ENTER-LONG_",
        "EXIT-ALL",
        "BTCUSDT",
        "\\n",
    ]
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(FRAGMENTS, st.sampled_from(list(SYMBOLS)), st.text(max_size=5)), max_size=25
    ),
    PRESET_NAMES,
)
def test_texts_of_known_fragments_give_an_alert_or_a_fault(parts: list[str], name: str) -> None:
    _answered("".join(parts).encode("utf-8", "surrogatepass"), name)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ALL), st.integers(0, 700), st.sampled_from([*SYMBOLS, "", "9", "x", "\x00"]))
def test_a_template_with_one_character_changed_gives_an_alert_or_a_fault(
    name: str, at: int, character: str
) -> None:
    body = filled(name, "sell", "short 2", "long 2", "4", "ENTER-SHORT")
    at %= len(body)

    for preset in (name, AUTO):
        _answered((body[:at] + character + body[at + 1 :]).encode(), preset)
