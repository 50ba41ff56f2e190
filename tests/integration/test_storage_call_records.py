"""No record is lost and none is there twice, whatever happens to the database or to the process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import asyncpg
import pytest
from support.call_records import RecordLog, call_id, facts_of, report_of
from support.polling import eventually
from support.postgres import SETTINGS
from support.postgres_proxy import Mood, postgres_proxy

from sip_edge.storage.call_records import CallRecords
from sip_edge.storage.call_store import PostgresCallStore
from sip_edge.storage.embedded import EmbeddedPostgres
from sip_edge.storage.migrate import migrate_database
from sip_edge.storage.pool import connect

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

PROCESS = [sys.executable, "-m", "support.call_recorder"]
NOWHERE = "postgresql://sip_edge@127.0.0.1:9/nowhere"


class World:
    def __init__(self, records: CallRecords, log: RecordLog) -> None:
        self.records = records
        self.log = log
        self._numbers = iter(range(1, 1_000_000))
        self.calls = 0

    async def calls_for(self, seconds: float) -> None:
        """Some 100 calls a second; each begins and ends."""
        until = perf_counter() + seconds
        while perf_counter() < until:
            for _ in range(2):
                number = next(self._numbers)
                self.calls += 1
                self.records.call_started(facts_of(number), perf_counter())
                await asyncio.sleep(0.01)
                self.records.call_ended(report_of(number))

    async def until_written(self) -> None:
        """Return when nothing waits in the spool."""
        await eventually(lambda: self.records.spool_rows, lambda it: it == 0, what="the spool")


@asynccontextmanager
async def recording(
    spool_dir: Path, connect: Callable[[], Awaitable[asyncpg.Connection]]
) -> AsyncIterator[World]:
    log = RecordLog()
    records = CallRecords(spool_dir=spool_dir, process="test", observer=log, clock=perf_counter)
    async with records, PostgresCallStore(connect) as store:
        task = asyncio.create_task(records.run(store))
        try:
            yield World(records, log)
        finally:
            task.cancel()
            await asyncio.wait({task})


async def states_in(dsn: str) -> dict[str, str]:
    """The state of each call; every row counts, so that a double one would show."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT id::text AS id, state FROM calls")
    finally:
        await connection.close()
    states = {row["id"]: row["state"] for row in rows}
    assert len(states) == len(rows)
    return states


async def test_database_that_flaps_refuses_and_hangs_costs_no_record(
    database_dsn: str, tmp_path: Path
) -> None:
    async with postgres_proxy(database_dsn) as proxy:
        async with recording(tmp_path, proxy.connect) as world:
            for mood in (*Mood, *Mood):
                proxy.set_mood(mood)
                await world.calls_for(1.2)
            proxy.set_mood(Mood.FINE)
            await world.until_written()
            log = world.log
        states = await states_in(database_dsn)

    assert Counter(states.values()) == {"ended": world.calls}
    assert world.calls > 100
    assert log.failures != []
    assert log.writing[:2] == [False, True]
    assert (log.dropped, log.rejected, log.lost) == ({}, [], [])


async def test_server_that_is_stopped_or_killed_and_started_again_has_every_record(
    data_dir: Path, tmp_path: Path
) -> None:
    server = EmbeddedPostgres(data_dir, server_settings={**SETTINGS, "fsync": "on"})
    await server.start()
    dsn = server.dsn
    await migrate_database(dsn)
    async with recording(tmp_path / "spool", lambda: connect(dsn)) as world:
        await world.calls_for(0.5)
        await server.stop()
        await world.calls_for(0.5)
        await server.start()
        await world.calls_for(0.5)
        await world.until_written()

        await world.calls_for(0.5)
        assert server.server_pid is not None
        os.kill(server.server_pid, signal.SIGKILL)
        await world.calls_for(0.5)
        await server.stop()
        await server.start()
        await world.until_written()
        states = await states_in(dsn)
    await server.stop()

    assert Counter(states.values()) == {"ended": world.calls}
    assert world.calls > 50


class KilledProcess:
    """A process with calls (support.call_recorder), and those that it said had ended."""

    def __init__(self, spool_dir: Path, dsn: str, first: int, calls: int) -> None:
        self.calls = [call_id(number) for number in range(first, first + calls)]
        root = Path(__file__).parents[2]
        self._process = subprocess.Popen(
            [*PROCESS, str(spool_dir), dsn, str(first), str(calls)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": f"{root}:{root / 'tests'}"},
        )

    def kill_when(self, ended: int) -> list[str]:
        """Kill it as soon as it has reported so many ends; all that it ever reported."""
        assert self._process.stdout is not None
        reported: list[str] = []
        for line in self._process.stdout:
            reported.append(call_id(int(line)))
            if len(reported) == ended:
                self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        return reported


async def killed_during_an_outage(spool_dir: Path, first: int) -> list[str]:
    """Calls 1 to 300 or so of a process that never saw a database; those that had ended."""
    process = KilledProcess(spool_dir, NOWHERE, first, 400)
    return await asyncio.to_thread(process.kill_when, 200)


async def test_process_killed_during_an_outage_loses_no_call_that_had_ended(
    database_dsn: str, tmp_path: Path
) -> None:
    ended = await killed_during_an_outage(tmp_path, 1)
    ended += await killed_during_an_outage(tmp_path, 1001)
    assert len(ended) >= 400
    assert await states_in(database_dsn) == {}

    async with recording(tmp_path, lambda: connect(database_dsn)) as world:
        await eventually(lambda: len(world.log.lost), lambda it: it == 2, what="two burials")
        # Nothing is left but our own folder, locks, and lines that were torn.
        expected = {world.records.instance_id, "lock", "calls.rejected", "calls.lock"}
        await eventually(
            lambda: set(os.listdir(tmp_path)) - expected, lambda it: not it, what="order"
        )
    states = await states_in(database_dsn)

    assert {states.get(call) for call in ended} == {"ended"}
    assert set(states.values()) == {"ended", "lost"}
    assert {call[-1] for call, state in states.items() if state == "lost"} >= {"0"}
    assert Counter(states.values())["lost"] == sum(calls for _, calls in world.log.lost)
    assert world.log.rejected in ([], ["damaged"], ["damaged"] * 2)


async def test_process_killed_while_the_database_is_there_loses_nothing_either(
    database_dsn: str, tmp_path: Path
) -> None:
    process = KilledProcess(tmp_path, database_dsn, 1, 400)
    ended = await asyncio.to_thread(process.kill_when, 200)
    before = await states_in(database_dsn)
    assert len(before) > 0

    async with recording(tmp_path, lambda: connect(database_dsn)) as world:
        await eventually(lambda: len(world.log.lost), lambda it: it == 1, what="the burial")
    states = await states_in(database_dsn)

    assert {states.get(call) for call in ended} == {"ended"}
    assert set(states.values()) == {"ended", "lost"}
    assert states.keys() >= before.keys()


async def test_several_successors_at_once_write_every_record_once(
    database_dsn: str, tmp_path: Path
) -> None:
    ended = await killed_during_an_outage(tmp_path, 1)
    async with (
        recording(tmp_path, lambda: connect(database_dsn)) as one,
        recording(tmp_path, lambda: connect(database_dsn)) as other,
    ):
        await eventually(lambda: one.log.lost + other.log.lost, what="the burial")
        states = await states_in(database_dsn)

    assert {states.get(call) for call in ended} == {"ended"}
    assert len(one.log.adopted + other.log.adopted) == 1
    assert {one.log.written, other.log.written} > {0}


async def test_calls_of_another_machine_are_let_alone(database_dsn: str, tmp_path: Path) -> None:
    async with recording(tmp_path / "there", lambda: connect(database_dsn)) as other:
        other.records.call_started(facts_of(1), perf_counter())
        await eventually(lambda: other.log.written, what="the open row")
        async with recording(tmp_path / "here", lambda: connect(database_dsn)) as world:
            world.records.call_ended(report_of(2))
            await eventually(lambda: world.log.written, what="the ended row")

            assert await states_in(database_dsn) == {call_id(1): "open", call_id(2): "ended"}
            assert world.log.lost == []
