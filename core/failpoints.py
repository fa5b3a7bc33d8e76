"""Moments at which a test lets the process die as by kill -9, without a last word.

Behind every durable write and every send lies such a moment without anybody's doing: the ledger
and what sends call `done` with the place in the source that asked them: module, function and line,
such as `core.trading.intake.AlertDesk._store_alert:255`. So there is one between any two of them.

Nothing happens unless the environment names a file:

* `PERPGRAM_FAILPOINT`: the process dies at the next place of the function that the file holds, or
  at the second one with `<function> 2`, and so on; a file that brought a death is empty again.
* `PERPGRAM_FAILPOINTS`: it dies at the first place that the file does not list, after it has added
  it there.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import CodeType
from typing import Final

ONE: Final = "PERPGRAM_FAILPOINT"
EACH: Final = "PERPGRAM_FAILPOINTS"
# Rooms that write and send for others: the place that counts is the one that asked them.
_HANDS: Final = (
    "core.failpoints",
    "core.ledger.",
    "core.trading.venue",
    "contextlib",
    "tortoise.",
)


def passed() -> None:
    """Something that the caller sent was answered."""
    done(site())


def site() -> str:
    """The place in the source that asked for a write or a send; empty unless a test wants it."""
    if ONE not in os.environ and EACH not in os.environ:
        return ""
    frame = sys._getframe(1)
    while frame.f_back is not None:
        name = str(frame.f_globals.get("__name__", ""))
        if not name.startswith(_HANDS):
            return f"{name}.{_function(frame.f_code)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def function_of(place: str) -> str:
    """The function that a place lies in, with its module and class."""
    return place.rpartition(":")[0]


def done(place: str) -> None:
    """A write that `place` asked for is committed, or a send was answered or failed; nothing else
    has happened since.
    """
    if place and (_is_wanted(place) or _is_new(place)):
        os.kill(os.getpid(), signal.SIGKILL)


def _function(code: CodeType) -> str:
    """The dotted name of a function inside its module; a comprehension is a part of its
    function.
    """
    parts = code.co_qualname.split(".")
    return ".".join(part for part in parts if not part.startswith("<"))


def _is_wanted(place: str) -> bool:
    path = Path(os.environ.get(ONE, os.devnull))
    wanted, _, number = (path.read_text() if path.exists() else "").partition(" ")
    if function_of(place) != wanted:
        return False
    left = int(number or 1) - 1
    path.write_text(f"{wanted} {left}" if left else "")
    return left == 0


def _is_new(place: str) -> bool:
    if EACH not in os.environ:
        return False
    path = Path(os.environ[EACH])
    if place in (path.read_text().splitlines() if path.exists() else []):
        return False
    with path.open("a") as lines:
        lines.write(f"{place}\n")
        lines.flush()
        os.fsync(lines.fileno())
    return True
