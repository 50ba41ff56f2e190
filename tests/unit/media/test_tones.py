"""Sounds that we make ourselves."""

from __future__ import annotations

import numpy as np
import pytest
from support.audio import correlation

from sip_edge.media.g711 import ulaw_to_linear
from sip_edge.media.levels import is_silence, rms_dbfs
from sip_edge.media.tones import beep, chime, chirp, hold_tone


def strongest_frequencies(ulaw: bytes, count: int) -> list[int]:
    """Peaks of the spectrum in Hz, to 10 Hz, the strongest first."""
    samples = np.frombuffer(ulaw_to_linear(ulaw), dtype="<i2").astype(float)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8000))
    peaks: list[int] = []
    while len(peaks) < count:
        peak = int(np.argmax(spectrum))
        peaks.append(round(peak / 10) * 10)
        spectrum[max(0, peak - 50) : peak + 50] = 0
    return peaks


@pytest.mark.parametrize(
    ("tone", "samples"),
    [(beep(), 3200), (chime(), 9600), (hold_tone(), 32000), (chirp(seconds=0.5), 4000)],
)
def test_tone_has_its_length_in_whole_frames(tone: bytes, samples: int) -> None:
    assert len(tone) == samples
    assert len(tone) % 160 == 0


@pytest.mark.parametrize("tone", [beep(), chime(), hold_tone(), chirp(seconds=0.5)])
def test_tone_begins_and_ends_at_zero(tone: bytes) -> None:
    # Codes from 0xF0 and from 0x70 on are the 16 softest of each sign.
    assert [code & 0x70 for code in tone[:1] + tone[-1:]] == [0x70, 0x70]


def test_beep_is_1000_hz_at_10_db_below_full_scale() -> None:
    assert strongest_frequencies(beep(), 1) == [1000]
    assert rms_dbfs(beep()[160:-160]) == pytest.approx(-10, abs=0.1)


def test_chime_is_a_major_triad() -> None:
    assert sorted(strongest_frequencies(chime(), 3)) == [520, 660, 780]


def test_hold_tone_is_softer_than_speech_and_pauses_between_its_swells() -> None:
    frames = [hold_tone()[start : start + 160] for start in range(0, 32000, 160)]
    assert max(rms_dbfs(frame) for frame in frames) == pytest.approx(-26, abs=0.5)
    assert all(is_silence(frame) for frame in frames[90:])
    assert sorted(strongest_frequencies(hold_tone(), 2)) == [330, 440]


def test_chirp_sweeps_from_300_to_3000_hz() -> None:
    sweep = chirp(seconds=2.0)
    assert strongest_frequencies(sweep[:800], 1)[0] in range(290, 440)
    assert strongest_frequencies(sweep[-800:], 1)[0] in range(2860, 3010)
    assert rms_dbfs(sweep) == pytest.approx(-12, abs=0.2)


def test_chirp_is_found_where_it_is_and_nowhere_else() -> None:
    sweep = chirp(seconds=0.5)
    heard = b"\xff" * 1234 + sweep + b"\xff" * 1000
    assert correlation(sweep, heard, 4000) == (pytest.approx(1.0), 1234)
    assert abs(correlation(sweep, hold_tone(), 4000)[0]) < 0.2


def test_chirp_shorter_than_a_frame_is_an_error() -> None:
    with pytest.raises(ValueError, match="frame"):
        chirp(seconds=0.019)
    assert len(chirp(seconds=0.02)) == 160


def test_tone_is_computed_once() -> None:
    assert beep() is beep()
    assert chirp(seconds=0.5) is chirp(seconds=0.5)
