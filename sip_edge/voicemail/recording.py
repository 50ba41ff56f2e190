"""What belongs to a message, and when it is over: frames in, sound to be written out.

Silence at the end is cut to a second. Longer silence is held back until the caller goes on, so that
what was handed out is a proper message at any moment, should the process die in the next one.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from sip_edge.media.audio import FRAME_SECONDS
from sip_edge.media.levels import is_silence

KEPT_SILENCE_SECONDS: Final = 1.0
_KEPT_SILENT_FRAMES: Final = round(KEPT_SILENCE_SECONDS / FRAME_SECONDS)


class RecordingEnd(Enum):
    """Why a recording ended. The word is used in the log."""

    SILENCE = "silence"
    KEY = "key"
    LIMIT = "limit"
    HUNG_UP = "hung_up"
    NOT_WRITABLE = "not_writable"


class Recording:
    """One caller's message while it is spoken."""

    def __init__(self, *, max_seconds: float, silence_seconds: float) -> None:
        self.end: RecordingEnd | None = None
        self.has_sound = False
        """True once anything was louder than a quiet line."""
        self._max_frames = max(1, round(max_seconds / FRAME_SECONDS))
        self._max_silent_frames = max(1, round(silence_seconds / FRAME_SECONDS))
        self._frames = 0
        self._silent_frames = 0
        self._ready = bytearray()
        self._held = bytearray()

    def add(self, frame: bytes) -> None:
        """20 ms of what the caller says (160 bytes of µ-law); ignored after the end."""
        if self.end is not None:
            return
        self._frames += 1
        if is_silence(frame):
            self._silent_frames += 1
        else:
            self.has_sound = True
            self._silent_frames = 0
            if self._held:
                self._ready += self._held
                self._held.clear()
        if self._silent_frames > _KEPT_SILENT_FRAMES:
            self._held += frame
        else:
            self._ready += frame
        if self._silent_frames >= self._max_silent_frames:
            self.end = RecordingEnd.SILENCE
        elif self._frames >= self._max_frames:
            self.end = RecordingEnd.LIMIT

    def finish(self, end: RecordingEnd) -> None:
        """End it from outside; the first end counts."""
        if self.end is None:
            self.end = end

    @property
    def ready_bytes(self) -> int:
        """How much waits to be taken."""
        return len(self._ready)

    def take(self) -> bytes:
        """The sound that was not taken yet and belongs to the message for certain."""
        taken = bytes(self._ready)
        self._ready.clear()
        return taken
