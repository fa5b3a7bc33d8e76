"""What stands in the sequence field of a transaction that changes the chain's state.

A number from 2^40 on is a timestamp nonce: unix milliseconds within 30 s of the last block's time,
unique, of which the chain keeps the 20 highest per account. A smaller one is the account's ordinary
sequence. Source: docs/protocol.md, sequence and nonces.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

NONCE_FLOOR: Final = 2**40
WINDOW_MS: Final = 30_000
KEPT: Final = 20
STALLED_AFTER_S: Final = 20.0
_LEAD_MS: Final = 10_000
_FURTHEST_MS: Final = 25_000
_JUMP_MS: Final = 5_000
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MILLISECOND: Final = dt.timedelta(milliseconds=1)


class SequenceNeeded(Exception):
    """The chain stands, so the ordinary sequence is needed; ask a node for the committed one."""


class NoncesFull(Exception):
    """The chain would have to forget an undecided nonce of this account for a new one.

    `free_at` is the block time from which there is room again.
    """

    def __init__(self, free_at: dt.datetime) -> None:
        super().__init__(f"no room for another nonce before {free_at:%H:%M:%S}")
        self.free_at = free_at


def milliseconds(time: dt.datetime) -> int:
    """Unix milliseconds of a time, rounded down as the chain does."""
    return (time - _EPOCH) // _MILLISECOND


def is_nonce(sequence: int) -> bool:
    """Whether a sequence field holds a timestamp nonce."""
    return sequence >= NONCE_FLOOR


def nonce_dead(
    sequence: int, block_time: dt.datetime, committed_sequence: int | None = None
) -> bool:
    """Whether a transaction that is not in a block yet can never come into one any more.

    `block_time` is of the last committed block. A timestamp nonce is dead when that is more than
    30 s later; an ordinary sequence when the account's committed one is above it, which is False
    while that is not known. Whether the transaction came into an earlier block is another question.
    """
    if is_nonce(sequence):
        return milliseconds(block_time) > sequence + WINDOW_MS
    return committed_sequence is not None and committed_sequence > sequence


def stalled(now: dt.datetime, block_time: dt.datetime) -> bool:
    """Whether the last block is so old that a nonce of now may miss the next block's window."""
    return (now - block_time).total_seconds() > STALLED_AFTER_S


class Nonces:
    """Hands out the sequence fields of one account.

    `used` are those that were used before a restart, as far as their transactions are undecided
    (more do no harm). Each number is handed out once.
    """

    def __init__(self, used: Iterable[int] = ()) -> None:
        self._kept: list[int] = []
        self._undecided: set[int] = set()
        self._highest = 0
        self.restore(used)

    def restore(self, used: Iterable[int]) -> None:
        """Takes over numbers that were used before; those known already stay."""
        numbers = set(used)
        kept = {*self._kept, *(number for number in numbers if is_nonce(number))}
        self._kept = sorted(kept)[-KEPT:]
        self._undecided |= numbers
        self._highest = max(self._highest, *self._kept[-1:], 0)

    def take(
        self,
        *,
        now: dt.datetime,
        block_time: dt.datetime,
        committed_sequence: int | None = None,
        block_age_s: float | None = None,
        urgent: bool = False,
    ) -> int:
        """The sequence field of the next transaction.

        A timestamp nonce near the wall clock that stays inside the window of the last block's time;
        once that block is more than 20 s old, the ordinary sequence: the committed one plus those
        in flight. `block_age_s`, where known, is how long ago the block came by a clock that nobody
        sets; without it `now` is believed. Raises SequenceNeeded where the chain stands and
        `committed_sequence` is None, NoncesFull where a twenty-first nonce within the window would
        make the chain forget one whose transaction may still be on its way; `urgent` takes that
        risk. It also raises NoncesFull when the window has no higher number left.
        """
        age_s = (now - block_time).total_seconds() if block_age_s is None else block_age_s
        if age_s > STALLED_AFTER_S:
            if committed_sequence is None:
                raise SequenceNeeded
            return self._next_sequence(committed_sequence)
        block_ms = milliseconds(block_time)
        self._kept = [nonce for nonce in self._kept if nonce >= block_ms - WINDOW_MS]
        if len(self._kept) >= KEPT and self._kept[0] in self._undecided and not urgent:
            raise NoncesFull(_time(self._kept[0] + WINDOW_MS + 1))
        near = min(max(milliseconds(now), block_ms), block_ms + _LEAD_MS)
        nonce = max(near, self._highest + 1)
        if nonce > block_ms + _FURTHEST_MS:
            raise NoncesFull(_time(nonce - _FURTHEST_MS))
        self._kept = [*self._kept, nonce][-KEPT:]
        self._undecided.add(nonce)
        self._highest = nonce
        return nonce

    def decided(self, number: int) -> None:
        """A transaction is in a block, or can never come into one."""
        self._undecided.discard(number)

    def refused(self, number: int, *, rejected: bool = False) -> None:
        """Every node that was asked turned the transaction away: its number was not consumed.

        `rejected` says that it was turned away because of the number itself (sdk 32): then somebody
        else uses higher ones for this account, and the next nonce keeps a distance.
        """
        self._undecided.discard(number)
        if not is_nonce(number):
            return
        if number in self._kept:
            self._kept.remove(number)
        if rejected:
            self._highest = max(self._highest, number + _JUMP_MS)

    def _next_sequence(self, committed: int) -> int:
        self._undecided = {n for n in self._undecided if is_nonce(n) or n >= committed}
        sequence = committed
        while sequence in self._undecided:
            sequence += 1
        self._undecided.add(sequence)
        return sequence


def _time(ms: int) -> dt.datetime:
    return _EPOCH + ms * _MILLISECOND
