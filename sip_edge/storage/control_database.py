"""PostgreSQL as the control API uses it: a pool, and one error when it is away."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.storage.pool import CONNECT_TIMEOUT_SECONDS, DATABASE_ERRORS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

RETRY_AFTER_SECONDS: Final = 2.0
"""What a client is told when PostgreSQL is away: a restart takes a second or two."""

_DATA_FAULTS: Final = ("22", "23")
"""SQLSTATE classes that blame the data or a constraint: the caller's business, not an outage."""


class ControlDatabase:
    """Runs statements on a pool.

    All methods raise ProvisioningError(DATABASE_UNAVAILABLE) when PostgreSQL is away or unwilling,
    and let asyncpg's errors through that blame the data, such as UniqueViolationError.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the pool's."""
        try:
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
                yield connection
        except DATABASE_ERRORS as error:
            if _blames_the_data(error):
                raise
            raise unavailable() from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection in a transaction: committed at the block's end, taken back if it raises."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def fetch(self, statement: str, *arguments: object) -> Sequence[Any]:
        """All rows."""
        async with self.connection() as connection:
            rows: Sequence[Any] = await connection.fetch(statement, *arguments)
            return rows

    async def fetchrow(self, statement: str, *arguments: object) -> Any | None:
        """The first row, None if there is none."""
        async with self.connection() as connection:
            return await connection.fetchrow(statement, *arguments)

    async def execute(self, statement: str, *arguments: object) -> int:
        """How many rows were written or removed."""
        async with self.connection() as connection:
            status: str = await connection.execute(statement, *arguments)
        count = status.rpartition(" ")[2]
        return int(count) if count.isascii() and count.isdigit() else 0


def unavailable() -> ProvisioningError:
    """What a use case is told when PostgreSQL is away."""
    return ProvisioningError(
        ErrorCode.DATABASE_UNAVAILABLE,
        "The database cannot be reached; try again.",
        retry_after_seconds=RETRY_AFTER_SECONDS,
    )


def _blames_the_data(error: BaseException) -> bool:
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_DATA_FAULTS)
    return isinstance(error, ValueError)  # asyncpg could not encode an argument.
