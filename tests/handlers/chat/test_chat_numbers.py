"""How numbers look, and how they are read."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.chat.parsing import Unreadable, level, number, percent
from handlers.chat.phrases import looks_like_phrase
from handlers.chat.texts import numbers


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (numbers.price(Decimal("64212"), Decimal(1)), "64,212"),
        (numbers.price(Decimal("0.12345678"), Decimal("0.00001")), "0.12346"),
        (numbers.price(Decimal("1E+5"), Decimal("1E+1")), "100,000"),
        (numbers.price(Decimal("0.10")), "0.1"),
        (numbers.size(Decimal("0.015"), Decimal("0.0001")), "0.0150"),
        (numbers.size(Decimal("0.00759"), Decimal("0.0001")), "0.0075"),
        (numbers.size(Decimal(1500), Decimal(10)), "1,500"),
        (numbers.plain(Decimal("1E-10")), "0.0000000001"),
        (numbers.plain(Decimal("0E-5")), "0"),
        (numbers.signed_usdc(Decimal("12.3")), "+12.30 USDC"),
        (numbers.signed_usdc(Decimal("-3.1")), "−3.10 USDC"),
        (numbers.signed_usdc(Decimal("-0.001")), "0.00 USDC"),
        (numbers.signed_usdc(Decimal("0.004")), "0.00 USDC"),
        (numbers.usdc(Decimal("-1204.115")), "−1,204.12 USDC"),
        (numbers.percent(Decimal("2.999")), "+3.0 %"),
        (numbers.percent(Decimal("-0.01")), "0.0 %"),
        (numbers.percent(Decimal("-10")), "−10.0 %"),
        (numbers.percent(Decimal("10")), "+10.0 %"),
        (numbers.percent(Decimal("0.0187"), 2), "+0.02 %"),
        (numbers.latency(dt.timedelta(milliseconds=12)), "+12 ms"),
        (numbers.latency(dt.timedelta(milliseconds=1149)), "+1.1 s"),
        (numbers.latency(dt.timedelta(minutes=3)), "+3 min"),
        (numbers.latency(dt.timedelta(milliseconds=-5)), "+0 ms"),
        (numbers.duration(dt.timedelta(hours=2, minutes=14, seconds=59)), "2 h 14 min"),
        (numbers.duration(dt.timedelta(seconds=41)), "41 s"),
        (numbers.duration(dt.timedelta(days=3, hours=2)), "3 d 2 h"),
    ],
)
def test_numbers_are_shown_with_sign_and_unit(shown: str, wanted: str) -> None:
    assert shown == wanted


@given(st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**20),
                   max_value=10**20))  # fmt: skip
def test_no_digit_of_a_plain_number_is_lost(value: Decimal) -> None:
    shown = numbers.plain(value).replace(",", "").replace(numbers.MINUS, "-")
    assert Decimal(shown) == value


@given(
    entry=st.decimals("0.0001", "100000", places=4),
    share=st.decimals("0.01", "99", places=2),
    long=st.booleans(),
    stop=st.booleans(),
)
def test_a_percentage_leads_to_a_price_on_a_tick_on_its_own_side(
    entry: Decimal, share: Decimal, long: bool, stop: bool
) -> None:
    tick = Decimal("0.0001")
    price = level(f"{share}%", entry=entry, tick=tick, long=long, stop=stop)
    assert price > 0
    assert price % tick == 0
    if long == stop:
        assert price <= max(entry, tick)
    else:
        assert price >= entry


@pytest.mark.parametrize("text", ["", " ", "1,5", "0,150", "1.2.3", "+1", "1e3", "NaN", "∞", "１"])
def test_what_is_no_plain_number_is_not_guessed_at(text: str) -> None:
    with pytest.raises(Unreadable):
        number(text, grouped=True)


def test_signs_of_a_percentage_are_taken_off() -> None:
    assert percent("-2.5 %") == percent("+2.5%") == percent("−2.5") == Decimal("2.5")


@given(st.text(max_size=300))
def test_reading_never_fails_in_another_way(text: str) -> None:
    looks_like_phrase(text)
    try:
        level(text, entry=Decimal(100), tick=Decimal("0.1"), long=True, stop=True)
    except Unreadable:
        return
