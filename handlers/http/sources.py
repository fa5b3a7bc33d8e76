"""Who knocks, and how often in vain.

A stranger who tries secrets is slowed down and never locked out: he may come from the same address
as the real sender (all of TradingView's users share four), and what is proved is never delayed.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import web

MAX_SOURCES = 4096
FORGET_AFTER_S = 600.0
MAX_PATH = 64


@dataclass(frozen=True)
class Source:
    """A path and the address that asked for it."""

    path: str
    address: str


def source_of(request: web.BaseRequest) -> Source:
    """The request's source. `X-Forwarded-For` counts only from a proxy on a loopback or private
    address, and of it only the last entry, which that proxy wrote itself. IPv6 counts by /64.
    """
    peer = _address(request.remote or "")
    if peer is not None and (peer.is_loopback or peer.is_private):
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).rpartition(",")[2]
        peer = _address(forwarded) or peer
    return Source(request.path[-MAX_PATH:], _group(peer))


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text.strip().strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _group(address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> str:
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)


class Failures:
    """Failed knocks by source, and how many wait for their delayed answer by address."""

    def __init__(self, monotonic: Callable[[], float], *, max_waiting: int) -> None:
        self._monotonic = monotonic
        self._max_waiting = max_waiting
        self._counts: OrderedDict[Source, tuple[int, float]] = OrderedDict()
        self._waiting: Counter[str] = Counter()

    def note(self, source: Source) -> int:
        """Counts a failure; returns how many there were without ten quiet minutes between."""
        now = self._monotonic()
        count, last = self._counts.pop(source, (0, now))
        count = 1 if now - last > FORGET_AFTER_S else count + 1
        self._counts[source] = (count, now)
        while len(self._counts) > MAX_SOURCES:
            self._counts.popitem(last=False)
        return count

    def clear(self, source: Source) -> None:
        """The source proved itself."""
        self._counts.pop(source, None)

    def crowded(self, source: Source) -> bool:
        """Whether so many of this address wait already that the next is not even looked at."""
        return self._waiting[source.address] >= self._max_waiting

    @contextmanager
    def waiting(self, source: Source) -> Iterator[None]:
        """Counts a request as waiting for its delayed answer."""
        self._waiting[source.address] += 1
        try:
            yield
        finally:
            self._waiting[source.address] -= 1
            if not self._waiting[source.address]:
                del self._waiting[source.address]
