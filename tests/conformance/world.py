"""What a run has in common, and the room that each chapter gets in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.chain import Chain
from tests.conformance.checks import Chapter, expect, until
from tests.conformance.markets import Market, Markets
from tests.conformance.people import Bank, Person
from tests.conformance.rest import Rest
from tests.conformance.stream import Account, Socket
from tests.conformance.target import Target

LARGEST_LAG = 20


class World:
    """Connections to one network, its markets and its bank."""

    def __init__(self, target: Target) -> None:
        self.target = target
        address, tls = target.grpc_host
        self.chain = Chain(address, tls)
        self.rest = Rest(target.rest, proxied=not target.here)
        self.markets = Markets(self.chain, self.rest, target)
        self.bank = Bank(self.chain, target, self.rest.http)
        self.sockets: list[Socket] = []

    async def open(self, people: int) -> None:
        """Raises Mismatch where the network is not the one that is meant, or gives no money."""
        await self.chain.start()
        expect(self.chain.chain_id, self.target.chain_id, "the chain id")
        await until("an indexer at the node's height", self._keeps_up, within_s=30.0, pause_s=3.0)
        await self.markets.load()
        await self.bank.open(people)

    async def _keeps_up(self) -> bool:
        """Whether the indexer is at most some blocks behind the node."""
        height = int((await self.rest.get("/height"))["height"])
        return height >= self.chain.height - LARGEST_LAG

    async def socket(self) -> Socket:
        """A new websocket connection, closed with the run."""
        options: dict[str, Any] = {"proxy": None} if self.target.here else {}
        made = await Socket.open(self.target.ws, **options)
        self.sockets.append(made)
        return made

    async def close(self) -> None:
        for socket in self.sockets:
            await socket.close()
        await self.rest.close()
        await self.chain.close()


@dataclass
class Room:
    """One chapter's part of the world: its own people and, if it asked for one, its own market."""

    world: World
    chapter: Chapter
    people: list[Person]
    leased: Market | None = None
    _socket: Socket | None = None
    _accounts: dict[tuple[str, int], Account] = field(default_factory=dict)

    def check(self, sentence: str, within_s: float = 40.0) -> AbstractAsyncContextManager[None]:
        """One check of this chapter."""
        return self.chapter.check(sentence, within_s)

    @property
    def chain(self) -> Chain:
        return self.world.chain

    @property
    def rest(self) -> Rest:
        return self.world.rest

    @property
    def market(self) -> Market:
        assert self.leased is not None
        return self.leased

    async def indexed(self) -> None:
        """Returns once the indexer has worked in the node's last block: what a block did is told by
        the node first.
        """
        height = await self.chain.fresh()

        async def worked_in() -> bool:
            return int((await self.rest.get("/height"))["height"]) >= height

        await until(f"block {height} in the indexer", worked_in)

    async def close(self) -> None:
        """Ends this chapter's connection; what it said stays."""
        if self._socket is not None:
            await self._socket.close()

    async def watch(self, person: Person, number: int = 0) -> Account:
        """The stream of a subaccount, on this chapter's own connection."""
        key = (person.address, number)
        if key not in self._accounts:
            if self._socket is None:
                self._socket = await self.world.socket()
            self._accounts[key] = await Account.watch(self._socket, *key)
        return self._accounts[key]


Act = Callable[[Room], Awaitable[None]]


@dataclass(frozen=True)
class Spec:
    """A chapter: its name, what it needs, and the function that carries it out."""

    name: str
    act: Act
    people: int = 0
    market: bool = False
    last: bool = False
