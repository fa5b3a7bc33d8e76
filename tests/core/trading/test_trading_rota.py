"""Which account is looked at next, and how often."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trading.rota import Look, Pace, Rank, Standing, due, stretch_of

PACE = Pace()
RATE = 96 / 10.2


def seen(account_id: int, rank: Rank, orders: float, positions: float) -> Standing:
    return Standing(account_id, rank, orders_seen=orders, positions_seen=positions)


def looks(standings: list[Standing], now: float, rate: float = RATE) -> list[tuple[int, str]]:
    return [(one.account_id, one.look.value) for one in due(standings, PACE, now, rate)[0]]


@pytest.mark.parametrize(
    ("rank", "now", "wanted"),
    [
        (Rank.LIVE, 9.9, []),
        (Rank.LIVE, 10.0, ["orders"]),
        (Rank.LIVE, 30.0, ["orders", "positions"]),
        (Rank.PRESSING, 9.9, []),
        (Rank.PRESSING, 10.0, ["orders", "positions"]),
        (Rank.IDLE, 599.9, []),
        (Rank.IDLE, 600.0, ["orders", "positions"]),
    ],
)
def test_each_look_is_due_after_its_interval(rank: Rank, now: float, wanted: list[str]) -> None:
    assert [look for _, look in looks([seen(1, rank, 0, 0)], now)] == wanted


def test_pressing_accounts_come_first_and_then_who_waits_longest() -> None:
    rows = [
        seen(1, Rank.LIVE, 100, 100),
        seen(2, Rank.LIVE, 80, 110),
        seen(3, Rank.PRESSING, 101, 110),
        seen(4, Rank.IDLE, -500, 100),
    ]
    assert looks(rows, 112) == [(3, "orders"), (2, "orders"), (1, "orders"), (4, "orders")]
    assert looks(rows, 120)[:3] == [(3, "orders"), (3, "positions"), (2, "orders")]


@pytest.mark.parametrize(
    ("pressing", "live", "idle", "wanted"),
    [
        (0, 0, 0, (1.0, 1.0)),
        (10, 10, 900, (1.0, 1.0)),
        (0, 49, 0, (1.0, 1.0)),  # 49 × (1/10 + 1/30) just below 70 % of 96 in 10.2 s
        (0, 98, 0, (1.0, 1.98)),
        (20, 98, 0, (1.0, 5.05)),
        (200, 0, 0, (6.07, 1.0)),
    ],
)
def test_intervals_stretch_evenly_beyond_the_budget_and_last_for_pressing_accounts(
    pressing: int, live: int, idle: int, wanted: tuple[float, float]
) -> None:
    ranks = [Rank.PRESSING] * pressing + [Rank.LIVE] * live + [Rank.IDLE] * idle
    found = stretch_of(ranks, PACE, RATE)
    assert (found.pressing, found.others) == pytest.approx(wanted, abs=0.01)


@given(
    pressing=st.integers(0, 300),
    live=st.integers(0, 2000),
    idle=st.integers(0, 20_000),
    rate=st.floats(0.5, 100),
)
def test_all_looks_together_never_take_more_than_their_part_and_none_starves(
    pressing: int, live: int, idle: int, rate: float
) -> None:
    ranks = [Rank.PRESSING] * pressing + [Rank.LIVE] * live + [Rank.IDLE] * idle
    found = stretch_of(ranks, PACE, rate)
    taken = sum(1 / (PACE.interval(rank, look) * found.of(rank)) for rank in ranks for look in Look)
    assert taken <= rate * PACE.share * (1 + 1e-9)
    assert found.pressing >= 1
    assert found.others >= 1


def test_a_refusal_for_the_rate_stretches_the_intervals_too() -> None:
    rows = [seen(number, Rank.LIVE, 0, 0) for number in range(40)]
    assert len(looks(rows, 10)) == 40
    assert looks(rows, 10, rate=RATE / 2) == []
