"""Emptying one account: everything cancelled, every position closed, each proved.

Closes go through the account's lane, as intents that act once, and so do cancels of its own orders.
What the bot did not make is cancelled and closed as well, and counted. Stops stay until their
position is gone. All that is needed to go on after a crash is in the row of the account.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import structlog

from core.dydx.indexer import IndexerError
from core.dydx.indexer_types import IndexerOrder
from core.dydx.node import NodeUnreachable
from core.ledger import accounts, intents, orders, positions, risk
from core.ledger.models import Account, Intent, PanicAccount
from core.trading.key_steps import SOON_S, Wait
from core.trading.office import Office
from core.trading.risk.panic_states import OVER, check_step
from core.trading.signing import Signer
from core.trading.sweeping import Look, OrderSweep
from core.trading.venue import Venue

log = structlog.get_logger(__name__)

SLIPPAGE_BPS: Final = (100, 500, 1000, 2000)
"""Of the first close, the second, …; the last one is repeated."""
AGAIN_S: Final = 3.0
LATER_S: Final = 15.0


@dataclass
class AccountEmptier:
    """Advances one account of a panic; `step` makes one pass or raises Wait, NodeUnreachable or
    IndexerError, after which it is called again. `changed` is awaited inside the transaction of
    each change.
    """

    office: Office
    venue: Venue
    row: PanicAccount
    cancels: bool
    changed: Callable[[], Awaitable[None]]
    _entries: OrderSweep | None = None
    _all: OrderSweep | None = None
    _closed_at: dict[str, float] = field(default_factory=dict)
    _trouble: str | None = None
    _beyond_key: bool = False

    async def step(self) -> None:
        account = await accounts.get(self.row.account_id)
        credential = await accounts.credential(account.id)
        if credential is None or account.state == "disconnected":
            await self._move("left", trouble="The account is not connected any more.")
            return
        if account.chain_account_number is None:
            on_chain = await self.venue.node.account(account.address)
            if on_chain is None:
                await self._move("empty", height=(await self.venue.node.tip()).height)
                return
            account.chain_account_number = on_chain.number
        signer = Signer(account, credential, self.office.vault, self.venue.network.chain_id)
        if self._entries is None or self._all is None:
            self._entries = OrderSweep(
                self.office, self.venue, account, signer, lambda row: not row.reduce_only
            )
            self._all = OrderSweep(self.office, self.venue, account, signer)
        if self.row.state == "working":
            await self._work(account, signer)
        else:
            await self._sweep_rest(account)

    async def _work(self, account: Account, signer: Signer) -> None:
        """Entries are cancelled and positions closed side by side: no close waits for a cancel."""
        self._trouble = None
        flat = await self._flatten(account, signer)
        clear = not self.cancels or await self._cancel(account, self._entries)
        if self.row.state in OVER:
            return
        if clear and self._beyond_key:
            await self._move("left", trouble=self._trouble)
            return
        if flat and clear:
            if self.cancels:
                await self._move("sweeping")
            else:
                await self._move("empty", height=flat)
            return
        await self._note(trouble=self._trouble)
        raise Wait(SOON_S, "positions or orders are not proved gone yet")

    async def _sweep_rest(self, account: Account) -> None:
        self._trouble = None
        if not await self._cancel(account, self._all):
            if self.row.state in OVER:
                return
            await self._note(trouble=self._trouble)
            raise Wait(SOON_S, "orders are not proved gone yet")
        height = (await self.venue.node.tip()).height
        held = await self.venue.node.subaccount(
            account.address, account.subaccount_number, at_least=height
        )
        if any(held.positions.values()):  # an order in flight was faster
            await self._move("working", open={})
            return
        await self._move("empty", height=held.height or height, trouble=None)

    # orders

    async def _cancel(self, account: Account, sweep: OrderSweep | None) -> bool:
        """One pass over the orders; True once none is left, proved."""
        assert sweep is not None
        try:
            found = await sweep.look()
            if found.left:
                await self._note_orders(found.left)  # stops: they go with their positions
            if found.done:
                await self._note_gone(found)
                return True
            able = await sweep.cancel(found, self._note_orders, self._by_lane)
        except (IndexerError, NodeUnreachable, Wait):
            self._trouble = "dYdX cannot be asked for the orders at the moment. I keep trying."
            return False
        if not able:
            self._trouble = (
                "The chain does not know the account's key any more, so nothing can be cancelled "
                "with it. Cancel and close on dydx.trade."
            )
            await self._move("left", trouble=self._trouble)
        await self._note_gone(found)
        return False

    async def _by_lane(self, row: IndexerOrder) -> bool:
        """The bot's own resting orders are cancelled by the lane that knows them."""
        order = await orders.by_uuid(UUID(row.id))
        lane = self.office.lanes.get(self.row.account_id)
        if order is None or lane is None or not order.order_flags:
            return False
        await lane.cancel_resting(order.order_uuid)
        return order.cancel_asked_at is None

    async def _note_orders(self, rows: Sequence[IndexerOrder]) -> None:
        """Stored before the first cancel leaves, so that the count is right after a restart."""
        known: dict[str, bool] = dict(self.row.report.get("orders", {}))
        for row in rows:
            if row.id not in known:
                known[row.id] = await orders.by_uuid(UUID(row.id)) is not None
        await self._note(orders=known)

    async def _note_gone(self, found: Look) -> None:
        living = {row.id for row in (*found.living, *found.left)}
        asked: dict[str, bool] = self.row.report.get("orders", {})
        await self._note(
            gone=sum(1 for order_id in asked if order_id not in living),
            untouchable=found.untouchable,
        )

    # positions

    async def _flatten(self, account: Account, signer: Signer) -> int | None:
        """Has every position of the committed state closed; the height at which there is none."""
        try:
            height = (await self.venue.node.tip()).height
            held = await self.venue.node.subaccount(
                account.address, account.subaccount_number, at_least=height
            )
        except NodeUnreachable:
            self._trouble = "No dYdX node can be reached at the moment. I keep trying."
            return None
        open_now: dict[str, str] = {}
        beyond_key = 0
        for pair, quantums in held.positions.items():
            if not quantums:
                continue
            market = self.venue.stream.markets.by_pair(pair)
            if market is None:
                self._trouble = "dYdX's markets cannot be read at the moment. I keep trying."
                continue
            size = market.scale.size_of(quantums)
            open_now[market.ticker] = format(size, "f")
            await self._note_position(account, market.ticker, size)
            if not signer.may_trade(pair):
                self._trouble = (
                    f"The trading key may not trade {market.ticker}; close it on dydx.trade."
                )
                beyond_key += 1
                continue
            await self._close(account, market.ticker, size)
        self._beyond_key = 0 < beyond_key == len(open_now)
        await self._note(open=open_now)
        return None if open_now else (held.height or height)

    async def _note_position(self, account: Account, ticker: str, size: Decimal) -> None:
        """Whether it was the bot's is noted before it is closed."""
        found: dict[str, Any] = dict(self.row.report.get("positions", {}))
        if ticker in found:
            return
        row = await positions.open_in(account.id, ticker)
        ours = row is not None and not row.external
        found[ticker] = {"size": format(size, "f"), "ours": ours}
        await self._note(positions=found)

    async def _close(self, account: Account, ticker: str, size: Decimal) -> None:
        """The next close, once the one before it is proved over."""
        lane = self.office.lanes.get(account.id)
        if lane is None:
            self._trouble = "The bot is still checking this account on chain. I keep trying."
            return
        tries: dict[str, int] = dict(self.row.report.get("tries", {}))
        number = tries.get(ticker, 0)
        if number:
            last = await self._intent(ticker, number)
            if last is not None and last.state in intents.OPEN_STATES:
                lane.submit(last)
                return
            if last is not None:
                self._trouble = last.reason_text or self._trouble
            now = self.office.clock.monotonic()
            pause = AGAIN_S if number < len(SLIPPAGE_BPS) else LATER_S
            if now - self._closed_at.get(ticker, -pause) < pause:
                return
        self._closed_at[ticker] = self.office.clock.monotonic()
        tries[ticker] = number + 1
        held = await positions.open_in(account.id, ticker)
        async with self.office.ledger.executing():
            intent = await intents.add(
                account=await accounts.lock(account.id),
                key=self._key(ticker, number + 1),
                source="panic",
                kind="close",
                payload={
                    "ticker": ticker,
                    "action": "close",
                    "fraction": "1",
                    "held": format(size, "f"),
                    "strategy_id": held.strategy_id if held is not None else None,
                    "slippage_bps": SLIPPAGE_BPS[min(number, len(SLIPPAGE_BPS) - 1)],
                },
                now=self.office.clock.now(),
                position_id=held.id if held is not None else None,
            )
            await self._write(tries=tries)
        if intent is not None:
            lane.submit(intent)

    async def _intent(self, ticker: str, number: int) -> Intent | None:
        return await risk.intent_by_key(self._key(ticker, number))

    def _key(self, ticker: str, number: int) -> str:
        return f"panic:{self.row.panic_id}:{self.row.account_id}:{ticker}:{number}"

    # the row

    async def _note(self, **report: Any) -> None:
        """Writes down what is known besides the state, if it is anything new."""
        if all(self.row.report.get(name) == value for name, value in report.items()):
            return
        async with self.office.ledger.executing():
            await self._write(**report)
            await self.changed()
        self.office.outbox_bell.ring()

    async def _write(self, **report: Any) -> None:
        merged = {**self.row.report, **report}
        await risk.note_panic_account(self.row, self.office.clock.now(), report=merged)

    async def _move(self, state: str, **report: Any) -> None:
        check_step(self.row.state, state)
        merged = {**self.row.report, **report}
        now = self.office.clock.now()
        async with self.office.ledger.executing():
            await risk.note_panic_account(self.row, now, state=state, report=merged)
            await self.changed()
        self.office.outbox_bell.ring()
