"""The webhook over real sockets: what it takes, and the one answer for all that is not proved."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from decimal import Decimal
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from core.signals.reading import MAX_BODY
from core.trading.desk import LedgerUnavailable
from handlers.http.metrics import Metrics
from handlers.http.signals import DoorLimits, SignalDoor
from tests.handlers.http.http_kit import (
    GOOD,
    PATH,
    SECRET,
    UUID_TEXT,
    OneStrategyDesk,
    serving,
    until,
)

WRONG = GOOD.replace(SECRET.encode(), SECRET[::-1].encode())
OTHER_PATH = PATH.replace("7b0f", "7b0e")


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain; charset=utf-8", "image/png", ""]
)
async def test_an_alert_is_taken_whatever_its_content_type(content_type: str) -> None:
    async with serving() as served:
        answered = await served.ask("POST", PATH, GOOD, f"Content-Type: {content_type}")

    assert answered.status == 200
    assert served.desk.stored == [GOOD]


async def test_the_answer_keeps_every_digit_of_the_size() -> None:
    async with serving() as served:
        answered = await served.ask("POST", PATH, GOOD)

    assert answered.headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(answered.body, parse_float=Decimal)["size"] == Decimal(
        "0.10000000000000000055"
    )
    assert json.loads(answered.body)["status"] == "PENDING"


async def test_all_that_lacks_a_proved_secret_gets_the_same_bytes() -> None:
    async with serving() as served:
        answers = [await served.ask("POST", PATH, WRONG, keep=keep) for keep in (True, False)]
        for method, path, body in [
            ("POST", OTHER_PATH, GOOD),
            ("POST", OTHER_PATH, WRONG),
            ("POST", OTHER_PATH, b"{"),
            ("POST", PATH, b"{"),
            ("POST", PATH, b""),
            ("POST", PATH, b"\xff\xfe"),
            ("POST", PATH, b'{"symbol": "BTC-USD", "action": "buy"}'),
            ("POST", PATH, b'{"secret": null}'),
            ("POST", PATH, b'{"secret": ["' + SECRET.encode() + b'"]}'),
            ("POST", "/api/webhooks/signal/not-a-uuid", GOOD),
            ("POST", "/api/webhooks/signal/%00%0a%ff", GOOD),
            ("POST", "/api/webhooks/signal/" + "x" * 3000, GOOD),
            ("POST", "/api/webhooks/signal/", GOOD),
            ("POST", f"{PATH}/more", GOOD),
            ("POST", "/", GOOD),
            ("GET", PATH, b""),
            ("PUT", PATH, GOOD),
            ("DELETE", OTHER_PATH, GOOD),
            ("OPTIONS", PATH, b""),
        ]:
            answers.append(await served.ask(method, path, body))

    assert {answer.status for answer in answers} == {404}
    assert len({answer.but_its_date for answer in answers}) == 1
    assert answers[0].body == b'{"success": false, "error": "not_found"}'
    assert served.desk.stored == []


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=300), st.sampled_from([PATH, OTHER_PATH]))
async def test_any_bytes_without_the_secret_get_the_same_answer(body: bytes, path: str) -> None:
    async with serving() as served:
        expected = await served.ask("POST", OTHER_PATH, GOOD)
        answered = await served.ask("POST", path, body)

    assert answered.but_its_date == expected.but_its_date


async def test_a_long_body_is_refused_by_its_length_and_a_chunked_one_by_its_bytes() -> None:
    long = GOOD[:-1] + b" " * MAX_BODY + b"}"
    chunked = (
        f"POST {PATH} HTTP/1.1\r\nHost: desk\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        + b"".join(
            b"%x\r\n%s\r\n" % (len(long[at : at + 1000]), long[at : at + 1000])
            for at in range(0, len(long), 1000)
        )
        + b"0\r\n\r\n"
    )
    async with serving() as served:
        by_length = await served.ask("POST", PATH, long)
        elsewhere = await served.ask("POST", OTHER_PATH, long)
        by_bytes = await served.send(chunked)
        unsent = await served.send(
            f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: {10**12}\r\n\r\n".encode()
        )

    answers = [by_length, elsewhere, by_bytes, unsent]
    assert {answer.status for answer in answers} == {413}
    assert len({answer.but_its_date for answer in answers}) == 1
    assert served.desk.bodies == []


async def test_a_body_of_exactly_the_limit_is_taken_chunked_too() -> None:
    body = GOOD[:-1] + b" " * (MAX_BODY - len(GOOD)) + b"}"
    head = f"POST {PATH} HTTP/1.1\r\nHost: d\r\nConnection: close\r\n"
    async with serving() as served:
        plain = await served.ask("POST", PATH, body)
        chunked = await served.send(
            f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
            + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        )

    assert [plain.status, chunked.status] == [200, 200]
    assert served.desk.stored == [body, body]


async def test_a_compressed_body_is_not_inflated() -> None:
    bomb = gzip.compress(b" " * 5_000_000)
    assert len(bomb) < MAX_BODY
    async with serving() as served:
        answered = await served.ask("POST", PATH, bomb, "Content-Encoding: gzip")

    assert answered.status == 404
    assert served.desk.bodies == [bomb]


async def test_a_body_that_comes_too_slowly_is_cut_off() -> None:
    async with serving(limits=DoorLimits(read_s=0.05, floor_s=0)) as served:
        cut = await served.send(
            f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: 100\r\n\r\n{{".encode()
        )
        expected = await served.ask("POST", OTHER_PATH, GOOD)

    assert cut.but_its_date == expected.but_its_date
    assert served.desk.bodies == [GOOD]


async def test_a_body_that_breaks_off_reaches_no_desk() -> None:
    async with serving() as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: 9999\r\n\r\n{{".encode())
        writer.write_eof()
        writer.close()
        await writer.wait_closed()
        bad_chunk = await served.send(
            f"POST {PATH} HTTP/1.1\r\nHost: d\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode()
        )
        assert (await served.ask("GET", "/healthz")).status == 200
        del reader

    assert bad_chunk.status in (400, 404)
    assert served.desk.bodies == []


async def test_requests_in_a_row_on_one_connection_are_answered_in_order() -> None:
    one = f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(GOOD)}\r\n\r\n".encode() + GOOD
    last = f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: 1\r\n\r\n{{".encode()
    async with serving() as served:
        answered = await served.send(one + one + last + one)

    parts = [part[:3] for part in answered.raw.split(b"HTTP/1.1 ")[1:]]
    assert parts == [b"200", b"200", b"404"]
    assert served.desk.stored == [GOOD, GOOD]


async def test_a_sender_who_hangs_up_early_has_his_alert_stored_nevertheless() -> None:
    go_on = asyncio.Event()
    async with serving() as served:
        served.desk.hindrance = _waiting_for(go_on)
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        head = f"POST {PATH} HTTP/1.1\r\nHost: d\r\nContent-Length: {len(GOOD)}\r\n\r\n"
        writer.write(head.encode() + GOOD)
        await until(lambda: bool(served.desk.bodies))
        writer.close()
        await writer.wait_closed()
        go_on.set()
        await until(lambda: served.desk.stored == [GOOD])


@pytest.mark.parametrize("error", [LedgerUnavailable(), RuntimeError("a fault of ours")])
async def test_an_alert_that_was_not_stored_is_asked_for_again(error: Exception) -> None:
    async def fail() -> None:
        raise error

    async with serving() as served:
        served.desk.hindrance = fail
        answered = await served.ask("POST", PATH, GOOD)

    assert answered.status == 503
    assert answered.body == b'{"success": false, "error": "not_stored"}'
    assert answered.headers["retry-after"] == "5"


async def test_the_answer_does_not_wait_for_a_store_that_hangs_and_cancels_nothing() -> None:
    go_on = asyncio.Event()
    async with serving(limits=DoorLimits(answer_s=0.05, floor_s=0)) as served:
        served.desk.hindrance = _waiting_for(go_on)
        answered = await served.ask("POST", PATH, GOOD)
        assert served.desk.stored == []
        closing = asyncio.create_task(served.listener.close())
        go_on.set()
        await closing
        assert served.desk.stored == [GOOD]

    assert answered.status == 503


async def test_while_draining_alerts_are_left_to_the_next_process() -> None:
    async with serving() as served:
        served.listener.drain()
        good = await served.ask("POST", PATH, GOOD)
        unknown = await served.ask("POST", OTHER_PATH, b"{")
        alive = await served.ask("GET", "/healthz")
        ready = await served.ask("GET", "/readyz")

    assert [good.status, alive.status, ready.status] == [503, 200, 503]
    assert good.but_its_date == unknown.but_its_date
    assert served.desk.bodies == []


class Pauses:
    """Records what was waited for, on a clock that stands still."""

    def __init__(self, limits: DoorLimits) -> None:
        self.limits = limits
        self.seconds: list[float] = []
        self.hold: asyncio.Event | None = None

    def door(self, desk: OneStrategyDesk, metrics: Metrics) -> SignalDoor:
        return SignalDoor(desk, metrics, self.limits, monotonic=lambda: 1000.0, pause=self.pause)

    async def pause(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if self.hold is not None:
            await self.hold.wait()


async def test_an_unknown_webhook_and_a_wrong_secret_cost_the_same_work_and_time() -> None:
    pauses = Pauses(DoorLimits(floor_s=0.2))
    async with serving(make_door=pauses.door) as served:
        for path, body in [(PATH, WRONG), (OTHER_PATH, WRONG), (PATH, b"{"), (OTHER_PATH, b"{")]:
            await served.ask("POST", path, body)

    assert served.desk.bodies == [WRONG, WRONG, b"{", b"{"]
    assert pauses.seconds == pytest.approx([0.2] * 4)


async def test_who_tries_often_waits_longer_and_who_proves_himself_never_waits() -> None:
    pauses = Pauses(DoorLimits(floor_s=0.2, slow_s=2, patience=3))
    async with serving(make_door=pauses.door) as served:
        for _ in range(5):
            await served.ask("POST", PATH, WRONG)
        good = await served.ask("POST", PATH, GOOD)
        await served.ask("POST", PATH, WRONG)

    assert good.status == 200
    assert pauses.seconds == pytest.approx([0.2, 0.2, 0.2, 2, 2, 0.2])


async def test_a_crowd_of_failures_from_one_address_is_not_even_looked_at() -> None:
    pauses = Pauses(DoorLimits(max_waiting=2))
    pauses.hold = asyncio.Event()
    async with serving(make_door=pauses.door) as served:
        waiting = [asyncio.create_task(served.ask("POST", PATH, WRONG)) for _ in range(2)]
        await until(lambda: len(pauses.seconds) == 2)
        third = await served.ask("POST", PATH, WRONG)
        from_elsewhere = await served.ask("POST", PATH, GOOD, "X-Forwarded-For: 52.89.214.238")
        looked_at = len(served.desk.bodies)
        pauses.hold.set()
        first, _ = await asyncio.gather(*waiting)

    assert looked_at == 3
    assert third.but_its_date == first.but_its_date
    assert from_elsewhere.status == 200


async def test_neither_address_nor_secret_reach_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    entries: list[Any]
    with structlog.testing.capture_logs() as entries:
        async with serving() as served:
            await served.ask("POST", PATH, GOOD)
            await served.ask("POST", PATH, WRONG)
            await served.send(f"NONSENSE {PATH} {SECRET}\r\n\r\n".encode())
            served.desk.hindrance = _failing
            await served.ask("POST", PATH, GOOD)

    logged = f"{entries} {caplog.text}"
    assert "an alert was answered" in logged
    assert "0b9f2f0e-0000-4000-8000-000000000001" in logged
    assert UUID_TEXT not in logged
    assert SECRET not in logged


async def _failing() -> None:
    raise LedgerUnavailable


def _waiting_for(event: asyncio.Event) -> Any:
    async def wait() -> None:
        await event.wait()

    return wait
