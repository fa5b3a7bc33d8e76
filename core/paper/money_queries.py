"""What a node answers about money: wallets, subaccounts, fee tiers, volumes, premiums, clocks, and
whether money may move.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf import json_format
from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank
from v4_proto.cosmos.base.query.v1beta1.pagination_pb2 import PageResponse
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.dydxprotocol.blocktime import query_pb2 as blocktime
from v4_proto.dydxprotocol.epochs import query_pb2 as epochs
from v4_proto.dydxprotocol.epochs.epoch_info_pb2 import EpochInfo
from v4_proto.dydxprotocol.feetiers import query_pb2 as feetiers
from v4_proto.dydxprotocol.feetiers.params_pb2 import PerpetualFeeTier
from v4_proto.dydxprotocol.perpetuals import query_pb2 as perpetuals
from v4_proto.dydxprotocol.perpetuals.perpetual_pb2 import MarketPremiums, PremiumStore
from v4_proto.dydxprotocol.ratelimit import query_pb2 as ratelimit
from v4_proto.dydxprotocol.stats import query_pb2 as stats
from v4_proto.dydxprotocol.subaccounts import query_pb2 as subaccounts

from core.dydx.protocol import USDC_DENOM
from core.paper.epochs import committed_epochs
from core.paper.exchange import Exchange
from core.paper.failures import Failed
from core.paper.fees import EVERYBODY, Fees, FeeTier
from core.paper.funding import SAMPLES, VOTES
from core.paper.funds import collateral_pool, collateral_pools
from core.paper.gates import gate, outage_lengths_s
from core.paper.happenings import SubaccountKey
from core.paper.paging import page
from core.paper.shapes import serialized_integer, subaccount
from core.paper.state import Epoch, Premiums, Volume
from core.paper.transactions import decode_address

_NOTHING: Final = serialized_integer(0)

Handler = Callable[[Any], Any]


class MoneyQueries:
    """Answers about the committed state."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._state = exchange.state
        self._fees = Fees(exchange.governance, exchange.state)
        markets = exchange.governance.markets
        self._pool_addresses = {collateral_pool(market) for market in markets.values()}

    def handlers(self) -> dict[str, Handler]:
        """The answers by full method name."""
        return {
            "/cosmos.bank.v1beta1.Query/Balance": self._balance,
            "/cosmos.bank.v1beta1.Query/AllBalances": self._balances,
            "/cosmos.bank.v1beta1.Query/SpendableBalances": self._spendable,
            "/dydxprotocol.subaccounts.Query/Subaccount": self._subaccount,
            "/dydxprotocol.subaccounts.Query/SubaccountAll": self._subaccounts,
            "/dydxprotocol.subaccounts.Query/CollateralPoolAddress": self._pool_address,
            "/dydxprotocol.subaccounts.Query/GetWithdrawalAndTransfersBlockedInfo": self._gate,
            "/dydxprotocol.feetiers.Query/UserFeeTier": self._fee_tier,
            "/dydxprotocol.feetiers.Query/PerMarketFeeDiscountParams": self._discount,
            "/dydxprotocol.feetiers.Query/UserStakingTier": self._staking_tier,
            "/dydxprotocol.stats.Query/UserStats": self._user_stats,
            "/dydxprotocol.stats.Query/GlobalStats": self._global_stats,
            "/dydxprotocol.perpetuals.Query/PremiumVotes": lambda _: (
                perpetuals.QueryPremiumVotesResponse(premium_votes=self._premiums(VOTES))
            ),
            "/dydxprotocol.perpetuals.Query/PremiumSamples": lambda _: (
                perpetuals.QueryPremiumSamplesResponse(premium_samples=self._premiums(SAMPLES))
            ),
            "/dydxprotocol.epochs.Query/EpochInfo": self._epoch,
            "/dydxprotocol.epochs.Query/EpochInfoAll": self._epochs,
            "/dydxprotocol.blocktime.Query/AllDowntimeInfo": self._outages,
            "/dydxprotocol.ratelimit.Query/CapacityByDenom": self._capacity,
        }

    # -- wallets and subaccounts ------------------------------------------------------------

    def _balance(self, request: bank.QueryBalanceRequest) -> Any:
        amount = self._held(request.address).get(request.denom, 0)
        return bank.QueryBalanceResponse(balance=Coin(denom=request.denom, amount=str(amount)))

    def _coins(self, address: str, request: Any) -> tuple[list[Coin], PageResponse]:
        held = list(self._held(address).items())
        chosen, answer = page([denom.encode() for denom, _ in held], request.pagination)
        coins = [Coin(denom=held[index][0], amount=str(held[index][1])) for index in chosen]
        return coins, answer

    def _held(self, address: str) -> dict[str, int]:
        """What an address holds; for a collateral pool the USDC of the subaccounts behind it."""
        if address in self._pool_addresses:
            held = self._state.subaccounts.committed
            pools = collateral_pools(self._exchange.governance.markets, held)
            amount = pools.get(address, 0)
            return {USDC_DENOM: amount} if amount > 0 else {}
        return self._exchange.balances(address)

    def _balances(self, request: bank.QueryAllBalancesRequest) -> Any:
        coins, answer = self._coins(request.address, request)
        return bank.QueryAllBalancesResponse(balances=coins, pagination=answer)

    def _spendable(self, request: bank.QuerySpendableBalancesRequest) -> Any:
        coins, answer = self._coins(request.address, request)
        return bank.QuerySpendableBalancesResponse(balances=coins, pagination=answer)

    def _subaccount(self, request: subaccounts.QueryGetSubaccountRequest) -> Any:
        key = SubaccountKey(request.owner, request.number)
        held = self._exchange.subaccount(key)
        return subaccounts.QuerySubaccountResponse(subaccount=subaccount(key, held))

    def _subaccounts(self, request: subaccounts.QueryAllSubaccountRequest) -> Any:
        rows = sorted(
            self._exchange.subaccounts().items(), key=lambda row: (row[0].owner, row[0].number)
        )
        keys = [f"{key.owner}/{key.number}".encode() for key, _ in rows]
        chosen, answer = page(keys, request.pagination)
        return subaccounts.QuerySubaccountAllResponse(
            subaccount=[subaccount(*rows[index]) for index in chosen], pagination=answer
        )

    def _pool_address(self, request: subaccounts.QueryCollateralPoolAddressRequest) -> Any:
        market = self._exchange.governance.markets.get(request.perpetual_id)
        if market is None:
            raise Failed(
                grpc.StatusCode.NOT_FOUND, f"Perpetual id {request.perpetual_id} not found."
            )
        return subaccounts.QueryCollateralPoolAddressResponse(
            collateral_pool_address=collateral_pool(market)
        )

    def _gate(self, request: subaccounts.QueryGetWithdrawalAndTransfersBlockedInfoRequest) -> Any:
        market = self._exchange.governance.markets.get(request.perpetual_id)
        isolated = market is not None and market.market_type == "ISOLATED"
        found = gate(
            self._state.negative.committed,
            self._state.outages.committed,
            f":{request.perpetual_id}" if isolated else "",
        )
        return subaccounts.QueryGetWithdrawalAndTransfersBlockedInfoResponse(
            negative_tnc_subaccount_seen_at_block=found.negative_at,
            chain_outage_seen_at_block=found.outage_at,
            withdrawals_and_transfers_unblocked_at_block=found.open_at,
        )

    # -- fees and volumes -------------------------------------------------------------------

    def _tier_of(self, address: str) -> tuple[int, FeeTier]:
        if decode_address(address) is None:
            raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "invalid bech32 address")
        return self._fees.tier(address, self._state.volumes.committed)

    def _fee_tier(self, request: feetiers.QueryUserFeeTierRequest) -> Any:
        index, tier = self._tier_of(request.user)
        shown = PerpetualFeeTier(
            name=tier.name,
            absolute_volume_requirement=tier.volume,
            total_volume_share_requirement_ppm=tier.total_share_ppm,
            maker_volume_share_requirement_ppm=tier.maker_share_ppm,
            maker_fee_ppm=tier.maker_fee_ppm,
            taker_fee_ppm=tier.taker_fee_ppm,
        )
        return feetiers.QueryUserFeeTierResponse(index=index, tier=shown)

    def _discount(self, request: feetiers.QueryPerMarketFeeDiscountParamsRequest) -> Any:
        answers = self._exchange.governance.answers
        rows = answers.get("/dydxprotocol.feetiers.Query/AllMarketFeeDiscountParams", {})
        for row in rows.get("params", []):
            if row["clob_pair_id"] == request.clob_pair_id:
                return json_format.ParseDict(
                    {"params": row}, feetiers.QueryPerMarketFeeDiscountParamsResponse()
                )
        raise Failed(
            grpc.StatusCode.NOT_FOUND, "fee discount not found for the specified market/CLOB pair"
        )

    def _staking_tier(self, request: feetiers.QueryUserStakingTierRequest) -> Any:
        _, tier = self._tier_of(request.address)
        return feetiers.QueryUserStakingTierResponse(
            fee_tier_name=tier.name,
            staked_base_tokens=_NOTHING,
            discount_ppm=self._fees.staking_discount_ppm(tier.name),
        )

    def _user_stats(self, request: stats.QueryUserStatsRequest) -> Any:
        held = self._state.volumes.committed.get(request.user) or Volume()
        answer = stats.QueryUserStatsResponse()
        answer.stats.SetInParent()
        answer.stats.taker_notional, answer.stats.maker_notional = held.taker, held.maker
        return answer

    def _global_stats(self, _: object) -> Any:
        held = self._state.volumes.committed.get(EVERYBODY) or Volume()
        answer = stats.QueryGlobalStatsResponse()
        answer.stats.SetInParent()
        answer.stats.notional_traded = held.taker
        return answer

    def _capacity(self, request: ratelimit.QueryCapacityByDenomRequest) -> Any:
        answers = self._exchange.governance.answers
        rows = answers["/dydxprotocol.ratelimit.Query/ListLimitParams"]["limit_params_list"]
        capacities = [
            {"limiter": limiter, "capacity": limiter["baseline_minimum"]}
            for row in rows
            if row["denom"] == request.denom
            for limiter in row["limiters"]
        ]
        return json_format.ParseDict(
            {"limiter_capacity_list": capacities}, ratelimit.QueryCapacityByDenomResponse()
        )

    # -- funding and clocks -----------------------------------------------------------------

    def _premiums(self, name: str) -> PremiumStore:
        held = self._state.premiums.committed.get(name) or Premiums()
        return PremiumStore(
            num_premiums=held.count,
            all_market_premiums=[
                MarketPremiums(perpetual_id=perpetual_id, premiums=values)
                for perpetual_id, values in held.values
            ],
        )

    def _epoch(self, request: epochs.QueryGetEpochInfoRequest) -> Any:
        clock = committed_epochs(self._state).get(request.name)
        if clock is None:
            raise Failed(grpc.StatusCode.NOT_FOUND, "not found")
        return epochs.QueryEpochInfoResponse(epoch_info=_epoch_info(request.name, clock))

    def _epochs(self, request: epochs.QueryAllEpochInfoRequest) -> Any:
        rows = list(committed_epochs(self._state).items())
        chosen, answer = page([name.encode() for name, _ in rows], request.pagination)
        return epochs.QueryEpochInfoAllResponse(
            epoch_info=[_epoch_info(*rows[index]) for index in chosen], pagination=answer
        )

    def _outages(self, _: object) -> Any:
        answer = blocktime.QueryAllDowntimeInfoResponse()
        answer.info.SetInParent()
        for length_s in outage_lengths_s(self._exchange.governance):
            info = answer.info.infos.add()
            info.duration.FromSeconds(length_s)
            info.block_info.SetInParent()
            outage = self._state.outages.committed.get(length_s)
            if outage is not None:
                info.block_info.height = outage.height
                info.block_info.timestamp.FromMicroseconds(outage.time_us)
        return answer


def _epoch_info(name: str, clock: Epoch) -> EpochInfo:
    return EpochInfo(
        name=name,
        next_tick=clock.next_tick_s,
        duration=clock.duration_s,
        current_epoch=clock.number,
        current_epoch_start_block=clock.start_height,
        is_initialized=clock.running,
        fast_forward_next_tick=True,
    )
