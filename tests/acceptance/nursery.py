"""Bots as processes of their own, to be killed, stopped and watched like on any machine."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tests.acceptance.until import until

ROOT = Path(__file__).parents[2]
ENDS_WITHIN_S = 60.0


class BotProcess:
    """One `perpgram` process: `run` or another command."""

    def __init__(self, pid: int, folder: Path, name: str) -> None:
        self.pid = pid
        self._folder = folder
        self._name = name

    @property
    def stdout(self) -> str:
        """What it wrote so far."""
        return self._text("out")

    @property
    def stderr(self) -> str:
        """What it wrote so far: log lines, and the one line of a refused start."""
        return self._text("err")

    @property
    def exit_code(self) -> int | None:
        """None while it lives; negative when a signal ended it."""
        place = self._folder / f"{self._name}.exit"
        return int(place.read_text()) if place.exists() else None

    def _text(self, suffix: str) -> str:
        place = self._folder / f"{self._name}.{suffix}"
        return place.read_text() if place.exists() else ""

    def send(self, number: signal.Signals) -> None:
        """A signal, if it still lives."""
        if self.exit_code is None:
            os.kill(self.pid, number)

    async def ended(self, within_s: float = ENDS_WITHIN_S) -> int:
        """Waits for its end and returns the exit code."""
        await until(self._has_ended, within_s)
        code = self.exit_code
        assert code is not None
        return code

    async def _has_ended(self) -> bool:
        return self.exit_code is not None

    async def kill(self) -> None:
        """As a power cut would."""
        self.send(signal.SIGKILL)
        await self.ended()


class Nursery:
    """Starts bots; one per test run, see `nursery_process`."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.nursery_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
            env=clean_environment(),
        )
        assert self._answers.readline() == "ready\n"

    @property
    def _answers(self) -> IO[str]:
        assert self._process.stdout is not None
        return self._process.stdout

    def start(
        self,
        folder: Path,
        environment: Mapping[str, str],
        arguments: tuple[str, ...] = ("run",),
        program: str = "bot.cli",
    ) -> BotProcess:
        """Starts one in `folder`, with nothing in its environment but this. `program`: the module
        whose `main` it is.
        """
        name = f"perpgram-{next(self._numbers)}"
        request = {
            "arguments": arguments,
            "environment": {**clean_environment(), **environment},
            "folder": str(folder),
            "name": name,
            "program": program,
        }
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return BotProcess(int(self._answers.readline()), folder, name)

    def close(self) -> None:
        """Ends everything that still runs."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._answers.close()
        self._process.wait(timeout=30)


def clean_environment() -> dict[str, str]:
    """What a process needs of ours to find Python and this project; none of our settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT)}
