"""P&L of a day, drawdown and losses in a row, from fills and prices alone."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.trading.risk.figures import (
    Flow,
    Line,
    Result,
    cooling_until,
    drawdown_percent,
    pnl_ever,
    pnl_since,
    sizes_at,
)

D = Decimal
MIDNIGHT = dt.datetime(2026, 7, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def flow(hours: float, size: str, price: str, fee: str = "0", ticker: str = "BTC-USD") -> Flow:
    cash = -D(size) * D(price) - D(fee)
    return Flow(MIDNIGHT + hours * HOUR, ticker, None, D(size), cash)


def line(size: str, entry: str = "100", settled: str = "0", ticker: str = "BTC-USD") -> Line:
    return Line(ticker, None, D(size), D(entry), D(settled))


def at(**prices: str) -> Any:
    table = {f"{name}-USD": D(price) for name, price in prices.items()}
    return table.get


@pytest.mark.parametrize(
    ("lines", "flows", "now", "then", "pnl"),
    [
        ([], [], {}, {}, "0"),
        ([line("2")], [], {"BTC": "90"}, {"BTC": "100"}, "-20"),  # held over midnight
        ([line("-2")], [], {"BTC": "90"}, {"BTC": "100"}, "20"),
        ([line("1")], [flow(1, "1", "95", "0.5")], {"BTC": "90"}, {}, "-5.5"),  # opened today
        ([], [flow(1, "-2", "90", "1")], {}, {"BTC": "100"}, "-21"),  # closed today
        ([line("-1")], [flow(2, "-3", "110")], {"BTC": "120"}, {"BTC": "100"}, "10"),  # turned over
        ([line("1")], [flow(-1, "1", "50")], {"BTC": "90"}, {"BTC": "100"}, "-10"),  # yesterday's
        ([line("1")], [flow(0, "1", "95")], {"BTC": "90"}, {}, "-5"),  # at midnight sharp: today
    ],
)
def test_a_day_counts_fills_and_what_was_open_at_its_begin(
    lines: list[Line], flows: list[Flow], now: dict[str, str], then: dict[str, str], pnl: str
) -> None:
    found = pnl_since(MIDNIGHT, lines, flows, at(**now), at(**then))
    assert found.value == D(pnl)


def test_funding_and_fees_count_as_loss() -> None:
    funding = Flow(MIDNIGHT + HOUR, "BTC-USD", None, D(0), D("-3"))
    found = pnl_since(
        MIDNIGHT,
        [line("1")],
        [funding],
        at(BTC="100"),
        at(BTC="100"),
    )
    assert found.value == D("-3")


def test_without_a_price_of_the_begin_there_is_no_figure_and_the_market_is_named() -> None:
    found = pnl_since(
        MIDNIGHT,
        [line("1")],
        [],
        at(BTC="100"),
        at(),
    )
    assert found.value is None
    assert found.missing == {"BTC-USD"}


def test_the_sizes_of_a_moment_follow_from_the_present_ones() -> None:
    lines = [line("1"), line("2", ticker="ETH-USD")]
    flows = [flow(-5, "9", "1"), flow(1, "3", "100"), flow(2, "2", "10", ticker="ETH-USD")]
    assert sizes_at(MIDNIGHT, lines, flows) == {"BTC-USD": D(-2)}


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=-20, max_value=20).filter(bool),
            st.integers(min_value=1, max_value=200),
            st.integers(min_value=0, max_value=3),
        ),
        max_size=8,
    ),
    st.integers(min_value=0, max_value=8),
    st.integers(min_value=1, max_value=200),
    st.integers(min_value=1, max_value=200),
)
def test_days_add_up_to_all_that_was_ever_made(
    trades: list[tuple[int, int, int]], cut: int, middle: int, last: int
) -> None:
    """Two days split anywhere make as much as the whole, whatever was open between them."""
    flows = [
        flow(place - len(trades[:cut]) + 0.5, str(size), str(price), str(fee))
        for place, (size, price, fee) in enumerate(trades)
    ]
    held = [line(str(sum(size for size, _, _ in trades)))]
    at_cut = [line(str(sum(size for size, _, _ in trades[:cut])))]
    begin = MIDNIGHT - 100 * HOUR
    whole = pnl_since(begin, held, flows, at(BTC=str(last)), at())
    first = pnl_since(
        begin,
        at_cut,
        flows[:cut],
        at(BTC=str(middle)),
        at(),
    )
    second = pnl_since(
        MIDNIGHT,
        held,
        flows,
        at(BTC=str(last)),
        at(BTC=str(middle)),
    )
    assert whole.value is not None
    assert first.value is not None
    assert second.value is not None
    assert first.value + second.value == whole.value


def test_all_pnl_is_what_is_settled_and_what_is_open() -> None:
    lines = [line("2", "100", "5"), line("0", "0", "-7", "ETH-USD"), line("1", "9", "0", "X-USD")]
    assert pnl_ever(lines, at(BTC="110")) == D(18)


@pytest.mark.parametrize(
    ("peak", "pnl", "equity", "percent"),
    [
        ("100", "100", "1000", "0"),
        ("100", "150", "1000", "0"),
        ("100", "0", "900", "10"),
        ("100", "0", "400", "20"),  # 500 were withdrawn: the loss is the same, its share larger
        ("100", "0", "0", "100"),
        ("100", "0", "-50", "100"),
    ],
)
def test_a_drawdown_is_counted_from_the_peak_without_transfers(
    peak: str, pnl: str, equity: str, percent: str
) -> None:
    assert drawdown_percent(D(peak), D(pnl), D(equity)) == D(percent)


def results(text: str) -> list[Result]:
    """One result an hour: + won, - lost, 0 neither."""
    nets = {"+": D(1), "-": D(-1), "0": D(0)}
    return [Result(MIDNIGHT + i * HOUR, None, nets[sign]) for i, sign in enumerate(text)]


@pytest.mark.parametrize(
    ("row", "since", "until_after"),
    [
        ("", None, None),
        ("--", None, None),
        ("---", None, 2),
        ("--+-", None, None),
        ("--0-", None, None),
        ("--+---", None, 5),
        ("----", None, 2),  # after the cool-down the count begins anew
        ("------", None, 5),
        ("---", 1, None),  # the first is forgiven
        ("----", 1, 3),
    ],
)
def test_a_cool_down_begins_with_the_loss_that_completes_a_row(
    row: str, since: int | None, until_after: int | None
) -> None:
    begin = None if since is None else MIDNIGHT + since * HOUR
    found = cooling_until(reversed(results(row)), 3, 60, begin)
    expected = None if until_after is None else MIDNIGHT + (until_after + 1) * HOUR
    assert found == expected
