"""How loud µ-law sound is."""

from __future__ import annotations

from math import log10
from typing import Final

from sip_edge.media.g711 import ulaw_to_linear

SILENCE_DBFS: Final = -96.0
"""The level of nothing at all: one step of 16 bits, a number where log says minus infinity."""

QUIET_DBFS: Final = -40.0
"""Samples below this peak are quiet: line noise and a room have -50 to -70, speech -30 to -10."""
LOUD_SAMPLES_ALLOWED: Final = 10
"""Samples in a frame of 160 that may be louder in a silent one: a click is not speech."""

_FULL_SCALE: Final = 32768.0


def rms_dbfs(ulaw: bytes) -> float:
    """The level in dB of full scale: a square wave of the largest value has 0, a sine has -3."""
    if not ulaw:
        return SILENCE_DBFS
    mean_square = sum(map(_SQUARES.__getitem__, ulaw)) / len(ulaw)
    if mean_square < 1.0:
        return SILENCE_DBFS
    return 10 * log10(mean_square / _FULL_SCALE**2)


def is_silence(frame: bytes) -> bool:
    """Whether nobody speaks in this frame (160 bytes of µ-law). Under a microsecond."""
    return len(frame.translate(None, _QUIET_CODES)) <= LOUD_SAMPLES_ALLOWED


def _values() -> list[int]:
    linear = ulaw_to_linear(bytes(range(256)))
    return [
        int.from_bytes(linear[index : index + 2], "little", signed=True)
        for index in range(0, len(linear), 2)
    ]


_VALUES: Final = _values()
_SQUARES: Final = [value * value for value in _VALUES]
_QUIET_CODES: Final = bytes(
    code for code, value in enumerate(_VALUES) if abs(value) < _FULL_SCALE * 10 ** (QUIET_DBFS / 20)
)
