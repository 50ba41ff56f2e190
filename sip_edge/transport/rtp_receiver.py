"""What comes in on an RTP port: whose it is, which stream it belongs to, what is to be heard of it.

No socket and no clock: datagrams and time in. Hostile input is counted and dropped.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

from sip_edge.media.g711 import alaw_to_ulaw
from sip_edge.media.jitter import JitterBuffer
from sip_edge.media.offer_answer import Codec
from sip_edge.media.reception import Reception
from sip_edge.media.rtp import COMFORT_NOISE, RtpPacket, parse_rtp
from sip_edge.media.telephone_event import TelephoneEventReceiver
from sip_edge.transport.rtp_latch import SourceLatch

if TYPE_CHECKING:
    from sip_edge.media.offer_answer import AudioParameters
    from sip_edge.transport.rtp_latch import Source
    from sip_edge.transport.sources import NetworkSet

SSRC_SILENCE_SECONDS: Final = 0.05
"""A stream that speaks is heard every 20 ms, or 30; a new one of the same peer has to wait so long
after its last packet."""


class RtpReceiver:
    """Takes in one peer's packets: sound goes to `jitter`, keys come back as digits."""

    __slots__ = (
        "_duplicates_before",
        "_is_alaw",
        "_is_moved",
        "_keys",
        "_lost_before",
        "_may_hear",
        "_new_ssrc",
        "_payload_type",
        "_telephone_event",
        "heard_at",
        "jitter",
        "latch",
        "malformed",
        "other_payloads",
        "packets_received",
        "reception",
        "ssrc",
        "strangers",
    )

    def __init__(
        self,
        *,
        is_symmetric: bool,
        signalling_host: str | None = None,
        media_hosts: NetworkSet | None = None,
    ) -> None:
        self.latch = SourceLatch(
            is_symmetric=is_symmetric, signalling_host=signalling_host, media_hosts=media_hosts
        )
        self.jitter = JitterBuffer()
        self.reception: Reception | None = None
        """The counters of the current source; None before its first packet."""
        self.ssrc = 0
        self.heard_at: float | None = None
        """When the peer's last packet came."""
        self.packets_received = 0
        self.malformed = 0
        self.strangers = 0
        self.other_payloads = 0
        self._keys = TelephoneEventReceiver()
        self._payload_type = -1
        self._telephone_event: int | None = None
        self._is_alaw = False
        self._may_hear = False
        self._new_ssrc: int | None = None
        self._is_moved = False
        self._lost_before = 0
        self._duplicates_before = 0

    def configure(self, parameters: AudioParameters, now: float) -> None:
        """Take what was agreed; at the answer and after each later one."""
        self._payload_type = parameters.payload_type
        self._telephone_event = parameters.telephone_event_payload_type
        self._is_alaw = parameters.codec is Codec.PCMA
        self._may_hear = parameters.direction.can_receive
        self.latch.expect(reachable(parameters.remote), now)

    def may_be_peer(self, source: Source, now: float) -> bool:
        """False, and counted, if no packet from `source` would be taken: a look at it is saved."""
        if self.latch.may_accept(source, now):
            return True
        self.strangers += 1
        return False

    def receive(
        self, data: bytes, source: Source, now: float, *, is_authentic: bool = False
    ) -> str:
        """Take in a datagram; the digits of keys that were let go, nearly always none.

        `is_authentic` if SRTP has proved that it is the peer's.
        """
        packet = parse_rtp(data)
        if packet is None:
            self.malformed += 1
            return ""
        if source != self.latch.source and not self._is_admitted(
            source, packet, now, is_authentic=is_authentic
        ):
            self.strangers += 1
            return ""
        digits = ""
        if self.reception is None or packet.ssrc != self.ssrc:
            if not is_authentic and not self._is_new_stream(packet, now):
                return ""
            digits = self._begin(packet)
        elif self._new_ssrc is not None or self._is_moved:
            self._new_ssrc = None
            self._is_moved = False
        return digits + self._take(packet, now)

    def expire(self, now: float) -> str:
        """The digit of a key whose end was lost."""
        return self._keys.expire(now)

    @property
    def lost(self) -> int:
        """Packets of all sources so far that never came."""
        return self._lost_before + (self.reception.lost if self.reception else 0)

    @property
    def duplicates(self) -> int:
        """Packets of all sources so far that came twice."""
        return self._duplicates_before + (self.reception.duplicates if self.reception else 0)

    def _is_admitted(
        self, source: Source, packet: RtpPacket, now: float, *, is_authentic: bool
    ) -> bool:
        """True if the latch takes `source` for the peer from now on."""
        is_ours = packet.payload_type in (
            self._payload_type,
            self._telephone_event,
            COMFORT_NOISE,
        )
        if not is_ours or not self.latch.accept(source, packet, now, is_authentic=is_authentic):
            return False
        self._is_moved = True  # From a new source a new stream is no surprise.
        return True

    def _is_new_stream(self, packet: RtpPacket, now: float) -> bool:
        """True at the second packet of a new SSRC in a row: one alone may be a straggler.

        Whoever forges the peer's address must not take its place, so the stream that we hear must
        have fallen silent first.
        """
        if self.reception is None or self._is_moved:
            return True
        is_repeated = packet.ssrc == self._new_ssrc
        self._new_ssrc = packet.ssrc
        return is_repeated and now - (self.heard_at or 0.0) >= SSRC_SILENCE_SECONDS

    def _begin(self, packet: RtpPacket) -> str:
        """Start with a new stream; the digit of a key that was pressed in the old one."""
        if self.reception is not None:
            self._lost_before += self.reception.lost
            self._duplicates_before += self.reception.duplicates
        self.jitter.reset()
        self.ssrc = packet.ssrc
        self._new_ssrc = None
        self._is_moved = False
        self.reception = Reception(packet.sequence)
        return self._keys.reset()

    def _take(self, packet: RtpPacket, now: float) -> str:
        """Take in a packet of the peer's stream; the digits that are complete by it."""
        self.packets_received += 1
        self.heard_at = now
        reception = self.reception
        if reception is None or not reception.receive(packet.sequence):
            return ""
        payload_type = packet.payload_type
        if payload_type == self._payload_type:
            reception.note_transit(packet.timestamp, now)
            if self._may_hear:
                payload = packet.payload
                self.jitter.put(
                    packet.timestamp, alaw_to_ulaw(payload) if self._is_alaw else payload
                )
        elif payload_type == self._telephone_event:
            return self._keys.receive(packet.timestamp, packet.payload, now)
        elif payload_type != COMFORT_NOISE:
            self.other_payloads += 1
        return ""


def reachable(address: Source) -> Source | None:
    """`address` as the kernel writes it; None if nothing can be sent there (RFC 3264 8.4)."""
    host, port = address
    try:
        numeric = ipaddress.ip_address(host)
    except ValueError:
        return None
    return None if numeric.is_unspecified or not 0 < port < 65536 else (str(numeric), port)
