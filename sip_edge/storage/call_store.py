"""The table `calls`, over a connection of its own: the routes' pool must not wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, Self

import asyncpg

from sip_edge.storage.pool import close
from sip_edge.storage.sql import load_query

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime
    from types import TracebackType

_UPSERT: Final = load_query("upsert_calls")
_CLOSE_LOST: Final = load_query("close_lost_calls")

_REFUSALS: Final = ("22", "23", "54", "P0")
"""SQLSTATE classes that blame the data, not the server: data exceptions, violated constraints, too
long for an index, an error raised by somebody's trigger."""


class RowsRefusedError(Exception):
    """PostgreSQL will never take these rows; none was written. The message says why."""


class CallStore(Protocol):
    """Where calls are written. All methods raise one of DATABASE_ERRORS when it is away."""

    async def upsert(self, rows: Sequence[bytes]) -> None:
        """Write rows (JSON, each of another call), all or none. Raises RowsRefusedError."""
        ...

    async def close_lost(self, instance_id: str, died_at: datetime) -> int:
        """Close the calls that a dead process has left open; how many they were."""
        ...


class PostgresCallStore:
    """`async with PostgresCallStore(connect) as store`; `connect` opens a connection.

    It is opened when something is written, and again after any failure.
    """

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connect = connect
        self._connection: asyncpg.Connection | None = None

    async def upsert(self, rows: Sequence[bytes]) -> None:
        """See CallStore.upsert."""
        text = b"[%b]" % b",".join(rows)
        await self._execute(_UPSERT, text.decode("utf-8", "replace"))

    async def close_lost(self, instance_id: str, died_at: datetime) -> int:
        """See CallStore.close_lost."""
        status = await self._execute(_CLOSE_LOST, instance_id, died_at)
        return int(status.rpartition(" ")[2])

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await close(connection)

    async def _execute(self, statement: str, *arguments: object) -> str:
        """Run a statement; whatever fails, the next one gets a connection that works."""
        connection = self._connection
        if connection is None or connection.is_closed():
            connection = self._connection = await self._connect()
        is_sound = False
        try:
            status: str = await connection.execute(statement, *arguments)
            is_sound = True
        except asyncpg.PostgresError as error:
            if (error.sqlstate or "").startswith(_REFUSALS):
                is_sound = True
                # Without the detail, which may be the whole row.
                raise RowsRefusedError(f"{error.sqlstate}: {error.args[0]}") from error
            raise
        finally:
            if not is_sound:
                self._connection = None
                connection.terminate()
        return status
