"""When nobody may withdraw or transfer: for fifty blocks after a subaccount below zero was seen in
the same collateral pool, and after the chain stood still for five minutes. Source:
docs/protocol.md, sequence, nonces, fees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.paper.funds import pool_suffix
from core.paper.governance import Governance, Market
from core.paper.state import Outage, State, Subaccount

_BLOCKED_BLOCKS: Final = 50
_OUTAGE_S: Final = 300


@dataclass(frozen=True)
class Gate:
    """Heights at which something was seen, 0 for never, and the height from which money moves."""

    negative_at: int
    outage_at: int
    open_at: int


def outage_lengths_s(governance: Governance) -> list[int]:
    """The lengths of standstills that the chain remembers, in seconds, shortest first."""
    params = governance.answers["/dydxprotocol.blocktime.Query/DowntimeParams"]["params"]
    return [int(text.removesuffix("s")) for text in params["durations"]]


def watch_outages(state: State, lengths_s: list[int], elapsed_us: int) -> None:
    """Remember this block as the first after a standstill, where it was that long."""
    last = state.header.working["last"]
    for length_s in lengths_s:
        if elapsed_us >= length_s * 1_000_000:
            state.outages.put(length_s, Outage(last.height, last.time_us))


def gate(negative: Mapping[str, int], outages: Mapping[int, Outage], suffix: str) -> Gate:
    """The gate of the pool whose name ends so."""
    outage = outages.get(max((s for s in outages if s <= _OUTAGE_S), default=-1))
    seen, stood = negative.get(suffix, 0), outage.height if outage else 0
    latest = max(seen, stood)
    return Gate(seen, stood, latest + _BLOCKED_BLOCKS if latest else 0)


def closed(state: State, markets: Mapping[int, Market], *touched: Subaccount) -> bool:
    """Whether one of these subaccounts may not send or receive in the block being made."""
    height = state.height
    return any(
        height
        < gate(
            state.negative.working, state.outages.working, pool_suffix(markets, subaccount)
        ).open_at
        for subaccount in touched
    )
