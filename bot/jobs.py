"""The timed jobs. Each is idempotent, none runs twice at once, all are registered here."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Awaitable, Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.gauges import Gauges
from bot.readiness import DeskReadiness
from bot.settings import Settings
from bot.watches import Watches
from core.clock import Clock
from core.ledger import conversations, outbox, risk, updates
from core.trading.lanes import Lanes
from core.trading.live import LiveDesk

FAULTS_EVERY_S = 60
SILENCE_EVERY_S = 300
RISK_EVERY_S = 5
GAUGES_EVERY_S = 5
PURGE_EVERY_S = 3600
UPDATES_KEPT = dt.timedelta(days=2)
CONVERSATIONS_KEPT = dt.timedelta(days=30)
MESSAGES_KEPT = dt.timedelta(days=90)
DAY_PRICES_KEPT = dt.timedelta(days=8)


def schedule(
    settings: Settings,
    desk: LiveDesk,
    lanes: Lanes,
    gauges: Gauges,
    readiness: DeskReadiness,
    clock: Clock,
    watches: Watches,
) -> AsyncIOScheduler:
    """Starts the jobs; a late run is made up for once, however late."""

    async def purge() -> None:
        await updates.purge(clock.now() - UPDATES_KEPT)
        await conversations.purge(clock.now() - CONVERSATIONS_KEPT)
        await outbox.purge(clock.now() - MESSAGES_KEPT)
        await risk.purge_day_prices(clock.now() - DAY_PRICES_KEPT)

    scheduler = AsyncIOScheduler(
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    jobs: list[tuple[Callable[[], Awaitable[None]], float]] = [
        (lanes.monitor, settings.monitor_interval_s),
        (desk.tell_grouped_faults, FAULTS_EVERY_S),
        (desk.tell_silent_strategies, SILENCE_EVERY_S),
        (desk.tick_risk, RISK_EVERY_S),
        (gauges.refresh, GAUGES_EVERY_S),
        (readiness.probe, GAUGES_EVERY_S),
        (purge, PURGE_EVERY_S),
        *watches.jobs(),
    ]
    for work, every_s in jobs:
        scheduler.add_job(_run, "interval", seconds=every_s, args=[work], name=work.__name__)
    scheduler.start()
    return scheduler


async def _run(work: Callable[[], Awaitable[None]]) -> None:
    """The scheduler cancels running jobs when it stops, which is no error."""
    with contextlib.suppress(asyncio.CancelledError):
        await work()
