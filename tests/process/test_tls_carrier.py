"""Twilio's own INVITE over TLS (`tests/data/carrier`), over TLS, and the requests that follow."""

from __future__ import annotations

import random
import re
import ssl
from pathlib import Path

import pytest
from support.edge_process import TLS_FILES, EdgeProcess
from support.line_plan import TWILIO, WorkerPorts
from support.raw_sip import Received, TcpPhone
from support.sip_listener import SipListener, accept
from support.stream_worker import StreamWorker

pytestmark = pytest.mark.asyncio

INVITE = Path(__file__).parents[1] / "data" / "carrier" / "twilio_invite_tls_srtp.sip"
TWILIO_HOST = "127.0.54.1"


def as_it_came(proxy: str) -> str:
    """The message, with its proxy and media gateway on the loopback and identifiers of its own."""
    text = INVITE.read_bytes().decode("ascii")
    text = re.sub("0{11}[1-9]", f"{random.randrange(10**12):012}", text)
    text = text.replace("12025550199", TWILIO[1:]).replace("54.172.60.0:5061", proxy)
    text = text.replace("168.86.138.121", TWILIO_HOST)
    text = re.sub(r"^m=audio \d+", "m=audio 9", text, flags=re.MULTILINE)
    head, _, body = text.partition("\r\n\r\n")
    return re.sub(r"Content-Length: \d+", f"Content-Length: {len(body)}", head) + f"\r\n\r\n{body}"


def ack(answer: Received, proxy: str) -> str:
    cseq = answer.header("CSeq").split()[0]
    lines = [
        f"ACK {answer.contact_uri} SIP/2.0",
        f"Via: SIP/2.0/TLS {proxy};branch=z9hG4bK{random.randrange(10**12)}",
        f"From: {answer.header('From')}",
        f"To: {answer.header('To')}",
        f"Call-ID: {answer.header('Call-ID')}",
        f"CSeq: {cseq} ACK",
        "Max-Forwards: 69",
        "Content-Length: 0",
    ]
    return "\r\n".join([*lines, "", ""])


@pytest.mark.parametrize("connection", ["kept", "lost"])
async def test_call_of_twilio_over_tls_goes_on_whether_its_connection_is_kept_or_lost(
    edge: EdgeProcess, worker_ports: WorkerPorts, connection: str
) -> None:
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.load_cert_chain(TLS_FILES / "worker.pem", TLS_FILES / "worker.key")
    async with (
        StreamWorker(worker_ports.ada) as worker,
        SipListener(host=TWILIO_HOST, tls=certificate) as proxy,
    ):
        where = f"{TWILIO_HOST}:{proxy.port}"
        phone = TcpPhone(
            (edge.host, edge.tls_port),
            local_host=TWILIO_HOST,
            tls=ssl.create_default_context(cafile=str(TLS_FILES / "edge.pem")),
        )
        async with phone:
            phone.send(as_it_came(where))
            answer = await phone.final()
            assert answer.status == 200, answer
            phone.send(ack(answer, where))
            call = await worker.next_call()
            if connection == "kept":
                await call.hang_up(1000)
                bye = await phone.receive()
                phone.send(accept(bye))
        if connection == "lost":
            await call.hang_up(1000)
            bye = await proxy.request("BYE")

    routes = [f"<sip:{where};transport=tls;r2=on;lr>", "<sip:54.172.60.0;r2=on;lr>"]
    assert answer.all("Record-Route") == routes
    assert re.fullmatch(
        rf"sip:[^@]+@127\.0\.0\.1:{edge.tls_port};transport=tls", answer.contact_uri
    )
    assert [via.split()[0] for via in answer.all("Via")] == ["SIP/2.0/TLS", "SIP/2.0/UDP"]
    assert bye.first_line == "BYE sip:+12025550123@172.25.75.240:5060;transport=udp SIP/2.0"
    assert ", ".join(bye.all("Route")) == ", ".join(routes)
    assert bye.header("Via").startswith(f"SIP/2.0/TLS 127.0.0.1:{edge.tls_port};")
    assert proxy.connections == (1 if connection == "lost" else 0)
