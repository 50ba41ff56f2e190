"""RTP packets (RFC 3550 section 5.1): bytes to values and back.

Parsing is on the path of every packet of every call: it returns None for what is not RTP instead
of raising, and looks at nothing twice.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

HEADER_BYTES: Final = 12
SEQUENCE_MODULUS: Final = 1 << 16
TIMESTAMP_MODULUS: Final = 1 << 32
COMFORT_NOISE: Final = 13
"""RFC 3389: says that there is nothing to hear, and how that sounds."""
MAX_DATAGRAM_BYTES: Final = 2048
"""More than any path's MTU of 1500: what is longer is no RTP packet of speech."""

RTCP_CONFLICTS: Final = frozenset(range(64, 96))
"""Payload types that look like RTCP packets where both share a port (RFC 5761 section 4)."""

HEADER: Final = struct.Struct("!BBHII")
"""Version and flags, marker and payload type, sequence number, timestamp, SSRC."""
VERSION_2: Final = 0x80
"""The first byte of a packet without padding, extension and CSRC: nearly every packet."""
MARKER: Final = 0x80

_EXTENSION_LENGTH: Final = struct.Struct("!H")
_VERSION_MASK: Final = 0xC0
_PADDING: Final = 0x20
_EXTENSION: Final = 0x10
_CSRC_MASK: Final = 0x0F
_PAYLOAD_TYPE_MASK: Final = 0x7F
_RTCP_FIRST: Final = 192
_RTCP_LAST: Final = 223


class RtpPacket(NamedTuple):
    """What an RTP packet says. A named tuple, because one is made 50 times a second and call."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def is_rtcp(data: bytes) -> bool:
    """True if a datagram on a port shared by both is RTCP, not RTP (RFC 5761 section 4)."""
    return len(data) > 1 and _RTCP_FIRST <= data[1] <= _RTCP_LAST


def parse_rtp(data: bytes) -> RtpPacket | None:
    """The packet in a datagram; None if it is not RTP version 2 or its lengths do not add up."""
    if len(data) < HEADER_BYTES:
        return None
    first, second, sequence, timestamp, ssrc = HEADER.unpack_from(data)
    if first == VERSION_2:
        payload = data[HEADER_BYTES:]
    else:
        rest = _payload_of(data, first)
        if rest is None:
            return None
        payload = rest
    return RtpPacket(
        second & _PAYLOAD_TYPE_MASK, second >= MARKER, sequence, timestamp, ssrc, payload
    )


def _payload_of(data: bytes, first: int) -> bytes | None:
    """What is left without CSRC list, header extension and padding (5.1, 5.3.1)."""
    if first & _VERSION_MASK != VERSION_2:
        return None
    start = HEADER_BYTES + 4 * (first & _CSRC_MASK)
    end = len(data)
    if first & _EXTENSION:
        if start + 4 > end:
            return None
        start += 4 + 4 * int(_EXTENSION_LENGTH.unpack_from(data, start + 2)[0])
    if first & _PADDING:
        padding = data[-1]
        if padding == 0:
            return None
        end -= padding
    return data[start:end] if start <= end else None


def build_rtp(
    *, payload_type: int, marker: bool, sequence: int, timestamp: int, ssrc: int, payload: bytes
) -> bytes:
    """An RTP packet without CSRC, extension and padding. All numbers must be in range."""
    second = payload_type | MARKER if marker else payload_type
    return HEADER.pack(VERSION_2, second, sequence, timestamp, ssrc) + payload
