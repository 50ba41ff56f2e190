"""The speech engines, in the render worker's process alone: `synth(text, language, voice)`.

Each engine is imported when its first text comes, and all are slow to start: a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples = npt.NDArray[np.float32]


class EngineError(Exception):
    """An engine cannot be used, or cannot read this text; the message is one line."""


class Engine(Protocol):
    """Reads text aloud."""

    def synth(self, text: str, language: str, voice: str) -> tuple[Samples, int]:
        """The sound of `text`, mono, full scale 1.0, and its sample rate. Raises EngineError."""
        ...


def load_engine(provider: str) -> Engine:
    """The engine of this name (`voices.Voice.provider`). Raises EngineError."""
    try:
        if provider == "hibari":
            return Hibari()
        if provider == "openjtalk":
            return OpenJTalk()
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        raise EngineError(f"{provider} cannot be loaded: {error}") from error
    raise EngineError(f"there is no speech engine {provider!r}")


class Hibari:
    """hibari-tts: English, the voice that is in its wheel."""

    def __init__(self) -> None:
        import hibari

        self._engine = hibari.Hibari(voice="heart", threads=1)
        self._engine("Hello.", seed=0)  # Its dictionaries are read by the first text.

    def synth(self, text: str, language: str, voice: str) -> tuple[Samples, int]:
        """See Engine.synth."""
        if language != "en":
            # It would return no sound and no error.
            raise EngineError(f"hibari speaks English, not {language!r}")
        if voice != "heart":
            # It would download any other one, in the middle of nowhere.
            raise EngineError(f"hibari's voice {voice!r} is not installed")
        try:
            # The seed makes equal texts equal sound.
            return self._engine(text, seed=0), self._engine.sample_rate
        except (RuntimeError, ValueError, LookupError, TypeError, MemoryError) as error:
            raise EngineError(f"hibari failed: {type(error).__name__}: {error}") from error


class OpenJTalk:
    """pyopenjtalk-plus: Japanese, the voice Mei of the MMDAgent project (Nagoya Institute of
    Technology, CC-BY-3.0).
    """

    def __init__(self) -> None:
        import pyopenjtalk

        self._engine = pyopenjtalk
        self.synth("はい", "ja", "mei")  # Its dictionary is read by the first text.

    def synth(self, text: str, language: str, voice: str) -> tuple[Samples, int]:
        """See Engine.synth."""
        import numpy as np

        if language != "ja" or voice != "mei":
            # It spells English letter by letter.
            raise EngineError(f"openjtalk speaks Japanese as mei, not {language!r} as {voice!r}")
        try:
            # Both would need packages that read a few words better and weigh 200 MB.
            samples, rate = self._engine.tts(text, use_sudachi_kanji_yomi=False, predict_nani=False)
        except (RuntimeError, ValueError, LookupError, TypeError, MemoryError) as error:
            raise EngineError(f"openjtalk failed: {type(error).__name__}: {error}") from error
        return (samples / 32768.0).astype(np.float32), rate
