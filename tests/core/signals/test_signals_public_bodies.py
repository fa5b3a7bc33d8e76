"""Messages as people send them from TradingView, in the shapes that bots and platforms document:
what becomes of a position must be what their authors meant.

`public_bodies.jsonl` holds them, one a line: field names and values as found in public documents.
Where a strategy's placeholders stand in a message (`says`), it is played through the orders of a
strategy; the others say what is `meant` at a position, or name a plan or an order that waits. One
with a `preset` is read by that preset as it is without.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from core.signals.evaluate import answer
from core.signals.placeholders import PLACEHOLDER

NOW = "2026-01-31T12:00:05Z"
LINES = (Path(__file__).parent / "public_bodies.jsonl").read_text().splitlines()
ROWS = [
    {**row, "preset": preset}
    for row in map(json.loads, LINES)
    for preset in dict.fromkeys(("auto", row.get("preset", "auto")))
]


def rows(key: str) -> list[dict[str, Any]]:
    """The rows of one kind."""
    return [row for row in ROWS if key in row]


class Play(NamedTuple):
    """An order of a strategy: action, contracts, the position after and before it, what is held."""

    action: str
    contracts: str
    after: str
    before: str
    held: str


PLAYS = {
    "opens long": Play("buy", "0.5", "0.5", "0", "0"),
    "opens short": Play("sell", "0.5", "-0.5", "0", "0"),
    "adds": Play("buy", "0.25", "0.75", "0.5", "0.5"),
    "adds short": Play("sell", "0.25", "-0.75", "-0.5", "-0.5"),
    "trims": Play("sell", "0.2", "0.3", "0.5", "0.5"),
    "trims short": Play("buy", "0.2", "-0.3", "-0.5", "-0.5"),
    "exits": Play("sell", "0.5", "0", "0.5", "0.5"),
    "exits short": Play("buy", "0.5", "0", "-0.5", "-0.5"),
    "turns short": Play("sell", "1", "-0.5", "0.5", "0.5"),
    "turns long": Play("buy", "1", "0.5", "-0.5", "-0.5"),
    "exits what is not held": Play("sell", "0.5", "0", "0.5", "0"),
    "exits after the turn": Play("sell", "0.5", "0", "0.5", "-0.5"),
}
POSITION = {
    "opens long": "open BUY 0.5 0.5",
    "opens short": "open SELL 0.5 -0.5",
    "adds": "add BUY 0.25 0.75",
    "adds short": "add SELL 0.25 -0.75",
    "trims": "reduce SELL 0.2 0.3",
    "trims short": "reduce BUY 0.2 -0.3",
    "exits": "close SELL 0.5 0",
    "exits short": "close BUY 0.5 0",
    "turns short": "reverse SELL 1 -0.5",
    "turns long": "reverse BUY 1 0.5",
    "exits what is not held": "none",
    "exits after the turn": "none",
}
# Without the position after the order nothing tells an exit from an entry, nor a turn from an exit.
ORDER = {
    **POSITION,
    "turns short": "close SELL 0.5 0",
    "turns long": "close BUY 0.5 0",
    "exits what is not held": "open SELL 0.5 -0.5",
    "exits after the turn": "add SELL 0.5 -1",
}
# The strategy's own size, 0.5 coins, instead of TradingView's.
OWN_SIZE = {
    "adds": "add BUY 0.5 1",
    "adds short": "add SELL 0.5 -1",
    "trims": "close SELL 0.5 0",
    "trims short": "close BUY 0.5 0",
}
# TradersPost adds only where it is told to.
NO_ADDITIONS = {"adds": "none", "adds short": "none"}
SAID = {
    "position": POSITION,
    "order": ORDER,
    "position, own size": POSITION | OWN_SIZE,
    "order, own size": ORDER | OWN_SIZE,
    # One order of the exchange: what goes past flat opens the other side.
    "net order": {
        **ORDER,
        "turns short": "reverse SELL 1 -0.5",
        "turns long": "reverse BUY 1 0.5",
    },
    # The position to be in, whatever is held.
    "target": {**POSITION, "exits after the turn": "close BUY 0.5 0"},
    "traderspost": POSITION | NO_ADDITIONS,
    "traderspost, own size": POSITION | OWN_SIZE | NO_ADDITIONS,
}


def filled(template: Any, play: Play) -> str:
    """The message as TradingView sends it for an order of a strategy."""

    def side(size: str) -> str:
        return "flat" if size == "0" else "short" if size.startswith("-") else "long"

    values = {
        "ticker": "BTCUSDT.P",
        "exchange": "BINANCE",
        "interval": "60",
        "timenow": NOW,
        "time": "2026-01-31T11:00:00Z",
        "open": "99",
        "high": "101",
        "low": "98",
        "close": "100",
        "volume": "1532.7",
        "strategy.order.action": play.action,
        "strategy.order.contracts": play.contracts,
        "strategy.order.price": "100",
        "strategy.order.id": "Entry",
        "strategy.order.comment": "cross",
        "strategy.position_size": play.after,
        "strategy.market_position": side(play.after),
        "strategy.market_position_size": play.after.removeprefix("-"),
        "strategy.prev_market_position": side(play.before),
        "strategy.prev_market_position_size": play.before.removeprefix("-"),
    }
    return PLACEHOLDER.sub(lambda match: values[match.group()[2:-2]], text_of(template))


def text_of(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)


def answered(body: Any, position: str = "0", preset: str = "auto") -> dict[str, Any]:
    line = {"body": text_of(body), "received_at": NOW, "position": position}
    line |= {"oracle_price": "100", "equity": "1000", "default_size": "0.5", "preset": preset}
    return answer(json.dumps(line).encode())


def told(body: Any, position: str = "0", preset: str = "auto") -> str:
    """Effect, side, size and the position after it; of a refusal its code."""
    found = answered(body, position, preset)
    if found["intent"] == "reject":
        return f"reject {found['error']['code']}"
    if found["side"] is None:
        return str(found["intent"])
    return f"{found['intent']} {found['side']} {found['size']} {found['position_after']}"


@pytest.mark.parametrize("row", rows("says"), ids=range(len(rows("says"))))
def test_a_strategys_message_does_what_the_strategy_did(row: dict[str, Any]) -> None:
    bodies = {name: filled(row["body"], play) for name, play in PLAYS.items()}

    found = {name: told(body, PLAYS[name].held, row["preset"]) for name, body in bodies.items()}
    assert found == SAID[row["says"]], bodies["opens long"]


@pytest.mark.parametrize("row", rows("meant"), ids=range(len(rows("meant"))))
def test_a_message_does_what_its_author_meant(row: dict[str, Any]) -> None:
    assert told(row["body"], row["position"], row["preset"]) == row["meant"], text_of(row["body"])


@pytest.mark.parametrize("row", rows("stop"), ids=range(len(rows("stop"))))
def test_an_entrys_stop_and_targets_are_those_of_its_message(row: dict[str, Any]) -> None:
    found = answered(row["body"], preset=row["preset"])

    assert found["intent"] == "open", found["error"]
    assert found["stop_loss"] == row["stop"]
    assert [
        [level.get("price") or f"{level['percent']}%", level["fraction"]]
        for level in found["take_profit"]
    ] == row["targets"]


@pytest.mark.parametrize("row", rows("type"), ids=range(len(rows("type"))))
def test_an_order_waits_where_its_message_says(row: dict[str, Any]) -> None:
    found = answered(row["body"], preset=row["preset"])

    assert found["intent"] == "open", found["error"]
    assert (found["order"]["type"], found["order"]["price"]) == (row["type"], row["price"])
