"""The live table of markets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from core.dydx.indexer_types import MarketRow
from core.dydx.markets import Markets
from core.dydx.stream_types import MarketsContents, read_frame_exactly
from tests.core.dydx.dydx_kit import StillClock, recording

D = Decimal


def recorded_markets() -> dict[str, MarketRow]:
    for line in recording("ws"):
        message = line["message"]
        if (
            isinstance(message, dict)
            and message.get("type") == "subscribed"
            and message.get("channel") == "v4_markets"
        ):
            contents: Any = read_frame_exactly(message).contents[0]
            rows: dict[str, MarketRow] = contents.markets
            return rows
    raise AssertionError("the recording has no markets")


def table() -> tuple[Markets, StillClock]:
    clock = StillClock()
    markets = Markets(clock)
    markets.replace(recorded_markets())
    return markets, clock


def update(**contents: Any) -> MarketsContents:
    return MarketsContents.read_exactly(contents)


def oracle(price: str, height: int) -> dict[str, Any]:
    return {
        "oraclePrice": price,
        "effectiveAt": "2026-11-22T15:00:00.000Z",
        "effectiveAtHeight": str(height),
        "marketId": 1,
    }


def test_an_empty_table_knows_nothing_and_says_so() -> None:
    markets = Markets(StillClock())

    assert not markets.loaded
    assert markets.get("ETH-USD") is None
    assert markets.by_pair(1) is None
    assert markets.oracle("ETH-USD") is None
    assert markets.tickers() == ()


def test_markets_are_found_by_ticker_and_by_pair() -> None:
    markets, _ = table()

    eth = markets.get("ETH-USD")
    assert markets.loaded
    assert eth is not None
    assert (eth.tick_size, eth.step_size) == (D("0.1"), D("0.001"))
    assert eth.status == "ACTIVE"
    assert eth.market_type == "CROSS"
    assert markets.by_pair(eth.clob_pair_id) == eth
    assert len(markets.tickers()) > 30


def test_a_new_oracle_price_is_taken_over_with_block_and_time() -> None:
    markets, clock = table()
    clock.seconds = 12.0

    markets.merge(update(oraclePrices={"ETH-USD": oracle("1900.5", 900)}))

    eth, price = markets.get("ETH-USD"), markets.oracle("ETH-USD")
    assert eth is not None
    assert price is not None
    assert eth.oracle_price == D("1900.5")
    assert (price.price, price.height, price.received) == (D("1900.5"), 900, 12.0)


def test_a_price_of_an_older_block_is_ignored() -> None:
    markets, _ = table()
    markets.merge(update(oraclePrices={"ETH-USD": oracle("1900", 900)}))

    markets.merge(update(oraclePrices={"ETH-USD": oracle("1800", 899)}))

    eth = markets.get("ETH-USD")
    assert eth is not None
    assert eth.oracle_price == D(1900)


def test_a_status_change_leaves_price_and_scale_alone() -> None:
    markets, _ = table()
    before = markets.get("ETH-USD")

    markets.merge(update(trading={"ETH-USD": {"status": "PAUSED", "trades24H": 4}}))

    after = markets.get("ETH-USD")
    assert before is not None
    assert after is not None
    assert after.status == "PAUSED"
    assert (after.scale, after.oracle_price) == (before.scale, before.oracle_price)


def test_a_changed_step_changes_what_orders_are_rounded_to() -> None:
    markets, _ = table()

    markets.merge(update(trading={"ETH-USD": {"stepBaseQuantums": 10_000_000}}))

    eth = markets.get("ETH-USD")
    assert eth is not None
    assert eth.step_size == D("0.01")


def test_a_market_that_was_listed_later_appears_once_it_is_described() -> None:
    markets, _ = table()

    markets.merge(update(trading={"NEW-USD": {"openInterest": "1"}}))
    assert markets.get("NEW-USD") is None

    row = recorded_markets()["SOL-USD"].wire()
    new = {key: row[key] for key in row if key not in ("oraclePrice",)} | {
        "ticker": "NEW-USD",
        "clobPairId": "777",
    }
    markets.merge(update(trading={"NEW-USD": new}))
    markets.merge(update(oraclePrices={"NEW-USD": oracle("2", 5), "ODD-USD": oracle("2", 5)}))

    found = markets.by_pair(777)
    assert found is not None
    assert (found.ticker, found.oracle_price) == ("NEW-USD", D(2))
    assert markets.oracle("ODD-USD") is None


def test_a_new_snapshot_replaces_all() -> None:
    markets, _ = table()

    markets.replace({"SOL-USD": recorded_markets()["SOL-USD"]})

    assert markets.tickers() == ("SOL-USD",)
    assert markets.get("ETH-USD") is None
    assert markets.by_pair(1) is None


def test_every_recorded_update_can_be_merged() -> None:
    markets, _ = table()
    merged = 0
    for line in recording("ws"):
        message = line["message"]
        if line["dir"] == "in" and "frame" not in line and message.get("channel") == "v4_markets":
            for part in read_frame_exactly(message).contents:
                if isinstance(part, MarketsContents):
                    markets.merge(part)
                    merged += 1
    sol = markets.get("SOL-USD")
    assert merged == 40
    assert sol is not None
    assert sol.oracle_price == D("23.5")
