"""G.711: 16-bit linear sound to and from µ-law (PCMU) and A-law (PCMA), by table.

Linear sound is signed 16-bit little-endian; 8000 Hz, mono, wherever this package uses it. G.711
gives the codes of the values *between* decision values; a sample exactly on one goes to the code
further from zero, for both signs in µ-law and for positive ones in A-law. That is what Sun's
g711.c does, and after it the standard library's `audioop` and most telephones.
"""

from __future__ import annotations

import sys
from array import array

ULAW_SILENCE_CODE = 0xFF
ALAW_SILENCE_CODE = 0xD5


def ulaw_to_linear(ulaw: bytes) -> bytes:
    """µ-law to linear: two bytes for each."""
    return _expand(ulaw, _ULAW_LOW, _ULAW_HIGH)


def alaw_to_linear(alaw: bytes) -> bytes:
    """A-law to linear: two bytes for each."""
    return _expand(alaw, _ALAW_LOW, _ALAW_HIGH)


def linear_to_ulaw(linear: bytes) -> bytes:
    """Linear to µ-law: one byte for each two. Raises ValueError if half a sample is left over."""
    return bytes(map(_ULAW_OF_LINEAR.__getitem__, _unsigned_samples(linear)))


def linear_to_alaw(linear: bytes) -> bytes:
    """Linear to A-law: one byte for each two. Raises ValueError if half a sample is left over."""
    return bytes(map(_ALAW_OF_LINEAR.__getitem__, _unsigned_samples(linear)))


def alaw_to_ulaw(alaw: bytes) -> bytes:
    """A-law to µ-law, by way of the linear value."""
    return alaw.translate(_ULAW_OF_ALAW)


def ulaw_to_alaw(ulaw: bytes) -> bytes:
    """µ-law to A-law, by way of the linear value."""
    return ulaw.translate(_ALAW_OF_ULAW)


def _expand(codes: bytes, low: bytes, high: bytes) -> bytes:
    """Two translations, interleaved: a tenth of the time of a look-up for each sample."""
    linear = bytearray(2 * len(codes))
    linear[0::2] = codes.translate(low)
    linear[1::2] = codes.translate(high)
    return bytes(linear)


def _unsigned_samples(linear: bytes) -> array[int]:
    """The samples as indices of a table: -1 is 65535."""
    samples = array("H", linear)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _linear_of_ulaw(code: int) -> int:
    """Table 2b of G.711, times four: its 14 bits become 16."""
    inverted = ~code
    magnitude = ((((inverted & 0x0F) << 3) + 0x84) << ((inverted & 0x70) >> 4)) - 0x84
    return magnitude if code & 0x80 else -magnitude


def _linear_of_alaw(code: int) -> int:
    """Table 1b of G.711, times eight: its 13 bits become 16."""
    toggled = code ^ 0x55
    segment = (toggled & 0x70) >> 4
    step = ((toggled & 0x0F) << 4) + 8
    magnitude = step if segment == 0 else (step + 0x100) << (segment - 1)
    return magnitude if code & 0x80 else -magnitude


def _ulaw_of_linear() -> bytes:
    """The code of each 16-bit sample, which counts by its upper 14 bits."""
    codes = bytearray()
    for segment in range(8):
        for step in range(16):
            codes += bytes([0xFF ^ (segment << 4 | step)]) * (2 << segment)
    # The companding curve is shifted by 33 of these units, and segment 0 begins at 32; what is
    # louder than the last interval gets the last code. codes[m] is now the code of magnitude m.
    del codes[0]
    codes += b"\x80" * (8193 - len(codes))
    positive = bytes(codes[:8192])
    negative = bytes(code & 0x7F for code in codes[8192:0:-1])
    return _repeat_each(positive + negative, 4)


def _alaw_of_linear() -> bytes:
    """The code of each 16-bit sample, which counts by its upper 13 bits."""
    codes = bytearray()
    for segment in range(8):
        for step in range(16):
            codes += bytes([0xD5 ^ (segment << 4 | step)]) * (2 << max(segment - 1, 0))
    # Negative samples are those of the one's complement: -1 has the magnitude of 0.
    negative = bytes(code & 0x7F for code in reversed(codes))
    return _repeat_each(bytes(codes) + negative, 8)


def _repeat_each(codes: bytes, times: int) -> bytes:
    repeated = bytearray(times * len(codes))
    for offset in range(times):
        repeated[offset::times] = codes
    return bytes(repeated)


_ULAW_OF_LINEAR = _ulaw_of_linear()
_ALAW_OF_LINEAR = _alaw_of_linear()
_ULAW_LOW = bytes(_linear_of_ulaw(code) & 0xFF for code in range(256))
_ULAW_HIGH = bytes(_linear_of_ulaw(code) >> 8 & 0xFF for code in range(256))
_ALAW_LOW = bytes(_linear_of_alaw(code) & 0xFF for code in range(256))
_ALAW_HIGH = bytes(_linear_of_alaw(code) >> 8 & 0xFF for code in range(256))
_ULAW_OF_ALAW = linear_to_ulaw(alaw_to_linear(bytes(range(256))))
_ALAW_OF_ULAW = linear_to_alaw(ulaw_to_linear(bytes(range(256))))
