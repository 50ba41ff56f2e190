"""Whom an RTP session listens and speaks to: NATs, strangers, moves, holds, silence."""

from __future__ import annotations

import asyncio

import pytest
from support.rtp_call import SPEECH, begin, converse, frames, rtp_call
from support.rtp_peer import RtpPeer, audio_parameters
from support.virtual_time import run

from sip_edge.media.offer_answer import Direction
from sip_edge.transport.rtp_session import RtpSettings


def test_stranger_who_sprays_the_port_is_not_heard_and_gets_nothing():
    async def check() -> None:
        with rtp_call() as call, RtpPeer(host="127.0.0.2", to="127.0.0.1") as stranger:
            begin(call)
            for _ in range(20):
                call.peer.say(call.port, SPEECH)
                for _ in range(5):
                    stranger.say(call.port, b"\x01" * 160)
                    stranger.send_raw(call.port, b"\x80\xc8 no report")
                    stranger.send_rtcp(call.port + 1, b"\x80\xc8 no report")
                await asyncio.sleep(0.02)
            await frames(3)
            assert call.ear.frames.count(SPEECH) == 20
            assert b"\x01" * 160 not in call.ear.frames
            assert stranger.heard() == []
            statistics = call.session.statistics()
            assert statistics.strangers == 300
            assert (statistics.packets_received, statistics.packets_lost) == (20, 0)

    run(check())


def test_peer_behind_a_nat_is_heard_and_answered_where_it_speaks_from():
    async def check() -> None:
        with rtp_call(signalling_host="127.0.0.1") as call:
            call.session.configure(audio_parameters(("192.0.2.1", 4000)))
            call.session.start(held=False)
            await converse(call, 10)
            await frames(3)
            assert call.ear.frames.count(SPEECH) == 7
            assert len(call.peer.heard()) >= 7

    run(check())


def test_stranger_who_speaks_before_the_peer_gets_nothing_and_is_not_heard():
    async def check() -> None:
        with (
            rtp_call(signalling_host="127.0.0.1") as call,
            RtpPeer(host="127.0.0.2", to="127.0.0.1") as stranger,
        ):
            begin(call)
            for _ in range(50):
                stranger.say(call.port, b"\x01" * 160)
                await asyncio.sleep(0.02)
            await converse(call, 20)
            await frames(3)
            assert stranger.heard() == []
            assert len(call.peer.heard()) >= 70
            assert b"\x01" * 160 not in call.ear.frames
            assert call.ear.frames.count(SPEECH) == 20

    run(check())


def test_peer_behind_a_nat_is_not_heard_without_symmetric_rtp():
    async def check() -> None:
        with rtp_call(settings=RtpSettings(symmetric=False)) as call:
            call.session.configure(audio_parameters(("192.0.2.1", 4000)))
            call.session.start(held=False)
            await converse(call, 10)
            assert call.peer.heard() == []
            assert call.session.statistics().strangers == 10

    run(check())


def test_new_address_in_a_later_offer_is_heard_and_the_old_one_no_more():
    async def check() -> None:
        with rtp_call() as call, RtpPeer(ssrc=2) as moved:
            begin(call)
            await converse(call, 3)
            call.peer.heard()
            call.session.configure(moved.parameters())
            for _ in range(5):
                moved.say(call.port, b"\x22" * 160)
                call.peer.say(call.port, SPEECH)
                await asyncio.sleep(0.02)
            await frames(3)
            assert call.ear.frames.count(b"\x22" * 160) == 5
            assert call.peer.heard() == []
            assert len(moved.heard()) >= 7

    run(check())


@pytest.mark.parametrize("direction", [Direction.RECVONLY, Direction.INACTIVE])
def test_no_rtp_but_rtcp_leaves_while_the_peer_holds(direction):
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            await frames(2)
            call.peer.heard()
            call.session.configure(call.peer.parameters(direction=direction))
            call.session.play(SPEECH)
            call.session.mark("unheard")
            await asyncio.sleep(6.0)
            assert call.peer.heard() == []
            assert len(call.peer.heard_rtcp()) == 2
            assert call.ear.marks == ["unheard"]
            call.session.configure(call.peer.parameters())
            await frames(2)
            packets = call.peer.heard()
            assert packets[0].marker
            assert packets[0].sequence == 2

    run(check())


def test_neither_rtp_nor_rtcp_leaves_to_a_hold_without_an_address():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            await converse(call, 3)
            call.peer.heard()
            call.session.configure(
                audio_parameters(("0.0.0.0", 4000), direction=Direction.RECVONLY)
            )
            await asyncio.sleep(10.0)
            assert call.peer.heard() == []
            assert call.peer.heard_rtcp() == []

    run(check())


def test_peer_that_falls_silent_is_told_of_once():
    async def check() -> None:
        with rtp_call(settings=RtpSettings(timeout_seconds=60.0)) as call:
            begin(call)
            await converse(call, 50)
            await asyncio.sleep(59.5)
            assert call.observer.timeouts == 0
            await asyncio.sleep(1.0)
            assert call.observer.timeouts == 1
            await asyncio.sleep(120.0)
            assert call.observer.timeouts == 1

    run(check())


def test_peer_that_never_speaks_is_told_of():
    async def check() -> None:
        with rtp_call(settings=RtpSettings(timeout_seconds=5.0)) as call:
            begin(call)
            await asyncio.sleep(5.2)
            assert call.observer.timeouts == 1

    run(check())


def test_peer_that_holds_may_be_silent_and_is_watched_again_afterwards():
    async def check() -> None:
        with rtp_call(settings=RtpSettings(timeout_seconds=5.0)) as call:
            begin(call)
            await converse(call, 5)
            call.session.configure(call.peer.parameters(direction=Direction.RECVONLY))
            await asyncio.sleep(30.0)
            assert call.observer.timeouts == 0
            call.session.configure(call.peer.parameters())
            await asyncio.sleep(4.0)
            assert call.observer.timeouts == 0
            await asyncio.sleep(1.5)
            assert call.observer.timeouts == 1

    run(check())


def test_strangers_packets_do_not_keep_a_dead_call_alive():
    async def check() -> None:
        with rtp_call(settings=RtpSettings(timeout_seconds=2.0)) as call, RtpPeer() as stranger:
            begin(call)
            call.peer.say(call.port, SPEECH)
            for _ in range(120):
                stranger.say(call.port, SPEECH)
                await asyncio.sleep(0.02)
            assert call.observer.timeouts == 1

    run(check())
