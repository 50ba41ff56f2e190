"""A DSN that names several hosts: whichever takes us in is used."""

from __future__ import annotations

import pytest
from support.postgres_proxy import Mood, PostgresProxy, postgres_proxy

from sip_edge.storage.pool import close, connect, create_pool

pytestmark = pytest.mark.asyncio


def dsn_of_both(first: PostgresProxy, second: PostgresProxy) -> str:
    """The DSN of two servers that have the same database."""
    login, _, rest = first.dsn.rpartition("@")
    host, _, path = rest.partition("/")
    return f"{login}@{host},{second.dsn.rpartition('@')[2].partition('/')[0]}/{path}"


@pytest.mark.parametrize("mood", [Mood.HANGING, Mood.REFUSING])
async def test_second_host_is_used_when_the_first_one_lets_nobody_in(
    database_dsn: str, mood: Mood
) -> None:
    async with postgres_proxy(database_dsn) as first, postgres_proxy(database_dsn) as second:
        first.set_mood(mood)
        dsn = dsn_of_both(first, second)
        connection = await connect(dsn)
        assert await connection.fetchval("select 1") == 1
        await close(connection)
        async with create_pool(dsn) as pool:
            assert await pool.fetchval("select 2") == 2
