"""A look into a SQLite ledger from outside its process."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any


def rows(folder: Path, query: str, *values: Any) -> list[dict[str, Any]]:
    """The answer of one query on the ledger of a test's folder."""
    place = f"file:{folder / 'ledger' / 'perpgram.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(place, uri=True, timeout=10)) as ledger:
        ledger.row_factory = sqlite3.Row
        return [dict(row) for row in ledger.execute(query, values)]
