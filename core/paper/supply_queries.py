"""What a node answers about all accounts and coins together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf import json_format
from v4_proto.cosmos.auth.v1beta1 import query_pb2 as auth
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from v4_proto.cosmos.bank.v1beta1 import query_pb2 as bank
from v4_proto.cosmos.base.v1beta1.coin_pb2 import Coin
from v4_proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey

from core.dydx.protocol import USDC_DENOM
from core.paper.exchange import Exchange
from core.paper.failures import Failed
from core.paper.paging import page
from core.paper.transactions import decode_address

_METADATA = "/cosmos.bank.v1beta1.Query/DenomsMetadata"


def handlers(exchange: Exchange) -> dict[str, Callable[[Any], Any]]:
    """The answers by full method name."""

    def accounts(request: auth.QueryAccountsRequest) -> Any:
        held = exchange.state.accounts.committed
        rows = sorted((decode_address(address) or b"", address) for address in held)
        chosen, pages = page([key for key, _ in rows], request.pagination)
        answer = auth.QueryAccountsResponse(pagination=pages)
        for index in chosen:
            address = rows[index][1]
            row = held[address]
            one = BaseAccount(address=address, account_number=row.number, sequence=row.sequence)
            if row.public_key is not None:
                one.pub_key.Pack(PubKey(key=row.public_key), type_url_prefix="/")
            answer.accounts.add().Pack(one, type_url_prefix="/")
        return answer

    def supply(request: bank.QueryTotalSupplyRequest) -> Any:
        coins = sorted(_supply(exchange).items())
        chosen, pages = page([denom.encode() for denom, _ in coins], request.pagination)
        return bank.QueryTotalSupplyResponse(
            supply=[Coin(denom=coins[at][0], amount=str(coins[at][1])) for at in chosen],
            pagination=pages,
        )

    def supply_of(request: bank.QuerySupplyOfRequest) -> Any:
        amount = _supply(exchange)[request.denom]
        return bank.QuerySupplyOfResponse(amount=Coin(denom=request.denom, amount=str(amount)))

    def metadata(kind: type[Any]) -> Callable[[Any], Any]:
        def one(request: Any) -> Any:
            for row in exchange.governance.answers.get(_METADATA, {}).get("metadatas", []):
                if row["base"] == request.denom:
                    return json_format.ParseDict({"metadata": row}, kind())
            raise Failed(grpc.StatusCode.NOT_FOUND, f"client metadata for denom {request.denom}")

        return one

    return {
        "/cosmos.auth.v1beta1.Query/Accounts": accounts,
        "/cosmos.bank.v1beta1.Query/TotalSupply": supply,
        "/cosmos.bank.v1beta1.Query/SupplyOf": supply_of,
        "/cosmos.bank.v1beta1.Query/DenomMetadata": metadata(bank.QueryDenomMetadataResponse),
        "/cosmos.bank.v1beta1.Query/DenomMetadataByQueryString": metadata(
            bank.QueryDenomMetadataByQueryStringResponse
        ),
    }


def _supply(exchange: Exchange) -> Counter[str]:
    """All coins: those in wallets, and the USDC that the subaccounts hold."""
    total: Counter[str] = Counter()
    for (_, denom), amount in exchange.state.balances.committed.items():
        total[denom] += amount
    total[USDC_DENOM] += sum(held.usdc for held in exchange.state.subaccounts.committed.values())
    return total
