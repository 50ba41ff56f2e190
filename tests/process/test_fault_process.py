"""The edge's own end, kind or not, and a wall clock that jumps while it serves."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import (
    ADA,
    NOBODY_THEN_BOB,
    OUTBOUND_ONLY,
    UNKNOWN,
    VOICEMAIL,
    WorkerPorts,
    write_plan,
)
from support.persistent_caller import PersistentCaller
from support.polling import eventually
from support.process_family import open_descriptors
from support.stream_worker import StreamWorker, WorkerCall
from support.swallowing_port import SwallowingPort

from sip_edge.storage.pool import POOL_MAX_SIZE

pytestmark = pytest.mark.asyncio

STATES = "select state, outcome, ended_by, count(*) as calls from calls group by 1, 2, 3"
PATIENT = {"SIP_EDGE__DISPATCH__ACCEPT_TIMEOUT_SECONDS": "5"}
"""However busy the machine is."""
JUMPS = Path(__file__).parents[1] / "support" / "jumping_clock"

Held = tuple[float, float, float, int]
"""Dialogs, tasks, RTP pairs that are free, open files."""


@asynccontextmanager
async def own_edge(
    folder: Path, dsn: str, settings: Mapping[str, str] | None = None
) -> AsyncIterator[EdgeProcess]:
    """An edge of the test's own, with a worker that echoes at Ada's port."""
    settings = {**PATIENT, **(settings or {})}
    edge, ports = EdgeProcess(folder, dsn=dsn, settings=settings), WorkerPorts()
    await write_plan(dsn, ports)
    await asyncio.to_thread(edge.start)
    try:
        async with StreamWorker(ports.ada, echo=True):
            yield edge
    finally:
        await asyncio.to_thread(edge.kill)


async def callers(stack: AsyncExitStack, edge: EdgeProcess, count: int) -> list[PersistentCaller]:
    """So many calls to Ada that are going on."""
    found = []
    for _ in range(count):
        caller = PersistentCaller((edge.host, edge.sip_port), ADA, talks=True)
        found.append(await stack.enter_async_context(caller))
    assert [await caller.call() for caller in found] == [200] * count
    return found


async def status_of(edge: EdgeProcess, number: str) -> int:
    """Call, hang up if there is an answer; the status."""
    async with PersistentCaller((edge.host, edge.sip_port), number) as caller:
        status = await caller.call()
        if status == 200:
            assert await caller.hang_up() == 200
        assert caller.is_one_call
        return status


async def test_sigterm_at_peak_ends_every_call_properly_and_refuses_every_new_one(
    database_dsn: str, tmp_path: Path
) -> None:
    settings = {"SIP_EDGE__SHUTDOWN__DRAIN_SECONDS": "2"}
    async with own_edge(tmp_path, database_dsn, settings) as edge, AsyncExitStack() as stack:
        talking = await callers(stack, edge, 20)
        leaving, staying = talking[:10], talking[10:]
        began = monotonic()
        edge.signal(signal.SIGTERM)
        await eventually(lambda: edge.http_status("/readyz"), lambda s: s == 503, what="readyz")
        assert [await status_of(edge, ADA) for _ in range(10)] == [503] * 10
        assert [await caller.hang_up() for caller in leaving] == [200] * len(leaving)
        for caller in staying:
            await caller.is_hung_up_on()
        print(f"the last caller got BYE after {monotonic() - began:.2f} s")
        assert await asyncio.to_thread(edge.wait) == 0
        assert all(caller.is_one_call for caller in talking)
        assert all(caller.longest_silence < 3.0 for caller in staying)
        rows = await edge.sql(STATES)
    assert {(row["state"], row["outcome"], row["ended_by"]): row["calls"] for row in rows} == {
        ("ended", "agent", "caller"): 10,
        ("ended", "agent", "drain"): 10,
        ("ended", "overloaded", None): 10,
    }


async def test_successor_of_an_edge_that_was_killed_serves_at_once_and_closes_its_calls_as_lost(
    database_dsn: str, tmp_path: Path
) -> None:
    async with own_edge(tmp_path, database_dsn) as edge, AsyncExitStack() as stack:
        assert await status_of(edge, ADA) == 200
        orphans = await callers(stack, edge, 10)
        await eventually(
            lambda: edge.sql("select count(*) as calls from calls where state = 'open'"),
            lambda rows: rows[0]["calls"] == 10,
            what="open rows",
        )
        await asyncio.to_thread(edge.kill)
        began = monotonic()
        # The same ports, while the callers of before go on sending sound to theirs.
        await asyncio.to_thread(edge.start)
        assert await status_of(edge, ADA) == 200
        print(f"answered again {monotonic() - began:.2f} s after kill -9")
        assert await status_of(edge, UNKNOWN) == 404
        # A caller who hangs up now learns that there is no such call.
        assert [await caller.hang_up() for caller in orphans] == [481] * 10
        await eventually(
            lambda: edge.sql("select state, count(*) as calls from calls group by 1"),
            lambda rows: {row["state"]: row["calls"] for row in rows} == {"lost": 10, "ended": 3},
            what="rows",
        )
        edge.check_health()
        assert await asyncio.to_thread(edge.stop) == 0


async def test_calls_that_end_in_every_way_leave_nothing_open(
    database_dsn: str, tmp_path: Path
) -> None:
    settings = {**PATIENT, "SIP_EDGE__MEDIA__QUARANTINE_SECONDS": "0.5"}
    edge, ports = EdgeProcess(tmp_path, dsn=database_dsn, settings=settings), WorkerPorts()
    await write_plan(database_dsn, ports)
    await asyncio.to_thread(edge.start)
    ends = itertools.cycle(["listen", "hang up", "vanish", "err"])

    async def end(call: WorkerCall) -> None:
        kind = next(ends)
        await call.heard_at_least(0.1)
        if kind == "hang up":
            await call.hang_up(1000)
        elif kind == "vanish":
            call.vanish()
        elif kind == "err":
            await call.hang_up(1011)

    async def place(number: str) -> int:
        async with PersistentCaller((edge.host, edge.sip_port), number, talks=True) as caller:
            calling = asyncio.create_task(caller.call())
            if number == NOBODY_THEN_BOB:
                await asyncio.sleep(0.3)
                assert await caller.give_up() == 200
            status = await calling
            if status == 200:
                await asyncio.sleep(0.5)
                assert await caller.hang_up() in (200, 481)
            assert caller.is_one_call
            return status

    expected = {ADA: 200, VOICEMAIL: 200, UNKNOWN: 404, OUTBOUND_ONLY: 603, NOBODY_THEN_BOB: 487}
    try:
        async with StreamWorker(ports.ada, end), SwallowingPort(ports.nobody):
            await asyncio.gather(*(place(number) for number in expected))
            await eventually(lambda: held(edge), lambda left: left[0] == 0, what="dialogs")
            before = held(edge)
            numbers = [*expected] * 5 + [ADA] * 15
            statuses = await asyncio.gather(*(place(number) for number in numbers))
            assert statuses == [expected[number] for number in numbers]
            after = await eventually(
                lambda: held(edge),
                lambda left: is_all_given_back(before, left),
                what=f"dialogs, tasks, pairs, files; {before} before",
            )
            print(f"dialogs, tasks, RTP pairs, open files before and after: {before}, {after}")
        await eventually(
            lambda: edge.sql("select state, count(*) as calls from calls group by 1"),
            lambda rows: {r["state"]: r["calls"] for r in rows} == {"ended": len(numbers) + 5},
            what="rows",
        )
        assert edge.metric("sip_edge_invites_total") == edge.metric("sip_edge_calls_total")
        edge.check_health()
    finally:
        await asyncio.to_thread(edge.kill)


def held(edge: EdgeProcess) -> Held:
    """Dialogs, tasks, RTP pairs that are free, open files."""
    return (
        edge.metric("sip_edge_held", what="dialogs"),
        edge.metric("sip_edge_held", what="tasks"),
        edge.metric("sip_edge_rtp_ports_free"),
        open_descriptors(edge.pid),
    )


def is_all_given_back(before: Held, after: Held) -> bool:
    """Whether forty calls left nothing: PostgreSQL's pool alone may have opened its connections."""
    return (
        after[0] <= before[0]
        and after[1] <= before[1]
        and after[2] >= before[2]
        and after[3] <= before[3] + POOL_MAX_SIZE
    )


async def test_wall_clock_that_jumps_ends_no_call_and_spoils_no_record(
    database_dsn: str, tmp_path: Path
) -> None:
    clock = tmp_path / "jump"
    path = os.pathsep.join([str(JUMPS), os.environ.get("PYTHONPATH", "")])
    settings = {"CLOCK_JUMP": str(clock), "PYTHONPATH": path}
    async with own_edge(tmp_path, database_dsn, settings) as edge, AsyncExitStack() as stack:
        talking = await callers(stack, edge, 3)
        for seconds in (3600, -86_400, 400 * 86_400, 0):
            clock.with_suffix(".new").write_text(str(seconds))
            clock.with_suffix(".new").replace(clock)
            assert await status_of(edge, ADA) == 200
            assert await status_of(edge, UNKNOWN) == 404
            await asyncio.sleep(0.7)
        assert [await caller.hang_up() for caller in talking] == [200] * 3
        assert all(caller.longest_silence < 3.0 for caller in talking)
        assert not any(caller.hung_up_on.is_set() for caller in talking)
        years = Counter(line["timestamp"][:4] for line in edge.log())
        print(f"log lines by year: {dict(years)}")
        assert len(years) >= 2, "the clock did not jump"
        rows = await eventually(
            lambda: edge.sql("select * from calls where state = 'ended'"),
            lambda rows: len(rows) == 11,
            what="rows",
        )
        # Written by the clock as it was when the call began, lengths by the one that never jumps.
        assert all(0 <= (row["ended_at"] - row["started_at"]).total_seconds() < 60 for row in rows)
        assert len({row["started_at"].date() for row in rows}) >= 3
        edge.check_health()
        assert await asyncio.to_thread(edge.stop) == 0
