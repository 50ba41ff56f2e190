"""The resampler itself; what it does to whole files is in test_wav."""

from __future__ import annotations

from array import array

import pytest

from sip_edge.media.resample import resample_to_8000


@pytest.mark.parametrize(
    ("rate", "count", "expected"),
    [
        *((16000, 320, 160), (16000, 321, 161), (44100, 441, 80), (44100, 442, 81)),
        *((11025, 11025, 8000), (48000, 1, 1), (48000, 0, 0)),
    ],
)
def test_result_lasts_as_long_as_the_input(rate: int, count: int, expected: int) -> None:
    assert len(resample_to_8000(array("h", [0] * count), rate)) == expected


def test_a_click_stays_where_it_was() -> None:
    samples = array("h", [0] * 960)
    samples[480] = 32767
    result = resample_to_8000(samples, 48000)
    assert max(range(160), key=lambda index: result[index]) == 80


def test_a_click_is_spread_evenly_to_both_sides() -> None:
    samples = array("h", [0] * 960)
    samples[480] = 32767
    result = resample_to_8000(samples, 48000)
    assert [result[80 - offset] for offset in range(60)] == [
        result[80 + offset] for offset in range(60)
    ]
