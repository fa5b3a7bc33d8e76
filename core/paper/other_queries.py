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
from v4_proto.dydxprotocol.bridge import query_pb2 as bridge
from v4_proto.dydxprotocol.vault import query_pb2 as vault

from core.paper.failures import Failed
from core.paper.governance import Governance

REGISTERED: Final = (bridge, distribution, ed25519, gov, staking)
_TOTAL_SHARES: Final = "/dydxprotocol.vault.Query/MegavaultTotalShares"
_NOTHING: Final = b"\x02"


def handlers(governance: Governance) -> dict[str, Callable[[Any], Any]]:
    """Those that depend on their request, by full method name."""

    def owner_shares(_: Any) -> Any:
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
        "/dydxprotocol.vault.Query/MegavaultOwnerShares": owner_shares,
        "/dydxprotocol.vault.Query/MegavaultWithdrawalInfo": withdrawal_info,
    }
