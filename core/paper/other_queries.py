"""Queries of modules that the paper network has nothing to do with, so that clients which ask them
find what they find on a fresh local network: nobody stakes, votes, bridges or owns a vault.

Importing the modules registers their services; most answers stand in the governance file.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf import json_format
from v4_proto.cosmos.crypto.ed25519 import keys_pb2 as ed25519
from v4_proto.cosmos.distribution.v1beta1 import query_pb2 as distribution
from v4_proto.cosmos.gov.v1 import query_pb2 as gov
from v4_proto.cosmos.staking.v1beta1 import query_pb2 as staking
from v4_proto.dydxprotocol.assets import query_pb2 as assets
from v4_proto.dydxprotocol.bridge import query_pb2 as bridge
from v4_proto.dydxprotocol.revshare import query_pb2 as revshare
from v4_proto.dydxprotocol.vault import query_pb2 as vault

from core.paper.exchange import Exchange
from core.paper.failures import Failed

REGISTERED: Final = (bridge, distribution, ed25519, gov, staking)
_ASSETS: Final = "/dydxprotocol.assets.Query/AllAssets"
_OWNERS: Final = "/dydxprotocol.vault.Query/MegavaultAllOwnerShares"
_EXPIRED_S: Final = 1_672_531_200
_TOTAL_SHARES: Final = "/dydxprotocol.vault.Query/MegavaultTotalShares"
_NOTHING: Final = b"\x02"


def handlers(exchange: Exchange) -> dict[str, Callable[[Any], Any]]:
    """Those that depend on their request, by full method name."""

    governance = exchange.governance

    def asset(request: assets.QueryAssetRequest) -> Any:
        for row in governance.answers[_ASSETS]["asset"]:
            if row["id"] == request.id:
                return json_format.ParseDict({"asset": row}, assets.QueryAssetResponse())
        raise Failed(grpc.StatusCode.NOT_FOUND, f"Asset id {request.id} not found.")

    def mapper_share(request: revshare.QueryMarketMapperRevShareDetails) -> Any:
        if all(row.market_id != request.market_id for row in governance.markets.values()):
            raise Failed(
                grpc.StatusCode.UNKNOWN,
                "codespace revshare code 3: MarketMapperRevShareDetails not found for marketId",
            )
        answer = revshare.QueryMarketMapperRevShareDetailsResponse()
        answer.details.expiration_ts = _EXPIRED_S
        return answer

    def router_share(_: Any) -> Any:
        raise Failed(
            grpc.StatusCode.UNKNOWN, "codespace revshare code 8: order router rev share not found"
        )

    def no_vault(_: Any) -> Any:
        raise Failed(grpc.StatusCode.NOT_FOUND, "vault not found")

    def owner_shares(request: vault.QueryMegavaultOwnerSharesRequest) -> Any:
        for row in governance.answers.get(_OWNERS, {}).get("owner_shares", []):
            if row["owner"] == request.address:
                return json_format.ParseDict(
                    {"address": request.address, "shares": row["shares"]},
                    vault.QueryMegavaultOwnerSharesResponse(
                        equity=_NOTHING, withdrawable_equity=_NOTHING
                    ),
                )
        raise Failed(grpc.StatusCode.NOT_FOUND, "owner not found")

    def withdrawal_info(request: vault.QueryMegavaultWithdrawalInfoRequest) -> Any:
        total = json_format.ParseDict(
            governance.answers[_TOTAL_SHARES], vault.QueryMegavaultTotalSharesResponse()
        )
        return vault.QueryMegavaultWithdrawalInfoResponse(
            shares_to_withdraw=request.shares_to_withdraw,
            expected_quote_quantums=_NOTHING,
            megavault_equity=_NOTHING,
            total_shares=total.total_shares,
        )

    return {
        "/dydxprotocol.assets.Query/Asset": asset,
        "/dydxprotocol.revshare.Query/MarketMapperRevShareDetails": mapper_share,
        "/dydxprotocol.revshare.Query/OrderRouterRevShare": router_share,
        "/dydxprotocol.vault.Query/Vault": no_vault,
        "/dydxprotocol.vault.Query/VaultParams": no_vault,
        "/dydxprotocol.vault.Query/MegavaultOwnerShares": owner_shares,
        "/dydxprotocol.vault.Query/MegavaultWithdrawalInfo": withdrawal_info,
    }
