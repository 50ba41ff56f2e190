"""Where the routes come from: the queries, and the notifications, of one PostgreSQL database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Protocol

import asyncpg

from sip_edge.storage.pool import CONNECT_TIMEOUT_SECONDS, close
from sip_edge.storage.route_changes import CHANNEL
from sip_edge.storage.route_memory import Digest
from sip_edge.storage.rows import Row, agent_key, is_agent_id
from sip_edge.storage.sql import load_query

SNAPSHOT_BATCH_ROWS: Final = 200
"""Rows fetched and decoded at a time: 1 to 2 ms, a small part of a 20 ms frame of speech."""

FETCH_TIMEOUT_SECONDS: Final = 2.0
"""A query for a few keys takes 1 ms; a server that needs this long is as good as away."""

DIGEST_TIMEOUT_SECONDS: Final = 5.0
"""Summing 100,000 rows takes 0.2 s on the server."""

_NUMBERS: Final = load_query("numbers")
_AGENTS: Final = load_query("agents")
_SOME_NUMBERS: Final = f"{_NUMBERS}\nWHERE phone_number = ANY($1::text[])"
_SOME_AGENTS: Final = f"{_AGENTS}\nWHERE id = ANY($1::uuid[])"
_DIGEST: Final = f"""
SELECT numbers.*, agents.* FROM
    (SELECT count(*) AS numbers, coalesce(sum(row_hash), 0)::text AS numbers_sum
     FROM ({_NUMBERS}) AS known) AS numbers,
    (SELECT count(*) AS agents, coalesce(sum(row_hash), 0)::text AS agents_sum
     FROM ({_AGENTS}) AS known) AS agents
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a snapshot; a snapshot holds the agents first, then the numbers."""

    agents: Sequence[Row] = ()
    numbers: Sequence[Row] = ()


class Listener(Protocol):
    """A connection that hears of changes."""

    async def heartbeat(self) -> None:
        """Return when the server has answered. Raises one of DATABASE_ERRORS."""
        ...


class RouteSource(Protocol):
    """What the route table needs of PostgreSQL. All methods raise one of DATABASE_ERRORS."""

    def listen(
        self, on_change: Callable[[str], None], on_lost: Callable[[], None]
    ) -> AbstractAsyncContextManager[Listener]:
        """Hear of every change that is committed from now on, until the context ends.

        `on_change` is called with each notification's payload, `on_lost` at once when the
        connection ends, unless it is the context that ends it.
        """
        ...

    def snapshot(self) -> AsyncGenerator[Batch, None]:
        """All rows, as they were at one moment after the call."""
        ...

    async def numbers(self, phone_numbers: Sequence[str]) -> Sequence[Row]:
        """The rows of those of `phone_numbers` that exist."""
        ...

    async def agents(self, agent_ids: Sequence[str]) -> Sequence[Row]:
        """The rows of those of `agent_ids` that exist."""
        ...

    async def digest(self) -> Digest:
        """The digest of all rows."""
        ...


class PostgresRouteSource:
    """The routes of a PostgreSQL database: queries by the pool, LISTEN by a connection of its own.

    `connect` opens that connection (no transaction pooler may be in between).
    """

    def __init__(
        self, *, pool: asyncpg.Pool, connect: Callable[[], Awaitable[asyncpg.Connection]]
    ) -> None:
        self._pool = pool
        self._connect = connect

    @asynccontextmanager
    async def listen(
        self, on_change: Callable[[str], None], on_lost: Callable[[], None]
    ) -> AsyncIterator[Listener]:
        """See RouteSource.listen."""
        connection = await self._connect()

        def on_termination(_connection: object) -> None:
            on_lost()

        try:
            connection.add_termination_listener(on_termination)
            async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
                await connection.add_listener(
                    CHANNEL, lambda _connection, _pid, _channel, payload: on_change(payload)
                )
            # What the pool holds may date from before an outage.
            await self._pool.expire_connections()
            yield _PostgresListener(connection)
        finally:
            connection.remove_termination_listener(on_termination)
            await close(connection)

    async def snapshot(self) -> AsyncGenerator[Batch, None]:
        """See RouteSource.snapshot."""
        async with (
            self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            cursor = await connection.cursor(_AGENTS)
            while rows := await cursor.fetch(SNAPSHOT_BATCH_ROWS):
                yield Batch(agents=rows)
            cursor = await connection.cursor(_NUMBERS)
            while rows := await cursor.fetch(SNAPSHOT_BATCH_ROWS):
                yield Batch(numbers=rows)

    async def numbers(self, phone_numbers: Sequence[str]) -> Sequence[Row]:
        """See RouteSource.numbers."""
        return await self._fetch(_SOME_NUMBERS, phone_numbers)

    async def agents(self, agent_ids: Sequence[str]) -> Sequence[Row]:
        """See RouteSource.agents."""
        # Anyone may send a notification: what is no UUID names no agent.
        known = [agent_key(text) for text in agent_ids if is_agent_id(text)]
        return await self._fetch(_SOME_AGENTS, [key for key in known if key is not None])

    async def digest(self) -> Digest:
        """See RouteSource.digest."""
        async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            row = await connection.fetchrow(_DIGEST, timeout=DIGEST_TIMEOUT_SECONDS)
        return Digest(
            row["numbers"], int(row["numbers_sum"]), row["agents"], int(row["agents_sum"])
        )

    async def _fetch(self, query: str, keys: Sequence[str]) -> Sequence[Row]:
        if not keys:
            return ()
        async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            rows: Sequence[Row] = await connection.fetch(query, keys, timeout=FETCH_TIMEOUT_SECONDS)
        return rows


class _PostgresListener:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def heartbeat(self) -> None:
        """See Listener.heartbeat."""
        await self._connection.fetchval("SELECT 1")
