"""One transaction to several nodes: the same bytes, and what their answers prove together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from core.dydx.codes import CodeMeaning, Outcome, Reaction, classify
from core.dydx.signing import tx_hash


@dataclass(frozen=True)
class EndpointAnswer:
    """What one node said to a broadcast. `code` is None where it said nothing."""

    endpoint: str
    outcome: Outcome
    code: int | None = None
    codespace: str = ""
    raw_log: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Broadcast:
    """What is known after a broadcast.

    Accepted: a node answered 0. Refused: every node that was sent a byte answered a definitive
    code. Unsent: none was. All else is unknown. `asked` are the nodes in the order of asking, those
    without a connection included; the other fields are of the answer that decided.
    """

    outcome: Outcome
    tx_hash: str
    code: int | None
    codespace: str
    raw_log: str
    endpoint: str | None
    asked: tuple[EndpointAnswer, ...]
    meaning: CodeMeaning | None


Send = Callable[[str], Awaitable[EndpointAnswer]]


@dataclass(frozen=True)
class Manner:
    """How a broadcast goes about it.

    `copies` nodes are sent the bytes at once, and one more after `hedge_after_s` seconds in which
    none of them said anything (None: only when one has failed). After `total_s` seconds no further
    node is asked.
    """

    copies: int = 1
    hedge_after_s: float | None = 0.5
    total_s: float = 8.0


class Hedge:
    """Sends the same bytes to the nodes of `order` in turn until one accepts them, or one says
    something that makes asking others pointless. `send` must not raise and must end by itself.
    """

    def __init__(self, order: Sequence[str], send: Send, manner: Manner, *, resend: bool) -> None:
        self._waiting = list(order)
        self._send = send
        self._manner = manner
        self._resend = resend
        self._calls: dict[asyncio.Task[EndpointAnswer], str] = {}
        self._answers: dict[str, EndpointAnswer] = {}
        self._asked: list[str] = []
        self._settled = False

    async def run(self) -> tuple[EndpointAnswer, ...]:
        """The answers in the order of asking. Calls that nobody waits for any more go on; they are
        in `left_over`. Cancelled, it cancels what it began.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self._manner.total_s
        try:
            for _ in range(self._manner.copies):
                self._ask_next()
            hedged = False
            while self._calls:
                may_ask = bool(self._waiting) and not self._settled and loop.time() < until
                patience = None
                if may_ask and not hedged and self._manner.hedge_after_s is not None:
                    patience = self._manner.hedge_after_s
                done, _ = await asyncio.wait(
                    self._calls, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                if not done:
                    hedged = True
                    self._ask_next()
                    continue
                for call in done:
                    self._take(call)
                if self._accepted:
                    break
                if self._settled or not self._waiting or loop.time() >= until:
                    continue
                for _ in done:
                    self._ask_next()
        except asyncio.CancelledError:
            await _cancel(self._calls)
            raise
        return tuple(self._answers.get(address) or _unheard(address) for address in self._asked)

    @property
    def left_over(self) -> tuple[asyncio.Task[EndpointAnswer], ...]:
        """Calls that were begun and not waited for; somebody must own them."""
        return tuple(self._calls)

    @property
    def _accepted(self) -> bool:
        return any(a.outcome is Outcome.ACCEPTED for a in self._answers.values())

    def _ask_next(self) -> None:
        if self._waiting:
            address = self._waiting.pop(0)
            self._asked.append(address)
            self._calls[asyncio.ensure_future(self._send(address))] = address

    def _take(self, call: asyncio.Task[EndpointAnswer]) -> None:
        address = self._calls.pop(call)
        answer = call.result()
        self._answers[address] = answer
        if answer.code is None:
            return
        meaning = classify(answer.codespace, answer.code, resend=self._resend)
        if meaning.reaction is not Reaction.OTHER_NODE:
            # What this node says of the transaction, others would say too.
            self._settled = True


def sum_up(tx: bytes, asked: Sequence[EndpointAnswer], *, resend: bool) -> Broadcast:
    """The rule of Broadcast's docstring. An answer counts as a refusal only where no other node can
    have taken the bytes; otherwise its reason may be that one did.
    """
    sent = [answer for answer in asked if answer.outcome is not Outcome.UNSENT]
    doubtful = resend or any(_unclear(answer) for answer in sent)
    judged = tuple(_judged(answer, doubtful=doubtful) for answer in asked)
    sent = [answer for answer in judged if answer.outcome is not Outcome.UNSENT]
    accepted = [answer for answer in sent if answer.outcome is Outcome.ACCEPTED]
    if accepted:
        outcome, deciding = Outcome.ACCEPTED, accepted[0]
    elif not sent:
        outcome, deciding = Outcome.UNSENT, None
    elif all(answer.outcome is Outcome.REFUSED for answer in sent):
        outcome, deciding = Outcome.REFUSED, sent[-1]
    else:
        coded = [answer for answer in sent if answer.code is not None]
        outcome, deciding = Outcome.UNKNOWN, (coded or sent)[-1]
    meaning = None
    if deciding is not None and deciding.code is not None:
        meaning = classify(
            deciding.codespace, deciding.code, resend=doubtful or outcome is Outcome.UNKNOWN
        )
    return Broadcast(
        outcome=outcome,
        tx_hash=tx_hash(tx),
        code=None if deciding is None else deciding.code,
        codespace="" if deciding is None else deciding.codespace,
        raw_log="" if deciding is None else deciding.raw_log,
        endpoint=None if deciding is None else deciding.endpoint,
        asked=judged,
        meaning=meaning,
    )


def _unclear(answer: EndpointAnswer) -> bool:
    if answer.code is None:
        return True
    return classify(answer.codespace, answer.code).outcome is Outcome.UNKNOWN


def _judged(answer: EndpointAnswer, *, doubtful: bool) -> EndpointAnswer:
    if answer.code is None:
        return answer
    meaning = classify(answer.codespace, answer.code, resend=doubtful)
    return EndpointAnswer(
        answer.endpoint,
        meaning.outcome,
        answer.code,
        answer.codespace,
        answer.raw_log,
        answer.detail,
    )


def _unheard(address: str) -> EndpointAnswer:
    return EndpointAnswer(address, Outcome.UNKNOWN, detail="its answer was not waited for")


async def _cancel(calls: dict[asyncio.Task[EndpointAnswer], str]) -> None:
    for call in calls:
        call.cancel()
    for call in calls:
        with contextlib.suppress(asyncio.CancelledError):
            await call
