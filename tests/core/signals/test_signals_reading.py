"""Bodies are read strictly, and what is wrong is told with its place and its cure."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.signals.faults import AlertFault
from core.signals.reading import MAX_BODY, read_object

SECRET = "k7Jd0PqLx3-VtR9_bWm2ZcYhN5sFgA8uEoIrT1yQwXz"


def fault_of(body: str | bytes) -> AlertFault:
    with pytest.raises(AlertFault) as caught:
        read_object(body.encode() if isinstance(body, str) else body)
    return caught.value


def test_an_object_is_read_with_numbers_exact() -> None:
    obj = read_object(b'{"a": 0.10, "b": -12, "c": 1e-7, "d": [true, null], "e": {"f": "\\u00e9"}}')

    assert obj == {
        "a": Decimal("0.10"),
        "b": Decimal(-12),
        "c": Decimal("0.0000001"),
        "d": [True, None],
        "e": {"f": "é"},
    }
    assert str(obj["a"]) == "0.10"


def test_a_byte_order_mark_is_passed_over_and_not_counted_as_a_column() -> None:
    assert read_object(b'\xef\xbb\xbf{"a": 1}') == {"a": Decimal(1)}
    assert fault_of(b"\xef\xbb\xbf{a: 1}").column == 2


def test_a_number_with_an_exponent_comes_back_without_one() -> None:
    assert str(read_object(b'{"a": 1.5E+3}')["a"]) == "1500"


@pytest.mark.parametrize(
    ("body", "code", "line", "column"),
    [
        ("", "empty", None, None),
        (" \n ", "empty", None, None),
        ("buy", "not_json", 1, 1),
        ("BTCUSDT buy 1", "not_json", 1, 1),
        ('"text"', "not_json", 1, 1),
        ("[1]", "not_an_object", 1, 1),
        ("```json\n{}\n```", "code_fence", 1, 1),
        ("// x\n{}", "comment", 1, 1),
        ('{"a": 1} {"b": 2}', "several_objects", 1, 10),
        ('{"a": 1} tail', "text_after_end", 1, 10),
        ('{"a": 1} // tail', "comment", 1, 10),
        ('{"a": 1,}', "trailing_comma", 1, 8),
        ('{\n "a": 1,\n}', "trailing_comma", 2, 8),
        ('{"a": [1,]}', "trailing_comma", 1, 9),
        ('{"a": 1,, "b": 2}', "extra_comma", 1, 9),
        ("{“a”: 1}", "smart_quotes", 1, 2),
        ('{"a": “b”}', "smart_quotes", 1, 7),
        ('{"a”: "b",\n"c": 1}', "smart_quotes", 1, 8),
        ('{"a": "b”, "c": 1}', "smart_quotes", 1, 13),
        ('{"a": "b”\n}', "smart_quotes", 1, 9),
        ("{'a': 1}", "single_quotes", 1, 2),
        ("{\"a\": 'b'}", "single_quotes", 1, 7),
        ("{a: 1}", "name_unquoted", 1, 2),
        ('{"a": 1 /* x */}', "comment", 1, 9),
        ('{"a" 1}', "colon_missing", 1, 6),
        ('{"a": 1 "b": 2}', "comma_missing", 1, 9),
        ('{"a": "x" y"}', "quote_inside", 1, 11),
        ('{"a": 1]', "wrong_bracket", 1, 8),
        ('{"a": {{ticker}}}', "placeholder_unquoted", 1, 7),
        ('{"a": }', "value_missing", 1, 7),
        ('{"a": , "b": 1}', "value_missing", 1, 7),
        ('{"a": NaN}', "not_a_number", 1, 7),
        ('{"a": -Infinity}', "not_a_number", 1, 7),
        ('{"a": na}', "not_a_number", 1, 7),
        ('{"a": True}', "word_case", 1, 7),
        ('{"a": buy}', "value_unquoted", 1, 7),
        ('{"a": ?}', "bad_value", 1, 7),
        ('{"a": 1e999999}', "number_range", 1, 7),
        ('{"a": 1e31}', "number_range", 1, 7),
        ('{"a": 1e-31}', "number_range", 1, 7),
        ('{"a": ' + "9" * 65 + "}", "number_range", 1, 7),
        ('{"a": 007}', "number_format", 1, 7),
        ('{"a": .5}', "number_format", 1, 7),
        ('{"a": +5}', "number_format", 1, 7),
        ('{"a": 5.}', "number_format", 1, 7),
        ('{"a": 2%}', "number_format", 1, 7),
        ('{"a": 1_000}', "number_format", 1, 7),
        ('{"a": 1,5}', "number_format", 1, 9),
        ('{"a": 1, "a": 2}', "duplicate_field", 1, 10),
        ('{"a": {"b": 1, "b": 2}}', "duplicate_field", 1, 16),
        ('{"a": "x\n"}', "quote_open", 1, 9),
        ('{"a": "x\t"}', "quote_open", 1, 9),
        ('{"a": "x\\y"}', "bad_escape", 1, 9),
        ('{"a": "\\u0000"}', "bad_character", 1, 7),
        ('{"a": "\\ud800"}', "bad_character", 1, 7),
        ('{"a": "x', "cut_off", 1, 7),
        ('{"a": 1', "cut_off", 1, 8),
        ("{", "cut_off", 1, 2),
        ('{"a"', "cut_off", 1, 5),
        ('{"a":', "cut_off", 1, 6),
        ('{"a": 1,', "cut_off", 1, 9),
        ("{" + '"a":{' * 8 + "}" * 9, "too_deep", 1, 41),
        ('{"a":' + "[" * 4000 + "]" * 4000 + "}", "too_deep", 1, 13),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_cure(
    body: str, code: str, line: int | None, column: int | None
) -> None:
    fault = fault_of(body)

    assert (fault.code, fault.line, fault.column) == (code, line, column)
    assert fault.text.endswith(".")
    assert fault.cure


def test_bytes_that_are_not_utf8_and_long_bodies_are_refused() -> None:
    assert fault_of(b'{"a": "\xff"}').code == "not_utf8"
    assert fault_of(b"{" + b" " * MAX_BODY + b"}").code == "too_large"
    assert read_object(b"{" + b" " * (MAX_BODY - 2) + b"}") == {}


def test_the_field_of_a_broken_value_is_named() -> None:
    assert fault_of('{"symbol": "BTC-USD", "size": NaN}').field == "size"
    assert fault_of('{"take_profit": {"percent": }}').field == "take_profit.percent"


def test_a_pair_of_escaped_surrogates_is_one_character() -> None:
    assert read_object(b'{"a": "\\ud83d\\ude80"}') == {"a": "🚀"}


def test_the_excerpt_shows_the_place_on_one_line() -> None:
    fault = fault_of('{\n "symbol": "BTC-USD",\n "action": buy\n}')

    assert "buy" in fault.excerpt
    assert "BTC-USD" in fault.excerpt
    assert "\n" not in fault.excerpt


@pytest.mark.parametrize(
    "body",
    [
        f'{{"secret": "{SECRET}", "size": NaN}}',
        f"{{'secret': '{SECRET}'}}",
        f"{{“secret”: “{SECRET}”}}",
        f"{{secret: {SECRET}}}",
        f'{{"secret": "{SECRET[:20]}\n{SECRET[20:]}"}}',
        f'{{"secret" "{SECRET}"}}',
        f'{{"secret": {SECRET}}}',
        f'{{"secret": "{SECRET}"',
        f'{{"secret": "{SECRET}',
        f'{{"{SECRET}": }}',
        f'{{"{SECRET}": 1, "{SECRET}": 2}}',
        f'{{"a": {SECRET}}}',
        f'{{"a": 5{SECRET}}}',
        f"secret={SECRET}",
        f"{SECRET} buy",
        '{"secret": "' + "".join(f"\\u{ord(c):04x}" for c in SECRET) + '", "a": }',
        '{"s": "' + "".join(f"\\u{ord(c):04x}" for c in SECRET) + '", "a": }',
    ],
)
def test_no_fault_shows_a_piece_of_the_secret(body: str) -> None:
    fault = fault_of(body)

    shown = f"{fault} {fault.text} {fault.cure} {fault.field} {fault.excerpt}"
    pieces = {SECRET[i : i + 6] for i in range(len(SECRET) - 5)}
    assert not [piece for piece in pieces if piece in shown]
    assert f"\\u{ord(SECRET[0]):04x}\\u{ord(SECRET[1]):04x}" not in shown


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), _json, max_size=4), st.booleans())
def test_what_json_writes_is_read_back_or_refused_as_a_fault(
    value: dict[str, object], ascii_only: bool
) -> None:
    try:
        raw = json.dumps(value, ensure_ascii=ascii_only).encode()
    except UnicodeEncodeError:
        return
    try:
        read = read_object(raw)
    except AlertFault as fault:
        assert fault.code in {"too_large", "too_deep", "bad_character"}  # noqa: PT017
    else:
        assert read == value


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "ignore")))
@example(b"{" * 8192)
@example(b'{"a":' * 1600)
@example(b'{"' + b"\\" * 8000)
def test_no_bytes_make_the_reader_raise_anything_but_a_fault(raw: bytes) -> None:
    try:
        read_object(raw)
    except AlertFault:
        return


_pieces = st.sampled_from(
    [
        *("{", "}", "[", "]", ",", ":", '"', "'", "“", "\\", "\n", " ", "secret", '"secret"'),
        *("{{ticker}}", "1", "-", "e9", "NaN", "true", "//", "\\u00", "a"),
    ]
)


@given(st.lists(_pieces, max_size=30), st.lists(_pieces, max_size=30))
def test_no_fault_of_any_broken_body_shows_the_secret(before: list[str], after: list[str]) -> None:
    try:
        read_object("".join([*before, SECRET, *after]).encode())
    except AlertFault as fault:
        shown = f"{fault.text} {fault.cure} {fault.field} {fault.excerpt}"
        assert not [i for i in range(32) if SECRET[i : i + 12] in shown]


@pytest.mark.parametrize("gap", range(0, 60, 2))
def test_a_secret_that_the_excerpt_cuts_is_masked_before_the_cut(gap: int) -> None:
    before = fault_of(f'{{"x": "{SECRET}", "y": "{"a " * (gap // 2)}", "z": NaN}}')
    after = fault_of(f'{{"z": NaN, "y": "{"a " * (gap // 2)}", "x": "{SECRET}"}}')

    assert SECRET[-4:] not in before.excerpt
    assert SECRET[:4] not in after.excerpt


@pytest.mark.parametrize(
    "value", ['"my cat"', "'my cat'", "“my cat”", "my cat", '"my\ncat"', '"my cat', ' \n "my cat"']
)
@pytest.mark.parametrize("name", ['"secret":', "secret=", "'Secret' :", "“secret”:"])
def test_a_short_secret_with_spaces_is_masked_by_its_name(name: str, value: str) -> None:
    fault = fault_of(f'{{"size": NaN, {name} {value}, "a": 1}}')

    assert fault.field == "size"
    assert "***" in fault.excerpt
    assert "my" not in fault.excerpt
    assert "cat" not in fault.excerpt
