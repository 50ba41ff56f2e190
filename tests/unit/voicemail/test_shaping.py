"""Sound of an engine made fit for a telephone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from sip_edge.media.g711 import ulaw_to_linear
from sip_edge.media.levels import rms_dbfs
from sip_edge.voicemail.shaping import BadSoundError, shape

RATE = 24_000


def tone(
    seconds: float, *, level: float = 0.1, hertz: float = 440.0, rate: int = RATE
) -> npt.NDArray[np.float32]:
    time = np.arange(round(seconds * rate)) / rate
    return (level * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def silence(seconds: float) -> npt.NDArray[np.float32]:
    return np.zeros(round(seconds * RATE), np.float32)


def samples_of(ulaw: bytes) -> npt.NDArray[np.float64]:
    return np.frombuffer(ulaw_to_linear(ulaw), "<i2").astype(np.float64) / 32768


@pytest.mark.parametrize("level", [0.01, 0.1, 0.9])
def test_every_engine_comes_out_equally_loud(level: float) -> None:
    ulaw = shape(tone(2.0, level=level), RATE, characters=20)

    assert rms_dbfs(ulaw[4000:12000]) == pytest.approx(-20.0, abs=0.3)


def test_noise_is_not_made_a_speech_of() -> None:
    ulaw = shape(tone(2.0, level=0.0015), RATE, characters=20)

    # 30 dB of gain and no more: -59.5 dBFS becomes -29.5.
    assert rms_dbfs(ulaw[4000:12000]) == pytest.approx(-29.5, abs=0.5)


def test_peaks_are_bent_below_the_ceiling() -> None:
    sound = tone(2.0, level=0.05)
    # Brought to -20 dBFS it would be 0.96.
    sound[20_000:20_048] = 0.34

    peak = np.abs(samples_of(shape(sound, RATE, characters=20))).max()

    assert 0.75 < peak < 10 ** (-1 / 20)


def test_silence_around_the_words_is_always_the_same() -> None:
    ulaw = shape(np.concatenate([silence(1.0), tone(1.0), silence(2.0)]), RATE, characters=10)
    loud = np.flatnonzero(np.abs(samples_of(ulaw)) > 0.02)

    assert len(ulaw) / 8000 == pytest.approx(1.26, abs=0.04)
    assert loud[0] / 8000 == pytest.approx(0.06, abs=0.02)
    assert (len(ulaw) - loud[-1]) / 8000 == pytest.approx(0.2, abs=0.04)


def test_words_without_silence_around_them_get_some() -> None:
    ulaw = shape(tone(1.0), RATE, characters=10)

    assert len(ulaw) / 8000 == pytest.approx(1.26, abs=0.04)


def test_sound_begins_and_ends_without_a_click_and_is_whole_frames() -> None:
    hum = np.tile(np.array([0.0005, -0.0005], np.float32).repeat(4), 3000)
    ulaw = shape(np.concatenate([hum, tone(1.013), hum]), RATE, characters=10)
    sound = samples_of(ulaw)

    assert len(ulaw) % 160 == 0
    assert np.abs(sound[:2]).max() < 0.0003
    # Brought to the level of speech the hum is twice as loud.
    assert np.abs(sound[60:400]).max() > 0.0008


def test_what_telephones_cannot_carry_does_not_fold_into_speech() -> None:
    both = tone(1.0) + tone(1.0, hertz=5000.0)
    spectrum = np.abs(np.fft.rfft(samples_of(shape(both, RATE, characters=10))[1600:8000]))
    hertz = np.fft.rfftfreq(6400, 1 / 8000)

    wanted = spectrum[np.abs(hertz - 440) < 20].max()
    alias = spectrum[np.abs(hertz - 3000) < 20].max()
    assert alias < wanted / 100


@pytest.mark.parametrize("rate", [8000, 16_000, 22_050, 48_000])
def test_every_sample_rate_is_taken(rate: int) -> None:
    ulaw = shape(tone(1.0, rate=rate), rate, characters=10)

    assert len(ulaw) / 8000 == pytest.approx(1.26, abs=0.04)


@pytest.mark.parametrize(
    ("sound", "characters", "problem"),
    [
        (silence(0.0), 10, "0.00 s of sound for 10"),
        (tone(0.5), 100, "0.50 s of sound for 100"),
        (tone(30.0), 20, "30.00 s of sound for 20"),
        (silence(1.0), 10, "silence"),
        (tone(1.0, level=0.0005), 10, "silence"),
        (np.full(RATE, np.nan, np.float32), 10, "no numbers"),
    ],
)
def test_sound_that_cannot_be_the_text_is_refused(
    sound: npt.NDArray[np.float32], characters: int, problem: str
) -> None:
    with pytest.raises(BadSoundError, match=problem):
        shape(sound, RATE, characters=characters)
