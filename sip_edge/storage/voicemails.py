"""The rows of `voicemails`: one for each message that a caller has left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol
from uuid import UUID

import asyncpg

from sip_edge.storage.pool import CONNECT_TIMEOUT_SECONDS, DATABASE_ERRORS

QUERY_TIMEOUT_SECONDS: Final = 2.0
"""Writing one row takes a millisecond."""

_INSERT: Final = """
INSERT INTO voicemails
    (id, call_id, phone_number, caller_number, agent_id, received_at, seconds, bytes, path,
     workspace_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (id) DO NOTHING
"""
_COLUMNS: Final = (
    "id, call_id, phone_number, caller_number, agent_id, received_at, seconds, bytes, path"
)
_NEWEST: Final = f"""
SELECT {_COLUMNS} FROM voicemails
WHERE $1::text IS NULL OR phone_number = $1
ORDER BY received_at DESC, id LIMIT $2
"""
_ONE: Final = f"SELECT {_COLUMNS} FROM voicemails WHERE id = $1"

_REFUSALS: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""Another try would change nothing."""


class NewVoicemail(Protocol):
    """A message as whoever recorded it knows it. `size` is in bytes, `path` relative."""

    @property
    def id(self) -> UUID: ...
    @property
    def call_id(self) -> str: ...
    @property
    def phone_number(self) -> str: ...
    @property
    def caller_number(self) -> str | None: ...
    @property
    def agent_id(self) -> str | None: ...
    @property
    def received_at(self) -> datetime: ...
    @property
    def seconds(self) -> float: ...
    @property
    def size(self) -> int: ...
    @property
    def path(self) -> str: ...
    @property
    def workspace_id(self) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVoicemail:
    """A row of `voicemails`."""

    id: str
    call_id: str
    phone_number: str
    caller_number: str | None
    agent_id: str | None
    received_at: datetime
    seconds: float
    size: int
    path: str


class VoicemailStore:
    """The messages of a PostgreSQL database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def insert(self, message: NewVoicemail) -> Literal["stored", "unavailable", "refused"]:
        """Write a message's row, unless it is there already; what came of it, never an error."""
        try:
            values = _values(message)
            async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
                await connection.execute(_INSERT, *values, timeout=QUERY_TIMEOUT_SECONDS)
        except _REFUSALS:
            return "refused"
        except DATABASE_ERRORS:
            return "unavailable"
        except ValueError:  # An id that is no UUID, text that is no Unicode.
            return "refused"
        return "stored"

    async def newest(
        self, *, limit: int, phone_number: str | None = None
    ) -> Sequence[StoredVoicemail]:
        """The last messages, newest first, of one number or of all. Raises DATABASE_ERRORS."""
        async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            rows = await connection.fetch(_NEWEST, phone_number, limit)
        return [_stored(row) for row in rows]

    async def find(self, message_id: str) -> StoredVoicemail | None:
        """The message of this id, None if there is none. Raises DATABASE_ERRORS."""
        try:
            key = UUID(message_id)
        except ValueError:
            return None
        async with self._pool.acquire(timeout=CONNECT_TIMEOUT_SECONDS) as connection:
            row = await connection.fetchrow(_ONE, key)
        return None if row is None else _stored(row)


def _values(message: NewVoicemail) -> tuple[object, ...]:
    """In the order of the statement. Raises ValueError for what is no UUID."""
    return (
        message.id,
        UUID(message.call_id),
        message.phone_number,
        message.caller_number,
        None if message.agent_id is None else UUID(message.agent_id),
        message.received_at,
        message.seconds,
        message.size,
        message.path,
        None if message.workspace_id is None else UUID(message.workspace_id),
    )


def _stored(row: Any) -> StoredVoicemail:
    return StoredVoicemail(
        id=str(row["id"]),
        call_id=str(row["call_id"]),
        phone_number=row["phone_number"],
        caller_number=row["caller_number"],
        agent_id=None if row["agent_id"] is None else str(row["agent_id"]),
        received_at=row["received_at"],
        seconds=round(row["seconds"], 3),  # What `real` adds in the tenth place is noise.
        size=row["bytes"],
        path=row["path"],
    )
