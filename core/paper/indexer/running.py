"""An indexer on its ports: started, kept on disk beside the chain, and closed in order."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from aiohttp import web

from core.paper.happenings import BlockCommitted, Happening, OracleMoved, SubaccountKey
from core.paper.indexer.adapter import NetworkControls
from core.paper.indexer.rest import rest_application
from core.paper.indexer.service import Indexer, IndexerSettings
from core.paper.indexer.stream import Stream
from core.paper.indexer.texts import milliseconds

if TYPE_CHECKING:
    from core.paper.network import PaperNetwork

_PART: Final = "indexer"
_BLOCKS_BETWEEN_SAVES: Final = 500


class Servers:
    """The REST and websocket servers of an indexer."""

    def __init__(self, indexer: Indexer) -> None:
        self.indexer = indexer
        self.stream = Stream(indexer)
        self.rest_port = 0
        self.ws_port = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on the ports of the settings (0: any). Raises OSError for a taken port."""
        settings = self.indexer.settings
        self.indexer.feed.start()
        app = rest_application(self.indexer, self.stream.close_connections)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=61, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, settings.host, settings.rest_port)
        await site.start()
        self.rest_port = int(self._runner.addresses[0][1])
        self.ws_port = await self.stream.start(settings.host, settings.ws_port)

    async def close(self) -> None:
        """Close connections (1012), stop listening, and take what was still on its way."""
        await self.stream.close()
        if self._runner is not None:
            await self._runner.cleanup()
        await self.indexer.feed.close()


class RunningIndexer:
    """What `start` hands back; `close` ends it."""

    def __init__(self, network: PaperNetwork) -> None:
        settings = network.settings
        self.indexer = Indexer(
            network.exchange.governance,
            NetworkControls(network),
            IndexerSettings(
                host=settings.host,
                rest_port=settings.rest_port,
                ws_port=settings.ws_port,
                rest_limit=settings.rest_limit or None,
            ),
            clock=network.clock,
        )
        self.servers = Servers(self.indexer)
        self._network = network
        self._unsaved = 0
        self._saving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up the saved rows and what the chain did since, then listen."""
        await self._restore()
        self.indexer.applied.append(self._note)
        self._network.chain.subscribe(self.indexer.on)
        await self.servers.start()
        self._network.rest_port = self.servers.rest_port
        self._network.ws_port = self.servers.ws_port

    async def close(self) -> None:
        """Stop the servers and save the rows."""
        await self.servers.close()
        if self._saving is not None:
            await asyncio.gather(self._saving, return_exceptions=True)
        await self._save()

    async def _restore(self) -> None:
        rows, exchange = self.indexer.rows, self._network.exchange
        saved = await self._network.journal.part(_PART)
        if saved is None:
            rows.genesis(
                (SubaccountKey(account.address, 0), account.subaccount_quote_quantums)
                for account in exchange.governance.genesis
            )
        else:
            rows.load(json.loads(saved[1]))
        for block in await self._network.journal.blocks_after(rows.height):
            self.indexer.apply(block)
        for market in exchange.governance.markets.values():
            price = market.price_usd(exchange.oracle_price(market))
            rows.oracles[market.market_id].price = price
        rows.height, rows.time = exchange.height, milliseconds(exchange.time)

    def _note(self, happening: Happening) -> None:
        """After a block was taken: save the rows after so many blocks that changed them. Until then
        the chain's journal keeps those blocks.
        """
        if not isinstance(happening, BlockCommitted):
            return
        if any(not isinstance(event, OracleMoved) for event in happening.events):
            self._unsaved += 1
        is_free = self._saving is None or self._saving.done()
        if self._unsaved >= _BLOCKS_BETWEEN_SAVES and is_free:
            self._saving = asyncio.create_task(self._save(), name="paper-indexer-save")

    async def _save(self) -> None:
        self._unsaved = 0
        rows = self.indexer.rows
        height, dump = rows.height, rows.dump()
        value = await asyncio.to_thread(lambda: json.dumps(dump, separators=(",", ":")).encode())
        await self._network.journal.save_part(_PART, height, value)
