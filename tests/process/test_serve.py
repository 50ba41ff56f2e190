"""`sip-edge serve` as its operator sees it: an empty database, changes by SQL, SIGTERM."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.edge_process import EdgeProcess
from support.free_ports import free_port
from support.polling import eventually
from support.raw_sip import Caller, Received, UdpPhone
from support.stream_worker import StreamWorker

pytestmark = pytest.mark.asyncio

NUMBER = "+12025550171"


@pytest.fixture
def own_edge(tmp_path: Path, empty_database_dsn: str) -> Iterator[EdgeProcess]:
    """An edge of the test's own, started on a database without any table."""
    edge = EdgeProcess(tmp_path, dsn=empty_database_dsn)
    edge.start()
    yield edge
    edge.kill()


@pytest_asyncio.fixture
async def phone(own_edge: EdgeProcess) -> AsyncIterator[UdpPhone]:
    """A phone that calls it."""
    async with UdpPhone((own_edge.host, own_edge.sip_port)) as phone:
        yield phone


def calling(phone: UdpPhone, name: str) -> Caller:
    host, port = phone.address
    return Caller(host=host, port=port, number=NUMBER, name=name)


async def call(phone: UdpPhone, name: str) -> Received:
    """Place a call; if it is answered, end it. The final response."""
    caller = calling(phone, name)
    phone.send(caller.invite())
    answer = await phone.final()
    phone.send(caller.ack(answer, branch="ack" if answer.status == 200 else "1"))
    if answer.status == 200:
        phone.send(caller.bye(answer))
        await phone.final("BYE")
    return answer


async def add_number(edge: EdgeProcess, worker_port: int) -> None:
    """The number and its agent, written as any client of the database would."""
    await edge.sql(
        "WITH agent AS (INSERT INTO agents (worker_url) VALUES ($1) RETURNING id)"
        " INSERT INTO phone_numbers (phone_number, agent_id, inbound_routing)"
        " SELECT $2, id, jsonb_build_object('agent_id', id) FROM agent",
        f"ws://127.0.0.1:{worker_port}/",
        NUMBER,
    )


async def test_rows_written_by_anyone_decide_the_next_call(
    own_edge: EdgeProcess, phone: UdpPhone
) -> None:
    worker_port = free_port()
    assert (await call(phone, "before")).status == 404
    async with StreamWorker(worker_port):
        await add_number(own_edge, worker_port)
        await next_status(phone, 200, "added")
        await own_edge.sql("UPDATE agents SET status = 'paused'")
        await next_status(phone, 486, "paused")
        await own_edge.sql("UPDATE phone_numbers SET inbound_routing = NULL")
        await next_status(phone, 603, "outbound")
        await own_edge.sql("TRUNCATE phone_numbers")
        await next_status(phone, 404, "truncated")
    own_edge.check_health()


async def next_status(phone: UdpPhone, status: int, name: str) -> None:
    """Call until the change has been seen; how soon that is, is measured elsewhere."""
    numbers = iter(range(1000))

    async def status_now() -> int:
        return (await call(phone, f"{name}{next(numbers)}")).status

    await eventually(status_now, lambda got: got == status, what=f"status of a call when {name}")


async def test_sigterm_lets_the_current_call_finish_and_refuses_new_ones(
    own_edge: EdgeProcess, phone: UdpPhone
) -> None:
    worker_port = free_port()
    await add_number(own_edge, worker_port)
    async with StreamWorker(worker_port) as worker:
        await next_status(phone, 200, "ready")
        caller = calling(phone, "current")
        phone.send(caller.invite())
        answer = await phone.final()
        phone.send(caller.ack(answer))
        own_edge.signal(signal.SIGTERM)
        await eventually(lambda: own_edge.http_status("/readyz"), lambda s: s == 503, what="readyz")
        refusal = await call(phone, "late")
        assert own_edge.http_status("/healthz") == 200
        phone.send(caller.bye(answer))
        bye = await phone.final("BYE")
        code = await asyncio.to_thread(own_edge.wait)
    assert answer.status == 200
    assert refusal.status == 503
    assert refusal.header("Retry-After") == ""
    assert bye.status == 200
    assert code == 0
    assert worker.calls[-1].is_stopped


async def test_second_signal_ends_the_call_and_the_server_at_once(
    own_edge: EdgeProcess, phone: UdpPhone
) -> None:
    worker_port = free_port()
    await add_number(own_edge, worker_port)
    async with StreamWorker(worker_port) as worker:
        await next_status(phone, 200, "ready")
        caller = calling(phone, "cut")
        phone.send(caller.invite())
        phone.send(caller.ack(await phone.final()))
        calls = len(worker.calls)
        own_edge.signal(signal.SIGINT)
        await eventually(lambda: own_edge.http_status("/readyz"), lambda s: s == 503, what="readyz")
        own_edge.signal(signal.SIGINT)
        bye = await phone.request("BYE")
        code = await asyncio.to_thread(own_edge.wait)
    assert bye.first_line.startswith("BYE sip:+12025550123@127.0.0.1:")
    assert code == 0
    assert worker.calls[calls - 1].closed.is_set()
