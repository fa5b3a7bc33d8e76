"""What the chain itself says: asked of node and indexer, never of the bot's ledger."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

import grpc
import httpx
from v4_proto.dydxprotocol.clob.order_pb2 import OrderId
from v4_proto.dydxprotocol.clob.query_pb2 import QueryStatefulOrderRequest
from v4_proto.dydxprotocol.clob.query_pb2_grpc import QueryStub as ClobStub
from v4_proto.dydxprotocol.subaccounts.query_pb2 import QueryGetSubaccountRequest
from v4_proto.dydxprotocol.subaccounts.query_pb2_grpc import QueryStub
from v4_proto.dydxprotocol.subaccounts.subaccount_pb2 import SubaccountId

CALL_S = 5.0


class NotProved(Exception):
    """The chain did not show in time what the step claims."""


class Chain:
    """Reads committed state from the node (gRPC) and history from the indexer (REST)."""

    def __init__(self, grpc_address: str, rest_url: str) -> None:
        target = grpc_address.split("://")[-1]
        self._channel = (
            grpc.aio.secure_channel(target, grpc.ssl_channel_credentials())
            if grpc_address.startswith("https://")
            else grpc.aio.insecure_channel(target)
        )
        self._subaccounts = QueryStub(self._channel)
        self._clob = ClobStub(self._channel)
        self._http = httpx.AsyncClient(base_url=rest_url, timeout=CALL_S)

    async def close(self) -> None:
        await self._channel.close(None)
        await self._http.aclose()

    async def committed(self, address: str, number: int = 0) -> tuple[Decimal, dict[int, int]]:
        """USDC and signed quantums by perpetual id, as the node has committed them."""
        answer = await self._subaccounts.Subaccount(
            QueryGetSubaccountRequest(owner=address, number=number), timeout=CALL_S
        )
        held = answer.subaccount
        usdc = sum(_signed(row.quantums) for row in held.asset_positions if row.asset_id == 0)
        return Decimal(usdc).scaleb(-6), {
            row.perpetual_id: _signed(row.quantums) for row in held.perpetual_positions
        }

    async def market(self, ticker: str) -> dict[str, str]:
        """The market's row of the indexer."""
        answer = await self._http.get("/v4/perpetualMarkets", params={"ticker": ticker})
        answer.raise_for_status()
        row: dict[str, str] = answer.json()["markets"][ticker]
        return row

    async def fills(self, address: str, number: int = 0) -> list[dict[str, str]]:
        """The account's fills, newest first."""
        answer = await self._http.get(
            "/v4/fills", params={"address": address, "subaccountNumber": number, "limit": 100}
        )
        answer.raise_for_status()
        rows: list[dict[str, str]] = answer.json()["fills"]
        return rows

    async def resting(self, address: str, number: int = 0) -> list[dict[str, str]]:
        """The account's orders that the node's committed state holds: named by the indexer, proved
        by the node.
        """
        answer = await self._http.get(
            "/v4/orders",
            params={"address": address, "subaccountNumber": number, "limit": 100},
        )
        answer.raise_for_status()
        held = []
        for row in answer.json():
            if row["orderFlags"] == "0":
                continue
            order_id = OrderId(
                subaccount_id=SubaccountId(owner=address, number=number),
                client_id=int(row["clientId"]),
                order_flags=int(row["orderFlags"]),
                clob_pair_id=int(row["clobPairId"]),
            )
            try:
                await self._clob.StatefulOrder(
                    QueryStatefulOrderRequest(order_id=order_id), timeout=CALL_S
                )
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
                continue
            held.append(row)
        return held

    async def faults(self) -> dict[str, object]:
        """The faults that are switched on at a network that tells them; empty elsewhere."""
        answer = await self._http.get("/paper/faults")
        if answer.status_code != 200:
            return {}
        found: dict[str, object] = answer.json()
        return {name: value for name, value in found.items() if value}

    async def set_price(self, ticker: str, price: Decimal) -> None:
        """Moves the oracle price; returns once a block has it."""
        answer = await self._http.post(
            "/paper/price", json={"ticker": ticker, "price": format(price, "f")}, timeout=30.0
        )
        if answer.status_code != 200:
            raise NotProved(f"the price control answered {answer.status_code}: {answer.text[:200]}")

    async def wait_position(
        self, address: str, perpetual_id: int, *, is_open: bool, within_s: float
    ) -> tuple[Decimal, int]:
        """USDC and quantums once the node's committed position is open, or flat.

        Raises NotProved.
        """
        deadline = time.monotonic() + within_s
        usdc, quantums = Decimal(0), 0
        while time.monotonic() < deadline:
            usdc, held = await self.committed(address)
            quantums = held.get(perpetual_id, 0)
            if (quantums != 0) == is_open:
                return usdc, quantums
            await asyncio.sleep(0.2)
        wanted = "an open position" if is_open else "a flat position"
        raise NotProved(
            f"the node did not show {wanted} within {within_s:.0f} s; committed: "
            f"{quantums} quantums, {usdc} USDC"
        )


def _signed(quantums: bytes) -> int:
    """The chain's SerializableInt: 02 is plus, 03 is minus, then the magnitude, big-endian."""
    if not quantums:
        return 0
    magnitude = int.from_bytes(quantums[1:], "big")
    return -magnitude if quantums[0] == 3 else magnitude
