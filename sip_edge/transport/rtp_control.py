"""The RTCP of one RTP session: when to report, where to, and whose reports to believe."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from sip_edge.media.reports import ReportExchange
from sip_edge.media.rtp import RTCP_CONFLICTS
from sip_edge.transport.rtp_receiver import reachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_edge.media.offer_answer import AudioParameters
    from sip_edge.media.packetizer import Packetizer
    from sip_edge.transport.rtp_latch import Source, SourceLatch
    from sip_edge.transport.rtp_receiver import RtpReceiver

INTERVAL_SECONDS: Final = 5.0
"""RFC 3550 section 6.2: the recommended minimum, times 0.5 to 1.5 at random (6.3.1)."""


class RtpControl:
    """Knows the time and the address of our reports. `randbits(n)` makes an n-bit number."""

    __slots__ = (
        "_address",
        "_randbits",
        "_report_at",
        "_source",
        "is_shared",
        "may_be_on_rtp_port",
        "reports",
        "strangers",
    )

    def __init__(self, *, reports: ReportExchange, randbits: Callable[[int], int]) -> None:
        self.reports = reports
        self.strangers = 0
        self.is_shared = False
        """True if RTCP travels on the RTP port (RFC 5761)."""
        self.may_be_on_rtp_port = True
        """False if an agreed payload type looks like RTCP there."""
        self._randbits = randbits
        self._report_at = math.inf
        self._address: Source | None = None
        self._source: Source | None = None

    def configure(self, parameters: AudioParameters) -> None:
        """Take what was agreed. On hold by the address 0.0.0.0 nothing is sent, not even RTCP."""
        self.is_shared = parameters.remote_rtcp == parameters.remote
        self.may_be_on_rtp_port = (
            not {
                parameters.payload_type,
                parameters.telephone_event_payload_type,
            }
            & RTCP_CONFLICTS
        )
        self._address = reachable(parameters.remote_rtcp)

    def start(self, now: float) -> None:
        """Report from now on."""
        self._report_at = now + INTERVAL_SECONDS * (0.5 + self._randbits(16) / 65536)

    def receive(self, data: bytes, source: Source, now: float, latch: SourceLatch) -> None:
        """Take in a datagram: from any port of the peer's host, for a NAT may have changed it.

        Its RTCP may have a host of its own (`a=rtcp`).
        """
        peers = (latch.target, self._address)
        if not any(peer is not None and source[0] == peer[0] for peer in peers):
            self.strangers += 1
        elif self.reports.receive(data, now):
            self._source = source

    def take_report(
        self, now: float, packetizer: Packetizer, receiver: RtpReceiver
    ) -> bytes | None:
        """Our report, if its time has come."""
        if now < self._report_at:
            return None
        self.start(now)
        return self.reports.build(now, packetizer, receiver.ssrc, receiver.reception)

    def target(self, latch: SourceLatch) -> Source | None:
        """Where reports go: as the SDP says, or with RTP through the peer's NAT; None: nowhere."""
        address = self._address
        if address is None or latch.source is None or latch.source == latch.expected:
            return address if address is not None and latch.may_be_sent_to(address[0]) else None
        if self.is_shared:
            return latch.source
        host, port = latch.source
        if self._source is not None and self._source[0] == host:
            return self._source
        return host, min(port + 1, 65535)
