"""RTCP packets (RFC 3550 section 6): reports, source description, goodbye.

A datagram holds several packets, one behind the other (a compound packet, section 6.1).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

SENDER_REPORT: Final = 200
RECEIVER_REPORT: Final = 201
SOURCE_DESCRIPTION: Final = 202
GOODBYE: Final = 203

MAX_BLOCKS: Final = 31
"""What the five bits of the count can say."""

_VERSION: Final = 0x80
_VERSION_MASK: Final = 0xC0
_PADDING: Final = 0x20
_COUNT_MASK: Final = 0x1F
_HEADER: Final = struct.Struct("!BBH")
_SSRC: Final = struct.Struct("!I")
_SENDER_INFO: Final = struct.Struct("!QIII")
_BLOCK: Final = struct.Struct("!IIIIII")
_CNAME: Final = 1
_MAX_CNAME_BYTES: Final = 255


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What one receiver says of one source (6.4.1).

    `fraction_lost` in 1/256 since the last report; `jitter` in timestamp units; `last_report` the
    middle 32 bits of the NTP time of the source's last sender report, `delay` since then in
    1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    highest_sequence: int
    jitter: int
    last_report: int
    delay: int


@dataclass(frozen=True, slots=True)
class SenderInfo:
    """What a sender says of itself: 64-bit NTP time, RTP time of the same instant, totals."""

    ntp: int
    rtp_timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Report:
    """A sender report; a receiver report if `sender` is None."""

    ssrc: int
    sender: SenderInfo | None
    blocks: tuple[ReportBlock, ...]


@dataclass(frozen=True, slots=True)
class Goodbye:
    """A source has left."""

    ssrc: int


RtcpPacket = Report | Goodbye


def build_report(report: Report) -> bytes:
    """A sender or receiver report, to be followed by `build_cname` (6.1)."""
    blocks = report.blocks[:MAX_BLOCKS]
    body = _SSRC.pack(report.ssrc)
    sender = report.sender
    if sender is not None:
        body += _SENDER_INFO.pack(
            sender.ntp,
            sender.rtp_timestamp,
            sender.packets & 0xFFFFFFFF,
            sender.octets & 0xFFFFFFFF,
        )
    body += b"".join(map(_build_block, blocks))
    return _packet(RECEIVER_REPORT if sender is None else SENDER_REPORT, len(blocks), body)


def build_cname(ssrc: int, cname: str) -> bytes:
    """A source description with the one item that is mandatory (6.5.1)."""
    name = cname.encode("ascii", "replace")[:_MAX_CNAME_BYTES]
    chunk = _SSRC.pack(ssrc) + bytes((_CNAME, len(name))) + name
    # The list of items ends with a zero and fills the 32-bit word.
    return _packet(SOURCE_DESCRIPTION, 1, chunk + bytes(4 - len(chunk) % 4))


def build_goodbye(ssrc: int) -> bytes:
    """A goodbye of one source, without a reason (6.6)."""
    return _packet(GOODBYE, 1, _SSRC.pack(ssrc))


def parse_rtcp(data: bytes) -> tuple[RtcpPacket, ...] | None:
    """The reports and goodbyes in a datagram; None if it is not a valid compound packet (A.2).

    The first packet must be a report, lengths must add up. Other kinds are passed over.
    """
    packets: list[RtcpPacket] = []
    for is_first, kind, count, body in _split(data):
        if kind < 0 or (is_first and kind not in (SENDER_REPORT, RECEIVER_REPORT)):
            return None
        if kind in (SENDER_REPORT, RECEIVER_REPORT):
            report = _parse_report(kind, count, body)
            if report is None:
                return None
            packets.append(report)
        elif kind == GOODBYE:
            ends = min(count, len(body) // 4)
            packets.extend(Goodbye(_SSRC.unpack_from(body, 4 * i)[0]) for i in range(ends))
    return tuple(packets) or None


def _split(data: bytes) -> Iterator[tuple[bool, int, int, bytes]]:
    """Each packet as (is it the first, type, count, body); type -1 where it cannot be one."""
    position = 0
    while position < len(data):
        if position + _HEADER.size > len(data):
            yield position == 0, -1, 0, b""
            return
        first, kind, words = _HEADER.unpack_from(data, position)
        end = position + 4 * (words + 1)
        if first & _VERSION_MASK != _VERSION or end > len(data):
            yield position == 0, -1, 0, b""
            return
        body = data[position + _HEADER.size : end]
        if first & _PADDING:
            # Only the last packet may be padded, and the last byte says by how much.
            padding = body[-1] if body else 0
            body = body[: max(0, len(body) - padding)]
        yield position == 0, kind, first & _COUNT_MASK, body
        position = end


def _parse_report(kind: int, count: int, body: bytes) -> Report | None:
    position = _SSRC.size
    sender = None
    if kind == SENDER_REPORT:
        if len(body) < position + _SENDER_INFO.size:
            return None
        sender = SenderInfo(*_SENDER_INFO.unpack_from(body, position))
        position += _SENDER_INFO.size
    if len(body) < position + count * _BLOCK.size:
        return None
    blocks = tuple(_parse_block(body, position + i * _BLOCK.size) for i in range(count))
    return Report(_SSRC.unpack_from(body)[0], sender, blocks)


def _parse_block(body: bytes, position: int) -> ReportBlock:
    ssrc, loss, highest, jitter, last_report, delay = _BLOCK.unpack_from(body, position)
    cumulative = loss & 0xFFFFFF
    if cumulative >= 0x800000:
        cumulative -= 0x1000000
    return ReportBlock(ssrc, loss >> 24, cumulative, highest, jitter, last_report, delay)


def _build_block(block: ReportBlock) -> bytes:
    return _BLOCK.pack(
        block.ssrc,
        block.fraction_lost << 24 | block.cumulative_lost & 0xFFFFFF,
        block.highest_sequence,
        block.jitter,
        block.last_report,
        block.delay,
    )


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(_VERSION | count, kind, len(body) // 4) + body
