"""The official Python client, dydx-v4-client, with its own transports.

Its node client blocks and has no deadlines, so each call runs in a thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import httpx
from bip_utils import Bip39MnemonicGenerator
from dydx_v4_client.faucet_client import FaucetClient
from dydx_v4_client.indexer.candles_resolution import CandlesResolution
from dydx_v4_client.indexer.rest.constants import OrderExecution, OrderType
from dydx_v4_client.indexer.rest.indexer_client import IndexerClient
from dydx_v4_client.indexer.socket.websocket import IndexerSocket
from dydx_v4_client.key_pair import KeyPair
from dydx_v4_client.network import NodeConfig
from dydx_v4_client.node.authenticators import Authenticator, AuthenticatorType
from dydx_v4_client.node.builder import TxOptions
from dydx_v4_client.node.client import NodeClient
from dydx_v4_client.node.market import Market as OfficialMarket
from dydx_v4_client.node.message import subaccount
from dydx_v4_client.wallet import Wallet
from v4_proto.dydxprotocol.clob.order_pb2 import Order
from v4_proto.dydxprotocol.clob.tx_pb2 import OrderBatch

from core.dydx.protocol import USDC_DENOM
from tests.conformance.chapters.desk import Desk
from tests.conformance.chapters.keys import fresh_key, newest
from tests.conformance.checks import Mismatch, Skip, expect, expect_that, until
from tests.conformance.people import BUY, SELL, Person, uuid_of
from tests.conformance.rest_shapes import shape_of
from tests.conformance.shapes import faults
from tests.conformance.world import Room

USD = 1_000_000


async def _in_thread(call: Callable[..., Awaitable[Any]], *args: Any, **how: Any) -> Any:
    """The result of one of its methods, run to its end in a thread of its own loop."""

    async def once() -> Any:
        return await call(*args, **how)

    return await asyncio.to_thread(asyncio.run, once())


async def _connect(room: Room) -> NodeClient:
    address, tls = room.world.target.grpc_host
    if tls:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials())
    else:
        channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
    target = room.world.target
    config = NodeConfig(target.chain_id, target.native_denom, USDC_DENOM, channel)
    return await NodeClient.connect(config)


async def official_node(room: Room) -> None:
    """NodeClient: its queries and all that it sends."""
    client = await _connect(room)
    try:
        await _queries(room, client)
        await _money(room, client)  # before it holds a position: funding moves money, too
        await _orders(room, client)
        await _key(room, client)
    finally:
        await asyncio.to_thread(client.channel.close)


async def _queries(room: Room, client: NodeClient) -> None:
    who, market = room.people[0], room.market
    address = who.address
    calls: tuple[tuple[str, tuple[Any, ...]], ...] = (
        ("latest_block", ()),
        ("latest_block_height", ()),
        ("get_account", (address,)),
        ("get_account_balance", (address, USDC_DENOM)),
        ("get_account_balances", (address,)),
        ("get_subaccount", (address, 0)),
        ("get_subaccounts", ()),
        ("get_clob_pair", (market.pair,)),
        ("get_clob_pairs", ()),
        ("get_price", (market.price_id,)),
        ("get_prices", ()),
        ("get_perpetual", (market.perpetual_id,)),
        ("get_perpetuals", ()),
        ("get_equity_tier_limit_config", ()),
        ("get_fee_tiers", ()),
        ("get_user_fee_tier", (address,)),
        ("get_user_stats", (address,)),
        ("get_rewards_params", ()),
        ("get_authenticators", (address,)),
        ("get_node_info", ()),
        ("get_withdrawal_and_transfer_gating_status", (0,)),
        ("get_withdrawal_capacity_by_denom", (USDC_DENOM,)),
        ("get_affiliate_info", (address,)),
        ("get_referred_by", (address,)),
        ("get_all_affiliate_tiers", ()),
        ("get_affiliate_whitelist", ()),
        ("query_address", (address,)),
        ("get_all_validators", ()),
        ("get_delegator_delegations", (address,)),
        ("get_delegator_unbonding_delegations", (address,)),
        ("get_delegation_total_rewards", (address,)),
        ("get_delayed_complete_bridge_messages", (address,)),
        ("get_all_gov_proposals", ()),
    )
    for name, args in calls:
        async with room.check(f"NodeClient.{name} is answered"):
            expect_that(await _in_thread(getattr(client, name), *args) is not None, "None")


class Official:
    """What the official client makes of a person and a market."""

    def __init__(self, room: Room, client: NodeClient, who: Person) -> None:
        self.room, self.client, self.who = room, client, who
        self.market = OfficialMarket(room.market.row)
        self.wallet = Wallet(who.pair, who.number, 0)

    def order(
        self, order_type: str, flags: int, side: int, lots: int, bps: int, **more: Any
    ) -> Any:
        market = self.room.market
        order_id = self.market.order_id(self.who.address, 0, self.who.client_id(), flags)
        price = float(market.usd(market.at(bps)))
        return self.market.order(
            order_id=order_id,
            order_type=order_type,
            side=side,
            size=float(market.size(lots * market.lot)),
            # Its float mathematics loses a tick now and then; half a tick keeps the price.
            price=price + float(market.usd(market.per_tick)) / 2,
            time_in_force=more.pop("time_in_force", Order.TIME_IN_FORCE_UNSPECIFIED),
            reduce_only=more.pop("reduce_only", False),
            **more,
        )

    async def send(self, name: str, *args: Any, **how: Any) -> Any:
        """Calls a method with the wallet first; gives its code and hash."""
        answer = await _in_thread(getattr(self.client, name), self.wallet, *args, **how)
        expect((answer.tx_response.codespace, answer.tx_response.code), ("", 0), name)
        return answer.tx_response

    async def committed(self, name: str, *args: Any, **how: Any) -> None:
        """As `send`; returns once it is in a block with code 0."""
        # Its sequence manager reads the committed sequence: one transaction a block.
        await self.room.chain.blocks(1)
        sent = await self.send(name, *args, **how)
        expect(await self.room.chain.delivered(sent.txhash), ("", 0), name)


async def _orders(room: Room, client: NodeClient) -> None:
    a, b = room.people
    ours = await room.watch(a)
    desk = Desk(room)
    hand = Official(room, client, a)

    async with room.check("it places a short-term order, which rests, and cancels it"):
        order = hand.order(OrderType.LIMIT, 0, BUY, 1, -100, good_til_block=desk.gtb)
        await hand.send("place_order", order)
        await ours.order(order.order_id, "BEST_EFFORT_OPENED")
        await hand.send("cancel_order", order.order_id, good_til_block=desk.gtb)
        await ours.order(order.order_id, "BEST_EFFORT_CANCELED", "USER_CANCELED")
    async with room.check("its market order fills"):
        await desk.place(b, SELL, 1, 10)
        order = hand.order(OrderType.MARKET, 0, BUY, 1, 100, good_til_block=desk.gtb)
        expect(order.time_in_force, Order.TIME_IN_FORCE_IOC)
        await hand.send("place_order", order)
        await ours.fill(order.order_id)
    async with room.check("it cancels a batch"):
        orders = [
            hand.order(OrderType.LIMIT, 0, BUY, 1, -100 - at, good_til_block=desk.gtb)
            for at in range(2)
        ]
        for order in orders:
            await hand.send("place_order", order)
        await ours.order(orders[-1].order_id, "BEST_EFFORT_OPENED")
        batch = OrderBatch(
            clob_pair_id=room.market.pair, client_ids=[one.order_id.client_id for one in orders]
        )
        await hand.send("batch_cancel_orders", subaccount(a.address, 0), [batch], desk.gtb)
        for order in orders:
            await ours.order(order.order_id, "BEST_EFFORT_CANCELED", "USER_CANCELED")
    async with room.check("it places a long-term order with its own sequence, and cancels it"):
        order = hand.order(OrderType.LIMIT, 64, BUY, 1, -100, good_til_block_time=desk.gtbt())
        await hand.committed("place_order", order)
        await ours.order(order.order_id, "OPEN")
        await hand.committed("cancel_order", order.order_id, good_til_block_time=desk.gtbt(400))
        await ours.order(order.order_id, "CANCELED", "USER_CANCELED")
    async with room.check("it places a stop with an explicit condition, and cancels it"):
        order = hand.order(
            OrderType.STOP_MARKET,
            32,
            SELL,
            1,
            -900,
            execution=OrderExecution.IOC,
            reduce_only=True,
            good_til_block_time=desk.gtbt(),
            condition_type=Order.CONDITION_TYPE_STOP_LOSS,
            conditional_order_trigger_subticks=room.market.at(-500),
        )
        await hand.committed("place_order", order)
        await ours.order(order.order_id, "UNTRIGGERED")
        await hand.committed("cancel_order", order.order_id, good_til_block_time=desk.gtbt(400))
        await ours.order(order.order_id, "CANCELED", "USER_CANCELED")


async def _money(room: Room, client: NodeClient) -> None:
    a, b = room.people
    hand = Official(room, client, a)
    async with room.check("it withdraws, deposits, transfers and pays, each with a simulated fee"):
        # Its fees are in USDC of the wallet, which a fresh account has none of.
        await a.must(a.withdraw(10 * USD), gas=200_000)
        before = await a.usdc()
        await hand.committed("withdraw", subaccount(a.address, 0), a.address, 0, 3 * USD)
        await hand.committed("deposit", a.address, subaccount(a.address, 0), 0, 2 * USD)
        await hand.committed(
            "transfer", subaccount(a.address, 0), subaccount(b.address, 0), 0, 5 * USD
        )
        await hand.committed("send_token", a.address, b.address, 1_000, USDC_DENOM)
        expect(await a.usdc(), before - 6 * USD)
    async with room.check("Wallet.from_mnemonic reads number and sequence of an account"):
        phrase = str(Bip39MnemonicGenerator().FromWordsNumber(24))
        other = Person(room.chain, room.world.target, KeyPair.from_mnemonic(phrase))
        await a.must(a.pay(other.address, 1), gas=200_000)
        await other.learn()
        wallet = await _in_thread(Wallet.from_mnemonic, client, phrase, other.address)
        mine = (wallet.address, wallet.account_number, wallet.sequence)
        expect(mine, (other.address, other.number, 0))
    async with room.check("its create_transaction and query_transaction agree on a transaction"):
        await room.chain.blocks(1)
        message = a.pay(b.address, 1, USDC_DENOM)
        tx = await _in_thread(client.create_transaction, hand.wallet, message)
        answer = await _in_thread(client.broadcast, tx)
        expect(answer.tx_response.code, 0)
        expect(await room.chain.delivered(answer.tx_response.txhash), ("", 0))
        found = await _in_thread(client.query_transaction, answer.tx_response.txhash)
        expect(found.body.messages[0], tx.body.messages[0])


async def _key(room: Room, client: NodeClient) -> None:
    a, _ = room.people
    hand = Official(room, client, a)
    desk = Desk(room)
    ours = await room.watch(a)
    pair, public = fresh_key()
    async with room.check("it adds a trading key, trades with it by TxOptions, and removes it"):
        parts = [
            Authenticator.signature_verification(public),
            Authenticator.message_filter("/dydxprotocol.clob.MsgPlaceOrder"),
        ]
        tree = Authenticator.compose(AuthenticatorType.AllOf, parts)
        await hand.committed("add_authenticator", tree)
        id_ = await newest(a)
        order = hand.order(OrderType.LIMIT, 0, BUY, 1, -100, good_til_block=desk.gtb)
        options = TxOptions([id_], 0, a.number)
        key_wallet = Wallet(pair, a.number, 0)
        answer = await _in_thread(client.place_order, key_wallet, order, tx_options=options)
        expect(answer.tx_response.code, 0)
        await ours.order(order.order_id, "BEST_EFFORT_OPENED")
        await hand.committed("remove_authenticator", id_)
        expect(await room.chain.authenticators(a.address), [])


async def official_indexer(room: Room) -> None:
    """IndexerClient and IndexerSocket."""
    a, b = room.people
    desk = Desk(room)
    async with room.check("an account with a fill for the indexer's clients"):
        ours = await room.watch(a)
        await desk.place(b, SELL, 1, 10)
        order = await desk.place(a, BUY, 1, 20, 1)
        await ours.fill(order)
        await until("the order in REST", lambda: room.rest.find(f"/orders/{uuid_of(order)}"))
    client = IndexerClient(room.world.target.rest, api_timeout=15)
    await _reads(room, client, a, b, uuid_of(order))
    await _socket(room, a)
    async with room.check("FaucetClient gives USDC"):
        if not room.world.target.here or room.world.target.faucet is None:
            raise Skip("the faucet is somebody else's")
        faucet = FaucetClient(room.world.target.faucet, api_timeout=60)
        # Into a subaccount without a position: funding moves money, too.
        before = await a.usdc(1)
        answer = await faucet.fill(a.address, 1, 7)
        expect_that(answer.is_success, str(answer.status_code))

        async def there() -> bool:
            return await a.usdc(1) == before + 7 * USD

        await until("the money", there)


async def _reads(room: Room, client: IndexerClient, a: Person, b: Person, order: str) -> None:
    ticker, me = room.market.ticker, (a.address, 0)
    account, markets = client.account, client.markets
    calls: tuple[tuple[str, Any, tuple[Any, ...], str], ...] = (
        ("account.get_subaccounts", account.get_subaccounts, (a.address,), "/addresses/x"),
        ("account.get_subaccount", account.get_subaccount, me, "/addresses/x/subaccountNumber/0"),
        (
            "account.get_parent_subaccount",
            account.get_parent_subaccount,
            me,
            "/addresses/x/parentSubaccountNumber/0",
        ),
        (
            "account.get_subaccount_perpetual_positions",
            account.get_subaccount_perpetual_positions,
            me,
            "/perpetualPositions",
        ),
        (
            "account.get_parent_subaccount_positions",
            account.get_parent_subaccount_positions,
            me,
            "/perpetualPositions/parentSubaccountNumber",
        ),
        (
            "account.get_subaccount_asset_positions",
            account.get_subaccount_asset_positions,
            me,
            "/assetPositions",
        ),
        (
            "account.get_parent_subaccount_asset_positions",
            account.get_parent_subaccount_asset_positions,
            me,
            "/assetPositions/parentSubaccountNumber",
        ),
        ("account.get_subaccount_transfers", account.get_subaccount_transfers, me, "/transfers"),
        (
            "account.get_parent_transfers",
            account.get_parent_transfers,
            me,
            "/transfers/parentSubaccountNumber",
        ),
        ("account.get_subaccount_orders", account.get_subaccount_orders, me, "/orders"),
        (
            "account.list_parent_orders",
            account.list_parent_orders,
            me,
            "/orders/parentSubaccountNumber",
        ),
        ("account.get_order", account.get_order, (order,), f"/orders/{order}"),
        ("account.get_subaccount_fills", account.get_subaccount_fills, me, "/fills"),
        (
            "account.get_parent_fills",
            account.get_parent_fills,
            me,
            "/fills/parentSubaccountNumber",
        ),
        (
            "account.get_subaccount_historical_pnls",
            account.get_subaccount_historical_pnls,
            me,
            "/historical-pnl",
        ),
        (
            "account.get_parent_historical_pnls",
            account.get_parent_historical_pnls,
            me,
            "/historical-pnl/parentSubaccountNumber",
        ),
        ("account.get_funding_payments", account.get_funding_payments, me, "/fundingPayments"),
        (
            "account.get_funding_payments_for_parent_subaccount",
            account.get_funding_payments_for_parent_subaccount,
            me,
            "/fundingPayments/parentSubaccount",
        ),
        (
            "account.get_historical_block_trading_rewards",
            account.get_historical_block_trading_rewards,
            (a.address,),
            "/historicalBlockTradingRewards/x",
        ),
        (
            "account.get_historical_trading_rewards_aggregated",
            account.get_historical_trading_rewards_aggregated,
            (a.address,),
            "/historicalTradingRewardAggregations/x",
        ),
        (
            "account.get_transfer_between",
            account.get_transfer_between,
            (a.address, 0, b.address, 0),
            "/transfers/between",
        ),
        ("markets.get_perpetual_markets", markets.get_perpetual_markets, (), "/perpetualMarkets"),
        (
            "markets.get_perpetual_markets of one",
            markets.get_perpetual_markets,
            (ticker,),
            "/perpetualMarkets",
        ),
        (
            "markets.get_perpetual_market_orderbook",
            markets.get_perpetual_market_orderbook,
            (ticker,),
            "/orderbooks/perpetualMarket/x",
        ),
        (
            "markets.get_perpetual_market_trades",
            markets.get_perpetual_market_trades,
            (ticker,),
            "/trades/perpetualMarket/x",
        ),
        (
            "markets.get_perpetual_market_candles",
            markets.get_perpetual_market_candles,
            (ticker, "1MIN"),
            "/candles/perpetualMarkets/x",
        ),
        (
            "markets.get_perpetual_market_historical_funding",
            markets.get_perpetual_market_historical_funding,
            (ticker,),
            "/historicalFunding/x",
        ),
        (
            "markets.get_perpetual_market_sparklines",
            markets.get_perpetual_market_sparklines,
            (),
            "/sparklines",
        ),
        ("utility.get_time", client.utility.get_time, (), "/time"),
        ("utility.get_height", client.utility.get_height, (), "/height"),
        (
            "utility.compliance_screen",
            client.utility.compliance_screen,
            (a.address,),
            "/compliance/screen/x",
        ),
        (
            "megavault.get_megavault_positions",
            client.megavault.get_megavault_positions,
            (),
            "/vault/v1/megavault/positions",
        ),
        (
            "megavault.get_megavault_historical_pnl",
            client.megavault.get_megavault_historical_pnl,
            ("day",),
            "/vault/v1/megavault/historicalPnl",
        ),
        ("affiliate.get_snapshot", client.affiliate.get_snapshot, (), "/affiliates/snapshot"),
    )
    for name, call, args, path in calls:
        async with room.check(f"IndexerClient.{name} is answered"):
            await room.rest.pace.acquire()
            try:
                answer = await call(*args)
            except httpx.HTTPStatusError as error:
                if error.response.status_code == 429 and "screen" in name:
                    raise Skip("its own budget, a few a minute, is used up") from None
                raise
            found = list(faults(shape_of(path, 200), answer))
            expect_that(not found, "; ".join(found[:1]))


async def _socket(room: Room, a: Person) -> None:
    """Its socket blocks: it runs in a thread and is closed from here."""
    ticker = room.market.ticker
    frames: list[dict[str, Any]] = []
    errors: list[str] = []

    def take(socket: Any, frame: dict[str, Any]) -> None:
        frames.append(frame)
        if frame["type"] == "connected":
            socket.order_book.subscribe(ticker)
            socket.trades.subscribe(ticker)
            socket.markets.subscribe()
            socket.candles.subscribe(ticker, CandlesResolution.ONE_MINUTE)
            socket.subaccounts.subscribe(a.address, 0)

    def fail(_: Any, error: Any) -> None:
        errors.append(repr(error))

    socket = IndexerSocket(room.world.target.ws, on_message=take, on_error=fail)
    thread = threading.Thread(target=socket.run_forever, name="official-socket")
    thread.start()
    try:
        async with room.check(
            "IndexerSocket subscribes to its five channels and gets each snapshot"
        ):

            async def all_there() -> bool:
                kinds = {f["channel"] for f in frames if f["type"] == "subscribed"}
                return len(kinds) == 5

            try:
                await until("five snapshots", all_there)
            except Mismatch as late:
                raise Mismatch(f"{late}; {errors} {[f['type'] for f in frames]}") from None
        async with room.check("IndexerSocket gets updates of an account, its book and its candle"):
            desk = Desk(room)
            await desk.place(room.people[1], SELL, 1, 30)
            await desk.place(a, BUY, 1, 40, 1)

            async def updates() -> bool:
                kinds = {f["channel"] for f in frames if f["type"].startswith("channel_")}
                return {"v4_subaccounts", "v4_orderbook", "v4_trades", "v4_candles"} <= kinds

            try:
                await until("updates", updates)
            except Mismatch as late:
                kinds = {(f["type"], f.get("channel")) for f in frames}
                raise Mismatch(f"{late}; {errors} {kinds}") from None
    finally:
        socket.close()
        await asyncio.to_thread(thread.join, 10)
