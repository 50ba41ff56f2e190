"""Migrations: numbered SQL files, each applied once, in order, in a transaction of its own.

Any number of processes may start at once: an advisory lock lets one apply what is missing while
the others wait and find nothing to do. A file that was applied must never change again (its
checksum is kept), and a database that is newer than the program is left alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from sip_edge.storage.pool import DATABASE_ERRORS, close, connect, explain_failure
from sip_edge.storage.sql import load_migrations

LOCK_KEY: Final = 0x5349505F45444745
"""`SIP_EDGE` in ASCII: the advisory lock that all migrating processes take."""

LOCK_TIMEOUT_SECONDS: Final = 60.0
"""How long to wait for another process that migrates; a large table may take its time."""

COMMAND_TIMEOUT_SECONDS: Final = 600.0
"""How long one migration may take. The server's own limit is lifted meanwhile."""

_FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

_CREATE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS sip_edge_migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    checksum   text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationError(Exception):
    """The database cannot be brought up to date; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `migrations/`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the file's text, hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What was done: the names of the files applied now, and the version reached."""

    applied: tuple[str, ...]
    version: int


def packaged_migrations() -> tuple[Migration, ...]:
    """The migrations that come with this version, in order; their numbers have no gap."""
    migrations = []
    for expected, (file_name, text) in enumerate(load_migrations(), start=1):
        match = _FILE_NAME.fullmatch(file_name)
        if match is None or int(match[1]) != expected:
            raise MigrationError(f"migration {expected} is missing: {file_name} is not its name")
        migrations.append(Migration(expected, match[2], text.replace("\r\n", "\n")))
    return tuple(migrations)


async def migrate_database(dsn: str) -> MigrationReport:
    """Connect to `dsn` and apply what is missing. Raises MigrationError."""
    try:
        connection = await connect(dsn)
    except DATABASE_ERRORS as error:
        raise MigrationError(explain_failure(dsn, error)) from error
    try:
        return await migrate(connection, packaged_migrations())
    except DATABASE_ERRORS as error:
        raise MigrationError(explain_failure(dsn, error)) from error
    finally:
        await close(connection)


async def migrate(
    connection: asyncpg.Connection, migrations: Sequence[Migration]
) -> MigrationReport:
    """Apply those of `migrations` that the database lacks.

    Raises MigrationError when the database is newer, when an applied file has changed, when a file
    fails (then none of it was applied, but those before it were), or when another process holds
    the lock for too long. Raises one of DATABASE_ERRORS when PostgreSQL fails.
    """
    await connection.execute("SET statement_timeout = 0")
    await connection.execute(f"SET lock_timeout = {int(LOCK_TIMEOUT_SECONDS * 1000)}")
    try:
        await connection.execute(
            "SELECT pg_advisory_lock($1)", LOCK_KEY, timeout=LOCK_TIMEOUT_SECONDS + 5
        )
    except asyncpg.LockNotAvailableError as error:
        raise MigrationError(
            f"another process has been migrating this database for {LOCK_TIMEOUT_SECONDS:.0f} s;"
            " wait for it or end it, then try again"
        ) from error
    try:
        return await _apply_missing(connection, migrations)
    finally:
        if not connection.is_closed():
            await connection.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)


async def _apply_missing(
    connection: asyncpg.Connection, migrations: Sequence[Migration]
) -> MigrationReport:
    await connection.execute(_CREATE_TABLE)
    rows = await connection.fetch("SELECT version, name, checksum FROM sip_edge_migrations")
    done = {row["version"]: row["checksum"] for row in rows}
    newest = len(migrations)
    if done and max(done) > newest:
        raise MigrationError(
            f"the database is at version {max(done)}, this program knows {newest}:"
            " install a newer sip-edge"
        )
    applied = []
    for migration in migrations:
        checksum = done.get(migration.version)
        if checksum is None:
            await _apply(connection, migration)
            applied.append(migration.name)
        elif checksum != migration.checksum:
            raise MigrationError(
                f"migration {migration.version:04}_{migration.name} differs from what was applied"
                " to this database: restore the file and write a new migration instead"
            )
    return MigrationReport(tuple(applied), newest)


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql, timeout=COMMAND_TIMEOUT_SECONDS)
            await connection.execute(
                "INSERT INTO sip_edge_migrations (version, name, checksum) VALUES ($1, $2, $3)",
                migration.version,
                migration.name,
                migration.checksum,
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(
            f"migration {migration.version:04}_{migration.name} failed and was taken back: {error}"
        ) from error
