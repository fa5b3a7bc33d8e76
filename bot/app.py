"""The process: builds the parts, starts them in order, stops them in order. Owns no rule of trading.

Order of the start: settings, ledger, webhook (alerts are stored from here on), networks and
reconciliation, chat. Neither a dead network nor an unreachable Telegram keeps alerts from being stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import structlog
from aiohttp import web
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from prometheus_client import CollectorRegistry

from bot.errors import StartRefused
from bot.gauges import Gauges
from bot.logs import set_up_logs
from bot.networks import build_venue, start_venue
from bot.paper import PaperChild
from bot.readiness import DeskReadiness
from bot.settings import Settings
from core.clock import SystemClock, SystemRandom
from core.dydx import dependency
from core.dydx.network import NetworkName
from core.dydx.stream import StreamEvent
from core.events import Bell
from core.ledger.database import Ledger, LedgerRefused, open_ledger
from core.ledger.models import Meta
from core.trading.lanes import Lanes
from core.trading.live import LiveDesk
from core.trading.office import DeskSettings, Office
from core.trading.parts import Parts
from core.trading.venue import Venue
from core.vault import Vault, VaultRefused, forbid_core_dumps
from handlers.http.app import build_http
from handlers.http.metrics import Metrics

log = structlog.get_logger(__name__)

DRAIN_S = 20.0


async def run(settings: Settings) -> None:
    """`perpgram run`: until SIGTERM or SIGINT. Raises StartRefused with one line."""
    set_up_logs(settings.log_level)
    forbid_core_dumps()
    try:
        dependency.check()
    except dependency.DependencyFault as fault:
        raise StartRefused(str(fault)) from None
    settings.refuse_unready()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with contextlib.AsyncExitStack() as stack:
        process = await stack.enter_async_context(started(settings))
        await _until(stopped, process.ledger)


async def _until(stopped: asyncio.Event, ledger: Ledger) -> None:
    waits = [asyncio.create_task(stopped.wait()), asyncio.create_task(ledger.lost.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in waits:
        task.cancel()
    if ledger.lost.is_set():
        log.critical("the ledger's lock was lost; this process stops acting at once")


class Process:
    """The running parts, for those who look at them (tests, admin)."""

    def __init__(self, ledger: Ledger, desk: LiveDesk, lanes: Lanes, http_port: int) -> None:
        self.ledger = ledger
        self.desk = desk
        self.lanes = lanes
        self.http_port = http_port


@contextlib.asynccontextmanager
async def started(settings: Settings) -> AsyncIterator[Process]:
    """All parts, started; on leaving they are drained and stopped in the reverse order."""
    clock, random = SystemClock(), SystemRandom()
    async with contextlib.AsyncExitStack() as stack:
        if settings.starts_paper:
            child = PaperChild(settings.paper_state_path, settings.paper_environment())
            await child.start()
            stack.push_async_callback(child.close)
        ledger = await _open_ledger(stack, settings, clock, random)
        vault = await _open_vault(settings, ledger, random)
        bell = Bell()
        registry = CollectorRegistry()
        metrics = Metrics(registry)
        lanes, venues = _build_lanes(settings, ledger, vault, clock, random, bell, metrics)
        office = Office(
            ledger=ledger,
            vault=vault,
            venues=venues,
            lanes=lanes,
            clock=clock,
            random=random,
            outbox_bell=bell,
            settings=DeskSettings(
                public_url=settings.public_url,
                admin_ids=frozenset(settings.admin_ids),
                signup=settings.signup,
            ),
        )
        desk = LiveDesk(office)
        await desk.open()
        readiness = DeskReadiness(ledger, lanes, venues)
        routes = web.RouteTableDef()
        chat = _build_chat(settings, desk, ledger, bell, metrics, readiness, clock)
        http = build_http(
            desk=desk, readiness=readiness, metrics=metrics, extra_routes=chat.http_routes(routes)
        )
        port = await _serve(stack, http, settings.http_host, settings.http_port)
        log.info("alerts are taken", host=settings.http_host, port=port)
        stack.push_async_callback(_close_venues, venues)
        stack.push_async_callback(lanes.close)
        work = asyncio.create_task(_connect(venues, lanes))
        stack.push_async_callback(_cancel, work)
        await chat.start()
        stack.push_async_callback(chat.close)
        scheduler = _schedule(settings, desk, lanes, Gauges(metrics, ledger, lanes, venues, clock))
        stack.callback(scheduler.shutdown, wait=False)
        yield Process(ledger, desk, lanes, port)
