"""The original flow as a program: for each alert everything anew, with the official client.

Webhook → market query → connect → account → height → build → broadcast. Kept as it is described, so
that the comparison is fair: no cache, the client's own transport, one alert after the other.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from typing import Any

import uvloop
from aiohttp import web
from dydx_v4_client import OrderFlags
from dydx_v4_client.indexer.rest.constants import OrderType
from dydx_v4_client.indexer.rest.indexer_client import IndexerClient
from dydx_v4_client.network import mainnet_node, make_insecure
from dydx_v4_client.node.client import NodeClient
from dydx_v4_client.node.market import Market
from dydx_v4_client.wallet import Wallet
from v4_proto.dydxprotocol.clob.order_pb2 import Order

SLIPPAGE = 0.01


class OriginalFlow:
    """One account, one network, nothing remembered between alerts."""

    def __init__(self, grpc_address: str, rest: str, chain_id: str, phrase: str, address: str):
        self._grpc = grpc_address
        self._rest = rest
        self._chain_id = chain_id
        self._phrase = phrase
        self._address = address

    async def trade(self, alert: dict[str, Any]) -> dict[str, Any]:
        """One alert from the body to the node's answer."""
        ticker, side = alert["symbol"], alert["action"]
        rows = await IndexerClient(self._rest).markets.get_perpetual_markets(ticker)
        market = Market(rows["markets"][ticker])
        config = make_insecure(mainnet_node, self._rest, "", self._grpc).node
        config.chain_id = self._chain_id
        node = await NodeClient.connect(config)
        wallet = await Wallet.from_mnemonic(node, self._phrase, self._address)
        client_id = random.randint(0, 100_000_000)
        height = await node.latest_block_height()
        oracle = float(market.market["oraclePrice"])
        price = oracle * (1 + SLIPPAGE if side == "buy" else 1 - SLIPPAGE)
        order = market.order(
            market.order_id(self._address, 0, client_id, OrderFlags.SHORT_TERM),
            OrderType.MARKET,
            Order.Side.SIDE_BUY if side == "buy" else Order.Side.SIDE_SELL,
            size=float(alert["size"]),
            price=price,
            time_in_force=Order.TimeInForce.TIME_IN_FORCE_UNSPECIFIED,
            reduce_only=False,
            good_til_block=height + 10,
        )
        answer = await node.place_order(wallet, order)
        node.channel.close()
        return {
            "success": answer.tx_response.code == 0,
            "status": "CONFIRMED" if answer.tx_response.code == 0 else "REJECTED",
            "tx_hash": answer.tx_response.txhash,
        }


async def main() -> None:
    """Reads its addresses from standard input as one JSON line, prints its port, serves."""
    given = json.loads(sys.stdin.readline())
    flow = OriginalFlow(**given)

    async def signal(request: web.Request) -> web.Response:
        return web.json_response(await flow.trade(await request.json()))

    app = web.Application()
    app.router.add_post("/signal", signal)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    uvloop.run(main())
