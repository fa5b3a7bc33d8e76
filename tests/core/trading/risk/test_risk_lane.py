"""The firewall in the way of real alerts, on a paper network: what it lets through and what not."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from core.trading.risk.limits import Mode, ScopeKind
from core.trading.views import NewSecret, SignalView
from tests.core.trading.risk.panic_house import PanicHouse, panic_house, until


@pytest.fixture
async def house(tmp_path: Path, sqlite_ledger_url: str) -> AsyncIterator[PanicHouse]:
    async with panic_house(tmp_path, sqlite_ledger_url) as opened:
        yield opened


async def alert(house: PanicHouse, made: NewSecret, number: int, **fields: Any) -> SignalView:
    """What became of an alert."""
    body = {"secret": made.secret, "symbol": "BTC-USD", "id": str(number), **fields}
    uuid = made.strategy.webhook_url.rsplit("/", 1)[-1]
    answered = await house.desk.receive_alert(uuid, json.dumps(body).encode())
    signal_id = UUID(str(answered.body["signal_id"]))

    async def over() -> bool:
        return (await house.desk.signal(signal_id)).state not in ("stored", "asking")

    await until(over)
    return await house.desk.signal(signal_id)


async def test_a_mode_and_a_reached_daily_loss_stop_entries_and_let_closes_pass(
    house: PanicHouse,
) -> None:
    desk = await house.begin()
    trader = await house.trader()
    account_id = await house.open_account(trader)
    made = await desk.create_strategy(trader, account_id, "trend")
    opened = await alert(house, made, 1, action="buy")
    assert (opened.state, opened.reason_code) == ("executed", None)
    await desk.set_risk_mode(trader, ScopeKind.STRATEGY, made.strategy.id, Mode.REDUCING)
    refused = await alert(house, made, 2, action="buy")
    assert (refused.state, refused.reason_code) == ("refused", "reducing")
    await desk.resume_risk(trader, ScopeKind.STRATEGY, made.strategy.id)
    view = await desk.change_limit(trader, ScopeKind.ACCOUNT, account_id, "daily_loss", "0.001")
    assert view.today is not None
    assert view.today < 0  # the fee of the first order
    refused = await alert(house, made, 3, action="buy")
    assert (refused.state, refused.reason_code) == ("refused", "daily_loss")
    closed = await alert(house, made, 4, action="close")
    assert closed.state == "executed"

    async def flat() -> bool:
        return await house.positions(account_id) == {}

    await until(flat)
    await house.end()
    desk = await house.begin()
    await house.ready(account_id)
    refused = await alert(house, made, 5, action="buy")
    assert refused.reason_code == "daily_loss"
    await desk.resume_risk(trader, ScopeKind.ACCOUNT, account_id)
    again = await alert(house, made, 6, action="buy")
    assert again.state == "executed"


async def test_panic_counts_the_bots_own_position_apart(house: PanicHouse) -> None:
    desk = await house.begin()
    trader = await house.trader()
    account_id = await house.open_account(trader)
    made = await desk.create_strategy(trader, account_id, "trend")
    await alert(house, made, 1, action="buy")
    begun = await desk.panic(trader, "1", None)
    view = await house.over(begun.id)
    (account,) = view.accounts
    assert [(one.ticker, one.ours) for one in account.positions] == [("BTC-USD", True)]
    assert await house.positions(account_id) == {}
    assert await house.orders(account_id) == []  # its stop and target are gone, too
    refused = await alert(house, made, 2, action="buy")
    assert refused.reason_code == "halted"
