"""Levels of µ-law sound."""

from __future__ import annotations

import pytest

from sip_edge.media.levels import is_silence, rms_dbfs

SILENCE = b"\xff" * 160
MILLIWATT = bytes.fromhex("1E0B0B1E9E8B8B9E") * 20
# One period of 1000 Hz at -35 and at -50 dB of full scale.
SOFT_SPEECH = bytes.fromhex("FFDBD0DBFF5B505B") * 20
LINE_NOISE = bytes.fromhex("FFF3EEF3FF736E73") * 20


def test_milliwatt_is_a_sine_6_db_below_full_scale() -> None:
    # 0 dBm0 is 3.17 dB below the largest sine of µ-law (G.711 section 4), itself 3 dB below 0.
    assert rms_dbfs(MILLIWATT) == pytest.approx(-6.22, abs=0.01)


def test_largest_square_wave_is_just_below_0_db() -> None:
    assert rms_dbfs(b"\x00\x80" * 80) == pytest.approx(-0.17, abs=0.01)


def test_nothing_has_the_level_of_silence() -> None:
    assert rms_dbfs(b"") == -96.0
    assert rms_dbfs(SILENCE) == -96.0
    assert rms_dbfs(b"\x7f" * 160) == -96.0


def test_smallest_sound_has_a_level_of_its_own() -> None:
    assert rms_dbfs(b"\xfe\x7e" * 80) == pytest.approx(-72.25, abs=0.01)


@pytest.mark.parametrize("frame", [SILENCE, b"\x7f" * 160, LINE_NOISE])
def test_frame_without_speech_is_silence(frame: bytes) -> None:
    assert is_silence(frame)


@pytest.mark.parametrize("frame", [MILLIWATT, SOFT_SPEECH, b"\x00" * 160])
def test_frame_with_speech_is_not_silence(frame: bytes) -> None:
    assert not is_silence(frame)


def test_a_sample_is_loud_above_40_db_below_full_scale() -> None:
    assert is_silence(b"\xe3\x63" * 80)  # 324 and -324 of 32768
    assert not is_silence(b"\xe2\x62" * 80)  # 340 and -340


def test_a_click_of_ten_samples_is_silence_and_eleven_are_not() -> None:
    assert is_silence(b"\x80" * 10 + b"\xff" * 150)
    assert not is_silence(b"\x80" * 11 + b"\xff" * 149)
