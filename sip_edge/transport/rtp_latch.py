"""Whose packets we take: the address in the SDP, or the one that a NAT made of it.

Symmetric RTP (RFC 4961) lets a peer behind a NAT be heard: its packets come from an address that
no SDP knew. A naive latch takes whoever sends first, or even last, and hands the call to anyone who
sprays ports. So here:

* the SDP's own address is believed at once, and for good;
* another source is latched on to only while the SDP's address has been silent, only within
  `OPEN_SECONDS` of the offer or answer, and only from a host that the peer is known to have: the
  SDP's, the one that its signalling comes from, or one of its carrier's networks for media, which
  may have several gateways behind the one address of an SDP. Plain RTP must come for
  `PACKETS_IN_A_ROW` of one stream; a packet that SRTP has authenticated is proof enough, and from
  any host;
* for `PROBATION_SECONDS` after that the SDP's address still takes over with its first packet;
* then it is settled: packets from anywhere else are a stranger's, until SDP names a new address;
* a source that SDP has moved away from is a stranger's at once, so that its last packets do not
  call the stream back.

Until a source is latched on to, it is sent nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.sip.flow import may_be_named

if TYPE_CHECKING:
    from sip_edge.media.rtp import RtpPacket
    from sip_edge.transport.sources import NetworkSet

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
MAX_LEFT: Final = 8
"""Sources remembered that the peer has left; the oldest have long fallen silent."""

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
    which case the source that we had is kept. `signalling_host` is where the peer's SIP comes from,
    `media_hosts` where its carrier's RTP may.
    """

    __slots__ = (
        "_candidates",
        "_closes_at",
        "_first_target",
        "_is_symmetric",
        "_left",
        "_media_hosts",
        "_settles_at",
        "_signalling_host",
        "expected",
        "source",
    )

    def __init__(
        self,
        *,
        is_symmetric: bool,
        signalling_host: str | None = None,
        media_hosts: NetworkSet | None = None,
    ) -> None:
        self.expected: Source | None = None
        self.source: Source | None = None
        self._is_symmetric = is_symmetric
        self._signalling_host = signalling_host
        self._media_hosts = media_hosts
        self._first_target: Source | None = None
        self._closes_at = 0.0
        self._settles_at = 0.0
        self._candidates: dict[Source, _Candidate] = {}
        self._left: list[Source] = []

    def expect(self, expected: Source | None, now: float) -> None:
        """An offer or answer named `expected`; a new address opens the latch again."""
        if expected is None or expected == self.expected:
            return
        for source in (self.expected, self.source):
            if source is not None and source not in self._left:
                self._left.append(source)
        self._left = [source for source in self._left if source != expected][-MAX_LEFT:]
        self.expected = expected
        self._first_target = expected if self.may_be_sent_to(expected[0]) else None
        self.source = None
        self._candidates.clear()
        self._closes_at = now + OPEN_SECONDS

    @property
    def target(self) -> Source | None:
        """Where our packets go: to the source if there is one, else where the SDP says.

        Nowhere at first if SDP must not say that.
        """
        return self.source or self._first_target

    def may_be_sent_to(self, host: str) -> bool:
        """False for addresses that SDP must not lead us to, as SIP must not: see `sip.flow`."""
        return self._signalling_host is None or may_be_named(host, self._signalling_host)

    def may_accept(self, source: Source, now: float) -> bool:
        """False if not even an authenticated packet from `source` would be taken."""
        if source == self.source:
            return True
        if source == self.expected:
            return self.source is None or now < self._settles_at
        return (
            self.source is None
            and self._is_symmetric
            and now < self._closes_at
            and source not in self._left
        )

    def accept(
        self, source: Source, packet: RtpPacket, now: float, *, is_authentic: bool = False
    ) -> bool:
        """True if a valid packet from `source` is the peer's. May make `source` the source."""
        if source == self.source:
            return True
        if not self.may_accept(source, now):
            return False
        if source == self.expected:
            self._take(source, now)
            return True
        if not is_authentic and not self._is_counted_on(source, packet):
            return False
        self._take(source, now)
        self._settles_at = now + PROBATION_SECONDS
        return True

    def _take(self, source: Source, now: float) -> None:
        self.source = source
        self._settles_at = now
        self._candidates.clear()

    def _is_counted_on(self, source: Source, packet: RtpPacket) -> bool:
        """True if plain RTP from a host of the peer's has come often enough."""
        if not self._is_known(source[0]):
            return False
        candidate = self._candidates.get(source)
        if candidate is None:
            self._watch(source, packet)
            return False
        return candidate.follow(packet) >= PACKETS_IN_A_ROW

    def _is_known(self, host: str) -> bool:
        """True for a host that the peer is known to have."""
        if host == self._signalling_host or (self.expected and host == self.expected[0]):
            return True
        return self._media_hosts is not None and host in self._media_hosts

    def _watch(self, source: Source, packet: RtpPacket) -> None:
        candidates = self._candidates
        if len(candidates) >= MAX_CANDIDATES:
            weakest = min(candidates, key=lambda known: candidates[known].count)
            if candidates[weakest].count > 1:
                return
            del candidates[weakest]
        candidates[source] = _Candidate(packet)
