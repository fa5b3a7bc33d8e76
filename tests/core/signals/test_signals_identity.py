"""What proves an alert, how it is told from another, and how its secret stays unseen."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import urllib.parse
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.signals import identity
from core.signals.alert import MarketPosition, Target
from core.signals.grammar import parse_alert
from core.signals.masking import mask_body
from core.signals.reading import read_object
from core.signals.template import alert_template, filled

NOW = dt.datetime(2026, 1, 31, 12, 0, 30, tzinfo=dt.UTC)
SECRET = base64.urlsafe_b64encode(bytes(range(200, 232))).rstrip(b"=").decode()


def test_the_hash_is_of_the_bytes() -> None:
    assert identity.body_hash(b'{"a": 1}') == hashlib.sha256(b'{"a": 1}').hexdigest()
    assert identity.body_hash(b'{"a":1}') != identity.body_hash(b'{"a": 1}')


def test_a_body_with_a_time_is_a_duplicate_for_two_days_and_one_without_for_a_minute() -> None:
    fields = {"symbol": "BTC-USD", "action": "buy"}
    timed = parse_alert(fields | {"time": "2026-01-31T12:00:00Z"}, NOW)
    timeless = parse_alert(fields, NOW)

    assert identity.dedupe_window(timed) == dt.timedelta(hours=48)
    assert identity.dedupe_window(timeless) == dt.timedelta(seconds=60)
    assert identity.alert_age(timed, NOW) == dt.timedelta(seconds=30)
    assert identity.alert_age(timed, NOW - dt.timedelta(seconds=31)) == dt.timedelta(0)
    assert identity.alert_age(timeless, NOW) == dt.timedelta(0)


def test_only_the_secret_matches_its_hash() -> None:
    stored = identity.secret_hash(SECRET)

    assert identity.secret_matches(SECRET, stored)
    for given_secret in (SECRET[:-1], SECRET + "x", SECRET.swapcase(), "", None, stored, "\ud800"):
        assert not identity.secret_matches(given_secret, stored)


@pytest.mark.parametrize("stored", ["", "0" * 64, "short", "ü" * 64])
def test_nothing_matches_a_missing_hash(stored: str) -> None:
    for given_secret in (SECRET, "", None):
        assert not identity.secret_matches(given_secret, stored)


def test_the_hash_of_the_empty_text_is_not_matched_by_a_missing_secret() -> None:
    assert not identity.secret_matches(None, hashlib.sha256(b"").hexdigest())
    assert not identity.secret_matches("", hashlib.sha256(b"").hexdigest())


@pytest.mark.parametrize(
    ("given_secret", "stored"),
    [
        (SECRET, hashlib.sha256(SECRET.encode()).hexdigest()),
        ("wrong", hashlib.sha256(SECRET.encode()).hexdigest()),
        (None, hashlib.sha256(SECRET.encode()).hexdigest()),
        (SECRET, ""),
        (None, ""),
    ],
)
def test_the_same_work_is_done_whatever_is_missing(
    given_secret: str | None, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashes, comparisons = [], []
    real_hash, real_compare = hashlib.sha256, hmac.compare_digest

    def counted_hash(raw: bytes) -> Any:
        hashes.append(raw)
        return real_hash(raw)

    def counted_comparison(a: str, b: str) -> bool:
        comparisons.append((len(a), len(b)))
        return real_compare(a, b)

    monkeypatch.setattr("core.signals.identity.hashlib.sha256", counted_hash)
    monkeypatch.setattr("core.signals.identity.hmac.compare_digest", counted_comparison)

    identity.secret_matches(given_secret, stored)

    assert len(hashes) == 1
    assert comparisons == [(64, 64)]


def test_the_template_fits_a_copy_button_and_is_readable_json() -> None:
    template = alert_template(SECRET)

    assert len(SECRET) == 43
    assert len(template) == 181
    assert read_object(template.encode()) == {
        "secret": SECRET,
        "symbol": "{{ticker}}",
        "action": "{{strategy.order.action}}",
        "id": "{{strategy.order.id}}",
        "time": "{{timenow}}",
    }


def test_the_template_of_a_strategy_in_sync_says_where_to_be() -> None:
    template = alert_template(SECRET, sync=True)
    placeholders = {
        "{{ticker}}": "BTCUSDT.P",
        "{{strategy.market_position}}": "short",
        "{{strategy.market_position_size}}": "0.5",
        "{{timenow}}": "2026-01-31T12:00:30Z",
    }
    body = template
    for placeholder, value in placeholders.items():
        body = body.replace(placeholder, value)
    alert = parse_alert(read_object(body.encode()), NOW)

    assert len(template) <= 256
    assert alert.action is None
    assert alert.target == Target(MarketPosition.SHORT, Decimal("0.5"))


@given(st.text(max_size=60).filter(lambda text: "\x00" not in text))
def test_a_filled_template_is_an_alert_whatever_its_id(order_id: str) -> None:
    body = filled(
        alert_template(SECRET), ticker="BTCUSDT.P", action="sell", id=order_id, time=NOW
    ).encode("utf-8", "replace")

    obj = read_object(body)

    assert obj["symbol"] == "BTCUSDT.P"
    assert obj["time"] == "2026-01-31T12:00:30Z"
    assert obj["id"] == order_id.encode("utf-8", "replace").decode()


def test_a_placeholder_in_a_value_is_not_filled_again() -> None:
    body = filled('{"a": "{{ticker}}"}', ticker="{{timenow}}", action="", id="", time=NOW)

    assert body == '{"a": "{{timenow}}"}'


_escapes = st.sampled_from(
    [
        lambda c: c,
        lambda c: f"\\u{ord(c):04x}",
        lambda c: f"\\u{ord(c):04X}",
        lambda c: urllib.parse.quote(c, safe=""),
        lambda c: f"%{ord(c):02x}",
        lambda c: "\\/" if c == "/" else c,
    ]
)
_secrets = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"\\'),
    min_size=8,
    max_size=43,
)


@given(_secrets, st.data())
def test_a_masked_body_does_not_show_the_secret_however_it_is_spelled(
    secret: str, data: st.DataObject
) -> None:
    spelled = "".join(data.draw(_escapes)(character) for character in secret)
    before, after = data.draw(st.text(max_size=20)), data.draw(st.text(max_size=20))
    raw = f'{{"secret": "{spelled}", "id": "{before}{spelled}{after}"}}'.encode("utf-8", "replace")

    masked = mask_body(raw, secret)

    assert secret not in masked
    assert spelled not in masked
    assert secret not in urllib.parse.unquote(masked)
    assert "\x00" not in masked


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=30), max_size=3), st.booleans())
def test_masking_takes_nothing_else_away(fields: dict[str, str], ascii_only: bool) -> None:
    try:
        raw = json.dumps(fields | {"secret": SECRET}, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return

    assert json.loads(mask_body(raw, SECRET)) == fields | {"secret": "***"}


@pytest.mark.parametrize("secret", ["*", "**", "***", "a*", "aa"])
def test_odd_secrets_are_masked_too(secret: str) -> None:
    assert secret not in mask_body(b"x" + secret.encode() * 3 + b"**", secret)


def test_bytes_that_are_no_text_are_masked_as_well() -> None:
    masked = mask_body(b"\xff\x00" + SECRET.encode() + b"\xfe", SECRET)

    assert masked == "\ufffd\ufffd***\ufffd"
    assert mask_body(b"abc", "") == "abc"
