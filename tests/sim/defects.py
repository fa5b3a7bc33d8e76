"""Named defects of the engine that can be switched on, so that the simulation proves its teeth.

Each is a patch of the real code; with any of them on, some day has to fail.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

Defect = Callable[[], AbstractContextManager[None]]
DEFECTS: dict[str, Defect] = {}


def defect(make: Callable[[], Iterator[None]]) -> Callable[[], Iterator[None]]:
    """Registers a defect under its function's name."""
    DEFECTS[make.__name__] = contextlib.contextmanager(make)
    return make


@contextlib.contextmanager
def switched_on(name: str | None) -> Iterator[None]:
    """With that defect; without one where there is no name."""
    if name is None:
        yield
        return
    with DEFECTS[name]():
        yield
