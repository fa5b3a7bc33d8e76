"""The suite's own parts: what counts as a failure, and which network is meant."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from tests.conformance.checks import Chapter, Mismatch, Report, Skip, expect
from tests.conformance.crafted import differences
from tests.conformance.rest_shapes import HEIGHT, ORDER, shape_of
from tests.conformance.shapes import INT, NUMBER, Each, faults, maybe
from tests.conformance.stream_shapes import frame_faults
from tests.conformance.target import Unusable, target_of


@pytest.mark.parametrize(
    ("shape", "value", "wanted"),
    [
        (HEIGHT, {"height": "7", "time": "2026-01-01T00:00:00.000Z"}, []),
        (HEIGHT, {"height": 7, "time": "2026-01-01T00:00:00.000Z"}, ["height was '7', not"]),
        (HEIGHT, {"height": "7"}, ["the body lacked time"]),
        (HEIGHT, {"height": "7", "time": "2026-01-01T00:00:00Z"}, ["time was"]),
        ({"a?": INT}, {}, []),
        ({"a?": INT}, {"a": True}, ["a was 'True', not an integer"]),
        ({"a?": INT}, {"b": 1}, ["the body had an unknown field b"]),
        ([INT], [1, "2"], ["[1] was '2'"]),
        ([INT], {}, ["the body was no list"]),
        ((NUMBER, NUMBER), ["1", "0.5"], []),
        ((NUMBER, NUMBER), ["1"], ["the body was no list of 2"]),
        (Each([NUMBER]), {"X": ["1", "x"]}, ["X[1] was 'x'"]),
        (maybe(NUMBER), None, []),
        (maybe(NUMBER), "1e5", ["the body was '1e5'"]),
    ],
)
def test_a_shape_names_what_is_missing_unknown_or_of_another_kind(
    shape: Any, value: Any, wanted: list[str]
) -> None:
    found = list(faults(shape, value))

    assert len(found) == len(wanted)
    assert all(part in line for part, line in zip(wanted, found, strict=True))


def test_every_route_that_is_not_known_is_told_apart() -> None:
    assert shape_of("/orders", 200) == [ORDER]
    assert shape_of("/ordersss", 200) is None
    assert shape_of("/ordersss", 404) is not None


def test_a_frame_with_an_unknown_field_is_a_fault() -> None:
    head = {"connection_id": "004a1efa-21bb-4b19-a2e9-a8ffadd6dc53", "message_id": 0}

    assert frame_faults({"type": "connected", **head}) == []
    assert frame_faults({"type": "connected", **head, "x": 1}) != []
    assert frame_faults({"type": "surprise", **head}) != []


async def test_a_check_that_goes_wrong_in_any_way_is_a_failure_and_the_next_one_runs() -> None:
    report = Report(out=io.StringIO())
    chapter = Chapter(report, "chapter")
    async with chapter.check("holds"):
        expect(1, 1)
    async with chapter.check("does not hold"):
        expect(1, 2, "the number")
    for sentence, error in (("breaks", KeyError("gone")), ("cannot be made", Skip("no price"))):
        async with chapter.check(sentence):
            await _fail(error)

    assert [row.verdict for row in report.noted] == ["PASS", "FAIL", "FAIL", "SKIP"]
    assert report.noted[1].reason == "the number: was 1, not 2"
    assert "KeyError" in report.noted[2].reason
    assert not report.good


async def _fail(error: Exception) -> None:
    raise error


def test_a_run_ends_with_its_counts_for_people_and_for_programs() -> None:
    out = io.StringIO()
    Report(out=out).end("paper", 3.04)

    line, counts = out.getvalue().splitlines()
    assert line == "0 passed, 0 failed, 0 skipped on paper in 3 s"
    assert json.loads(counts)["failed"] == 0


def test_a_run_that_checked_nothing_is_not_good() -> None:
    assert not Report(out=io.StringIO()).good


def test_without_endpoints_the_suite_starts_a_paper_network_itself() -> None:
    assert target_of({}) is None
    assert target_of({"NETWORK": "paper"}) is None


def test_endpoints_faucet_and_price_come_from_the_environment() -> None:
    target = target_of(
        {
            "NETWORK": "paper",
            "DYDX_PAPER_GRPC": "http://127.0.0.1:9090, http://127.0.0.1:9091",
            "DYDX_PAPER_REST": "http://127.0.0.1:3010/",
            "CONFORMANCE_PRICE_URL": "http://127.0.0.1:8099/price",
        }
    )

    assert target is not None
    assert target.grpc_host == ("127.0.0.1:9090", False)
    assert (target.rest, target.faucet) == ("http://127.0.0.1:3010", "http://127.0.0.1:3010")
    assert target.price_url == "http://127.0.0.1:8099/price"
    assert target.here


def test_testnet_is_reached_over_tls_and_has_no_scripted_price() -> None:
    target = target_of({"NETWORK": "testnet", "CONFORMANCE_MNEMONIC": "a phrase"})

    assert target is not None
    assert target.grpc_host[1]
    assert (target.mnemonic, target.price_url, target.flood) == ("a phrase", None, False)
    assert not target.here


def test_an_unknown_network_is_refused() -> None:
    with pytest.raises(Unusable):
        target_of({"NETWORK": "moon"})


def test_differences_of_two_runs_name_case_and_answer() -> None:
    left: dict[str, list[Any]] = {"a": [["order: check", ["clob", 3]]], "b": [["x", 1]]}
    right: dict[str, list[Any]] = {
        "a": [["order: check", ["", 0]], ["order: block", ["", 0]]],
        "b": [["x", 1]],
    }

    found = differences(left, right)

    assert list(found) == ["a"]
    assert found["a"] == [
        "order: check: left ['clob', 3], right ['', 0]",
        "order: block: left None, right ['', 0]",
    ]


def test_a_mismatch_says_what_was_and_what_should_be() -> None:
    with pytest.raises(Mismatch, match=r"price: was '1', not '2'"):
        expect("1", "2", "price")
