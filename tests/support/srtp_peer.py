"""The other end of an encrypted RTP session: an RtpPeer that has libsrtp to itself."""

from __future__ import annotations

from pylibsrtp import Error, Policy, Session
from support.rtp_peer import RtpPeer

from sip_edge.media.sdes import CryptoSuite, SrtpKeys

SUITE = CryptoSuite.AES_CM_128_HMAC_SHA1_80


def session_keys(*, ours: int = 1, peers: int = 2) -> SrtpKeys:
    """What the session under test has agreed to; keys are one byte, repeated."""
    return SrtpKeys(
        tag="1", suite=SUITE, local_key=bytes([ours]) * 30, remote_key=bytes([peers]) * 30
    )


class SrtpPeer:
    """Encrypts what `peer` says, and opens what it hears; the keys as `session_keys` has them."""

    def __init__(self, peer: RtpPeer, *, ours: int = 1, peers: int = 2) -> None:
        self.peer = peer
        self.unreadable = 0
        self._sends = Session(Policy(key=bytes([peers]) * 30, ssrc_type=Policy.SSRC_ANY_OUTBOUND))
        self._hears = Session(Policy(key=bytes([ours]) * 30, ssrc_type=Policy.SSRC_ANY_INBOUND))

    def seal(self, data: bytes) -> bytes:
        return self._sends.protect(data)

    def open(self, data: bytes) -> bytes:
        return self._hears.unprotect(data)

    def say(self, port: int, payload: bytes) -> None:
        """Send the next packet of sound to `port`."""
        self.peer.send_raw(port, self.seal(self.peer.packet(payload)))
        self.peer.timestamp += len(payload)

    def send_rtcp(self, port: int, data: bytes) -> None:
        self.peer.send_rtcp(port, self._sends.protect_rtcp(data))

    def heard(self) -> list[bytes]:
        """The RTP packets that came since the last time and that our key opens."""
        return self._opened(self.peer.heard_raw(), is_rtcp=False)

    def heard_rtcp(self) -> list[bytes]:
        """The RTCP packets that came since the last time and that our key opens."""
        return self._opened(self.peer.heard_rtcp_raw(), is_rtcp=True)

    def _opened(self, packets: list[bytes], *, is_rtcp: bool) -> list[bytes]:
        opened = []
        for data in packets:
            try:
                opened.append(
                    self._hears.unprotect_rtcp(data) if is_rtcp else self._hears.unprotect(data)
                )
            except Error:
                self.unreadable += 1
        return opened
