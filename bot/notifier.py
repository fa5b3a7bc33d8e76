"""From the outbox to the chat: one living card per signal, everything else as new messages.

A row is settled only when Telegram took its message. What cannot be sent now is tried again; what
can never be sent is marked dead. Each trader's messages go in order; no trader waits for another.
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, Protocol
from uuid import UUID

import structlog
from aiogram import Bot
from aiogram.exceptions import (
    TelegramAPIError,
    TelegramBadRequest,
    TelegramForbiddenError,
    TelegramRetryAfter,
)
from aiogram.types import ReplyParameters
from aiogram.utils.formatting import Text

from bot.books_news import BooksNews
from bot.risk_news import PROGRESS, RiskNews
from bot.watch_news import WatchNews
from core import failpoints
from core.clock import Clock, Random
from core.events import Bell
from core.ledger.models import OutgoingMessage
from core.trading.desk import NotifierDesk
from core.trading.views import AccountView, DeskError, TraderView
from handlers.chat.deletions import Deletions
from handlers.chat.errors import place_of
from handlers.chat.sending import is_gone, is_unchanged
from handlers.chat.texts import events, key_work, network, plans
from handlers.chat.texts.screen import Screen, quiet
from handlers.chat.texts.signals import card
from handlers.chat.texts.strategies import strategy_silent

log = structlog.get_logger(__name__)

BATCH: Final = 200
POLL_S: Final = 2.0
GATHER_S: Final = 0.15
DRAIN_S: Final = 10.0
BACKOFF_S: Final = (1, 2, 5, 15, 30, 60, 120, 300)
MAX_BROKEN_ATTEMPTS: Final = 5
FLOOD_ROWS: Final = 8
DIGEST_LINES: Final = 15
DIGESTED: Final = frozenset(
    {"signal_refused", "signal_missed", "order_unfilled", "intent_refused", "alert_unreadable"}
)

Outcome = Literal["sent", "edited", "postponed", "dead", "broken", "digested"]


class Outbox(Protocol):
    """The rows of outgoing messages; `core.ledger.outbox` is one."""

    async def due(self, now: dt.datetime, limit: int) -> list[OutgoingMessage]: ...

    async def sent(
        self, message_id: int, revision: int, telegram_message_id: int | None, now: dt.datetime
    ) -> None: ...

    async def postpone(self, message_id: int, not_before: dt.datetime, attempts: int) -> None: ...

    async def dead(self, message_id: int) -> None: ...

    async def card_of(self, signal_id: UUID) -> int | None:
        """Telegram's number of the card of a signal, if it was sent."""


class Later(Exception):
    """Sending has to wait; the trader's later messages wait with it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"sending has to wait {seconds} s")
        self.seconds = seconds


class Notifier:
    """Works the outbox until closed. `set_reachable(trader_id, reachable)` stores who blocked the
    bot; `on_outcome(kind, outcome)` is for metrics.
    """

    def __init__(
        self,
        bot: Bot,
        desk: NotifierDesk,
        outbox: Outbox,
        bell: Bell,
        clock: Clock,
        random: Random,
        deletions: Deletions,
        *,
        set_reachable: Callable[[int, bool], Awaitable[None]],
        on_outcome: Callable[[str, Outcome], None] = lambda kind, outcome: None,
    ) -> None:
        self._bot = bot
        self._desk = desk
        self._outbox = outbox
        self._bell = bell
        self._clock = clock
        self._random = random
        self._deletions = deletions
        self._set_reachable = set_reachable
        self._on_outcome = on_outcome
        self._stopping = False
        self._traders: dict[int, asyncio.Task[None]] = {}
        self._sweeping: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Sends what is due, as it becomes due, until `close`."""
        while not self._stopping:
            try:
                await self.start_due()
            except Exception as error:
                log.error("the outbox could not be read", error=type(error).__name__)
            if await self._bell.wait(POLL_S):
                # Steps follow each other within moments: one edit tells them together.
                await self._clock.sleep(GATHER_S)

    async def close(self, drain_s: float = DRAIN_S) -> None:
        """Stops after the messages under way, at most `drain_s` seconds later; what was not sent is
        sent after the next start.
        """
        self._stopping = True
        self._bell.ring()
        try:
            async with asyncio.timeout(drain_s):
                await self.settled()
        except TimeoutError:
            tasks = self._under_way()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _under_way(self) -> list[asyncio.Task[None]]:
        return [*self._traders.values(), *([self._sweeping] if self._sweeping else [])]

    async def settled(self) -> None:
        """Waits until nothing is under way."""
        while tasks := self._under_way():
            await asyncio.wait(tasks)

    async def start_due(self) -> None:
        """Starts sending what is due; a trader whose messages are under way is left for later."""
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep())
        by_trader: dict[int, list[OutgoingMessage]] = {}
        # what is read of somebody who is served meanwhile may have been sent when it comes here
        served = set(self._traders)
        for row in await self._outbox.due(self._clock.now(), BATCH):
            by_trader.setdefault(row.trader_id, []).append(row)
        for trader_id, rows in by_trader.items():
            if trader_id not in served:
                self._traders[trader_id] = asyncio.create_task(self._serve(trader_id, rows))

    async def _sweep(self) -> None:
        try:
            await self._deletions.sweep(self._bot)
        except Exception as error:
            log.error("messages could not be deleted", error=type(error).__name__)
        finally:
            self._sweeping = None

    async def _serve(self, trader_id: int, rows: Sequence[OutgoingMessage]) -> None:
        """One trader's due messages, in order; stops at the first that has to wait."""
        try:
            trader = await self._desk.trader(trader_id)
            rest = await self._digest(trader, rows)
            for row in rest:
                if self._stopping or not await self._deliver(trader, row):
                    return
            self._bell.ring()  # there may be more of his
        except Exception as error:
            log.error(
                "a trader's messages were not served",
                trader=trader_id,
                error=type(error).__name__,
                at=place_of(error),
            )
        finally:
            del self._traders[trader_id]

    async def _deliver(self, trader: TraderView, row: OutgoingMessage) -> bool:
        """Sends one row and settles it; False when the trader's later rows have to wait."""
        try:
            outcome = await self._send(trader, row)
        except Later as later:
            await self._postpone(row, later.seconds)
            self._on_outcome(row.kind, "postponed")
            return False
        except TelegramForbiddenError:
            outcome = await self._unreachable(trader, row)
        except TelegramBadRequest as error:
            if "chat not found" in error.message:  # an admin who never wrote to the bot
                outcome = await self._unreachable(trader, row)
            else:
                outcome = await self._broken(row, error)
        except Exception as error:
            outcome = await self._broken(row, error)
        self._on_outcome(row.kind, outcome)
        return True

    async def _unreachable(self, trader: TraderView, row: OutgoingMessage) -> Outcome:
        log.info("a trader cannot be reached", trader=trader.id, kind=row.kind)
        await self._set_reachable(trader.id, False)
        await self._outbox.dead(row.id)
        return "dead"

    async def _postpone(self, row: OutgoingMessage, seconds: float) -> None:
        until = self._clock.now() + dt.timedelta(seconds=seconds)
        await self._outbox.postpone(row.id, until, row.attempts + 1)

    async def _broken(self, row: OutgoingMessage, error: Exception) -> Outcome:
        """A message that could not be made or that Telegram refused: tried a few times, as what it
        names may be repaired meanwhile, then given up loudly.
        """
        log.error(
            "a message could not be made or was refused",
            message=row.id,
            kind=row.kind,
            error=type(error).__name__,
            at=place_of(error),
            attempts=row.attempts + 1,
        )
        if row.attempts + 1 >= MAX_BROKEN_ATTEMPTS:
            await self._outbox.dead(row.id)
            return "dead"
        await self._postpone(row, BACKOFF_S[min(row.attempts, len(BACKOFF_S) - 1)])
        return "broken"

    async def _send(self, trader: TraderView, row: OutgoingMessage) -> Outcome:
        revision = row.revision
        screen = await self.render(trader, row)
        try:
            # where the message is gone, the end is told anyway
            if row.kind == "key_progress" or row.kind in PROGRESS:
                await self._edit(trader, int(row.payload["message_id"]), screen)
                await self._settle(row, revision, int(row.payload["message_id"]))
                return "edited"
            if row.kind == "card" and row.telegram_message_id is not None:
                if await self._edit(trader, row.telegram_message_id, screen):
                    await self._settle(row, revision, row.telegram_message_id)
                    return "edited"
                if screen.keyboard is None:  # its owner deleted it, and there is nothing to press
                    await self._settle(row, revision, row.telegram_message_id)
                    return "edited"
            number = await self._new(trader, row, screen)
        except TelegramRetryAfter as error:
            raise Later(error.retry_after) from error
        except (TelegramForbiddenError, TelegramBadRequest):
            raise
        except TelegramAPIError as error:
            wait = BACKOFF_S[min(row.attempts, len(BACKOFF_S) - 1)]
            raise Later(wait) from error
        await self._settle(row, revision, number)
        return "sent"

    async def _settle(self, row: OutgoingMessage, revision: int, number: int | None) -> None:
        await self._outbox.sent(row.id, revision, number, self._clock.now())

    async def _edit(self, trader: TraderView, number: int, screen: Screen) -> bool:
        try:
            await self._bot.edit_message_text(
                chat_id=trader.telegram_id, message_id=number, **screen.kwargs()
            )
            failpoints.passed()
        except TelegramBadRequest as error:
            if is_unchanged(error):
                return True
            if is_gone(error):
                return False
            raise
        return True

    async def _new(self, trader: TraderView, row: OutgoingMessage, screen: Screen) -> int:
        reply = None
        if row.kind != "card" and row.signal_id is not None:
            number = await self._outbox.card_of(row.signal_id)
            if number is not None:
                reply = ReplyParameters(message_id=number, allow_sending_without_reply=True)
        sent = await self._bot.send_message(
            trader.telegram_id, reply_parameters=reply, **screen.kwargs()
        )
        failpoints.passed()
        return sent.message_id

    # making the messages

    async def render(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        """The message of a row as the ledger has it now. Raises DeskError for the unknown."""
        maker = self._makers().get(row.kind)
        if maker is None:
            raise LookupError(f"no message is known for events of kind {row.kind}")
        return await maker(trader, row)

    def _makers(
        self,
    ) -> dict[str, Callable[[TraderView, OutgoingMessage], Awaitable[Screen]]]:
        return {
            "card": self._card,
            "signal_refused": self._signal_refused,
            "signal_missed": self._signal_missed,
            "signal_asks": self._signal_asks,
            "signal_mocked": self._signal_mocked,
            "order_unknown": self._order_unknown,
            "order_unfilled": self._order_unfilled,
            "position_closed": self._position_closed,
            "protection_failing": self._protection_failing,
            "protection_missing": self._protection_missing,
            "stop_removed": self._stop_removed,
            "intent_refused": self._intent_refused,
            "alert_unreadable": self._alert_unreadable,
            "access_asked": self._access_asked,
            "access_answered": self._access_answered,
            "mismatch_found": self._mismatch_found,
            "news_missing": self._news_missing,
            "news_back": self._news_back,
            "account_unseen": self._account_unseen,
            "account_standing": self._account_standing,
            "operator_notice": self._operator_notice,
            "key_progress": self._key_progress,
            "key_told": self._key_told,
            "strategy_silent": self._strategy_silent,
            **BooksNews(self._desk, self._nonce).makers(),
            **WatchNews(self._desk, self._nonce).makers(),
            **RiskNews(self._desk).makers(),
        }

    def _nonce(self) -> int:
        return self._random.below(2**31 - 1) + 1

    async def _card(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return card(await self._desk.signal(UUID(row.payload["signal_id"])), self._nonce())

    async def _signal_refused(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return events.signal_refused(await self._desk.signal(UUID(row.payload["signal_id"])))

    async def _signal_missed(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        signal = await self._desk.signal(UUID(row.payload["signal_id"]))
        held = [
            position
            for position in await self._desk.positions(trader)
            if position.ticker == signal.symbol and position.network == signal.network
        ]
        return events.signal_missed(signal, held[0] if len(held) == 1 else None, self._nonce())

    async def _signal_asks(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return events.signal_asks(await self._desk.signal(UUID(row.payload["signal_id"])))

    async def _signal_mocked(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return events.signal_mocked(await self._desk.signal(UUID(row.payload["signal_id"])))

    async def _order_unknown(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return events.order_unknown(
            await self._desk.order(int(row.payload["order_id"])), await self._network(row)
        )

    async def _order_unfilled(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return events.order_unfilled(
            await self._desk.order(int(row.payload["order_id"])), await self._network(row)
        )

    async def _position_closed(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        position = await self._desk.position_by_id(int(row.payload["position_id"]))
        return events.position_closed(position)

    async def _protection_missing(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        position = await self._desk.position_by_id(int(row.payload["position_id"]))
        return plans.protection_missing(position, watched=bool(row.payload.get("watched")))

    async def _stop_removed(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        position = await self._desk.position_by_id(int(row.payload["position_id"]))
        return plans.stop_removed(position, int(row.payload["count"]))

    async def _protection_failing(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        position = await self._desk.position_by_id(int(row.payload["position_id"]))
        attempts = int(row.payload["attempts"])
        return events.protection_failing(position, attempts, self._nonce())

    async def _intent_refused(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return events.intent_refused(await self._desk.intent(int(row.payload["intent_id"])))

    async def _alert_unreadable(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        strategy = await self._desk.strategy(trader, int(row.payload["strategy_id"]))
        return events.alert_unreadable(strategy, row.payload)

    async def _access_asked(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return events.access_asked(await self._desk.trader(int(row.payload["asker_id"])))

    async def _access_answered(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return events.access_answered(granted=bool(row.payload["granted"]))

    async def _mismatch_found(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        account = await self._account(trader, int(row.payload["account_id"]))
        return events.mismatch_found(account, row.payload)

    async def _news_missing(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        account = await self._account(trader, int(row.payload["account_id"]))
        return network.news_missing(account, row.payload)

    async def _news_back(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        account = await self._account(trader, int(row.payload["account_id"]))
        return network.news_back(account, row.payload)

    async def _account_unseen(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        account = await self._account(trader, int(row.payload["account_id"]))
        return network.account_unseen(account, row.payload)

    async def _account_standing(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        account = await self._account(trader, int(row.payload["account_id"]))
        return network.account_standing(account, row.payload)

    async def _operator_notice(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return network.operator_notice(row.payload)

    async def _key_progress(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return key_work.progress(await self._desk.key_work(int(row.payload["work_id"])))

    async def _key_told(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        return key_work.told(await self._desk.key_work(int(row.payload["work_id"])))

    async def _strategy_silent(self, trader: TraderView, row: OutgoingMessage) -> Screen:
        strategy = await self._desk.strategy(trader, int(row.payload["strategy_id"]))
        return strategy_silent(strategy, row.payload)

    async def _network(self, row: OutgoingMessage) -> str | None:
        return (await self._desk.signal(row.signal_id)).network if row.signal_id else None

    async def _account(self, trader: TraderView, account_id: int) -> AccountView | None:
        for account in await self._desk.accounts(trader):
            if account.id == account_id:
                return account
        return None

    # floods

    async def _digest(
        self, trader: TraderView, rows: Sequence[OutgoingMessage]
    ) -> Sequence[OutgoingMessage]:
        """Puts many small messages into one when they pile up; the rest is to be sent singly."""
        small = [row for row in rows if row.kind in DIGESTED]
        if len(small) < FLOOD_ROWS:
            return rows
        lines: list[Text | str] = []
        told: list[tuple[OutgoingMessage, int]] = []
        for row in small:
            try:
                screen = await self.render(trader, row)
            except DeskError:
                continue
            told.append((row, row.revision))
            if len(lines) < DIGEST_LINES:
                lines.append(_first_line(screen))
        screen = events.digest(lines, len(told) - len(lines))
        try:
            sent = await self._bot.send_message(trader.telegram_id, **screen.kwargs())
            failpoints.passed()
        except TelegramAPIError:
            return rows  # the way of single messages knows what to do about it
        for row, revision in told:
            await self._settle(row, revision, sent.message_id)
            self._on_outcome(row.kind, "digested")
        settled = {row.id for row, _ in told}
        return [row for row in rows if row.id not in settled]


def _first_line(screen: Screen) -> str:
    return quiet(screen.text.partition("\n")[0], 200)
