"""Queries and notifications of the routes, on every PostgreSQL found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import pairwise

import asyncpg
import pytest
from support.polling import eventually

from sip_edge.storage.pool import DATABASE_ERRORS, connect, create_pool
from sip_edge.storage.route_memory import Digest, RouteMemory
from sip_edge.storage.route_source import SNAPSHOT_BATCH_ROWS, PostgresRouteSource

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

AGENT = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
OTHER_AGENT = "7d1f4a11-93a6-4f0e-9b1a-0c2d3e4f5a6b"
NUMBER = "+12025550101"
OTHER = "+12025550102"

ROWS = f"""
INSERT INTO agents (id, name, worker_url) VALUES
    ('{AGENT}', 'A', 'ws://127.0.0.1:8090/'), ('{OTHER_AGENT}', 'B', 'ws://127.0.0.1:8091/');
INSERT INTO phone_numbers (phone_number, inbound_routing) VALUES
    ('{NUMBER}', '{json.dumps({"agent_id": AGENT})}'), ('{OTHER}', NULL);
"""
MANY_NUMBERS = "SELECT '+1' || (2025560000 + n) FROM generate_series(1, {count}) AS n"


@asynccontextmanager
async def opened(dsn: str) -> AsyncIterator[tuple[PostgresRouteSource, asyncpg.Connection]]:
    """A source, and another client of its database, which has two agents and two numbers."""
    client = await asyncpg.connect(dsn)
    try:
        await client.execute(ROWS)
        async with create_pool(dsn) as pool:
            yield PostgresRouteSource(pool=pool, connect=lambda: connect(dsn)), client
    finally:
        await client.close()


async def told_of(dsn: str, *statements: str) -> list[str]:
    """The notifications that these statements of another client cause, their keys in order."""
    payloads: list[str] = []
    async with opened(dsn) as (source, client), source.listen(payloads.append, lambda: None):
        for statement in statements:
            await client.execute(statement)
        await client.execute("NOTIFY sip_edge_routes, 'end'")
        await eventually(lambda: "end" in payloads, what="the last notification")
    tables = [payload.partition(":") for payload in payloads[:-1]]
    return [f"{table}:{','.join(sorted(keys.split(',')))}" for table, _, keys in tables]


async def snapshot_of(source: PostgresRouteSource) -> RouteMemory:
    memory = RouteMemory()
    async with aclosing(source.snapshot()) as batches:
        async for batch in batches:
            memory.agents.store(batch.agents, except_keys=())
            memory.numbers.store(batch.numbers, except_keys=())
    return memory


@pytest.mark.parametrize(
    ("statement", "payloads"),
    [
        pytest.param(
            "INSERT INTO phone_numbers (phone_number) VALUES ('+12025550103'), ('+12025550104')",
            ["phone_numbers:+12025550103,+12025550104"],
            id="insert",
        ),
        pytest.param(
            f"UPDATE phone_numbers SET status = 'inactive' WHERE phone_number = '{NUMBER}'",
            [f"phone_numbers:{NUMBER}"],
            id="update",
        ),
        pytest.param(
            f"UPDATE phone_numbers SET phone_number = '+12025550109'"
            f" WHERE phone_number = '{NUMBER}'",
            [f"phone_numbers:{NUMBER},+12025550109"],
            id="another number",
        ),
        pytest.param("DELETE FROM phone_numbers", [f"phone_numbers:{NUMBER},{OTHER}"], id="delete"),
        pytest.param("TRUNCATE phone_numbers", ["phone_numbers:*"], id="truncate"),
        pytest.param(
            f"UPDATE agents SET status = 'paused' WHERE id = '{AGENT}'",
            [f"agents:{AGENT}"],
            id="update agent",
        ),
        pytest.param("DELETE FROM agents", [f"agents:{AGENT},{OTHER_AGENT}"], id="delete agents"),
        pytest.param("TRUNCATE agents", ["agents:*"], id="truncate agents"),
        pytest.param("UPDATE agents SET name = 'C' WHERE false", [], id="no row"),
        pytest.param(
            f"INSERT INTO phone_numbers (phone_number) VALUES ('{NUMBER}'), ('+12025550103')"
            " ON CONFLICT (phone_number) DO UPDATE SET status = 'inactive'",
            ["phone_numbers:+12025550103", f"phone_numbers:{NUMBER}"],
            id="upsert",
        ),
        pytest.param(
            "INSERT INTO phone_numbers (phone_number) " + MANY_NUMBERS.format(count=1000),
            ["phone_numbers:*"],
            id="a thousand rows",
        ),
    ],
)
async def test_statement_tells_what_it_changed(
    every_database_dsn: str, statement: str, payloads: list[str]
) -> None:
    assert sorted(await told_of(every_database_dsn, statement)) == sorted(payloads)


async def test_as_many_keys_as_fit_are_named(every_database_dsn: str) -> None:
    payloads = await told_of(
        every_database_dsn,
        "INSERT INTO agents (name) SELECT 'x' FROM generate_series(1, 180)",
        "UPDATE agents SET name = 'y' WHERE name = 'x'",
        "INSERT INTO agents (name) SELECT 'z' FROM generate_series(1, 181)",
        "UPDATE agents SET name = 'y' WHERE name = 'z'",
    )

    assert [len(payload.split(",")) for payload in payloads] == [180, 180, 1, 1]
    assert payloads[2:] == ["agents:*", "agents:*"]


async def test_transaction_that_is_taken_back_tells_nothing(database_dsn: str) -> None:
    assert await told_of(database_dsn, "BEGIN", "DELETE FROM agents", "ROLLBACK") == []


async def test_transaction_tells_when_it_is_committed(database_dsn: str) -> None:
    told = await told_of(database_dsn, "BEGIN", "DELETE FROM phone_numbers", "COMMIT")

    assert told == [f"phone_numbers:{NUMBER},{OTHER}"]


async def test_snapshot_holds_all_rows_and_equals_the_digest(every_database_dsn: str) -> None:
    async with opened(every_database_dsn) as (source, client):
        count = 2 * SNAPSHOT_BATCH_ROWS + 1
        await client.execute(
            "INSERT INTO phone_numbers (phone_number) " + MANY_NUMBERS.format(count=count)
        )

        memory = await snapshot_of(source)
        digest = await source.digest()

    assert digest == memory.digest
    assert (digest.numbers, digest.agents) == (count + 2, 2)


async def test_digest_changes_with_every_column_that_matters(every_database_dsn: str) -> None:
    changes = [
        "UPDATE phone_numbers SET status = 'inactive'",
        "UPDATE phone_numbers SET provider = 'telnyx'",
        f"UPDATE phone_numbers SET agent_id = '{AGENT}'",
        'UPDATE phone_numbers SET inbound_routing = \'{"voicemail_message": "x"}\'',
        "UPDATE phone_numbers SET inbound_routing = 'null'",
        "UPDATE phone_numbers SET inbound_routing = NULL",
        "UPDATE phone_numbers SET max_concurrent_calls = 3",
        'UPDATE phone_numbers SET provider_config = \'{"account_sid": "AC1"}\'',
        "UPDATE agents SET name = 'C'",
        "UPDATE agents SET status = 'paused'",
        "UPDATE agents SET worker_url = NULL",
        'UPDATE agents SET worker_options = \'{"abnormal_end": "hangup"}\'',
        "UPDATE agents SET voicemail_message = 'x'",
        "UPDATE agents SET language = 'ja'",
        "DELETE FROM agents",
        "DELETE FROM phone_numbers",
    ]
    async with opened(every_database_dsn) as (source, client):
        digests = [await source.digest()]
        for change in changes:
            await client.execute(change)
            digests.append(await source.digest())

    assert all(before != after for before, after in pairwise(digests))
    assert digests[-1] == Digest(0, 0, 0, 0)


async def test_digest_ignores_what_does_not_matter_to_a_call(database_dsn: str) -> None:
    async with opened(database_dsn) as (source, client):
        before = await source.digest()
        await client.execute("UPDATE phone_numbers SET friendly_name = 'x', sms_capable = true")

        assert await source.digest() == before


async def test_account_is_read_of_any_shape_of_provider_config(database_dsn: str) -> None:
    shapes = ['{"account_sid": "AC1"}', '{"account_sid": 5}', "[]", "null", '"text"', None]
    accounts = []
    async with opened(database_dsn) as (source, client):
        for shape in shapes:
            await client.execute("UPDATE phone_numbers SET provider_config = $1::jsonb", shape)
            accounts += [row["account_sid"] for row in await source.numbers([NUMBER])]

    assert accounts == ["AC1", "5", None, None, None, None]


async def test_only_the_rows_that_are_asked_for_are_fetched(every_database_dsn: str) -> None:
    async with opened(every_database_dsn) as (source, _):
        numbers = await source.numbers([NUMBER, "+12025550199", "'; DROP TABLE agents; --"])
        agents = await source.agents(
            [f"{{{OTHER_AGENT.upper()}}}", "front-desk", "", "\u0661" * 32]
        )
        nothing = (await source.numbers([]), await source.agents([]))

    assert [row["phone_number"] for row in numbers] == [NUMBER]
    assert [row["name"] for row in agents] == ["B"]
    assert nothing == ((), ())


async def test_end_of_the_connection_is_told_at_once(database_dsn: str) -> None:
    lost = asyncio.Event()
    async with (
        opened(database_dsn) as (source, client),
        source.listen(lambda _: None, lost.set) as listener,
    ):
        await listener.heartbeat()
        await client.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'sip_edge' AND datname = current_database()"
        )
        async with asyncio.timeout(10):
            await lost.wait()
        with pytest.raises(DATABASE_ERRORS):
            await listener.heartbeat()


async def test_end_of_the_context_is_no_loss(database_dsn: str) -> None:
    losses: list[str] = []
    async with opened(database_dsn) as (source, _):
        async with source.listen(lambda _: None, lambda: losses.append("lost")):
            pass
        await asyncio.sleep(0.1)

    assert losses == []


async def test_database_without_the_tables_is_an_error_that_is_expected(
    empty_database_dsn: str,
) -> None:
    async with create_pool(empty_database_dsn) as pool:
        source = PostgresRouteSource(pool=pool, connect=lambda: connect(empty_database_dsn))
        with pytest.raises(DATABASE_ERRORS, match="does not exist"):
            await snapshot_of(source)


async def test_snapshot_that_is_given_up_gives_its_connection_back(database_dsn: str) -> None:
    async with opened(database_dsn) as (source, _):
        for _attempt in range(10):
            async with aclosing(source.snapshot()) as batches:
                async for _batch in batches:
                    break

        assert (await source.digest()).numbers == 2
