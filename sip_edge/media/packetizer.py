"""The sending side of one RTP stream: sequence numbers, timestamps, marker, what RTCP counts."""

from __future__ import annotations

from sip_edge.media.audio import FRAME_SAMPLES
from sip_edge.media.rtp import HEADER, MARKER, SEQUENCE_MODULUS, TIMESTAMP_MODULUS, VERSION_2


class Packetizer:
    """Numbers the packets of one stream (RFC 3550 section 5.1).

    The timestamp is a clock: it goes on by 160 with every 20 ms, whether or not a packet is sent.
    The first packet, and the first after a pause, carries the marker (RFC 3551 section 4.1).
    """

    __slots__ = ("_marker", "_sequence", "octets_sent", "packets_sent", "ssrc", "timestamp")

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.timestamp = timestamp
        """That of the next frame."""
        self.packets_sent = 0
        self.octets_sent = 0
        """Of payload only, as a sender report counts them (section 6.4.1)."""
        self._sequence = sequence
        self._marker = MARKER

    def frame(self, payload_type: int, payload: bytes) -> bytes:
        """The packet with the next 20 ms of sound."""
        timestamp = self.timestamp
        packet = self._build(payload_type | self._marker, timestamp, payload)
        self._marker = 0
        self.timestamp = (timestamp + FRAME_SAMPLES) % TIMESTAMP_MODULUS
        return packet

    def event(self, payload_type: int, payload: bytes, *, timestamp: int, marker: bool) -> bytes:
        """A telephone-event packet in place of a frame; its timestamp is when the key went down."""
        packet = self._build(payload_type | (MARKER if marker else 0), timestamp, payload)
        self.pause(1)
        return packet

    def pause(self, frames: int) -> None:
        """Let `frames` times 20 ms go by without a packet."""
        self.timestamp = (self.timestamp + frames * FRAME_SAMPLES) % TIMESTAMP_MODULUS
        self._marker = MARKER

    def _build(self, second: int, timestamp: int, payload: bytes) -> bytes:
        sequence = self._sequence
        self._sequence = (sequence + 1) % SEQUENCE_MODULUS
        self.packets_sent += 1
        self.octets_sent += len(payload)
        return HEADER.pack(VERSION_2, second, sequence, timestamp, self.ssrc) + payload
