"""The comparison with the recording has teeth: a paper network with a defect fails it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from core.paper import conditional
from core.paper.book import Book
from core.paper.fees import Fees
from core.paper.indexer import order_life, positions
from core.paper.indexer.records import FillRow, PositionRow
from core.paper.matching import Matcher
from tests.core.paper.golden_frames import played_frames, recorded_frames
from tests.core.paper.golden_kit import Played, play_story

Patch = pytest.MonkeyPatch


def failing_steps(played: Played) -> set[int]:
    """The steps in which a play is not what was recorded."""
    recorded, ours = recorded_frames(), played_frames(played)
    failing = {
        key[0] for key in recorded.keys() | ours.keys() if recorded.get(key) != ours.get(key)
    }
    for event, result in played.checks:
        told = event["check_tx"]
        if (result.codespace, result.code) != (told["codespace"], told["code"]):
            failing.add(event["step"])
    return failing


def without_rebates(patch: Patch) -> None:
    right = Fees.ppm
    patch.setattr(Fees, "ppm", lambda *args: max(right(*args), 0))


def worst_price_first(patch: Patch) -> None:
    def best(book: Book, side: Any) -> Any:
        waiting = book.bids if side.value == "BUY" else book.asks
        return waiting[-1] if waiting else right(book, side)

    right = Book.best
    patch.setattr(Book, "best", best)


def reduce_only_without_a_cap(patch: Patch) -> None:
    patch.setattr(Matcher, "reducible", lambda matcher, order, market: order.quantums)


def triggers_upside_down(patch: Patch) -> None:
    right = conditional.triggers_falling
    patch.setattr(conditional, "triggers_falling", lambda order: not right(order))


def no_equity_tiers(patch: Patch) -> None:
    patch.setattr("core.paper.stateful.check_tier", lambda *args: None)


def a_reversal_in_two(patch: Patch) -> None:
    def count_in(position: PositionRow, fill: FillRow) -> None:
        right(position, fill)
        if position.status == "OPEN":
            position.sum_open = min(position.sum_open, position.sum_close + abs(position.size))

    right = positions.count_in
    patch.setattr(positions, "count_in", count_in)


def an_expiry_told_once(patch: Patch) -> None:
    def canceled(work: Any, row: Any, reason: str) -> None:
        before = len(work.late)
        right(work, row, reason)
        del work.late[before + 1 :]

    right = order_life._canceled
    patch.setattr(order_life, "_canceled", canceled)


@pytest.mark.parametrize(
    ("defect", "step"),
    [
        (without_rebates, 18),
        (worst_price_first, 4),
        (reduce_only_without_a_cap, 28),
        (triggers_upside_down, 25),
        (no_equity_tiers, 58),
        (a_reversal_in_two, 30),
        (an_expiry_told_once, 19),
    ],
)
def test_a_defect_of_the_paper_network_fails_the_comparison(
    defect: Callable[[Patch], None], step: int, monkeypatch: Patch
) -> None:
    defect(monkeypatch)
    assert step in failing_steps(asyncio.run(play_story(ask=False)))


def test_without_a_defect_the_comparison_holds() -> None:
    assert failing_steps(asyncio.run(play_story(ask=False))) == set()
