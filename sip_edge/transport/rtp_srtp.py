"""The SRTP of one RTP session (RFC 3711): what is sent is encrypted, what comes is authenticated.

libsrtp does the work; here is what it leaves to its user:

* A key of ours is used for one SSRC. With a new key the session takes a new SSRC, and a sequence
  number from the lower half, so that no receiver has to guess how often it has wrapped.
* The peer's packets may count on under a new key (RFC 3711 section 3.3.1) or begin at zero (RFC
  4568 section 7.1.4); both happen, so both are tried. For a while the old key is tried, too: its
  last packets may be on their way.
* An MKI is taken out of the packet: libsrtp's Python binding knows none.
* A peer has a bounded number of SSRCs, because libsrtp remembers each for ever.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from pylibsrtp import Error, Policy, Session

from sip_edge.media.rtp import HEADER, VERSION_2
from sip_edge.media.sdes import SECRET_BYTES, CryptoSuite, SrtpTerms

if TYPE_CHECKING:
    from sip_edge.media.sdes import SrtpKeys, SrtpPolicy

OLD_KEY_SECONDS: Final = 5.0
"""How long packets under the key before the present one are taken: far longer than they travel."""
MAX_SSRCS: Final = 64
"""A peer takes a new SSRC at a transfer or hold at most; a call with more of them is no call."""
MAX_WRAPS: Final = 32
"""Sequence numbers wrap 22 times in four hours of packets of 10 ms. A peer that has counted further
only wants the work of following it: four packets are made for each wrap."""

_PROFILES: Final = {
    CryptoSuite.AES_CM_128_HMAC_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    CryptoSuite.AES_CM_128_HMAC_SHA1_32: Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    CryptoSuite.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    CryptoSuite.AEAD_AES_256_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
_RTP_TAG_BYTES: Final = {
    CryptoSuite.AES_CM_128_HMAC_SHA1_80: 10,
    CryptoSuite.AES_CM_128_HMAC_SHA1_32: 4,
    CryptoSuite.AEAD_AES_128_GCM: 0,
    CryptoSuite.AEAD_AES_256_GCM: 0,
}
"""What stands behind the MKI. In GCM nothing does: its tag is the end of the encrypted part."""
_RTCP_TAG_BYTES: Final = {
    **_RTP_TAG_BYTES,
    CryptoSuite.AES_CM_128_HMAC_SHA1_32: 10,
}
"""RTCP always has the long tag (RFC 4568 section 6.2.2)."""
_STEP: Final = 0x4000
"""How far a sequence number may go on at once without being taken for an old one; half of it."""
_LEAST_BYTES: Final = 8
"""RTCP's header with its SSRC; RTP's is longer."""
_HALF: Final = 0x8000
_REPLAY: Final = "replay check failed"


class _Inbound:
    """The peer's packets under one key."""

    __slots__ = ("_mki", "_rtcp_tag", "_rtp_tag", "_session", "_ssrcs", "last_index", "last_ssrc")

    def __init__(self, keys: SrtpKeys) -> None:
        self._session = _session(keys.suite, keys.remote_key, Policy.SSRC_ANY_INBOUND)
        self._mki = keys.remote_mki
        self._rtp_tag = _RTP_TAG_BYTES[keys.suite]
        self._rtcp_tag = _RTCP_TAG_BYTES[keys.suite]
        self._ssrcs: set[bytes] = set()
        self.last_ssrc = b""
        self.last_index = 0
        """The newest packet's sequence number with the wraps before it (RFC 3711's index)."""

    def open(self, data: bytes) -> bytes:
        """The RTP packet. Raises Error, ValueError."""
        if self._mki:
            data = self._without_mki(data, self._rtp_tag)
        ssrc = data[8:12]
        self._check_room(ssrc)
        clear = self._session.unprotect(data)
        sequence = data[2] << 8 | data[3]
        if ssrc != self.last_ssrc:
            self._ssrcs.add(ssrc)
            self.last_ssrc = ssrc
            self.last_index = sequence
        else:
            step = (sequence - self.last_index) & 0xFFFF
            if step < _HALF:
                self.last_index += step
        return clear

    def open_rtcp(self, data: bytes) -> bytes:
        """The RTCP packet. Raises Error, ValueError."""
        if self._mki:
            data = self._without_mki(data, self._rtcp_tag)
        self._check_room(data[4:8])
        clear = self._session.unprotect_rtcp(data)
        self._ssrcs.add(data[4:8])
        return clear

    def count_on(self, keys: SrtpKeys, before: _Inbound) -> None:
        """Take it that the stream of `before` goes on, its wraps counted.

        libsrtp learns that by packets alone, so it gets a few that we make ourselves.
        """
        sender = _session(keys.suite, keys.remote_key, Policy.SSRC_ANY_OUTBOUND)
        ssrc = int.from_bytes(before.last_ssrc, "big")
        last = before.last_index
        for index in (*range(_STEP, last, _STEP), last):
            packet = HEADER.pack(VERSION_2, 0, index & 0xFFFF, 0, ssrc)
            self._session.unprotect(sender.protect(packet))
        self._ssrcs.add(before.last_ssrc)
        self.last_ssrc = before.last_ssrc
        self.last_index = last

    def _check_room(self, ssrc: bytes) -> None:
        if ssrc not in self._ssrcs and len(self._ssrcs) >= MAX_SSRCS:
            raise ValueError("too many SSRCs")

    def _without_mki(self, data: bytes, tag: int) -> bytes:
        end = len(data) - tag
        start = end - len(self._mki)
        if start < _LEAST_BYTES or data[start:end] != self._mki:
            raise ValueError("not this MKI")
        return data[:start] + data[end:]


class Srtp:
    """Encrypts and opens packets by the keys agreed on; does nothing while there are none.

    `unauthentic` packets were not the peer's, or damaged; `replayed` ones came before.
    """

    __slots__ = (
        "_counting_on",
        "_inbound",
        "_old_inbound",
        "_old_until",
        "_outbound",
        "_policy",
        "keys",
        "replayed",
        "unauthentic",
    )

    def __init__(self, policy: SrtpPolicy) -> None:
        self._policy = policy
        self.keys: SrtpKeys | None = None
        """In use; None for plain RTP."""
        self.unauthentic = 0
        self.replayed = 0
        self._outbound: Session | None = None
        self._inbound: _Inbound | None = None
        self._counting_on: _Inbound | None = None
        self._old_inbound: _Inbound | None = None
        self._old_until = 0.0

    def terms(self) -> SrtpTerms:
        """What the next description of ours may agree to."""
        return SrtpTerms(
            policy=self._policy, secret=secrets.token_bytes(SECRET_BYTES), in_use=self.keys
        )

    def configure(self, keys: SrtpKeys | None, now: float) -> bool:
        """Take what was agreed. True if what we send is under a new key, and needs a new SSRC."""
        old, self.keys = self.keys, keys
        if keys is None:
            self.close()
            return False
        before = self._inbound
        if old is None or before is None or not old.receives_like(keys):
            self._inbound = _Inbound(keys)
            self._counting_on = None if before is None else _counting_on(keys, before)
            self._old_inbound = before
            self._old_until = now + OLD_KEY_SECONDS
        if old is not None and (old.suite, old.local_key) == (keys.suite, keys.local_key):
            return False
        self._outbound = _session(keys.suite, keys.local_key, Policy.SSRC_ANY_OUTBOUND)
        return True

    def protect(self, packet: bytes) -> bytes | None:
        """An RTP packet as it is to be sent; None if it must not be."""
        if self._outbound is None:
            return packet
        try:
            return self._outbound.protect(packet)
        except (Error, ValueError):
            return None  # The key's lifetime is over, after 2^48 packets.

    def protect_rtcp(self, packet: bytes) -> bytes | None:
        """An RTCP packet as it is to be sent; None if it must not be."""
        if self._outbound is None:
            return packet
        try:
            return self._outbound.protect_rtcp(packet)
        except (Error, ValueError):
            return None

    def unprotect(self, data: bytes, now: float) -> bytes | None:
        """The RTP packet in a datagram; None, and counted, if it is not the peer's."""
        inbound = self._inbound
        if inbound is None:
            return data
        try:
            return inbound.open(data)
        except (Error, ValueError) as error:
            clear = self._open_otherwise(data, now)
            if clear is None:
                self._count(error)
            return clear

    def unprotect_rtcp(self, data: bytes, now: float) -> bytes | None:
        """The RTCP packet in a datagram; None, and counted, if it is not the peer's."""
        if self._inbound is None:
            return data
        try:
            return self._inbound.open_rtcp(data)
        except (Error, ValueError) as error:
            # RTCP says its index itself: only another key can be the reason.
            if self._old_inbound is not None and now < self._old_until:
                with suppress(Error, ValueError):
                    return self._old_inbound.open_rtcp(data)
            self._count(error)
            return None

    def close(self) -> None:
        """Forget the keys."""
        self.keys = None
        self._outbound = None
        self._inbound = self._old_inbound = self._counting_on = None

    def _open_otherwise(self, data: bytes, now: float) -> bytes | None:
        """Try the new key with the wraps counted on, and the key before."""
        if self._counting_on is not None:
            try:
                clear = self._counting_on.open(data)
            except (Error, ValueError):
                pass
            else:
                self._inbound, self._counting_on = self._counting_on, None
                return clear
        if self._old_inbound is not None and now < self._old_until:
            with suppress(Error, ValueError):
                return self._old_inbound.open(data)
        return None

    def _count(self, error: Exception) -> None:
        if str(error).startswith(_REPLAY):
            self.replayed += 1
        else:
            self.unauthentic += 1


def _counting_on(keys: SrtpKeys, before: _Inbound) -> _Inbound | None:
    """The stream of `before` under its new key; None if it has not wrapped: then zero fits."""
    if not 0 < before.last_index >> 16 <= MAX_WRAPS:
        return None
    inbound = _Inbound(keys)
    inbound.count_on(keys, before)
    return inbound


def _session(suite: CryptoSuite, key: bytes, direction: int) -> Session:
    return Session(Policy(key=key, ssrc_type=direction, srtp_profile=_PROFILES[suite]))
