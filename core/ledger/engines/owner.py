"""Who may use a transaction: the task that opened it, until it ends."""

from __future__ import annotations

import asyncio
from typing import Any

from core.ledger.errors import LedgerMisuse


class Owner:
    """The task that opened a transaction."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = asyncio.current_task()
        self._ended = False

    def end(self) -> None:
        """The transaction is over: whoever still has its connection must not use it."""
        self._ended = True

    def check(self) -> None:
        """Raises LedgerMisuse for a task that inherited the transaction from its parent."""
        if self._ended or asyncio.current_task() is not self._task:
            raise LedgerMisuse(
                "a task that was started inside a transaction used its connection; "
                "start it with core.ledger.tasks.spawn, or after the transaction"
            )
