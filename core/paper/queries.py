"""What a node answers when asked: committed state in the chain's own shapes.

Parameter queries answer what governance.json holds for them; the others are built from the
exchange. Whatever is in neither is UNIMPLEMENTED, as an unknown method is on a real node.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from v4_proto.cosmos.auth.v1beta1 import query_pb2 as auth
from v4_proto.cosmos.auth.v1beta1.auth_pb2 import BaseAccount
from v4_proto.cosmos.base.node.v1beta1 import query_pb2 as node_info
from v4_proto.cosmos.base.query.v1beta1.pagination_pb2 import PageResponse
from v4_proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint
from v4_proto.cosmos.crypto.secp256k1.keys_pb2 import PubKey
from v4_proto.dydxprotocol.accountplus import query_pb2 as accountplus
from v4_proto.dydxprotocol.accountplus.models_pb2 import AccountAuthenticator
from v4_proto.dydxprotocol.affiliates import query_pb2 as affiliates
from v4_proto.dydxprotocol.assets import query_pb2 as assets
from v4_proto.dydxprotocol.blocktime import query_pb2 as blocktime
from v4_proto.dydxprotocol.clob import query_pb2 as clob
from v4_proto.dydxprotocol.listing import query_pb2 as listing
from v4_proto.dydxprotocol.perpetuals import query_pb2 as perpetuals
from v4_proto.dydxprotocol.prices import query_pb2 as prices
from v4_proto.dydxprotocol.revshare import query_pb2 as revshare
from v4_proto.dydxprotocol.rewards import query_pb2 as rewards
from v4_proto.dydxprotocol.vault import query_pb2 as vault

from core.dydx.protocol import OrderFlags
from core.paper import blocks, other_queries, supply_queries, tx_service
from core.paper.addresses import complaint
from core.paper.exchange import Exchange
from core.paper.failures import Failed
from core.paper.gotext import go_id
from core.paper.governance import Market
from core.paper.happenings import SubaccountKey
from core.paper.money_queries import MoneyQueries
from core.paper.orders import STATEFUL_FLAGS, order_key, wire_order
from core.paper.paging import page
from core.paper.shapes import clob_pair, market_param, market_price, perpetual
from core.paper.state import Authenticator
from core.paper.transactions import decode_address

# Importing a module registers its services; these are the ones only static answers use.
_REGISTERED: Final = (assets, blocktime, listing, revshare, rewards, vault)


Handler = Callable[[Any], Any]


class Queries:
    """Answers by full method name."""

    def __init__(self, exchange: Exchange, moniker: str) -> None:
        self._exchange = exchange
        self._moniker = moniker
        self._requests: dict[str, type[Any] | None] = {}
        self._static: dict[str, bytes] = {}
        self._handlers: dict[str, Handler] = {
            **self._framework(),
            **self._clob(),
            **self._accounts(),
            **MoneyQueries(exchange).handlers(),
            **other_queries.handlers(exchange),
            **supply_queries.handlers(exchange),
        }

    def answer(self, method: str, request: bytes) -> bytes:
        """The answer's bytes. Raises Failed, or DecodeError for bytes that are no request."""
        handler = self._handlers.get(method)
        if handler is not None:
            kind = _request_class(method)
            return bytes(handler(kind.FromString(request)).SerializeToString())
        if method not in self._static:
            self._static[method] = self._static_answer(method)
        return self._static[method]

    @property
    def methods(self) -> list[str]:
        """Full names of what can be asked."""
        return list(dict.fromkeys([*self._handlers, *self._exchange.governance.answers]))

    def _static_answer(self, method: str) -> bytes:
        recorded = self._exchange.governance.answers.get(method)
        service, _, name = method.strip("/").rpartition("/")
        if recorded is None:
            raise Failed(
                grpc.StatusCode.UNIMPLEMENTED, f"unknown method {name} for service {service}"
            )
        answer = _response_class(method)()
        json_format.ParseDict(recorded, answer, ignore_unknown_fields=True)
        return bytes(answer.SerializeToString())

    # -- framework --------------------------------------------------------------------------

    def _framework(self) -> dict[str, Handler]:
        exchange = self._exchange
        return {
            "/cosmos.tx.v1beta1.Service/GetTx": lambda request: tx_service.get_tx(
                exchange, request.hash
            ),
            "/cosmos.tx.v1beta1.Service/Simulate": lambda request: tx_service.simulate(
                exchange, request
            ),
            "/cosmos.base.tendermint.v1beta1.Service/GetLatestBlock": lambda _: blocks.latest_block(
                exchange
            ),
            "/cosmos.base.tendermint.v1beta1.Service/GetBlockByHeight": self._block_by_height,
            "/cosmos.base.tendermint.v1beta1.Service/GetNodeInfo": lambda _: blocks.node_info(
                exchange, self._moniker
            ),
            "/cosmos.tx.v1beta1.Service/GetTxsEvent": lambda request: tx_service.get_txs_event(
                exchange, request
            ),
            "/cosmos.base.tendermint.v1beta1.Service/GetLatestValidatorSet": lambda _: (
                blocks.validator_set(exchange)
            ),
            "/cosmos.base.tendermint.v1beta1.Service/GetValidatorSetByHeight": self._validators,
            "/cosmos.base.node.v1beta1.Service/Status": self._status,
            "/dydxprotocol.blocktime.Query/PreviousBlockInfo": self._previous_block,
        }

    def _block_by_height(self, request: tendermint.GetBlockByHeightRequest) -> Any:
        return blocks.block_by_height(self._exchange, self._height(request.height))

    def _validators(self, request: tendermint.GetValidatorSetByHeightRequest) -> Any:
        height = self._height(request.height)
        return tendermint.GetValidatorSetByHeightResponse.FromString(
            blocks.validator_set(self._exchange, height).SerializeToString()
        )

    def _height(self, asked: int) -> int:
        height = asked or self._exchange.height
        if height > self._exchange.height:
            raise Failed(
                grpc.StatusCode.INVALID_ARGUMENT,
                "requested block height is bigger then the chain length",
            )
        return height

    def _status(self, _: object) -> Any:
        answer = node_info.StatusResponse(height=self._exchange.height)
        answer.timestamp.FromDatetime(self._exchange.time)
        answer.app_hash = hashlib.sha256(f"app {self._exchange.height}".encode()).digest()
        return answer

    def _previous_block(self, _: object) -> Any:
        answer = blocktime.QueryPreviousBlockInfoResponse()
        answer.info.height = self._exchange.height
        answer.info.timestamp.FromDatetime(self._exchange.time)
        return answer

    # -- markets and orders -----------------------------------------------------------------

    def _clob(self) -> dict[str, Handler]:
        return {
            "/dydxprotocol.clob.Query/ClobPair": lambda request: clob.QueryClobPairResponse(
                clob_pair=clob_pair(self._market(request.id))
            ),
            "/dydxprotocol.clob.Query/ClobPairAll": self._clob_pairs,
            "/dydxprotocol.clob.Query/StatefulOrder": self._stateful_order,
            "/dydxprotocol.clob.Query/Leverage": self._leverage,
            "/dydxprotocol.perpetuals.Query/Perpetual": self._perpetual,
            "/dydxprotocol.perpetuals.Query/AllPerpetuals": self._perpetuals,
            "/dydxprotocol.prices.Query/MarketPrice": lambda request: (
                prices.QueryMarketPriceResponse(
                    market_price=self._price(self._by_market_id(request.id))
                )
            ),
            "/dydxprotocol.prices.Query/AllMarketPrices": self._prices,
            "/dydxprotocol.prices.Query/MarketParam": lambda request: (
                prices.QueryMarketParamResponse(
                    market_param=market_param(self._by_market_id(request.id))
                )
            ),
            "/dydxprotocol.prices.Query/AllMarketParams": self._market_params,
        }

    def _market(self, number: int) -> Market:
        market = self._exchange.governance.markets.get(number)
        if market is None:
            raise Failed(grpc.StatusCode.NOT_FOUND, "not found")
        return market

    def _by_market_id(self, number: int) -> Market:
        for market in self._exchange.governance.markets.values():
            if market.market_id == number:
                return market
        raise Failed(grpc.StatusCode.NOT_FOUND, "not found")

    def _price(self, market: Market) -> Any:
        return market_price(market, self._exchange.oracle_price(market))

    def _all(self, request: Any) -> tuple[list[Market], PageResponse]:
        markets = list(self._exchange.governance.markets.values())
        keys = [market.id.to_bytes(4, "big") for market in markets]
        chosen, answer = page(keys, request.pagination)
        return [markets[index] for index in chosen], answer

    def _clob_pairs(self, request: clob.QueryAllClobPairRequest) -> Any:
        chosen, answer = self._all(request)
        return clob.QueryClobPairAllResponse(
            clob_pair=[clob_pair(market) for market in chosen], pagination=answer
        )

    def _perpetual(self, request: perpetuals.QueryPerpetualRequest) -> Any:
        market = self._exchange.governance.markets.get(request.id)
        if market is None:
            raise Failed(grpc.StatusCode.NOT_FOUND, f"Perpetual id {request.id} not found.")
        return perpetuals.QueryPerpetualResponse(perpetual=self._shown(market))

    def _shown(self, market: Market) -> Any:
        interest = self._exchange.open_interest(market)
        return perpetual(market, interest, self._exchange.funding_index(market))

    def _perpetuals(self, request: perpetuals.QueryAllPerpetualsRequest) -> Any:
        chosen, answer = self._all(request)
        return perpetuals.QueryAllPerpetualsResponse(
            perpetual=[self._shown(market) for market in chosen],
            pagination=answer,
        )

    def _prices(self, request: prices.QueryAllMarketPricesRequest) -> Any:
        chosen, answer = self._all(request)
        return prices.QueryAllMarketPricesResponse(
            market_prices=[self._price(market) for market in chosen], pagination=answer
        )

    def _market_params(self, request: prices.QueryAllMarketParamsRequest) -> Any:
        chosen, answer = self._all(request)
        return prices.QueryAllMarketParamsResponse(
            market_params=[market_param(market) for market in chosen], pagination=answer
        )

    def _stateful_order(self, request: clob.QueryStatefulOrderRequest) -> Any:
        flags, shown = request.order_id.order_flags, go_id(request.order_id)
        if flags not in STATEFUL_FLAGS:
            raise Failed(
                grpc.StatusCode.INTERNAL,
                f"MustBeStatefulOrder: called with non-stateful order ID ({shown})",
            )
        if flags == OrderFlags.TWAP:
            raise Failed(
                grpc.StatusCode.INTERNAL,
                f"FetchStateStoresForOrder: orderId ({shown}) not supported",
            )
        found = self._exchange.stateful_order(order_key(request.order_id))
        if found is None:
            raise Failed(grpc.StatusCode.NOT_FOUND, "not found")
        placement, filled = found
        answer = clob.QueryStatefulOrderResponse(fill_amount=filled, triggered=placement.triggered)
        answer.order_placement.order.CopyFrom(wire_order(placement.order))
        answer.order_placement.placement_index.block_height = placement.height
        answer.order_placement.placement_index.transaction_index = placement.index
        return answer

    def _leverage(self, request: clob.QueryLeverageRequest) -> Any:
        held = self._exchange.subaccount(SubaccountKey(request.owner, request.number))
        return clob.QueryLeverageResponse(
            clob_pair_leverage=[
                clob.ClobPairLeverageInfo(clob_pair_id=pair, custom_imf_ppm=ppm)
                for pair, ppm in held.leverage
            ]
        )

    # -- accounts ---------------------------------------------------------------------------

    def _accounts(self) -> dict[str, Handler]:
        return {
            "/cosmos.auth.v1beta1.Query/Account": self._account,
            "/cosmos.auth.v1beta1.Query/AccountInfo": lambda request: auth.QueryAccountInfoResponse(
                info=self._base_account(request.address)
            ),
            "/dydxprotocol.accountplus.Query/GetAuthenticators": self._authenticators,
            "/dydxprotocol.accountplus.Query/GetAuthenticator": self._authenticator,
            "/dydxprotocol.accountplus.Query/AccountState": self._account_state,
            "/dydxprotocol.affiliates.Query/AffiliateInfo": lambda _: (
                affiliates.AffiliateInfoResponse(
                    fee_share_ppm=50_000,
                    referred_volume=b"\x02",
                    staked_amount=b"\x02",
                )
            ),
            "/dydxprotocol.affiliates.Query/ReferredBy": lambda _: affiliates.ReferredByResponse(),
        }

    def _account(self, request: auth.QueryAccountRequest) -> Any:
        answer = auth.QueryAccountResponse()
        answer.account.Pack(self._base_account(request.address), type_url_prefix="/")
        return answer

    def _base_account(self, address: str) -> BaseAccount:
        if not address:
            raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "Address cannot be empty")
        if decode_address(address) is None:
            raise Failed(grpc.StatusCode.UNKNOWN, complaint(address))
        account = self._exchange.account(address)
        if account is None:
            raise Failed(grpc.StatusCode.NOT_FOUND, f"account {address} not found")
        answer = BaseAccount(
            address=address, account_number=account.number, sequence=account.sequence
        )
        if account.public_key is not None:
            answer.pub_key.Pack(PubKey(key=account.public_key), type_url_prefix="/")
        return answer

    def _authenticators(self, request: accountplus.GetAuthenticatorsRequest) -> Any:
        if decode_address(request.account) is None:
            raise Failed(grpc.StatusCode.INTERNAL, complaint(request.account))
        held = self._exchange.authenticators(request.account)
        return accountplus.GetAuthenticatorsResponse(
            account_authenticators=[_authenticator(number, row) for number, row in held]
        )

    def _authenticator(self, request: accountplus.GetAuthenticatorRequest) -> Any:
        if decode_address(request.account) is None:
            raise Failed(grpc.StatusCode.INTERNAL, complaint(request.account))
        for number, row in self._exchange.authenticators(request.account):
            if number == request.authenticator_id:
                return accountplus.GetAuthenticatorResponse(
                    account_authenticator=_authenticator(number, row)
                )
        raise Failed(
            grpc.StatusCode.INTERNAL,
            f"authenticator {request.authenticator_id} not found for account {request.account}: "
            "Authenticator is not found",
        )

    def _account_state(self, request: accountplus.AccountStateRequest) -> Any:
        if decode_address(request.address) is None:
            raise Failed(grpc.StatusCode.INVALID_ARGUMENT, "not valid bech32 address")
        answer = accountplus.AccountStateResponse()
        details = answer.account_state.timestamp_nonce_details
        account = self._exchange.account(request.address)
        if account is not None and account.nonces:
            answer.account_state.address = request.address
            details.timestamp_nonces.extend(account.nonces)
            details.max_ejected_nonce = account.ejected or 2**40
        else:
            details.SetInParent()
        return answer


def _authenticator(number: int, held: Authenticator) -> AccountAuthenticator:
    return AccountAuthenticator(id=number, type=held.kind, config=held.config)


def _method(method: str) -> Any:
    service, _, name = method.strip("/").rpartition("/")
    pool = descriptor_pool.Default()
    return pool.FindServiceByName(service).methods_by_name[name]


def _request_class(method: str) -> Any:
    return message_factory.GetMessageClass(_method(method).input_type)


def _response_class(method: str) -> Any:
    return message_factory.GetMessageClass(_method(method).output_type)
