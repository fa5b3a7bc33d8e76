"""The published test accounts of a local dYdX network, and the book's control."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.wallet import Wallet
from v4_proto.dydxprotocol.sending.transfer_pb2 import MsgDepositToSubaccount
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

from core.dydx.protocol import USDC_DENOM
from core.paper.happenings import SubaccountKey
from core.paper.network import PaperNetwork, PaperSettings
from tests.core.paper.chain_kit import BUY, GOVERNANCE, GTT, IOC, SOL, Trader, gas, lab, trader

# Published with the chain's sources for local networks; nobody's money.
PHRASES = {
    "alice": "merge panther lobster crazy road hollow amused security before critic about cliff "
    "exhibit cause coyote talent happy where lion river tobacco option coconut small",
    "bob": "color habit donor nurse dinosaur stable wonder process post perfect raven gold census "
    "inside worth inquiry mammal panic olive toss shadow strong name drum",
    "carl": "school artefact ghost shop exchange slender letter debris dose window alarm hurt "
    "whale tiger find found island what engine ketchup globe obtain glory manage",
    "dave": "switch boring kiss cash lizard coconut romance hurry sniff bus accident zone chest "
    "height merit elevator furnace eagle fetch quit toward steak mystery nest",
}


@pytest.mark.parametrize("number", range(4))
def test_published_test_accounts_hold_coins_and_usdc_in_their_wallets(number: int) -> None:
    made = lab()
    account = GOVERNANCE.genesis[number]
    wallet = Wallet(KeyPair.from_mnemonic(PHRASES[account.name]), number, 0)
    one = Trader(wallet)

    assert one.address == account.address
    held = made.exchange.balances(one.address)
    assert held == {"adv4tnt": 5 * 10**23, USDC_DENOM: 10**17}
    known = made.exchange.account(one.address)
    assert known is not None
    assert known.number == number

    deposit = MsgDepositToSubaccount(
        sender=one.address,
        recipient=SubaccountId(owner=one.address, number=7),
        asset_id=0,
        quantums=25_000_000,
    )
    assert made.send(one, deposit, fee=gas()).code == 0
    made.block()
    assert made.exchange.subaccount(SubaccountKey(one.address, 7)).usdc == 25_000_000
    assert made.exchange.balance(one.address, USDC_DENOM) == 10**17 - 25_000_000


@contextlib.asynccontextmanager
async def network() -> AsyncIterator[tuple[PaperNetwork, httpx.AsyncClient, Trader]]:
    settings = PaperSettings(
        grpc_port=0, rest_port=0, ws_port=0, rpc_port=0, prices="still", rest_limit=0
    )
    made = PaperNetwork(settings, blocks=False)
    await made.start()
    try:
        one = trader(1)
        made.exchange.give(one.address, 0, 10**11)
        await made.chain.make_block()
        known = made.exchange.account(one.address)
        assert known is not None
        one.wallet.account_number = known.number
        address = f"http://127.0.0.1:{made.rest_port}"
        async with httpx.AsyncClient(base_url=address) as rest:
            yield made, rest, one
    finally:
        await made.close()


async def _book(rest: httpx.AsyncClient, ticker: str) -> dict[str, list[dict[str, str]]]:
    return dict((await rest.get(f"/v4/orderbooks/perpetualMarket/{ticker}")).json())


async def test_no_levels_take_the_synthetic_book_away_and_orders_find_nobody() -> None:
    async with network() as (made, rest, one):
        await rest.post("/paper/book", json={"ticker": "*", "levels": 0})
        for ticker in ("SOL-USD", "BTC-USD"):
            assert await _book(rest, ticker) == {"bids": [], "asks": []}

        gtb = made.exchange.height + 10
        buy = one.order(BUY, "1", "1000", pair=SOL, gtb=gtb, tif=IOC)
        assert made.exchange.check_tx(one.sign(buy)).code == 0
        await made.chain.make_block()
        assert made.exchange.subaccount(one.key).position(SOL) == 0

        await rest.post("/paper/book", json={"ticker": "SOL-USD", "levels": 1})
        assert len((await _book(rest, "SOL-USD"))["asks"]) == 1
        assert await _book(rest, "BTC-USD") == {"bids": [], "asks": []}


async def test_levels_have_the_size_and_the_distance_that_were_asked_for() -> None:
    async with network() as (made, rest, _):
        body: dict[str, Any] = {"levels": 3, "level_usd": 1000, "spacing_bps": "20"}
        await rest.post("/paper/book", json=body | {"ticker": "SOL-USD"})

        market = made.exchange.governance.markets[SOL]
        oracle = market.price_usd(made.exchange.oracle_price(market))
        book = await _book(rest, "SOL-USD")
        for side, sign in (("bids", -1), ("asks", 1)):
            assert len(book[side]) == 3
            for number, level in enumerate(book[side], start=1):
                price, size = Decimal(level["price"]), Decimal(level["size"])
                wanted = oracle * (1 + sign * Decimal("0.002") * number)
                assert abs(price - wanted) <= market.scale.tick_size
                assert abs(size * price - 1000) <= market.scale.step_size * price


async def test_a_resting_order_stays_in_a_book_that_is_taken_away_and_a_wider_one_leaves_it() -> (
    None
):
    async with network() as (made, rest, one):
        market = made.exchange.governance.markets[SOL]
        oracle = market.price_usd(made.exchange.oracle_price(market))
        bid = str((oracle * Decimal("0.9999")).quantize(Decimal("0.01")))
        gtb = made.exchange.height + 30
        resting = one.order(BUY, "1", bid, pair=SOL, gtb=gtb, tif=GTT)
        assert made.exchange.check_tx(one.sign(resting)).code == 0

        await rest.post("/paper/book", json={"ticker": "*", "levels": 0})
        await made.chain.make_block()
        book = await _book(rest, "SOL-USD")
        assert [Decimal(level["price"]) for level in book["bids"]] == [Decimal(bid)]
        assert book["asks"] == []

        await rest.post("/paper/book", json={"ticker": "*", "levels": 2, "spacing_bps": 50})
        await made.chain.make_block()
        book = await _book(rest, "SOL-USD")
        assert [len(book[side]) for side in ("bids", "asks")] == [3, 2]
        assert Decimal(book["bids"][0]["price"]) == Decimal(bid)
