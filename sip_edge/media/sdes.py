"""Keys for SRTP in session descriptions: `a=crypto` (RFC 4568; suites also RFC 7714).

Each side says the key of what it sends itself. The answerer takes one line of the offer and repeats
its tag; among the suites that we have the offerer's order decides. A line that we do not
understand, or must not accept, counts for nothing: the others remain.

Decisions that the RFCs leave open:

* `a=crypto` is taken under RTP/SAVP and under RTP/AVP, as Telnyx and Microsoft offer it; the answer
  keeps the offer's profile.
* Keys are taken over any transport. RFC 4568 section 5.1 wants them protected, and over plain UDP
  they are not: whoever reads the signalling can decrypt the sound. But the choice is the caller's,
  refusing it means plain RTP or no call, and strangers off the path are shut out either way.
* Session parameters that weaken or change the packets (UNENCRYPTED_SRTP, KDR, FEC_ORDER ...) make a
  line unusable; WSH is a hint, and one that begins with "-" may be ignored (6.3.7).
* An MKI is understood in what we receive, we send none. Lines with more than one key are passed
  over. A lifetime must make sense; the sender of the packets is the one that has to keep it.
* Our own key stays as long as the peer's does, so a session refresh changes nothing; a new key of
  the peer gets a new one of ours.
"""

from __future__ import annotations

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import TYPE_CHECKING, Final

from sip_edge.media.sdp import Attribute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_edge.media.sdp import MediaDescription

SAVP: Final = "RTP/SAVP"
MAX_LINES: Final = 32
"""`a=crypto` lines looked at in a stream; telephones send two to eight."""
MAX_LINE_CHARACTERS: Final = 512
"""The longest key takes 60, with lifetime and MKI less than 150."""
MAX_TAG_DIGITS: Final = 9
MAX_MKI_BYTES: Final = 128
"""RFC 4568 section 6.1."""
MAX_LIFETIME: Final = 1 << 48
"""Packets under one key, for SRTP (RFC 3711 section 9.2)."""
SECRET_BYTES: Final = 32
"""What our keys are made of: as much chance as the longest cipher key has."""


class SrtpPolicy(Enum):
    """Whether a call's sound is encrypted."""

    OFF = "off"
    OPTIONAL = "optional"
    """As the offer says; our own offers are plain."""
    REQUIRED = "required"


class CryptoSuite(Enum):
    """How packets are encrypted and authenticated, in the order in which we offer."""

    AES_CM_128_HMAC_SHA1_80 = "AES_CM_128_HMAC_SHA1_80"  # Every implementation has it.
    AEAD_AES_256_GCM = "AEAD_AES_256_GCM"
    AEAD_AES_128_GCM = "AEAD_AES_128_GCM"
    AES_CM_128_HMAC_SHA1_32 = "AES_CM_128_HMAC_SHA1_32"

    @property
    def key_bytes(self) -> int:
        """Master key and master salt together (RFC 4568 section 6.2, RFC 7714 section 14.2)."""
        return _KEY_BYTES[self]


_KEY_BYTES: Final = {
    CryptoSuite.AES_CM_128_HMAC_SHA1_80: 16 + 14,
    CryptoSuite.AES_CM_128_HMAC_SHA1_32: 16 + 14,
    CryptoSuite.AEAD_AES_128_GCM: 16 + 12,
    CryptoSuite.AEAD_AES_256_GCM: 32 + 12,
}
_SUITES: Final = {suite.value: suite for suite in CryptoSuite}


@dataclass(frozen=True, slots=True, kw_only=True)
class CryptoLine:
    """One usable `a=crypto`: the key, and the MKI (empty if none), of whoever wrote it."""

    tag: str
    suite: CryptoSuite
    key: bytes = field(repr=False)
    mki: bytes = b""

    def attribute(self) -> Attribute:
        """The line as it is written; never with an MKI, because we send none."""
        return Attribute(
            "crypto", f"{self.tag} {self.suite.value} inline:{b64encode(self.key).decode()}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SrtpKeys:
    """What was agreed: `local_key` for what we send, `remote_key` for what we receive.

    `remote_mki` stands in each packet of the peer (RFC 3711 section 3.1); `tag` and `profile` are
    those of the `a=crypto` and the m= line.
    """

    tag: str
    suite: CryptoSuite
    local_key: bytes = field(repr=False)
    remote_key: bytes = field(repr=False)
    remote_mki: bytes = b""
    profile: str = SAVP

    def receives_like(self, other: SrtpKeys) -> bool:
        """Whether the peer's packets are the same under both."""
        return (self.suite, self.remote_key, self.remote_mki) == (
            *(other.suite, other.remote_key, other.remote_mki),
        )

    def line(self) -> CryptoLine:
        """What we say of it."""
        return CryptoLine(tag=self.tag, suite=self.suite, key=self.local_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class SrtpTerms:
    """What a stream may agree to. `secret`: SECRET_BYTES of chance, fresh for each description.

    `in_use` is what was agreed before, None before the first answer.
    """

    policy: SrtpPolicy
    secret: bytes = field(repr=False)
    in_use: SrtpKeys | None = None

    def answer_keys(self, line: CryptoLine, profile: str) -> SrtpKeys:
        """The keys if `line` of an offer is taken."""
        old = self.in_use
        is_same = old is not None and (old.suite, old.remote_key, old.remote_mki) == (
            *(line.suite, line.key, line.mki),
        )
        return SrtpKeys(
            tag=line.tag,
            suite=line.suite,
            local_key=old.local_key if old is not None and is_same else self._new_key(line.suite),
            remote_key=line.key,
            remote_mki=line.mki,
            profile=profile,
        )

    def offer_lines(self) -> tuple[CryptoLine, ...]:
        """What we offer: what is in use; else all suites, with a key each, if SRTP must be."""
        if self.in_use is not None:
            return (self.in_use.line(),)
        if self.policy is not SrtpPolicy.REQUIRED:
            return ()
        return tuple(
            CryptoLine(tag=str(tag), suite=suite, key=self._new_key(suite))
            for tag, suite in enumerate(CryptoSuite, start=1)
        )

    def _new_key(self, suite: CryptoSuite) -> bytes:
        return hmac.digest(self.secret, suite.value.encode(), "sha512")[: suite.key_bytes]


PLAIN: Final = SrtpTerms(policy=SrtpPolicy.OFF, secret=b"")
"""No SRTP, whatever the other side offers."""


def read_crypto_lines(media: MediaDescription) -> Iterator[CryptoLine]:
    """The usable `a=crypto` lines of a stream, in their order."""
    values = (
        attribute.value
        for attribute in media.attributes
        if attribute.name == "crypto" and attribute.value is not None
    )
    for value in islice(values, MAX_LINES):
        line = parse_crypto(value)
        if line is not None:
            yield line


def parse_crypto(value: str) -> CryptoLine | None:
    """Read the value of an `a=crypto` (section 9.2); None if we cannot or must not use it."""
    if len(value) > MAX_LINE_CHARACTERS or not value.isascii():
        return None
    fields = [part for part in value.split(" ") if part]
    if len(fields) < 3 or not all(map(_is_harmless, fields[3:])):
        return None
    tag, suite = fields[0], _SUITES.get(fields[1].upper())
    if suite is None or not tag.isdigit() or len(tag) > MAX_TAG_DIGITS:
        return None
    method, _, parameters = fields[2].partition(":")
    if method.lower() != "inline":
        return None
    encoded, *limits = parameters.split("|")
    key, mki = _decode(encoded), _read_limits(limits)
    if key is None or len(key) != suite.key_bytes or mki is None:
        return None
    return CryptoLine(tag=tag, suite=suite, key=key, mki=mki)


def _is_harmless(parameter: str) -> bool:
    """Whether a session parameter may be there without our doing anything about it (6.3)."""
    if parameter.startswith("-"):
        return True
    name, _, window = parameter.partition("=")
    return name.upper() == "WSH" and window.isdigit()


def _decode(encoded: str) -> bytes | None:
    """Base64, with or without the padding that some leave out."""
    try:
        return b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except Base64Error:
        return None


def _read_limits(limits: list[str]) -> bytes | None:
    """The MKI behind `|lifetime|MKI:length`, both optional; None if they make no sense."""
    if limits and ":" not in limits[0] and not _is_lifetime(limits.pop(0)):
        return None
    if not limits:
        return b""
    number, _, length = limits[0].partition(":")
    if len(limits) > 1 or not (number.isdigit() and length.isdigit()):
        return None
    size = int(length)
    if not 0 < size <= MAX_MKI_BYTES or int(number).bit_length() > 8 * size:
        return None
    return int(number).to_bytes(size, "big")


def _is_lifetime(text: str) -> bool:
    digits = text.removeprefix("2^")
    if not digits.isdigit() or len(digits) > 15:
        return False
    if digits != text:
        return int(digits) <= MAX_LIFETIME.bit_length() - 1
    return 0 < int(digits) <= MAX_LIFETIME
