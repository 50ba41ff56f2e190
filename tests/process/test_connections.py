"""Connections of a call: used again while they stand, replaced when they are gone, bounded."""

from __future__ import annotations

import asyncio
import ssl
import time
from contextlib import AsyncExitStack

import pytest
from support.edge_process import TLS_FILES, EdgeProcess
from support.free_ports import free_port
from support.line_plan import ADA, UNKNOWN, WorkerPorts
from support.polling import eventually
from support.raw_sip import Caller, Received, TcpPhone, UdpPhone
from support.sip_listener import SipListener, accept
from support.stream_worker import StreamWorker

pytestmark = pytest.mark.asyncio


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(TLS_FILES / "edge.pem"))


def proxy_certificate() -> ssl.SSLContext:
    """Of an authority that the edge believes (sip.tls_ca_file)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS_FILES / "worker.pem", TLS_FILES / "worker.key")
    return context


async def answered(
    phone: TcpPhone, name: str, *, contact: str, route: str | None = None
) -> tuple[Caller, Received]:
    """A call over this connection, from whoever has this Contact and perhaps a proxy before it."""
    transport = "TLS" if phone.is_tls else "TCP"
    host, port = phone.address
    caller = Caller(host=host, port=port, number=ADA, name=name, transport=transport)
    lines = caller.invite().split("\r\n")
    lines = [f"Contact: <{contact}>" if line.startswith("Contact") else line for line in lines]
    if route is not None:
        lines.insert(1, f"Record-Route: <{route}>")
    phone.send("\r\n".join(lines))
    answer = await phone.final()
    assert answer.status == 200
    phone.send(caller.ack(answer))
    return caller, answer


async def test_bye_comes_on_the_callers_connection_though_its_contact_is_elsewhere(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with (
        StreamWorker(worker_ports.ada) as worker,
        SipListener() as elsewhere,
        TcpPhone((edge.host, edge.sip_port)) as phone,
    ):
        target = f"sip:127.0.0.1:{elsewhere.port};transport=tcp"
        await answered(phone, "reuse", contact=target)
        await (await worker.next_call()).hang_up(1000)
        bye = await phone.receive()
        phone.send(accept(bye))

    assert bye.first_line == f"BYE {target} SIP/2.0"
    assert elsewhere.connections == 0


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_bye_comes_on_a_new_connection_to_the_route_when_the_callers_is_gone(
    edge: EdgeProcess, worker_ports: WorkerPorts, transport: str
) -> None:
    is_tls = transport == "tls"
    async with (
        StreamWorker(worker_ports.ada) as worker,
        SipListener(tls=proxy_certificate() if is_tls else None) as proxy,
    ):
        route = f"sip:127.0.0.1:{proxy.port};transport={transport};r2=on;lr"
        async with TcpPhone(
            (edge.host, edge.tls_port if is_tls else edge.sip_port),
            tls=trusting() if is_tls else None,
        ) as phone:
            await answered(
                phone,
                f"gone-{transport}",
                contact="sip:+12025550123@172.25.75.240:5060;transport=udp",
                route=route,
            )
            call = await worker.next_call()
        await call.hang_up(1000)
        bye = await proxy.request("BYE")

    assert bye.first_line == "BYE sip:+12025550123@172.25.75.240:5060;transport=udp SIP/2.0"
    assert bye.header("Route") == f"<{route}>"
    assert bye.header("Via").startswith(f"SIP/2.0/{transport.upper()} 127.0.0.1:")


async def test_peer_that_cannot_prove_itself_gets_no_bye_and_the_call_ends_all_the_same(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS_FILES / "renewed.pem", TLS_FILES / "renewed.key")
    before = edge.metric("sip_edge_tls_failures_total", what="handshake")
    async with StreamWorker(worker_ports.ada) as worker, SipListener(tls=context) as impostor:
        async with TcpPhone((edge.host, edge.tls_port), tls=trusting()) as phone:
            route = f"sip:127.0.0.1:{impostor.port};transport=tls;lr"
            await answered(phone, "impostor", contact="sip:10.0.0.1", route=route)
            call = await worker.next_call()
        await call.hang_up(1000)
        await eventually(
            lambda: edge.metric("sip_edge_tls_failures_total", what="handshake") > before,
            what="the failed handshake",
        )
        await eventually(lambda: edge.metric("sip_edge_calls_active") == 0, what="the end")


async def test_call_ends_though_nobody_takes_its_bye(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada) as worker:
        async with TcpPhone((edge.host, edge.sip_port)) as phone:
            nowhere = f"sip:127.0.0.1:{free_port()};transport=tcp"
            await answered(phone, "nobody", contact=nowhere)
            call = await worker.next_call()
        await call.hang_up(1000)
        await eventually(lambda: edge.metric("sip_edge_calls_active") == 0, what="the end")


async def test_next_request_of_a_caller_may_come_on_another_connection(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada) as worker:
        async with TcpPhone((edge.host, edge.sip_port)) as phone:
            caller, answer = await answered(phone, "moves", contact="sip:127.0.0.1:9;transport=tcp")
            call = await worker.next_call()
        async with TcpPhone((edge.host, edge.sip_port)) as another:
            another.send(caller.bye(answer))
            assert (await another.final("BYE")).status == 200
        await call.ended()


async def test_caller_with_dead_names_does_not_delay_another(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    """Whatever the name server of this machine does with names that nobody has."""
    async with StreamWorker(worker_ports.ada) as worker, AsyncExitStack() as stack:
        for number in range(10):
            phone = TcpPhone((edge.host, edge.sip_port))
            async with phone:
                contact = f"sip:dead{number}.sip-edge-test.invalid;transport=tcp"
                await answered(phone, f"dead{number}", contact=contact)
                call = await worker.next_call()
            stack.push_async_callback(call.ended)
            await call.hang_up(1000)
        async with UdpPhone((edge.host, edge.sip_port)) as other:
            host, port = other.address
            caller = Caller(host=host, port=port, number=UNKNOWN, name="neighbour")
            began_at = time.monotonic()
            other.send(caller.invite())
            refusal = await other.final()
            seconds = time.monotonic() - began_at
            other.send(caller.ack(refusal, branch="1"))

    assert refusal.status == 404
    assert seconds < 5


async def test_source_with_too_many_connections_loses_the_newest_and_no_other_notices(
    edge: EdgeProcess,
) -> None:
    greedy, bound = "127.0.0.66", 64
    refused = "sip_edge_refused_connections_total"
    before = edge.metric(refused, why="crowded")
    async with AsyncExitStack() as stack:
        phones = [
            await stack.enter_async_context(TcpPhone((edge.host, edge.sip_port), local_host=greedy))
            for _ in range(bound)
        ]
        await _answers_pings(phones[0])
        await _answers_pings(phones[-1])
        async with TcpPhone((edge.host, edge.sip_port), local_host=greedy) as newest:
            await newest.closed_by_the_edge()
        async with TcpPhone((edge.host, edge.sip_port)) as neighbour:
            await _answers_pings(neighbour)
        await _answers_pings(phones[0])

    assert edge.metric(refused, why="crowded") == before + 1


async def _answers_pings(phone: TcpPhone) -> None:
    phone.send(b"\r\n\r\n")
    async with asyncio.timeout(10):
        assert await phone.read(2) == b"\r\n"
