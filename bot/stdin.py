"""Standard input as a sign of life: a pipe that the parent process holds."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable


def when_stdin_closes(act: Callable[[], object]) -> None:
    """Calls `act` once standard input ends, as it does when the parent is gone, even by kill -9."""
    loop = asyncio.get_running_loop()
    descriptor = sys.stdin.fileno()

    def look() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            act()

    loop.add_reader(descriptor, look)
