"""Where the core's figures become metrics: observers that are called, gauges that are read."""

from __future__ import annotations

from bot.chat import ChatSide
from core.clock import Clock
from core.dydx.indexer import IndexerError
from core.dydx.network import NetworkName
from core.dydx.node import NodeUnreachable
from core.ledger import key_losses, orders, outbox
from core.trading.lanes import Lanes
from core.trading.rota import Look
from core.trading.rounds import Rounds
from core.trading.venue import Venue
from handlers.http.metrics import Metrics


class MetricObserver:
    """What lanes report, as metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def broadcast(self, own_s: float, outcome: str) -> None:
        self._metrics.signal_to_broadcast_seconds.observe(own_s)
        self._metrics.broadcasts_total.labels(outcome).inc()

    def mismatch(self) -> None:
        self._metrics.reconcile_mismatch_total.inc()


class Gauges:
    """Figures that are read now and then."""

    def __init__(
        self,
        metrics: Metrics,
        lanes: Lanes,
        venues: dict[NetworkName, Venue],
        chat: ChatSide,
        clock: Clock,
        rounds: Rounds,
    ) -> None:
        self._metrics = metrics
        self._lanes = lanes
        self._venues = venues
        self._chat = chat
        self._clock = clock
        self._rounds = rounds
        self._gaps: dict[NetworkName, int] = {}
        self._connections: dict[NetworkName, int] = {}
        chat.on_outcome = self._told
        chat.on_slow_down = metrics.telegram_retry_after_total.inc

    def _told(self, kind: str, outcome: str) -> None:
        self._metrics.telegram_messages_total.labels(outcome).inc()

    async def refresh(self) -> None:
        """Reads all gauges; a job calls this."""
        accounts = list(self._lanes.reconciled)
        self._metrics.orders_unknown.set(await orders.count_in_state(accounts, "unknown"))
        self._metrics.unprotected_positions.set(len(self._lanes.unprotected_positions()))
        self._metrics.keys_lost.set(len(await key_losses.affected()))
        for look in Look:
            interval_s = self._rounds.interval(look)
            self._metrics.reconcile_interval_seconds.labels(look.value).set(interval_s)
        oldest = await outbox.oldest_due(self._clock.now())
        self._metrics.outbox_oldest_seconds.set(oldest.total_seconds())
        problem = self._chat.problem
        self._metrics.telegram_conflict.set(problem == "conflict")
        self._metrics.telegram_unauthorized.set(problem == "unauthorized")
        self._count_streams()
        for name in self._lanes.networks_in_use():
            await self._lag(self._venues[name])

    def _count_streams(self) -> None:
        for name, venue in self._venues.items():
            gaps, came_up = venue.stream.gaps, venue.connections
            self._metrics.ws_gap_total.inc(gaps - self._gaps.get(name, 0))
            again = max(0, came_up - 1) - max(0, self._connections.get(name, 0) - 1)
            self._metrics.ws_reconnects_total.inc(again)
            self._gaps[name], self._connections[name] = gaps, came_up

    async def _lag(self, venue: Venue) -> None:
        try:
            node = (await venue.node.latest_block()).height
            indexer = (await venue.indexer.height()).height
        except (NodeUnreachable, IndexerError):
            return
        self._metrics.indexer_lag_blocks.labels(venue.network.name).set(max(0, node - indexer))
