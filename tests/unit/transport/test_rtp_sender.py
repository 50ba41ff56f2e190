"""What goes out on an RTP port, packet by packet."""

from __future__ import annotations

import pytest
from support.rtp_peer import audio_parameters

from sip_edge.media.offer_answer import Codec, Direction
from sip_edge.media.packetizer import Packetizer
from sip_edge.media.playout import PlayoutQueue
from sip_edge.media.rtp import RtpPacket, parse_rtp
from sip_edge.transport.rtp_sender import RtpSender

PEER = ("192.0.2.10", 4000)
SPEECH = b"\x21" * 160


def sender(
    *,
    codec: Codec = Codec.PCMU,
    direction: Direction = Direction.SENDRECV,
    telephone_event: int | None = 101,
) -> RtpSender:
    sending = unconfigured_sender()
    sending.configure(
        audio_parameters(PEER, codec=codec, direction=direction, telephone_event=telephone_event)
    )
    return sending


def unconfigured_sender() -> RtpSender:
    return RtpSender(
        packetizer=Packetizer(ssrc=1, sequence=10, timestamp=1000),
        queue=PlayoutQueue(max_seconds=60.0),
    )


def next_packet(sending: RtpSender) -> RtpPacket:
    data = sending.next_packet()
    assert data is not None
    packet = parse_rtp(data)
    assert packet is not None
    return packet


def test_silence_is_sent_when_nothing_is_queued():
    assert next_packet(sender()) == RtpPacket(0, True, 10, 1000, 1, b"\xff" * 160)


def test_silence_of_alaw_is_its_own():
    assert next_packet(sender(codec=Codec.PCMA)) == RtpPacket(8, True, 10, 1000, 1, b"\xd5" * 160)


def test_what_is_queued_is_sent():
    sending = sender()
    sending.queue.play(SPEECH)
    assert next_packet(sending).payload == SPEECH


def test_what_is_queued_is_translated_to_alaw():
    sending = sender(codec=Codec.PCMA)
    sending.queue.play(b"\xff\x00" * 80)
    assert next_packet(sending).payload == b"\xd5\x2a" * 80


def test_silence_is_sent_while_what_is_queued_is_held():
    sending = sender()
    sending.queue.held = True
    sending.queue.play(SPEECH)
    assert next_packet(sending).payload == b"\xff" * 160
    sending.queue.held = False
    assert next_packet(sending).payload == SPEECH


@pytest.mark.parametrize("direction", [Direction.RECVONLY, Direction.INACTIVE])
def test_nothing_is_sent_on_hold_but_time_goes_on(direction):
    sending = sender(direction=direction)
    sending.queue.play(SPEECH + SPEECH)
    assert [sending.next_packet(), sending.next_packet()] == [None, None]
    sending.configure(audio_parameters(PEER))
    assert next_packet(sending) == RtpPacket(0, True, 10, 1320, 1, b"\xff" * 160)


def test_nothing_is_sent_before_anything_was_agreed():
    assert unconfigured_sender().next_packet() is None


def test_codec_and_payload_type_may_change_in_mid_call():
    sending = sender()
    next_packet(sending)
    sending.configure(audio_parameters(PEER, codec=Codec.PCMA))
    assert next_packet(sending) == RtpPacket(8, False, 11, 1160, 1, b"\xd5" * 160)


@pytest.mark.parametrize("silence", [b"\xff" * 160, b"\x7f\xff\xfe\x7e" * 40])
def test_silence_that_is_played_is_not_audible(silence):
    sending = sender()
    sending.queue.play(silence)
    next_packet(sending)
    assert not sending.was_audible


def test_first_speech_is_audible():
    sending = sender()
    sending.queue.play(b"\xff" * 159 + b"\x10")
    next_packet(sending)
    assert sending.was_audible


def test_speech_into_a_hold_is_not_audible():
    sending = sender(direction=Direction.INACTIVE)
    sending.queue.play(SPEECH)
    sending.next_packet()
    assert not sending.was_audible


def test_key_is_sent_in_place_of_sound_which_waits():
    sending = sender()
    sending.queue.play(SPEECH)
    assert sending.press("5")
    packets = [next_packet(sending) for _ in range(11)]
    assert [packet.payload_type for packet in packets] == [101] * 10 + [0]
    assert [packet.timestamp for packet in packets] == [1000] * 10 + [2600]
    assert [packet.sequence for packet in packets] == list(range(10, 21))
    assert [packet.marker for packet in packets] == [True] + [False] * 9 + [True]
    assert packets[10].payload == SPEECH


def test_key_pressed_on_hold_is_not_sent():
    sending = sender(direction=Direction.RECVONLY)
    sending.press("5")
    assert [sending.next_packet() for _ in range(20)] == [None] * 20


def test_key_cannot_be_pressed_if_the_peer_takes_none():
    assert not sender(telephone_event=None).press("5")


def test_unknown_key_is_refused():
    with pytest.raises(ValueError, match="no such key"):
        sender().press("x")
