"""The process's figures in Prometheus's form. No label names a person, account or market."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """All figures, registered in one registry. The core knows nothing of them: the process hangs
    them into its observers and sets the gauges on a schedule.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.signal_to_broadcast_seconds = Histogram(
            "perpgram_signal_to_broadcast_seconds",
            "From an alert's last byte in to its order's bytes out.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.signal_to_answer_seconds = Histogram(
            "perpgram_signal_to_answer_seconds",
            "From an alert's last byte in to the webhook's answer.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.alerts_total = Counter(
            "perpgram_alerts_total", "Alerts by answer.", ["status"], registry=registry
        )
        self.broadcasts_total = Counter(
            "perpgram_broadcasts_total", "Broadcasts by outcome.", ["outcome"], registry=registry
        )
        self.orders_unknown = self._gauge("orders_unknown", "Orders whose fate is not known.")
        self.unprotected_positions = self._gauge(
            "unprotected_positions",
            "Open positions whose stop neither rests on chain nor is watched.",
        )
        self.reconcile_mismatch_total = self._counter(
            "reconcile_mismatch_total", "Times that chain and ledger were found to differ."
        )
        self.reconcile_interval_seconds = Gauge(
            "perpgram_reconcile_interval_seconds",
            "Longest time between two comparisons of an account that has something at stake.",
            ["look"],
            registry=registry,
        )
        self.keys_lost = self._gauge("keys_lost", "Accounts whose key the chain refuses.")
        self.indexer_lag_blocks = Gauge(
            "perpgram_indexer_lag_blocks",
            "Blocks that the indexer is behind the node.",
            ["network"],
            registry=registry,
        )
        self.ws_gap_total = self._counter("ws_gap_total", "Gaps seen in a stream.")
        self.ws_reconnects_total = self._counter("ws_reconnects_total", "Streams opened again.")
        self.outbox_oldest_seconds = self._gauge(
            "outbox_oldest_seconds", "Age of the oldest message that is due and not sent."
        )
        self.telegram_messages_total = Counter(
            "perpgram_telegram_messages_total",
            "Messages to Telegram by outcome.",
            ["outcome"],
            registry=registry,
        )
        self.telegram_retry_after_total = self._counter(
            "telegram_retry_after_total", "Times that Telegram asked to slow down."
        )
        self.telegram_conflict = self._gauge(
            "telegram_conflict", "1 while another process polls with the same token."
        )
        self.telegram_unauthorized = self._gauge(
            "telegram_unauthorized", "1 while Telegram does not accept the token."
        )

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"perpgram_{name}", text, registry=self.registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"perpgram_{name}", text, registry=self.registry)
