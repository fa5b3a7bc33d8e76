"""The node's queries that a client asks, and CometBFT's JSON-RPC."""

from __future__ import annotations

import base64
from typing import Any

import grpc
from v4_proto.cosmos.auth.v1beta1 import query_pb2 as auth
from v4_proto.cosmos.auth.v1beta1.query_pb2_grpc import QueryStub as AuthStub
from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank
from v4_proto.cosmos.bank.v1beta1.query_pb2_grpc import QueryStub as BankStub
from v4_proto.cosmos.base.node.v1beta1 import query_pb2 as node
from v4_proto.cosmos.base.node.v1beta1.query_pb2_grpc import ServiceStub as NodeStub
from v4_proto.cosmos.base.query.v1beta1.pagination_pb2 import PageRequest
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.cosmos.base.tendermint.v1beta1.query_pb2_grpc import ServiceStub as BlockStub
from v4_proto.dydxprotocol.accountplus import query_pb2 as accountplus
from v4_proto.dydxprotocol.accountplus.query_pb2_grpc import QueryStub as AccountPlusStub
from v4_proto.dydxprotocol.affiliates import query_pb2 as affiliates
from v4_proto.dydxprotocol.affiliates.query_pb2_grpc import QueryStub as AffiliatesStub
from v4_proto.dydxprotocol.blocktime import query_pb2 as blocktime
from v4_proto.dydxprotocol.blocktime.query_pb2_grpc import QueryStub as BlocktimeStub
from v4_proto.dydxprotocol.clob import query_pb2 as clob
from v4_proto.dydxprotocol.clob.query_pb2_grpc import QueryStub as ClobStub
from v4_proto.dydxprotocol.feetiers import query_pb2 as feetiers
from v4_proto.dydxprotocol.feetiers.query_pb2_grpc import QueryStub as FeeStub
from v4_proto.dydxprotocol.perpetuals import query_pb2 as perpetuals
from v4_proto.dydxprotocol.perpetuals.query_pb2_grpc import QueryStub as PerpetualsStub
from v4_proto.dydxprotocol.prices import query_pb2 as prices
from v4_proto.dydxprotocol.prices.query_pb2_grpc import QueryStub as PricesStub
from v4_proto.dydxprotocol.ratelimit import query_pb2 as ratelimit
from v4_proto.dydxprotocol.ratelimit.query_pb2_grpc import QueryStub as RatelimitStub
from v4_proto.dydxprotocol.rewards import query_pb2 as rewards
from v4_proto.dydxprotocol.rewards.query_pb2_grpc import QueryStub as RewardsStub
from v4_proto.dydxprotocol.stats import query_pb2 as stats
from v4_proto.dydxprotocol.stats.query_pb2_grpc import QueryStub as StatsStub
from v4_proto.dydxprotocol.subaccounts import query_pb2 as subaccounts
from v4_proto.dydxprotocol.subaccounts.query_pb2_grpc import QueryStub as SubaccountsStub

from core.dydx.protocol import USDC_DENOM
from tests.conformance.chain import CALL_S, GOOD, hash_of, integer
from tests.conformance.chapters.refusals import UNKNOWN_PAIR, Draft
from tests.conformance.checks import Mismatch, Skip, expect, expect_that, until
from tests.conformance.people import LONG, Person
from tests.conformance.world import Room


async def _status(call: Any) -> str:
    """The name of the gRPC status that a call ends with."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return str(error.code().name)
    return "OK"


async def queries(room: Room) -> None:
    """Each query once, against what is known otherwise."""
    await _blocks(room)
    await _accounts(room)
    await _clob(room)
    await _params(room)


async def _blocks(room: Room) -> None:
    chain = room.chain
    stub = BlockStub(chain.channel)
    async with room.check("GetLatestBlock and GetBlockByHeight name chain, height and time"):
        last = await stub.GetLatestBlock(tendermint.GetLatestBlockRequest(), timeout=CALL_S)
        height = last.block.header.height
        expect(last.block.header.chain_id, room.world.target.chain_id)
        expect(last.sdk_block.header.height, height)
        same = await stub.GetBlockByHeight(
            tendermint.GetBlockByHeightRequest(height=height), timeout=CALL_S
        )
        expect(same.block_id.hash, last.block_id.hash, "the block's hash")
        status = await _status(
            stub.GetBlockByHeight(
                tendermint.GetBlockByHeightRequest(height=height + 1_000), timeout=CALL_S
            )
        )
        expect(status, "INVALID_ARGUMENT", "a block to come")
    async with room.check("GetNodeInfo and Status tell the network and the least gas price"):
        info = await stub.GetNodeInfo(tendermint.GetNodeInfoRequest(), timeout=CALL_S)
        expect(info.default_node_info.network, room.world.target.chain_id)
        config = await NodeStub(chain.channel).Status(node.StatusRequest(), timeout=CALL_S)
        expect_that(config.height > 0, "no height")
    async with room.check("GetSyncing says that the node follows the chain"):
        answer = await stub.GetSyncing(tendermint.GetSyncingRequest(), timeout=CALL_S)
        expect(answer.syncing, False)
    async with room.check("GetLatestValidatorSet names validators"):
        answer = await stub.GetLatestValidatorSet(
            tendermint.GetLatestValidatorSetRequest(), timeout=CALL_S
        )
        expect_that(len(answer.validators) > 0, "none")
    async with room.check("PreviousBlockInfo is the last block's height and time"):
        answer = await BlocktimeStub(chain.channel).PreviousBlockInfo(
            blocktime.QueryPreviousBlockInfoRequest(), timeout=CALL_S
        )
        expect_that(answer.info.height >= chain.height - 1, f"height {answer.info.height}")


async def _accounts(room: Room) -> None:
    chain, who = room.chain, room.people[0]
    unknown = Person(chain, room.world.target)
    async with room.check("Account gives number and sequence; of an unknown address NOT_FOUND"):
        known = await chain.account(who.address)
        expect(known, (who.number, 0))
        status = await _status(
            AuthStub(chain.channel).Account(
                auth.QueryAccountRequest(address=unknown.address), timeout=CALL_S
            )
        )
        expect(status, "NOT_FOUND")
        status = await _status(
            AuthStub(chain.channel).Account(
                auth.QueryAccountRequest(address="dydx1nonsense"), timeout=CALL_S
            )
        )
        expect(status, "UNKNOWN", "of nonsense")
    async with room.check("AllBalances and Balance agree; of an unknown address they are empty"):
        stub = BankStub(chain.channel)
        held = await chain.balances(who.address)
        for denom, amount in held.items():
            one = await stub.Balance(
                bank.QueryBalanceRequest(address=who.address, denom=denom), timeout=CALL_S
            )
            expect(int(one.balance.amount), amount, denom)
        expect(await chain.balances(unknown.address), {})
        one = await stub.Balance(
            bank.QueryBalanceRequest(address=unknown.address, denom=USDC_DENOM), timeout=CALL_S
        )
        expect(one.balance.amount, "0")
    async with room.check("Subaccount shows committed USDC; of an unknown owner it is empty"):
        funds = room.world.target.funds_usdc * 1_000_000
        expect(await chain.subaccount(who.address), (funds, {}))
        expect(await chain.subaccount(unknown.address), (0, {}))
    async with room.check("SubaccountAll pages through all subaccounts"):
        stub = SubaccountsStub(chain.channel)
        page = await stub.SubaccountAll(
            subaccounts.QueryAllSubaccountRequest(pagination=PageRequest(limit=2)), timeout=CALL_S
        )
        expect(len(page.subaccount), 2)
        expect_that(page.pagination.next_key, "no next page")
        more = await stub.SubaccountAll(
            subaccounts.QueryAllSubaccountRequest(
                pagination=PageRequest(key=page.pagination.next_key, limit=1)
            ),
            timeout=CALL_S,
        )
        expect_that(more.subaccount[0].id not in [row.id for row in page.subaccount], "the same")
    async with room.check("the withdrawal gate is answered, and withdrawals are open"):
        answer = await SubaccountsStub(chain.channel).GetWithdrawalAndTransfersBlockedInfo(
            subaccounts.QueryGetWithdrawalAndTransfersBlockedInfoRequest(perpetual_id=0),
            timeout=CALL_S,
        )
        open_at = answer.withdrawals_and_transfers_unblocked_at_block
        expect_that(open_at <= chain.height, f"they open at {open_at}")
    async with room.check("GetAuthenticators of an account without any is empty"):
        answer = await AccountPlusStub(chain.channel).GetAuthenticators(
            accountplus.GetAuthenticatorsRequest(account=who.address), timeout=CALL_S
        )
        expect(len(answer.account_authenticators), 0)


async def _clob(room: Room) -> None:
    chain, who = room.chain, room.people[0]
    stub = ClobStub(chain.channel)
    async with room.check("ClobPairAll and ClobPair agree with the indexer's markets"):
        answer = await stub.ClobPairAll(
            clob.QueryAllClobPairRequest(pagination=PageRequest(limit=1_000)), timeout=CALL_S
        )
        pairs = {pair.id: pair for pair in answer.clob_pair}
        for ticker in room.world.markets.tickers():
            row = room.world.markets.row(ticker)
            pair = pairs[int(row["clobPairId"])]
            mine = (pair.step_base_quantums, pair.subticks_per_tick)
            expect(mine, (row["stepBaseQuantums"], row["subticksPerTick"]), ticker)
            expect(pair.quantum_conversion_exponent, row["quantumConversionExponent"], ticker)
        one = await stub.ClobPair(clob.QueryGetClobPairRequest(id=room.market.pair), timeout=CALL_S)
        expect(one.clob_pair, pairs[room.market.pair])
        status = await _status(
            stub.ClobPair(clob.QueryGetClobPairRequest(id=UNKNOWN_PAIR), timeout=CALL_S)
        )
        expect(status, "NOT_FOUND", "an unknown market")
    async with room.check("AllPerpetuals and Perpetual agree with the indexer's markets"):
        perpetual = PerpetualsStub(chain.channel)
        answer = await perpetual.AllPerpetuals(
            perpetuals.QueryAllPerpetualsRequest(pagination=PageRequest(limit=1_000)),
            timeout=CALL_S,
        )
        for row in answer.perpetual:
            if row.params.ticker in room.world.markets.tickers():
                told = room.world.markets.row(row.params.ticker)
                expect(row.params.atomic_resolution, told["atomicResolution"], row.params.ticker)
        one = await perpetual.Perpetual(
            perpetuals.QueryPerpetualRequest(id=room.market.perpetual_id), timeout=CALL_S
        )
        expect(one.perpetual.params.ticker, room.market.ticker)
    async with room.check("AllMarketPrices and MarketPrice agree"):
        price = PricesStub(chain.channel)
        answer = await price.AllMarketPrices(
            prices.QueryAllMarketPricesRequest(pagination=PageRequest(limit=1_000)),
            timeout=CALL_S,
        )
        one = await price.MarketPrice(
            prices.QueryMarketPriceRequest(id=room.market.price_id), timeout=CALL_S
        )
        known = {row.id: row.exponent for row in answer.market_prices}
        expect(known[room.market.price_id], one.market_price.exponent)
    async with room.check("the equity tiers rise in equity and in orders"):
        answer = await stub.EquityTierLimitConfiguration(
            clob.QueryEquityTierLimitConfigurationRequest(), timeout=CALL_S
        )
        tiers = answer.equity_tier_limit_config.stateful_order_equity_tiers
        ladder = [(integer(row.usd_tnc_required), row.limit) for row in tiers]
        expect_that(ladder and ladder == sorted(ladder), f"the tiers were {ladder}")
    async with room.check("the block rate limits name blocks and orders"):
        answer = await stub.BlockRateLimitConfiguration(
            clob.QueryBlockRateLimitConfigurationRequest(), timeout=CALL_S
        )
        config = answer.block_rate_limit_config
        limits = config.max_stateful_orders_per_n_blocks
        expect_that(all(row.num_blocks > 0 and row.limit > 0 for row in limits), "a limit of 0")
        expect_that(len(limits) > 0, "no limit for stateful orders")
    async with room.check("StatefulOrder of an unknown order is NOT_FOUND"):
        expect(await chain.stateful(who.order_id(room.market.pair, LONG)), ("gone", 0))


async def _params(room: Room) -> None:
    chain, who = room.chain, room.people[0]
    fees = FeeStub(chain.channel)
    async with room.check("UserFeeTier is one of PerpetualFeeParams"):
        tier = await fees.UserFeeTier(
            feetiers.QueryUserFeeTierRequest(user=who.address), timeout=CALL_S
        )
        listed = await fees.PerpetualFeeParams(
            feetiers.QueryPerpetualFeeParamsRequest(), timeout=CALL_S
        )
        expect(listed.params.tiers[tier.index], tier.tier)
    calls: tuple[tuple[str, Any, str, Any], ...] = (
        ("UserStats", StatsStub, "UserStats", stats.QueryUserStatsRequest(user=who.address)),
        ("the rewards' Params", RewardsStub, "Params", rewards.QueryParamsRequest()),
        (
            "CapacityByDenom",
            RatelimitStub,
            "CapacityByDenom",
            ratelimit.QueryCapacityByDenomRequest(denom=USDC_DENOM),
        ),
        (
            "AffiliateInfo",
            AffiliatesStub,
            "AffiliateInfo",
            affiliates.AffiliateInfoRequest(address=who.address),
        ),
        (
            "AllAffiliateTiers",
            AffiliatesStub,
            "AllAffiliateTiers",
            affiliates.AllAffiliateTiersRequest(),
        ),
        (
            "ReferredBy",
            AffiliatesStub,
            "ReferredBy",
            affiliates.ReferredByRequest(address=who.address),
        ),
    )
    for name, stub, method, request in calls:
        async with room.check(f"{name} is answered"):
            await getattr(stub(chain.channel), method)(request, timeout=CALL_S)
    async with room.check("an unknown method is UNIMPLEMENTED"):
        call: Any = chain.channel.unary_unary(
            "/dydxprotocol.clob.Query/Nothing",
            request_serializer=bytes,
            response_deserializer=bytes,
        )
        expect(await _status(call(b"", timeout=CALL_S)), "UNIMPLEMENTED")


async def comet(room: Room) -> None:
    """CometBFT's JSON-RPC, for clients that speak only that."""
    if room.world.target.rpc is None:
        raise Skip("DYDX_<NETWORK>_RPC is not set")
    root = room.world.target.rpc
    who = room.people[0]
    draft = Draft(who, room.market)

    async def ask(method: str, **params: Any) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        answer = await room.rest.http.post(root, json=body)
        read: dict[str, Any] = answer.json()
        expect((read.get("jsonrpc"), read.get("id")), ("2.0", 7), method)
        return read

    async def good(method: str, **params: Any) -> dict[str, Any]:
        read = await ask(method, **params)
        if "result" not in read:
            raise Mismatch(f"{method} answered {str(read)[:200]}")
        result: dict[str, Any] = read["result"]
        return result

    async with room.check("status names the chain and the last block, by POST and by GET"):
        told = await good("status")
        expect(told["node_info"]["network"], room.world.target.chain_id)
        expect_that(int(told["sync_info"]["latest_block_height"]) > 0, "no height")
        expect(told["sync_info"]["catching_up"], False)
        got = (await room.rest.http.get(f"{root}/status")).json()["result"]
        expect(set(got), set(told))
    async with room.check("block is the latest one, or the one of a height"):
        last = await good("block")
        height = last["block"]["header"]["height"]
        same = await good("block", height=height)
        expect(same["block_id"], last["block_id"])
    async with room.check("health and abci_info are answered"):
        expect(await good("health"), {})
        info = await good("abci_info")
        expect_that(int(info["response"]["last_block_height"]) > 0, "no height")
    async with room.check("broadcast_tx_sync takes a short-term order and refuses a bad one"):
        tx = who.sign(draft.order())
        told = await good("broadcast_tx_sync", tx=base64.b64encode(tx).decode())
        expect((told["code"], told["hash"]), (0, hash_of(tx)))
        tx = who.sign(draft.order(quantums=0))
        told = await good("broadcast_tx_sync", tx=base64.b64encode(tx).decode())
        expect((told["code"], told["codespace"]), (4, "clob"))
    async with room.check("broadcast_tx_sync of bytes that are known is an error"):
        read = await ask("broadcast_tx_sync", tx=base64.b64encode(tx).decode())
        expect_that("error" in read, f"it answered {str(read)[:200]}")
        expect(read["error"]["data"], "tx already exists in cache")
    async with room.check("tx finds a committed transaction with its code"):
        tx = who.sign(draft.order(LONG), sequence=who.nonce())
        told = await good("broadcast_tx_sync", tx=base64.b64encode(tx).decode())
        expect(told["code"], 0)
        expect(await room.chain.delivered(hash_of(tx)), GOOD)
        hash_text = base64.b64encode(bytes.fromhex(hash_of(tx))).decode()
        row = await until("the transaction", lambda: _found(ask, hash_text))
        expect((row["hash"], row["tx_result"]["code"]), (hash_of(tx), 0))
    async with room.check("abci_query answers a gRPC query"):
        request = auth.QueryAccountRequest(address=who.address).SerializeToString()
        told = await good(
            "abci_query", path="/cosmos.auth.v1beta1.Query/Account", data=request.hex()
        )
        answer = auth.QueryAccountResponse.FromString(base64.b64decode(told["response"]["value"]))
        expect_that(answer.account.type_url.endswith("BaseAccount"), "no account")
    async with room.check("an unknown method is error -32601"):
        read = await ask("nothing")
        expect(read["error"]["code"], -32601)


async def _found(ask: Any, hash_text: str) -> Any:
    read = await ask("tx", hash=hash_text)
    return read.get("result")
