"""What makes an alert itself: its body's hash, its age, and the secret that proves its sender."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac

from core.signals.alert import Alert

WINDOW_WITH_TIME = dt.timedelta(hours=48)
WINDOW_WITHOUT_TIME = dt.timedelta(seconds=60)
_NO_HASH = "0" * 64


def body_hash(raw: bytes) -> str:
    """SHA-256 of the body's bytes, in hex."""
    return hashlib.sha256(raw).hexdigest()


def dedupe_window(alert: Alert) -> dt.timedelta:
    """How long the same body counts as the same alert.

    A body that carries a time cannot be meant twice. Without one, two equal alerts may both be
    meant; TradingView sends again within 5 to 15 seconds.
    """
    return WINDOW_WITHOUT_TIME if alert.time is None else WINDOW_WITH_TIME


def alert_age(alert: Alert, received_at: dt.datetime) -> dt.timedelta:
    """How old the alert was when it arrived; zero where it names no time or one just ahead."""
    if alert.time is None:
        return dt.timedelta(0)
    return max(received_at - alert.time, dt.timedelta(0))


def secret_hash(secret: str) -> str:
    """What is stored of a secret. A plain hash suffices for 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def secret_matches(given: str | None, stored_hash: str) -> bool:
    """Whether the secret is the one whose hash is stored.

    The same work is done whatever is missing (no secret, no strategy): one hash and one comparison
    in constant time.
    """
    known = len(stored_hash) == len(_NO_HASH) and stored_hash.isascii()
    same = hmac.compare_digest(secret_hash(given or ""), stored_hash if known else _NO_HASH)
    return same and known and bool(given)
