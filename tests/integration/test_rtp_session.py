"""One call's sound on real sockets of the loopback address; the clock of most tests jumps."""

from __future__ import annotations

import asyncio
import socket

import pytest
from support.loops import on_both_loops
from support.rtp_call import SPEECH, begin, converse, frames, rtp_call, virtual_loop
from support.virtual_time import run

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.media.offer_answer import Codec


def test_packet_leaves_every_20_ms_from_the_start_on():
    async def check() -> None:
        with rtp_call(randbits=7) as call:
            begin(call)
            await frames(5)
            packets = call.peer.heard()
            assert [packet.payload for packet in packets] == [ULAW_SILENCE] * 5
            assert [packet.sequence for packet in packets] == [7, 8, 9, 10, 11]
            assert [packet.timestamp for packet in packets] == [7, 167, 327, 487, 647]
            assert [packet.marker for packet in packets] == [True, False, False, False, False]
            assert {packet.ssrc for packet in packets} == {7}

    run(check())


def test_nothing_leaves_before_the_start():
    async def check() -> None:
        with rtp_call() as call:
            call.session.configure(call.peer.parameters())
            await frames(5)
            assert call.peer.heard() == []

    run(check())


def test_what_is_played_reaches_the_peer_in_real_time():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            call.session.play(SPEECH * 100)
            await frames(3)
            assert [packet.payload for packet in call.peer.heard()] == [SPEECH] * 3
            assert len(call.observer.first_audio_out) == 1

    run(check())


def test_silence_reaches_the_peer_until_the_hold_is_released():
    async def check() -> None:
        with rtp_call() as call:
            begin(call, held=True)
            call.session.play(SPEECH)
            await frames(2)
            assert [packet.payload for packet in call.peer.heard()] == [ULAW_SILENCE] * 2
            assert call.observer.first_audio_out == []
            call.session.release()
            await asyncio.sleep(0.02)
            assert [packet.payload for packet in call.peer.heard()] == [SPEECH]

    run(check())


def test_what_the_peer_says_reaches_the_listener():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            await converse(call, 5)
            await frames(3)
            assert call.ear.frames.count(SPEECH) == 5
            assert len(call.observer.first_rtp) == 1

    run(check())


def test_listener_hears_silence_every_20_ms_while_nothing_comes():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            await frames(4)
            assert call.ear.frames == [ULAW_SILENCE] * 4

    run(check())


def test_alaw_of_the_peer_is_ulaw_for_the_listener_and_back():
    async def check() -> None:
        with rtp_call() as call:
            begin(call, codec=Codec.PCMA)
            call.session.play(b"\x80" * 160)
            call.peer.say(call.port, b"\xaa" * 160, payload_type=8)
            await frames(4)
            assert b"\x80" * 160 in call.ear.frames
            packet = call.peer.heard()[0]
            assert (packet.payload_type, packet.payload) == (8, b"\xaa" * 160)

    run(check())


@pytest.mark.parametrize("size", [80, 240, 480])
def test_packets_of_other_sizes_are_heard_as_20_ms_frames(size):
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            for _ in range(960 // size):
                call.peer.say(call.port, b"\x21" * size)
            await frames(9)
            assert call.ear.frames.count(SPEECH) == 6

    run(check())


def test_mark_is_reported_when_its_sound_has_been_played():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            call.session.play(SPEECH * 2)
            call.session.mark("said")
            await frames(2)
            assert call.ear.marks == []
            await asyncio.sleep(0.02)
            assert call.ear.marks == ["said"]

    run(check())


def test_drained_returns_when_the_last_frame_has_been_played():
    async def check() -> float:
        with rtp_call() as call:
            begin(call)
            began_at = virtual_loop().time()
            call.session.play(SPEECH * 10)
            await call.session.drained()
            return round(virtual_loop().time() - began_at, 3)

    assert run(check()) == 0.22


def test_closing_ends_the_wait_for_the_end_of_the_sound():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            call.session.play(SPEECH * 1000)
            waiting = asyncio.create_task(call.session.drained())
            await frames(2)
            call.session.close()
            await waiting

    run(check())


def test_keys_of_the_peer_are_digits():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            for text in ("050a00a0", "050a0140", "058a01e0", "058a01e0", "058a01e0"):
                call.peer.send_event(call.port, bytes.fromhex(text))
                await asyncio.sleep(0.02)
            assert call.ear.digits == "5"

    run(check())


def test_key_whose_end_was_lost_is_a_digit_all_the_same():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            call.peer.send_event(call.port, bytes.fromhex("050a00a0"))
            await asyncio.sleep(0.5)
            assert call.ear.digits == "5"

    run(check())


def test_key_that_sip_and_rtp_tell_is_heard_once():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            call.session.hear_key("5")
            for text in ("050a00a0", "058a01e0"):
                call.peer.send_event(call.port, bytes.fromhex(text))
                await asyncio.sleep(0.02)
            assert call.ear.digits == "5"
            call.session.hear_key("6")
            call.session.hear_key("6")
            assert call.ear.digits == "566"
            call.session.close()
            call.session.hear_key("7")
            assert call.ear.digits == "566"

    run(check())


def test_our_keys_reach_the_peer_as_events():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            assert call.session.send_digit("#")
            await frames(12)
            packets = call.peer.heard()
            events = [packet for packet in packets if packet.payload_type == 101]
            assert len(events) == 10
            assert [packet.payload[0] for packet in events] == [11] * 10
            assert len({packet.timestamp for packet in events}) == 1
            assert len(packets) == 12

    run(check())


def test_short_stall_is_made_up_for_by_late_packets():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            call.session.play(SPEECH * 10)
            await frames(2)
            virtual_loop().clock += 0.05  # Two frames are missed.
            await asyncio.sleep(0.02)
            packets = call.peer.heard()
            assert [packet.timestamp for packet in packets] == [160 * n for n in range(5)]
            assert {packet.payload for packet in packets} == {SPEECH}

    run(check())


def test_long_stall_is_a_gap_in_time_but_not_in_what_is_said():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            spoken = [bytes([16 + n]) * 160 for n in range(6)]
            call.session.play(b"".join(spoken))
            await frames(2)
            virtual_loop().clock += 0.2
            await asyncio.sleep(0.03)
            packets = call.peer.heard()
            assert [packet.payload for packet in packets] == spoken[:4]
            assert [packet.sequence for packet in packets] == [0, 1, 2, 3]
            assert [packet.timestamp for packet in packets] == [0, 160, 1760, 1920]
            assert [packet.marker for packet in packets] == [True, False, True, False]

    run(check())


def test_what_came_during_a_stall_is_heard_and_not_late():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            await converse(call, 5)
            for _ in range(6):
                call.peer.say(call.port, SPEECH)
            virtual_loop().clock += 0.12
            await converse(call, 5)
            await frames(4)
            assert call.ear.frames.count(SPEECH) == 16
            assert call.session.statistics().late == 0

    run(check())


def test_what_waits_in_the_socket_is_read_before_missed_frames_are_heard():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            await converse(call, 5)
            for _ in range(6):
                call.peer.say(call.port, SPEECH)
            # Some loops run timers before they look at sockets.
            call.session.tick(virtual_loop().time(), 7)
            await frames(4)
            assert call.ear.frames.count(SPEECH) == 11
            assert call.session.statistics().late == 0

    run(check())


def test_statistics_tell_what_was_lost_late_and_double():
    async def check() -> None:
        with rtp_call() as call:
            begin(call)
            call.peer.say(call.port, SPEECH)
            call.peer.sequence += 2
            call.peer.timestamp += 320
            call.peer.say(call.port, SPEECH)
            call.peer.sequence -= 1
            call.peer.timestamp -= 160
            call.peer.say(call.port, SPEECH)
            call.peer.say(call.port, b"\x12", payload_type=77)
            call.peer.send_raw(call.port, b"nonsense")
            await frames(2)
            statistics = call.session.statistics()
            assert statistics.packets_received == 4
            assert statistics.packets_lost == 2
            assert statistics.duplicates == 1
            assert statistics.other_payloads == 1
            assert statistics.malformed == 1
            assert statistics.packets_sent == 2

    run(check())


def test_ipv6_works_as_ipv4_does():
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")

    async def check() -> None:
        with rtp_call(host="::1") as call:
            begin(call)
            call.session.play(SPEECH)
            await converse(call, 5)
            await frames(3)
            assert call.ear.frames.count(SPEECH) == 5
            assert SPEECH in [packet.payload for packet in call.peer.heard()]
            assert call.session.statistics().strangers == 0

    run(check())


@on_both_loops
async def test_sound_flows_both_ways_in_real_time():
    loop = asyncio.get_running_loop()
    with rtp_call() as call:
        begin(call)
        call.session.play(SPEECH * 20)
        call.session.mark("said")
        began_at = loop.time()
        for n in range(25):
            await asyncio.sleep(max(0.0, began_at + 0.02 * n - loop.time()))
            call.peer.say(call.port, SPEECH)
        await call.session.drained()
        await asyncio.sleep(0.2)
        packets = call.peer.heard()
        assert [packet.payload for packet in packets].count(SPEECH) == 20
        assert 20 <= len(packets) <= 200
        assert call.ear.marks == ["said"]
        assert call.ear.frames.count(SPEECH) >= 15
        assert call.session.statistics().packets_received == 25
