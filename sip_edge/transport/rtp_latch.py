"""Whose packets we take: the address in the SDP, or the one that a NAT made of it.

Symmetric RTP (RFC 4961) lets a peer behind a NAT be heard: its packets come from an address that
no SDP knew. A naive latch takes whoever sends first, or even last, and hands the call to anyone who
sprays ports. So here:

* the SDP's own address is believed at once, and for good;
* another source is latched on to only while the SDP's address has been silent, only within
  `OPEN_SECONDS` of the offer or answer, and only after `PACKETS_IN_A_ROW` packets of one stream;
* for `PROBATION_SECONDS` after that the SDP's address still takes over with its first packet;
* then it is settled: packets from anywhere else are a stranger's, until SDP names a new address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sip_edge.media.rtp import RtpPacket

Source = tuple[str, int]
"""A numeric address and a port."""

OPEN_SECONDS: Final = 10.0
"""A peer behind a NAT speaks at once; after this only the SDP's address can still begin."""
PROBATION_SECONDS: Final = 5.0
PACKETS_IN_A_ROW: Final = 4
"""80 ms of one stream: a spray of single packets never gets there."""
MAX_CANDIDATES: Final = 4
"""Sources watched at a time; with more the port is under attack. A newcomer only takes the place
of one that sent a single packet."""

_SEQUENCE_MODULUS: Final = 1 << 16
_MAX_STEP: Final = 8  # A candidate's packets may be lost on the way, but not jump about.


class _Candidate:
    """A stream from an unknown source that may be our peer's."""

    __slots__ = ("count", "sequence", "ssrc")

    def __init__(self, packet: RtpPacket) -> None:
        self.ssrc = packet.ssrc
        self.sequence = packet.sequence
        self.count = 1

    def follow(self, packet: RtpPacket) -> int:
        """How many packets of this stream have come in a row."""
        step = (packet.sequence - self.sequence) % _SEQUENCE_MODULUS
        is_next = packet.ssrc == self.ssrc and 0 < step <= _MAX_STEP
        self.count = self.count + 1 if is_next else 1
        self.ssrc = packet.ssrc
        self.sequence = packet.sequence
        return self.count


class SourceLatch:
    """Decides for each source whether it is the peer. `source` is the one that is, None so far.

    `expected` is what the SDP said; None where it names no address to send to (RFC 3264 hold), in
    which case the source that we had is kept.
    """

    __slots__ = ("_candidates", "_closes_at", "_is_symmetric", "_settles_at", "expected", "source")

    def __init__(self, *, is_symmetric: bool) -> None:
        self.expected: Source | None = None
        self.source: Source | None = None
        self._is_symmetric = is_symmetric
        self._closes_at = 0.0
        self._settles_at = 0.0
        self._candidates: dict[Source, _Candidate] = {}

    def expect(self, expected: Source | None, now: float) -> None:
        """An offer or answer named `expected`; a new address opens the latch again."""
        if expected is None or expected == self.expected:
            return
        self.expected = expected
        self.source = None
        self._candidates.clear()
        self._closes_at = now + OPEN_SECONDS

    @property
    def target(self) -> Source | None:
        """Where our packets go: to the source if there is one, else where the SDP says."""
        return self.source or self.expected

    def accept(self, source: Source, packet: RtpPacket, now: float) -> bool:
        """True if a valid packet from `source` is the peer's. May make `source` the source."""
        if source == self.source:
            return True
        if source == self.expected:
            if self.source is not None and now >= self._settles_at:
                return False
            self.source = source
            self._candidates.clear()
            return True
        if self.source is not None or not self._is_symmetric or now >= self._closes_at:
            return False
        return self._consider(source, packet, now)

    def _consider(self, source: Source, packet: RtpPacket, now: float) -> bool:
        candidate = self._candidates.get(source)
        if candidate is None:
            self._watch(source, packet)
            return False
        if candidate.follow(packet) < PACKETS_IN_A_ROW:
            return False
        self.source = source
        self._settles_at = now + PROBATION_SECONDS
        self._candidates.clear()
        return True

    def _watch(self, source: Source, packet: RtpPacket) -> None:
        candidates = self._candidates
        if len(candidates) >= MAX_CANDIDATES:
            weakest = min(candidates, key=lambda known: candidates[known].count)
            if candidates[weakest].count > 1:
                return
            del candidates[weakest]
        candidates[source] = _Candidate(packet)
