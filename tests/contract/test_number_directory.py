"""The contract of routing.ports.NumberDirectory, kept by the route table and by its double."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Protocol

import asyncpg
import pytest
import pytest_asyncio
from support.directory import (
    FALLBACK_ID,
    NUMBER,
    PRIMARY_ID,
    InMemoryDirectory,
    agent_record,
    number_record,
)
from support.polling import eventually
from support.postgres import SETTINGS
from support.scripted_routes import RouteLog

from sip_edge.routing.plan import Route
from sip_edge.routing.ports import NumberDirectory, RoutesUnavailableError
from sip_edge.storage.embedded import EmbeddedPostgres
from sip_edge.storage.migrate import migrate_database
from sip_edge.storage.pool import connect, create_pool
from sip_edge.storage.route_source import PostgresRouteSource
from sip_edge.storage.routes import STANDARD_SETTINGS, RouteTable, TableState

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

UNKNOWN = "+12025550199"


class Subject(Protocol):
    """A directory, and the world that it knows about."""

    directory: NumberDirectory

    async def add(self) -> None:
        """Let there be NUMBER, with its primary agent; its fallback agent does not exist."""
        ...

    async def remove(self) -> None:
        """Let there be no NUMBER."""
        ...

    async def disconnect(self) -> None:
        """Let the world be out of reach."""
        ...


class Double:
    def __init__(self) -> None:
        self.directory = InMemoryDirectory()

    async def add(self) -> None:
        number = number_record(fallback_id=FALLBACK_ID)
        self.directory.add(Route(number, agent_record(), None))

    async def remove(self) -> None:
        self.directory.remove(NUMBER)

    async def disconnect(self) -> None:
        self.directory.is_connected = False


class Real:
    def __init__(self, table: RouteTable, server: EmbeddedPostgres) -> None:
        self.directory = table
        self._table = table
        self._server = server

    async def add(self) -> None:
        await self._execute(
            "INSERT INTO agents (id, name, worker_url)"
            f" VALUES ('{PRIMARY_ID}', 'Front desk', 'ws://127.0.0.1:8090/worker')"
        )
        routing = json.dumps({"agent_id": PRIMARY_ID, "fallback": {"agent_id": FALLBACK_ID}})
        await self._execute(
            f"INSERT INTO phone_numbers (phone_number, inbound_routing)"
            f" VALUES ('{NUMBER}', '{routing}')"
        )
        await eventually(lambda: self._table.entries == 1, what="the new number")

    async def remove(self) -> None:
        await self._execute("DELETE FROM phone_numbers")
        await eventually(lambda: self._table.entries == 0, what="no number")

    async def disconnect(self) -> None:
        await self._server.stop()
        await eventually(lambda: self._table.state is TableState.STALE, what="the loss")

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self._server.dsn)
        await connection.execute(statement)
        await connection.close()


@pytest_asyncio.fixture(params=["double", "real"])
async def subject(request: pytest.FixtureRequest, data_dir: Path) -> AsyncIterator[Subject]:
    if request.param == "double":
        yield Double()
        return
    async with AsyncExitStack() as stack:
        server = EmbeddedPostgres(data_dir, server_settings=SETTINGS)
        dsn = (await stack.enter_async_context(server)).dsn
        await migrate_database(dsn)
        pool = await stack.enter_async_context(create_pool(dsn))
        table = RouteTable(
            source=PostgresRouteSource(pool=pool, connect=lambda: connect(dsn)),
            observer=RouteLog(),
            clock=asyncio.get_running_loop().time,
            settings=STANDARD_SETTINGS,
        )
        running = asyncio.create_task(table.run())
        await table.wait_loaded()
        yield Real(table, server)
        running.cancel()
        await asyncio.wait({running})


async def test_known_number_comes_with_the_agents_that_exist(subject: Subject) -> None:
    await subject.add()

    route = await subject.directory.lookup(NUMBER)

    assert route is not None
    assert route.number.phone_number == NUMBER
    assert route.number.fallback_id == FALLBACK_ID
    assert route.primary == agent_record()
    assert route.fallback is None
    assert not route.is_stale


async def test_number_that_does_not_exist_is_none(subject: Subject) -> None:
    await subject.add()

    assert await subject.directory.lookup(UNKNOWN) is None


async def test_removed_number_is_none(subject: Subject) -> None:
    await subject.add()
    await subject.remove()

    assert await subject.directory.lookup(NUMBER) is None


async def test_known_number_outlives_the_connection_as_stale(subject: Subject) -> None:
    await subject.add()
    await subject.disconnect()

    route = await subject.directory.lookup(NUMBER)

    assert route is not None
    assert route.is_stale
    assert route.primary == agent_record()


async def test_unknown_number_cannot_be_known_without_the_connection(subject: Subject) -> None:
    await subject.add()
    await subject.disconnect()

    with pytest.raises(RoutesUnavailableError):
        await subject.directory.lookup(UNKNOWN)
