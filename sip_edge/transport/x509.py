"""When a certificate is valid: the one thing that Python's ssl does not tell of our own one.

Just enough DER (ITU-T X.690) to walk to the Validity of RFC 5280 section 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18
_BEFORE_VALIDITY: Final = 3
"""Serial number, signature algorithm, issuer."""


class DerError(ValueError):
    """These bytes are not a certificate."""


@dataclass(frozen=True, slots=True)
class Validity:
    """The first and the last instant at which a certificate is valid."""

    not_before: datetime
    not_after: datetime


def validity(certificate: bytes) -> Validity:
    """The validity of a certificate in DER. Raises DerError."""
    outer = _Reader(certificate).expect(_SEQUENCE)
    fields = _Reader(_Reader(outer).expect(_SEQUENCE))
    if fields.next_tag == _VERSION:
        fields.read()
    for _ in range(_BEFORE_VALIDITY):
        fields.read()
    times = _Reader(fields.expect(_SEQUENCE))
    return Validity(_instant(*times.read()), _instant(*times.read()))


class _Reader:
    """Reads one element after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def next_tag(self) -> int | None:
        return self._data[self._at] if self._at < len(self._data) else None

    def read(self) -> tuple[int, bytes]:
        """The next element's tag and contents."""
        data, at = self._data, self._at
        if len(data) < at + 2:
            raise DerError("cut off")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            if not 0 < size <= 4 or len(data) < at + size:
                raise DerError("a length of a kind that no certificate has")
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if len(data) < at + length:
            raise DerError("cut off")
        self._at = at + length
        return tag, data[at : at + length]

    def expect(self, tag: int) -> bytes:
        found, contents = self.read()
        if found != tag:
            raise DerError("not built like a certificate")
        return contents


def _instant(tag: int, contents: bytes) -> datetime:
    """RFC 5280 section 4.1.2.5: seconds are always there, and the time is always UTC."""
    text = contents.decode("ascii", "replace")
    if tag == _UTC_TIME and len(text) == 13 and text[:2].isdigit():
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise DerError("a time of an unknown kind")
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        raise DerError("a malformed time") from error
