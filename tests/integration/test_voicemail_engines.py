"""The English voice that the lock file installs, for real."""

from __future__ import annotations

import pytest

from sip_edge.voicemail.engines import Engine, EngineError, load_engine
from sip_edge.voicemail.shaping import shape


@pytest.fixture(scope="module")
def hibari() -> Engine:
    return load_engine("hibari")


def test_a_sentence_takes_as_long_as_a_person_would(hibari: Engine) -> None:
    text = "Please leave a message after the tone."

    samples, rate = hibari.synth(text, "en", "heart")

    assert rate == 24_000
    assert 1.5 < len(samples) / rate < 4.0
    assert len(shape(samples, rate, characters=31)) / 8000 < len(samples) / rate


def test_equal_texts_are_equal_sounds(hibari: Engine) -> None:
    first, second = (hibari.synth("Good morning.", "en", "heart")[0] for _ in range(2))

    assert (first == second).all()


@pytest.mark.parametrize(("language", "voice"), [("ja", "heart"), ("en", "emma")])
def test_nothing_is_downloaded_and_nothing_is_silent(
    hibari: Engine, language: str, voice: str
) -> None:
    with pytest.raises(EngineError):
        hibari.synth("ただいま", language, voice)
