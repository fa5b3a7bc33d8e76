"""A desk in memory with the promises of `core.trading.desk`: owners, versions, keys, codes."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.dydx.network import NetworkName
from core.events import (
    AccessAnswered,
    AccessAsked,
    Event,
    PositionClosed,
    SignalChanged,
)
from core.signals.body import NAMES, template
from core.trading.desk import StrategyChange
from core.trading.key_views import KeyWorkView
from core.trading.plan_change import PlanChange
from core.trading.views import (
    AccountView,
    Adopter,
    AlertAnswer,
    ChartView,
    CredentialPreview,
    DeskError,
    ExternalOrderView,
    IntentView,
    MockOrderView,
    NetworkView,
    NewSecret,
    OpenOrderView,
    OrderView,
    PositionView,
    ShareView,
    SignalView,
    StatusView,
    StrategyMode,
    StrategyResult,
    StrategyView,
    TraderView,
    WithoutStopRoom,
)
from tests.handlers.chat.fake_plans import A_TARGET, changed_plan
from tests.handlers.chat.fake_risk import FakeRisk

ADDRESS = "dydx1kvs2jpgq0j8ka8kfwsezwh5a8ywtl8yj7xytr5"
SIZES = (
    "default_size",
    "default_size_usd",
    "default_equity_percent",
    "default_risk_percent",
)
PHRASE_WORDS = frozenset({12, 15, 18, 21, 24})


@dataclass
class CloseAsked:
    """One close that the desk took."""

    position_id: int
    version: int
    fraction: Decimal
    key: str


@dataclass
class FakeDesk(FakeRisk):
    """Everything is public, so that tests can arrange and look."""

    signup: str = "open"
    offered: tuple[NetworkName, ...] = ("paper", "testnet")
    admin_tokens: dict[str, str] = field(default_factory=dict)
    traders: dict[int, TraderView] = field(default_factory=dict)
    account_rows: dict[int, tuple[int, AccountView]] = field(default_factory=dict)
    strategy_rows: dict[int, tuple[int, StrategyView]] = field(default_factory=dict)
    secrets: dict[int, str] = field(default_factory=dict)
    position_rows: dict[int, PositionView] = field(default_factory=dict)
    signal_rows: dict[UUID, SignalView] = field(default_factory=dict)
    order_rows: dict[int, OrderView] = field(default_factory=dict)
    waiting_rows: dict[int, OpenOrderView] = field(default_factory=dict)
    external_rows: list[ExternalOrderView] = field(default_factory=list)
    mock_rows: list[MockOrderView] = field(default_factory=list)
    intent_rows: dict[int, IntentView] = field(default_factory=dict)
    closes: list[CloseAsked] = field(default_factory=list)
    chart_rows: dict[int, tuple[int, ChartView]] = field(default_factory=dict)
    syncs: list[str] = field(default_factory=list)
    tests_sent: list[str] = field(default_factory=list)
    plans: list[tuple[int, PlanChange]] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    strategy_of_signal: dict[UUID, int] = field(default_factory=dict)
    mocking: set[int] = field(default_factory=set)
    results: dict[int, StrategyResult] = field(default_factory=dict)
    phrases_seen: int = 0
    fail_next: Exception | None = None
    journal: list[str] = field(default_factory=list)

    def _next(self, rows: dict[int, Any]) -> int:
        return max(rows, default=0) + 1

    def _tell(self, trader_id: int, event: Event, signal_id: UUID | None = None) -> None:
        self.outbox.put(trader_id, event, self.clock.now(), signal_id=signal_id)

    def _maybe_fail(self) -> None:
        if self.fail_next is not None:
            error, self.fail_next = self.fail_next, None
            raise error

    # people

    async def trader_of(self, telegram_id: int, name: str) -> TraderView:
        self._maybe_fail()
        for trader in self.traders.values():
            if trader.telegram_id == telegram_id:
                return trader
        roles = {"open": "trader", "approval": "pending", "closed": "refused"}
        return self._add(telegram_id, name, roles[self.signup])

    def _add(self, telegram_id: int, name: str, role: str) -> TraderView:
        made = TraderView(self._next(self.traders), telegram_id, name, role)
        self.traders[made.id] = made
        if role == "pending":
            for admin in [one for one in self.traders.values() if one.role == "admin"]:
                self._tell(admin.id, AccessAsked(made.id))
        return made

    async def use_admin_link(self, telegram_id: int, name: str, token: str) -> TraderView:
        state = self.admin_tokens.get(token)
        if state is None:
            raise DeskError("link_unknown", "This admin link is not known here.")
        if state != "fresh":
            raise DeskError(f"link_{state}", "This admin link does not work any more.")
        self.admin_tokens[token] = "used"
        for trader in self.traders.values():
            if trader.telegram_id == telegram_id:
                self.traders[trader.id] = replace(trader, role="admin")
                return self.traders[trader.id]
        return self._add(telegram_id, name, "admin")

    async def answer_access(self, admin: TraderView, trader_id: int, granted: bool) -> TraderView:
        self._check_admin(admin)
        asker = self.traders.get(trader_id)
        if asker is None or asker.role == "admin":
            raise DeskError("unknown_trader", "This person is not waiting for an answer.")
        role = "trader" if granted else "refused"
        if asker.role != role:
            self.traders[trader_id] = replace(asker, role=role)
            self._tell(trader_id, AccessAnswered(granted))
        return self.traders[trader_id]

    async def pending_traders(self, admin: TraderView) -> list[TraderView]:
        self._check_admin(admin)
        return [one for one in self.traders.values() if one.role == "pending"]

    def _check_admin(self, admin: TraderView) -> None:
        if self.traders[admin.id].role != "admin":
            raise DeskError("not_admin", "Only an admin can do that.")

    async def trader(self, trader_id: int) -> TraderView:
        return self.traders[trader_id]

    # accounts

    def networks(self) -> tuple[NetworkName, ...]:
        return self.offered

    def add_account(self, trader_id: int, network: NetworkName, address: str) -> AccountView:
        made = AccountView(
            self._next(self.account_rows),
            network,
            address,
            0,
            Decimal("1204.11"),
            Decimal("982.4"),
        )
        self.account_rows[made.id] = (trader_id, made)
        return made

    async def open_paper_account(self, trader: TraderView) -> AccountView:
        self._maybe_fail()
        return self.add_account(trader.id, "paper", f"dydx1paper{trader.id:028d}qqqqq")

    async def preview_phrase(
        self, trader: TraderView, network: NetworkName, phrase: str
    ) -> CredentialPreview:
        self.phrases_seen += 1
        self.journal.append("preview")
        words = phrase.split()
        if len(words) not in PHRASE_WORDS:
            raise DeskError("phrase_length", f"A phrase has 12 to 24 words; this had {len(words)}.")
        found = CredentialPreview(
            f"token-{self.phrases_seen}",
            network,
            ADDRESS,
            0,
            Decimal("1204.11"),
            Decimal("1204.11"),
            True,
        )
        self.previews[found.token] = (trader.id, found)
        return found

    async def confirm_preview(self, trader: TraderView, token: str) -> AccountView:
        owner, found = self.previews.get(token, (None, None))
        if found is None or owner != trader.id:
            raise DeskError("preview_gone", "The phrase is not in memory any more.")
        del self.previews[token]
        made = self.add_account(trader.id, found.network, found.address)
        made = replace(
            made,
            credential=found.kind,
            authenticator_id=found.authenticator_id,
            markets=found.markets,
        )
        self.account_rows[made.id] = (trader.id, made)
        return made

    def forget_preview(self, trader: TraderView, token: str) -> None:
        self.offers.pop(token, None)
        if self.previews.get(token, (None,))[0] == trader.id:
            del self.previews[token]

    async def accounts(self, trader: TraderView) -> list[AccountView]:
        return [view for owner, view in self.account_rows.values() if owner == trader.id]

    def _own_account(self, trader: TraderView, account_id: int) -> AccountView:
        owner, account = self.account_rows.get(account_id, (None, None))
        if account is None or owner != trader.id:
            raise DeskError("unknown_account", "This account is not connected any more.")
        return account

    async def set_sharing(self, trader: TraderView, account_id: int, sharing: bool) -> AccountView:
        account = self._own_account(trader, account_id)
        if any(one.account_id == account_id for one in await self.positions(trader)):
            raise DeskError("position_open", "A position is open on this account.")
        self.account_rows[account_id] = (trader.id, replace(account, sharing=sharing))
        return self.account_rows[account_id][1]

    async def set_without_stop_room(
        self, trader: TraderView, account_id: int, choice: WithoutStopRoom
    ) -> AccountView:
        account = replace(self._own_account(trader, account_id), without_stop_room=choice)
        self.account_rows[account_id] = (trader.id, account)
        return account

    async def mock_when_unreachable(self, trader: TraderView) -> bool:
        return trader.id in self.mocking

    async def set_mock_when_unreachable(self, trader: TraderView, on: bool) -> None:
        (self.mocking.add if on else self.mocking.discard)(trader.id)

    async def disconnect_account(
        self, trader: TraderView, account_id: int, message_id: int | None = None
    ) -> KeyWorkView:
        owner, row = self.account_rows.get(account_id, (None, None))
        if owner != trader.id or row is None:
            raise DeskError("unknown_account", "This account is not connected.")
        if any(
            one.account_id == account_id and one.state == "open"
            for one in self.position_rows.values()
        ):
            raise DeskError("position_open", "A position is open on this account. Close it first.")
        del self.account_rows[account_id]
        work = self.add_work(
            trader.id,
            "leave",
            "cancelling",
            message_id,
            account_id=account_id,
            authenticator_id=row.authenticator_id,
        )
        return self.move_work(work.id, "done", cancelled=0)

    # strategies

    async def create_strategy(self, trader: TraderView, account_id: int, name: str) -> NewSecret:
        owner, account = self.account_rows.get(account_id, (None, None))
        if account is None or owner != trader.id:
            raise DeskError("unknown_account", "This account is not connected.")
        if not 1 <= len(name) <= 32:
            raise DeskError("name_invalid", "A name has 1 to 32 characters.")
        if any(own == trader.id and view.name == name for own, view in self.strategy_rows.values()):
            raise DeskError("name_taken", "You have a strategy of this name.")
        made = StrategyView(
            self._next(self.strategy_rows),
            name,
            "active",
            account,
            f"http://localhost:8080/api/webhooks/signal/{uuid.uuid4()}",
            None,
            None,
            None,
            None,
            None,
            100,
            60,
            None,
        )
        self.strategy_rows[made.id] = (trader.id, made)
        return self._new_secret(made)

    def _new_secret(self, strategy: StrategyView) -> NewSecret:
        secret = uuid.uuid4().hex
        self.secrets[strategy.id] = secret
        return NewSecret(strategy, secret, template(strategy.preset, secret))

    async def rotate_secret(self, trader: TraderView, strategy_id: int) -> NewSecret:
        return self._new_secret(await self.strategy(trader, strategy_id))

    async def strategies(self, trader: TraderView) -> list[StrategyView]:
        return [view for owner, view in self.strategy_rows.values() if owner == trader.id]

    async def strategy(self, trader: TraderView, strategy_id: int) -> StrategyView:
        owner, view = self.strategy_rows.get(strategy_id, (None, None))
        if view is None or owner != trader.id:
            raise DeskError("unknown_strategy", "This strategy does not exist.")
        return view

    async def change_strategy(
        self, trader: TraderView, strategy_id: int, change: StrategyChange
    ) -> StrategyView:
        view = await self.strategy(trader, strategy_id)
        if change.slippage_bps is not None and change.slippage_bps > 500:
            raise DeskError("value_invalid", "Slippage may be at most 5 %.")
        if change.preset is not None and change.preset not in NAMES:
            raise DeskError("preset_unknown", "This form of alerts is not known here.")
        for symbol in change.allowed_symbols or ():
            if not symbol.endswith("-USD"):
                raise DeskError("symbol_unknown", f"{symbol} is no market of this network.")
        values: dict[str, Any] = dict.fromkeys(change.clear)
        for name in StrategyChange.__dataclass_fields__:
            value = getattr(change, name)
            if name != "clear" and value is not None:
                values[name] = value
        if any(values.get(name) is not None for name in SIZES):
            values = dict.fromkeys(SIZES) | values
        if "take_profits" in change.clear:
            values["take_profits"] = ()
        changed = replace(view, **values)
        if changed.default_risk_percent is not None and changed.stop_loss_percent is None:
            raise DeskError("stop_missing", "A size by risk needs a stop.")
        return self._put(trader, changed)

    def _put(self, trader: TraderView, view: StrategyView) -> StrategyView:
        self.strategy_rows[view.id] = (trader.id, view)
        return view

    async def set_strategy_mode(
        self, trader: TraderView, strategy_id: int, mode: StrategyMode
    ) -> StrategyView:
        view = await self.strategy(trader, strategy_id)
        if mode == "paused":
            return self._put(trader, replace(view, state="paused"))
        return self._put(trader, replace(view, state="active", mode=mode))

    async def alert_template(self, trader: TraderView, strategy_id: int) -> str:
        view = await self.strategy(trader, strategy_id)
        return template(view.preset, "PUT-THE-SECRET-HERE")

    async def move_strategy(
        self, trader: TraderView, strategy_id: int, account_id: int
    ) -> StrategyView:
        view = await self.strategy(trader, strategy_id)
        account = self._own_account(trader, account_id)
        if view.account.id == account_id:
            raise DeskError("same_account", "It trades there already.")
        if view.holdings:
            raise DeskError("strategy_holds", f"{view.name} holds {view.holdings[0].ticker}.")
        return self._put(trader, replace(view, account=account))

    async def add_alias(self, trader: TraderView, signal_id: UUID, ticker: str) -> StrategyView:
        signal = await self.signal(signal_id)
        view = await self.strategy(trader, self.strategy_of_signal[signal_id])
        if ticker not in signal.nearest:
            raise DeskError("alias_invalid", f"{ticker} was not offered.")
        aliases = {**dict(view.aliases), signal.symbol: ticker}
        return self._put(trader, replace(view, aliases=tuple(aliases.items())))

    async def remove_alias(self, trader: TraderView, strategy_id: int, symbol: str) -> StrategyView:
        view = await self.strategy(trader, strategy_id)
        aliases = dict(view.aliases)
        if aliases.pop(symbol, None) is None:
            raise DeskError("alias_unknown", "This alias was removed already.")
        return self._put(trader, replace(view, aliases=tuple(aliases.items())))

    async def strategy_result(self, trader: TraderView, strategy_id: int) -> StrategyResult:
        await self.strategy(trader, strategy_id)
        zero = Decimal(0)
        return self.results.get(
            strategy_id, StrategyResult(strategy_id, zero, zero, zero, zero, None)
        )

    async def delete_strategy(self, trader: TraderView, strategy_id: int) -> None:
        await self.strategy(trader, strategy_id)
        del self.strategy_rows[strategy_id]

    # signals

    async def receive_alert(self, webhook_uuid: str, raw: bytes) -> AlertAnswer:
        raise NotImplementedError

    async def send_test_alert(self, trader: TraderView, strategy_id: int, key: str) -> AlertAnswer:
        await self.strategy(trader, strategy_id)
        if key in self.tests_sent:
            return AlertAnswer(200, {"success": True, "status": "DUPLICATE"})
        self.tests_sent.append(key)
        return AlertAnswer(200, {"success": True, "status": "ACCEPTED"})

    async def execute_signal(self, trader: TraderView, signal_id: UUID, key: str) -> None:
        self._answer_signal(trader, signal_id, "stored")
        self.executed.append(key)

    async def ignore_signal(self, trader: TraderView, signal_id: UUID) -> None:
        self._answer_signal(trader, signal_id, "refused", "ignored")

    def _answer_signal(
        self, trader: TraderView, signal_id: UUID, state: str, code: str | None = None
    ) -> None:
        view = self.signal_rows.get(signal_id)
        if view is None or view.trader_id != trader.id:
            raise DeskError("unknown_signal", "This signal does not exist.")
        if view.state not in ("asking", "missed", "mock"):
            raise DeskError("signal_over", "This signal was answered already.")
        self.signal_rows[signal_id] = replace(view, state=state, reason_code=code)
        self._tell(trader.id, SignalChanged(signal_id), signal_id)

    async def signal(self, signal_id: UUID) -> SignalView:
        if signal_id not in self.signal_rows:
            raise DeskError("unknown_signal", "This signal does not exist.")
        view = self.signal_rows[signal_id]
        position = next(
            (one for one in self.position_rows.values() if one.signal_id == signal_id), None
        )
        return replace(view, position=position)

    # positions

    def _owned(self, trader: TraderView, position_id: int) -> PositionView:
        view = self.position_rows.get(position_id)
        if view is None or view.trader_id != trader.id:
            raise DeskError("unknown_position", "This position does not exist.")
        return view

    async def positions(
        self, trader: TraderView, *, include_closed: bool = False
    ) -> list[PositionView]:
        return [
            one
            for one in self.position_rows.values()
            if one.trader_id == trader.id and (include_closed or one.state == "open")
        ]

    async def position(self, trader: TraderView, position_id: int) -> PositionView:
        return self._owned(trader, position_id)

    async def position_by_id(self, position_id: int) -> PositionView:
        return self.position_rows[position_id]

    def _fresh(self, trader: TraderView, position_id: int, version: int) -> PositionView:
        view = self._owned(trader, position_id)
        if view.state != "open":
            raise DeskError("position_closed", "This position is closed.")
        if view.version != version:
            raise DeskError("position_changed", "This position has changed.")
        return view

    async def close_position(
        self, trader: TraderView, position_id: int, version: int, fraction: Decimal, key: str
    ) -> None:
        self._maybe_fail()
        view = self._fresh(trader, position_id, version)
        if view.size * fraction < view.step_size:
            raise DeskError("below_step", "That is less than the market's smallest size.")
        if all(one.key != key for one in self.closes):
            self.closes.append(CloseAsked(position_id, version, fraction, key))

    async def adjust_plan(
        self, trader: TraderView, position_id: int, version: int, change: PlanChange
    ) -> PositionView:
        view = self._fresh(trader, position_id, version)
        changed = replace(changed_plan(view, change), version=view.version + 1)
        self.plans.append((position_id, change))
        self.position_rows[position_id] = changed
        return changed

    async def open_orders(self, trader: TraderView) -> list[OpenOrderView]:
        owned = {row.id for owner, row in self.account_rows.values() if owner == trader.id}
        return [row for row in self.waiting_rows.values() if row.account_id in owned]

    async def mock_orders(self, trader: TraderView) -> list[MockOrderView]:
        return list(self.mock_rows)

    async def cancel_order(self, trader: TraderView, order_id: int) -> OpenOrderView:
        waiting = {row.order.id: row for row in await self.open_orders(trader)}
        if order_id not in waiting:
            raise DeskError("unknown_order", "This order does not exist.")
        if waiting[order_id].protects:
            raise DeskError("order_protects", "This order belongs to a plan.")
        asked = replace(waiting[order_id], cancel_asked=True)
        self.waiting_rows[order_id] = asked
        return asked

    async def external_orders(self, trader: TraderView) -> list[ExternalOrderView]:
        return list(self.external_rows)

    async def adopters(self, trader: TraderView, position_id: int) -> list[Adopter]:
        view = await self.position(trader, position_id)
        if view.state != "open":
            raise DeskError("position_closed", "This position is closed already.")
        rows = [row for owner, row in self.strategy_rows.values() if owner == trader.id]
        return [Adopter(row.id, row.name) for row in rows if row.account.id == view.account_id]

    async def check_adoption(
        self, trader: TraderView, position_id: int, strategy_id: int
    ) -> Adopter:
        found = {row.strategy_id: row for row in await self.adopters(trader, position_id)}
        if strategy_id not in found:
            raise DeskError("unknown_strategy", "This account has no such strategy.")
        return found[strategy_id]

    async def adopt_position(
        self, trader: TraderView, position_id: int, version: int, strategy_id: int
    ) -> None:
        view = await self.position(trader, position_id)
        if view.version != version:
            raise DeskError("position_changed", "This position has changed in the meantime.")
        adopter = await self.check_adoption(trader, position_id, strategy_id)
        signed = view.size if view.side == "LONG" else -view.size
        self.position_rows[position_id] = replace(
            view,
            external=False,
            version=version + 1,
            shares=(ShareView(adopter.strategy_id, adopter.name, signed),),
        )

    async def chart_positions(self, trader: TraderView) -> list[ChartView]:
        return [view for owner, view in self.chart_rows.values() if owner == trader.id]

    async def chart_by_id(self, trader: TraderView, chart_id: int) -> ChartView:
        owner, view = self.chart_rows.get(chart_id, (0, None))
        if view is None or owner != trader.id:
            raise DeskError("unknown_target", "No alert said where its chart stands.")
        return view

    async def chart_position(self, trader: TraderView, strategy_id: int, ticker: str) -> ChartView:
        for view in await self.chart_positions(trader):
            if (view.strategy_id, view.ticker) == (strategy_id, ticker):
                return view
        raise DeskError("unknown_target", "No alert said where its chart stands.")

    async def sync_strategy(
        self, trader: TraderView, strategy_id: int, ticker: str, key: str
    ) -> ChartView:
        view = await self.chart_position(trader, strategy_id, ticker)
        if view.there:
            raise DeskError("in_sync", f"{view.strategy_name} is there already: nothing to do.")
        if key not in self.syncs:
            self.syncs.append(key)
        return view

    async def ignore_drift(self, trader: TraderView, strategy_id: int, ticker: str) -> ChartView:
        view = await self.chart_position(trader, strategy_id, ticker)
        ignored = replace(view, state="ignored")
        self.chart_rows[view.id] = (trader.id, ignored)
        return ignored

    async def status(self, trader: TraderView) -> StatusView:
        return StatusView(
            tuple(NetworkView(name, 1234567, True, True, True, None) for name in self.offered),
            tuple(await self.accounts(trader)),
            len(await self.positions(trader)),
            0,
            0,
            self.clock.now(),
        )

    async def order(self, order_id: int) -> OrderView:
        return self.order_rows[order_id]

    async def intent(self, intent_id: int) -> IntentView:
        return self.intent_rows[intent_id]

    # what tests arrange

    def add_signal(
        self, trader: TraderView, strategy: StrategyView, state: str, **values: Any
    ) -> SignalView:
        """A signal without an order, with its card in the outbox."""
        view = SignalView(
            id=uuid.uuid4(),
            trader_id=trader.id,
            network=strategy.account.network,
            strategy_name=strategy.name,
            received_at=self.clock.now(),
            state=state,
            **{
                "symbol": "BTC-USD",
                "action": "buy",
                "reason_code": None,
                "reason_text": None,
                "duplicates": 0,
                "orders": (),
                "position": None,
                **values,
            },
        )
        self.signal_rows[view.id] = view
        self.strategy_of_signal[view.id] = strategy.id
        self._tell(trader.id, SignalChanged(view.id), view.id)
        return view

    def open_position(
        self, trader: TraderView, *, ticker: str = "BTC-USD", side: str = "LONG"
    ) -> PositionView:
        """A filled signal with its open position and its card in the outbox."""
        account = next(
            (view for owner, view in self.account_rows.values() if owner == trader.id), None
        ) or self.add_account(trader.id, "testnet", ADDRESS)
        now = self.clock.now()
        signal_id = uuid.uuid4()
        view = PositionView(
            id=self._next(self.position_rows),
            version=1,
            trader_id=trader.id,
            network=account.network,
            account_id=account.id,
            signal_id=signal_id,
            ticker=ticker,
            side=side,
            state="open",
            external=False,
            size=Decimal("0.015"),
            max_size=Decimal("0.015"),
            entry_price=Decimal(64212),
            exit_price=None,
            mark_price=Decimal(65032),
            unrealized_pnl=Decimal("12.30"),
            realized_pnl=Decimal(0),
            fees=Decimal("0.48"),
            close_reason=None,
            opened_at=now,
            closed_at=None,
            take_profit=Decimal(66138),
            stop_loss=Decimal(62928),
            stop_on_chain=False,
            target_on_chain=False,
            targets=(A_TARGET,),
            tick_size=Decimal(1),
            step_size=Decimal("0.0001"),
        )
        self.position_rows[view.id] = view
        order = OrderView(
            id=self._next(self.order_rows),
            purpose="entry",
            kind="market",
            ticker=ticker,
            side="BUY" if side == "LONG" else "SELL",
            size=Decimal("0.015"),
            limit_price=Decimal(64855),
            trigger_price=None,
            reference_price=Decimal(64200),
            reduce_only=False,
            state="filled",
            code=0,
            codespace=None,
            tx_hash="4F2A" + "0" * 56 + "9C1E",
            good_til_block=1234577,
            expires_at=None,
            filled_size=Decimal("0.015"),
            average_price=Decimal(64212),
            slippage_percent=Decimal("0.0187"),
            created_at=now,
            accepted_at=now + dt.timedelta(milliseconds=12),
            resolved_at=now + dt.timedelta(milliseconds=1100),
        )
        self.order_rows[order.id] = order
        self.signal_rows[signal_id] = SignalView(
            id=signal_id,
            trader_id=trader.id,
            network=account.network,
            strategy_name="trend-1",
            received_at=now,
            state="executed",
            symbol=ticker,
            action="buy" if side == "LONG" else "sell",
            reason_code=None,
            reason_text=None,
            duplicates=0,
            orders=(order,),
            position=view,
        )
        self._tell(trader.id, SignalChanged(signal_id), signal_id)
        return view

    def change_position(self, position_id: int, **values: Any) -> PositionView:
        """The position moves on: its version grows and its card is due again."""
        view = self.position_rows[position_id]
        changed = replace(view, version=view.version + 1, **values)
        self.position_rows[position_id] = changed
        if view.signal_id is not None:
            self._tell(view.trader_id, SignalChanged(view.signal_id), view.signal_id)
        return changed

    def finish_position(self, position_id: int, reason: str = "take_profit") -> PositionView:
        """The position is flat at the target."""
        view = self.position_rows[position_id]
        closed = self.change_position(
            position_id,
            state="closed",
            size=Decimal(0),
            exit_price=Decimal(66140),
            realized_pnl=Decimal("28.92"),
            fees=Decimal("0.96"),
            close_reason=reason,
            closed_at=view.opened_at + dt.timedelta(hours=2, minutes=14),
        )
        self._tell(view.trader_id, PositionClosed(position_id), view.signal_id)
        return closed
