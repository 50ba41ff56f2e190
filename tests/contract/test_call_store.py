"""What any `CallStore` promises: the same tests for the double and for PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import orjson
import pytest
import pytest_asyncio
from support.call_records import (
    INSTANCE,
    OTHER_INSTANCE,
    InMemoryCalls,
    call_id,
    ended_line,
    open_line,
)

from sip_edge.storage.call_store import CallStore, PostgresCallStore, RowsRefusedError
from sip_edge.storage.pool import connect
from sip_edge.storage.spool_lines import json_of

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

DIED_AT = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)


@dataclass
class Subject:
    store: CallStore
    states: Callable[[], Awaitable[dict[str, str]]]

    async def upsert(self, *lines: bytes) -> None:
        await self.store.upsert([json_of(line) for line in lines])


@pytest_asyncio.fixture(params=["double", "real"])
async def subject(request: pytest.FixtureRequest, database_dsn: str) -> AsyncIterator[Subject]:
    if request.param == "double":
        double = InMemoryCalls()
        double.refused = {call_id(13)}

        async def states() -> dict[str, str]:
            return double.states()

        yield Subject(double, states)
        return
    client = await asyncpg.connect(database_dsn)

    async def states_in_table() -> dict[str, str]:
        return dict(await client.fetch("SELECT id::text, state FROM calls"))

    async with PostgresCallStore(lambda: connect(database_dsn)) as store:
        yield Subject(store, states_in_table)
    await client.close()


def refused_row() -> bytes:
    """A row that neither the double nor the table takes."""
    return orjson.dumps({**orjson.loads(json_of(ended_line(13))), "state": "unheard-of"})


async def test_rows_are_there_once_written(subject: Subject) -> None:
    await subject.upsert(open_line(1), ended_line(2))
    await subject.upsert(ended_line(2), ended_line(3))

    assert await subject.states() == {
        call_id(1): "open",
        call_id(2): "ended",
        call_id(3): "ended",
    }


async def test_end_replaces_a_beginning_and_never_the_other_way_round(subject: Subject) -> None:
    await subject.upsert(open_line(1), ended_line(2))
    await subject.upsert(ended_line(1), open_line(2))

    assert await subject.states() == {call_id(1): "ended", call_id(2): "ended"}


async def test_refused_row_keeps_its_whole_batch_out(subject: Subject) -> None:
    with pytest.raises(RowsRefusedError):
        await subject.store.upsert([json_of(ended_line(1)), refused_row()])

    assert await subject.states() == {}


async def test_open_calls_of_one_process_are_closed_as_lost(subject: Subject) -> None:
    await subject.upsert(open_line(1), open_line(2, OTHER_INSTANCE), ended_line(3))

    assert await subject.store.close_lost(INSTANCE, DIED_AT) == 1
    assert await subject.store.close_lost(INSTANCE, DIED_AT) == 0
    assert await subject.states() == {
        call_id(1): "lost",
        call_id(2): "open",
        call_id(3): "ended",
    }


async def test_end_replaces_a_loss_and_a_beginning_does_not(subject: Subject) -> None:
    await subject.upsert(open_line(1), open_line(2))
    await subject.store.close_lost(INSTANCE, DIED_AT)

    await subject.upsert(ended_line(1), open_line(2))

    assert await subject.states() == {call_id(1): "ended", call_id(2): "lost"}
