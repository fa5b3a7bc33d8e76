"""What is remembered of dYdX's refusals, and when they concern the operator."""

from __future__ import annotations

import pytest

from core.dydx.answers import Faults
from core.dydx.indexer import BlockCode, IndexerBlocked, IndexerRefused, IndexerUnreachable
from core.dydx.indexer_errors import refusal
from core.dydx.indexer_types import Compliance
from core.dydx.stream import SubscriptionRefused
from core.trading.compliance import ComplianceBook, Standing
from tests.core.dydx.dydx_kit import recording


def blocked(code: BlockCode) -> IndexerBlocked:
    return IndexerBlocked(403, (), code)


def stream_refusal() -> SubscriptionRefused:
    message = next(
        line["message"]["message"]
        for line in recording("ws")
        if line["conn"] == "refused-geo"
        and line["dir"] == "in"
        and isinstance(line["message"], dict)
        and line["message"].get("type") == "error"
    )
    return SubscriptionRefused("dydx1", 0, message)


def screening(status: str) -> Compliance:
    return Compliance.read({"status": status})


@pytest.mark.parametrize(
    ("found", "standing", "may_open"),
    [
        (blocked(BlockCode.GEOBLOCKED), Standing.GEOBLOCKED, False),
        (blocked(BlockCode.COMPLIANCE_BLOCKED), Standing.COMPLIANCE_BLOCKED, False),
        (stream_refusal(), Standing.COMPLIANCE_BLOCKED, False),
        (screening("COMPLIANT"), Standing.SERVED, True),
        (screening("FIRST_STRIKE"), Standing.SERVED, True),
        (screening("FIRST_STRIKE_CLOSE_ONLY"), Standing.CLOSE_ONLY, False),
        (screening("CLOSE_ONLY"), Standing.CLOSE_ONLY, False),
        (screening("BLOCKED"), Standing.COMPLIANCE_BLOCKED, False),
        (IndexerUnreachable("down"), Standing.UNKNOWN, True),
        (IndexerRefused(400, ()), Standing.UNKNOWN, True),
        (SubscriptionRefused("dydx1", 0, "limit reached"), Standing.UNKNOWN, True),
    ],
)
def test_what_is_heard_becomes_a_standing(
    found: Exception | SubscriptionRefused | Compliance, standing: Standing, may_open: bool
) -> None:
    book = ComplianceBook()

    changed = book.note(7, found)

    assert book.state(7) is standing
    assert book.state(7).may_open is may_open
    assert changed is (standing is not Standing.UNKNOWN)
    assert book.note(7, found) is False


def test_the_recorded_refusals_are_told_apart() -> None:
    bodies = [line["body"] for line in recording("rest") if line["status"] == 403]
    errors = [refusal(403, tuple(Faults.read(body).errors)) for body in bodies]

    assert {e.code for e in errors if isinstance(e, IndexerBlocked)} == set(BlockCode)
    assert all(isinstance(error, IndexerBlocked) for error in errors)


def test_the_stream_does_not_overwrite_the_kind_that_a_request_named() -> None:
    book = ComplianceBook()
    book.note(1, blocked(BlockCode.GEOBLOCKED))
    assert not book.note(1, stream_refusal())
    assert book.state(1) is Standing.GEOBLOCKED


def test_an_answer_ends_a_block_but_not_close_only() -> None:
    book = ComplianceBook()
    book.note(1, blocked(BlockCode.GEOBLOCKED))
    book.note(2, screening("CLOSE_ONLY"))

    assert book.served(1)
    assert not book.served(1)
    assert not book.served(2)
    assert (book.state(1), book.state(2)) == (Standing.SERVED, Standing.CLOSE_ONLY)


def test_every_account_blocked_is_told_once_each_time_it_comes_true() -> None:
    book = ComplianceBook()
    for account_id in (1, 2, 3):
        book.expect(account_id)
    told = []
    for account_id in (1, 2, 3, 3):
        book.note(account_id, blocked(BlockCode.COMPLIANCE_BLOCKED))
        told.append(book.newly_all_blocked())
    assert told == [False, False, True, False]

    book.served(2)
    assert not book.all_blocked()
    assert not book.newly_all_blocked()
    book.note(2, blocked(BlockCode.GEOBLOCKED))
    assert book.newly_all_blocked()
    book.forget(2)
    assert book.blocked() == (1, 3)


@pytest.mark.parametrize("code", BlockCode)
def test_a_single_account_shows_the_place_only_when_the_refusal_names_it(code: BlockCode) -> None:
    book = ComplianceBook()
    assert not book.all_blocked()
    book.note(1, blocked(code))
    assert book.all_blocked() is (code is BlockCode.GEOBLOCKED)
