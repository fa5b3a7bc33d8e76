"""What the chain's codes mean to an order."""

from __future__ import annotations

import pytest

from core.dydx.codes import TABLE, Outcome, Reaction, classify
from tests.core.dydx.dydx_kit import recording

# All codes of the order book in the chain's source; 38, 1016 and the gaps between are not used.
CLOB_CODES = {
    *range(2, 38),
    *range(39, 51),
    *range(1000, 1016),
    *range(1017, 1023),
    *range(2000, 2006),
    *range(3000, 3011),
    *range(4000, 4009),
    *range(5000, 5002),
    *range(6000, 6003),
    *range(9000, 9004),
    *range(10000, 10002),
    *range(11000, 11005),
}


def test_every_code_of_the_order_book_is_listed_and_definitive() -> None:
    listed = {code for space, code in TABLE if space == "clob"}

    assert len(CLOB_CODES) == 112
    assert listed == CLOB_CODES
    assert {classify("clob", code).outcome for code in CLOB_CODES} == {Outcome.REFUSED}


def test_zero_is_accepted_in_every_codespace() -> None:
    for space in ("", "sdk", "clob", "anything"):
        assert classify(space, 0).outcome is Outcome.ACCEPTED
        assert classify(space, 0, resend=True).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("space", "code", "name"),
    [
        ("clob", 8, "ErrInvalidClob"),
        ("clob", 5001, "ErrBlockRateLimitExceeded"),
        ("sdk", 8, "ErrInvalidPubKey"),
        ("sdk", 4, "ErrUnauthorized"),
        ("dydxaccountplus", 104, "ErrAllOfVerification"),
    ],
)
def test_the_same_number_means_different_things_in_different_codespaces(
    space: str, code: int, name: str
) -> None:
    assert classify(space, code).name == name
    assert classify(space, code).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("space", "code"),
    [("sdk", 19), ("undefined", 111222), ("clob", 38), ("clob", 99_999), ("", 7), ("new", 1)],
)
def test_a_duplicate_and_whatever_is_not_listed_prove_nothing(space: str, code: int) -> None:
    assert classify(space, code).outcome is Outcome.UNKNOWN
    assert classify(space, code).reaction is Reaction.LOOK


@pytest.mark.parametrize(
    ("space", "code"),
    [
        ("clob", 20),
        ("clob", 24),
        ("clob", 2004),
        ("sdk", 19),
        ("sdk", 32),
        ("clob", 7),
        ("clob", 10),
        ("clob", 2001),
        ("clob", 5001),
        ("dydxaccountplus", 104),
    ],
)
def test_on_a_resend_what_can_have_arisen_since_the_first_copy_means_look(
    space: str, code: int
) -> None:
    meaning = classify(space, code, resend=True)

    assert meaning.outcome is Outcome.UNKNOWN
    assert meaning.reaction is Reaction.LOOK


@pytest.mark.parametrize(
    ("space", "code", "reaction"),
    [
        ("clob", 5001, Reaction.BACK_OFF),
        ("clob", 10001, Reaction.FREE_ORDERS),
        ("clob", 3005, Reaction.RECONCILE),
        ("clob", 3006, Reaction.RECONCILE),
        ("clob", 3007, Reaction.ADD_COLLATERAL),
        ("sdk", 32, Reaction.SIGN_AGAIN),
        ("subaccounts", 102, Reaction.ADD_COLLATERAL),
        ("subaccounts", 703, Reaction.GIVE_UP),
        ("sending", 1101, Reaction.BUG),
        ("dydxaccountplus", 1, Reaction.CHECK_KEY),
        ("dydxaccountplus", 104, Reaction.CHECK_KEY),
    ],
)
def test_a_refusal_says_what_to_do_about_it(space: str, code: int, reaction: Reaction) -> None:
    assert classify(space, code).outcome is Outcome.REFUSED
    assert classify(space, code).reaction is reaction


@pytest.mark.parametrize("code", [3, 4, 6, 8, 44, 9003])
def test_on_a_resend_a_malformed_order_is_still_refused(code: int) -> None:
    assert classify("clob", code, resend=True).outcome is Outcome.REFUSED


def test_every_meaning_has_a_sentence_for_a_trader() -> None:
    for meaning in TABLE.values():
        assert meaning.sentence.endswith(".")
        assert "Err" not in meaning.sentence
        assert len(meaning.sentence) > 20


def test_every_answer_that_a_real_node_gave_is_listed() -> None:
    met = set()
    for line in recording("story"):
        check = line.get("check_tx")
        if check:
            met.add((check.get("codespace", ""), check["code"]))
    for line in recording("chain"):
        if line.get("phase") in ("check", "deliver") and isinstance(line.get("code"), int):
            met.add((line["codespace"], line["code"]))

    unlisted = {pair for pair in met if pair[1] and pair not in TABLE}
    assert len(met) > 50
    # A panic that the node caught: it says nothing of the transaction.
    assert unlisted <= {("undefined", 111222)}
