"""Encrypted calls: a phone that we did not write, and carriers whose setting forbids the offer."""

from __future__ import annotations

import asyncio
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path

import pytest
from pylibsrtp import Error, Policy, Session
from support.baresip import Baresip
from support.edge_process import EdgeProcess
from support.line_plan import ADA, WorkerPorts
from support.polling import eventually
from support.raw_sip import Caller, Received, UdpPhone, sdp
from support.rtp_peer import RtpPeer
from support.sound import find, from_ulaw, speech_like, to_ulaw
from support.stream_worker import StreamWorker, WorkerCall
from support.talk import Talk

pytestmark = pytest.mark.asyncio

CALLER_SAYS = speech_like(30, seed=21)
AGENT_SAYS = speech_like(3, seed=22)
HEARD = 0.75
"""The share of half seconds that must have arrived well; a busy machine may spoil one or two."""
CRYPTO = (
    "a=crypto:4 AES_256_CM_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n"
    "a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd|2^20\r\n"
)


@pytest.mark.peer
@pytest.mark.parametrize(
    ("encryption", "codec", "transport"),
    # As Telnyx offers it (a=crypto under RTP/AVP), and as Twilio does (RTP/SAVP, over TLS).
    [("srtp", "pcmu", "udp"), ("srtp-mand", "pcma", "tls")],
)
async def test_caller_and_agent_hear_each_other_though_nobody_else_can(
    edge: EdgeProcess,
    worker_ports: WorkerPorts,
    baresip_folder: Path,
    encryption: str,
    codec: str,
    transport: str,
) -> None:
    async def say_it_all_at_once(call: WorkerCall) -> None:
        await call.say(to_ulaw(AGENT_SAYS))
        await call.mark("said")

    async with (
        StreamWorker(worker_ports.ada, say_it_all_at_once) as worker,
        Baresip(
            baresip_folder,
            says=CALLER_SAYS,
            codec=codec,
            transport=transport,
            encryption=encryption,
        ) as phone,
    ):
        port = edge.tls_port if transport == "tls" else edge.sip_port
        await phone.dial(f"sip:{ADA}@{edge.host}:{port};transport={transport}")
        call = await worker.next_call()
        await eventually(lambda: call.marks, what="the mark after the agent's words")
        await call.heard_at_least(4)
        await phone.press("7")
        await eventually(lambda: call.digits, what="a digit")
        await phone.hang_up()
        await call.ended()
    encrypted = await phone.wait_for("CALL_MENC")
    assert encrypted["param"] == "0,audio,AES_CM_128_HMAC_SHA1_80"
    by_agent = find(CALLER_SAYS[: 3 * 8000], from_ulaw(bytes(call.heard)))
    by_caller = find(AGENT_SAYS, phone.heard())
    assert by_agent.share >= HEARD, by_agent
    assert by_agent.is_in_order, by_agent
    assert by_caller.share >= HEARD, by_caller
    assert by_caller.is_in_order, by_caller
    assert call.digits == ["7"]


async def answer_to(edge: EdgeProcess, host: str, offer: str, name: str) -> Received:
    """The final response to an offer from this address; a call that came of it is ended."""
    async with UdpPhone((edge.host, edge.sip_port), local=(host, 0)) as phone:
        port = phone.address[1]
        caller = Caller(host=host, port=port, number=ADA, name=name)
        phone.send(caller.invite(body=offer))
        answer = await phone.final()
        phone.send(caller.ack(answer, branch="ack" if answer.status < 300 else "1"))
        if answer.status < 300:
            phone.send(caller.bye(answer))
            assert (await phone.final("BYE")).status == 200
        return answer


def encrypted_sdp(host: str, profile: str) -> str:
    return sdp(host, 9).replace("RTP/AVP", profile) + CRYPTO


@pytest.mark.parametrize(
    ("host", "profile"),
    [("127.0.0.1", "RTP/AVP"), ("127.0.0.1", "RTP/SAVP"), ("127.0.71.1", "RTP/SAVP")],
)
async def test_offer_of_srtp_is_answered_in_its_profile_with_one_key(
    edge: EdgeProcess, worker_ports: WorkerPorts, host: str, profile: str
) -> None:
    async with StreamWorker(worker_ports.ada):
        answer = await answer_to(
            edge, host, encrypted_sdp(host, profile), f"{host}{profile[4:]}".replace(".", "-")
        )
    assert answer.status == 200
    lines = answer.body.splitlines()
    assert [line.split()[2] for line in lines if line.startswith("m=")] == [profile]
    (crypto,) = [line for line in lines if line.startswith("a=crypto")]
    assert crypto.startswith("a=crypto:5 AES_CM_128_HMAC_SHA1_80 inline:")
    assert "AAECAwQF" not in crypto


@pytest.mark.parametrize(
    ("host", "offer", "warning"),
    [
        ("127.0.71.1", sdp("127.0.71.1", 9), "Only RTP/SAVP with a=crypto is available"),
        ("127.0.72.1", encrypted_sdp("127.0.72.1", "RTP/SAVP"), "Only RTP/AVP is available"),
        (
            "127.0.0.1",
            sdp("127.0.0.1", 9).replace("RTP/AVP", "RTP/SAVP"),
            "No a=crypto that can be used",
        ),
    ],
)
async def test_offer_against_the_carriers_setting_is_refused_with_488(
    edge: EdgeProcess, worker_ports: WorkerPorts, host: str, offer: str, warning: str
) -> None:
    async with StreamWorker(worker_ports.ada) as worker:
        answer = await answer_to(edge, host, offer, f"refused-{host.replace('.', '-')}")
        assert worker.calls == []
    assert answer.status == 488
    assert warning in answer.header("Warning")


async def test_keys_are_in_no_line_of_the_log(edge: EdgeProcess, worker_ports: WorkerPorts) -> None:
    async with StreamWorker(worker_ports.ada):
        offer = encrypted_sdp("127.0.0.1", "RTP/SAVP")
        answer = await answer_to(edge, "127.0.0.1", offer, "unlogged")
    ours = answer.body.partition("inline:")[2].split()[0]
    assert len(ours) == 40
    await eventually(
        lambda: "unlogged@127.0.0.1" in edge.output, what="the line of the call in the log"
    )
    assert "AAECAwQF" not in edge.output
    assert ours not in edge.output


def key_text(key: bytes) -> str:
    return b64encode(key).decode()


def keyed_sdp(peer: RtpPeer, key: bytes) -> str:
    """An offer or answer with this key alone."""
    line = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key_text(key)}\r\n"
    return sdp(*peer.address).replace("RTP/AVP", "RTP/SAVP") + line


def our_key(answer: Received) -> bytes:
    """The key of the first a=crypto that the edge has sent."""
    return b64decode(answer.body.partition("inline:")[2].split()[0])


async def opened(peer: RtpPeer, key: bytes) -> list[bytes]:
    """Five packets of sound that this key opens, of those that come from now on."""
    hears = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_INBOUND))
    peer.heard_raw()
    packets: list[bytes] = []

    def enough() -> bool:
        for data in peer.heard_raw():
            with suppress(Error):
                packets.append(hears.unprotect(data))
        return len(packets) >= 5

    await eventually(enough, what="RTP under the key that was agreed on")
    return packets


async def say_under(peer: RtpPeer, key: bytes, port: int, payload: bytes, count: int) -> None:
    sends = Session(Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
    for _ in range(count):
        peer.send_raw(port, sends.protect(peer.packet(payload)))
        peer.timestamp += len(payload)
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("name", ["offered", "delayed"])
async def test_keys_may_change_in_a_running_call(
    edge: EdgeProcess, worker_ports: WorkerPorts, name: str
) -> None:
    first, second = bytes(range(30)), bytes(range(30, 60))
    async with (
        StreamWorker(worker_ports.ada) as worker,
        UdpPhone((edge.host, edge.sip_port), local=("127.0.71.1", 0)) as phone,
    ):
        with RtpPeer(host="127.0.71.1", to="127.0.0.1") as peer:
            talk = Talk(phone, number=ADA, name=f"keys-{name}")
            if name == "offered":
                answer = await talk.offer(keyed_sdp(peer, first))
            else:
                # Without an offer of the caller's the edge has to ask for SRTP itself.
                answer = await talk.offer("", answer_in_ack=keyed_sdp(peer, first))
                assert answer.body.count("a=crypto") == 4
            assert f"m=audio {answer.media_port} RTP/SAVP" in answer.body
            await opened(peer, our_key(answer))
            await say_under(peer, first, answer.media_port, b"\x21" * 160, 25)

            renewed = await talk.offer(keyed_sdp(peer, second))
            assert our_key(renewed) != our_key(answer)
            await opened(peer, our_key(renewed))
            await say_under(peer, second, answer.media_port, b"\x22" * 160, 25)
            call = await worker.next_call()
            await talk.hang_up()
            await call.ended()
    heard = bytes(call.heard)
    assert heard.count(b"\x21" * 160) >= 15
    assert heard.count(b"\x22" * 160) >= 15
