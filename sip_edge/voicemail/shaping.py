"""From what an engine produced to what a telephone can carry: 8000 Hz µ-law, always equally loud.

Engines differ by 10 dB in level and by half a second in the silence around their words; some return
nothing at all without an error. In the render worker's process alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import soxr

from sip_edge.media.audio import FRAME_SAMPLES, ULAW_SILENCE
from sip_edge.media.g711 import linear_to_ulaw

if TYPE_CHECKING:
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]

RATE: Final = 8000
ACTIVE_LEVEL: Final = 10 ** (-20 / 20)
"""RMS of the frames with speech: -20 dBFS, as telephone networks carry it."""
MAX_GAIN: Final = 10 ** (30 / 20)
"""More would make a speech of its noise."""
KNEE: Final = 10 ** (-6 / 20)
CEILING: Final = 10 ** (-1 / 20)
"""Peaks above -6 dBFS are bent down softly, so that none is above -1."""
LEAD_SECONDS: Final = 0.06
TAIL_SECONDS: Final = 0.2
FADE_SECONDS: Final = 0.005
SILENT_PEAK: Final = 10 ** (-60 / 20)

_FRAME: Final = 80
"""10 ms: short enough to find where a word begins."""
_ACTIVE_BELOW_LOUDEST: Final = 10 ** (-30 / 20)
_AUDIBLE_BELOW_LOUDEST: Final = 10 ** (-40 / 20)

SHORTEST_PER_CHARACTER: Final = 0.02
LONGEST_PER_CHARACTER: Final = 0.5
LONGEST_EXTRA: Final = 3.0
"""Seconds of sound for each letter or digit. English has 0.07, Japanese (with kanji) 0.16; engines
that read out the names of characters that they do not know come to more than 0.5."""


class BadSoundError(Exception):
    """The engine's sound cannot be the text: empty, silent, far too short or long."""


def shape(samples: Samples, rate: int, *, characters: int) -> bytes:
    """Whole frames of µ-law with `characters` letters of speech in them. Raises BadSoundError."""
    sound = np.asarray(samples, dtype=np.float32).ravel()
    seconds = len(sound) / rate
    shortest = max(0.1, characters * SHORTEST_PER_CHARACTER)
    longest = characters * LONGEST_PER_CHARACTER + LONGEST_EXTRA
    if not shortest <= seconds <= longest:
        raise BadSoundError(f"{seconds:.2f} s of sound for {characters} characters")
    if not np.isfinite(sound).all():
        raise BadSoundError("the sound has samples that are no numbers")
    sound = np.asarray(soxr.resample(sound, rate, RATE, quality="HQ"), dtype=np.float32)
    if not len(sound) or float(np.abs(sound).max()) < SILENT_PEAK:
        raise BadSoundError("the sound is silence")
    sound = _fade(_limit(_level(_trim(sound))))
    ulaw = linear_to_ulaw(np.round(sound * 32767).astype("<i2").tobytes())
    rest = -len(ulaw) % FRAME_SAMPLES
    return ulaw + ULAW_SILENCE[:rest]


def _frame_levels(sound: Samples) -> npt.NDArray[np.float64]:
    """The RMS of each 10 ms."""
    padded = np.pad(sound.astype(np.float64), (0, -len(sound) % _FRAME))
    levels: npt.NDArray[np.float64] = np.sqrt(np.mean(padded.reshape(-1, _FRAME) ** 2, axis=1))
    return levels


def _trim(sound: Samples) -> Samples:
    """Exactly LEAD_SECONDS before the first word and TAIL_SECONDS after the last one."""
    levels = _frame_levels(sound)
    audible = np.flatnonzero(levels > levels.max() * _AUDIBLE_BELOW_LOUDEST)
    lead, tail = round(LEAD_SECONDS * RATE), round(TAIL_SECONDS * RATE)
    begin, end = int(audible[0]) * _FRAME - lead, (int(audible[-1]) + 1) * _FRAME + tail
    padding = (max(0, -begin), max(0, end - len(sound)))
    return np.pad(sound[max(0, begin) : end], padding).astype(np.float32)


def _level(sound: Samples) -> Samples:
    levels = _frame_levels(sound)
    active = levels[levels > levels.max() * _ACTIVE_BELOW_LOUDEST]
    gain = min(MAX_GAIN, ACTIVE_LEVEL / float(np.sqrt(np.mean(active**2))))
    return (sound * np.float32(gain)).astype(np.float32)


def _limit(sound: Samples) -> Samples:
    size = np.abs(sound)
    room = CEILING - KNEE
    bent = KNEE + room * np.tanh((size - KNEE) / room)
    return (np.sign(sound) * np.where(size > KNEE, bent, size)).astype(np.float32)


def _fade(sound: Samples) -> Samples:
    ramp = np.linspace(0.0, 1.0, round(FADE_SECONDS * RATE), dtype=np.float32)
    sound = sound.copy()
    sound[: len(ramp)] *= ramp
    sound[-len(ramp) :] *= ramp[::-1]
    return sound
