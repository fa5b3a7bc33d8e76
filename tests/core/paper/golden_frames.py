"""Recorded and own messages and bodies in one form, so that they can be compared.

Addresses, ids, hashes, heights and times become placeholders everywhere; prices and what follows
from them do so outside of the one market in which nobody but the story traded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from tests.core.paper.golden_kit import Played
from tests.core.paper.golden_recordings import Line, heard_until, recorded_lines

Json = dict[str, Any]
Frames = dict[tuple[int, str, str], list[str]]
EXACT_MARKETS: Final = ("LINK-USD", "EIGEN-USD")
"""Markets in which the story's own orders are the whole book."""
_NAMES: Final = ("id", "subaccountId", "positionId", "transactionHash", "orderId", "eventId")
_MOMENTS: Final = ("address", "blockHeight", "createdAt", "createdAtHeight", "updatedAt")
_PLACEHOLDERS: Final = {*_NAMES, *_MOMENTS, "updatedAtHeight", "closedAt"}
_FROM_PRICES: Final = {
    "price",
    "fee",
    "quoteAmount",
    "entryPrice",
    "exitPrice",
    "netFunding",
    "realizedPnl",
    "unrealizedPnl",
    "entryPriceBefore",
    "tradingReward",
    "equity",
}
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


def plain(value: Any, key: str = "", *, exact: bool = True) -> Any:
    """A message or body in the common form. Numbers are compared by value."""
    if isinstance(value, dict):
        ticker = value.get("ticker", value.get("market"))
        exact = exact if ticker is None else ticker in EXACT_MARKETS
        money = value.get("symbol") == "USDC" and "assetId" in value
        return {
            name: "…" if money and name in ("size", "side") else plain(each, name, exact=exact)
            for name, each in value.items()
        }
    if isinstance(value, list):
        return [plain(each, key, exact=exact) for each in value]
    if value is None or isinstance(value, bool):
        return value
    if key in _PLACEHOLDERS or (key in _FROM_PRICES and not exact):
        return "…"
    if key == "goodTilBlockTime" and not exact:
        return "…"
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return f"{Decimal(value).normalize():f}"
    return value


def recorded_frames() -> Frames:
    """What the real indexer said, by step, subaccount and source."""
    return _frames(recorded_lines(), {})


def played_frames(played: Played) -> Frames:
    """What the paper indexer said of the subaccounts to which somebody listened, as long as
    somebody did.
    """
    names = {ours: recorded for recorded, ours in played.addresses.items()}
    watched = {line.who for line in recorded_lines()}
    lines = []
    for line in played.lines:
        owner, _, number = line.who.partition("/")
        who = f"{names.get(owner, owner)}/{number}"
        if who in watched and line.height <= heard_until(who):
            lines.append(line)
    return _frames(lines, names)


def _frames(lines: Iterable[Line], names: Mapping[str, str]) -> Frames:
    found: Frames = {}
    mixed = {line.step for line in recorded_lines() if not _only_exact(line.contents)}
    for line in lines:
        owner, _, number = line.who.partition("/")
        key = (line.step, f"{names.get(owner, owner)}/{number}", line.source)
        # A reward does not name its market.
        form = plain(line.contents, exact=line.step not in mixed)
        found.setdefault(key, []).append(json.dumps(form, indent=1))
    return found


def _only_exact(contents: Json) -> bool:
    named = [
        row.get("ticker", row.get("market"))
        for name in ("orders", "fills", "perpetualPositions")
        for row in contents.get(name, [])
    ]
    return all(ticker in EXACT_MARKETS for ticker in named)


def shape(value: Any) -> Any:
    """The kinds of a body's values."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return type(value).__name__


def shape_differences(recorded: Any, ours: Any, path: str = "") -> list[str]:
    """Where two bodies differ in their fields or kinds; of lists the rows both have."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        found = [f"{path}.{key} missing" for key in recorded.keys() - ours.keys()]
        found += [f"{path}.{key} extra" for key in ours.keys() - recorded.keys()]
        for key in recorded.keys() & ours.keys():
            found += shape_differences(recorded[key], ours[key], f"{path}.{key}")
        return found
    if isinstance(recorded, list) and isinstance(ours, list):
        found = [] if bool(recorded) == bool(ours) else [f"{path} has {len(ours)} rows"]
        for one, other in zip(recorded, ours, strict=False):
            found += shape_differences(one, other, f"{path}[]")
        return found
    kinds = {type(recorded).__name__, type(ours).__name__}
    return [] if len(kinds) == 1 or kinds == {"str", "NoneType"} else [f"{path} {sorted(kinds)}"]
