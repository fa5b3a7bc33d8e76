"""The recorded story of a real network: its steps, its blocks, and what was asked and heard.

Heights and times are those of the recording, so that the paper network can be led along it.
"""

from __future__ import annotations

import bisect
import datetime as dt
import functools
import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

RECORDINGS = Path(__file__).parents[2] / "data" / "recordings"
Json = dict[str, Any]
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BLOCK_S: Final = 0.8205


def recording(name: str) -> Iterator[Json]:
    """The lines of a recording."""
    with lzma.open(RECORDINGS / f"{name}.jsonl.xz", "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


@dataclass(frozen=True)
class Step:
    """One numbered step. Blocks above `height` and messages from `t_ms` on belong to it."""

    number: int
    note: str
    t_ms: int
    height: int
    events: tuple[Json, ...]


@dataclass(frozen=True)
class Line:
    """One message of v4_subaccounts, whoever sent it: what it says, and in which step. `height` is
    the block after which it was said.

    `source` is "memory" for what the node's memory and the order cache said, "block" for what a
    committed block said: how the two interleave is a matter of delays.
    """

    step: int
    who: str
    source: str
    height: int
    contents: Json


@functools.cache
def story() -> tuple[Step, ...]:
    """The steps in their order; step 0 is what came before."""
    rows = sorted(recording("story"), key=lambda row: row["t_ms"])
    begins = [row for row in rows if row["kind"] == "begin"]
    starts = [row["t_ms"] for row in begins]
    found = []
    for at, begin in enumerate(begins):
        until = starts[at + 1] if at + 1 < len(starts) else 2**62
        events = tuple(
            row
            for row in rows
            if begin["t_ms"] <= row["t_ms"] < until and row["kind"] in ("tx", "oracle", "faucet")
        )
        height = height_at(begin["t_ms"])
        if events:
            height = events[0].get("height") or faucet_height(events[0]) - 1
        found.append(Step(begin["step"], begin["note"], begin["t_ms"], height, events))
    return tuple(found)


@functools.cache
def block_times() -> dict[int, int]:
    """Unix milliseconds in the header of each block that the recordings name."""
    known: dict[int, int] = {}
    for row in recording("ws"):
        message = row["message"]
        if isinstance(message, dict) and "contents" in message:
            _note_times(message["contents"], known)
    return known


def _note_times(value: Any, known: dict[int, int]) -> None:
    if isinstance(value, list):
        for each in value:
            _note_times(each, known)
    elif isinstance(value, dict):
        for height, time in (
            ("createdAtHeight", "createdAt"),
            ("updatedAtHeight", "updatedAt"),
            ("blockHeight", "time"),
            ("effectiveAtHeight", "effectiveAt"),
        ):
            if isinstance(value.get(height), str) and isinstance(value.get(time), str):
                known[int(value[height])] = unix_ms(value[time])
        for each in value.values():
            _note_times(each, known)


def unix_ms(text: str) -> int:
    return int((dt.datetime.fromisoformat(text) - EPOCH) / dt.timedelta(milliseconds=1))


def time_of(height: int) -> dt.datetime:
    """The recorded time of a block, or one between its known neighbours."""
    known, heights = block_times(), sorted(block_times())
    at = bisect.bisect_left(heights, height)
    if at < len(heights) and heights[at] == height:
        ms = float(known[height])
    elif 0 < at < len(heights):
        low, high = heights[at - 1], heights[at]
        share = (height - low) / (high - low)
        ms = known[low] + share * (known[high] - known[low])
    else:
        near = heights[0] if at == 0 else heights[-1]
        ms = known[near] + (height - near) * BLOCK_S * 1000
    return EPOCH + dt.timedelta(milliseconds=int(ms))


@functools.cache
def seen_heights() -> tuple[tuple[int, int], ...]:
    """Moments at which the indexer's height was told: (unix milliseconds, height), in order."""
    seen: dict[int, int] = {}
    for row in recording("ws"):
        message = row["message"]
        if isinstance(message, dict) and message.get("channel") == "v4_block_height":
            height = message.get("contents", {}) if message["type"] == "channel_data" else {}
            if "blockHeight" in height:
                seen[row["t_ms"]] = int(height["blockHeight"])
    for row in recording("rest"):
        body = row["body"] if isinstance(row["body"], dict) else {}
        height = body.get("subaccount", {}).get("latestProcessedBlockHeight", body.get("height"))
        if row["status"] == 200 and height is not None:
            seen[row["t_ms"]] = int(height)
    return tuple(sorted(seen.items()))


def height_at(t_ms: int) -> int:
    """The block that the indexer had reached at this moment, as nearly as the recordings tell."""
    seen = seen_heights()
    at = bisect.bisect_right([moment for moment, _ in seen], t_ms)
    near = (*seen[at - 1 : at], *seen[at : at + 1])
    moment, height = min(near, key=lambda point: abs(point[0] - t_ms))
    return height + round((t_ms - moment) / (BLOCK_S * 1000) - 0.3)


def is_memory(contents: Json) -> bool:
    """Whether the node's memory or the order cache said it: orders alone, without a full row."""
    orders = contents.get("orders", [])
    return bool(orders) and "fills" not in contents and "feePpm" not in orders[0]


@functools.cache
def recorded_lines() -> tuple[Line, ...]:
    """What the real indexer said of the story's accounts, by step."""
    found = []
    for row in recording("ws"):
        message = row["message"]
        if not isinstance(message, dict) or message.get("type") != "channel_data":
            continue
        if message["channel"] != "v4_subaccounts" and row["conn"] != "parent":
            continue
        owner, _, number = message["id"].partition("/")
        if row["conn"] == "parent":
            number = str(message["subaccountNumber"])
            if number != "128":
                continue
        elif row["conn"] not in ("accounts", "accounts-2", "loser-2", "accounts-3"):
            continue
        contents = message["contents"]
        source = "memory" if is_memory(contents) else "block"
        height = int(contents["blockHeight"])
        step = step_at(row["t_ms"]) if source == "memory" else step_of(height)
        found.append(Line(step, f"{owner}/{number}", source, height, contents))
    return tuple(found)


@functools.cache
def snapshots() -> tuple[Json, ...]:
    """The answers to subscriptions of accounts, each with its moment."""
    return tuple(
        {"t_ms": row["t_ms"], **row["message"]}
        for row in recording("ws")
        if isinstance(row["message"], dict)
        and row["message"].get("type") == "subscribed"
        and row["message"]["channel"] in ("v4_subaccounts", "v4_parent_subaccounts")
        and row["conn"].startswith(("accounts", "parent", "snapshot", "loser"))
    )


@functools.cache
def recorded_market() -> tuple[Json, ...]:
    """The data messages about markets, in their order."""
    return tuple(
        row["message"]
        for row in recording("ws")
        if row["conn"] == "market"
        and isinstance(row["message"], dict)
        and row["message"].get("type") == "channel_data"
    )


@functools.cache
def heard_until(who: str) -> int:
    """The height up to which somebody listened to a recorded subaccount."""
    owner = who.partition("/")[0]
    names = {"": ""}
    ends: dict[str, int] = {}
    for row in recording("ws"):
        message = row["message"]
        if isinstance(message, dict) and message.get("type") == "channel_data":
            names[row["conn"]] = str(message.get("id", "")).partition("/")[0]
        ends[row["conn"]] = row["t_ms"]
    return max(height_at(ends[conn]) for conn, each in names.items() if each == owner) - 1


_OTHER_SERVICES: Final = ("geographic", "compliance status", "within the window", "outside", "10.5")


@functools.cache
def questions() -> tuple[Json, ...]:
    """The recorded questions to the indexer's REST that any indexer would answer alike."""
    return tuple(
        row
        for row in recording("rest")
        if row["method"] == "GET"
        and row["status"] in (200, 400, 404)
        and row["path"].strip("/")
        and not any(word in str(row.get("note")) for word in _OTHER_SERVICES)
    )


def step_of(height: int) -> int:
    """The number of the step to which a block belongs."""
    at = bisect.bisect_left([step.height for step in story()], height) - 1
    return story()[at].number if at >= 0 else 0


def step_at(t_ms: int) -> int:
    """The number of the step in which a moment lies."""
    at = bisect.bisect_right([step.t_ms for step in story()], t_ms) - 1
    return story()[at].number if at >= 0 else 0


@functools.cache
def _deposits() -> dict[tuple[str, str], int]:
    """The blocks of the recorded deposits, by recipient and size."""
    found: dict[tuple[str, str], int] = {}
    for row in recording("ws"):
        message = row["message"]
        contents = message.get("contents", {}) if isinstance(message, dict) else {}
        transfer = contents.get("transfers", {}) if isinstance(contents, dict) else {}
        if transfer.get("type") == "DEPOSIT":
            name = (transfer["recipient"]["address"], transfer["size"])
            found[name] = int(transfer["createdAtHeight"])
    return found


def faucet_height(event: Json) -> int:
    """The block in which a faucet's gift was committed; it was noted after its answer came."""
    sent = event["sent"]
    known = _deposits().get((sent["address"], str(sent["amount"])))
    return known or height_at(event["t_ms"])


@functools.cache
def opening_prices() -> dict[str, str]:
    """The oracle prices before the first step."""
    for row in recording("ws"):
        message = row["message"]
        if row["conn"] == "market" and isinstance(message, dict):
            contents = message.get("contents", {})
            if message["type"] == "subscribed" and "markets" in contents:
                return {name: each["oraclePrice"] for name, each in contents["markets"].items()}
    raise LookupError("no recorded markets")


@functools.cache
def oracle_moves() -> dict[int, list[tuple[str, str]]]:
    """The blocks that showed a new price. Where the recording does not tell the block, it was the
    second after the price was set.
    """
    told: dict[tuple[str, Decimal], list[int]] = {}
    for row in recording("ws"):
        message = row["message"]
        if row["conn"] == "market" and isinstance(message, dict):
            prices = message.get("contents", {}).get("oraclePrices", {})
            for ticker, each in prices.items():
                price = Decimal(each["oraclePrice"])
                told.setdefault((ticker, price), []).append(int(each["effectiveAtHeight"]))
    moves: dict[int, list[tuple[str, str]]] = {}
    for step in story():
        for event in step.events:
            if event["kind"] == "oracle":
                set_at = event["height"]
                shown = told.get((event["ticker"], Decimal(event["price"])), [])
                height = next((h for h in shown if set_at < h < set_at + 6), set_at + 2)
                moves.setdefault(height, []).append((event["ticker"], event["price"]))
    return moves
