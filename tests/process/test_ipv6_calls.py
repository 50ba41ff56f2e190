"""An edge on IPv6: UDP, TCP and TLS, brackets where they belong, and sound.

Where the machine has no IPv6, the edge must say so and not start: that is tested instead.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Iterator

import pytest
from support.edge_process import TLS_FILES, EdgeProcess
from support.line_plan import ADA, WorkerPorts, write_plan
from support.polling import eventually
from support.postgres import PostgresServer
from support.raw_sip import Caller, Received, TcpPhone, UdpPhone, sdp
from support.stream_worker import StreamWorker

HERE = "::1"
ULAW = bytes(range(160))


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((HERE, 0))
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def ipv6_edge(
    tmp_path_factory: pytest.TempPathFactory,
    embedded_postgres: PostgresServer,
    worker_ports: WorkerPorts,
) -> Iterator[EdgeProcess | None]:
    """An edge that listens on the IPv6 loopback; None where there is none."""
    settings = {
        "SIP_EDGE__SIP__HOST": HERE,
        "SIP_EDGE__CARRIERS": json.dumps({"local": {"networks": ["::1"], "country": "US"}}),
    }
    with embedded_postgres.database(migrated=True) as dsn:
        edge = EdgeProcess(tmp_path_factory.mktemp("ipv6"), dsn=dsn, settings=settings)
        asyncio.run(write_plan(edge.dsn, worker_ports))
        if not has_ipv6():
            done = edge.run("serve")
            assert done.returncode == 1
            assert "cannot listen for SIP on [::1]:" in done.stderr
            yield None
            return
        edge.start()
        try:
            yield edge
            edge.check_health()
            assert edge.stop() == 0
        finally:
            edge.kill()


class Media:
    """A socket that speaks RTP over IPv6."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind((HERE, 0))
        self.port: int = self.socket.getsockname()[1]
        self.heard: list[bytes] = []
        self._sequence = 0

    def say(self, to: int) -> None:
        """Send 20 ms of something that is not silence."""
        self._sequence += 1
        header = struct.pack("!BBHII", 0x80, 0, self._sequence, self._sequence * 160, 0xCAFE)
        self.socket.sendto(header + ULAW, (HERE, to))

    def listen(self) -> int:
        """How many packets of what we said have come back so far."""
        while True:
            try:
                self.heard.append(self.socket.recv(2048)[12:])
            except BlockingIOError:
                return self.heard.count(ULAW)


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(TLS_FILES / "edge.pem"))


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
@pytest.mark.asyncio
async def test_caller_on_ipv6_is_answered_there_and_hears_the_agent(
    ipv6_edge: EdgeProcess | None, worker_ports: WorkerPorts, transport: str
) -> None:
    if ipv6_edge is None:
        return  # What there is to say without IPv6, the fixture has said.
    edge = ipv6_edge
    phone: UdpPhone | TcpPhone
    if transport == "UDP":
        phone = UdpPhone((HERE, edge.sip_port), local=(HERE, 0))
    elif transport == "TCP":
        phone = TcpPhone((HERE, edge.sip_port), local_host=HERE)
    else:
        phone = TcpPhone((HERE, edge.tls_port), local_host=HERE, tls=trusting())
    media = Media()
    async with StreamWorker(worker_ports.ada, echo=True) as worker, phone:
        host, port = phone.address[:2]
        caller = Caller(
            host=host, port=port, number=ADA, name=f"v6{transport}", transport=transport
        )
        phone.send(caller.invite(body=sdp(HERE, media.port)))
        answer = await phone.final()
        assert answer.status == 200
        phone.send(caller.ack(answer))

        def talk() -> int:
            media.say(answer.media_port)
            return media.listen()

        await eventually(talk, lambda count: count > 5, what="our own words from the agent")
        await (await worker.next_call()).hang_up(1000)
        bye = await _request(phone, "BYE")
    media.socket.close()

    sip_port = edge.tls_port if transport == "TLS" else edge.sip_port
    assert f"@[::1]:{sip_port}" in answer.contact_uri
    assert "\r\nc=IN IP6 ::1\r\n" in answer.body
    assert bye.first_line.startswith(f"BYE sip:+12025550123@[::1]:{port}")
    assert bye.header("Via").startswith(f"SIP/2.0/{transport} [::1]:{sip_port};")


@pytest.mark.asyncio
async def test_source_of_a_request_is_noted_without_brackets(
    ipv6_edge: EdgeProcess | None,
) -> None:
    """RFC 3261 section 25.1: `received` is a bare IPv6address; the sent-by has brackets."""
    if ipv6_edge is None:
        return
    async with UdpPhone((HERE, ipv6_edge.sip_port), local=(HERE, 0)) as phone:
        host, port = phone.address[:2]
        caller = Caller(host=host, port=port, number=ADA, name="v6options")
        request = caller.invite(body="").replace(f"[::1]:{port};branch", "[2001:db8::1];branch")
        phone.send(request.replace("INVITE ", "OPTIONS ", 1).replace(" INVITE\r", " OPTIONS\r"))
        answer = await phone.final("OPTIONS")

    assert answer.status == 200
    via = answer.header("Via")
    assert via.startswith("SIP/2.0/UDP [2001:db8::1];")
    assert ";received=::1" in via
    assert f";rport={port}" in via


async def _request(phone: UdpPhone | TcpPhone, method: str) -> Received:
    while True:
        message = await phone.receive()
        if message.status == 0 and message.method == method:
            return message
