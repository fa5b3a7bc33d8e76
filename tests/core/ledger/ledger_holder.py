"""A process that holds a ledger: `python -m tests.core.ledger.ledger_holder URL`.

Says `open <epoch>` or `refused <line>`; answers each `write <n>` on its standard input with `wrote`
or `lost` after trying to add a trader with that number.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from types import TracebackType

from core.ledger.database import LedgerLost, LedgerRefused
from tests.core.ledger.ledger_kit import a_trader, opened

ADDRESS = "http://127.0.0.1:18080"


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def hold(url: str) -> None:
    try:
        async with opened(url, holder=ADDRESS) as ledger:
            say(f"open {ledger.epoch}")
            while line := await asyncio.to_thread(sys.stdin.readline):
                try:
                    async with ledger.executing():
                        await a_trader(int(line.split()[1]))
                    say("wrote")
                except LedgerLost:
                    say("lost")
    except LedgerRefused as refused:
        say(f"refused {refused}")


class Holder:
    """That process, seen from a test."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.core.ledger.ledger_holder", url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    async def heard(self) -> str:
        """The next line about the ledger; log lines are passed over."""
        assert self._process.stdout is not None
        while True:
            async with asyncio.timeout(60):
                line = await asyncio.to_thread(self._process.stdout.readline)
            assert line, "the process ended"
            if line.split()[0] in ("open", "refused", "wrote", "lost"):
                return line.strip()

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> Holder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONWARNINGS", "error")
    asyncio.run(hold(sys.argv[1]))
