"""The paper network: served by its own process, and kept alive as a child of the bot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys

import structlog

from bot.errors import StartRefused
from bot.stdin import when_stdin_closes

log = structlog.get_logger(__name__)

RESTART_PAUSE_S = (1.0, 2.0, 4.0, 8.0, 16.0)
STOP_WITHIN_S = 10.0


async def serve_paper(*, until_stdin_closes: bool) -> int:
    """`perpgram paper`: needs no token, key or ledger and runs in any folder. Raises StartRefused
    with one line for a governance file or a state that cannot be used, or a taken port.
    """
    from bot.settings import load_paper_settings
    from core.paper.governance import GovernanceUnusable
    from core.paper.journal import StateUnusable
    from core.paper.serve import serve

    settings = load_paper_settings()
    serving = asyncio.create_task(serve(settings))
    if until_stdin_closes:
        when_stdin_closes(serving.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    except (GovernanceUnusable, StateUnusable, OSError) as error:
        raise StartRefused(str(error)) from None
    return 0


class PaperChild:
    """The paper network as a child process that is started again when it dies.

    The child watches its standard input, so that it ends with us even after kill -9.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts the child and its keeper; does not wait until it answers."""
        await self._spawn()
        self._keeper = asyncio.create_task(self._keep())

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def _spawn(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bot",
            "paper",
            "--until-stdin-closes",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            env={**os.environ, **self._environment},
        )

    async def _keep(self) -> None:
        fails = 0
        while True:
            assert self._process is not None
            started = asyncio.get_running_loop().time()
            code = await self._process.wait()
            if asyncio.get_running_loop().time() - started > 60:
                fails = 0
            pause = RESTART_PAUSE_S[min(fails, len(RESTART_PAUSE_S) - 1)]
            fails += 1
            log.error("the paper network ended and is started again", code=code, pause_s=pause)
            await asyncio.sleep(pause)
            await self._spawn()
