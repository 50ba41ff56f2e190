"""PostgreSQL dies, hangs, restarts and fails over: calls to known numbers do not notice."""

from __future__ import annotations

import asyncio
import os
import signal
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
async def edge_on(
    folder: Path, dsn: str, *, direct: str | None = None
) -> AsyncIterator[EdgeProcess]:
    """An edge with the line plan, on a database of its own; `direct` leads there in any case."""
    edge, ports = EdgeProcess(folder, dsn=dsn, settings=QUICK), WorkerPorts()
    await asyncio.to_thread(edge.migrate)
    await write_plan(direct or dsn, ports)
    await asyncio.to_thread(edge.start)
    try:
        async with StreamWorker(ports.ada, echo=True):
            yield edge
            edge.check_health()
    finally:
        await asyncio.to_thread(edge.kill)


def times(edge: EdgeProcess, event: str) -> int:
    """How often the log tells of this."""
    return sum(line["event"] == event for line in edge.log())


async def place(edge: EdgeProcess, number: str) -> int:
    """A call of a moment; its status."""
    async with PersistentCaller((edge.host, edge.sip_port), number) as caller:
        status = await caller.call()
        if status == 200:
            assert await caller.hang_up() == 200
        assert caller.is_one_call
        return status


async def test_known_numbers_are_answered_while_postgres_is_away_and_every_call_is_recorded(
    own_postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    async with (
        edge_on(tmp_path, own_postgres.dsn) as edge,
        PersistentCaller((edge.host, edge.sip_port), ADA, talks=True) as control,
    ):
        assert await control.call() == 200
        await live_through(edge, own_postgres, hang, go_on)
        await live_through(edge, own_postgres, kill, start)
        assert await control.hang_up() == 200
        assert control.longest_silence < 3.0
        await eventually(
            lambda: edge.sql(COUNT, ADA),
            lambda rows: rows[0]["calls"] == 2 * CALLS + 1,
            what="rows",
        )


async def live_through(
    edge: EdgeProcess, server: EmbeddedPostgres, break_: Break, mend: Break
) -> None:
    """One outage, with calls in it."""
    stale, live = times(edge, "routes_stale"), times(edge, "routes_live")
    await break_(server)
    began = monotonic()
    await eventually(lambda: times(edge, "routes_stale") > stale, what="the outage")
    print(f"{break_.__name__}: noticed after {monotonic() - began:.2f} s")
    began = monotonic()
    assert [await place(edge, ADA) for _ in range(CALLS)] == [200] * CALLS
    known = (monotonic() - began) / CALLS
    began = monotonic()
    assert await place(edge, UNKNOWN) == 503
    print(f"known: {known * 1000:.0f} ms a call; unknown: 503 in {monotonic() - began:.2f} s")
    assert edge.http_status("/readyz") == 200
    await mend(server)
    began = monotonic()
    await eventually(lambda: place(edge, UNKNOWN), lambda status: status == 404, what="status")
    print(f"an unknown number is one again after {monotonic() - began:.2f} s")
    await eventually(lambda: times(edge, "routes_live") > live, what="the end of the outage")


async def test_edge_moves_to_the_host_of_its_dsn_that_lets_it_in(
    database_dsn: str, tmp_path: Path
) -> None:
    async with (
        postgres_proxy(database_dsn) as first,
        postgres_proxy(database_dsn) as second,
        edge_on(tmp_path, both(first, second), direct=database_dsn) as edge,
    ):
        assert await place(edge, ADA) == 200
        for away, back in ((first, second), (second, first)):
            back.set_mood(Mood.FINE)
            live = times(edge, "routes_live")
            began = monotonic()
            away.set_mood(Mood.HANGING if away is first else Mood.REFUSING)
            await eventually(lambda n=live: times(edge, "routes_live") > n, what="the other host")  # type: ignore[misc]
            print(f"on the other host after {monotonic() - began:.2f} s")
            assert await place(edge, UNKNOWN) == 404
            assert await place(edge, ADA) == 200


def both(first: PostgresProxy, second: PostgresProxy) -> str:
    """The DSN of two servers with the same database."""
    login, _, rest = first.dsn.rpartition("@")
    host, _, path = rest.partition("/")
    return f"{login}@{host},{second.dsn.rpartition('@')[2].partition('/')[0]}/{path}"
