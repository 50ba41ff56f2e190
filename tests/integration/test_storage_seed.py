"""Loading agents and numbers from a plain structure."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import asyncpg
import pytest
import pytest_asyncio

from sip_edge.storage.seed import SeedError, SeedReport, load_seed, parse_seed

pytestmark = pytest.mark.postgres

AGENT = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
STRUCTURE = {
    "agents": [
        {
            "id": AGENT,
            "name": "Front desk",
            "worker_url": "ws://127.0.0.1:8090/",
            "worker_options": {"accept_timeout_seconds": 2},
        }
    ],
    "phone_numbers": [
        {
            "phone_number": "+12025550101",
            "inbound_routing": {"agent_id": AGENT, "voicemail_message": "We are closed."},
        },
        {"phone_number": "+12025550102", "provider": "telnyx"},
    ],
}


@pytest_asyncio.fixture
async def connection(database_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_dsn)
    yield connection
    await connection.close()


@pytest.mark.asyncio
async def test_rows_are_written_with_defaults_for_what_is_not_named(
    connection: asyncpg.Connection,
) -> None:
    report = await load_seed(connection, parse_seed(STRUCTURE))

    agent = await connection.fetchrow("SELECT * FROM agents")
    numbers = await connection.fetch("SELECT * FROM phone_numbers ORDER BY phone_number")
    assert report == SeedReport(agents=1, phone_numbers=2)
    assert (str(agent["id"]), agent["name"], agent["status"]) == (AGENT, "Front desk", "active")
    assert json.loads(agent["worker_options"]) == {"accept_timeout_seconds": 2}
    assert [number["provider"] for number in numbers] == ["twilio", "telnyx"]
    assert json.loads(numbers[0]["inbound_routing"])["agent_id"] == AGENT
    assert numbers[1]["inbound_routing"] is None


@pytest.mark.asyncio
async def test_loading_twice_changes_nothing(connection: asyncpg.Connection) -> None:
    everything = "SELECT array_agg(t ORDER BY t::text)::text FROM phone_numbers AS t"
    await load_seed(connection, parse_seed(STRUCTURE))
    before = await connection.fetchval(everything)

    await load_seed(connection, parse_seed(STRUCTURE))

    assert await connection.fetchval(everything) == before


@pytest.mark.asyncio
async def test_only_the_columns_that_are_named_are_overwritten(
    connection: asyncpg.Connection,
) -> None:
    await load_seed(connection, parse_seed(STRUCTURE))
    await connection.execute(
        "UPDATE agents SET name = 'Changed', voicemail_message = 'Kept', status = 'paused'"
    )

    await load_seed(connection, parse_seed(STRUCTURE))

    agent = await connection.fetchrow("SELECT * FROM agents")
    assert (agent["name"], agent["voicemail_message"], agent["status"]) == (
        "Front desk",
        "Kept",
        "paused",
    )


@pytest.mark.asyncio
async def test_key_alone_makes_a_row_and_leaves_an_old_one(connection: asyncpg.Connection) -> None:
    bare = parse_seed({"agents": [{"id": AGENT}]})

    await load_seed(connection, bare)
    await connection.execute("UPDATE agents SET name = 'Named'")
    await load_seed(connection, bare)

    assert await connection.fetchval("SELECT name FROM agents") == "Named"


@pytest.mark.asyncio
async def test_rows_are_written_all_or_none(connection: asyncpg.Connection) -> None:
    structure = {
        "agents": [{"id": AGENT}],
        "phone_numbers": [{"phone_number": "+12025550101", "provider": "A B"}],
    }

    with pytest.raises(asyncpg.CheckViolationError):
        await load_seed(connection, parse_seed(structure))

    assert await connection.fetchval("SELECT count(*) FROM agents") == 0


def test_all_problems_of_a_structure_are_named_at_once() -> None:
    structure = {
        "agents": [{"id": "front-desk"}, {"name": "B"}],
        "phone_numbers": [{"phone_number": "2025550101"}, {"phone_number": "+12025550101", "x": 1}],
        "carriers": [],
    }

    with pytest.raises(SeedError) as caught:
        parse_seed(structure)

    places = [line.partition(":")[0] for line in str(caught.value).splitlines()]
    assert places == [
        "agents.0.id",
        "agents.1.id",
        "phone_numbers.0.phone_number",
        "phone_numbers.1.x",
        "carriers",
    ]


def test_empty_structure_is_nothing_to_do() -> None:
    seed = parse_seed({})

    assert (seed.agents, seed.phone_numbers) == ((), ())
