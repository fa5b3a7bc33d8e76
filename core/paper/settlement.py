"""Funding is settled lazily: whenever a subaccount is touched, all its positions pay or receive
what their funding indices moved since the last time. Source: docs/protocol.md, market mathematics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from core.paper.happenings import SubaccountKey
from core.paper.state import State, Subaccount

_PPM = 1_000_000


@dataclass(frozen=True)
class Settled:
    """A subaccount with its funding settled, and what it received (negative: paid) by perpetual id,
    in quote quantums.
    """

    subaccount: Subaccount
    funding: tuple[tuple[int, int], ...] = ()


def settled(subaccount: Subaccount, indices: Mapping[int, int]) -> Settled:
    """A subaccount as it is at these funding indices. The sum is rounded down, once; each payment
    that is told is rounded down by itself.
    """
    total, told = 0, []
    moved = False
    for perpetual_id, quantums in subaccount.positions:
        difference = indices.get(perpetual_id, 0) - subaccount.index(perpetual_id)
        if not difference:
            continue
        moved = True
        amount_ppm = -difference * quantums
        total += amount_ppm
        told.append((perpetual_id, amount_ppm // _PPM))
    if not moved:
        return Settled(subaccount)
    current = tuple(
        (perpetual_id, indices[perpetual_id])
        for perpetual_id, _ in subaccount.positions
        if indices.get(perpetual_id)
    )
    after = replace(subaccount, usdc=subaccount.usdc + total // _PPM, indices=current)
    return Settled(after, tuple(told))


def store(state: State, key: SubaccountKey, before: Settled, after: Subaccount) -> None:
    """Put a subaccount that was settled before it changed, and remember what it received."""
    if before.funding:
        state.settled.put(key, (state.settled.get(key) or ()) + before.funding)
    state.subaccounts.put(key, after)


def current(state: State, key: SubaccountKey) -> Settled:
    """The working subaccount, settled; nothing is stored yet."""
    return settled(state.subaccount(key), state.funding.working)


def credit(state: State, key: SubaccountKey, quote_quantums: int) -> None:
    """Pay USDC into a subaccount."""
    before = current(state, key)
    store(state, key, before, before.subaccount.paid(quote_quantums))
