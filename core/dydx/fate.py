"""What became of an order in the chain's state whose transaction was sent.

A pure judgement of what was observed. Source: docs/protocol.md, confirming and codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from core.dydx.node_types import OrderSighting, Tip, TransactionResult
from core.dydx.nonces import nonce_dead


class Fate(StrEnum):
    """ALIVE: in the chain's state, waiting, resting or dead-triggered. ENDED: it was there and is
    gone; its fills and the indexer's row tell how. REFUSED: its transaction failed in a block.
    DEAD: it never came into a block and never can. UNKNOWN: none of these is proved.
    """

    ALIVE = "alive"
    ENDED = "ended"
    REFUSED = "refused"
    DEAD = "dead"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Observed:
    """What was seen, each None where it was not asked or not answered.

    The order of asking matters: `tip` (and `committed_sequence`) first; then `sighting` of a node
    and `indexer_height`; then the indexer's row, whose `row_height` is the block it was last
    changed in. `row_seen` says whether the indexer answered about the row at all.

    The node cannot be asked for a TWAP order. For such a one, `twap`, it counts instead that a node
    with block `searched_height` found no block that holds the transaction, and what the indexer's
    row says: `row_over` is whether that shows the order canceled or filled in whole (its status is
    FILLED from the first part on).
    """

    sequence: int
    tip: Tip | None = None
    committed_sequence: int | None = None
    transaction: TransactionResult | None = None
    sighting: OrderSighting | None = None
    indexer_height: int | None = None
    row_seen: bool = False
    row_height: int | None = None
    twap: bool = False
    searched_height: int | None = None
    row_over: bool = False


def fate(seen: Observed) -> Fate:
    """Judges an order by its identity, which must never have been used before.

    A transaction with code 0 in a block is no proof that the order lives, and a node that does not
    know an order proves nothing while its transaction can still come.
    """
    if seen.sighting is not None and seen.sighting.order is not None:
        return Fate.ALIVE
    result = seen.transaction
    if result is not None and result.code != 0 and _consumed(result):
        return Fate.REFUSED
    if seen.row_height is not None and seen.twap:
        return Fate.ENDED if seen.row_over else Fate.ALIVE
    if seen.row_height is not None:
        return Fate.ENDED if _gone_since(seen, seen.row_height) else Fate.UNKNOWN
    if seen.tip is None or not nonce_dead(seen.sequence, seen.tip.time, seen.committed_sequence):
        return Fate.UNKNOWN
    if result is not None:
        # It is in a block. A failure whose number was not consumed cannot come again by now; a
        # success without a row says only that the indexer has not told all it knows.
        return Fate.REFUSED if result.code != 0 else Fate.UNKNOWN
    absent = (
        seen.searched_height is not None and seen.searched_height >= seen.tip.height
        if seen.twap
        else _gone_since(seen, seen.tip.height)
    )
    never = (
        absent
        and seen.row_seen
        and seen.indexer_height is not None
        and seen.indexer_height >= seen.tip.height
    )
    return Fate.DEAD if never else Fate.UNKNOWN


def _gone_since(seen: Observed, height: int) -> bool:
    """Whether a node that has block `height` does not hold the order."""
    sighting = seen.sighting
    return (
        sighting is not None
        and sighting.order is None
        and sighting.height is not None
        and sighting.height >= height
    )


def _consumed(result: TransactionResult) -> bool:
    """Whether a failed transaction used up its number: what fails before that fails in the
    framework's own checks and could come once more.
    """
    return result.codespace != "sdk"
