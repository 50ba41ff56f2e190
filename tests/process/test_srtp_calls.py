"""Encrypted calls: a phone that we did not write, and carriers whose setting forbids the offer."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.baresip import Baresip
from support.edge_process import EdgeProcess
from support.line_plan import ADA, WorkerPorts
from support.polling import eventually
from support.raw_sip import Caller, Received, UdpPhone, sdp
from support.sound import find, from_ulaw, speech_like, to_ulaw
from support.stream_worker import StreamWorker, WorkerCall

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
@pytest.mark.parametrize(("encryption", "codec"), [("srtp", "pcmu"), ("srtp-mand", "pcma")])
async def test_caller_and_agent_hear_each_other_though_nobody_else_can(
    edge: EdgeProcess,
    worker_ports: WorkerPorts,
    baresip_folder: Path,
    encryption: str,
    codec: str,
) -> None:
    async def say_it_all_at_once(call: WorkerCall) -> None:
        await call.say(to_ulaw(AGENT_SAYS))
        await call.mark("said")

    async with (
        StreamWorker(worker_ports.ada, say_it_all_at_once) as worker,
        Baresip(baresip_folder, says=CALLER_SAYS, codec=codec, encryption=encryption) as phone,
    ):
        await phone.dial(f"sip:{ADA}@{edge.address}")
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
