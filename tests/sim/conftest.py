"""A workshop for the simulated worlds of a test module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sim import soak


@pytest.fixture(scope="module")
def shop() -> Iterator[Path]:
    """The folder with a ledger's template, and everything patched that a world needs."""
    with soak.workshop() as folder:
        yield folder
