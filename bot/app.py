"""The process: builds the parts, starts and stops them in order. Owns no rule of trading.

Order of the start: settings, ledger, webhook (alerts are stored from here on), networks and
reconciliation, chat. Neither a dead network nor an unreachable Telegram keeps alerts from being
stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry

from bot import collector
from bot.chat import ChatSide
from bot.errors import StartRefused
from bot.gauges import Gauges, MetricObserver
from bot.jobs import schedule
from bot.keys import open_vault
from bot.logs import set_up_logs
from bot.networks import build_venue, start_venue
from bot.paper import PaperChild
from bot.readiness import DeskReadiness
from bot.settings import Settings, SettingsError
from bot.stdin import when_stdin_closes
from bot.watches import build_watches
from core.clock import Clock, Random, SystemClock, SystemRandom
from core.dydx import dependency
from core.dydx.network import NetworkName
from core.dydx.stream import StreamEvent
from core.events import Bell
from core.ledger.database import Ledger, LedgerRefused, open_ledger
from core.trading.lanes import Lanes
from core.trading.live import LiveDesk
from core.trading.office import DeskSettings, Office, StrategyBook
from core.trading.parts import Parts
from core.trading.risk.firewall import Firewall
from core.trading.rush import Rush
from core.trading.venue import Venue
from core.vault import Vault, VaultRefused, forbid_core_dumps
from handlers.http.app import build_http
from handlers.http.metrics import Metrics
from handlers.http.serving import Listener, listen

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Process:
    """The running parts, for those who look at them. `connecting`: until the networks are reached
    and the accounts have their lanes.
    """

    ledger: Ledger
    desk: LiveDesk
    lanes: Lanes
    venues: dict[NetworkName, Venue]
    chat: ChatSide
    http_port: int
    connecting: asyncio.Task[None]


async def run(settings: Settings, *, until_stdin_closes: bool = False) -> None:
    """`perpgram run`: until SIGTERM or SIGINT, or also until standard input ends. Raises
    StartRefused with one line, also when the ledger's lock was lost on the way.
    """
    set_up_logs(settings.log_level)
    forbid_core_dumps()
    collector.collect_seldom()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    if until_stdin_closes:
        when_stdin_closes(stopped.set)
    try:
        dependency.check()
        settings.refuse_unready()
        async with started(settings) as process:
            process.connecting.add_done_callback(_settle_in)
            await _until(stopped, process.ledger)
        if process.ledger.lost.is_set():
            raise StartRefused("the ledger's lock was lost; another process may be executing now")
    except (dependency.DependencyFault, SettingsError, LedgerRefused, VaultRefused) as fault:
        raise StartRefused(str(fault)) from None


def _settle_in(connecting: asyncio.Task[None]) -> None:
    if not connecting.cancelled():  # else the process is ending
        collector.settle_in()


async def _until(stopped: asyncio.Event, ledger: Ledger) -> None:
    waits = [asyncio.create_task(stopped.wait()), asyncio.create_task(ledger.lost.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for task in waits:
        task.cancel()
    if ledger.lost.is_set():
        log.critical("the ledger's lock was lost; this process stops acting at once")


@contextlib.asynccontextmanager
async def started(
    settings: Settings, *, clock: Clock | None = None, random: Random | None = None
) -> AsyncIterator[Process]:
    """All parts, started; on leaving they are drained and stopped in the reverse order.

    Raises LedgerRefused, VaultRefused or StartRefused, each with one line.
    """
    clock, random = clock or SystemClock(), random or SystemRandom()
    async with contextlib.AsyncExitStack() as stack:
        ledger = await stack.enter_async_context(
            open_ledger(
                settings.database_url.get_secret_value(),
                clock=clock,
                random=random,
                copies_dir=settings.copies_path,
                holder=f"http://{settings.http_host}:{settings.http_port}",
            )
        )
        vault = await open_vault(settings, ledger, random)
        metrics = Metrics(CollectorRegistry())
        bell = Bell()
        strategy_book, rush = StrategyBook(), Rush()
        lanes, venues, firewall = _build_lanes(
            settings, ledger, vault, clock, random, bell, metrics, strategy_book, rush
        )
        await firewall.start()
        stack.push_async_callback(firewall.close)
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
            firewall=firewall,
            strategy_book=strategy_book,
            rush=rush,
        )
        desk = LiveDesk(office)
        await desk.open()
        await lanes.expect_all()
        chat = ChatSide(settings, desk, bell, clock, random)
        readiness = DeskReadiness(ledger, lanes, venues, chat)
        watches = build_watches(office, lanes, settings)
        gauges = Gauges(metrics, lanes, venues, chat, clock, watches.rounds)
        http = build_http(
            desk=desk, readiness=readiness, metrics=metrics, extra_routes=chat.routes()
        )
        listener = await _listen(http, settings)
        stack.push_async_callback(listener.close)
        await watches.gap.beat()
        log.info("alerts are taken", host=settings.http_host, port=listener.port)
        if settings.starts_paper:  # not before: a start that is refused leaves no child and no line
            child = PaperChild(settings.paper_environment())
            await child.start()
            stack.push_async_callback(child.close)
        for venue in venues.values():
            stack.push_async_callback(venue.close)
        stack.push_async_callback(lanes.close)
        stack.push_async_callback(watches.rounds.close)
        stack.push_async_callback(watches.glances.close)
        stack.push_async_callback(desk.close_key_work)
        stack.push_async_callback(desk.close_panics)
        connecting = asyncio.create_task(_connect(venues, lanes, desk))
        stack.push_async_callback(_cancel, connecting)
        await chat.start()
        stack.push_async_callback(chat.close)
        scheduler = schedule(settings, desk, lanes, gauges, readiness, clock, watches)
        stack.callback(scheduler.shutdown, wait=False)
        stack.push_async_callback(watches.gap.stop)
        stack.callback(listener.drain)
        yield Process(ledger, desk, lanes, venues, chat, listener.port, connecting)
        log.info("stopping")


def _build_lanes(
    settings: Settings,
    ledger: Ledger,
    vault: Vault,
    clock: Clock,
    random: Random,
    bell: Bell,
    metrics: Metrics,
    strategy_book: StrategyBook,
    rush: Rush,
) -> tuple[Lanes, dict[NetworkName, Venue], Firewall]:
    venues: dict[NetworkName, Venue] = {}

    async def on_event(venue: Venue, event: StreamEvent) -> None:
        await lanes.on_event(venue, event)

    for name in settings.networks:
        venues[name] = build_venue(settings.network(name), clock, random, on_event)
    observer = MetricObserver(metrics)
    firewall = Firewall(ledger, venues, clock, strategy_book.by_id)

    def parts_of(venue: Venue) -> Parts:
        return Parts(
            ledger=ledger,
            vault=vault,
            venue=venue,
            clock=clock,
            random=random,
            outbox_bell=bell,
            good_til_blocks=settings.good_til_blocks,
            stop_slippage_bps=settings.stop_slippage_bps,
            observer=observer,
            firewall=firewall,
            rush=rush,
        )

    lanes = Lanes(venues, parts_of)
    return lanes, venues, firewall


async def _listen(app: web.Application, settings: Settings) -> Listener:
    """Raises StartRefused when the port is in use."""
    try:
        return await listen(app, settings.http_host, settings.http_port)
    except OSError as error:
        raise StartRefused(
            f"{settings.http_host}:{settings.http_port} cannot be listened on "
            f"({error.strerror or error}); set HTTP_PORT to a free port or stop what uses it"
        ) from None


async def _connect(venues: dict[NetworkName, Venue], lanes: Lanes, desk: LiveDesk) -> None:
    """Networks first, then the lanes; what cannot be reached now is tried again by the monitor."""
    results = await asyncio.gather(
        *(start_venue(venue) for venue in venues.values()), return_exceptions=True
    )
    for result in results:
        if isinstance(result, Exception):
            log.error("a network is not used", error=str(result))
    await desk.resume_key_work()
    await desk.resume_panics()
    await lanes.start_all()


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
