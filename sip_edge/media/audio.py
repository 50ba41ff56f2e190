"""How adapters exchange sound, whatever carries it.

An `AudioStream` is one caller's sound: what is played into it reaches the caller, paced in real
time; what the caller says reaches the stream's listener. All sound is µ-law, 8000 Hz, mono.
"""

from __future__ import annotations

from typing import Protocol

FRAME_SAMPLES = 160
"""20 ms at 8000 Hz: one RTP packet, one `media` message."""
FRAME_SECONDS = 0.02
ULAW_SILENCE = b"\xff" * FRAME_SAMPLES


class AudioListener(Protocol):
    """Hears a caller. Called from the event loop; must return at once and never raise."""

    def on_audio(self, frame: bytes) -> None:
        """20 ms of µ-law (160 bytes), one call every 20 ms, silence where nothing arrived."""
        ...

    def on_digit(self, digit: str) -> None:
        """A key was pressed, one of `0123456789*#ABCD`: once a key press, when it is let go."""
        ...

    def on_mark(self, name: str) -> None:
        """All that was played before the mark has been heard, or was dropped by `clear`."""
        ...


class AudioStream(Protocol):
    """One caller's sound in both directions."""

    def listen(self, listener: AudioListener | None) -> None:
        """Hand what the caller says to `listener` from now on; None hands it to nobody."""
        ...

    def play(self, ulaw: bytes) -> None:
        """Queue µ-law of any length behind what is already queued. Never blocks."""
        ...

    def mark(self, name: str) -> None:
        """Call the listener's `on_mark(name)` when all that is queued by now has been played."""
        ...

    def clear(self) -> None:
        """Drop what is queued at once; each pending mark is reported, in order."""
        ...

    def trim(self) -> None:
        """Drop the silence at the end of what is queued: nobody waits for it."""
        ...

    async def drained(self) -> None:
        """Return when all that is queued has been played (at once if nothing is)."""
        ...
