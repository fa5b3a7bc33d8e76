"""Every message of a real network becomes a typed value and is written back unchanged."""

from __future__ import annotations

import copy
import json
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from core.dydx.indexer_types import IndexerFill, IndexerOrder
from core.dydx.routes import read_answer
from core.dydx.stream_types import (
    Frame,
    Request,
    StreamFill,
    read_frame,
    read_frame_exactly,
)
from core.dydx.wire import Unreadable, Wire
from tests.core.dydx.dydx_kit import recording

Counts = Counter[tuple[str | None, ...]]


def incoming() -> list[dict[str, Any]]:
    """Messages of the server; ping, pong and close frames are the websocket library's."""
    return [
        line["message"] for line in recording("ws") if line["dir"] == "in" and "frame" not in line
    ]


def raw_rows(message: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every order, fill and position in a message, found without any of our types."""
    contents = message.get("contents")
    for part in contents if isinstance(contents, list) else [contents]:
        if isinstance(part, dict):
            for kind in ("orders", "fills", "perpetualPositions", "assetPositions"):
                for row in part.get(kind) or ():
                    yield kind, row


def typed_rows(frame: Frame) -> Iterator[tuple[str, Any]]:
    for part in frame.contents:
        for kind, name in (
            ("orders", "orders"),
            ("fills", "fills"),
            ("perpetualPositions", "perpetual_positions"),
            ("assetPositions", "asset_positions"),
        ):
            for row in getattr(part, name, None) or ():
                yield kind, row


def test_all_frames_are_read_completely_and_written_back_unchanged() -> None:
    messages = incoming()

    frames = [read_frame_exactly(message) for message in messages]

    assert len(frames) == 2287
    assert [frame.wire() for frame in frames] == messages


def test_frames_are_counted_by_channel_kind_status_and_removal_reason_as_in_the_file() -> None:
    expected: Counts = Counter()
    found: Counts = Counter()
    for message in incoming():
        frame = read_frame_exactly(message)
        expected[(message["type"], message.get("channel"), None, None, None)] += 1
        found[(frame.type, frame.channel, None, None, None)] += 1
        for kind, row in raw_rows(message):
            key = (message["type"], message["channel"], kind)
            expected[(*key, row.get("status"), row.get("removalReason"))] += 1
        for kind, row in typed_rows(frame):
            assert isinstance(row, Wire)
            status, reason = getattr(row, "status", None), getattr(row, "removal_reason", None)
            found[(frame.type, frame.channel, kind, status, reason)] += 1

    assert found == expected
    assert (
        found[("channel_data", "v4_subaccounts", "orders", "FILLED", None)],
        found[("channel_data", "v4_subaccounts", "fills", None, None)],
    ) == (54, 77)


def test_requests_of_the_recorder_are_read_and_written_back_unchanged() -> None:
    sent = [
        line["message"]
        for line in recording("ws")
        if line["dir"] == "out" and "frame" not in line and isinstance(line["message"], dict)
    ]

    assert len(sent) == 109
    assert [Request.read_exactly(message).wire() for message in sent] == sent


def route(path: str) -> str:
    return path.split("?")[0]


def test_all_answers_are_read_completely_and_written_back_unchanged() -> None:
    lines = list(recording("rest"))
    expected: Counts = Counter()
    found: Counts = Counter()

    for line in lines:
        answer = read_answer(route(line["path"]), line["status"], line["body"])
        assert answer.wire() == line["body"], line["path"]
        expected[(route(line["path"]), str(line["status"]))] += 1
        body = line["body"]
        if isinstance(body, dict) and "errors" in body:
            assert [fault.msg for fault in answer.value.errors] == [
                fault["msg"] for fault in body["errors"]
            ]
        found[(route(line["path"]), str(line["status"]))] += 1
        for row in body if isinstance(body, list) else ():
            expected[("order", row["status"], row["type"])] += 1
        for order in answer.value if isinstance(answer.value, list) else ():
            assert isinstance(order, IndexerOrder)
            found[("order", order.status, order.type)] += 1

    assert len(lines) == 783
    assert found == expected


def every_object(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from every_object(part)
    elif isinstance(value, list):
        for part in value:
            yield from every_object(part)


def one_of_each_kind() -> list[dict[str, Any]]:
    seen: dict[tuple[str, str | None], dict[str, Any]] = {}
    for message in incoming():
        key = (message["type"], message.get("channel"))
        if len(json.dumps(message)) > len(json.dumps(seen.get(key, 0))):
            seen[key] = message
    return list(seen.values())


MAPS = ("markets", "openPerpetualPositions", "assetPositions", "trading", "oraclePrices")


def test_a_field_that_is_not_known_fails_wherever_it_stands() -> None:
    tried = 0
    for message in one_of_each_kind():
        maps = [
            id(found[name]) for found in every_object(message) for name in MAPS if name in found
        ]
        for place, original in enumerate(every_object(message)):
            if id(original) in maps:
                continue
            changed = copy.deepcopy(message)
            list(every_object(changed))[place]["surprise"] = "1"
            with pytest.raises(Unreadable):
                read_frame_exactly(changed)
            tried += 1
    assert tried > 100


@pytest.mark.parametrize(
    "field",
    ["status", "side", "type", "timeInForce", "removalReason", "liquidity", "marketType"],
)
def test_a_word_that_is_not_known_fails(field: str) -> None:
    tried = 0
    for message in incoming():
        places = [
            place for place, found in enumerate(every_object(message)) if place and field in found
        ]
        for place in places[:1]:
            changed = copy.deepcopy(message)
            list(every_object(changed))[place][field] = "SURPRISE"
            with pytest.raises(Unreadable):
                read_frame_exactly(changed)
            tried += 1
        if tried >= 20:
            break
    assert tried


def test_in_use_a_new_field_is_skipped_and_the_rest_is_read() -> None:
    for message in one_of_each_kind():
        changed = copy.deepcopy(message)
        for found in list(every_object(changed))[:1]:
            found["surprise"] = "1"
        assert read_frame(changed) == read_frame(message)


def fill_message() -> dict[str, Any]:
    """The largest single message with fills."""
    return max(
        (
            m
            for m in incoming()
            if m["type"] == "channel_data" and any(kind == "fills" for kind, _ in raw_rows(m))
        ),
        key=lambda m: len(json.dumps(m)),
    )


def test_in_use_a_new_field_of_a_fill_does_not_hide_the_fill() -> None:
    message = copy.deepcopy(fill_message())
    message["contents"]["fills"][0]["surprise"] = {"a": 1}

    frame = read_frame(message)

    fills = [row for kind, row in typed_rows(frame) if kind == "fills"]
    assert [fill.id for fill in fills] == [row["id"] for row in message["contents"]["fills"]]
    assert frame.dropped == 0


def test_in_use_a_row_that_cannot_be_read_does_not_hide_the_others() -> None:
    message = copy.deepcopy(fill_message())
    message["contents"]["orders"][0]["status"] = "SURPRISE"

    frame = read_frame(message)

    kinds = Counter(kind for kind, _ in typed_rows(frame))
    assert kinds["fills"] == len(message["contents"]["fills"])
    assert kinds["orders"] == len(message["contents"]["orders"]) - 1
    assert frame.dropped == 1


def test_in_use_a_part_that_cannot_be_read_is_left_out_and_counted() -> None:
    message = copy.deepcopy(fill_message())
    message["contents"]["transfers"] = {"type": "SURPRISE"}
    message["contents"]["tradingReward"] = {"tradingReward": {"nested": "1"}}

    frame = read_frame(message)

    assert [kind for kind, _ in typed_rows(frame)].count("fills")
    assert frame.dropped == 2
    with pytest.raises(Unreadable):
        read_frame(message | {"contents": {"transfers": {"type": "SURPRISE"}}})


def test_fills_are_one_type_whether_they_come_by_stream_or_by_request() -> None:
    by_stream = {
        row.id: row
        for message in incoming()
        for kind, row in typed_rows(read_frame_exactly(message))
        if kind == "fills"
    }
    compared = 0
    for line in recording("rest"):
        if route(line["path"]) != "/fills" or line["status"] != 200:
            continue
        for row in read_answer("/fills", 200, line["body"]).value.fills:
            other = by_stream.get(row.id)
            if other is None:
                continue
            assert isinstance(row, IndexerFill)
            assert isinstance(other, StreamFill)
            for name in ("ticker", "side", "size", "price", "fee", "order_id", "created_at_height"):
                assert getattr(row, name) == getattr(other, name)
            compared += 1
    assert compared > 100


def test_amounts_are_exact() -> None:
    fill = next(row for kind, row in typed_rows(read_frame(fill_message())) if kind == "fills")

    assert isinstance(fill.price, Decimal)
    assert fill.signed_size == fill.size * (1 if fill.side == "BUY" else -1)


def test_a_frame_with_fills_is_read_in_less_than_half_a_millisecond() -> None:
    text = json.dumps(fill_message())
    rounds = []
    for _ in range(30):
        began = time.perf_counter()
        read_frame(json.loads(text))
        rounds.append(time.perf_counter() - began)

    assert min(rounds) < 0.0005


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"type": 5},
        {"type": "surprise", "connection_id": "a", "message_id": 1},
        {"type": "connected", "message_id": 1},
        {"type": "connected", "connection_id": "a", "message_id": True},
        {"type": "channel_data", "connection_id": "a", "message_id": 1, "channel": "v4_new"},
        {
            "type": "channel_batch_data",
            "connection_id": "a",
            "message_id": 1,
            "channel": "v4_markets",
            "contents": {},
        },
        {
            "type": "channel_data",
            "connection_id": "a",
            "message_id": 1,
            "channel": "v4_subaccounts",
            "contents": {"fills": [{"id": "secret-content"}]},
        },
    ],
)
def test_what_is_no_frame_is_an_error_without_its_content(value: Any) -> None:
    with pytest.raises(Unreadable) as caught:
        read_frame(value)
    assert "secret-content" not in str(caught.value)
