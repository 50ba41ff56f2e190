"""Who can speak here."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from sip_edge.voicemail.voices import Voice, find_voice, installed_voice, installed_voices

ENGLISH = Voice("hibari", "0.2.1", "heart", "en")
JAPANESE = Voice("openjtalk", "0.4.1", "mei", "ja")


@pytest.mark.parametrize(("language", "voice"), [("en", ENGLISH), ("ja", JAPANESE), ("fr", None)])
def test_a_language_is_spoken_by_its_own_voice(language: str, voice: Voice | None) -> None:
    assert find_voice(language, (ENGLISH, JAPANESE)) is voice


def test_nobody_speaks_where_nothing_is_installed() -> None:
    assert find_voice("en", ()) is None


def test_the_lock_file_installs_an_english_voice() -> None:
    assert installed_voice("en") == Voice("hibari", version("hibari-tts"), "heart", "en")
    assert installed_voice("en") in installed_voices()
    assert installed_voice("xx") is None
