"""Fixtures for all tests: PostgreSQL, embedded as in production, and databases on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import PostgresServer, make_cluster, running_server, servers_found


@pytest.fixture(scope="session")
def embedded_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The embedded server that the tests share."""
    with running_server(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def made_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster that is not in use: copying it is quicker than making another."""
    return make_cluster(tmp_path_factory.mktemp("made"))


@pytest.fixture
def data_dir(tmp_path: Path, made_cluster: Path) -> Path:
    """The folder of an embedded server that ran before and has no rows."""
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    shutil.copytree(made_cluster, data_dir / "cluster", symlinks=True)
    return data_dir


@pytest.fixture(scope="session")
def postgres_dsn(embedded_postgres: PostgresServer) -> Iterator[str]:
    """An empty database for the tests of the whole process."""
    with embedded_postgres.database(migrated=False) as dsn:
        yield dsn


@pytest.fixture
def empty_database_dsn(embedded_postgres: PostgresServer) -> Iterator[str]:
    """A database of the test's own, without any table."""
    with embedded_postgres.database(migrated=False) as dsn:
        yield dsn


@pytest.fixture
def database_dsn(embedded_postgres: PostgresServer) -> Iterator[str]:
    """A migrated database of the test's own."""
    with embedded_postgres.database(migrated=True) as dsn:
        yield dsn


@pytest.fixture(scope="session", params=servers_found())
def every_postgres(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresServer]:
    """Each PostgreSQL found on this machine in turn: the embedded one, and the system's."""
    bin_dir = servers_found()[request.param]
    with running_server(tmp_path_factory.mktemp(request.param), bin_dir) as server:
        yield server


@pytest.fixture
def every_empty_database_dsn(every_postgres: PostgresServer) -> Iterator[str]:
    """A database of the test's own without any table, on each PostgreSQL found."""
    with every_postgres.database(migrated=False) as dsn:
        yield dsn


@pytest.fixture
def every_database_dsn(every_postgres: PostgresServer) -> Iterator[str]:
    """A migrated database of the test's own, on each PostgreSQL found."""
    with every_postgres.database(migrated=True) as dsn:
        yield dsn
