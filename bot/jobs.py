"""The timed jobs. Each is idempotent, none runs twice at once, all are registered here."""

from __future__ import annotations

import datetime as dt

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from bot.gauges import Gauges
from bot.readiness import DeskReadiness
from bot.settings import Settings
from core.clock import Clock
from core.ledger import conversations, updates
from core.trading.lanes import Lanes
from core.trading.live import LiveDesk

FAULTS_EVERY_S = 60
GAUGES_EVERY_S = 5
UPDATES_KEPT = dt.timedelta(days=2)
CONVERSATIONS_KEPT = dt.timedelta(days=30)


def schedule(
    settings: Settings,
    desk: LiveDesk,
    lanes: Lanes,
    gauges: Gauges,
    readiness: DeskReadiness,
    clock: Clock,
) -> AsyncIOScheduler:
    """Starts the jobs; a late run is made up for once, however late."""

    async def purge() -> None:
        await updates.purge(clock.now() - UPDATES_KEPT)
        await conversations.purge(clock.now() - CONVERSATIONS_KEPT)

    scheduler = AsyncIOScheduler(
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    scheduler.add_job(lanes.monitor, "interval", seconds=settings.monitor_interval_s)
    scheduler.add_job(desk.tell_grouped_faults, "interval", seconds=FAULTS_EVERY_S)
    scheduler.add_job(gauges.refresh, "interval", seconds=GAUGES_EVERY_S)
    scheduler.add_job(readiness.probe, "interval", seconds=GAUGES_EVERY_S)
    scheduler.add_job(purge, "interval", hours=1)
    scheduler.start()
    return scheduler
