"""The counter for signals that wait for their trader's word: in ask mode, missed, or mocked."""

from __future__ import annotations

from uuid import UUID

from core.ledger import accounts, intents, signals, strategies
from core.ledger.models import Intent, Signal
from core.trading.office import Office
from core.trading.views import DeskError, TraderView

ANSWERABLE = frozenset({"asking", "missed", "mock"})


class AskingDesk:
    """Carries such a signal out, or lets it be."""

    def __init__(self, office: Office) -> None:
        self._office = office

    async def execute_signal(self, trader: TraderView, signal_id: UUID, key: str) -> None:
        """Has a signal carried out that was not: with the price and the limits of now. It acts at
        most once, however often it is asked. Codes: unknown_signal, signal_over, not_ready.
        """
        signal, intent = await self._waiting(trader, signal_id)
        lane = self._office.lanes.get(signal.account_id)
        if lane is None:
            raise DeskError(
                "not_ready", "The bot is still checking this account on chain. Try again shortly."
            )
        now = self._office.clock.now().isoformat()
        payload = {**intent.payload, "mode": "live", "resumed_at": now, "resumed_by": key}
        if signal.state != "asking":
            payload["asked_at"] = now
        async with self._office.ledger.executing():
            if not await intents.resume(intent, payload, ANSWERABLE):
                raise DeskError("signal_over", "This signal was answered already.")
            await signals.settle(signal_id, "stored")
            await self._office.card(trader.id, signal_id)
        self._office.outbox_bell.ring()
        lane.submit(intent)

    async def ignore_signal(self, trader: TraderView, signal_id: UUID) -> None:
        """Lets a waiting signal be. Codes: unknown_signal, signal_over."""
        _, intent = await self._waiting(trader, signal_id)
        reason = ("ignored", "You let it be.")
        async with self._office.ledger.executing():
            now = self._office.clock.now()
            if not await intents.give_up(intent, now, "refused", reason, ANSWERABLE):
                raise DeskError("signal_over", "This signal was answered already.")
            await signals.settle(signal_id, "refused", reason)
            await self._office.card(trader.id, signal_id)
        self._office.outbox_bell.ring()

    async def _waiting(self, trader: TraderView, signal_id: UUID) -> tuple[Signal, Intent]:
        signal = await signals.get(signal_id)
        account = await accounts.get(signal.account_id) if signal is not None else None
        if signal is None or account is None or account.trader_id != trader.id:
            raise DeskError("unknown_signal", "This signal does not exist.")
        intent = await intents.of_signal(signal_id)
        if intent is None or intent.state not in ANSWERABLE:
            raise DeskError("signal_over", "This signal was answered already.")
        strategy = await strategies.get(signal.strategy_id)
        if strategy is None or strategy.account_id != signal.account_id:
            raise DeskError("signal_over", "Its strategy trades on another account now.")
        return signal, intent
