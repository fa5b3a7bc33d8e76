"""What the ledger's tests share."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

from core.clock import SystemClock, SystemRandom
from core.ledger import database
from core.ledger.models import Account, Order, Strategy, Trader

NOW = dt.datetime(2026, 11, 24, 12, 0, tzinfo=dt.UTC)


def opened(
    url: str, copies_dir: Path | None = None, holder: str = "http://127.0.0.1:8080"
) -> AbstractAsyncContextManager[database.Ledger]:
    """The ledger, opened as `run` opens it."""
    return database.open_ledger(
        url, clock=SystemClock(), random=SystemRandom(), copies_dir=copies_dir, holder=holder
    )


async def until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    """Waits for a condition, or fails."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        await asyncio.sleep(0.01)


async def a_trader(number: int = 1) -> Trader:
    return await Trader.create(telegram_id=number, name="Ann", role="trader", created_at=NOW)


async def an_account(trader: Trader, number: int = 0) -> Account:
    return await Account.create(
        trader_id=trader.id,
        network="paper",
        address="dydx1test",
        subaccount_number=number,
        partition=1,
        next_client_id=7,
        state="active",
        created_at=NOW,
    )


async def a_strategy(trader: Trader, account: Account) -> Strategy:
    return await Strategy.create(
        trader_id=trader.id,
        account_id=account.id,
        name="trend",
        webhook_uuid=uuid4(),
        secret_hash="0" * 64,
        state="active",
        created_at=NOW,
    )


async def an_order(account: Account, client_id: int = 1, **values: Any) -> Order:
    columns: dict[str, Any] = {
        "account_id": account.id,
        "partition": 1,
        "purpose": "open",
        "order_uuid": uuid4(),
        "client_id": client_id,
        "order_flags": 0,
        "clob_pair_id": 0,
        "ticker": "BTC-USD",
        "side": "BUY",
        "size": "0.01",
        "limit_price": "100000",
        "reference_price": "99000",
        "quantums": "100000000",
        "subticks": "10000000000",
        "reduce_only": False,
        "good_til_block": 100,
        "tx": b"\x01",
        "tx_hash": "AB",
        "state": "created",
        "epoch": 1,
        "created_at": NOW,
        **values,
    }
    return await Order.create(**columns)
