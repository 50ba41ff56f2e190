"""Sounds that we make ourselves, as µ-law: computed once, then kept.

All are whole frames of 160 bytes and begin and end softly, so that they neither click nor leave a
gap. Levels are those of `levels.rms_dbfs` while the tone is full.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import cache, lru_cache
from math import cos, exp, pi, sin, sqrt
from sys import byteorder
from typing import Final

from sip_edge.media.audio import FRAME_SAMPLES, ULAW_SILENCE
from sip_edge.media.g711 import linear_to_ulaw

_RATE: Final = 8000
_BEEP_DBFS: Final = -10.0
_CHIRP_DBFS: Final = -12.0
_CHIME_DBFS: Final = -14.0
_HOLD_DBFS: Final = -26.0
"""Below speech, which telephone networks carry at about -20: it waits, it does not call."""

Wave = Callable[[float], float]
"""A signal at a time in seconds; one tone of it swings between -1 and 1."""


@cache
def beep() -> bytes:
    """400 ms of 1000 Hz: "speak now"."""
    return _render(lambda time: sin(2 * pi * 1000 * time), 0.4, _BEEP_DBFS, fade_seconds=0.005)


@lru_cache(maxsize=8)
def chirp(*, seconds: float) -> bytes:
    """A sweep from 300 to 3000 Hz: it correlates with itself at one shift only.

    `seconds` is rounded down to whole frames. Raises ValueError below one frame.
    """
    if seconds < FRAME_SAMPLES / _RATE:
        raise ValueError("a chirp needs at least one frame")
    slope = (3000 - 300) / seconds
    return _render(
        lambda time: sin(2 * pi * (300 + slope / 2 * time) * time),
        seconds,
        _CHIRP_DBFS,
        fade_seconds=0.005,
    )


@cache
def chime() -> bytes:
    """Three rising notes of a major triad (C5, E5, G5), 1.2 s: "here is your agent"."""
    notes = ((0.0, 523.25), (0.2, 659.26), (0.4, 783.99))
    return _render(
        lambda time: sum(_struck(time - start, frequency) for start, frequency in notes),
        1.2,
        _CHIME_DBFS,
        fade_seconds=0.1,
    )


@cache
def hold_tone() -> bytes:
    """Four seconds to repeat without end: two soft swells (E4, then A4), then quiet.

    The first call takes some 20 ms: make it at the start, not while others are speaking.
    """
    first, second = _swell(329.63), _swell(440.0)
    sound = first + ULAW_SILENCE * 5 + second
    return sound + ULAW_SILENCE * (200 - len(sound) // FRAME_SAMPLES)


def _struck(time: float, frequency: float) -> float:
    """A note as of a struck bar: at once there, with an octave above, and slowly gone."""
    if time < 0:
        return 0.0
    attack = min(time / 0.008, 1.0)
    tone = 0.8 * sin(2 * pi * frequency * time) + 0.2 * sin(4 * pi * frequency * time)
    return attack * exp(-4 * time) * tone


def _swell(frequency: float) -> bytes:
    """800 ms of a tone that comes and goes on a raised cosine."""
    return _render(
        lambda time: (1 - cos(2.5 * pi * time)) / 2 * sin(2 * pi * frequency * time),
        0.8,
        _HOLD_DBFS,
        fade_seconds=0.005,
    )


def _render(wave: Wave, seconds: float, level_dbfs: float, *, fade_seconds: float) -> bytes:
    """Sample `wave` into whole frames; a sine of amplitude 1 gets `level_dbfs`."""
    count = int(seconds * _RATE + 1e-6) // FRAME_SAMPLES * FRAME_SAMPLES
    amplitude = 32768 * sqrt(2) * 10 ** (level_dbfs / 20)
    fade = fade_seconds * _RATE
    samples = array(
        "h",
        (
            round(
                amplitude * min(1.0, index / fade, (count - 1 - index) / fade) * wave(index / _RATE)
            )
            for index in range(count)
        ),
    )
    if byteorder == "big":
        samples.byteswap()
    return linear_to_ulaw(samples.tobytes())
