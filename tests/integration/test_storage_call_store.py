"""The table `calls`: what is written, what replaces what, and what is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from support.call_records import (
    INSTANCE,
    OTHER_INSTANCE,
    STARTED_AT,
    call_id,
    ended_line,
    facts_of,
    open_line,
    report_of,
)
from support.postgres import execute
from support.postgres_proxy import Mood, postgres_proxy

from sip_edge.routing.outcome import AgentEnd, AttemptFailure, Outcome
from sip_edge.routing.plan import Role
from sip_edge.routing.ports import Attempt, Move
from sip_edge.routing.refusal import Refusal
from sip_edge.storage.call_rows import CallRows
from sip_edge.storage.call_store import PostgresCallStore, RowsRefusedError
from sip_edge.storage.pool import DATABASE_ERRORS, connect
from sip_edge.storage.spool_lines import json_of

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

AGENT = "11111111-1111-4111-8111-111111111111"
MANY_CALLS = f"""
INSERT INTO calls (id, state, instance_id, caller_number, called_number, started_at)
SELECT gen_random_uuid(), CASE n % 100 WHEN 0 THEN 'open' ELSE 'ended' END, '{INSTANCE}',
       '+1' || (2025550100 + n % 50), '+1' || (2025550100 + n % 50), now() - n * interval '1 minute'
FROM generate_series(1, 20000) AS n;
ANALYZE calls;
"""
DIED_AT = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)


class Sound:
    packets_sent = 1500
    packets_received = 1490
    packets_lost = 8
    jitter_ms = 3.5


class Table:
    """The store, and another client that reads the table."""

    def __init__(self, store: PostgresCallStore, client: asyncpg.Connection) -> None:
        self.store = store
        self._client = client

    async def upsert(self, *lines: bytes) -> None:
        await self.store.upsert([json_of(line) for line in lines])

    async def row(self, number: int) -> dict[str, Any]:
        return dict(
            await self._client.fetchrow("SELECT * FROM calls WHERE id = $1", call_id(number))
        )

    async def states(self) -> dict[str, str]:
        rows = await self._client.fetch("SELECT id::text AS id, state FROM calls")
        return {row["id"]: row["state"] for row in rows}


@asynccontextmanager
async def table_of(dsn: str) -> AsyncIterator[Table]:
    client = await asyncpg.connect(dsn)
    try:
        async with PostgresCallStore(lambda: connect(dsn)) as store:
            yield Table(store, client)
    finally:
        await client.close()


async def test_whole_story_of_a_call_is_in_its_row(every_database_dsn: str) -> None:
    rows = CallRows(instance_id=INSTANCE, process="edge-7/w0")
    report = report_of(
        1,
        outcome=Outcome.FALLBACK,
        agent_id=AGENT,
        role=Role.FALLBACK,
        agent_end=AgentEnd.HANG_UP,
        attempts=[Attempt(Role.PRIMARY, AGENT, 0.0123, AttemptFailure.TLS, "expired")],
        moves=[Move(AgentEnd.NO_CLOSE_FRAME, Role.FALLBACK, 0.0561)],
        is_stale_route=True,
        encryption="sdes:AES_CM_128_HMAC_SHA1_80",
    )
    async with table_of(every_database_dsn) as table:
        await table.upsert(rows.ended_line(report, STARTED_AT, Sound(), "PCMU"))
        row = await table.row(1)

    assert row.pop("updated_at") is not None
    assert {key: json.loads(row.pop(key)) for key in ("attempts", "moves", "timeline")} == {
        "attempts": [
            {"role": "primary", "agent_id": AGENT, "result": "tls", "ms": 12.3, "detail": "expired"}
        ],
        "moves": [{"lost": "no_close_frame", "to_role": "fallback", "ms": 56.1}],
        "timeline": {"answer": 250.0, "end": 2000.0},
    }
    assert row == {
        "id": UUID(call_id(1)),
        "workspace_id": None,
        "state": "ended",
        "instance_id": UUID(INSTANCE),
        "process": "edge-7/w0",
        "carrier": "office",
        "provider": "twilio",
        "sip_call_id": "1@192.0.2.1",
        "call_sid": "CA00000000000000000000000000000001",
        "carrier_call_id": "CA00000000000000000000000000000001",
        "caller": "sip:+12025550123@192.0.2.1",
        "caller_number": "+12025550123",
        "called_number": "+12025550101",
        "started_at": datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC),
        "answered_at": datetime(2026, 7, 1, 12, 0, 0, 250_000, tzinfo=UTC),
        "ended_at": datetime(2026, 7, 1, 12, 0, 2, tzinfo=UTC),
        "outcome": "fallback",
        "refusal": None,
        "status": 200,
        "ended_by": "caller",
        "agent_id": UUID(AGENT),
        "role": "fallback",
        "agent_end": "hang_up",
        "is_stale_route": True,
        "codec": "PCMU",
        "encryption": "sdes:AES_CM_128_HMAC_SHA1_80",
        "packets_sent": 1500,
        "packets_received": 1490,
        "packets_lost": 8,
        "jitter_ms": 3.5,
    }


async def test_row_without_what_later_versions_know_gets_the_defaults(
    every_database_dsn: str,
) -> None:
    old = {"id": call_id(1), "state": "ended", "instance_id": INSTANCE, "started_at": "2026-07-01Z"}
    async with table_of(every_database_dsn) as table:
        await table.store.upsert([orjson.dumps({**old, "of_a_later_version": [1]})])
        row = await table.row(1)

    assert (row["attempts"], row["moves"], row["timeline"]) == ("[]", "[]", "{}")
    assert (row["packets_sent"], row["packets_lost"], row["is_stale_route"]) == (0, 0, False)
    assert (row["caller"], row["carrier"], row["process"], row["encryption"]) == ("", "", "", None)
    assert row["jitter_ms"] is row["outcome"] is row["ended_at"] is None


async def test_end_replaces_the_beginning(every_database_dsn: str) -> None:
    async with table_of(every_database_dsn) as table:
        await table.upsert(open_line(1))
        began = await table.row(1)
        await table.upsert(ended_line(1))
        ended = await table.row(1)

    assert (began["state"], began["outcome"], began["ended_at"]) == ("open", None, None)
    assert (ended["state"], ended["outcome"], ended["status"]) == ("ended", "agent", 200)
    assert ended["updated_at"] > began["updated_at"]


async def test_nothing_replaces_the_end(every_database_dsn: str) -> None:
    async with table_of(every_database_dsn) as table:
        await table.upsert(ended_line(1))
        before = await table.row(1)
        await table.upsert(open_line(1))
        await table.upsert(ended_line(1, outcome=Outcome.REFUSED, refusal=Refusal.NO_CODEC))
        await table.store.close_lost(INSTANCE, DIED_AT)

        assert await table.row(1) == before


async def test_beginning_replaces_nothing(every_database_dsn: str) -> None:
    async with table_of(every_database_dsn) as table:
        await table.upsert(open_line(1), open_line(2))
        before = await table.row(1)
        await table.upsert(open_line(1))
        assert await table.row(1) == before

        await table.store.close_lost(INSTANCE, DIED_AT)
        await table.upsert(open_line(1))
        assert await table.states() == {call_id(1): "lost", call_id(2): "lost"}


async def test_open_calls_of_a_dead_process_are_lost_and_those_of_others_are_not(
    every_database_dsn: str,
) -> None:
    async with table_of(every_database_dsn) as table:
        await table.upsert(open_line(1), ended_line(2), open_line(3, OTHER_INSTANCE))

        assert await table.store.close_lost(INSTANCE, DIED_AT) == 1
        assert await table.store.close_lost(INSTANCE, DIED_AT) == 0

        assert await table.states() == {
            call_id(1): "lost",
            call_id(2): "ended",
            call_id(3): "open",
        }
        row = await table.row(1)
    assert (row["outcome"], row["ended_by"], row["ended_at"]) == ("failed", "internal", DIED_AT)


async def test_lost_call_did_not_end_before_it_began(database_dsn: str) -> None:
    async with table_of(database_dsn) as table:
        await table.upsert(open_line(1))
        await table.store.close_lost(INSTANCE, datetime(2020, 1, 1, tzinfo=UTC))
        row = await table.row(1)

    assert row["ended_at"] == row["started_at"] == STARTED_AT


async def test_end_that_is_found_later_replaces_a_loss(every_database_dsn: str) -> None:
    async with table_of(every_database_dsn) as table:
        await table.upsert(open_line(1))
        await table.store.close_lost(INSTANCE, DIED_AT)
        await table.upsert(ended_line(1))
        row = await table.row(1)

    assert (row["state"], row["outcome"], row["ended_by"]) == ("ended", "agent", "caller")


@pytest.mark.parametrize(
    "bad",
    [
        {"id": "no-uuid"},
        {"id": None},
        {"state": "unheard-of"},
        {"started_at": None},
        {"started_at": "yesterday, more or less"},
        {"status": 1 << 40},
        {"caller": "a\0b"},
        {"caller_number": "x" * 20_000 + "y" * 20_000},
        {"attempts": {"\0": 1}},
    ],
    ids=str,
)
async def test_row_that_cannot_be_is_refused_and_the_connection_lives_on(
    every_database_dsn: str, bad: dict[str, object]
) -> None:
    row = {**orjson.loads(json_of(ended_line(1))), **bad}
    if "caller_number" in bad:
        # Random enough that compression does not make an index entry of it.
        row["caller_number"] = "".join(chr(0x4E00 + (n * n * 7919) % 20_000) for n in range(9000))
    async with table_of(every_database_dsn) as table:
        with pytest.raises(RowsRefusedError) as refusal:
            await table.store.upsert([json_of(ended_line(2)), orjson.dumps(row)])

        assert await table.states() == {}
        assert "2025550123" not in str(refusal.value)
        await table.upsert(ended_line(2))
        assert await table.states() == {call_id(2): "ended"}


async def test_connection_outlives_a_refusal_and_nothing_else(database_dsn: str) -> None:
    opened: list[asyncpg.Connection] = []

    async def connect_and_count() -> asyncpg.Connection:
        opened.append(await connect(database_dsn))
        return opened[-1]

    async with PostgresCallStore(connect_and_count) as store:
        with pytest.raises(RowsRefusedError):
            await store.upsert([b"{}"])
        await store.upsert([json_of(ended_line(1))])
        assert len(opened) == 1

        # What a server says that became a standby by a failover.
        await opened[0].execute("SET default_transaction_read_only = on")
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await store.upsert([json_of(ended_line(2))])
        await store.upsert([json_of(ended_line(2))])
        assert [connection.is_closed() for connection in opened] == [True, False]

    assert opened[1].is_closed()


async def test_error_raised_by_somebodys_trigger_refuses_the_row(database_dsn: str) -> None:
    await execute(
        database_dsn,
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'not today'; END $$;"
        " CREATE TRIGGER no BEFORE INSERT ON calls FOR EACH ROW EXECUTE FUNCTION no()",
    )
    async with table_of(database_dsn) as table:
        with pytest.raises(RowsRefusedError, match="P0001: not today"):
            await table.upsert(ended_line(1))


async def test_hostile_texts_are_written(every_database_dsn: str) -> None:
    rows = CallRows(instance_id=INSTANCE, process="\0")
    hostile = "a\0b\udcff'; DROP TABLE calls; --\\u0000\u202e\U0001f600"
    facts = facts_of(1, sip_call_id=hostile, caller=hostile, caller_number=hostile)
    async with table_of(every_database_dsn) as table:
        await table.upsert(rows.open_line(facts, STARTED_AT))
        row = await table.row(1)

    assert row["caller"] == "a?b?'; DROP TABLE calls; --\\u0000\u202e\U0001f600"


async def test_full_batch_is_written(every_database_dsn: str) -> None:
    async with table_of(every_database_dsn) as table:
        await table.upsert(*(ended_line(number) for number in range(500)))

        assert len(await table.states()) == 500


async def test_server_that_refuses_is_an_outage(database_dsn: str) -> None:
    async with postgres_proxy(database_dsn) as proxy, PostgresCallStore(proxy.connect) as store:
        proxy.set_mood(Mood.REFUSING)
        with pytest.raises(DATABASE_ERRORS):
            await store.upsert([json_of(ended_line(1))])

        proxy.set_mood(Mood.FINE)
        await store.upsert([json_of(ended_line(1))])


async def test_server_that_hangs_is_an_outage_whether_connected_or_not(database_dsn: str) -> None:
    async with postgres_proxy(database_dsn) as proxy, PostgresCallStore(proxy.connect) as store:
        await store.upsert([json_of(ended_line(1))])
        proxy.set_mood(Mood.HANGING)
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await store.upsert([json_of(ended_line(2))])

        proxy.set_mood(Mood.FINE)
        await store.upsert([json_of(ended_line(2))])


async def test_connection_that_was_ended_by_the_server_is_made_again(database_dsn: str) -> None:
    async with table_of(database_dsn) as table:
        await table.upsert(ended_line(1))
        await execute(
            database_dsn,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name = 'sip_edge' AND datname = current_database()",
        )
        failures = []
        for number in (2, 3):
            try:
                await table.upsert(ended_line(number))
            except DATABASE_ERRORS as error:
                failures.append(error)

        assert len(failures) <= 1
        assert call_id(3) in await table.states()


async def test_database_without_the_table_is_an_outage(empty_database_dsn: str) -> None:
    async with PostgresCallStore(lambda: connect(empty_database_dsn)) as store:
        with pytest.raises(asyncpg.UndefinedTableError):
            await store.upsert([json_of(ended_line(1))])


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT 1 FROM calls ORDER BY started_at DESC, id DESC LIMIT 50", "calls_started_at_idx"),
        (
            "SELECT 1 FROM calls WHERE called_number = '+12025550101'"
            " AND (started_at, id) < (now(), gen_random_uuid())"
            " ORDER BY started_at DESC, id DESC LIMIT 50",
            "calls_called_number_idx",
        ),
        (
            "SELECT 1 FROM calls WHERE caller_number = '+12025550110'"
            " ORDER BY started_at DESC, id DESC LIMIT 50",
            "calls_caller_number_idx",
        ),
        (
            f"UPDATE calls SET state = 'lost' WHERE instance_id = '{INSTANCE}' AND state = 'open'",
            "calls_open_idx",
        ),
    ],
)
async def test_pages_and_open_calls_are_found_by_an_index(
    every_database_dsn: str, query: str, index: str
) -> None:
    client = await asyncpg.connect(every_database_dsn)
    try:
        await client.execute(MANY_CALLS)
        plan = "\n".join(row[0] for row in await client.fetch(f"EXPLAIN {query}"))
    finally:
        await client.close()

    assert index in plan
    assert "Sort" not in plan
