"""The other end of an RTP session: real sockets on the loopback address, packets made by hand.

Loopback delivers a datagram before `sendto` returns, so what was sent is there to be read at once.
"""

from __future__ import annotations

import socket

from sip_edge.media.offer_answer import AudioParameters, Codec, Direction
from sip_edge.media.rtcp import RtcpPacket, parse_rtcp
from sip_edge.media.rtp import RtpPacket, build_rtp, parse_rtp

TELEPHONE_EVENT = 101


def audio_parameters(
    remote: tuple[str, int],
    *,
    remote_rtcp: tuple[str, int] | None = None,
    codec: Codec = Codec.PCMU,
    direction: Direction = Direction.SENDRECV,
    telephone_event: int | None = TELEPHONE_EVENT,
) -> AudioParameters:
    """What was agreed with a peer at `remote`; RTCP shares its port unless told otherwise."""
    return AudioParameters(
        codec=codec,
        payload_type=codec.static_payload_type,
        telephone_event_payload_type=telephone_event,
        remote=remote,
        remote_rtcp=remote_rtcp or remote,
        direction=direction,
        ptime_ms=20,
    )


class RtpPeer:
    """Speaks as one source, to the session at the address `to`. To be closed."""

    def __init__(
        self, *, host: str = "127.0.0.1", ssrc: int = 0xCAFE, to: str | None = None
    ) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.rtp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.rtp.bind((host, 0))
        self.rtcp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.rtcp.bind((host, 0))
        self._host = host
        self._to = to or host
        self.ssrc = ssrc
        self.sequence = 100
        self.timestamp = 8000

    def __enter__(self) -> RtpPeer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.rtp.close()
        self.rtcp.close()

    @property
    def address(self) -> tuple[str, int]:
        return self._host, self.rtp.getsockname()[1]

    @property
    def rtcp_address(self) -> tuple[str, int]:
        return self._host, self.rtcp.getsockname()[1]

    def parameters(
        self,
        *,
        codec: Codec = Codec.PCMU,
        direction: Direction = Direction.SENDRECV,
        telephone_event: int | None = TELEPHONE_EVENT,
    ) -> AudioParameters:
        """What was agreed with this peer; RTCP has a port of its own."""
        return audio_parameters(
            self.address,
            remote_rtcp=self.rtcp_address,
            codec=codec,
            direction=direction,
            telephone_event=telephone_event,
        )

    def say(self, port: int, payload: bytes, *, payload_type: int = 0) -> None:
        """Send the next packet of sound to `port`."""
        self.send_raw(port, self._packet(payload, payload_type, self.timestamp))
        self.timestamp += len(payload)

    def send_event(self, port: int, payload: bytes) -> None:
        """Send a telephone-event that began now; time does not go on by it."""
        self.send_raw(port, self._packet(payload, TELEPHONE_EVENT, self.timestamp))

    def send_raw(self, port: int, data: bytes) -> None:
        self.rtp.sendto(data, (self._to, port))

    def send_rtcp(self, port: int, data: bytes) -> None:
        self.rtcp.sendto(data, (self._to, port))

    def heard(self) -> list[RtpPacket]:
        """The RTP packets that came since the last time."""
        packets = [parse_rtp(data) for data in self.heard_raw()]
        return [packet for packet in packets if packet is not None]

    def heard_raw(self) -> list[bytes]:
        """The datagrams that came to the RTP port since the last time."""
        return _drain(self.rtp)

    def heard_rtcp_raw(self) -> list[bytes]:
        """The datagrams that came to the RTCP port since the last time."""
        return _drain(self.rtcp)

    def packet(self, payload: bytes) -> bytes:
        """The next packet of sound, to be sent; time goes on by `say` alone."""
        return self._packet(payload, 0, self.timestamp)

    def heard_rtcp(self) -> list[tuple[RtcpPacket, ...]]:
        """What was reported since the last time, one entry a datagram."""
        return [packets for data in self.heard_rtcp_raw() if (packets := parse_rtcp(data))]

    def _packet(self, payload: bytes, payload_type: int, timestamp: int) -> bytes:
        data = build_rtp(
            payload_type=payload_type,
            marker=False,
            sequence=self.sequence % 65536,
            timestamp=timestamp % 2**32,
            ssrc=self.ssrc,
            payload=payload,
        )
        self.sequence += 1
        return data


def _drain(udp: socket.socket) -> list[bytes]:
    found: list[bytes] = []
    while True:
        try:
            found.append(udp.recv(4096))
        except BlockingIOError:
            return found
