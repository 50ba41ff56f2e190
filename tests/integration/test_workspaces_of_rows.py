"""Whose rows are whose: by plain SQL, by the routes in memory, and where nobody knows any more."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec
import pytest
from support.call_records import INSTANCE, call_id, ended_line, open_line
from support.voicemail import MESSAGE_ID, message

from sip_edge.storage.call_store import PostgresCallStore
from sip_edge.storage.pool import connect, create_pool
from sip_edge.storage.route_source import PostgresRouteSource
from sip_edge.storage.rows import number_from_row
from sip_edge.storage.spool_lines import json_of
from sip_edge.storage.voicemails import VoicemailStore

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

DIED_AT = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
CALLED = "+12025550101"


async def fetchval(dsn: str, query: str, *arguments: object) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


async def test_rows_of_plain_sql_belong_to_the_first_workspace(every_database_dsn: str) -> None:
    dsn = every_database_dsn
    default = await fetchval(dsn, "SELECT id FROM workspaces WHERE is_default AND name = 'default'")

    assert default is not None
    assert (
        await fetchval(dsn, "INSERT INTO agents (name) VALUES ('A') RETURNING workspace_id")
        == default
    )
    assert (
        await fetchval(
            dsn,
            "INSERT INTO phone_numbers (phone_number) VALUES ($1) RETURNING workspace_id",
            CALLED,
        )
        == default
    )


async def test_there_is_one_first_workspace(database_dsn: str) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await fetchval(database_dsn, "INSERT INTO workspaces (name, is_default) VALUES ('x', true)")


async def test_route_knows_whose_number_it_is_and_hears_of_a_move(database_dsn: str) -> None:
    await fetchval(database_dsn, "INSERT INTO phone_numbers (phone_number) VALUES ($1)", CALLED)
    async with create_pool(database_dsn) as pool:
        source = PostgresRouteSource(pool=pool, connect=lambda: connect(database_dsn))
        [before] = await source.numbers([CALLED])
        other = await pool.fetchval("INSERT INTO workspaces (name) VALUES ('shop') RETURNING id")
        await pool.execute("UPDATE phone_numbers SET workspace_id = $1", other)
        [after] = await source.numbers([CALLED])

    assert number_from_row(after).workspace_id == str(other)
    assert number_from_row(before).workspace_id != str(other)
    assert before["row_hash"] != after["row_hash"]


async def test_lost_call_belongs_to_the_workspace_of_its_number(database_dsn: str) -> None:
    workspace = await fetchval(
        database_dsn,
        "INSERT INTO phone_numbers (phone_number) VALUES ($1) RETURNING workspace_id",
        CALLED,
    )
    async with PostgresCallStore(lambda: connect(database_dsn)) as store:
        owned = ended_line(3, workspace_id=str(UUID(int=7)))
        await store.upsert([json_of(line) for line in (open_line(1), ended_line(2), owned)])
        await store.close_lost(INSTANCE, DIED_AT)

    query = "SELECT workspace_id FROM calls WHERE id = $1"
    assert await fetchval(database_dsn, query, UUID(call_id(1))) == workspace
    # Its end said that it was nobody's.
    assert await fetchval(database_dsn, query, UUID(call_id(2))) is None
    assert await fetchval(database_dsn, query, UUID(call_id(3))) == UUID(int=7)


async def test_message_belongs_to_whom_its_call_did(database_dsn: str) -> None:
    workspace = UUID(int=7)
    async with create_pool(database_dsn) as pool:
        owned = msgspec.structs.replace(message(), workspace_id=str(workspace))
        assert await VoicemailStore(pool).insert(owned) == "stored"
        junk = msgspec.structs.replace(message(UUID(int=1)), workspace_id="nobody")
        assert await VoicemailStore(pool).insert(junk) == "refused"

    query = "SELECT workspace_id FROM voicemails WHERE id = $1"
    assert await fetchval(database_dsn, query, MESSAGE_ID) == workspace
