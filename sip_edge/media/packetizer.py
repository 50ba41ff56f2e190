"""The sending side of one RTP stream: sequence numbers, timestamps, marker, what RTCP counts."""

from __future__ import annotations

from sip_edge.media.audio import FRAME_SAMPLES
from sip_edge.media.rtp import HEADER, MARKER, SEQUENCE_MODULUS, TIMESTAMP_MODULUS, VERSION_2


class Packetizer:
    """Numbers the packets of one stream (RFC 3550 section 5.1).

    The timestamp is a clock: it goes on by 160 with every 20 ms, whether or not a packet is sent.
    The first packet, and the first after a pause, carries the marker (RFC 3551 section 4.1).
    """

    __slots__ = (
        "_marker",
        "_sequence",
        "octets_before",
        "octets_sent",
        "packets_before",
        "packets_sent",
        "ssrc",
        "timestamp",
    )

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.timestamp = timestamp
        """That of the next frame."""
        self.packets_sent = 0
        self.octets_sent = 0
        """Of payload only, as a sender report counts them (section 6.4.1)."""
        self.packets_before = 0
        self.octets_before = 0
        """Sent before the present SSRC."""
        self._sequence = sequence
        self._marker = MARKER

    def frame(self, payload_type: int, payload: bytes) -> bytes:
        """The packet with the next sound: a byte of `payload` is a sample, 160 are 20 ms."""
        timestamp = self.timestamp
        packet = self._build(payload_type | self._marker, timestamp, payload)
        self._marker = 0
        self.timestamp = (timestamp + len(payload)) % TIMESTAMP_MODULUS
        return packet

    def renew(self, ssrc: int, sequence: int) -> None:
        """Be another source from now on (section 8.2). The clock goes on."""
        self.ssrc = ssrc
        self._sequence = sequence
        self._marker = MARKER
        self.packets_before = self.packets_sent
        self.octets_before = self.octets_sent

    def event(self, payload_type: int, payload: bytes, *, timestamp: int, marker: bool) -> bytes:
        """A telephone-event packet in place of a frame; its timestamp is when the key went down."""
        packet = self._build(payload_type | (MARKER if marker else 0), timestamp, payload)
        self.pause(1)
        return packet

    def pause(self, frames: int, *, samples: int = 0) -> None:
        """Let `frames` times 20 ms, and `samples` that were not sent, go by without a packet."""
        passed = frames * FRAME_SAMPLES + samples
        self.timestamp = (self.timestamp + passed) % TIMESTAMP_MODULUS
        self._marker = MARKER

    def _build(self, second: int, timestamp: int, payload: bytes) -> bytes:
        sequence = self._sequence
        self._sequence = (sequence + 1) % SEQUENCE_MODULUS
        self.packets_sent += 1
        self.octets_sent += len(payload)
        return HEADER.pack(VERSION_2, second, sequence, timestamp, self.ssrc) + payload
