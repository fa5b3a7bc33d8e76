"""What a real node said to texts that are no address."""

from __future__ import annotations

import pytest

from core.paper.addresses import complaint
from core.paper.transactions import decode_address

FAILED = "decoding bech32 failed: "


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", "empty address string is not allowed"),
        ("   ", "empty address string is not allowed"),
        ("abc", FAILED + "invalid bech32 string length 3"),
        ("dydx1x", FAILED + "invalid bech32 string length 6"),
        ("dydxqqqqqqqq", FAILED + "invalid separator index -1"),
        ("1qqqqqqqq", FAILED + "invalid separator index 0"),
        ("dydx1qqqqqqb", FAILED + "invalid character not part of charset: 98"),
        ("dydx1 qqqqqqqq", FAILED + "invalid character in string: ' '"),
        ("Dydx1qqqqqqqqqq", FAILED + "string not all lowercase or all uppercase"),
        (
            "dydx1slfxgxshuqeswcvuc07lv9slurk9pmzwfxcv4w",
            FAILED + "invalid checksum (expected fxcv4v got fxcv4w)",
        ),
    ],
)
def test_a_text_that_is_no_address_is_named_as_the_chain_names_it(
    address: str, expected: str
) -> None:
    assert decode_address(address) is None
    assert complaint(address) == expected
