"""No durable write and no send of the desk is without a failpoint, and each has its own."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core import failpoints
from core.clock import SystemClock, SystemRandom
from core.ledger.database import Ledger, open_ledger
from tests.failpoint_sites import Site, sites, sources, strays


def test_nothing_is_sent_beside_the_modules_that_pass_failpoints() -> None:
    assert strays() == []


@pytest.mark.parametrize(
    ("module", "function", "what"),
    [
        ("core.trading.executor", "_stored", "commit"),  # orders.add commits for its caller
        ("core.trading.intake", "_store_alert", "commit"),  # so does signals.accept
        ("core.trading.sending", "record", "commit"),  # and orders.record_answer
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
        (site.module, site.what) == (module, what) and site.first in lines
        for site in sites()
        for lines in lines_of(module, function)
    )


def lines_of(module: str, function: str) -> list[range]:
    """The lines of the functions of this name in a module."""
    (tree,) = [
        tree
        for path, tree in sources()
        if path.as_posix().endswith(module.replace(".", "/") + ".py")
    ]
    return [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.AsyncFunctionDef) and node.name == function
    ]


def test_no_two_places_are_one() -> None:
    found = sites()
    for one in found:
        same = [other for other in found if other.is_at(f"{one.module}:{one.first}")]
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
    site = Site(__name__, first + call.lineno - 1, first + last - 1, "commit")
    assert len(died) == 1
    assert site.is_at(died[0]), (died, site)


async def test_a_process_dies_once_at_each_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(failpoints.EACH, str(tmp_path / "places"))
    killed: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, number: killed.append(number))
    for place in ("a:1", "b:2", "a:1", ""):
        failpoints.done(place)
    assert killed == [9, 9]
    assert (tmp_path / "places").read_text().splitlines() == ["a:1", "b:2"]
