"""What goes out on an RTP port, packet by packet."""

from __future__ import annotations

from dataclasses import replace

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
    ptime_ms: int = 20,
) -> RtpSender:
    sending = unconfigured_sender()
    parameters = audio_parameters(
        PEER, codec=codec, direction=direction, telephone_event=telephone_event
    )
    sending.configure(replace(parameters, ptime_ms=ptime_ms))
    return sending


def unconfigured_sender() -> RtpSender:
    return RtpSender(
        packetizer=Packetizer(ssrc=1, sequence=10, timestamp=1000),
        queue=PlayoutQueue(max_seconds=60.0),
    )


def next_packet(sending: RtpSender) -> RtpPacket:
    (data,) = sending.next_packets()
    packet = parse_rtp(data)
    assert packet is not None
    return packet


def next_packets(sending: RtpSender, steps: int) -> list[list[RtpPacket]]:
    """What goes out at each of so many steps of 20 ms."""
    return [
        [packet for data in sending.next_packets() if (packet := parse_rtp(data))]
        for _ in range(steps)
    ]


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
    assert [sending.next_packets(), sending.next_packets()] == [(), ()]
    sending.configure(audio_parameters(PEER))
    assert next_packet(sending) == RtpPacket(0, True, 10, 1320, 1, b"\xff" * 160)


def test_nothing_is_sent_before_anything_was_agreed():
    assert unconfigured_sender().next_packets() == ()


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
    sending.next_packets()
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
    assert [sending.next_packets() for _ in range(20)] == [()] * 20


def test_key_cannot_be_pressed_if_the_peer_takes_none():
    assert not sender(telephone_event=None).press("5")


def test_unknown_key_is_refused():
    with pytest.raises(ValueError, match="no such key"):
        sender().press("x")


@pytest.mark.parametrize(
    ("ptime_ms", "lengths"),
    [
        (10, [[80, 80]] * 3),
        (20, [[160]] * 3),
        (30, [[], [240], [240], [], [240], [240]]),
        (40, [[], [320], [], [320]]),
        (60, [[], [], [480], [], [], [480]]),
    ],
)
def test_packets_are_as_long_as_the_peer_asked_for(ptime_ms, lengths):
    sending = sender(ptime_ms=ptime_ms)
    sound = bytes(range(256)) * 5
    sending.queue.play(sound)
    steps = next_packets(sending, len(lengths))
    assert [[len(packet.payload) for packet in step] for step in steps] == lengths
    packets = [packet for step in steps for packet in step]
    assert b"".join(packet.payload for packet in packets).startswith(sound[: 160 * len(lengths)])
    ends = [packet.timestamp + len(packet.payload) for packet in packets]
    assert [packet.timestamp for packet in packets] == [1000, *ends[:-1]]
    assert [packet.sequence for packet in packets] == list(range(10, 10 + len(packets)))
    assert [packet.marker for packet in packets] == [True] + [False] * (len(packets) - 1)


def test_sound_that_waits_for_its_packet_goes_out_before_a_key():
    sending = sender(ptime_ms=60)
    sending.queue.play(SPEECH + b"\x22" * 160)
    assert next_packets(sending, 1) == [[]]
    sending.press("5")
    sound, key = next_packets(sending, 1)[0]
    assert (sound.payload, sound.timestamp) == (SPEECH, 1000)
    assert (key.payload_type, key.timestamp, key.marker) == (101, 1160, True)
    later = [packet for step in next_packets(sending, 12) for packet in step]
    assert [packet.payload_type for packet in later] == [101] * 9 + [0]
    assert (later[-1].payload[:160], later[-1].timestamp) == (b"\x22" * 160, 2760)


def test_sound_that_waits_for_its_packet_is_left_out_when_a_hold_begins():
    sending = sender(ptime_ms=40)
    sending.queue.play(SPEECH)
    assert next_packets(sending, 1) == [[]]
    sending.configure(audio_parameters(PEER, direction=Direction.INACTIVE))
    assert next_packets(sending, 1) == [[]]
    sending.configure(audio_parameters(PEER))
    assert next_packet(sending) == RtpPacket(0, True, 10, 1320, 1, b"\xff" * 160)


def test_sound_in_the_codec_before_is_not_sent_as_the_new_one():
    sending = sender(ptime_ms=40)
    sending.queue.play(SPEECH)
    assert next_packets(sending, 1) == [[]]
    sending.configure(audio_parameters(PEER, codec=Codec.PCMA))
    assert next_packet(sending) == RtpPacket(8, True, 10, 1160, 1, b"\xd5" * 160)


def test_longer_packets_after_a_later_offer_lose_no_sound():
    sending = sender()
    sending.queue.play(b"\x01" * 160 + b"\x02" * 160 + b"\x03" * 160)
    first = next_packet(sending)
    sending.configure(replace(audio_parameters(PEER), ptime_ms=40))
    assert next_packets(sending, 1) == [[]]
    second = next_packet(sending)
    assert first.payload + second.payload == b"\x01" * 160 + b"\x02" * 160 + b"\x03" * 160
    assert second.timestamp == 1160
