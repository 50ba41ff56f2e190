"""What a worker says to the caller, within bounds: sound, marks, clear; kept until the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sip_edge.agents.settings import WorkerSettings
    from sip_edge.media.audio import AudioStream

_SAMPLES_PER_SECOND: Final = 8000


class FloodError(Exception):
    """The worker says more than is kept for it; the text says what."""


class Speech:
    """Passes a worker's speech to the caller's `AudioStream`, in order.

    Until `start` it is kept. All sound plays in real time, so how much waits is known without
    asking the stream.
    """

    def __init__(self, *, settings: WorkerSettings) -> None:
        self._settings = settings
        self._audio: AudioStream | None = None
        self._early: list[bytearray | str] = []
        """Sound and names of marks. Neighbouring sounds are joined: one list item costs memory
        too, and chunks may be tiny."""
        self._early_samples = 0
        self._played_until = 0.0
        self._marks = 0

    def start(self, audio: AudioStream, now: float) -> None:
        """Play what was kept into `audio`, and all that follows."""
        self._audio = audio
        self._played_until = now + self._early_samples / _SAMPLES_PER_SECOND
        early, self._early = self._early, []
        for item in early:
            if isinstance(item, str):
                audio.mark(item)
            else:
                audio.play(bytes(item))

    def play(self, ulaw: bytes, now: float) -> None:
        """Sound of any length. Raises FloodError."""
        if self._audio is None:
            self._keep(ulaw)
            return
        start = self._played_until if self._played_until > now else now
        self._played_until = start + len(ulaw) / _SAMPLES_PER_SECOND
        if self._played_until - now > self._settings.max_ahead_seconds:
            raise FloodError("sound too far ahead")
        self._audio.play(ulaw)

    def mark(self, name: str) -> None:
        """A mark behind all that was said. Raises FloodError."""
        if self._marks >= self._settings.max_marks:
            raise FloodError("too many marks")
        self._marks += 1
        if self._audio is None:
            self._early.append(name)
        else:
            self._audio.mark(name)

    def mark_returned(self) -> None:
        """A mark's sound has been played or dropped."""
        self._marks -= 1

    def clear(self) -> None:
        """Drop the sound that waits; its marks are returned, once there is a stream."""
        self._played_until = 0.0
        if self._audio is not None:
            self._audio.clear()
            return
        self._early = [item for item in self._early if isinstance(item, str)]
        self._early_samples = 0

    def forget(self) -> None:
        """Let go of what was kept."""
        self._early.clear()

    def _keep(self, ulaw: bytes) -> None:
        self._early_samples += len(ulaw)
        if self._early_samples > self._settings.max_early_seconds * _SAMPLES_PER_SECOND:
            raise FloodError("too much sound before the call was answered")
        if self._early and isinstance(last := self._early[-1], bytearray):
            last += ulaw
        elif ulaw:
            self._early.append(bytearray(ulaw))
