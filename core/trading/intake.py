"""Where alerts come in: proved, stored with their intent, then handed to the lane."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import structlog

from core.events import AlertUnreadable, SignalChanged
from core.ledger import accounts, orders, outbox, signals, strategies
from core.ledger.models import Intent, Order, Signal, Strategy
from core.ledger.tasks import spawn
from core.signals.alert import Alert
from core.signals.body import Body, open_body
from core.signals.faults import AlertFault
from core.signals.flood import FaultGroups
from core.signals.grammar import parse_alert
from core.signals.identity import body_hash, dedupe_window, secret_matches
from core.signals.masking import mask_body
from core.signals.reading import read_object
from core.signals.symbols import SymbolUnknown, listing_of, placed
from core.signals.template import alert_template, filled
from core.trading.desk import LedgerUnavailable
from core.trading.guard_rows import is_guard
from core.trading.office import Office
from core.trading.views import AlertAnswer, DeskError, TraderView
from core.trading.wishes import alert_json, signal_payload

log = structlog.get_logger(__name__)
T = TypeVar("T")

NOTED_EVERY = dt.timedelta(minutes=1)
NOTED_WITHIN_S = 10.0
ANSWERED_WITHIN_S = 2.0
NOT_FOUND = AlertAnswer(404, {"success": False, "error": "not_found"})

_STATUS_OF_ORDER = {
    "accepted": "ACCEPTED",
    "partially_filled": "ACCEPTED",
    "filled": "FILLED",
    "refused": "REJECTED",
    "canceled": "REJECTED",
    "expired": "REJECTED",
}


class AlertDesk:
    """The counter for alerts."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._faults = FaultGroups(office.clock)
        self._beside: set[asyncio.Task[Any]] = set()

    async def receive_alert(self, webhook_uuid: str, raw: bytes) -> AlertAnswer:
        """Authenticates, stores, hands to the lane, waits a little. Raises LedgerUnavailable."""
        received_at = self._office.clock.now()
        strategy = self._strategy_of(webhook_uuid)
        try:
            body = open_body(raw, strategy.preset if strategy else "auto")
        except AlertFault as fault:
            secret_matches(None, strategy.secret_hash if strategy else "")
            self._tell_fault(strategy, fault)
            return NOT_FOUND
        given = body.secret
        proved = secret_matches(given, strategy.secret_hash if strategy else "")
        if strategy is None or given is None or not proved:
            self._tell_fault(strategy, _secret_fault(given))
            return NOT_FOUND
        try:
            alert = self._alert_in(body, strategy, received_at)
        except AlertFault as fault:
            self._tell_fault(strategy, fault, proved=True)
            return AlertAnswer(422, _unusable(fault))
        return await self._take(
            strategy, alert, raw, mask_body(raw, given), received_at, outside=True
        )

    def _alert_in(self, body: Body, strategy: Strategy, now: dt.datetime) -> Alert:
        """The alert in a body, with sizes and prices of its dYdX market. A symbol that is not known
        now is the lane's to refuse. Raises AlertFault.
        """
        network = self._office.lanes.network_of(strategy.account_id)
        venue = self._office.venues.get(network) if network is not None else None
        markets = venue.stream.markets if venue is not None else None
        tickers = markets.tickers() if markets is not None else ()

        def price_of(symbol: str) -> Decimal | None:
            try:
                listing = listing_of(symbol, tickers, strategy.aliases)
            except SymbolUnknown:
                return None
            market = markets.get(listing.ticker) if markets is not None else None
            price = market.oracle_price if market is not None else None
            return None if price is None else price * listing.factor

        alert = body.alert(now, price_of)
        try:
            return placed(alert, tickers, strategy.aliases)[1]
        except SymbolUnknown:
            return alert

    async def send_test_alert(self, trader: TraderView, strategy_id: int, key: str) -> AlertAnswer:
        """An alert of the market's smallest size, from the inside."""
        strategy = await strategies.get(strategy_id)
        if strategy is None or strategy.trader_id != trader.id or strategy.state == "deleted":
            raise DeskError("unknown_strategy", "This strategy does not exist any more.")
        account = await accounts.get(strategy.account_id)
        markets = self._office.venues[account.network].stream.markets  # type: ignore[index]
        allowed = strategy.allowed_symbols or list(markets.tickers())
        credential = await accounts.credential(account.id)
        if credential is not None and credential.clob_pairs is not None:
            of_key = [markets.by_pair(pair) for pair in credential.clob_pairs]
            allowed = [one.ticker for one in of_key if one and one.ticker in allowed] or allowed
        ticker = "BTC-USD" if "BTC-USD" in allowed or not allowed else allowed[0]
        market = markets.get(ticker)
        if market is None:
            raise DeskError(
                "prices_stale", "dYdX's markets cannot be read at the moment. Try again shortly."
            )
        now = self._office.clock.now()
        secret = self._office.random.token_urlsafe(16)
        raw = filled(
            alert_template(secret), ticker=ticker, action="buy", id=f"test-{key}"[:64], time=now
        ).encode()
        obj = read_object(raw) | {"size": market.step_size}
        return await self._take(
            strategy, parse_alert(obj, now), raw, mask_body(raw, secret), now, outside=False
        )

    async def tell_grouped_faults(self) -> None:
        """Sends what was held back by grouping; a job calls this every minute."""
        for strategy_id, fault, count in self._faults.flush(self._office.clock.now()):
            await self._put_fault(strategy_id, fault, count)

    def _strategy_of(self, webhook_uuid: str) -> Strategy | None:
        try:
            return self._office.strategy_book.of_webhook(UUID(webhook_uuid))
        except ValueError:
            return None

    def _tell_fault(
        self, strategy: Strategy | None, fault: AlertFault, *, proved: bool = False
    ) -> None:
        if strategy is None:
            return
        told = self._faults.add(strategy.id, fault, proved=proved)
        if told is not None:
            # behind the answer: its time must not depend on the ledger's
            self._aside(self._put_fault(strategy.id, told.fault, told.count))

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that no answer waits for."""
        self._beside_the_answer(self._quietly(work))

    def _beside_the_answer(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = spawn(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)
        return task

    async def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("work beside an alert failed")

    async def settled(self) -> None:
        """Waits for what is being written beside the answers."""
        await asyncio.gather(*self._beside)

    async def _put_fault(self, strategy_id: int, fault: AlertFault, count: int) -> None:
        strategy = await strategies.get(strategy_id)
        if strategy is None:
            return
        event = AlertUnreadable(
            strategy_id=strategy_id,
            code=fault.code,
            text=fault.text,
            cure=fault.cure,
            line=fault.line,
            column=fault.column,
            field=fault.field,
            excerpt=fault.excerpt,
            count=count,
        )
        now = self._office.clock.now()
        async with self._office.ledger.executing():
            await outbox.put(
                strategy.trader_id, event, key=f"fault:{self._office.random.uuid4()}", now=now
            )
        self._office.outbox_bell.ring()

    async def _take(
        self,
        strategy: Strategy,
        alert: Alert,
        raw: bytes,
        masked: str,
        received_at: dt.datetime,
        *,
        outside: bool,
    ) -> AlertAnswer:
        try:
            with self._office.rush.storing():
                signal, intent, duplicate = await self._store_alert(
                    strategy, alert, raw, masked, received_at, outside=outside
                )
        except Exception as error:
            raise LedgerUnavailable from error
        self._office.outbox_bell.ring()
        lane = self._office.lanes.get(strategy.account_id)
        if intent is None or lane is None:
            return await self._answer(signal, duplicate=duplicate)
        outcome = lane.submit(intent)
        if not self._office.rush.pressed:  # else its turn comes after the answer's time anyway
            left_s = self._office.settings.answer_within_s - self._age_s(received_at)
            with self._office.rush.at_desk():
                await asyncio.wait([outcome], timeout=max(left_s, 0.05))
        order = outcome.result() if outcome.done() else None
        if order is not None:
            return _answer_of(signal, order, duplicate=False, taken=True)
        if not self._office.rush.pressed:
            left_s = ANSWERED_WITHIN_S - self._age_s(received_at)
            reading = self._beside_the_answer(self._read_answer(signal))
            await asyncio.wait([reading], timeout=max(left_s, 0.05))
            if reading.done() and (found := reading.result()) is not None:
                return found
        return _answer_of(signal, None, duplicate=False)  # it is stored, and that is what counts

    async def _read_answer(self, signal: Signal) -> AlertAnswer | None:
        """The answer as the ledger has it; None where it cannot be read. Nobody cancels it: a
        database may take its time over that, too.
        """
        try:
            return await self._answer(await signals.get(signal.id) or signal)
        except Exception:
            log.exception("the answer of an alert could not be read", signal=str(signal.id))
            return None

    def _age_s(self, received_at: dt.datetime) -> float:
        return (self._office.clock.now() - received_at).total_seconds()

    async def _store_alert(
        self,
        strategy: Strategy,
        alert: Alert,
        raw: bytes,
        masked: str,
        received_at: dt.datetime,
        *,
        outside: bool,
    ) -> tuple[Signal, Intent | None, bool]:
        """Signal and intent in one transaction; the first signal and True for a duplicate."""
        digest = body_hash(raw)
        signal_id = self._office.random.uuid4()
        signal = _signal(strategy, alert, signal_id, received_at, digest, masked, outside)
        intent = _intent(strategy, alert, signal)
        trader_id = strategy.trader_id
        card = outbox.putting(
            trader_id,
            SignalChanged(signal_id),
            key=f"card:{signal_id}",
            now=received_at,
            signal_id=signal_id,
        )
        ledger = self._office.ledger
        since = received_at - dedupe_window(alert)
        if await signals.accept(ledger, signal, intent, [card], since):
            if outside:
                self._aside(self._note_alert(strategy, received_at))
            return signal, intent, False
        async with ledger.executing():
            first = await signals.earlier(strategy.id, digest, since)
            assert first is not None
            await signals.count_duplicate(first.id)
            await self._office.card(trader_id, first.id)
        return first, None, True

    async def _note_alert(self, strategy: Strategy, received_at: dt.datetime) -> None:
        """When the strategy last heard from its chart."""
        await self._office.rush.calm(NOTED_WITHIN_S)
        first = strategy.first_outside_alert_at is None
        known = strategy.last_alert_at
        if not first and known is not None and received_at - known < NOTED_EVERY:
            return
        strategy.last_alert_at = received_at
        strategy.first_outside_alert_at = strategy.first_outside_alert_at or received_at
        async with self._office.ledger.executing():
            await strategies.note_alert(strategy.id, received_at, first=first)

    async def _answer(self, signal: Signal, *, duplicate: bool = False) -> AlertAnswer:
        made = [order for order in await orders.of_signal(signal.id) if not is_guard(order)]
        return _answer_of(signal, made[-1] if made else None, duplicate=duplicate)


def _signal(
    strategy: Strategy,
    alert: Alert,
    signal_id: UUID,
    received_at: dt.datetime,
    digest: str,
    masked: str,
    outside: bool,
) -> Signal:
    return Signal(
        id=signal_id,
        strategy_id=strategy.id,
        account_id=strategy.account_id,
        partition=strategy.partition,
        received_at=received_at,
        body_hash=digest,
        dedupe_key=f"{strategy.id}:{digest}:{int(received_at.timestamp() * 1000)}",
        body=masked,
        parsed=alert_json(alert),
        outside=outside,
        state="stored",
    )


def _intent(strategy: Strategy, alert: Alert, signal: Signal) -> Intent:
    return Intent(
        account_id=signal.account_id,
        partition=signal.partition,
        sequence=0,
        key=f"signal:{signal.id}",
        source="signal",
        kind="trade",
        payload=signal_payload(strategy, alert, signal.received_at),
        signal_id=signal.id,
        state="waiting",
        created_at=signal.received_at,
    )


def _answer_of(
    signal: Signal, order: Order | None, *, duplicate: bool, taken: bool = False
) -> AlertAnswer:
    """`taken`: a node took the order just now, which the ledger may not say yet."""
    status = _status(signal, order)
    if taken and status == "PENDING":
        status = "ACCEPTED"
    body: dict[str, object] = {
        "success": status != "REJECTED",
        "signal_id": str(signal.id),
        "order_id": str(order.order_uuid) if order else None,
        "symbol": order.ticker if order else signal.parsed["symbol"],
        "side": order.side if order else None,
        "size": order.size if order else None,
        "tx_hash": order.tx_hash if order else None,
        "status": "DUPLICATE" if duplicate else status,
    }
    if signal.reason_code is not None:
        body["reason"] = {"code": signal.reason_code, "text": signal.reason_text}
    return AlertAnswer(200, body)


def _status(signal: Signal, order: Order | None) -> str:
    if signal.state == "mock":
        return "MOCK"
    if signal.state in ("refused", "missed", "shadow"):
        return "REJECTED"
    return _STATUS_OF_ORDER.get(order.state, "PENDING") if order else "PENDING"


def _unusable(fault: AlertFault) -> dict[str, object]:
    body: dict[str, object] = {"success": False, "error": fault.code, "text": fault.text}
    for name in ("cure", "field", "line", "column"):
        if getattr(fault, name) is not None:
            body[name] = getattr(fault, name)
    return body


def _secret_fault(given: str | None) -> AlertFault:
    if given is None:
        return AlertFault(
            code="secret_missing",
            text='The alert has no "secret".',
            cure="Paste the whole message of the strategy into the alert.",
            field="secret",
        )
    return AlertFault(
        code="secret_wrong",
        text="The alert's secret is not the one of this strategy.",
        cure="Make a new secret with /strategies and paste its message into the alert.",
        field="secret",
    )
