"""Panic on a paper network: everything gone on the chain itself, and a crash at every step."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from core.dydx.protocol import Side
from core.ledger.models import Intent, OutgoingMessage
from core.signals.alert import Level
from core.trading.plan_change import StopTo
from core.trading.risk.limits import Mode, ScopeKind
from core.trading.risk.panic_states import ALLOWED, OVER, IllegalStep, check_step
from core.trading.views import DeskError
from tests.core.trading.risk.panic_house import WITHIN_S, PanicHouse, panic_house, until
from tests.dying import Died, die_at


@pytest.fixture
async def house(tmp_path: Path, sqlite_ledger_url: str) -> AsyncIterator[PanicHouse]:
    async with panic_house(tmp_path, sqlite_ledger_url) as opened:
        yield opened


async def test_panic_empties_halts_and_counts_what_was_not_the_bots(house: PanicHouse) -> None:
    desk = await house.begin()
    trader = await house.trader()
    account_id = await house.open_account(trader)
    await house.rest(account_id)
    await house.rest(account_id, "ETH-USD")
    await house.trade(account_id, Side.BUY)
    await house.trade(account_id, Side.SELL, "ETH-USD")
    assert len(await house.positions(account_id)) == 2
    begun = await desk.panic(trader, "7", 55)
    again = await desk.panic(trader, "7", 55)
    assert again.id == begun.id
    scope = await desk.risk_scope(trader, ScopeKind.ACCOUNT, account_id)
    assert (scope.mode, scope.mode_reason) == (Mode.HALTED, "panic")  # before anything is closed
    view = await house.over(begun.id)
    (account,) = view.accounts
    assert account.state == "empty"
    assert (account.orders, account.foreign_orders, account.orders_gone) == (2, 2, 2)
    assert {one.ticker for one in account.positions} == {"BTC-USD", "ETH-USD"}
    assert not any(one.ours for one in account.positions)
    assert account.still_open == ()
    assert account.height is not None
    assert await house.positions(account_id) == {}
    assert await house.orders(account_id) == []
    assert await desk.resume_after_panic(trader) == 1
    assert await desk.resume_after_panic(trader) == 0
    resumed = await desk.risk_scope(trader, ScopeKind.ACCOUNT, account_id)
    assert resumed.mode is Mode.ACTIVE
    told = await OutgoingMessage.filter(kind="panic_told")
    assert [row.payload for row in told] == [{"panic_id": begun.id}]
    edits = await OutgoingMessage.filter(kind="panic_progress")
    assert {row.payload["message_id"] for row in edits} == {55}


async def test_panic_counts_the_stops_that_go_with_their_positions(house: PanicHouse) -> None:
    desk = await house.begin()
    trader = await house.trader()
    account_id = await house.open_account(trader)
    await house.trade(account_id, Side.BUY)
    [held] = await desk.positions(trader)
    stop = StopTo(Level(percent=Decimal(5)))
    await desk.adjust_plan(trader, held.id, held.version, stop)
    await until(lambda: house.rests(account_id, 1))
    begun = await desk.panic(trader, "7", None)
    (account,) = (await house.over(begun.id)).accounts
    assert account.state == "empty"
    assert (account.orders, account.foreign_orders, account.orders_gone) == (1, 0, 1)
    assert await house.orders(account_id) == []


EMPTIER = "core.trading.risk.panic.AccountEmptier"
MOMENTS = (
    "core.trading.risk.panic_desk.PanicDesk.panic",  # it and its halts, nothing is cancelled
    f"{EMPTIER}._note",  # which orders are to be cancelled, no cancel left
    f"{EMPTIER}._close",  # the intent that closes a position, the lane does not know
    f"{EMPTIER}._move",  # a step, nobody was told
    "core.trading.risk.panic_keeper.PanicKeeper._finish",  # its end
)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_crash_at_any_step_of_a_panic_ends_flat_and_closes_once(
    house: PanicHouse, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await house.begin()
    trader = await house.trader()
    account_id = await house.open_account(trader)
    await house.rest(account_id)
    await house.trade(account_id, Side.BUY)
    died = die_at(monkeypatch, moment)
    with contextlib.suppress(Died):
        await desk.panic(trader, "7", None)
    async with asyncio.timeout(WITHIN_S):
        await died.wait()
    await house.end()
    desk = await house.begin()
    scope = await desk.risk_scope(trader, ScopeKind.ACCOUNT, account_id)
    assert scope.mode is Mode.HALTED
    view = await house.over(1)
    (account,) = view.accounts
    assert (account.state, account.orders, account.orders_gone) == ("empty", 1, 1)
    assert [one.ticker for one in account.positions] == ["BTC-USD"]
    assert await house.positions(account_id) == {}
    assert await house.orders(account_id) == []
    filled = await Intent.filter(source="panic", state="done", reason_code=None)
    assert len(filled) == 1


async def test_close_all_closes_positions_and_leaves_orders_and_modes(house: PanicHouse) -> None:
    desk = await house.begin()
    trader = await house.trader()
    account_id = await house.open_account(trader)
    await house.rest(account_id)
    await house.trade(account_id, Side.SELL)
    begun = await desk.close_all(trader, "3", None)
    view = await house.over(begun.id)
    (account,) = view.accounts
    assert (account.state, account.orders) == ("empty", 0)
    assert [one.ours for one in account.positions] == [False]
    assert await house.positions(account_id) == {}
    assert len(await house.orders(account_id)) == 1
    scope = await desk.risk_scope(trader, ScopeKind.ACCOUNT, account_id)
    assert scope.mode is Mode.ACTIVE


async def test_an_admin_stops_the_whole_bot_and_everybody_is_told(
    tmp_path: Path, sqlite_ledger_url: str
) -> None:
    async with panic_house(tmp_path, sqlite_ledger_url, admins="9") as house:
        desk = await house.begin()
        admin, ann = await house.trader(9), await house.trader(1)
        account_id = await house.open_account(ann)
        await house.trade(account_id, Side.BUY)
        with pytest.raises(DeskError) as refused:
            await desk.panic(ann, "1", None, house=True)
        assert refused.value.code == "not_admin"
        preview = await desk.panic_preview(admin, house=True)
        assert (preview.traders, preview.accounts, preview.positions) == (1, 1, 1)
        begun = await desk.panic(admin, "1", 5, house=True)
        view = await house.over(begun.id)
        assert (view.traders, view.traders_done, view.accounts) == (1, 1, ())
        assert await house.positions(account_id) == {}
        told = await OutgoingMessage.filter(kind="panic_told", trader_id=ann.id)
        assert len(told) == 2  # that it began, and that it is done
        assert (await desk.risk_scope(admin, ScopeKind.BOT, 0)).mode is Mode.HALTED
        with pytest.raises(DeskError) as other:
            await desk.risk_scope(ann, ScopeKind.BOT, 0)
        assert other.value.code == "not_admin"
        assert await desk.resume_after_panic(admin, house=True) == 1
        assert (await desk.risk_scope(admin, ScopeKind.BOT, 0)).mode is Mode.ACTIVE


async def test_without_an_account_there_is_nothing_to_panic_about(house: PanicHouse) -> None:
    desk = await house.begin()
    with pytest.raises(DeskError) as refused:
        await desk.panic(await house.trader(), "1", None)
    assert refused.value.code == "no_account"


def test_the_table_of_steps_allows_nothing_else() -> None:
    for before, after in ALLOWED.items():
        for state in ALLOWED:
            if state in after:
                check_step(before, state)
            else:
                with pytest.raises(IllegalStep):
                    check_step(before, state)
    assert {state for state, after in ALLOWED.items() if not after} == OVER
