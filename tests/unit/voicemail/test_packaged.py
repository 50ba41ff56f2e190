"""The message that comes with the package."""

from __future__ import annotations

import pytest

from sip_edge.media.levels import is_silence, rms_dbfs
from sip_edge.voicemail.packaged import APOLOGIES, packaged_message


@pytest.mark.parametrize(("language", "seconds"), [("en", 4.94), ("ja", 7.34)])
def test_each_apology_is_speech_at_the_level_of_speech(language: str, seconds: float) -> None:
    sound = packaged_message(language)

    assert len(sound) == seconds * 8000
    assert -24 < rms_dbfs(sound) < -20
    assert is_silence(sound[-160:])


def test_it_is_english_for_languages_without_an_apology() -> None:
    assert packaged_message("fr") == packaged_message("en")
    assert packaged_message("ja") != packaged_message("en")
    assert set(APOLOGIES) == {"en", "ja"}
