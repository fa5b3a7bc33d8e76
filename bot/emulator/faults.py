"""What can go wrong with Telegram, on demand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bot.emulator.errors import ApiError, too_many_requests

Kind = Literal["error", "drop_before", "drop_after"]


@dataclass
class Fault:
    """Strikes the next `times` calls of `method` (`*` for any but getUpdates)."""

    kind: Kind
    method: str
    times: int
    error: ApiError | None = None

    def fits(self, method: str) -> bool:
        """Whether a call of `method` (lower case) is struck."""
        return self.method == method or (self.method == "*" and method != "getupdates")


@dataclass
class Faults:
    """The faults in force. All off at first."""

    queue: list[Fault] = field(default_factory=list)
    latencies: dict[str, float] = field(default_factory=dict)
    unreachable: bool = False
    token_revoked: bool = False
    duplicate_updates: int = 0
    swap_updates: int = 0

    def fail(
        self,
        method: str,
        code: int,
        description: str,
        *,
        retry_after: int | None = None,
        times: int = 1,
    ) -> None:
        """The next `times` calls of `method` are answered with this error and do nothing."""
        error = ApiError(code, description, retry_after)
        self.queue.append(Fault("error", method.lower(), times, error))

    def flood(self, retry_after: int, method: str = "*", times: int = 1) -> None:
        """The next `times` calls are answered 429; `retry_after` in seconds."""
        error = too_many_requests(retry_after)
        self.queue.append(Fault("error", method.lower(), times, error))

    def drop(self, method: str = "*", *, processed: bool, times: int = 1) -> None:
        """The connection of the next `times` calls ends without an answer.

        `processed` says whether the call was carried out all the same: sent, but not known to be.
        """
        kind: Kind = "drop_after" if processed else "drop_before"
        self.queue.append(Fault(kind, method.lower(), times))

    def delay(self, seconds: float, method: str = "*") -> None:
        """Every call of `method` is carried out this much later; 0 ends it."""
        if seconds > 0:
            self.latencies[method.lower()] = seconds
        else:
            self.latencies.pop(method.lower(), None)

    def clear(self) -> None:
        """No faults any more."""
        self.queue.clear()
        self.latencies.clear()
        self.unreachable = self.token_revoked = False
        self.duplicate_updates = self.swap_updates = 0

    def latency(self, method: str) -> float:
        """Seconds that a call of `method` (lower case) waits."""
        if method == "getupdates":
            return self.latencies.get(method, 0.0)
        return self.latencies.get(method, self.latencies.get("*", 0.0))

    def take_error(self, method: str) -> ApiError | None:
        """The error that this call (lower case) is answered with, if any; used up by it."""
        fault = self._take(method, {"error"})
        return fault.error if fault is not None else None

    def take_drop(self, method: str) -> Kind | None:
        """Whether the connection of this call is cut, before or after; used up by it."""
        fault = self._take(method, {"drop_before", "drop_after"})
        return fault.kind if fault is not None else None

    def _take(self, method: str, kinds: set[str]) -> Fault | None:
        for fault in self.queue:
            if fault.kind in kinds and fault.fits(method):
                fault.times -= 1
                if fault.times <= 0:
                    self.queue.remove(fault)
                return fault
        return None

    def to_json(self) -> dict[str, Any]:
        """As the user's side shows it."""
        return {
            "queue": [
                {
                    "kind": fault.kind,
                    "method": fault.method,
                    "times": fault.times,
                    "error": fault.error.body() if fault.error else None,
                }
                for fault in self.queue
            ],
            "latencies": dict(self.latencies),
            "unreachable": self.unreachable,
            "token_revoked": self.token_revoked,
            "duplicate_updates": self.duplicate_updates,
            "swap_updates": self.swap_updates,
        }
