"""What the machine gives runs out: ports, descriptors, disk, names, a worker's patience."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from time import monotonic

import pytest
from support.edge_process import EdgeProcess
from support.free_ports import free_ports
from support.line_plan import (
    ADA,
    ADA_THEN_BOB,
    NOBODY,
    NOBODY_THEN_BOB,
    UNKNOWN,
    VOICEMAIL,
    WorkerPorts,
    write_plan,
)
from support.persistent_caller import PersistentCaller
from support.polling import eventually
from support.postgres import PostgresServer
from support.process_family import open_descriptors
from support.stream_worker import StreamWorker, WorkerCall

pytestmark = pytest.mark.asyncio

PAIRS = 8
"""Calls that have ports at the same time."""
REST_SECONDS = 0.1
"""Of a pair of ports after a call."""
BOBS_SOUND = b"\x42" * 160


@pytest.fixture(scope="module")
def ports() -> WorkerPorts:
    return WorkerPorts()


@pytest.fixture(scope="module")
def poor_edge(
    tmp_path_factory: pytest.TempPathFactory, embedded_postgres: PostgresServer, ports: WorkerPorts
) -> Iterator[EdgeProcess]:
    """An edge with few ports and little patience, for the tests of this file."""
    first = free_ports(2 * PAIRS)
    with embedded_postgres.database(migrated=True) as dsn:
        edge = EdgeProcess(
            tmp_path_factory.mktemp("poor"),
            dsn=dsn,
            settings={
                "SIP_EDGE__MEDIA__PORT_MIN": str(first),
                "SIP_EDGE__MEDIA__PORT_MAX": str(first + 2 * PAIRS - 1),
                "SIP_EDGE__MEDIA__QUARANTINE_SECONDS": str(REST_SECONDS),
                "SIP_EDGE__DISPATCH__PING_SECONDS": "2",
                "SIP_EDGE__DISPATCH__ACCEPT_TIMEOUT_SECONDS": "5",  # However busy the machine is.
            },
        )
        asyncio.run(write_plan(dsn, ports))
        edge.start()
        try:
            yield edge
            edge.check_health()
        finally:
            edge.kill()


def caller(edge: EdgeProcess, number: str) -> PersistentCaller:
    return PersistentCaller((edge.host, edge.sip_port), number, talks=True)


@asynccontextmanager
async def control_call(edge: EdgeProcess, ports: WorkerPorts) -> AsyncIterator[None]:
    """A call to Bob that must not notice what runs out."""

    async def say_as_bob(call: WorkerCall) -> None:
        await call.say(BOBS_SOUND * 50 * 60)

    await asyncio.sleep(3 * REST_SECONDS)  # Ports of the test before.
    async with StreamWorker(ports.bob, say_as_bob), caller(edge, NOBODY_THEN_BOB) as control:
        assert await control.call() == 200
        await control.hears(BOBS_SOUND)
        yield
        assert not control.hung_up_on.is_set()
        assert await control.hang_up() == 200
        assert control.longest_silence < 3.0
    await eventually(lambda: edge.metric("sip_edge_calls_active"), lambda n: n == 0, what="calls")
    assert edge.metric("sip_edge_invites_total") == edge.metric("sip_edge_calls_total")
    edge.check_health()


async def status_of(edge: EdgeProcess, number: str) -> int:
    """Call, hang up if there is an answer; the status."""
    async with caller(edge, number) as calling:
        status = await calling.call()
        if status == 200:
            assert await calling.hang_up() == 200
        assert calling.is_one_call
        return status


@contextmanager
def limited(edge: EdgeProcess, what: int, most: int) -> Iterator[None]:
    """The kernel gives the edge no more than this."""
    before = resource.prlimit(edge.pid, what)
    resource.prlimit(edge.pid, what, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(edge.pid, what, before)


async def test_call_without_a_port_is_refused_and_those_that_have_one_go_on(
    poor_edge: EdgeProcess, ports: WorkerPorts
) -> None:
    async with (
        StreamWorker(ports.ada, echo=True),
        control_call(poor_edge, ports),
        AsyncExitStack() as stack,
    ):
        calls = [await stack.enter_async_context(caller(poor_edge, ADA)) for _ in range(PAIRS - 1)]
        assert [await each.call() for each in calls] == [200] * len(calls)
        began = monotonic()
        assert [await status_of(poor_edge, ADA) for _ in range(10)] == [503] * 10
        print(f"no port: 503 in {(monotonic() - began) / 10:.3f} s")
        assert await status_of(poor_edge, UNKNOWN) == 404
        assert [await each.hang_up() for each in calls] == [200] * len(calls)
        await eventually(
            lambda: status_of(poor_edge, ADA), lambda status: status == 200, what="status"
        )


async def test_call_without_a_descriptor_is_refused_and_those_that_have_theirs_go_on(
    poor_edge: EdgeProcess, ports: WorkerPorts
) -> None:
    async with StreamWorker(ports.ada), control_call(poor_edge, ports):
        used = open_descriptors(poor_edge.pid)
        with limited(poor_edge, resource.RLIMIT_NOFILE, 3):  # None more than it has.
            began = monotonic()
            statuses = [await status_of(poor_edge, ADA) for _ in range(5)]
            print(f"no descriptor: {statuses} in {(monotonic() - began) / 5:.3f} s")
            assert statuses == [503] * 5
            assert await status_of(poor_edge, UNKNOWN) == 404
            await knock(poor_edge)
        # Enough for a port and not for a worker's connection, and the like.
        top = max(int(name) for name in os.listdir(f"/proc/{poor_edge.pid}/fd"))
        statuses = []
        for more in range(1, 8):
            with limited(poor_edge, resource.RLIMIT_NOFILE, top + more):
                statuses.append(await status_of(poor_edge, ADA))
        print(f"few descriptors: {statuses}")
        assert set(statuses) <= {200, 480, 503}
        await eventually(lambda: status_of(poor_edge, ADA), lambda s: s == 200, what="status")
        await eventually(
            lambda: open_descriptors(poor_edge.pid), lambda now: now <= used + 2, what="open files"
        )


async def knock(edge: EdgeProcess) -> None:
    """Connect to every listener, which cannot accept."""
    for port in (edge.sip_port, edge.http_port):
        try:
            async with asyncio.timeout(0.5):
                _, writer = await asyncio.open_connection(edge.host, port)
                writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
                await asyncio.sleep(0.2)
                writer.close()
        except (OSError, TimeoutError):
            continue


async def test_full_disk_costs_no_call_and_no_record(
    poor_edge: EdgeProcess, ports: WorkerPorts
) -> None:
    rows = "select count(*) as rows from calls where state = 'ended'"
    done = poor_edge.metric("sip_edge_calls_total")
    async with StreamWorker(ports.ada), control_call(poor_edge, ports):
        with limited(poor_edge, resource.RLIMIT_FSIZE, 0):
            statuses = [await status_of(poor_edge, number) for number in (ADA, NOBODY, UNKNOWN)]
            assert statuses == [200, 480, 404]
            async with caller(poor_edge, VOICEMAIL) as calling:
                assert await calling.call() == 200
                await eventually(lambda: calling.packets_heard, lambda n: n > 10, what="packets")
                assert await calling.hang_up() == 200
            assert poor_edge.http_status("/readyz") == 200
        assert await status_of(poor_edge, ADA) == 200
    made = poor_edge.metric("sip_edge_calls_total") - done
    assert made == 6
    await eventually(
        lambda: poor_edge.sql(rows), lambda found: found[0]["rows"] == done + made, what="rows"
    )


async def test_worker_whose_name_leads_nowhere_costs_its_caller_less_than_a_second(
    poor_edge: EdgeProcess, ports: WorkerPorts
) -> None:
    url = f"ws://127.0.0.1:{ports.ada}/ada?for=tests"
    change = "UPDATE agents SET worker_url = $1 WHERE name = 'Ada'"
    failed = poor_edge.metric("sip_edge_dispatch_attempts_total", reason="dns")
    async with control_call(poor_edge, ports):
        await poor_edge.sql(change, "ws://no-such-worker.invalid:1/")
        try:
            await eventually(lambda: dns_failures(poor_edge), lambda n: n > failed, what="failures")
            began = monotonic()
            assert await status_of(poor_edge, ADA_THEN_BOB) == 200
            print(f"no name: the fallback after {monotonic() - began:.2f} s")
        finally:
            await poor_edge.sql(change, url)


async def dns_failures(edge: EdgeProcess) -> float:
    """How many, after one more call."""
    assert await status_of(edge, ADA_THEN_BOB) == 200
    return edge.metric("sip_edge_dispatch_attempts_total", reason="dns")


async def test_worker_that_hangs_after_it_took_the_call_is_left_for_the_next_one(
    poor_edge: EdgeProcess, ports: WorkerPorts
) -> None:
    async def hang(call: WorkerCall) -> None:
        call.stop_reading()

    async with (
        StreamWorker(ports.ada, hang) as ada,
        control_call(poor_edge, ports),
        caller(poor_edge, ADA_THEN_BOB) as calling,
    ):
        assert await calling.call() == 200
        await ada.next_call()
        ada.stop_listening()
        began = monotonic()
        await calling.hears(BOBS_SOUND)
        print(f"moved after {monotonic() - began:.2f} s")
        assert await calling.hang_up() == 200
        for call in ada.calls:
            call.vanish()
