"""The carriers' own messages (`tests/data/carrier`), sent to a running edge.

What leads to a refusal is sent as it was captured, from a socket on the carrier's port: nothing but
where it came from and its topmost Via decides where the answer goes. What leads to an answered call
has its public addresses replaced by loopback ones, because the edge sends sound and a BYE to them.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import TELNYX, TWILIO, WorkerPorts
from support.raw_sip import Received, TcpPhone, UdpPhone
from support.stream_worker import StreamWorker

pytestmark = pytest.mark.asyncio

MESSAGES = Path(__file__).parents[1] / "data" / "carrier"
TWILIO_HOST = "127.0.54.1"
TELNYX_HOST = "127.0.64.1"
SIP_PORT = 5060
NOT_OURS = "12025550160"
"""A number that no edge of these tests knows."""
PUBLIC_MEDIA = ("168.86.138.121", "50.114.144.48")


def captured(name: str) -> str:
    """A message as it was sent, but for the identifiers of its call: they are new every time.

    Without that a test would hear the answer to another test's request, as a retransmission should.
    """
    identity = f"{random.randrange(10**12):012}"
    text = (MESSAGES / name).read_bytes().decode("ascii")
    return re.sub("0{11}[1-9]", identity, text)


def vias(text: str) -> list[str]:
    """The values of all Vias of a request, in order."""
    return re.findall(r"^(?:Via|v): ?(.*)\r$", text, re.MULTILINE | re.IGNORECASE)


def on_loopback(text: str, *, proxy: str, host: str, port: int) -> str:
    """The message as if `host` were the carrier's proxy and its media gateway."""
    for media in PUBLIC_MEDIA:
        text = text.replace(f"IN IP4 {media}", f"IN IP4 {host}")
    text = re.sub(r"^m=audio \d+", "m=audio 9", text, flags=re.MULTILINE)
    text = re.sub(r"a=rtcp:\d+", "a=rtcp:9", text)
    text = re.sub(rf"{re.escape(proxy)}(:5060)?(?=[;>])", f"{host}:{port}", text)
    head, _, body = text.partition("\r\n\r\n")
    head = re.sub(r"^(Content-Length|l): ?\d+", rf"\1: {len(body)}", head, flags=re.MULTILINE)
    return f"{head}\r\n\r\n{body}"


def acknowledge(refusal: Received, *, uri: str, via: str) -> str:
    """The ACK for a refusal, which the carrier's proxy sends itself (RFC 3261 section 17.1.1.3)."""
    return request("ACK", uri, refusal, via=via, cseq=int(refusal.header("CSeq").split()[0]))


def in_dialog(method: str, answer: Received, *, via: str, cseq: int) -> str:
    """A request within the dialog that the carrier's proxy passes on to us."""
    return request(method, answer.contact_uri, answer, via=via, cseq=cseq)


def request(method: str, uri: str, answer: Received, *, via: str, cseq: int) -> str:
    """A request that belongs to the call of `answer`."""
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: {via}",
        f"From: {answer.header('From')}",
        f"To: {answer.header('To')}",
        f"Call-ID: {answer.header('Call-ID')}",
        f"CSeq: {cseq} {method}",
        "Max-Forwards: 68",
        "Content-Length: 0",
        "",
        "",
    ]
    return "\r\n".join(lines)


@pytest.mark.parametrize(
    ("name", "host"),
    [("twilio_invite_udp.sip", TWILIO_HOST), ("telnyx_invite_udp_fqdn.sip", TELNYX_HOST)],
)
async def test_invite_for_an_unknown_number_is_refused_as_sent(
    edge: EdgeProcess, name: str, host: str
) -> None:
    text = captured(name).replace("12025550199", NOT_OURS)
    async with UdpPhone((edge.host, edge.sip_port), local=(host, SIP_PORT)) as carrier:
        carrier.send(text)
        trying = await carrier.receive()
        refusal = await carrier.final()
        carrier.send(acknowledge(refusal, uri=text.split()[1], via=vias(text)[0]))
    sent = vias(text)
    assert trying.status == 100
    assert refusal.status == 404
    # The topmost Via only gains where the request came from; the inner ones are not ours to touch.
    assert refusal.all("Via")[0].startswith(sent[0])
    assert f"received={host}" in refusal.all("Via")[0]
    assert refusal.all("Via")[1:] == sent[1:]


async def test_number_of_one_carrier_does_not_answer_calls_of_the_other(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with (
        StreamWorker(worker_ports.ada) as worker,
        UdpPhone((edge.host, edge.sip_port), local=(TELNYX_HOST, SIP_PORT)) as carrier,
    ):
        text = captured("telnyx_invite_udp_fqdn.sip")
        carrier.send(text)
        refusal = await carrier.final()
        carrier.send(acknowledge(refusal, uri=text.split()[1], via=vias(text)[0]))
    assert refusal.status == 404
    assert worker.calls == []


@pytest.mark.parametrize(
    ("name", "host", "proxy", "number"),
    [
        ("twilio_invite_udp.sip", TWILIO_HOST, "54.172.60.0", TWILIO),
        ("telnyx_invite_udp_fqdn.sip", TELNYX_HOST, "192.76.120.10", TELNYX),
    ],
)
async def test_invite_over_udp_is_answered_and_hung_up_through_the_carriers_proxy(
    edge: EdgeProcess, worker_ports: WorkerPorts, name: str, host: str, proxy: str, number: str
) -> None:
    text = captured(name).replace("12025550199", number.removeprefix("+"))
    async with (
        StreamWorker(worker_ports.ada) as worker,
        UdpPhone((edge.host, edge.sip_port), local=(host, 0)) as carrier,
    ):
        port = carrier.address[1]
        text = on_loopback(text, proxy=proxy, host=host, port=port)
        carrier.send(text)
        answer = await carrier.final()
        cseq = int(answer.header("CSeq").split()[0])
        via = f"SIP/2.0/UDP {host}:{port};branch=z9hG4bK1dc3.ack.0"
        carrier.send(in_dialog("ACK", answer, via=via, cseq=cseq))
        call = await worker.next_call()
        await call.hang_up()
        bye = await carrier.request("BYE")
        carrier.send(
            f"SIP/2.0 200 OK\r\nVia: {bye.header('Via')}\r\nFrom: {bye.header('From')}\r\n"
            f"To: {bye.header('To')}\r\nCall-ID: {bye.header('Call-ID')}\r\n"
            f"CSeq: {bye.header('CSeq')}\r\nContent-Length: 0\r\n\r\n"
        )
    record_routes = re.findall(r"^Record-Route: (.*)\r$", text, re.MULTILINE)
    contact = re.search(r"^Contact: <(.*)>\r$", text, re.MULTILINE)
    assert contact
    assert answer.status == 200
    assert answer.all("Record-Route") == record_routes
    assert answer.all("Via")[1:] == vias(text)[1:]
    assert "m=audio" in answer.body
    assert " RTP/AVP 0 101" in answer.body
    assert call.parameters["to_number"] == number
    assert call.parameters["from_number"] == "+12025550123"
    # RFC 3261 section 12.2.1.1: the private Contact is the target, the proxies are the way to it.
    assert bye.first_line == f"BYE {contact[1]} SIP/2.0"
    assert ", ".join(bye.all("Route")) == ", ".join(record_routes)


async def test_compact_invite_over_tcp_is_answered_on_its_connection(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    text = captured("telnyx_invite_tcp_compact.sip").replace("12025550199", TELNYX[1:])
    async with (
        StreamWorker(worker_ports.ada) as worker,
        TcpPhone((edge.host, edge.sip_port), local_host=TELNYX_HOST) as carrier,
    ):
        host, port = carrier.address
        text = on_loopback(text, proxy="64.16.250.10", host=host, port=port)
        carrier.send(text)
        answer = await carrier.final()
        via = f"SIP/2.0/TCP {host}:{port};branch=z9hG4bKa5fb"
        cseq = int(answer.header("CSeq").split()[0])
        carrier.send(in_dialog("ACK", answer, via=f"{via}.ack.0", cseq=cseq))
        call = await worker.next_call()
        carrier.send(in_dialog("BYE", answer, via=f"{via}.bye.0", cseq=cseq + 1))
        bye = await carrier.final("BYE")
        await call.ended()
    assert answer.status == 200
    assert len(answer.all("Via")) == 3
    assert len(answer.all("Record-Route")) == 3
    assert " RTP/AVP 0 101" in answer.body
    assert bye.status == 200
    assert call.is_stopped


async def test_offer_of_encrypted_sound_is_answered_with_its_suite_and_a_key_of_ours(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    text = captured("twilio_invite_tls_srtp.sip").replace("12025550199", TWILIO[1:])
    async with (
        StreamWorker(worker_ports.ada) as worker,
        UdpPhone((edge.host, edge.sip_port), local=(TWILIO_HOST, 0)) as carrier,
    ):
        port = carrier.address[1]
        # It came over TLS; here it comes over UDP.
        text = text.replace("SIP/2.0/TLS 54.172.60.0:5061", f"SIP/2.0/UDP {TWILIO_HOST}:{port}")
        text = text.replace("<sip:54.172.60.0:5061;transport=tls;r2=on;lr>", "<sip:54.172.60.0;lr>")
        text = on_loopback(text, proxy="54.172.60.0", host=TWILIO_HOST, port=port)
        carrier.send(text)
        answer = await carrier.final()
        cseq = int(answer.header("CSeq").split()[0])
        via = f"SIP/2.0/UDP {TWILIO_HOST}:{port};branch=z9hG4bK1dc3"
        carrier.send(in_dialog("ACK", answer, via=f"{via}.ack.1", cseq=cseq))
        call = await worker.next_call()
        carrier.send(in_dialog("BYE", answer, via=f"{via}.bye.1", cseq=cseq + 1))
        bye = await carrier.final("BYE")
        await call.ended()
    assert (answer.status, bye.status) == (200, 200)
    assert " RTP/SAVP 0 101" in answer.body
    (crypto,) = [line for line in answer.body.splitlines() if line.startswith("a=crypto")]
    assert crypto.startswith("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:")
    assert "inline:AAAAAAAA" not in crypto


async def test_carriers_requests_outside_any_dialog_are_harmless(edge: EdgeProcess) -> None:
    async with UdpPhone((edge.host, edge.sip_port), local=(TWILIO_HOST, SIP_PORT)) as carrier:
        carrier.send(captured("twilio_ack_tls.sip"))
        carrier.send(captured("twilio_bye_udp.sip"))
        answer = await carrier.final("BYE")
    assert answer.status == 481
    edge.check_health()
