"""Which engine reads a language aloud here: found by what is installed, without importing it.

| provider | installed by | languages | licence of engine, voice |
| --- | --- | --- | --- |
| hibari-tts, voice `heart` | `[tts]`, and the lock file | English | Apache-2.0, Apache-2.0 |
| pyopenjtalk-plus, voice `mei` | `[tts-ja]` | Japanese | MIT, CC-BY-3.0 |

Another provider is a line here and a class in `engines`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final


@dataclass(frozen=True, slots=True)
class Voice:
    """Somebody who can speak: an engine (`provider`), its version, and the voice's name there."""

    provider: str
    version: str
    name: str
    language: str


@dataclass(frozen=True, slots=True)
class _Offer:
    provider: str
    distribution: str
    name: str
    language: str


_OFFERS: Final = (
    _Offer("hibari", "hibari-tts", "heart", "en"),
    _Offer("openjtalk", "pyopenjtalk-plus", "mei", "ja"),
)
_NEEDED_BY_ALL: Final = ("numpy", "soxr")


@cache
def installed_voices() -> tuple[Voice, ...]:
    """The voices of the engines that are installed; empty if none is, or half of it."""
    if any(_version(name) is None for name in _NEEDED_BY_ALL):
        return ()
    return tuple(
        Voice(offer.provider, found, offer.name, offer.language)
        for offer in _OFFERS
        if (found := _version(offer.distribution)) is not None
    )


def find_voice(language: str, voices: Iterable[Voice]) -> Voice | None:
    """Who speaks `language` (a primary subtag), None if nobody does."""
    return next((voice for voice in voices if voice.language == language), None)


FindVoice = Callable[[str], Voice | None]


def installed_voice(language: str) -> Voice | None:
    """Who speaks `language` here."""
    return find_voice(language, installed_voices())


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
