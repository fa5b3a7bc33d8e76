"""What happened, as typed values: chat messages, dashboard and metrics are made from these.

An event that a trader must hear of is written into the outbox in the transaction of the change it
reports (`core.ledger.outbox.put`); `Bell` only wakes those who wait, and a lost wake-up costs no
more than one poll.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from typing import Any, ClassVar
from uuid import UUID


@dataclass(frozen=True)
class Event:
    """Base of all events. `kind` is the stable name under which it lies in the outbox."""

    kind: ClassVar[str]

    def payload(self) -> dict[str, Any]:
        """The fields in JSON's types."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {
            key: value if isinstance(value, int | bool | type(None)) else str(value)
            for key, value in values
        }


@dataclass(frozen=True)
class SignalChanged(Event):
    """A signal advanced; its one living message (the card) is rendered anew from the ledger."""

    kind: ClassVar[str] = "card"
    signal_id: UUID


@dataclass(frozen=True)
class SignalRefused(Event):
    """A signal was refused before anything was sent, or by every node that was asked."""

    kind: ClassVar[str] = "signal_refused"
    signal_id: UUID


@dataclass(frozen=True)
class SignalMissed(Event):
    """A signal came too late to act on."""

    kind: ClassVar[str] = "signal_missed"
    signal_id: UUID


@dataclass(frozen=True)
class SignalAsks(Event):
    """A signal waits for its trader's word until its age limit."""

    kind: ClassVar[str] = "signal_asks"
    signal_id: UUID


@dataclass(frozen=True)
class SignalMocked(Event):
    """No node could be reached; the signal's order went to the book of mock orders."""

    kind: ClassVar[str] = "signal_mocked"
    signal_id: UUID


@dataclass(frozen=True)
class OrderUnknown(Event):
    """No node said what became of an order that may be live; it is being proved."""

    kind: ClassVar[str] = "order_unknown"
    order_id: int


@dataclass(frozen=True)
class OrderUnfilled(Event):
    """An order is proved dead without a fill, or with a part only."""

    kind: ClassVar[str] = "order_unfilled"
    order_id: int


@dataclass(frozen=True)
class PositionClosed(Event):
    """A position is flat; the row holds P&L, fees and `close_reason`."""

    kind: ClassVar[str] = "position_closed"
    position_id: int


@dataclass(frozen=True)
class PositionChangedByHand(Event):
    """A fill that no order of the bot made changed a position. `change`: signed base units."""

    kind: ClassVar[str] = "position_by_hand"
    position_id: int
    change: str


@dataclass(frozen=True)
class PositionForced(Event):
    """The chain itself took a part of a position that is still open. `what`: liquidated,
    deleveraged.
    """

    kind: ClassVar[str] = "position_forced"
    position_id: int
    what: str


@dataclass(frozen=True)
class PositionLeft(Event):
    """The last strategy that held a part of a position has closed it; what is left was made by hand
    and has no plan.
    """

    kind: ClassVar[str] = "position_left"
    position_id: int


@dataclass(frozen=True)
class ProtectionFailing(Event):
    """A plan's price was met but the closing order did not fill; the bot goes on trying."""

    kind: ClassVar[str] = "protection_failing"
    position_id: int
    attempts: int


@dataclass(frozen=True)
class ProtectionMissing(Event):
    """A position's stop does not rest in the chain's state, where it has a place, for longer than
    moments. `since`: ISO, UTC. `watched`: the bot watches it with present prices meanwhile.
    """

    kind: ClassVar[str] = "protection_missing"
    position_id: int
    since: str
    watched: bool = False


@dataclass(frozen=True)
class StopRemoved(Event):
    """Somebody cancelled a position's stop on chain outside the bot, for the `count`th time. The
    first time it is placed again; then its trader is asked.
    """

    kind: ClassVar[str] = "stop_removed"
    position_id: int
    count: int


@dataclass(frozen=True)
class IntentRefused(Event):
    """What a button or the monitor asked for could not be done. `code` and `text` say why."""

    kind: ClassVar[str] = "intent_refused"
    intent_id: int


@dataclass(frozen=True)
class AlertUnreadable(Event):
    """Bodies reached a strategy's webhook but were not understood or lacked the secret; `count` are
    grouped into one message.
    """

    kind: ClassVar[str] = "alert_unreadable"
    strategy_id: int
    code: str
    text: str
    cure: str | None
    line: int | None
    column: int | None
    field: str | None
    excerpt: str
    count: int


@dataclass(frozen=True)
class AccessAsked(Event):
    """Somebody waits for an admin's approval; goes to every admin."""

    kind: ClassVar[str] = "access_asked"
    asker_id: int


@dataclass(frozen=True)
class AccessAnswered(Event):
    """An admin let a trader in or turned him away."""

    kind: ClassVar[str] = "access_answered"
    granted: bool


@dataclass(frozen=True)
class MismatchFound(Event):
    """The chain's committed position and the ledger differ and fills do not explain it."""

    kind: ClassVar[str] = "mismatch_found"
    account_id: int
    ticker: str
    chain_size: str
    ledger_size: str


@dataclass(frozen=True)
class SharesDiffer(Event):
    """The shares of a market and what was made by hand do not add up to the chain's position."""

    kind: ClassVar[str] = "shares_differ"
    account_id: int
    ticker: str
    chain_size: str
    shares_size: str


@dataclass(frozen=True)
class BalanceDiffers(Event):
    """The USDC of an account changed by something else than the fills, fees and funding in the
    books. `chain_change`: less transfers; both in USDC since the last check that agreed.
    """

    kind: ClassVar[str] = "balance_differs"
    account_id: int
    chain_change: str
    booked_change: str
    since: str


@dataclass(frozen=True)
class KeyProgress(Event):
    """Work on a key made a step; the chat message that shows its progress is rendered anew."""

    kind: ClassVar[str] = "key_progress"
    work_id: int
    message_id: int


@dataclass(frozen=True)
class KeyTold(Event):
    """Work on a key came to an end, or needs its trader."""

    kind: ClassVar[str] = "key_told"
    work_id: int


@dataclass(frozen=True)
class NewsMissing(Event):
    """The stream that carries an account is down for longer than its retries; they go on.
    `since`: ISO, UTC.
    """

    kind: ClassVar[str] = "news_missing"
    account_id: int
    since: str


@dataclass(frozen=True)
class NewsBack(Event):
    """The stream of an account delivers again, and what was missed was read."""

    kind: ClassVar[str] = "news_back"
    account_id: int
    since: str


@dataclass(frozen=True)
class AccountUnseen(Event):
    """An order of an account may fill, and neither stream nor indexer nor node tells what it holds.
    `since`: ISO, UTC.
    """

    kind: ClassVar[str] = "account_unseen"
    account_id: int
    since: str


@dataclass(frozen=True)
class AccountStanding(Event):
    """What dYdX lets an account do has changed. `standing`: served, close_only, geoblocked,
    compliance_blocked.
    """

    kind: ClassVar[str] = "account_standing"
    account_id: int
    standing: str


@dataclass(frozen=True)
class OperatorNotice(Event):
    """For admins. `what`: stream_down, stream_up, all_blocked, orders_unknown; `accounts` are
    concerned.
    """

    kind: ClassVar[str] = "operator_notice"
    network: str
    what: str
    accounts: int
    since: str


@dataclass(frozen=True)
class StrategySilent(Event):
    """No alert came to a strategy for as many hours as its trader set. `since`: ISO, UTC."""

    kind: ClassVar[str] = "strategy_silent"
    strategy_id: int
    hours: int
    since: str


@dataclass(frozen=True)
class KeyLost(Event):
    """The chain does not take the account's trading key any more. `told`: how often this was said
    before, while positions were open.
    """

    kind: ClassVar[str] = "key_lost"
    account_id: int
    told: int = 0


@dataclass(frozen=True)
class KeyBack(Event):
    """An account that had lost its key can sign again. `replaced`: with another key."""

    kind: ClassVar[str] = "key_back"
    account_id: int
    replaced: bool


@dataclass(frozen=True)
class GapFound(Event):
    """No alert could be taken between two moments (ISO, UTC). `complete`: every account of the
    trader was compared with the chain since.
    """

    kind: ClassVar[str] = "gap_found"
    began_at: str
    ended_at: str
    complete: bool


@dataclass(frozen=True)
class DriftFound(Event):
    """A strategy lastingly holds something else than TradingView says."""

    kind: ClassVar[str] = "drift_found"
    strategy_id: int
    ticker: str


@dataclass(frozen=True)
class MarketChanged(Event):
    """dYdX changed the status or the type of a market in which the trader holds something. In the
    indexer's words.
    """

    kind: ClassVar[str] = "market_changed"
    network: str
    ticker: str
    was: str
    status: str
    was_type: str
    market_type: str


@dataclass(frozen=True)
class RiskBreached(Event):
    """A limit was reached: nothing new is opened in its scope. `scope`: bot, account or strategy,
    `ref` its id; `code` as that of a refusal, `text` a sentence with the figures.
    """

    kind: ClassVar[str] = "risk_breached"
    scope: str
    ref: int
    code: str
    text: str


@dataclass(frozen=True)
class PanicProgress(Event):
    """A panic made a step; the chat message that shows its progress is rendered anew."""

    kind: ClassVar[str] = "panic_progress"
    panic_id: int
    message_id: int


@dataclass(frozen=True)
class PanicTold(Event):
    """A panic came to its end, or began without its trader having asked."""

    kind: ClassVar[str] = "panic_told"
    panic_id: int


class Bell:
    """Wakes waiters; ringing when nobody waits is remembered once."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def ring(self) -> None:
        self._event.set()

    async def wait(self, timeout_s: float) -> bool:
        """True when rung, False when `timeout_s` seconds passed first."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True
