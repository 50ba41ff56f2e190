"""An encrypted RTP session: who is heard, who gets what, and keys that change."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from support.rtp_call import SPEECH, RtpCall, frames, rtp_call
from support.rtp_peer import RtpPeer, audio_parameters
from support.srtp_peer import SrtpPeer, session_keys
from support.virtual_time import run

from sip_edge.media.offer_answer import AudioParameters
from sip_edge.media.rtcp import Goodbye, Report, ReportBlock, build_report, parse_rtcp
from sip_edge.media.rtp import parse_rtp
from sip_edge.media.sdes import SrtpKeys, SrtpPolicy

OTHER = b"\x22" * 160
NOISE = b"\x01" * 160


def agreed(call: RtpCall, keys: SrtpKeys | None) -> AudioParameters:
    return replace(call.peer.parameters(), srtp=keys)


def begin(call: RtpCall) -> SrtpPeer:
    call.session.configure(agreed(call, session_keys()))
    call.session.start(held=False)
    return SrtpPeer(call.peer)


async def say(call: RtpCall, peer: SrtpPeer, count: int, payload: bytes = SPEECH) -> None:
    for _ in range(count):
        peer.say(call.port, payload)
        await asyncio.sleep(0.02)


def test_both_sides_hear_each_other_and_nothing_can_be_read_on_the_way():
    async def check() -> None:
        with rtp_call(srtp=SrtpPolicy.OPTIONAL) as call:
            peer = begin(call)
            call.session.play(OTHER * 10)
            await say(call, peer, 10)
            await frames(3)
            assert call.ear.frames.count(SPEECH) == 10
            wire = call.peer.heard_raw()
            assert len(wire) >= 12
            assert not any(b"\x22\x22\x22" in data for data in wire)
            opened = [parse_rtp(peer.open(data)) for data in wire]
            assert [packet.payload for packet in opened if packet].count(OTHER) == 10

    run(check())


def test_stranger_is_not_heard_whatever_address_it_forges():
    async def check() -> None:
        with rtp_call(srtp=SrtpPolicy.OPTIONAL) as call, RtpPeer() as forging:
            peer = begin(call)
            forger = SrtpPeer(forging, peers=9)
            # From the peer's own socket: as if its address had been forged.
            for _ in range(20):
                call.peer.send_raw(call.port, forging.packet(NOISE))
                peer.say(call.port, SPEECH)
                call.peer.send_raw(call.port, forger.seal(forging.packet(NOISE)))
                await asyncio.sleep(0.02)
            await frames(3)
            assert NOISE not in call.ear.frames
            assert call.ear.frames.count(SPEECH) == 20
            statistics = call.session.statistics()
            assert (statistics.unauthentic, statistics.strangers) == (40, 40)

    run(check())


def test_stranger_who_speaks_first_is_never_answered():
    async def check() -> None:
        with (
            rtp_call(srtp=SrtpPolicy.OPTIONAL) as call,
            RtpPeer(host="127.0.0.2", to="127.0.0.1") as stranger,
        ):
            peer = begin(call)
            guess = SrtpPeer(stranger, peers=9)
            for _ in range(30):
                stranger.say(call.port, NOISE)
                guess.say(call.port, NOISE)
                await asyncio.sleep(0.02)
            await say(call, peer, 5)
            stranger.say(call.port, NOISE)
            await frames(3)
            assert stranger.heard_raw() == []
            assert NOISE not in call.ear.frames
            assert call.ear.frames.count(SPEECH) == 5
            statistics = call.session.statistics()
            assert (statistics.unauthentic, statistics.strangers) == (60, 61)

    run(check())


def test_peer_behind_a_nat_is_known_by_its_first_packet():
    async def check() -> None:
        with rtp_call(srtp=SrtpPolicy.OPTIONAL) as call:
            call.session.configure(
                replace(audio_parameters(("192.0.2.1", 4000)), srtp=session_keys())
            )
            call.session.start(held=False)
            peer = SrtpPeer(call.peer)
            await say(call, peer, 5)
            await frames(3)
            assert call.ear.frames.count(SPEECH) == 5
            assert len(peer.heard()) >= 7
            assert peer.unreadable == 0

    run(check())


def test_packets_that_were_recorded_and_sent_again_are_duplicates():
    async def check() -> None:
        with rtp_call(srtp=SrtpPolicy.OPTIONAL) as call:
            peer = begin(call)
            sealed = [peer.seal(call.peer.packet(SPEECH)) for _ in range(5)]
            for data in (*sealed, *sealed):
                call.peer.send_raw(call.port, data)
            await asyncio.sleep(0.02)
            statistics = call.session.statistics()
            assert (statistics.packets_received, statistics.duplicates) == (5, 5)
            assert statistics.unauthentic == 0

    run(check())


def test_reports_are_encrypted_and_those_of_others_are_not_believed():
    async def check() -> None:
        with rtp_call(srtp=SrtpPolicy.OPTIONAL) as call:
            peer = begin(call)
            await say(call, peer, 3)
            ssrc = parse_rtp(peer.heard()[0])
            assert ssrc is not None
            block = ReportBlock(ssrc.ssrc, 0, 7, 0, 0, 0, 0)
            forged = build_report(Report(0xCAFE, None, (replace(block, cumulative_lost=99),)))
            call.peer.send_rtcp(call.port + 1, forged)
            await asyncio.sleep(0.01)
            assert call.session.statistics().remote_lost is None
            assert call.session.statistics().unauthentic == 1
            peer.send_rtcp(call.port + 1, build_report(Report(0xCAFE, None, (block,))))
            await asyncio.sleep(8.0)
            assert call.session.statistics().remote_lost == 7
            report = parse_rtcp(peer.heard_rtcp()[0])
            assert report is not None
            assert isinstance(report[0], Report)
            assert report[0].sender is not None
            assert report[0].sender.packets > 100
            assert [b.ssrc for b in report[0].blocks] == [0xCAFE]
            call.session.close()
            (farewell,) = peer.heard_rtcp()[-1:]
            assert Goodbye(ssrc.ssrc) in (parse_rtcp(farewell) or ())
            assert peer.unreadable == 0

    run(check())


def test_new_keys_in_mid_call_lose_no_sound_and_make_a_new_stream_of_ours():
    async def check() -> None:
        with rtp_call(srtp=SrtpPolicy.OPTIONAL, randbits=0) as call:
            peer = begin(call)
            await say(call, peer, 5)
            before = peer.heard()
            late = [peer.seal(call.peer.packet(SPEECH)) for _ in range(2)]
            call.peer.timestamp += 160
            call.session.configure(agreed(call, session_keys(ours=3, peers=4)))
            renewed = SrtpPeer(call.peer, ours=3, peers=4)
            call.peer.send_raw(call.port, late[0])
            await asyncio.sleep(0.02)
            await say(call, renewed, 5, OTHER)
            await frames(3)
            assert call.ear.frames.count(SPEECH) == 6
            assert call.ear.frames.count(OTHER) == 5
            after = renewed.heard()
            assert len(before) + len(after) >= 12
            assert renewed.unreadable == 0
            first = parse_rtp(after[0])
            assert first is not None
            assert (first.marker, first.sequence) == (True, 0)
            assert call.session.statistics().unauthentic == 0

    run(check())


def test_refresh_with_the_same_keys_changes_nothing():
    async def check() -> None:
        with rtp_call(srtp=SrtpPolicy.OPTIONAL) as call:
            peer = begin(call)
            await say(call, peer, 5)
            call.session.configure(agreed(call, replace(session_keys(), tag="2")))
            await say(call, peer, 5)
            await frames(3)
            assert call.ear.frames.count(SPEECH) == 10
            heard = [packet for data in peer.heard() if (packet := parse_rtp(data))]
            sequences = [packet.sequence for packet in heard]
            assert sequences == list(range(sequences[0], sequences[0] + len(heard)))
            assert len({packet.ssrc for packet in heard}) == 1

    run(check())


def test_call_may_become_encrypted_and_plain_again():
    async def check() -> None:
        with rtp_call(srtp=SrtpPolicy.OPTIONAL) as call:
            call.session.configure(agreed(call, None))
            call.session.start(held=False)
            call.peer.say(call.port, NOISE)
            await frames(2)
            assert len(call.peer.heard()) == 2
            peer = SrtpPeer(call.peer)
            call.session.configure(agreed(call, session_keys()))
            await say(call, peer, 4)
            assert len(peer.heard()) >= 3
            assert peer.unreadable == 0
            call.session.configure(agreed(call, None))
            for _ in range(4):
                call.peer.say(call.port, OTHER)
                await asyncio.sleep(0.02)
            await frames(3)
            assert call.ear.frames.count(SPEECH) == 4
            assert call.ear.frames.count(OTHER) == 4
            assert call.peer.heard()[-1].payload == b"\xff" * 160

    run(check())


def test_other_stream_of_the_peer_is_heard_at_once():
    async def check() -> None:
        with rtp_call(srtp=SrtpPolicy.OPTIONAL) as call:
            peer = begin(call)
            await say(call, peer, 5)
            call.peer.ssrc = 0xBEEF
            await say(call, peer, 5, OTHER)
            await frames(3)
            assert call.ear.frames.count(OTHER) == 5

    run(check())
