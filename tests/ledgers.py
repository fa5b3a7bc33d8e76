"""Fresh ledgers for a test that needs more than one."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

# Gives the DATABASE_URL of a fresh ledger, for a folder in which its file may lie.
Ledgers = Callable[[Path], AbstractContextManager[str]]


def sqlite_ledger(template: Path, folder: Path) -> AbstractContextManager[str]:
    """A copy of a SQLite file that has its tables already."""
    place = folder / "ledger"
    place.mkdir(mode=0o700)
    shutil.copy(template, place / "perpgram.db")
    return contextlib.nullcontext(f"sqlite://{place}/perpgram.db")
