"""Offers in a running call, and calls without one: where the sound goes, and in which form."""

from __future__ import annotations

import asyncio

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, WorkerPorts
from support.polling import eventually
from support.raw_sip import UdpPhone, sdp
from support.rtp_peer import RtpPeer
from support.stream_worker import StreamWorker, WorkerCall
from support.talk import Talk

from sip_edge.media.rtp import RtpPacket

pytestmark = pytest.mark.asyncio

AGENT_SAYS = b"\x31" * 8000 * 20
AS_ALAW = b"\x18"
"""What 0x31 in µ-law is in A-law (ITU-T G.711, tables 3 and 4)."""


async def speak(call: WorkerCall) -> None:
    await call.say(AGENT_SAYS)


async def sound(peer: RtpPeer, count: int = 5) -> list[RtpPacket]:
    """The first packets that come from now on, after those that have come already."""
    peer.heard()
    packets: list[RtpPacket] = []

    def enough() -> bool:
        packets.extend(peer.heard())
        return len(packets) >= count

    await eventually(enough, what="RTP")
    return packets


async def silence(peer: RtpPeer) -> bool:
    """Whether nothing comes any more, once what was on its way has come."""
    await asyncio.sleep(0.1)
    peer.heard()
    await asyncio.sleep(0.3)
    return peer.heard() == []


async def test_sound_follows_the_callers_offers(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with (
        StreamWorker(worker_ports.ada, speak),
        UdpPhone((edge.host, edge.sip_port)) as phone,
    ):
        with RtpPeer() as first, RtpPeer(host="127.0.0.3", to="127.0.0.1", ssrc=2) as moved:
            talk = Talk(phone, number=ADA, name="moving")
            assert (await talk.offer(sdp(*first.address))).status == 200
            assert {packet.payload_type for packet in await sound(first)} == {0}

            # Another address, another codec, longer packets.
            offer = (
                sdp(*moved.address).replace("0 8 101", "8 0 101").replace("ptime:20", "ptime:40")
            )
            answer = await talk.offer(offer)
            assert "a=ptime:40" in answer.body
            packets = await sound(moved)
            assert {packet.payload_type for packet in packets} == {8}
            assert {len(packet.payload) for packet in packets[2:]} == {320}
            assert {packet.payload[:1] for packet in packets[2:]} == {AS_ALAW}
            assert await silence(first)

            # Hold in its three forms, each taken back.
            for hold in ("a=sendonly", "a=inactive", "c=IN IP4 0.0.0.0"):
                held = sdp(*moved.address)
                if hold.startswith("c="):
                    held = held.replace("c=IN IP4 127.0.0.3", hold)
                else:
                    held = held.replace("a=sendrecv", hold)
                answer = await talk.offer(held)
                assert ("a=inactive" if hold == "a=inactive" else "a=recvonly") in answer.body
                assert await silence(moved)
                assert "a=sendrecv" in (await talk.offer(sdp(*moved.address))).body
                assert {packet.payload_type for packet in await sound(moved)} == {0}

            # What cannot be served is refused, and the call goes on as it was.
            fax = sdp(*first.address).replace("m=audio", "m=image").replace("RTP/AVP", "udptl")
            refused = await talk.offer(fax)
            assert (refused.status, refused.header("Warning")[:3]) == (488, "304")
            assert len(await sound(moved)) >= 5
            await talk.hang_up()


async def test_caller_without_an_offer_gets_ours_and_answers_in_the_ack(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with (
        StreamWorker(worker_ports.ada, speak),
        UdpPhone((edge.host, edge.sip_port)) as phone,
    ):
        with RtpPeer() as peer:
            talk = Talk(phone, number=ADA, name="delayed")
            answer = sdp(*peer.address).replace("RTP/AVP 0 8 101", "RTP/AVP 8 101")
            ours = await talk.offer("", answer_in_ack=answer)
            assert f"m=audio {ours.media_port} RTP/AVP 0 8 101" in ours.body
            assert {packet.payload_type for packet in await sound(peer)} == {8}
            await talk.hang_up()
