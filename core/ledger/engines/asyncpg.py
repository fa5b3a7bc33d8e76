"""PostgreSQL: a pool whose connections and transactions cannot be waited for without an end."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from tortoise.backends.asyncpg.client import AsyncpgDBClient, TransactionWrapper
from tortoise.backends.base.client import (
    NestedTransactionContext,
    TransactionContext,
    TransactionContextPooled,
)
from tortoise.connection import get_connections
from tortoise.exceptions import DBConnectionError

from core.ledger.alone import undeclared
from core.ledger.engines.owner import Owner
from core.ledger.tasks import settle

ACQUIRE_WITHIN_S = 10.0

Unreachable = (
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    OSError,
    TimeoutError,
)


class LedgerAsyncpgClient(AsyncpgDBClient):
    """The pool."""

    def _in_transaction(self) -> TransactionContext:
        return _Transaction(_TransactionClient(self), self._pool_init_lock)

    async def execute_insert(self, query: str, values: list[Any]) -> Any:
        undeclared(query)
        return await super().execute_insert(query, values)

    async def execute_many(self, query: str, values: list[list[Any]]) -> None:
        undeclared(query)
        await super().execute_many(query, values)

    async def execute_query(self, query: str, values: list[Any] | None = None) -> Any:
        undeclared(query)
        return await super().execute_query(query, values)

    async def execute_query_dict(self, query: str, values: list[Any] | None = None) -> Any:
        undeclared(query)
        return await super().execute_query_dict(query, values)

    def acquire_connection(self) -> Any:
        return _PooledConnection(self)

    async def borrow(self) -> Any:
        """A connection of the pool. Raises DBConnectionError when none comes in time."""
        try:
            if self._pool is None:
                async with self._pool_init_lock:
                    if self._pool is None:
                        await self.create_connection(with_db=True)
            pool = self._pool
            assert pool is not None
            return await pool.acquire(timeout=ACQUIRE_WITHIN_S)
        except Unreachable as error:
            raise DBConnectionError(f"no connection to PostgreSQL: {error}") from error

    async def give_back(self, connection: Any) -> None:
        """Returns a connection to the pool, if the pool is still there."""
        if self._pool is not None:
            await self._pool.release(connection)


class _PooledConnection:
    """One connection for one statement."""

    def __init__(self, client: LedgerAsyncpgClient) -> None:
        self._client = client
        self._connection: Any = None

    async def __aenter__(self) -> Any:
        self._connection = await self._client.borrow()
        return self._connection

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        await self._client.give_back(self._connection)


class _TransactionClient(TransactionWrapper):
    """The connection inside a transaction; only its owner may use it."""

    def __init__(self, connection: Any, owner: Owner | None = None) -> None:
        super().__init__(connection)
        self.owner = owner

    def _in_transaction(self) -> TransactionContext:
        return NestedTransactionContext(_TransactionClient(self, self.owner))

    def acquire_connection(self) -> Any:
        if self.owner is not None:
            self.owner.check()
        return super().acquire_connection()


class _Transaction(TransactionContextPooled):
    """Gives its connection back and the task its old one, whatever happens in between."""

    client: _TransactionClient

    async def __aenter__(self) -> _TransactionClient:
        parent: Any = self.client._parent
        connection = await parent.borrow()
        self.client._connection = connection
        try:
            await self.client.begin()
        except BaseException:
            await settle(_reset(parent, connection))
            raise
        self.client.owner = Owner()
        self.token = get_connections().set(self.connection_name, self.client)
        return self.client

    async def __aexit__(self, exc_type: Any, exc_val: Any, exc_tb: Any) -> None:
        assert self.client.owner is not None
        self.client.owner.end()
        get_connections().reset(self.token)
        parent: Any = self.client._parent
        try:
            await settle(self._finish(commit=exc_type is None))
        finally:
            await settle(parent.give_back(self.client._connection))

    async def _finish(self, *, commit: bool) -> None:
        if self.client._finalized:
            return
        if commit:
            await self.client.commit()
            return
        try:
            await self.client.rollback()
        except Unreachable:
            # a dead connection has rolled back; the error that ended the block is the one to see
            return


async def _reset(parent: Any, connection: Any) -> None:
    """The pool resets a connection as it takes it back: an open transaction is rolled back."""
    await asyncio.shield(parent.give_back(connection))


client_class = LedgerAsyncpgClient
