"""An RTP session's reports, its end, and what must not end it."""

from __future__ import annotations

import asyncio
import errno
import socket

import pytest
from support.rtp_call import SPEECH, begin, converse, frames, rtp_call, virtual_loop
from support.rtp_peer import audio_parameters
from support.virtual_time import run

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.media.rtcp import Goodbye, Report, ReportBlock, SenderInfo, build_report
from sip_edge.media.rtp import build_rtp
from sip_edge.transport.rtp_session import RtpSettings


def test_reports_are_exchanged_on_the_port_above():
    async def check() -> None:
        with rtp_call(randbits=0x1234) as call:
            begin(call)
            await converse(call, 100)
            sender = SenderInfo(ntp=0x1111222233334444, rtp_timestamp=0, packets=100, octets=16_000)
            ours = ReportBlock(0x1234, 64, 5, 0, 80, 0, 0)
            call.peer.send_rtcp(
                call.port + 1, build_report(Report(call.peer.ssrc, sender, (ours,)))
            )
            await asyncio.sleep(2.0)
            report = call.peer.heard_rtcp()[0][0]
            assert isinstance(report, Report)
            assert report.ssrc == 0x1234
            assert report.sender is not None
            assert report.sender.packets > 100
            assert report.blocks[0].ssrc == call.peer.ssrc
            assert report.blocks[0].highest_sequence == 199
            assert report.blocks[0].last_report == 0x22223333
            statistics = call.session.statistics()
            assert statistics.remote_lost == 5
            assert statistics.remote_fraction_lost == 0.25
            assert statistics.remote_jitter_ms == 10.0

    run(check())


def test_reports_share_the_port_of_the_sound_when_agreed():
    async def check() -> None:
        with rtp_call() as call:
            call.session.configure(audio_parameters(call.peer.address))
            call.session.start(held=False)
            call.peer.say(call.port, SPEECH)
            ours = ReportBlock(0, 64, 5, 0, 80, 0, 0)
            call.peer.send_raw(call.port, build_report(Report(call.peer.ssrc, None, (ours,))))
            await asyncio.sleep(3.0)
            kinds = {packet.payload_type for packet in call.peer.heard()}
            assert 72 in kinds  # 200 with the marker bit taken off: a sender report.
            assert call.session.statistics().remote_lost == 5

    run(check())


def test_closing_says_goodbye():
    async def check() -> None:
        with rtp_call(randbits=9) as call:
            begin(call)
            await frames(2)
            call.session.close()
            assert call.peer.heard_rtcp() == [(Report(9, None, ()), Goodbye(9))]

    run(check())


def test_closed_session_leaves_nothing_on_the_loop_and_its_ports_closed():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            await frames(2)
            call.session.close()
            assert (call.pool.lent, call.pool.resting, len(call.wheel)) == (0, 1, 0)
            # A datagram to a closed port is answered by ICMP; a second `send` sees it.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect(("127.0.0.1", call.port))
                probe.send(b"x")
                assert probe.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
        await asyncio.get_running_loop().create_future()

    # The loop of the test raises when there is nothing left that it could wait for.
    with pytest.raises(RuntimeError, match="never happen"):
        run(check())


def test_closed_session_does_nothing_more_and_keeps_its_statistics():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            await converse(call, 3)
            call.session.close()
            call.session.close()
            call.session.start(held=False)
            call.session.configure(call.peer.parameters())
            call.session.play(SPEECH)
            call.session.mark("never")
            call.session.clear()
            call.session.listen(call.ear)
            await call.session.drained()
            assert call.ear.marks == []
            assert call.session.statistics().packets_received == 3

    run(check())


def test_session_that_was_never_used_gives_its_ports_back():
    async def check() -> None:
        with rtp_call() as call:
            call.session.close()
            assert (call.pool.lent, call.pool.resting) == (0, 1)

    run(check())


def test_listener_may_close_the_session():
    async def check() -> None:
        with rtp_call() as call:

            class Closer:
                def on_audio(self, frame: bytes) -> None:
                    call.session.close()

                def on_digit(self, digit: str) -> None:
                    call.session.close()

                def on_mark(self, name: str) -> None:
                    call.session.close()

            begin(call)
            call.session.listen(Closer())
            call.session.play(SPEECH)
            call.session.mark("end")
            virtual_loop().clock += 0.07  # Two frames are missed and would be made up for.
            await frames(3)
            assert call.pool.lent == 0
            assert call.session.statistics().send_errors == 0

    run(check())


def test_digit_may_close_the_session_while_packets_wait():
    async def check() -> None:
        with rtp_call() as call:

            class Closer:
                def on_audio(self, frame: bytes) -> None: ...

                def on_digit(self, digit: str) -> None:
                    call.session.close()

                def on_mark(self, name: str) -> None: ...

            begin(call)
            call.session.listen(Closer())
            call.peer.send_event(call.port, bytes.fromhex("058a01e0"))
            call.peer.say(call.port, SPEECH)
            await frames(2)
            assert call.pool.lent == 0

    run(check())


def test_timeout_may_close_the_session():
    async def check() -> None:
        with rtp_call(settings=RtpSettings(timeout_seconds=1.0)) as call:
            begin(call)
            closing = call.session.close
            object.__setattr__(call.observer, "on_rtp_timeout", closing)
            await asyncio.sleep(1.5)
            assert call.pool.lent == 0

    run(check())


def test_unreachable_peer_is_counted_and_does_not_end_the_call():
    async def check() -> None:
        with rtp_call() as call:
            # From a loopback address the kernel refuses to send to the world.
            call.session.configure(audio_parameters(("192.0.2.1", 4000)))
            call.session.start(held=False)
            await frames(3)
            assert call.session.statistics().send_errors == 3

    run(check())


def test_peer_of_the_other_address_family_does_not_end_the_call():
    async def check() -> None:
        with rtp_call() as call:
            call.session.configure(audio_parameters(("2001:db8::1", 4000)))
            call.session.start(held=False)
            await frames(3)
            assert call.ear.frames == [ULAW_SILENCE] * 3

    run(check())


def test_hostile_datagrams_change_nothing():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            await converse(call, 3)
            for data in (b"", b"\x80", b"\xff" * 2000, b"\x9f" * 60_000, b"\xa0" + b"\xff" * 20):
                call.peer.send_raw(call.port, data)
                call.peer.send_rtcp(call.port + 1, data)
            event = build_rtp(
                payload_type=101,
                marker=False,
                sequence=call.peer.sequence,
                timestamp=0,
                ssrc=call.peer.ssrc,
                payload=b"\x01",
            )
            call.peer.send_raw(call.port, event)
            call.peer.sequence += 1
            await converse(call, 3)
            await frames(4)
            assert call.ear.frames.count(SPEECH) == 6

    run(check())
