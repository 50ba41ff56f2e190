"""Strangers who spray the RTP ports, before a call and during it: they change and hear nothing."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, WorkerPorts
from support.polling import eventually
from support.raw_sip import Caller, UdpPhone, sdp
from support.rtp_peer import RtpPeer
from support.stream_worker import StreamWorker, WorkerCall

pytestmark = pytest.mark.asyncio

SPEECH = b"\x21" * 160
NOISE = b"\x01" * 160
OUTSIDE = "127.0.99.9"
"""In no carrier's networks; the other stranger is in those of another carrier than the caller's."""
AGENT_SAYS = b"\x31" * 160 * 100


def spray(strangers: list[RtpPeer], port: int) -> None:
    """Each sends sound and nonsense to this call's ports and their neighbours."""
    for stranger in strangers:
        for number in range(port - 4, port + 6, 2):
            stranger.send_raw(number, stranger.packet(NOISE))
            stranger.send_raw(number, b"\x80\xc8\x00\x01 no report")
            stranger.send_rtcp(number + 1, b"\x80\xc8\x00\x01 no report")
        stranger.timestamp += 160


async def test_strangers_before_and_during_a_call_change_nothing_and_hear_nothing(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async def speak(call: WorkerCall) -> None:
        await call.say(AGENT_SAYS)

    before = edge.metric("sip_edge_rtp_packets_strangers_total")
    async with (
        StreamWorker(worker_ports.ada, speak) as worker,
        UdpPhone((edge.host, edge.sip_port)) as phone,
    ):
        with (
            RtpPeer() as peer,
            RtpPeer(host=OUTSIDE, to="127.0.0.1", ssrc=1) as far,
            RtpPeer(host="127.0.64.10", to="127.0.0.1", ssrc=0xCAFE) as guessing,
            RtpPeer(ssrc=2) as on_the_callers_host,
        ):
            caller = Caller(host="127.0.0.1", port=phone.address[1], number=ADA, name="sprayed")
            phone.send(caller.invite(body=sdp(*peer.address)))
            answer = await phone.final()
            phone.send(caller.ack(answer))
            port = answer.media_port
            # They are there before the caller's first packet ...
            for _ in range(25):
                spray([far, guessing], port)
                await asyncio.sleep(0.01)
            # ... and go on while it speaks, now from its own host, too.
            for _ in range(75):
                peer.say(port, SPEECH)
                spray([far, guessing, on_the_callers_host], port)
                await asyncio.sleep(0.02)
            call = await worker.next_call()
            await call.heard_at_least(1)
            phone.send(caller.bye(answer))
            assert (await phone.final("BYE")).status == 200
            await call.ended()
            heard = [packet.payload for packet in peer.heard()]
            overheard = [
                data
                for stranger in (far, guessing, on_the_callers_host)
                for data in (*stranger.heard_raw(), *stranger.heard_rtcp_raw())
            ]
    assert overheard == []
    assert heard.count(AGENT_SAYS[:160]) >= 40
    samples = np.frombuffer(bytes(call.heard), np.uint8)
    assert np.count_nonzero(samples == NOISE[0]) == 0
    assert np.count_nonzero(samples == SPEECH[0]) >= 40 * 160
    await eventually(
        lambda: edge.metric("sip_edge_rtp_packets_strangers_total"),
        lambda count: count >= before + 250,
        what="the strangers' packets in the metrics",
    )


async def test_another_gateway_of_the_callers_carrier_is_heard(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async def speak(call: WorkerCall) -> None:
        await call.say(AGENT_SAYS)

    async with (
        StreamWorker(worker_ports.ada, speak) as worker,
        UdpPhone((edge.host, edge.sip_port)) as phone,
    ):
        with RtpPeer() as named, RtpPeer(host="127.0.0.77", to="127.0.0.1") as gateway:
            caller = Caller(host="127.0.0.1", port=phone.address[1], number=ADA, name="gateway")
            phone.send(caller.invite(body=sdp(*named.address)))
            answer = await phone.final()
            phone.send(caller.ack(answer))
            for _ in range(25):
                gateway.say(answer.media_port, SPEECH)
                await asyncio.sleep(0.02)
            call = await worker.next_call()
            await call.heard_at_least(1)
            phone.send(caller.bye(answer))
            assert (await phone.final("BYE")).status == 200
            await call.ended()
            heard = [packet.payload for packet in gateway.heard()]
    assert AGENT_SAYS[:160] in heard
    samples = np.frombuffer(bytes(call.heard), np.uint8)
    assert np.count_nonzero(samples == SPEECH[0]) >= 10 * 160
