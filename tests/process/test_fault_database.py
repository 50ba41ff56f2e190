"""PostgreSQL dies, hangs, restarts and fails over: calls to known numbers do not notice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from time import monotonic

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, UNKNOWN, WorkerPorts, write_plan
from support.persistent_caller import PersistentCaller
from support.polling import eventually
from support.postgres_proxy import Mood, PostgresProxy, postgres_proxy
from support.process_family import family
from support.stream_worker import StreamWorker

from sip_edge.storage.embedded import EmbeddedPostgres

pytestmark = pytest.mark.asyncio

QUICK = {
    "SIP_EDGE__DATABASE__HEARTBEAT_SECONDS": "1",
    "SIP_EDGE__DISPATCH__ACCEPT_TIMEOUT_SECONDS": "5",  # However busy the machine is.
}
CALLS = 5
COUNT = "select count(*) as calls from calls where state = 'ended' and called_number = $1"

Break = Callable[[EmbeddedPostgres], Awaitable[None]]


@pytest.fixture
def own_postgres(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A server that a test may kill."""
    server = EmbeddedPostgres(data_dir)
    asyncio.run(server.start())
    yield server
    if server.server_pid is not None:
        asyncio.run(go_on(server))
    asyncio.run(server.stop())


async def kill(server: EmbeddedPostgres) -> None:
    for pid in reversed(family(pid_of(server))):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


async def hang(server: EmbeddedPostgres) -> None:
    for pid in family(pid_of(server)):
        os.kill(pid, signal.SIGSTOP)


async def go_on(server: EmbeddedPostgres) -> None:
    for pid in family(pid_of(server)):
        os.kill(pid, signal.SIGCONT)


async def start(server: EmbeddedPostgres) -> None:
    await server.start()


def pid_of(server: EmbeddedPostgres) -> int:
    assert server.server_pid is not None
    return server.server_pid


@asynccontextmanager
async def edge_on(folder: Path, dsn: str) -> AsyncIterator[tuple[EdgeProcess, WorkerPorts]]:
    """An edge with the line plan, on a database of its own."""
    edge, ports = EdgeProcess(folder, dsn=dsn, settings=QUICK), WorkerPorts()
    await asyncio.to_thread(edge.migrate)
    await write_plan(dsn, ports)
    await asyncio.to_thread(edge.start)
    try:
        async with StreamWorker(ports.ada, echo=True):
            yield edge, ports
            assert edge.metric("sip_edge_internal_errors_total") == 0
    finally:
        await asyncio.to_thread(edge.kill)


def readiness(edge: EdgeProcess) -> str:
    """The state that /readyz tells."""
    with urllib.request.urlopen(f"http://{edge.host}:{edge.http_port}/readyz") as response:
        return str(json.load(response)["state"])


async def place(edge: EdgeProcess, number: str) -> int:
    """A call of a moment; its status."""
    async with PersistentCaller((edge.host, edge.sip_port), number) as caller:
        status = await caller.call()
        if status == 200:
            assert await caller.hang_up() == 200
        assert caller.is_one_call
        return status


@pytest.mark.parametrize(("break_", "mend"), [(kill, start), (hang, go_on)], ids=["dies", "hangs"])
async def test_known_numbers_are_answered_while_postgres_is_away_and_every_call_is_recorded(
    own_postgres: EmbeddedPostgres, tmp_path: Path, break_: Break, mend: Break
) -> None:
    dsn = own_postgres.dsn
    async with (
        edge_on(tmp_path, dsn) as (edge, _),
        PersistentCaller((edge.host, edge.sip_port), ADA, talks=True) as control,
    ):
        assert await control.call() == 200
        await break_(own_postgres)
        began = monotonic()
        await eventually(lambda: readiness(edge), lambda state: state == "degraded", what="state")
        print(f"noticed after {monotonic() - began:.2f} s")
        began = monotonic()
        assert [await place(edge, ADA) for _ in range(CALLS)] == [200] * CALLS
        known = (monotonic() - began) / CALLS
        began = monotonic()
        assert await place(edge, UNKNOWN) == 503
        print(f"known: {known * 1000:.0f} ms a call; unknown: 503 in {monotonic() - began:.2f} s")
        assert edge.http_status("/readyz") == 200
        await mend(own_postgres)
        began = monotonic()
        await eventually(lambda: place(edge, UNKNOWN), lambda status: status == 404, what="status")
        print(f"an unknown number is one again after {monotonic() - began:.2f} s")
        assert await control.hang_up() == 200
        assert control.longest_silence < 3.0
        await eventually(
            lambda: edge.sql(COUNT, ADA), lambda rows: rows[0]["calls"] == CALLS + 1, what="rows"
        )


@pytest.mark.parametrize("mood", [Mood.HANGING, Mood.REFUSING], ids=["hangs", "refuses"])
async def test_edge_moves_to_the_second_host_of_its_dsn_when_the_first_one(
    database_dsn: str, tmp_path: Path, mood: Mood
) -> None:
    async with postgres_proxy(database_dsn) as first, postgres_proxy(database_dsn) as second:
        edge, ports = EdgeProcess(tmp_path, dsn=both(first, second), settings=QUICK), WorkerPorts()
        await write_plan(database_dsn, ports)
        await asyncio.to_thread(edge.start)
        try:
            async with StreamWorker(ports.ada):
                assert await place(edge, ADA) == 200
                began = monotonic()
                first.set_mood(mood)
                await eventually(lambda: readiness(edge), lambda s: s == "degraded", what="state")
                await eventually(lambda: readiness(edge), lambda s: s == "ready", what="state")
                print(f"on the second host after {monotonic() - began:.2f} s")
                assert await place(edge, UNKNOWN) == 404
                assert await place(edge, ADA) == 200
                edge.check_health()
        finally:
            await asyncio.to_thread(edge.kill)


def both(first: PostgresProxy, second: PostgresProxy) -> str:
    """The DSN of two servers with the same database."""
    login, _, rest = first.dsn.rpartition("@")
    host, _, path = rest.partition("/")
    return f"{login}@{host},{second.dsn.rpartition('@')[2].partition('/')[0]}/{path}"
