"""What waits to be played to a caller: sound of any length, cut into frames, with marks between."""

from __future__ import annotations

from collections import deque
from typing import Final

from sip_edge.media.audio import FRAME_SAMPLES, ULAW_SILENCE

SAMPLES_PER_SECOND: Final = 8000
MAX_MARKS: Final = 4096
"""An agent marks once a sentence; whoever has thousands of marks pending does not read them."""


_SILENT_CODES: Final = b"\xff\x7f"
"""µ-law for +0 and -0."""


class PlayoutQueue:
    """Sound (µ-law) and marks in the order in which they were queued.

    A mark is due in the step after the one that took the last byte before it: that frame has gone
    out by then. Positions count the bytes since the beginning, so that a mark costs no search.
    The sound is one bytearray: cutting its front off moves a pointer, so ten minutes queued in one
    piece or in ten thousand cost the same per frame.
    """

    __slots__ = (
        "_limit",
        "_marks",
        "_played",
        "_sound",
        "_taken",
        "dropped_bytes",
        "dropped_marks",
        "held",
    )

    def __init__(self, *, max_seconds: float) -> None:
        self.held = False
        """While True nothing is taken, what is queued waits."""
        self.dropped_bytes = 0
        self.dropped_marks = 0
        self._limit = int(max_seconds * SAMPLES_PER_SECOND)
        self._sound = bytearray()
        self._marks: deque[tuple[int, str]] = deque()
        self._taken = 0
        self._played = 0

    def play(self, ulaw: bytes) -> None:
        """Queue sound of any length; what exceeds the limit is dropped and counted."""
        room = self._limit - len(self._sound)
        if len(ulaw) > room:
            self.dropped_bytes += len(ulaw) - room
            ulaw = ulaw[:room]
        self._sound += ulaw

    def mark(self, name: str) -> bool:
        """Queue a mark. False if all before it has been played already: then it is due at once."""
        position = self._taken + len(self._sound)
        if position <= self._played and not self._marks:
            return False
        if len(self._marks) >= MAX_MARKS:
            self.dropped_marks += 1
        else:
            self._marks.append((position, name))
        return True

    def pop(self) -> bytes | None:
        """The next 20 ms (160 bytes); None if nothing is queued or the queue is held.

        Called once every 20 ms. A rest shorter than a frame is filled up with silence.
        """
        self._played = self._taken
        sound = self._sound
        if self.held or not sound:
            return None
        frame = bytes(sound[:FRAME_SAMPLES])
        del sound[:FRAME_SAMPLES]
        self._taken += len(frame)
        if len(frame) < FRAME_SAMPLES:
            frame += ULAW_SILENCE[len(frame) :]
        return frame

    @property
    def has_marks(self) -> bool:
        """True if marks are pending."""
        return bool(self._marks)

    def take_due_marks(self) -> list[str]:
        """The marks whose sound has been played, oldest first. To be asked after `pop`."""
        due: list[str] = []
        marks = self._marks
        while marks and marks[0][0] <= self._played:
            due.append(marks.popleft()[1])
        return due

    def clear(self) -> list[str]:
        """Drop what is queued; the marks that were pending, oldest first."""
        pending = [name for _, name in self._marks]
        self._marks.clear()
        self._sound = bytearray()
        return pending

    def trim(self) -> None:
        """Drop the silence at the end of what is queued; marks that stood in it come earlier."""
        self._sound = self._sound.rstrip(_SILENT_CODES)
        end = self._taken + len(self._sound)
        self._marks = deque((min(position, end), name) for position, name in self._marks)

    @property
    def is_drained(self) -> bool:
        """True if all that was queued has been played."""
        return not self._sound and self._played == self._taken

    @property
    def queued_seconds(self) -> float:
        """How much sound is waiting."""
        return len(self._sound) / SAMPLES_PER_SECOND
