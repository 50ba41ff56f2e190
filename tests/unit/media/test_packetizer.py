"""The sending side of one RTP stream."""

from __future__ import annotations

from sip_edge.media.packetizer import Packetizer
from sip_edge.media.rtp import RtpPacket, parse_rtp

FRAME = b"\x55" * 160


def packetizer(*, sequence: int = 100, timestamp: int = 1000) -> Packetizer:
    return Packetizer(ssrc=7, sequence=sequence, timestamp=timestamp)


def parsed(data: bytes) -> RtpPacket:
    packet = parse_rtp(data)
    assert packet is not None
    return packet


def test_first_packet_carries_the_marker_and_the_starting_numbers():
    assert parsed(packetizer().frame(0, FRAME)) == RtpPacket(0, True, 100, 1000, 7, FRAME)


def test_following_packets_count_up_without_the_marker():
    stream = packetizer()
    stream.frame(8, FRAME)
    assert parsed(stream.frame(8, FRAME)) == RtpPacket(8, False, 101, 1160, 7, FRAME)


def test_sequence_number_and_timestamp_wrap_without_a_gap():
    stream = packetizer(sequence=0xFFFF, timestamp=0xFFFFFFFF)
    stream.frame(0, FRAME)
    packet = parsed(stream.frame(0, FRAME))
    assert (packet.sequence, packet.timestamp) == (0, 159)


def test_pause_moves_the_timestamp_but_not_the_sequence_number():
    stream = packetizer()
    stream.frame(0, FRAME)
    stream.pause(5)
    assert parsed(stream.frame(0, FRAME)) == RtpPacket(0, True, 101, 1960, 7, FRAME)


def test_event_keeps_its_own_timestamp_while_the_clock_goes_on():
    stream = packetizer()
    stream.frame(0, FRAME)
    first = parsed(stream.event(101, b"key1", timestamp=1160, marker=True))
    second = parsed(stream.event(101, b"key2", timestamp=1160, marker=False))
    after = parsed(stream.frame(0, FRAME))
    assert first == RtpPacket(101, True, 101, 1160, 7, b"key1")
    assert second == RtpPacket(101, False, 102, 1160, 7, b"key2")
    assert (after.sequence, after.timestamp) == (103, 1480)


def test_packets_and_payload_octets_are_counted_for_the_sender_report():
    stream = packetizer()
    stream.frame(0, FRAME)
    stream.event(101, b"key1", timestamp=0, marker=True)
    assert (stream.packets_sent, stream.octets_sent) == (2, 164)
