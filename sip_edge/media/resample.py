"""Bring sound down to 8000 Hz without aliasing: a windowed sinc, one filter for each phase.

What lies above 4140 Hz is 70 dB down and cannot fold into speech; up to 3460 Hz nothing changes.
"""

from __future__ import annotations

from array import array
from functools import cache
from math import ceil, gcd, pi, sin, sqrt
from operator import mul
from typing import Final

_CUTOFF_HZ: Final = 3800.0
_ZERO_CROSSINGS: Final = 24
"""On each side of the middle of the filter; more would make it steeper and slower."""
_KAISER_BETA: Final = 6.76
"""70 dB of stop-band attenuation (Kaiser's formula: 0.1102 * (70 - 8.7))."""


def resample_to_8000(samples: array[int], sample_rate: int) -> array[int]:
    """Signed 16-bit samples at `sample_rate` (8000 or more) as ones at 8000 Hz, equally long.

    Sample n of the result lies at n/8000 s, as sample 0 of the input lies at 0: no delay.
    """
    common = gcd(sample_rate, 8000)
    phases, step = 8000 // common, sample_rate // common
    filters = _filters(sample_rate)
    length = len(filters[0])
    margin = array("h", bytes(2 * length))
    padded = margin + samples + margin
    count = ceil(len(samples) * 8000 / sample_rate)
    first = length - length // 2 + 1
    result = array("h", bytes(2 * count))
    for index in range(count):
        whole, phase = divmod(index * step, phases)
        start = first + whole
        value = sum(map(mul, filters[phase], padded[start : start + length]))
        result[index] = max(-32768, min(32767, round(value)))
    return result


@cache
def _filters(sample_rate: int) -> list[list[float]]:
    """For each phase the weights of the input samples around that point in time; each sums to 1."""
    common = gcd(sample_rate, 8000)
    phases = 8000 // common
    # One zero crossing lasts sample_rate / (2 * cutoff) input samples.
    half_width = _ZERO_CROSSINGS * sample_rate / (2 * _CUTOFF_HZ)
    half_length = ceil(half_width)
    filters: list[list[float]] = []
    for phase in range(phases):
        weights = [
            _weight(tap - phase / phases, sample_rate, half_width)
            for tap in range(1 - half_length, half_length + 1)
        ]
        total = sum(weights)
        filters.append([weight / total for weight in weights])
    return filters


def _weight(distance: float, sample_rate: int, half_width: float) -> float:
    """The sinc at `distance` input samples from its middle, under a Kaiser window."""
    if abs(distance) >= half_width:
        return 0.0
    angle = 2 * pi * _CUTOFF_HZ / sample_rate * distance
    sinc = 1.0 if distance == 0 else sin(angle) / angle
    return sinc * _bessel(_KAISER_BETA * sqrt(1 - (distance / half_width) ** 2))


def _bessel(x: float) -> float:
    """The modified Bessel function I0, by its series (25 terms are exact for x below 10)."""
    term = total = 1.0
    for index in range(1, 25):
        term *= (x / (2 * index)) ** 2
        total += term
    return total
