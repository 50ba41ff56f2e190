"""The RTCP side of one RTP session: what we report, what the peer says of us (RFC 3550 section 6).

NTP times are taken from the clock that `now` comes from: section 4 lets a sender without a wall
clock use its elapsed time, and round trips need nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.media.audio import FRAME_SAMPLES
from sip_edge.media.rtcp import (
    MAX_BLOCKS,
    Report,
    ReportBlock,
    SenderInfo,
    build_cname,
    build_goodbye,
    build_report,
    parse_rtcp,
)
from sip_edge.media.rtp import TIMESTAMP_MODULUS

if TYPE_CHECKING:
    from sip_edge.media.packetizer import Packetizer
    from sip_edge.media.reception import Reception

MAX_ROUND_TRIP_SECONDS: Final = 30.0
"""A longer one comes from a wrong or forged report."""

_MIDDLE_MASK: Final = 0xFFFFFFFF


def ntp_time(now: float) -> int:
    """`now` in seconds as 64-bit NTP fixed point."""
    return int(now * (1 << 32)) & 0xFFFFFFFFFFFFFFFF


class ReportExchange:
    """Builds our reports and reads the peer's. `None` where the peer has said nothing yet."""

    __slots__ = (
        "_cname",
        "_heard_at",
        "_heard_ntp",
        "_heard_ssrc",
        "_packets_reported",
        "_ssrc",
        "malformed",
        "remote_fraction_lost",
        "remote_jitter",
        "remote_lost",
        "round_trip_seconds",
    )

    def __init__(self, *, ssrc: int, cname: str) -> None:
        self.malformed = 0
        self.remote_fraction_lost: int | None = None
        """Of our packets, in 1/256, as the peer last reported."""
        self.remote_lost: int | None = None
        self.remote_jitter: int | None = None
        """In timestamp units (1/8000 s)."""
        self.round_trip_seconds: float | None = None
        self._ssrc = ssrc
        self._cname = cname
        self._packets_reported = 0
        self._heard_ntp = 0  # The middle 32 bits of the peer's last sender report.
        self._heard_at = 0.0
        self._heard_ssrc = 0

    def build(
        self, now: float, packetizer: Packetizer, remote_ssrc: int, reception: Reception | None
    ) -> bytes:
        """Our report, to be sent now: a sender report if we sent sound since the last one (6.4)."""
        sender = None
        if packetizer.packets_sent != self._packets_reported:
            self._packets_reported = packetizer.packets_sent
            sender = SenderInfo(
                ntp=ntp_time(now),
                rtp_timestamp=(packetizer.timestamp - FRAME_SAMPLES) % TIMESTAMP_MODULUS,
                packets=packetizer.packets_sent - packetizer.packets_before,
                octets=packetizer.octets_sent - packetizer.octets_before,
            )
        blocks = () if reception is None else (self._block(now, remote_ssrc, reception),)
        report = build_report(Report(self._ssrc, sender, blocks))
        return report + build_cname(self._ssrc, self._cname)

    def renew(self, ssrc: int) -> None:
        """Report as another source from now on."""
        self._ssrc = ssrc

    def build_goodbye(self) -> bytes:
        """Our last word (6.6)."""
        report = build_report(Report(self._ssrc, None, ()))
        return report + build_cname(self._ssrc, self._cname) + build_goodbye(self._ssrc)

    def receive(self, data: bytes, now: float) -> bool:
        """Read what the peer sent. False if it is no RTCP."""
        packets = parse_rtcp(data)
        if packets is None:
            self.malformed += 1
            return False
        for packet in packets:
            if not isinstance(packet, Report):
                continue  # Goodbye: the call's end is told by SIP, a new source by its packets.
            if packet.sender is not None:
                self._heard_ntp = packet.sender.ntp >> 16 & _MIDDLE_MASK
                self._heard_at = now
                self._heard_ssrc = packet.ssrc
            for block in packet.blocks[:MAX_BLOCKS]:
                if block.ssrc == self._ssrc:
                    self._note(block, now)
        return True

    def _block(self, now: float, remote_ssrc: int, reception: Reception) -> ReportBlock:
        is_known = self._heard_ntp != 0 and self._heard_ssrc == remote_ssrc
        delay = int((now - self._heard_at) * 65536) if is_known else 0
        return ReportBlock(
            ssrc=remote_ssrc,
            fraction_lost=reception.take_fraction_lost(),
            cumulative_lost=reception.cumulative_lost,
            highest_sequence=reception.highest_sequence,
            jitter=min(reception.jitter, _MIDDLE_MASK),
            last_report=self._heard_ntp if is_known else 0,
            delay=min(delay, _MIDDLE_MASK),
        )

    def _note(self, block: ReportBlock, now: float) -> None:
        self.remote_fraction_lost = block.fraction_lost
        self.remote_lost = block.cumulative_lost
        self.remote_jitter = block.jitter
        if block.last_report:
            middle = ntp_time(now) >> 16 & _MIDDLE_MASK
            seconds = ((middle - block.last_report - block.delay) & _MIDDLE_MASK) / 65536
            if seconds <= MAX_ROUND_TRIP_SECONDS:
                self.round_trip_seconds = seconds
