"""Forks bots: this process has imported everything already, so that a bot starts at once.

Reads one JSON object a line (`arguments`, `environment`, `folder`, `name`, `program`) and answers
with the child's process id. A child is `perpgram` (or another program's `main`) with these
arguments and nothing else; how it ended is written to `<folder>/<name>.exit` as a number, negative
for a signal.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

EVERYTHING = (
    "bot.cli",
    "bot.app",
    "bot.admin",
    "bot.health",
    "bot.intake",
    "bot.notifier",
    "bot.telegram",
    "handlers.chat.dispatcher",
    "handlers.chat.resuming",
    "core.ledger.engines.asyncpg",
    "core.ledger.engines.sqlite",
    "tests.acceptance.desk_process",
    "uvloop",
)
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serves until standard input ends; then all children are killed."""
    for name in EVERYTHING:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    os.set_blocking(writing, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(writing)
    alive: dict[int, Path] = {}
    _say("ready")
    while True:
        ready, _, _ = select.select([0, reading], [], [])
        if reading in ready:
            os.read(reading, 4096)
            _reap(alive)
        if 0 in ready:
            line = sys.stdin.readline()
            if not line:
                return
            request = json.loads(line)
            child = os.fork()
            if child == 0:
                _become(request)
            alive[child] = Path(request["folder"]) / f"{request['name']}.exit"
            _say(str(child))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _reap(alive: dict[int, Path]) -> None:
    while alive:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == 0:
            return
        place = alive.pop(child)
        unfinished = place.with_suffix(".part")
        unfinished.write_text(str(os.waitstatus_to_exitcode(status)))
        unfinished.replace(place)


def _become(request: dict[str, Any]) -> NoReturn:
    """The child: standard files, environment and folder of its own, then the command line."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    folder, name = Path(request["folder"]), request["name"]
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, suffix in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / f"{name}.{suffix}", flags, 0o600), number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.closerange(3, 256)
    code: int | str | None = 0
    try:
        importlib.import_module(request["program"]).main(request["arguments"])
    except SystemExit as left:
        code = left.code
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


if __name__ == "__main__":
    main()
