"""The indexer over the real chain half, seen through the official client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from dydx_v4_client.faucet_client import FaucetClient
from dydx_v4_client.indexer.candles_resolution import CandlesResolution
from dydx_v4_client.indexer.rest.constants import OrderStatus
from dydx_v4_client.indexer.rest.indexer_client import IndexerClient
from dydx_v4_client.indexer.socket.websocket import IndexerSocket
from v4_proto.dydxprotocol.clob.tx_pb2 import MsgCancelOrder

from core.paper.network import PaperNetwork, PaperSettings
from tests.core.paper.chain_kit import BUY, GTT, IOC, SELL, Trader, trader
from tests.core.paper.indexer_kit import listening, until


@contextlib.asynccontextmanager
async def paper(state_dir: Path | None = None) -> AsyncIterator[PaperNetwork]:
    """A whole paper network on free ports, with quick blocks and still prices."""
    network = PaperNetwork(
        PaperSettings(
            grpc_port=0,
            rest_port=0,
            ws_port=0,
            rpc_port=0,
            block_s=0.1,
            prices="still",
            state_dir=state_dir,
        )
    )
    await network.start()
    try:
        yield network
    finally:
        await network.close()


def root(network: PaperNetwork) -> str:
    return f"http://127.0.0.1:{network.rest_port}"


async def funded(network: PaperNetwork, seed: int) -> Trader:
    """A trader with 5,000 USDC from the faucet."""
    one = trader(seed)
    answer = await FaucetClient(root(network)).fill(one.address, 0, 5_000)
    assert answer.status_code == 202
    account = network.exchange.account(one.address)
    assert account is not None
    one.wallet.account_number = account.number
    return one


def place(network: PaperNetwork, one: Trader, side: int, size: str, price: str, **how: Any) -> None:
    order = one.order(side, size, price, gtb=network.exchange.height + 10, **how)
    result = network.exchange.check_tx(one.sign(order))
    assert result.code == 0, result


async def traded(network: PaperNetwork, seed: int = 7) -> Trader:
    """A trader who bought 10 LINK and sees the fill."""
    one = await funded(network, seed)
    place(network, one, BUY, "10", "15", tif=IOC, client_id=4)
    await fills_shown(network, one, 1)
    return one


async def fills_shown(network: PaperNetwork, one: Trader, count: int) -> None:
    """Wait until REST shows so many fills."""
    query: dict[str, str | int] = {"address": one.address, "subaccountNumber": 0}
    async with httpx.AsyncClient(base_url=root(network), verify=False) as rest:
        async with asyncio.timeout(5):
            while True:
                body = (await rest.get("/v4/fills", params=query)).json()
                if len(body["fills"]) >= count:
                    return
                await asyncio.sleep(0.02)


async def every_account_method(client: IndexerClient, address: str) -> None:
    """What else the official client asks of an account answers with its list."""
    ask = client.account
    assert (await ask.get_parent_subaccount(address, 0))["subaccount"]["childSubaccounts"]
    rewards = (await ask.get_historical_block_trading_rewards(address, 10))["rewards"]
    assert Decimal(rewards[0]["tradingReward"]) > 0
    sums = await ask.get_historical_trading_rewards_aggregated(address)
    assert sums["rewards"][0]["tradingReward"] == rewards[0]["tradingReward"]
    assert (await ask.get_transfer_between(address, 0, address, 1))["transfersSubset"] == []
    assert (await ask.get_parent_transfers(address, 0))["transfers"]
    assert len(await ask.list_parent_orders(address, 0)) == 1
    assert (await ask.search_traders(address))["result"]["address"] == address
    # At a full hour these have rows.
    for name, body in (
        ("fundingPayments", await ask.get_funding_payments(address, 0)),
        ("fundingPayments", await ask.get_funding_payments_for_parent_subaccount(address, 0)),
        ("historicalPnl", await ask.get_subaccount_historical_pnls(address, 0)),
        ("historicalPnl", await ask.get_parent_historical_pnls(address, 0)),
    ):
        assert isinstance(body[name], list)
    await ask.get_parent_subaccount_positions(address, 0)
    await ask.get_parent_subaccount_asset_positions(address, 0)


async def test_the_official_rest_client_reads_everything_it_can_ask_for() -> None:
    async with paper() as network:
        one = await traded(network)
        client = IndexerClient(root(network))
        markets = (await client.markets.get_perpetual_markets())["markets"]
        assert len(markets) >= 30
        link = markets["LINK-USD"]
        subaccount = (await client.account.get_subaccount(one.address, 0))["subaccount"]
        assert subaccount["openPerpetualPositions"]["LINK-USD"]["size"] == "10"
        orders = await client.account.get_subaccount_orders(
            one.address, 0, status=OrderStatus.FILLED
        )
        assert [each["clientId"] for each in orders] == ["4"]
        assert (await client.account.get_order(orders[0]["id"]))["status"] == "FILLED"
        positions = await client.account.get_subaccount_perpetual_positions(one.address, 0)
        assert positions["positions"][0]["sumOpen"] == "10"
        assets = await client.account.get_subaccount_asset_positions(one.address, 0)
        assert assets["positions"][0]["symbol"] == "USDC"
        transfers = await client.account.get_subaccount_transfers(one.address, 0)
        assert transfers["transfers"][0]["type"] == "DEPOSIT"
        assert (await client.account.get_subaccounts(one.address))["subaccounts"]
        trades = await client.markets.get_perpetual_market_trades("LINK-USD")
        assert trades["trades"][0]["side"] == "BUY"
        book = await client.markets.get_perpetual_market_orderbook("LINK-USD")
        assert float(book["bids"][0]["price"]) < float(link["oraclePrice"])
        candles = await client.markets.get_perpetual_market_candles(
            "LINK-USD", CandlesResolution.ONE_MINUTE.value
        )
        assert sum(each["trades"] for each in candles["candles"]) >= 1
        await client.markets.get_perpetual_market_historical_funding("LINK-USD")
        await every_account_method(client, one.address)
        assert (await client.megavault.get_megavault_historical_pnl("day"))["megavaultPnl"] == []
        assert (await client.megavault.get_vaults_historical_pnl("day"))["vaultsPnl"] == []
        assert (await client.megavault.get_megavault_positions())["positions"] == []
        code = (await client.affiliate.get_metadata(one.address))["referralCode"]
        assert (await client.affiliate.get_address(code))["address"] == one.address
        assert (await client.affiliate.get_snapshot())["affiliateList"] == []
        assert (await client.affiliate.get_total_volume(one.address)) == {"totalVolume": 0}
        assert int((await client.utility.get_height())["height"]) > 1
        assert (await client.utility.get_time())["iso"].endswith("Z")
        assert (await client.utility.screen(one.address)) == {"restricted": False}


async def test_the_official_socket_hears_a_trade_from_the_order_to_the_fill() -> None:
    async with paper() as network:
        one = await funded(network, 8)
        heard: list[dict[str, Any]] = []

        def on_message(socket: IndexerSocket, message: dict[str, Any]) -> None:
            heard.append(message)
            if message["type"] == "connected":
                socket.markets.subscribe()
                socket.order_book.subscribe(id="LINK-USD", batched=False)
                socket.trades.subscribe(id="LINK-USD")
                socket.candles.subscribe(id="LINK-USD", resolution=CandlesResolution.ONE_MINUTE)
                socket.subaccounts.subscribe(address=one.address, subaccount_number=0)

        socket = IndexerSocket(f"ws://127.0.0.1:{network.ws_port}/v4/ws", on_message=on_message)
        thread = threading.Thread(target=socket.run_forever)
        thread.start()
        try:
            await until(lambda: sum(each["type"] == "subscribed" for each in heard) == 5)
            place(network, one, BUY, "10", "15", tif=IOC, client_id=4)
            await until(lambda: any("fills" in json.dumps(each) for each in heard))
            async with httpx.AsyncClient(base_url=root(network), verify=False) as rest:
                await rest.post("/paper/price", json={"ticker": "LINK-USD", "price": "14.9"})
            wanted = {"v4_subaccounts", "v4_trades", "v4_candles", "v4_orderbook", "v4_markets"}
            await until(
                lambda: (
                    wanted
                    <= {each["channel"] for each in heard if each["type"].startswith("channel")}
                )
            )
        finally:
            await asyncio.to_thread(socket.close, timeout=0)
            await asyncio.to_thread(thread.join, 5)
        numbers = sorted(each["message_id"] for each in heard)
        assert numbers == list(range(len(heard)))


async def test_an_order_is_opened_at_once_and_filled_with_its_block() -> None:
    async with paper() as network:
        one = await funded(network, 9)
        async with listening(f"ws://127.0.0.1:{network.ws_port}/v4/ws") as client:
            await client.subscribe("v4_subaccounts", f"{one.address}/0")
            place(network, one, BUY, "10", "15", tif=IOC, client_id=4)
            first = await client.hear()
            assert first["contents"]["orders"][0]["status"] == "BEST_EFFORT_OPENED"
            filled = await client.hear_until(lambda each: "fills" in each["contents"])
            order, fill = filled["contents"]["orders"][0], filled["contents"]["fills"][0]
            assert (order["status"], order["totalFilled"]) == ("FILLED", "10")
            assert fill["orderId"] == order["id"]
            assert filled["contents"]["perpetualPositions"][0]["size"] == "10"


async def test_an_expired_order_that_never_filled_vanishes_from_rest() -> None:
    async with paper() as network:
        one = await funded(network, 10)
        async with listening(f"ws://127.0.0.1:{network.ws_port}/v4/ws") as client:
            await client.subscribe("v4_subaccounts", f"{one.address}/0")
            place(network, one, BUY, "10", "5", tif=GTT, client_id=4)
            opened = (await client.hear())["contents"]["orders"][0]
            path = f"{root(network)}/v4/orders/{opened['id']}"
            async with httpx.AsyncClient(verify=False) as rest:
                assert (await rest.get(path)).json()["status"] == "BEST_EFFORT_OPENED"
                gone = (await client.hear())["contents"]["orders"][0]
                assert (gone["status"], gone["removalReason"]) == (
                    "CANCELED",
                    "ORDER_REMOVAL_REASON_EXPIRED",
                )
                assert (await rest.get(path)).status_code == 404


async def test_a_price_set_over_http_is_in_the_markets_when_the_answer_comes() -> None:
    async with paper() as network, httpx.AsyncClient(base_url=root(network), verify=False) as rest:
        body = {"ticker": "BTC-USD", "price": "51234"}
        answer = (await rest.post("/paper/price", json=body)).json()
        assert answer["ok"] is True
        markets = (await rest.get("/v4/perpetualMarkets?ticker=BTC-USD")).json()["markets"]
        assert markets["BTC-USD"]["oraclePrice"] == "51234"
        assert int((await rest.get("/v4/height")).json()["height"]) >= answer["height"]


async def test_faults_reach_the_nodes_and_the_exchange() -> None:
    async with paper() as network, httpx.AsyncClient(base_url=root(network), verify=False) as rest:
        one = await funded(network, 11)
        refusal = {"codespace": "clob", "code": 5001, "count": 1}
        body = {"order_refused": refusal, "answer_lost": 2, "rtt_ms": 7, "fill_withheld": True}
        assert (await rest.post("/paper/faults", json=body)).json()["order_refused"] == refusal
        order = one.order(BUY, "1", "15", gtb=network.exchange.height + 10, client_id=1)
        result = network.exchange.check_tx(one.sign(order))
        assert (result.codespace, result.code) == ("clob", 5001)
        assert [node.faults.answer_lost for node in network.nodes] == [2]
        assert [node.faults.rtt_ms for node in network.nodes] == [7]
        assert network.exchange.faults.fill_withheld is True
        cleared = (await rest.post("/paper/faults", json={"clear": True})).json()
        assert not any(value for value in cleared.values())


async def test_the_book_can_be_shaped_for_one_market() -> None:
    async with paper() as network, httpx.AsyncClient(base_url=root(network), verify=False) as rest:
        body = {"ticker": "LINK-USD", "levels": 2}
        assert (await rest.post("/paper/book", json=body)).json() == {"ok": True}
        link = (await rest.get("/v4/orderbooks/perpetualMarket/LINK-USD")).json()
        sol = (await rest.get("/v4/orderbooks/perpetualMarket/SOL-USD")).json()
        assert len(link["asks"]) == 2
        assert len(sol["asks"]) == 6


@pytest.mark.parametrize("orderly", [True, False])
async def test_what_was_traded_is_still_known_after_a_restart(
    tmp_path: Path, orderly: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with paper(tmp_path) as network:
        one = await traded(network, 12)
        client = IndexerClient(root(network))
        before = await client.account.get_subaccount_fills(one.address, 0)
        position = await client.account.get_subaccount_perpetual_positions(one.address, 0)
        if not orderly:
            # As after kill -9: nothing of the indexer is saved, only the chain's blocks are.
            async def nothing(name: str, height: int, value: bytes) -> None:
                return None

            monkeypatch.setattr(network.journal, "save_part", nothing)
    async with paper(tmp_path) as network:
        client = IndexerClient(root(network))
        assert await client.account.get_subaccount_fills(one.address, 0) == before
        again = await client.account.get_subaccount_perpetual_positions(one.address, 0)
        assert again == position
        height = network.exchange.height
        await until(lambda: network.exchange.height > height + 1)
        assert int((await client.utility.get_height())["height"]) > height
        place(network, one, SELL, "10", "10", tif=IOC, client_id=5)
        await fills_shown(network, one, 2)
        closed = await client.account.get_subaccount_perpetual_positions(one.address, 0)
        assert closed["positions"][0]["status"] == "CLOSED"


async def test_a_long_term_order_is_open_after_a_restart_and_can_be_cancelled(
    tmp_path: Path,
) -> None:
    async with paper(tmp_path) as network:
        one = await funded(network, 14)
        good_til = int(network.exchange.time.timestamp()) + 600
        order = one.order(
            BUY, "10", "5", tif=GTT, client_id=9, flags=64, good_til_block_time=good_til
        )
        assert network.exchange.check_tx(one.sign(order)).code == 0
        await order_shown(network, one, "OPEN")
    async with paper(tmp_path) as network:
        await order_shown(network, one, "OPEN")
        async with listening(f"ws://127.0.0.1:{network.ws_port}/v4/ws") as stream:
            snapshot = await stream.subscribe("v4_subaccounts", f"{one.address}/0")
            assert [each["status"] for each in snapshot["contents"]["orders"]] == ["OPEN"]
            cancel = MsgCancelOrder(
                order_id=one.order_id(9, flags=64), good_til_block_time=good_til + 1
            )
            assert network.exchange.check_tx(one.sign(cancel, sequence=1)).code == 0
            heard = await stream.hear_until(lambda each: "orders" in each["contents"])
            told = heard["contents"]["orders"][0]
            assert (told["status"], told["totalFilled"]) == ("CANCELED", "0")
        await order_shown(network, one, "CANCELED")


async def order_shown(network: PaperNetwork, one: Trader, status: str) -> None:
    """Wait until REST lists the trader's one order with this status."""
    client = IndexerClient(root(network))
    async with asyncio.timeout(10):
        while True:
            listed = await client.account.get_subaccount_orders(one.address, 0)
            if [each["status"] for each in listed] == [status]:
                return
            await asyncio.sleep(0.05)
