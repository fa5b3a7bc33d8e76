"""No durable write and no send of the desk is without a failpoint, and each has its own."""

from __future__ import annotations

import ast
import inspect
import os
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core import failpoints
from core.clock import SystemClock, SystemRandom
from core.ledger.database import Ledger, open_ledger
from tests.failpoint_sites import Site, sites, strays


def test_nothing_is_sent_beside_the_modules_that_pass_failpoints() -> None:
    assert strays() == []


@pytest.mark.parametrize(
    ("module", "function", "what"),
    [
        ("core.trading.executor", "_stored", "commit"),  # orders.add commits for its caller
        ("core.trading.intake", "_store_alert", "commit"),  # so does signals.accept
        ("core.trading.sending", "_record", "commit"),  # and orders.record_answer
        ("core.trading.sending", "send", "send"),
        ("core.trading.work", "_cancel_entry", "commit"),
        ("core.trading.connections", "open_paper_account", "send"),
        ("core.trading.sweeping", "_cancel_one", "send"),
        ("core.trading.key_steps", "move", "commit"),
        ("core.trading.risk.panic", "_move", "commit"),
        ("handlers.chat.sending", "say", "send"),
        ("handlers.chat.deletions", "_delete", "send"),
    ],
)
def test_a_place_that_writes_or_sends_is_found(module: str, function: str, what: str) -> None:
    assert any(
        site.function.startswith(f"{module}.")
        and site.function.endswith(f".{function}")
        and site.what == what
        for site in sites()
    )


def test_no_two_places_are_one() -> None:
    found = sites()
    for one in found:
        same = [other for other in found if other.is_at(f"{one.function}:{one.first}")]
        assert same == [one], same


@pytest.fixture
async def ledger(sqlite_ledger_url: str) -> AsyncIterator[Ledger]:
    async with open_ledger(
        sqlite_ledger_url,
        clock=SystemClock(),
        random=SystemRandom(),
        copies_dir=None,
        holder="a test",
    ) as opened:
        yield opened


@asynccontextmanager
async def calm() -> AsyncIterator[None]:
    yield


async def beside_another(ledger: Ledger) -> None:
    async with calm(), ledger.executing():
        pass


async def over_lines(ledger: Ledger) -> None:
    await ledger.commit(
        [],
    )


async def plainly(ledger: Ledger) -> None:
    async with ledger.transaction():
        pass


async def under_another(ledger: Ledger) -> None:
    async with calm(), ledger.executing():
        pass


@pytest.mark.parametrize("way", [beside_another, over_lines, plainly, under_another])
async def test_a_commit_names_the_place_in_the_source_that_asked_for_it(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: object
) -> None:
    assert inspect.iscoroutinefunction(way)
    monkeypatch.setenv(failpoints.EACH, str(tmp_path / "places"))
    died: list[str] = []
    monkeypatch.setattr(failpoints, "done", died.append)
    await way(ledger)
    lines, first = inspect.getsourcelines(way)
    calls = [
        node
        for node in ast.walk(ast.parse(textwrap.dedent("".join(lines))))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("executing", "commit", "transaction")
    ]
    (call,) = calls
    last = call.end_lineno or call.lineno
    function = f"{__name__}.{way.__name__}"
    site = Site(function, first + call.lineno - 1, first + last - 1, "commit")
    assert len(died) == 1
    assert site.is_at(died[0]), (died, site)


async def test_a_process_dies_once_at_each_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(failpoints.EACH, str(tmp_path / "places"))
    killed: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append(number))
    for place in ("a.f:1", "b.g:2", "a.f:1", ""):
        failpoints.done(place)
    assert killed == [9, 9]
    assert (tmp_path / "places").read_text().splitlines() == ["a.f:1", "b.g:2"]


@pytest.mark.parametrize(("moment", "at"), [("a.f", 0), ("a.f 2", 2), ("b.g", 1), ("a", None)])
async def test_a_process_dies_once_behind_the_function_that_a_file_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, at: int | None
) -> None:
    file = tmp_path / "failpoint"
    monkeypatch.setenv(failpoints.ONE, str(file))
    killed: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append(number))
    failpoints.done("a.f:1")  # nobody has asked for it yet
    file.write_text(moment)
    deaths = []
    for place in ("a.f:1", "b.g:2", "a.f:3", "a.f:1", "b.g:2", ""):
        failpoints.done(place)
        deaths.append(len(killed))
    assert deaths == [int(at is not None and turn >= at) for turn in range(6)]
    assert file.read_text() == (moment if at is None else "")


async def test_a_place_in_a_comprehension_or_an_inner_function_has_their_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(failpoints.ONE, os.devnull)

    def inner() -> str:
        return failpoints.site()

    name = f"{__name__}.test_a_place_in_a_comprehension_or_an_inner_function_has_their_names"
    assert failpoints.function_of(inner()) == f"{name}.inner"
    assert [failpoints.function_of(failpoints.site()) for _ in range(2)] == [name, name]
