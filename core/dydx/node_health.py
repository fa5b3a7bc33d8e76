"""What is known of each node of a network, and in which order they are asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from core.clock import Clock
from core.dydx.network import is_loopback

DEFAULT_CALLS_PER_MINUTE: Final = 600
HOST_CALLS_PER_MINUTE: Final = {"polkachu.com": 300, "kingnodes.com": 250}
"""What the operators of public nodes allow per host. Source: docs/protocol.md, endpoints."""
BEHIND_BLOCKS: Final = 5
_MINUTE_S: Final = 60.0
_RESERVED: Final = 0.2
"""The part of a budget that is left to broadcasts."""
_STEADY_S: Final = 300.0
_SHAKY_FAILURES: Final = 3
_SMOOTHING: Final = 0.3
_SLOW_FACTOR: Final = 4.0
_SLOW_FROM_S: Final = 0.25


@dataclass(frozen=True)
class NodeHealth:
    """A node as an operator sees it. `height` is of the last look, `latency_s` a running mean,
    `calls_left` what its budget of this minute still allows (None: no limit).
    """

    address: str
    healthy: bool
    height: int | None
    behind: bool
    latency_s: float | None
    failures: int
    calls_left: int | None


class Standing:
    """What is known of one node."""

    def __init__(self, address: str, clock: Clock, calls_per_minute: int | None) -> None:
        self.address = address
        self.healthy = True
        self.behind = False
        self.height: int | None = None
        self.latency_s: float | None = None
        self._clock = clock
        self._limit = calls_per_minute
        self._calls: deque[float] = deque()
        self._failures: deque[float] = deque(maxlen=16)

    def called(self) -> None:
        """A call goes out now."""
        if self._limit is not None:
            self._calls.append(self._clock.monotonic())

    def answered(self, seconds: float) -> None:
        """A call was answered after `seconds`."""
        if self.latency_s is None:
            self.latency_s = seconds
        else:
            self.latency_s += _SMOOTHING * (seconds - self.latency_s)

    def failed(self) -> None:
        """A call brought nothing."""
        self._failures.append(self._clock.monotonic())

    @property
    def failures(self) -> int:
        """Failures of the last five minutes, as far as they are remembered."""
        horizon = self._clock.monotonic() - _STEADY_S
        return sum(moment > horizon for moment in self._failures)

    @property
    def calls_left(self) -> int | None:
        """How many calls the budget of the last minute still allows; None without a limit."""
        if self._limit is None:
            return None
        horizon = self._clock.monotonic() - _MINUTE_S
        while self._calls and self._calls[0] <= horizon:
            self._calls.popleft()
        return max(0, self._limit - len(self._calls))

    def may_query(self) -> bool:
        """Whether a query leaves enough of the budget to broadcasts."""
        left = self.calls_left
        return left is None or left > (self._limit or 0) * _RESERVED

    def wait_s(self) -> float:
        """Seconds until a query may go out."""
        if self.may_query():
            return 0.0
        excess = int(len(self._calls) - (self._limit or 0) * (1 - _RESERVED))
        return max(0.0, self._calls[excess] + _MINUTE_S - self._clock.monotonic())

    def report(self) -> NodeHealth:
        return NodeHealth(
            address=self.address,
            healthy=self.healthy,
            height=self.height,
            behind=self.behind,
            latency_s=self.latency_s,
            failures=self.failures,
            calls_left=self.calls_left,
        )


def calls_per_minute(address: str) -> int | None:
    """The budget of a node; a node on this machine has none."""
    if is_loopback(address):
        return None
    host = urlsplit(address if "://" in address else f"//{address}").hostname or ""
    for domain, limit in HOST_CALLS_PER_MINUTE.items():
        if host == domain or host.endswith(f".{domain}"):
            return limit
    return DEFAULT_CALLS_PER_MINUTE


def compare_heights(looks: Iterable[tuple[Standing, int]], behind_blocks: int) -> None:
    """Takes over what all nodes answered at about the same moment: who is behind the best of them
    by more than `behind_blocks`.
    """
    seen = list(looks)
    best = max((height for _, height in seen), default=0)
    for standing, height in seen:
        standing.height = height
        standing.behind = best - height > behind_blocks


def broadcast_order(standings: Iterable[Standing]) -> list[Standing]:
    """Those a transaction may be sent to, the best first; none that is behind the chain.

    The order is that of the settings as long as all are well. Behind the others go those that did
    not answer last, then those without budget, those that failed often, those that are slow.
    """
    usable = [standing for standing in standings if not standing.behind]
    fastest = min((s.latency_s for s in usable if s.latency_s is not None), default=None)

    def rank(standing: Standing) -> tuple[bool, bool, bool, bool]:
        return (
            not standing.healthy,
            standing.calls_left == 0,
            standing.failures >= _SHAKY_FAILURES,
            _slow(standing, fastest),
        )

    return sorted(usable, key=rank)


def query_order(standings: Iterable[Standing]) -> list[Standing]:
    """Those that may be asked, the best first; those behind the chain come last."""
    everyone = list(standings)
    ahead = [s for s in broadcast_order(everyone) if s.may_query()]
    return ahead + [s for s in everyone if s.behind and s.may_query()]


def _slow(standing: Standing, fastest: float | None) -> bool:
    if fastest is None or standing.latency_s is None:
        return False
    return standing.latency_s > max(_SLOW_FROM_S, fastest * _SLOW_FACTOR)
