"""Sound to send through a call, and the question whether it arrived."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 8000
SEGMENT = RATE // 2
"""Half a second: long enough to be found nowhere else, short enough that a packet lost on a busy
machine spoils one segment and not the whole comparison."""

Samples = NDArray[np.float64]


def speech_like(seconds: float, *, seed: int) -> Samples:
    """Syllables that never repeat: gliding tones between 300 and 3000 Hz, four a second."""
    random = np.random.default_rng(seed)
    syllables = []
    for _ in range(int(seconds * 4)):
        time = np.arange(RATE // 4) / RATE
        start, end = random.uniform(300, 3000, size=2)
        phase = 2 * np.pi * (start * time + (end - start) * time**2 * 2)
        syllables.append(np.sin(phase) * np.sin(np.pi * time * 4) ** 0.5)
    return np.concatenate(syllables) * 12_000


def write_wav(path: Path, samples: Samples) -> None:
    """Write 16-bit mono at 8 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.astype("<i2").tobytes())


def read_wav(path: Path) -> Samples:
    """Read 16-bit or µ-law mono at 8 kHz."""
    data = path.read_bytes()
    start = data.index(b"data") + 8
    if int.from_bytes(data[20:22], "little") == 7:
        return from_ulaw(data[start:])
    body = data[start : start + (len(data) - start) // 2 * 2]
    return np.frombuffer(body, "<i2").astype(np.float64)


def to_ulaw(samples: Samples) -> bytes:
    """G.711 µ-law by its definition (ITU-T G.711, table 2a), not by the code under test."""
    magnitude = np.minimum(np.abs(samples), 32_635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(int) - 7
    mantissa = (magnitude.astype(int) >> (exponent + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    return (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8).tobytes()


def from_ulaw(data: bytes) -> Samples:
    """The inverse of `to_ulaw`."""
    code = ~np.frombuffer(data, np.uint8).astype(int) & 0xFF
    magnitude = ((code & 0x0F) * 8 + 132 << (code >> 4 & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.float64)


@dataclass(frozen=True)
class Match:
    """How well a sound is found in a recording: the share of its half seconds that are there."""

    correlations: tuple[float, ...]
    places: tuple[int, ...]

    @property
    def share(self) -> float:
        """The share of segments that correlate above 0.9."""
        return sum(value > 0.9 for value in self.correlations) / len(self.correlations)

    @property
    def is_in_order(self) -> bool:
        """True if the segments found follow each other as they were sent, within 0.3 s."""
        offsets = [
            place - number * SEGMENT
            for number, (place, value) in enumerate(
                zip(self.places, self.correlations, strict=True)
            )
            if value > 0.9
        ]
        return bool(offsets) and max(offsets) - min(offsets) < 0.3 * RATE

    def __str__(self) -> str:
        values = " ".join(f"{value:.3f}" for value in self.correlations)
        return f"{self.share:.0%} of half seconds above 0.9 ({values}), in order {self.is_in_order}"


def find(sent: Samples, heard: Samples) -> Match:
    """Look for each half second of `sent` in `heard` by normalised cross-correlation."""
    correlations, places = [], []
    for start in range(0, len(sent) - SEGMENT + 1, SEGMENT):
        value, place = _best(sent[start : start + SEGMENT], heard)
        correlations.append(round(value, 4))
        places.append(place)
    return Match(tuple(correlations), tuple(places))


def _best(segment: Samples, heard: Samples) -> tuple[float, int]:
    if len(heard) < len(segment):
        return 0.0, 0
    size = 1 << (len(heard) + len(segment)).bit_length()
    products = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(segment, size)), size)[
        : len(heard) - len(segment) + 1
    ]
    energy = np.concatenate(([0.0], np.cumsum(heard**2)))
    energies = energy[len(segment) :] - energy[: -len(segment)]
    # Silence correlates with nothing; the floor keeps rounding errors from dividing by zero.
    norms = np.sqrt(np.maximum(energies, 1e3) * float(np.sum(segment**2)))
    values = products / norms
    place = int(np.argmax(values))
    return float(values[place]), place
