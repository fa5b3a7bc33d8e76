"""Health, metrics, safe headers, errors that tell nothing, and limits on connections."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from uuid import UUID

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from handlers.http.answers import to_json
from handlers.http.health import Check
from handlers.http.serving import listen
from handlers.http.sources import FORGET_AFTER_S, MAX_SOURCES, Failures, Source, source_of
from tests.handlers.http.http_kit import GOOD, PATH, serving, until


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("0.10"), "0.10"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-9"), "0.000000001"),
        (None, "null"),
        (True, "true"),
        (7, "7"),
        ('a"b\n', '"a\\"b\\n"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        ({"a": [1, {"b": ()}]}, '{"a": [1, {"b": []}]}'),
    ],
)
def test_json_keeps_decimals_as_they_are(value: object, text: str) -> None:
    assert to_json(value) == text


def test_json_takes_no_float_and_nothing_that_is_not_finite() -> None:
    with pytest.raises(TypeError):
        to_json({"a": 0.1})
    with pytest.raises(ValueError, match="not finite"):
        to_json(Decimal("NaN"))


async def test_alive_and_ready_are_told_apart() -> None:
    async with serving() as served:
        alive = await served.ask("GET", "/healthz")
        ready = await served.ask("GET", "/readyz")
        served.readiness.found.append(Check("streams", ok=False, detail="testnet: 12 s old"))
        unready = await served.ask("GET", "/readyz")
        still_alive = await served.ask("GET", "/healthz")

    assert [alive.status, ready.status, unready.status, still_alive.status] == [200, 200, 503, 200]
    assert json.loads(unready.body) == {
        "ready": False,
        "checks": [
            {"name": "ledger", "ok": True, "detail": ""},
            {"name": "streams", "ok": False, "detail": "testnet: 12 s old"},
        ],
    }


async def test_readiness_that_fails_itself_is_not_ready_and_tells_no_detail() -> None:
    async with serving() as served:
        served.readiness.error = RuntimeError("password=hunter2")
        answered = await served.ask("GET", "/readyz")

    assert answered.status == 503
    assert b"hunter2" not in answered.body


async def test_alerts_are_counted_by_answer_without_any_id() -> None:
    async with serving() as served:
        await served.ask("POST", PATH, GOOD)
        await served.ask("POST", PATH, b"{")
        await served.ask("POST", PATH, b" " * 9000)
        served.metrics.orders_unknown.set(3)
        answered = await served.ask("GET", "/metrics")

    text = answered.body.decode()
    assert answered.headers["content-type"].startswith("text/plain; version=")
    assert 'perpgram_alerts_total{status="PENDING"} 1.0' in text
    assert 'perpgram_alerts_total{status="not_found"} 1.0' in text
    assert 'perpgram_alerts_total{status="too_large"} 1.0' in text
    assert "perpgram_signal_to_answer_seconds_count 1.0" in text
    assert "perpgram_orders_unknown 3.0" in text
    assert PATH.rpartition("/")[2] not in text


async def _broken(_: web.Request) -> web.Response:
    raise RuntimeError("/home/somebody/secret.py, line 1")


async def _teapot(_: web.Request) -> web.Response:
    raise web.HTTPBadRequest(text="detail")


async def _page(_: web.Request) -> web.Response:
    return web.Response(text="page", headers={"Content-Security-Policy": "default-src 'self'"})


ROUTES = [web.get("/broken", _broken), web.get("/teapot", _teapot), web.get("/page", _page)]


async def test_every_error_is_json_with_a_code_and_no_detail() -> None:
    async with serving(extra_routes=ROUTES) as served:
        answers = [
            await served.ask("GET", "/nowhere"),
            await served.ask("POST", "/healthz"),
            await served.ask("GET", "/broken"),
            await served.ask("GET", "/teapot"),
            await served.send(b"\x16\x03\x01\x02\x00 not http\r\n\r\n"),
            await served.send(b"GET /x HTTP/1.1\r\nHost: d\r\nA: " + b"a" * 9000 + b"\r\n\r\n"),
        ]

    assert [(answer.status, json.loads(answer.body)["error"]) for answer in answers] == [
        (404, "not_found"),
        (405, "method_not_allowed"),
        (500, "internal_server_error"),
        (400, "bad_request"),
        (400, "bad_request"),
        (400, "bad_request"),
    ]
    assert {len(json.loads(answer.body)) for answer in answers} == {2}
    assert answers[1].headers["allow"] == "GET,HEAD"


async def test_every_answer_has_the_safe_headers_and_names_no_server() -> None:
    async with serving(extra_routes=ROUTES) as served:
        answers = [
            await served.ask("GET", path)
            for path in ("/healthz", "/readyz", "/metrics", "/nowhere", "/broken", PATH)
        ]
        answers.append(await served.ask("POST", PATH, GOOD))
        page = await served.ask("GET", "/page")
        malformed = await served.send(b"nonsense\r\n\r\n")

    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in answer.headers
    assert page.headers["content-security-policy"] == "default-src 'self'"
    assert b"aiohttp" not in malformed.raw
    assert b"Python" not in malformed.raw


async def test_a_connection_without_headers_is_closed() -> None:
    async with serving(headers_within_s=0.05) as served:
        silent = await served.send(b"")
        dripping = await served.send(b"POST /api/webhooks/signal/x HTTP/1.1\r\nHost: d\r\nA: ")

    assert silent.raw == b""
    assert dripping.raw == b""


async def test_more_connections_than_allowed_are_closed_and_room_is_used_again() -> None:
    async with serving(max_connections=2) as served:
        held = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]
        for _, writer in held:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: d\r\n\r\n")
        for reader, _ in held:
            await reader.readuntil(b"}")
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        for _, open_writer in [*held, (reader, writer)]:
            open_writer.close()
            await open_writer.wait_closed()
        statuses: list[int] = []

        async def again() -> None:
            while not statuses:
                answered = await served.ask("GET", "/healthz")
                if answered.raw:
                    statuses.append(answered.status)

        async with asyncio.timeout(5):
            await again()

    assert statuses == [200]


async def test_a_taken_port_is_an_error_that_leaves_nothing_open() -> None:
    async with serving() as served:
        with pytest.raises(OSError, match="in use"):
            await listen(web.Application(), "127.0.0.1", served.port)


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", None, "203.0.113.7"),
        ("8.8.8.8", "52.89.214.238", "8.8.8.8"),
        ("127.0.0.1", "52.89.214.238", "52.89.214.238"),
        ("172.18.0.2", "6.6.6.6, 52.89.214.238", "52.89.214.238"),
        ("::1", "52.89.214.238", "52.89.214.238"),
        ("::ffff:10.0.0.1", "52.89.214.238", "52.89.214.238"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("2606:4700:1:2:3:4:5:6", None, "2606:4700:1:2::/64"),
    ],
)
def test_a_forwarded_address_counts_only_from_a_proxy_nearby(
    peer: str, forwarded: str | None, address: str
) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = make_mocked_request("POST", PATH, headers=headers).clone(remote=peer)

    assert source_of(request) == Source(PATH[-64:], address)


def test_failures_are_kept_by_path_and_address_for_ten_minutes_in_bounded_room() -> None:
    now = [0.0]
    failures = Failures(lambda: now[0], max_waiting=1)
    here, there = Source("/a", "1.1.1.1"), Source("/a", "2.2.2.2")

    assert [failures.note(here), failures.note(here), failures.note(there)] == [1, 2, 1]
    failures.clear(here)
    assert failures.note(here) == 1
    now[0] += FORGET_AFTER_S + 1
    assert failures.note(here) == 1
    for number in range(MAX_SOURCES * 2):
        failures.note(Source(f"/{number}", "3.3.3.3"))
    assert len(failures._counts) == MAX_SOURCES
    assert failures.note(here) == 1


def test_who_waits_is_counted_until_his_answer() -> None:
    failures = Failures(lambda: 0.0, max_waiting=1)
    here = Source("/a", "1.1.1.1")
    with failures.waiting(here):
        assert failures.crowded(Source("/b", "1.1.1.1"))
        assert not failures.crowded(Source("/a", "2.2.2.2"))

    assert not failures.crowded(here)
    assert not failures._waiting


async def test_an_alert_is_answered_while_hundreds_guess() -> None:
    async with serving() as served:
        guesses = [
            asyncio.create_task(
                served.ask("POST", PATH, b'{"secret": "x"}', f"X-Forwarded-For: 9.9.{i % 7}.1")
            )
            for i in range(200)
        ]
        answered = await served.ask("POST", PATH, GOOD)
        statuses = {guess.status for guess in await asyncio.gather(*guesses)}
        await until(lambda: len(served.desk.bodies) == 201)

    assert answered.status == 200
    assert statuses == {404}
