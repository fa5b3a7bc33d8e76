"""Steps of the tour: trading keys made, abandoned, lost, replaced, erased and removed."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from core.dydx.drafts import OrderDraft
from core.dydx.keys import SigningKey
from core.dydx.protocol import Side, TimeInForce
from core.dydx.signing import sign
from tests.acceptance.key_owner import Owner, an_owner
from tests.acceptance.tour_house import TourHouse
from tests.acceptance.tour_kit import ADA, BTC, LINK, Tour
from tests.acceptance.tour_trading import bare_of, rest_low

NETWORK = "testnet"
GONE = ("preview_gone", "key_in_the_making", "account_taken", "unknown_work", "not_listed")


async def make_key(house: TourHouse, phrase: str) -> int:
    """Begins to make a trading key; the number of the work. Offers are kept in memory only: one
    that died with its process is asked for again.
    """
    before = {row["id"] for row in await house.rows("SELECT id FROM key_work WHERE kind = 'make'")}
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        offer = await house.ask(ADA, "offer_key", network=NETWORK, phrase=phrase, fine=GONE)
        if offer is not None:
            await house.ask(ADA, "make_key", token=offer["token"], message_id=None, fine=GONE)
        rows = await house.rows("SELECT id FROM key_work WHERE kind = 'make'")
        if fresh := {row["id"] for row in rows} - before:
            (work_id,) = fresh
            await house.ask(ADA, "retry_key", work_id=work_id, message_id=None, fine=GONE)
            return int(work_id)
    raise AssertionError("no key was begun")


async def done(house: TourHouse, work_id: int) -> None:
    await house.comes(f"SELECT 1 AS one FROM key_work WHERE id = {work_id} AND state = 'done'")


async def keys(tour: Tour) -> None:
    """The whole life of a trading key."""
    house = tour.house
    given_up = await tour.funded("given up")
    await house.faults(chain_halted=True)
    work_id = await make_key(house, given_up)
    await house.ask(ADA, "abandon_key", work_id=work_id, fine=("unknown_work",))
    await house.faults(clear=True)
    phrase = await tour.funded("key")
    await done(house, await make_key(house, phrase))
    address = tour.addresses["key"]
    row = await house.row(f"SELECT id FROM account WHERE address = '{address}'")
    tour.accounts["key"] = account = row["id"]
    made = await bare_of(tour, "key", "keyed")
    await made.holds(address, "buy", BTC, "0.002", size="0.002")
    await rest_low(house, made)
    async with an_owner(house, SigningKey.from_phrase(phrase)) as owner:
        (listed,) = await owner.listed()
        await owner.take_key(listed.id)
        order = await house.row(
            f"SELECT id FROM \"order\" WHERE account_id = {account} AND ticker = '{LINK}' "
            "AND state = 'open'"
        )
        await house.ask(ADA, "cancel_order", order_id=order["id"], fine=("order_over",))
        await house.comes("SELECT 1 AS one FROM outgoing_message WHERE kind = 'key_lost'")
        await done(house, await make_key(house, phrase))
        await house.comes("SELECT 1 AS one FROM key_loss WHERE ended_at IS NOT NULL")
        await made.holds(address, "close", BTC, "0")
        await house.comes(
            f"SELECT 1 AS one WHERE NOT EXISTS (SELECT 1 FROM position WHERE state = 'open' "
            f"AND account_id = {account})"
        )
        await owner.bid(1)
        bidding = asyncio.create_task(short_bids(owner))
        try:
            left = await house.ask(
                ADA, "disconnect_account", account_id=account, fine=("unknown_account",)
            )
            await house.comes(
                "SELECT 1 AS one FROM key_work WHERE kind = 'leave' AND state <> 'done'"
            )
            await house.until_died(house.nothing, "core.trading.sweeping")
        finally:
            bidding.cancel()
            await asyncio.gather(bidding, return_exceptions=True)
        work = await house.row("SELECT id FROM key_work WHERE kind = 'leave'")
        assert left is None or left["id"] == work["id"]
        await done(house, work["id"])
        await house.ask(
            ADA, "remove_key", work_id=work["id"], phrase=phrase, message_id=None, fine=GONE
        )
        await house.comes("SELECT 1 AS one FROM key_work WHERE kind = 'remove' AND state = 'done'")
        assert await owner.listed() == ()


async def short_bids(owner: Owner) -> None:
    """Keeps a short-term bid of the owner's in the book."""
    client_id = 100
    while True:
        client_id += 1
        with contextlib.suppress(Exception):
            await short_bid(owner, client_id)
        await asyncio.sleep(1.5)


async def short_bid(owner: Owner, client_id: int) -> Any:
    block = await owner.node.latest_block()
    draft = OrderDraft(
        address=owner.key.address,
        number=0,
        client_id=client_id,
        clob_pair_id=0,
        side=Side.BUY,
        quantums=10**6,
        subticks=10**7,
        good_til_block=block.height + 15,
        time_in_force=TimeInForce.UNSPECIFIED,
    )
    account = await owner.node.account(owner.key.address)
    assert account is not None
    signed = sign([draft], owner.key, owner.node.network.chain_id, account.number)
    return await owner.node.broadcast(signed.tx)
