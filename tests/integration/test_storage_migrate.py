"""Migrations on real servers: once each, in order, whoever starts at the same time."""

from __future__ import annotations

import asyncio
import json

import asyncpg
import pytest

from sip_edge.storage import migrate as migrate_module
from sip_edge.storage.migrate import (
    Migration,
    MigrationError,
    MigrationReport,
    migrate,
    migrate_database,
    packaged_migrations,
)

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

FIRST = Migration(1, "first", "CREATE TABLE things (id integer)")
SECOND = Migration(2, "second", "ALTER TABLE things ADD COLUMN name text")
BROKEN = Migration(2, "broken", "ALTER TABLE things ADD COLUMN name text; SELECT 1 / 0")


async def applied_to(dsn: str, *migrations: Migration) -> MigrationReport:
    connection = await asyncpg.connect(dsn)
    try:
        return await migrate(connection, migrations)
    finally:
        await connection.close()


async def fetch(dsn: str, query: str, *arguments: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(query, *arguments))
    finally:
        await connection.close()


async def test_four_at_once_apply_everything_once(empty_database_dsn: str) -> None:
    reports = await asyncio.gather(*(migrate_database(empty_database_dsn) for _ in range(4)))

    names = tuple(migration.name for migration in packaged_migrations())
    assert sorted(report.applied for report in reports) == [(), (), (), names]
    assert {report.version for report in reports} == {len(names)}


async def test_all_packaged_migrations_apply_to_every_postgresql(
    every_empty_database_dsn: str,
) -> None:
    report = await migrate_database(every_empty_database_dsn)

    assert report.version == len(packaged_migrations())


async def test_only_what_is_missing_is_applied(empty_database_dsn: str) -> None:
    await applied_to(empty_database_dsn, FIRST)

    report = await applied_to(empty_database_dsn, FIRST, SECOND)

    assert report == MigrationReport(applied=("second",), version=2)
    assert await fetch(empty_database_dsn, "SELECT name FROM things") == []


async def test_migration_that_fails_leaves_nothing_behind(empty_database_dsn: str) -> None:
    with pytest.raises(MigrationError, match="0002_broken failed and was taken back: division"):
        await applied_to(empty_database_dsn, FIRST, BROKEN)

    with pytest.raises(asyncpg.UndefinedColumnError):
        await fetch(empty_database_dsn, "SELECT name FROM things")
    assert (await applied_to(empty_database_dsn, FIRST, SECOND)).applied == ("second",)


async def test_file_that_was_changed_after_it_was_applied_is_refused(
    empty_database_dsn: str,
) -> None:
    await applied_to(empty_database_dsn, FIRST)
    changed = Migration(1, "first", "CREATE TABLE things (id bigint)")

    with pytest.raises(MigrationError, match="0001_first differs from what was applied"):
        await applied_to(empty_database_dsn, changed)


async def test_newer_database_is_left_alone(empty_database_dsn: str) -> None:
    await applied_to(empty_database_dsn, FIRST, SECOND)

    with pytest.raises(MigrationError, match="at version 2, this program knows 1"):
        await applied_to(empty_database_dsn, FIRST)


async def test_lock_that_another_process_holds_for_too_long_is_an_error(
    empty_database_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate_module, "LOCK_TIMEOUT_SECONDS", 0.2)
    other = await asyncpg.connect(empty_database_dsn)
    try:
        await other.execute("SELECT pg_advisory_lock($1)", migrate_module.LOCK_KEY)

        with pytest.raises(MigrationError, match="another process has been migrating"):
            await migrate_database(empty_database_dsn)
    finally:
        await other.close()


async def test_database_that_is_not_there_is_one_line_without_the_password() -> None:
    with pytest.raises(MigrationError) as caught:
        await migrate_database("postgresql://edge:hunter2@/calls?host=/nowhere")

    message = str(caught.value)
    assert message.startswith("cannot use PostgreSQL at postgresql://edge@/nowhere/calls: ")
    assert "hunter2" not in message
    assert "\n" not in message


async def test_migration_may_take_longer_than_a_query_of_a_call(empty_database_dsn: str) -> None:
    connection = await asyncpg.connect(
        empty_database_dsn, command_timeout=0.2, server_settings={"statement_timeout": "200"}
    )
    try:
        slow = Migration(1, "slow", "SELECT pg_sleep(0.5)")

        assert (await migrate(connection, [slow])).applied == ("slow",)
    finally:
        await connection.close()


async def test_row_with_only_what_matters_gets_sensible_defaults(every_database_dsn: str) -> None:
    await fetch(every_database_dsn, "INSERT INTO agents (name, worker_url) VALUES ('A', 'ws://a')")
    await fetch(
        every_database_dsn,
        "INSERT INTO phone_numbers (phone_number, inbound_routing) VALUES ($1, $2)",
        "+12025550101",
        json.dumps({"agent_id": "3c90c3cc-0d44-4b50-8888-8dd25736052a"}),
    )

    [agent] = await fetch(every_database_dsn, "SELECT * FROM agents")
    [number] = await fetch(every_database_dsn, "SELECT * FROM phone_numbers")
    assert (agent["status"], agent["worker_options"]) == ("active", "{}")
    assert (agent["voicemail_message"], agent["language"]) == (None, None)
    assert agent["created_at"] == agent["updated_at"]
    assert set(number.keys()) == {
        "id",
        "phone_number",
        "friendly_name",
        "provider",
        "agent_id",
        "status",
        "inbound_trunk_id",
        "outbound_trunk_id",
        "dispatch_rule_id",
        "credential_id",
        "provider_config",
        "inbound_routing",
        "sms_capable",
        "created_at",
        "updated_at",
        "max_concurrent_calls",
        "workspace_id",
        "origin",
        "is_verified",
        "carrier_number_id",
        "was_attached",
        "previous_trunk_id",
    }
    assert (number["provider"], number["status"], number["provider_config"]) == (
        "twilio",
        "active",
        "{}",
    )


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO agents (status) VALUES ('sleeping')",
        "INSERT INTO phone_numbers (phone_number) VALUES ('12025550101')",
        "INSERT INTO phone_numbers (phone_number) VALUES ('+02025550101')",
        "INSERT INTO phone_numbers (phone_number) VALUES ('+1 202 555 0101')",
        "INSERT INTO phone_numbers (phone_number) VALUES ('+1234567890123456')",
        "INSERT INTO phone_numbers (phone_number, provider) VALUES ('+12025550101', 'A,B')",
    ],
)
async def test_rows_that_make_no_sense_are_refused(database_dsn: str, statement: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await fetch(database_dsn, statement)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO phone_numbers (phone_number, status) VALUES ('+12025550101', 'porting')",
        "INSERT INTO phone_numbers (phone_number, provider) VALUES ('+12025550101', 'sinch')",
        "INSERT INTO phone_numbers (phone_number, agent_id) VALUES ('+12025550101',"
        " '3c90c3cc-0d44-4b50-8888-8dd25736052a')",
        "INSERT INTO phone_numbers (phone_number, inbound_routing) VALUES ('+12025550101', '5')",
        "INSERT INTO agents (worker_options) VALUES (NULL)",
    ],
)
async def test_growth_is_not_refused(database_dsn: str, statement: str) -> None:
    await fetch(database_dsn, statement)


async def test_updated_at_moves_when_a_row_changes_and_only_then(every_database_dsn: str) -> None:
    await fetch(every_database_dsn, "INSERT INTO agents (name) VALUES ('A')")
    unchanged = "SELECT updated_at = created_at AS is_untouched FROM agents"

    await fetch(every_database_dsn, "UPDATE agents SET name = 'A'")
    [same] = await fetch(every_database_dsn, unchanged)
    await fetch(every_database_dsn, "UPDATE agents SET name = 'B'")
    [other] = await fetch(every_database_dsn, unchanged)

    assert (same["is_untouched"], other["is_untouched"]) == (True, False)


@pytest.mark.parametrize("statement", ["TRUNCATE phone_numbers", "DELETE FROM phone_numbers"])
async def test_a_numbers_outbound_password_goes_with_it_whoever_removes_it(
    database_dsn: str, statement: str
) -> None:
    await fetch(database_dsn, "INSERT INTO phone_numbers (phone_number) VALUES ('+12025550101')")
    await fetch(
        database_dsn,
        "INSERT INTO outbound_trunks (id, workspace_id, phone_number_id, provider, trunk_address,"
        " auth_username, sealed_password) SELECT gen_random_uuid(), workspace_id, id, provider,"
        " 'sip.example.com', 'edge', '\\x00' FROM phone_numbers",
    )

    await fetch(database_dsn, statement)

    assert await fetch(database_dsn, "SELECT id FROM outbound_trunks") == []
