"""The part of the desk in memory that is about keys."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from core.clock import Clock
from core.dydx.key_text import KeyFault, read_address, read_trading_key
from core.dydx.keys import SigningKey
from core.dydx.network import NetworkName
from core.events import KeyProgress, KeyTold
from core.trading.key_views import FeeView, KeyOffer, KeyWorkView
from core.trading.views import CredentialPreview, DeskError, TraderView
from tests.handlers.chat.fake_ledger import FakeOutbox

OWNER = SigningKey.from_secret(bytes([7]) * 32).address
MARKETS = ("BTC-USD", "ETH-USD", "SOL-USD")
FEE = Decimal("0.0041")


@dataclass
class FakeKeys:
    """Verdicts, wallets and steps are set by the test."""

    clock: Clock
    outbox: FakeOutbox
    previews: dict[str, tuple[int, CredentialPreview]] = field(default_factory=dict)
    offers: dict[str, KeyOffer] = field(default_factory=dict)
    works: dict[int, KeyWorkView] = field(default_factory=dict)
    wallet_usdc: Decimal = Decimal(20)
    verdict: DeskError | None = None
    listed: bool = True
    removal_phrases: int = 0

    async def preview_trading_key(
        self, trader: TraderView, network: NetworkName, text: str, known_address: str | None = None
    ) -> CredentialPreview:
        try:
            given = read_trading_key(text, known_address)
        except KeyFault as fault:
            raise DeskError(fault.code, fault.text) from None
        if self.verdict is not None:
            raise self.verdict
        found = CredentialPreview(
            f"key-{len(self.previews) + 1}",
            network,
            given.owner,
            0,
            Decimal("1204.11"),
            Decimal("1204.11"),
            True,
            kind="trading_key",
            authenticator_id=0,
            markets=MARKETS,
        )
        self.previews[found.token] = (trader.id, found)
        return found

    def address_in(self, text: str) -> str | None:
        try:
            return read_address(text)
        except KeyFault:
            return None

    # making

    async def offer_key(self, trader: TraderView, network: NetworkName, phrase: str) -> KeyOffer:
        if len(phrase.split()) != 12:
            raise DeskError("phrase_length", "A phrase has 12 to 24 words.")
        return self._offer(f"offer-{len(self.offers) + 1}", network)

    async def check_offer(self, trader: TraderView, token: str) -> KeyOffer:
        if token not in self.offers:
            raise DeskError("preview_gone", "I no longer have this key.")
        return self._offer(token, self.offers[token].network)

    def _offer(self, token: str, network: NetworkName) -> KeyOffer:
        pays = "USDC" if self.wallet_usdc >= FEE else None
        found = KeyOffer(
            token,
            network,
            OWNER,
            0,
            Decimal("1204.11"),
            Decimal("1204.11"),
            True,
            (FeeView("USDC", FEE, self.wallet_usdc), FeeView("DYDX", FEE, Decimal(0))),
            pays,
            MARKETS,
            250,
        )
        self.offers[token] = found
        return found

    async def make_key(self, trader: TraderView, token: str, message_id: int | None) -> KeyWorkView:
        found = await self.check_offer(trader, token)
        if found.pays is None:
            raise DeskError("fee_missing", "The wallet cannot pay the network fee.")
        del self.offers[token]
        return self.add_work(trader.id, "make", "sealed", message_id, markets=MARKETS)

    async def retry_key(
        self, trader: TraderView, work_id: int, message_id: int | None
    ) -> KeyWorkView:
        work = self._own_work(trader, work_id)
        if work.state != "stuck":
            return work
        self.works[work_id] = replace(work, state="sealed", code=None, message_id=message_id)
        return self.works[work_id]

    async def abandon_key(self, trader: TraderView, work_id: int) -> KeyWorkView:
        work = self._own_work(trader, work_id)
        if work.kind != "make" or work.state in ("done", "abandoned"):
            raise DeskError("unknown_work", "There is nothing to do any more.")
        return self.move_work(work_id, "abandoned")

    async def erase_now(self, trader: TraderView, work_id: int) -> KeyWorkView:
        if self._own_work(trader, work_id).state != "cancelling":
            raise DeskError("unknown_work", "There is nothing to do any more.")
        return self.move_work(work_id, "done", unproved=True)

    async def remove_key(
        self, trader: TraderView, work_id: int, phrase: str, message_id: int | None
    ) -> KeyWorkView:
        old = self._own_work(trader, work_id)
        self.removal_phrases += 1
        if len(phrase.split()) != 12:
            raise DeskError("wrong_phrase", "This phrase belongs to another account.")
        return self.add_work(
            trader.id, "remove", "signed", message_id, authenticator_id=old.authenticator_id
        )

    async def is_revoked(self, trader: TraderView, work_id: int) -> bool:
        self._own_work(trader, work_id)
        return not self.listed

    async def open_key_work(self, trader: TraderView) -> list[KeyWorkView]:
        over = ("done", "failed", "abandoned")
        return [w for w in self.works.values() if w.trader_id == trader.id and w.state not in over]

    async def key_work(self, work_id: int) -> KeyWorkView:
        if work_id not in self.works:
            raise DeskError("unknown_work", "There is nothing to do any more.")
        return self.works[work_id]

    def _own_work(self, trader: TraderView, work_id: int) -> KeyWorkView:
        work = self.works.get(work_id)
        if work is None or work.trader_id != trader.id:
            raise DeskError("unknown_work", "There is nothing to do any more.")
        return work

    # what tests move

    def add_work(
        self, trader_id: int, kind: str, state: str, message_id: int | None, **values: Any
    ) -> KeyWorkView:
        work = KeyWorkView(
            id=len(self.works) + 1,
            trader_id=trader_id,
            kind=kind,
            state=state,
            network="testnet",
            address=OWNER,
            subaccount_number=0,
            account_id=None,
            authenticator_id=None,
            markets=None,
            tx_hash=None,
            message_id=message_id,
            code=None,
            text=None,
            fees=(),
            report={},
        )
        self.works[work.id] = replace(work, **values)
        return self.works[work.id]

    def move_work(self, work_id: int, state: str, **report: Any) -> KeyWorkView:
        """A step of the work, told as the desk tells it."""
        work = replace(self.works[work_id], state=state)
        self.works[work_id] = replace(work, report={**work.report, **report})
        now = self.clock.now()
        if work.message_id is not None:
            self.outbox.put(work.trader_id, KeyProgress(work.id, work.message_id), now)
        if state in ("done", "failed", "stuck", "abandoned"):
            self.outbox.put(work.trader_id, KeyTold(work.id), now)
        return self.works[work_id]
