"""What happens at the bounds of a process: the newest lose, and nobody else notices."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, UNKNOWN, WorkerPorts, write_plan
from support.polling import eventually
from support.postgres import PostgresServer
from support.raw_sip import Caller, Received, UdpPhone
from support.stream_worker import StreamWorker

pytestmark = pytest.mark.asyncio

ANOTHER = "127.0.0.2"
"""Of the same carrier as 127.0.0.1."""


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory,
    embedded_postgres: PostgresServer,
    worker_ports: WorkerPorts,
) -> Iterator[EdgeProcess]:
    """An edge with small limits, and without TLS."""
    settings = {
        "SIP_EDGE__SIP__TRANSPORTS": "udp, tcp",
        "SIP_EDGE__SIP__MAX_CALLS": "2",
        "SIP_EDGE__LIMITS__REQUESTS_PER_SECOND_PER_SOURCE": "10",
        "SIP_EDGE__LIMITS__DATAGRAMS_PER_SECOND_PER_SOURCE": "100",
        "SIP_EDGE__LIMITS__MAX_LOOP_LAG_SECONDS": "0.2",
    }
    with embedded_postgres.database(migrated=True) as dsn:
        edge = EdgeProcess(tmp_path_factory.mktemp("small"), dsn=dsn, settings=settings)
        asyncio.run(write_plan(edge.dsn, worker_ports))
        edge.start()
        yield edge
        edge.check_health()
        assert edge.stop() == 0


@asynccontextmanager
async def phone_at(edge: EdgeProcess, host: str) -> AsyncIterator[UdpPhone]:
    """A phone whose packets come from this address."""
    async with UdpPhone((edge.host, edge.sip_port), local=(host, 0)) as phone:
        yield phone


def caller_at(phone: UdpPhone, number: str, name: str) -> Caller:
    host, port = phone.address
    return Caller(host=host, port=port, number=number, name=name)


def options(phone: UdpPhone, name: str) -> str:
    invite = caller_at(phone, ADA, name).invite(body="")
    return invite.replace("INVITE ", "OPTIONS ", 1).replace(" INVITE\r", " OPTIONS\r")


async def asked(phone: UdpPhone, names: Iterator[int]) -> int:
    """The answer to OPTIONS, asked no faster than the source may."""
    await asyncio.sleep(0.1)
    phone.send(options(phone, f"options{next(names)}"))
    return (await phone.final("OPTIONS")).status


async def talking(phone: UdpPhone, name: str) -> tuple[Caller, Received]:
    """A call that was answered."""
    caller = caller_at(phone, ADA, name)
    phone.send(caller.invite())
    answer = await phone.final()
    assert answer.status == 200
    phone.send(caller.ack(answer))
    return caller, answer


async def hang_up(phone: UdpPhone, call: tuple[Caller, Received]) -> None:
    caller, answer = call
    phone.send(caller.bye(answer))
    assert (await phone.final("BYE")).status == 200


async def has_ended(edge: EdgeProcess) -> None:
    await eventually(
        lambda: edge.metric("sip_edge_calls_active"), lambda calls: calls == 0, what="calls"
    )


async def test_call_to_a_sips_uri_is_refused_where_there_is_no_tls(small: EdgeProcess) -> None:
    async with phone_at(small, "127.0.0.5") as phone:
        caller = caller_at(phone, ADA, "secure")
        phone.send(caller.invite().replace("INVITE sip:", "INVITE sips:", 1))
        refusal = await phone.final()
        phone.send(caller.ack(refusal, branch="1"))

    assert refusal.status == 416


async def test_full_process_refuses_the_next_call_and_tells_whoever_asks(
    small: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    names = iter(range(100, 200))
    async with StreamWorker(worker_ports.ada), phone_at(small, ANOTHER) as phone:
        calls = [await talking(phone, "first")]
        room = await asked(phone, names)
        calls.append(await talking(phone, "second"))
        full = await asked(phone, names)
        page = small.http_text("/readyz")
        late = caller_at(phone, ADA, "third")
        phone.send(late.invite())
        refusal = await phone.final()
        phone.send(late.ack(refusal, branch="1"))
        for call in calls:
            await hang_up(phone, call)
        await has_ended(small)
        again = await asked(phone, names)
    assert (room, full, refusal.status, again) == (200, 503, 503, 200)
    assert "all lines are taken" in page
    assert refusal.header("Retry-After") == ""
    assert "cause=42" in refusal.header("Reason")


async def test_source_that_begins_too_much_is_refused_and_its_call_goes_on(
    small: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    before = small.metric("sip_edge_sip_events_total", event="rate_limit")
    invites = small.metric("sip_edge_invites_total")
    async with (
        StreamWorker(worker_ports.ada),
        phone_at(small, "127.0.0.3") as busy,
        phone_at(small, "127.0.0.4") as quiet,
    ):
        call = await talking(busy, "kept")
        burst = [caller_at(busy, UNKNOWN, f"burst{n}") for n in range(60)]
        for caller in burst:
            busy.send(caller.invite())
        answers = [await busy.final() for _ in burst]
        other = await asked(quiet, iter(range(200, 300)))
        await hang_up(busy, call)
    # The others were refused as calls, for their number or because all lines were taken.
    refused = sum(answer.status == 503 and not answer.header("Reason") for answer in answers)
    assert refused >= 20
    assert {answer.status for answer in answers} <= {404, 503}
    assert other == 200
    assert small.metric("sip_edge_sip_events_total", event="rate_limit") - before == refused
    # What was refused at the gate never became a call.
    assert small.metric("sip_edge_invites_total") - invites == 61 - refused
    await has_ended(small)


async def test_source_that_floods_is_not_read_and_others_are_answered_meanwhile(
    small: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    before = small.metric("sip_edge_sip_events_total", event="flood")
    async with (
        StreamWorker(worker_ports.ada),
        phone_at(small, "127.0.0.5") as vandal,
        phone_at(small, "127.0.0.6") as friend,
    ):
        call = await talking(friend, "undisturbed")
        for _ in range(10):
            for _ in range(200):
                vandal.send(b"rubbish")
            await asyncio.sleep(0.01)
        other = await asked(friend, iter(range(300, 400)))
        await hang_up(friend, call)
    assert other == 200
    assert small.metric("sip_edge_sip_events_total", event="flood") - before > 1000
    await has_ended(small)


async def test_process_that_is_held_up_again_and_again_refuses_calls_for_a_while(
    small: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    names = iter(range(400, 4000))
    async with StreamWorker(worker_ports.ada), phone_at(small, "127.0.0.7") as phone:
        call = await talking(phone, "patient")
        for _ in range(7):
            small.signal(signal.SIGSTOP)
            await asyncio.sleep(1.1)
            small.signal(signal.SIGCONT)
            await asyncio.sleep(0.15)
        await eventually(lambda: asked(phone, names), lambda s: s == 503, what="OPTIONS when late")
        late = caller_at(phone, ADA, "late")
        phone.send(late.invite())
        refusal = await phone.final()
        phone.send(late.ack(refusal, branch="1"))
        await eventually(lambda: asked(phone, names), lambda s: s == 200, what="OPTIONS later")
        await hang_up(phone, await talking(phone, "welcome"))
        await hang_up(phone, call)
    assert refusal.status == 503
    # Lines are written in batches.
    events = await eventually(
        lambda: [line["event"] for line in small.log()],
        lambda events: "overload_over" in events,
        what="overload_over in the log",
    )
    assert events.index("overloaded") < events.index("overload_over")
    await has_ended(small)
