"""PostgreSQL as the control API uses it: away, unwilling, or told nonsense."""

from __future__ import annotations

import asyncpg
import pytest

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.storage.control_database import ControlDatabase
from sip_edge.storage.pool import create_pool

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]


async def test_rows_are_counted_and_read(database_dsn: str) -> None:
    async with create_pool(database_dsn) as pool:
        database = ControlDatabase(pool)

        assert await database.execute("INSERT INTO workspaces (name) VALUES ($1)", "shop") == 1
        assert await database.execute("CREATE TEMPORARY TABLE x ()") == 0
        assert len(await database.fetch("SELECT name FROM workspaces")) == 2
        assert await database.fetchrow("SELECT 1 WHERE false") is None


async def test_transaction_is_taken_back_when_its_block_raises(database_dsn: str) -> None:
    async with create_pool(database_dsn) as pool:
        database = ControlDatabase(pool)

        async def fail_half_way() -> None:
            async with database.transaction() as connection:
                await connection.execute("INSERT INTO workspaces (name) VALUES ('shop')")
                raise LookupError

        with pytest.raises(LookupError):
            await fail_half_way()

        assert len(await database.fetch("SELECT name FROM workspaces")) == 1


async def test_database_that_is_away_is_one_error() -> None:
    async with create_pool("postgresql://nobody@127.0.0.1:1/nothing") as pool:
        with pytest.raises(ProvisioningError) as caught:
            await ControlDatabase(pool).fetch("SELECT 1")

    assert caught.value.code is ErrorCode.DATABASE_UNAVAILABLE
    assert caught.value.retry_after_seconds == 2.0


@pytest.mark.parametrize(
    "statement",
    ["SELECT * FROM absent", "SET statement_timeout = 1; SELECT pg_sleep(5)", "SELECT pg_cancel()"],
)
async def test_database_that_will_not_is_as_good_as_away(database_dsn: str, statement: str) -> None:
    async with create_pool(database_dsn) as pool:
        with pytest.raises(ProvisioningError) as caught:
            await ControlDatabase(pool).execute(statement)

    assert caught.value.code is ErrorCode.DATABASE_UNAVAILABLE


async def test_faults_of_the_data_are_the_callers_business(database_dsn: str) -> None:
    async with create_pool(database_dsn) as pool:
        database = ControlDatabase(pool)
        with pytest.raises(asyncpg.UniqueViolationError):
            await database.execute("INSERT INTO workspaces (name) VALUES ('default')")
        with pytest.raises(asyncpg.DataError):
            await database.fetch("SELECT $1::bigint", 1 << 70)
        with pytest.raises(asyncpg.PostgresError):
            await database.fetch("SELECT 1 / 0")
