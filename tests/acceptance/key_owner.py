"""The owner of an account, as he acts outside the bot: on dYdX's web, with his own key."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from core.clock import SystemClock
from core.dydx.authenticators import Authenticator, adding, own_tree, removing
from core.dydx.drafts import OrderDraft
from core.dydx.keys import SigningKey
from core.dydx.network import paper_network
from core.dydx.node import NodePool, Outcome
from core.dydx.nonces import milliseconds
from core.dydx.protocol import USDC_DENOM, OrderFlags, Side, TimeInForce
from core.dydx.signing import sign
from core.dydx.wallet_transactions import Fee, sign_transaction
from tests.acceptance.process_house import ProcessHouse
from tests.acceptance.until import until

FEE = Fee(300_000, USDC_DENOM, 7_500)


class Owner:
    """One account; `node` is his own connection to the chain."""

    def __init__(self, key: SigningKey, node: NodePool) -> None:
        self.key = key
        self.node = node
        self._last = 0

    async def give_key(self, key: SigningKey, pairs: list[int] | None = None) -> int:
        """Permits a key to trade subaccount 0; the id of the permission."""
        await self._send(adding(self.key.address, own_tree(key.public_key, [0], pairs)))
        return max(row.id for row in await self.listed())

    async def take_key(self, id_: int) -> None:
        await self._send(removing(self.key.address, id_))

    async def listed(self) -> tuple[Authenticator, ...]:
        return await self.node.authenticators(self.key.address)

    async def bid(self, client_id: int) -> None:
        """A long-term bid far below the price."""
        block = await self.node.latest_block()
        draft = OrderDraft(
            address=self.key.address,
            number=0,
            client_id=client_id,
            clob_pair_id=0,
            side=Side.BUY,
            quantums=10**6,
            subticks=10**7,
            time_in_force=TimeInForce.UNSPECIFIED,
            order_flags=OrderFlags.LONG_TERM,
            good_til_block_time=int(block.time.timestamp()) + 3600,
        )
        number = await self._number()
        chain_id = self.node.network.chain_id
        signed = sign([draft], self.key, chain_id, number, sequence=await self._nonce())
        await self._through(signed.tx, signed.tx_hash)

    async def _send(self, message: Any) -> None:
        number, chain_id = await self._number(), self.node.network.chain_id
        nonce = await self._nonce()
        signed = sign_transaction(message, self.key, chain_id, number, nonce, FEE)
        await self._through(signed.tx, signed.tx_hash)

    async def _through(self, tx: bytes, tx_hash: str) -> None:
        answer = await self.node.broadcast(tx)
        assert answer.outcome is Outcome.ACCEPTED, answer

        async def in_block() -> bool:
            found = await self.node.transaction(tx_hash)
            assert found is None or found.code == 0, found
            return found is not None

        await until(in_block)

    async def _number(self) -> int:
        account = await self.node.account(self.key.address)
        assert account is not None
        return account.number

    async def _nonce(self) -> int:
        block = await self.node.latest_block()
        self._last = max(self._last + 1, milliseconds(block.time) + 1)
        return self._last


@contextlib.asynccontextmanager
async def an_owner(house: ProcessHouse, key: SigningKey) -> AsyncIterator[Owner]:
    """The owner with a node of the paper network at hand."""
    node = NodePool(paper_network(grpc_port=house.paper.settings.grpc_port), SystemClock())
    await node.start()
    try:
        yield Owner(key, node)
    finally:
        await node.close()
