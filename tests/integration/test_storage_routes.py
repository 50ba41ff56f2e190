"""The route table on a real server: what any SQL client changes changes the next call."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import asyncpg
import pytest
from support.polling import eventually
from support.postgres import SETTINGS
from support.scripted_routes import RouteLog

from sip_edge.routing.plan import AgentStatus, Route
from sip_edge.routing.ports import RoutesUnavailableError
from sip_edge.storage.embedded import EmbeddedPostgres
from sip_edge.storage.migrate import migrate_database
from sip_edge.storage.pool import connect, create_pool
from sip_edge.storage.route_source import PostgresRouteSource
from sip_edge.storage.routes import STANDARD_SETTINGS, RouteTable, TableState

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

AGENT = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
NUMBER = "+12025550101"
UNKNOWN = "+12025550199"
QUICK = replace(STANDARD_SETTINGS, heartbeat_seconds=0.3, heartbeat_timeout_seconds=0.3)

Probe = Callable[[Route | None], bool]


class Edge:
    """A route table that runs, and another client of its database."""

    def __init__(self, table: RouteTable, client: asyncpg.Connection, log: RouteLog) -> None:
        self.table = table
        self.client = client
        self.log = log

    async def sees(self, is_right: Probe, what: str, number: str = NUMBER) -> Route | None:
        """Wait until a look-up of `number` is as it should be."""
        return await eventually(lambda: self.table.lookup(number), is_right, what=what)

    async def becomes(self, state: TableState) -> None:
        await eventually(lambda: self.table.state is state, what=f"the table to become {state}")


@asynccontextmanager
async def running_table(dsn: str) -> AsyncIterator[Edge]:
    log = RouteLog()
    client = await asyncpg.connect(dsn)
    async with create_pool(dsn) as pool:
        table = RouteTable(
            source=PostgresRouteSource(pool=pool, connect=lambda: connect(dsn)),
            observer=log,
            clock=asyncio.get_running_loop().time,
            settings=QUICK,
        )
        running = asyncio.create_task(table.run())
        try:
            async with asyncio.timeout(20):
                await table.wait_loaded()
            yield Edge(table, client, log)
        finally:
            running.cancel()
            await asyncio.wait({running})
            client.terminate()


@asynccontextmanager
async def edge_with_a_number(dsn: str) -> AsyncIterator[Edge]:
    client = await asyncpg.connect(dsn)
    await client.execute(
        "INSERT INTO agents (id, name, worker_url) VALUES ($1, 'A', 'ws://127.0.0.1:8090/')", AGENT
    )
    await client.execute(
        "INSERT INTO phone_numbers (phone_number, inbound_routing) VALUES ($1, $2)",
        NUMBER,
        json.dumps({"agent_id": AGENT}),
    )
    await client.close()
    async with running_table(dsn) as edge:
        yield edge


@pytest.mark.parametrize(
    ("statement", "is_right"),
    [
        pytest.param(
            "UPDATE phone_numbers SET status = 'inactive'",
            lambda route: route.number.status == "inactive",
            id="update number",
        ),
        pytest.param(
            "UPDATE phone_numbers SET inbound_routing = NULL",
            lambda route: not route.number.has_routing,
            id="outbound-only",
        ),
        pytest.param("DELETE FROM phone_numbers", lambda route: route is None, id="delete number"),
        pytest.param("TRUNCATE phone_numbers", lambda route: route is None, id="truncate numbers"),
        pytest.param(
            "UPDATE agents SET status = 'paused'",
            lambda route: route.primary.status is AgentStatus.PAUSED,
            id="update agent",
        ),
        pytest.param("DELETE FROM agents", lambda route: route.primary is None, id="delete agent"),
        pytest.param("TRUNCATE agents", lambda route: route.primary is None, id="truncate agents"),
    ],
)
async def test_change_by_any_client_changes_the_next_call(
    every_database_dsn: str, statement: str, is_right: Probe
) -> None:
    async with edge_with_a_number(every_database_dsn) as edge:
        await edge.client.execute(statement)

        route = await edge.sees(is_right, statement)

    assert route is None or not route.is_stale


async def test_new_number_and_new_agent_are_known_at_the_next_call(database_dsn: str) -> None:
    async with running_table(database_dsn) as edge:
        assert await edge.table.lookup(NUMBER) is None

        await edge.client.execute(
            "INSERT INTO phone_numbers (phone_number, inbound_routing) VALUES ($1, $2)",
            NUMBER,
            json.dumps({"agent_id": AGENT.upper()}),
        )
        await edge.sees(lambda route: route is not None, "the number")
        await edge.client.execute("INSERT INTO agents (id, name) VALUES ($1, 'A')", AGENT)
        await edge.sees(lambda route: route is not None and route.primary is not None, "the agent")


async def test_number_that_becomes_another_number_is_found_under_the_new_one(
    database_dsn: str,
) -> None:
    async with edge_with_a_number(database_dsn) as edge:
        await edge.client.execute("UPDATE phone_numbers SET phone_number = $1", UNKNOWN)

        await edge.sees(lambda route: route is not None, "the new number", UNKNOWN)
        assert await edge.table.lookup(NUMBER) is None


async def test_bulk_change_is_seen_at_once_even_while_it_is_being_read(database_dsn: str) -> None:
    async with edge_with_a_number(database_dsn) as edge:
        await edge.client.execute(
            "INSERT INTO phone_numbers (phone_number)"
            " SELECT '+1' || (2025560000 + n) FROM generate_series(1, 20000) AS n"
        )
        last = "+12025580000"
        await edge.sees(lambda route: route is not None, "the last of the new numbers", last)
        await eventually(lambda: edge.table.entries == 20001, what="all entries")

        await edge.client.execute("UPDATE phone_numbers SET status = 'inactive'")
        started_at = perf_counter()
        await edge.sees(lambda route: route.number.status == "inactive", "the bulk update", last)
        assert perf_counter() - started_at < 10


async def test_row_that_makes_no_sense_does_not_stop_the_others(database_dsn: str) -> None:
    async with edge_with_a_number(database_dsn) as edge:
        await edge.client.execute(
            "INSERT INTO phone_numbers (phone_number, inbound_routing) VALUES ($1, '[5]')", UNKNOWN
        )
        route = await edge.sees(lambda route: route is not None, "the row", UNKNOWN)

    assert route is not None
    assert route.number.problem is not None
    assert [problem.key for problem in edge.log.problems] == [UNKNOWN]


async def test_change_behind_the_triggers_back_is_found_by_the_digest(database_dsn: str) -> None:
    log = RouteLog()
    async with create_pool(database_dsn) as pool:
        table = RouteTable(
            source=PostgresRouteSource(pool=pool, connect=lambda: connect(database_dsn)),
            observer=log,
            clock=asyncio.get_running_loop().time,
            settings=replace(QUICK, reconcile_seconds=0.2),
        )
        running = asyncio.create_task(table.run())
        await table.wait_loaded()
        client = await asyncpg.connect(database_dsn)
        await client.execute("SET session_replication_role = replica")
        await client.execute("INSERT INTO phone_numbers (phone_number) VALUES ($1)", NUMBER)
        await client.close()

        await eventually(
            lambda: table.lookup(NUMBER), lambda route: route is not None, what="the drift"
        )
        running.cancel()
        await asyncio.wait({running})

    assert log.drifts == 1


async def test_killed_connection_is_replaced_and_nothing_is_missed(database_dsn: str) -> None:
    async with edge_with_a_number(database_dsn) as edge:
        await edge.client.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await edge.client.execute("UPDATE phone_numbers SET status = 'inactive'")

        await edge.sees(lambda route: route.number.status == "inactive", "the change")
        await edge.becomes(TableState.LIVE)
        assert TableState.STALE in [state for state, _ in edge.log.states]


async def test_server_that_hangs_makes_the_table_stale_until_it_goes_on(data_dir: Path) -> None:
    async with EmbeddedPostgres(data_dir, server_settings=SETTINGS) as server:
        await migrate_database(server.dsn)
        async with edge_with_a_number(server.dsn) as edge:
            pids = [
                row["pid"]
                for row in await edge.client.fetch(
                    "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
                )
            ]
            assert server.server_pid is not None
            for pid in (server.server_pid, *pids):
                os.kill(pid, signal.SIGSTOP)
            try:
                await edge.becomes(TableState.STALE)
                route = await edge.table.lookup(NUMBER)
                assert route is not None
                assert route.is_stale
                with pytest.raises(RoutesUnavailableError):
                    await edge.table.lookup(UNKNOWN)
            finally:
                for pid in (server.server_pid, *pids):
                    os.kill(pid, signal.SIGCONT)
            await edge.becomes(TableState.LIVE)


async def test_server_that_is_away_leaves_known_numbers_answered(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, server_settings=SETTINGS)
    await server.start()
    await migrate_database(server.dsn)
    async with edge_with_a_number(server.dsn) as edge:
        await server.stop()
        await edge.becomes(TableState.STALE)

        route = await edge.table.lookup(NUMBER)
        assert route is not None
        assert route.is_stale
        assert route.primary is not None
        with pytest.raises(RoutesUnavailableError):
            await edge.table.lookup(UNKNOWN)

        async with server:
            await edge.becomes(TableState.LIVE)
            assert await edge.table.lookup(UNKNOWN) is None
