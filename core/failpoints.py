"""Moments at which a test lets the process die as by kill -9, without a last word.

Nothing happens unless the environment names one: `PERPGRAM_FAILPOINT=order_sent`, or
`order_sent:2` for the second time that this process comes there.

Behind every durable write and every send lies such a moment without anybody's doing: the ledger
and what sends call `done` with the place in the source that asked them, such as
`core.trading.work:312`. So there is one between any two of them. With `PERPGRAM_FAILPOINTS=<file>`
the process dies at the first place that the file does not list, after it has added it there.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Final

VARIABLE: Final = "PERPGRAM_FAILPOINT"
EACH: Final = "PERPGRAM_FAILPOINTS"
# Rooms that write and send for others: the place that counts is the one that asked them.
_HANDS: Final = (
    "core.failpoints",
    "core.ledger.",
    "core.trading.venue",
    "contextlib",
    "tortoise.",
)

NAMES: Final = (
    "alert_stored",  # signal and intent are committed, the alert is not answered
    "order_stored",  # the signed order is committed, no byte left
    "order_sent",  # a node answered, the ledger does not know what
    "fills_booking",  # fills are known and half booked
    "fills_booked",  # fills are committed, nobody was told
    "stop_stored",  # the signed order of a plan is committed, no byte left
    "stop_sent",  # a node answered for it, the ledger does not know what
    "cancel_stored",  # the wish to cancel an order is committed, no byte left
    "cancel_sent",  # a node answered for the cancel
    "target_begun",  # the bot carries a target out itself, its order on chain is not cancelled
    "close_stored",  # a plan was met and its closing intent committed
    "message_sent",  # Telegram took a new message, the outbox does not know
    "account_opening",  # a paper account is funded, its key not stored
    "key_sealed",  # the keys of a trading key in the making are sealed, nothing is signed
    "key_signed",  # the transaction that gives it its permission is committed, no byte left
    "key_sent",  # a node answered for it
    "key_included",  # a block holds it, the ledger knows
    "key_tried",  # a node answered for the order that proves the key, the ledger does not know
    "key_proved",  # the ledger knows that such an order was accepted; it is not cancelled
    "key_erased",  # the owner's key is erased, its traces are not
    "leave_cancelled",  # a node answered for a cancel of an account that is disconnected
    "leave_erased",  # its key is erased, the traces of it are not
    "removal_signed",  # the removal of a permission is signed and stored, no byte left
    "panic_stored",  # a panic and its halts are committed, nothing is cancelled
    "panic_cancelling",  # which orders are to be cancelled is committed, no cancel left
    "panic_closing",  # the intent that closes a position is committed, the lane does not know
    "panic_moved",  # a step of a panic is committed, nobody was told
    "panic_done",  # its end is committed
    "account_stored",  # an account is committed, its first strategy not made
)

_seen: Counter[str] = Counter()


def hit(name: str) -> None:
    """The process is at this moment now."""
    armed = os.environ.get(VARIABLE)
    if armed is None:
        return
    wanted, _, number = armed.partition(":")
    if wanted != name:
        return
    _seen[name] += 1
    if _seen[name] == int(number or 1):
        os.kill(os.getpid(), signal.SIGKILL)


def passed() -> None:
    """Something that the caller sent was answered."""
    done(site())


def site() -> str:
    """The place in the source that asked for a write or a send; empty unless a test wants it."""
    if EACH not in os.environ:
        return ""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith(_HANDS):
            return f"{name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def done(place: str) -> None:
    """A write that `place` asked for is committed, or a send was answered or failed; nothing else
    has happened since.
    """
    if not place:
        return
    path = Path(os.environ[EACH])
    listed = path.read_text().splitlines() if path.exists() else []
    if place in listed:
        return
    with path.open("a") as lines:
        lines.write(f"{place}\n")
        lines.flush()
        os.fsync(lines.fileno())
    os.kill(os.getpid(), signal.SIGKILL)
