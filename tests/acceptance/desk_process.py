"""The bot's process with a door in it: a test asks the desk by HTTP what else takes many taps.

The assembly is the bot's own (`bot.app.started`), with the settings of the environment. Jobs come
sooner than in earnest and what is waited for lasts shorter, as a tour meets hundreds of them.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import signal
from collections.abc import Sequence
from typing import Any, Final

import uvloop
from aiohttp import web

from bot import jobs, notifier, watches
from bot.app import Process, started
from bot.logs import set_up_logs
from bot.settings import load_settings
from core.dydx import stream
from core.trading import (
    bareness,
    drift,
    funding,
    gap,
    guard,
    key_loss_watch,
    rounds,
    sentry,
)
from core.trading.risk import watch as risk_watch
from core.trading.views import DeskError
from tests.acceptance.desk_calls import CALLS, encoded

DOOR: Final = "DESK_DOOR"
SOONER: Final[tuple[tuple[Any, str, Any], ...]] = (
    (watches, "LOOK_EVERY_S", 0.5),
    (watches, "STEP_EVERY_S", 0.5),
    (watches, "BEAT_EVERY_S", 1.0),
    (jobs, "RISK_EVERY_S", 0.5),
    (jobs, "FAULTS_EVERY_S", 1.0),
    (jobs, "SILENCE_EVERY_S", 1.0),
    (jobs, "PURGE_EVERY_S", 3.0),
    (notifier, "BACKOFF_S", (0.2,)),
    (bareness, "ALARM_AFTER_S", 1.0),
    (drift, "LASTING", dt.timedelta(seconds=1)),
    (funding, "RETRY_S", (0.5,)),
    (gap, "READ_WITHIN", dt.timedelta(seconds=20)),
    (guard, "TEND_EVERY_S", 2.0),
    (key_loss_watch, "LOOK_EVERY_S", 1.0),
    (rounds, "STAKES_EVERY_S", 0.5),
    (rounds, "UNKNOWN_ALARM_AFTER", dt.timedelta(seconds=1)),
    (risk_watch, "PEAKS_EVERY_S", 1.0),
    (sentry, "TOLD_ATTEMPTS", frozenset({1, 2, 3, 5, 20, 100})),
)


def main(arguments: Sequence[str]) -> None:
    """The process, until SIGTERM."""
    for module, name, value in SOONER:
        assert hasattr(module, name), f"{module.__name__}.{name} is gone"
        setattr(module, name, value)
    defaults = stream.Stream.__init__.__kwdefaults__
    assert defaults is not None
    defaults["waits_s"] = (0.2, 0.3, 0.5)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())


async def _serve() -> None:
    port = int(os.environ.pop(DOOR))
    set_up_logs("info")
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with started(load_settings()) as process:
        runner = web.AppRunner(_app(process), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            await stopped.wait()
        finally:
            await runner.cleanup()


def _app(process: Process) -> web.Application:
    async def take(request: web.Request) -> web.Response:
        asked = await request.json()
        try:
            told = await CALLS[asked["name"]](process, **asked["arguments"])
        except DeskError as refused:
            return web.json_response({"code": refused.code, "text": str(refused)})
        return web.json_response({"told": encoded(told)})

    app = web.Application()
    app.router.add_post("/call", take)
    return app
