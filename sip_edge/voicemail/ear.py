"""What a caller does while the voicemail speaks and listens: keys pressed, and sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.voicemail.recording import RecordingEnd

if TYPE_CHECKING:
    from sip_edge.media.audio import AudioStream
    from sip_edge.voicemail.scribe import LiveRecording

END_KEY: Final = "#"
"""In the greeting it leads to the beep, in the message it ends it."""


class CallerEar:
    """Listens to a caller (media.audio.AudioListener); hears nothing until there is a recording."""

    def __init__(self, audio: AudioStream) -> None:
        self._audio = audio
        self._recording: LiveRecording | None = None
        self._is_greeting = True
        self.is_impatient = False
        """True once the caller wanted to get to the beep."""

    def begin_beep(self) -> None:
        """The greeting is over: the beep cannot be skipped."""
        self._is_greeting = False

    def begin_recording(self, recording: LiveRecording) -> None:
        """What the caller says from now on belongs to the message."""
        self._recording = recording

    def on_audio(self, frame: bytes) -> None:
        """See AudioListener."""
        if self._recording is not None:
            self._recording.add(frame)

    def on_digit(self, digit: str) -> None:
        """See AudioListener."""
        if digit != END_KEY:
            return
        if self._recording is not None:
            self._recording.finish(RecordingEnd.KEY)
        elif self._is_greeting:
            self.is_impatient = True
            self._audio.clear()

    def on_mark(self, name: str) -> None:
        """See AudioListener; the voicemail sets no marks."""
