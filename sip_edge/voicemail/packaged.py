"""The message that comes with the package, for when nothing can speak: 8000 Hz µ-law, in memory.

`sounds/NOTICE` says who spoke it and under which licences.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from sip_edge.media.wav import read_wav

APOLOGIES: Final = {
    "en": "Sorry, nobody can take your call right now. Please leave a message after the tone.",
    "ja": "申し訳ございません。ただいま電話に出ることができません。"
    "発信音の後にメッセージをお残しください。",
}
"""What is said, by language; English for all that have no apology of their own."""


def packaged_message(language: str) -> bytes:
    """The apology in `language` (a primary subtag such as `en`), else in English."""
    return _load(language if language in APOLOGIES else "en")


@cache
def _load(language: str) -> bytes:
    sound = files("sip_edge.voicemail").joinpath("sounds", f"apology_{language}.wav")
    return read_wav(sound.read_bytes())
