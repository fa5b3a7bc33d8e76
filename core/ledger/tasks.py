"""Starting tasks where a transaction may be open.

The ORM finds its connection through a context variable, and a new task inherits its parent's: a
task born inside a transaction would go on using the transaction's connection, before and after its
end. The ledger refuses that loudly (`LedgerMisuse`); `spawn` is the way to start a task anywhere.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def spawn(work: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
    """Starts a task that inherits no transaction. The caller keeps it and awaits its end.

    The task starts with an empty context: no other context variable of the caller reaches it.
    """
    return asyncio.get_running_loop().create_task(work, name=name, context=contextvars.Context())


async def settle(work: Coroutine[Any, Any, T]) -> T:
    """Awaits `work` to its very end; a cancellation that comes meanwhile is raised after it."""
    task = spawn(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
        raise
