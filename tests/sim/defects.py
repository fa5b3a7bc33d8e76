"""Named defects of the engine that can be switched on, so that the simulation proves its teeth.

Each is a patch of the real code; with any of them on, some day has to fail.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock
from uuid import uuid4

from core.dydx.indexer import Indexer
from core.dydx.node import Outcome
from core.dydx.orders import market_draft
from core.ledger import intents
from core.signals.identity import body_hash
from core.trading import bookkeeper, guard, intake, reconcile, resting, sending, work
from core.trading.protection import STOP, Place, Step, steps
from core.trading.views import AlertAnswer
from tests.sim.virtual import machine_now

Defect = Callable[[], AbstractContextManager[None]]
DEFECTS: dict[str, Defect] = {}


def defect(make: Callable[[], Iterator[None]]) -> Callable[[], Iterator[None]]:
    """Registers a defect under its function's name."""
    DEFECTS[make.__name__] = contextlib.contextmanager(make)
    return make


@contextlib.contextmanager
def switched_on(name: str | None) -> Iterator[None]:
    """With that defect; without one where there is no name."""
    if name is None:
        yield
        return
    with DEFECTS[name]():
        yield


@defect
def no_dedupe() -> Iterator[None]:
    """The same body is a new alert each time it comes."""
    number = itertools.count()

    def different(raw: bytes) -> str:
        return body_hash(raw + str(next(number)).encode())

    with mock.patch.object(intake, "body_hash", different):
        yield


@defect
def answer_before_commit() -> Iterator[None]:
    """An alert is answered at once and stored a moment later."""
    real = intake.AlertDesk.receive_alert

    async def receive(self: Any, webhook_uuid: str, raw: bytes) -> AlertAnswer:
        async def later() -> None:
            await asyncio.sleep(0.5)
            await real(self, webhook_uuid, raw)

        task = asyncio.create_task(later())
        machine_now().background.append(task)
        return AlertAnswer(200, {"success": True, "status": "PENDING"})

    with mock.patch.object(intake.AlertDesk, "receive_alert", receive):
        yield


@defect
def new_id_on_retry() -> Iterator[None]:
    """An order whose fate is unknown is sent once more, as another order."""
    real = work.Work._put_order

    async def put(self: Any, job: Any, made: Any) -> Any:
        order = await real(self, job, made)
        if order is not None and order.state == "unknown":
            return await real(self, job, made)
        return order

    with mock.patch.object(work.Work, "_put_order", put):
        yield


@defect
def unknown_is_refused() -> Iterator[None]:
    """What no node answered for is taken for refused."""
    with mock.patch.dict(sending._STATE_OF, {Outcome.UNKNOWN: "refused"}):
        yield


@defect
def stop_not_placed() -> Iterator[None]:
    """Stops are left to the bot's watch, as if the chain had no room for any."""
    real = guard.Guard._place

    async def place(self: Any, step: Place, *args: Any) -> None:
        if step.purpose != "stop_loss":
            await real(self, step, *args)

    with mock.patch.object(guard.Guard, "_place", place):
        yield


@defect
def stop_of_wrong_size() -> Iterator[None]:
    """The successor of a stop covers half of what is held."""

    def halved(*args: Any, **kwargs: Any) -> list[Step]:
        return [
            dataclasses.replace(step, size=step.size / 2)
            if isinstance(step, Place) and step.target_id == STOP and step.replaces is not None
            else step
            for step in steps(*args, **kwargs)
        ]

    with mock.patch.object(guard, "steps", halved):
        yield


@defect
def leftover_kept() -> Iterator[None]:
    """The orders of a closed position's plan stay, and nobody waits for their end."""

    async def keep(self: Any, order: Any) -> None:
        """Does nothing."""

    with (
        mock.patch.object(resting.Resting, "cancel", keep),
        mock.patch.object(resting.Resting, "leftovers", return_value=False),
    ):
        yield


@defect
def fills_booked_twice() -> Iterator[None]:
    """A fill that comes again counts again."""
    real = bookkeeper.Bookkeeper.book

    async def book(self: Any, fills: Any) -> Any:
        return await real(self, [fill.model_copy(update={"id": str(uuid4())}) for fill in fills])

    with mock.patch.object(bookkeeper.Bookkeeper, "book", book):
        yield


@defect
def close_not_reduce_only() -> Iterator[None]:
    """What closes a position may open one the other way."""

    def draft(**kwargs: Any) -> Any:
        return market_draft(**{**kwargs, "reduce_only": False})

    with mock.patch("core.trading.executor.market_draft", draft):
        yield


@defect
def fills_from_the_stream_alone() -> Iterator[None]:
    """Fills that no message of the stream brought are not read."""

    async def none(self: Any, address: str, number: int, height: int) -> list[Any]:
        return []

    with mock.patch.object(Indexer, "all_fills_since", none):
        yield


@defect
def intents_forgotten() -> Iterator[None]:
    """A crash forgets what was accepted and not begun."""

    async def none(account_id: int) -> list[Any]:
        return []

    with mock.patch.object(intents, "open_of", none):
        yield


@defect
def reconciliation_skipped() -> Iterator[None]:
    """Nobody looks what the stream has missed: neither after a reconnect nor in the rounds."""

    async def run(self: Any, *, prompt: bool = False, money: bool = False) -> bool:
        account, stream = self._account, self._parts.venue.stream
        needs = stream.needs_backfill(account.address, account.subaccount_number)
        if needs is not None:
            stream.backfilled(needs)
        return True

    with mock.patch.object(reconcile.Reconciler, "run", run):
        yield
