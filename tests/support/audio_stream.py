"""An `AudioStream` in memory: a caller's sound without SIP, RTP or time.

It passes the same contract tests as the real one (tests/contract/test_audio_stream.py).
"""

from __future__ import annotations

import asyncio

from sip_edge.media.audio import FRAME_SAMPLES, ULAW_SILENCE, AudioListener


class RecordingAudioStream:
    """The caller hears and says things as the test lets time pass: `step` is 20 ms.

    `heard` is all that the caller has heard, silence included, in frames of 160 bytes; `listener`
    is who hears the caller.
    """

    def __init__(self) -> None:
        self.listener: AudioListener | None = None
        self.heard: list[bytes] = []
        self._sound = b""
        self._taken = 0
        self._played = 0
        self._marks: list[tuple[int, str]] = []
        self._silent = asyncio.Event()
        self._silent.set()

    # media.audio.AudioStream

    def listen(self, listener: AudioListener | None) -> None:
        self.listener = listener

    def play(self, ulaw: bytes) -> None:
        self._sound += ulaw
        if ulaw:
            self._silent.clear()

    def mark(self, name: str) -> None:
        self._marks.append((self._taken + len(self._sound), name))
        self._report_marks()

    def clear(self) -> None:
        self._sound = b""
        pending, self._marks = self._marks, []
        for _, name in pending:
            if self.listener is not None:
                self.listener.on_mark(name)

    def trim(self) -> None:
        self._sound = self._sound.rstrip(b"\xff\x7f")
        end = self._taken + len(self._sound)
        self._marks = [(min(position, end), name) for position, name in self._marks]
        if not self._sound and self._played == self._taken:
            self._silent.set()

    async def drained(self) -> None:
        await self._silent.wait()

    # What a test does with it.

    @property
    def queued(self) -> bytes:
        """What the caller has not heard yet."""
        return self._sound

    def step(self, frames: int = 1, *, said: bytes = ULAW_SILENCE) -> None:
        """Let time pass: each 20 ms the caller hears a frame and says `said`."""
        for _ in range(frames):
            self._played = self._taken
            frame, self._sound = self._sound[:FRAME_SAMPLES], self._sound[FRAME_SAMPLES:]
            self._taken += len(frame)
            self.heard.append(frame + ULAW_SILENCE[len(frame) :])
            self._report_marks()
            if not self._sound and self._played == self._taken:
                self._silent.set()
            if self.listener is not None:
                self.listener.on_audio(said)

    def press(self, digit: str) -> None:
        """The caller presses a key and lets it go."""
        if self.listener is not None:
            self.listener.on_digit(digit)

    def _report_marks(self) -> None:
        while self._marks and self._marks[0][0] <= self._played:
            _, name = self._marks.pop(0)
            if self.listener is not None:
                self.listener.on_mark(name)
