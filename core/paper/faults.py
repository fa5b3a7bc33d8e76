"""Faults to switch on: what goes wrong on the real network too, on purpose and repeatable."""

from __future__ import annotations

from dataclasses import dataclass

from core.paper.refusals import Refused, text_of


@dataclass(frozen=True)
class OrderRefusal:
    """Answer placements that would be accepted with this refusal: so many of the next, or all of
    them (None).
    """

    codespace: str
    code: int
    log: str = ""
    count: int | None = 1


@dataclass
class ExchangeFaults:
    """Faults of the whole exchange.

    `fill_withheld`: orders are accepted and not matched; True for all markets, or the tickers it
    concerns. They match when it is cleared, or expire.
    """

    fill_withheld: bool | frozenset[str] = False
    order_refused: OrderRefusal | None = None

    def take_refusal(self) -> Refused | None:
        """The refusal for the placement at hand."""
        fault = self.order_refused
        if fault is None or fault.count == 0:
            return None
        if fault.count is not None:
            left = fault.count - 1
            self.order_refused = (
                OrderRefusal(fault.codespace, fault.code, fault.log, left) if left else None
            )
        log = fault.log or text_of(fault.codespace, fault.code)
        return Refused(fault.codespace, fault.code, log)

    def withholds(self, ticker: str) -> bool:
        """Whether orders of a market are accepted and not matched."""
        if isinstance(self.fill_withheld, bool):
            return self.fill_withheld
        return ticker in self.fill_withheld


@dataclass
class NodeFaults:
    """Faults of one node.

    `request_lost`: broadcasts never arrive; `answer_lost`: they are carried out and never answered.
    Either way the caller's deadline passes: so many of the next, or all of them (True). `rtt_ms` is
    added to every call, give or take up to `rtt_jitter_ms`. `down`: every call fails as
    unavailable.

    `behind_blocks`: the node stops until it is so many blocks behind the others and follows then;
    it answers and judges by what it knows. `stands_apart`: it judges, answers and tells nobody, so
    that nothing it accepts comes into a block. `number_ahead`: so many of the next queries, or all,
    name the block behind the one whose state they show, as a node does that commits it just then.
    """

    request_lost: bool | int = False
    answer_lost: bool | int = False
    rtt_ms: int = 0
    rtt_jitter_ms: int = 0
    down: bool = False
    behind_blocks: int = 0
    stands_apart: bool = False
    number_ahead: bool | int = False

    def take_number_ahead(self) -> bool:
        """Whether the query at hand names the next block."""
        taken, self.number_ahead = _take(self.number_ahead)
        return taken

    def take_lost_request(self) -> bool:
        """Whether the broadcast at hand is lost on its way here."""
        taken, self.request_lost = _take(self.request_lost)
        return taken

    def take_lost_answer(self) -> bool:
        """Whether the answer at hand is lost."""
        taken, self.answer_lost = _take(self.answer_lost)
        return taken

    @property
    def is_alone(self) -> bool:
        """Whether the node knows another chain than the rest."""
        return self.stands_apart or self.behind_blocks > 0


def _take(left: bool | int) -> tuple[bool, bool | int]:
    """Whether a fault strikes now, and what is left of it."""
    if isinstance(left, bool):
        return left, left
    return (True, left - 1 or False) if left > 0 else (False, False)
