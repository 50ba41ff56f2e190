"""What is counted of the traffic with workers."""

from __future__ import annotations

from enum import Enum
from typing import Protocol


class Counted(Enum):
    """A kind of message. The words are metric labels."""

    MEDIA_OUT = "media_out"
    MEDIA_IN = "media_in"
    MARK_IN = "mark_in"
    CLEAR_IN = "clear_in"
    DROPPED_OUT = "dropped_out"
    MALFORMED_IN = "malformed_in"
    BINARY_IN = "binary_in"
    UNKNOWN_IN = "unknown_in"


class WorkerObserver(Protocol):
    """Told of traffic now and then (at each ping, and at the end), never for each message."""

    def messages(self, kind: Counted, count: int) -> None:
        """`count` more messages of this kind than were reported before."""
        ...


class Counters:
    """One session's counts; plain attributes, since they change a hundred times a second."""

    __slots__ = (
        "_reported",
        "binary_in",
        "clear_in",
        "dropped_out",
        "malformed_in",
        "mark_in",
        "media_in",
        "media_out",
        "unknown_in",
    )

    def __init__(self) -> None:
        self.media_out = 0
        self.media_in = 0
        self.mark_in = 0
        self.clear_in = 0
        self.dropped_out = 0
        self.malformed_in = 0
        self.binary_in = 0
        self.unknown_in = 0
        self._reported = dict.fromkeys(Counted, 0)

    def report_to(self, observer: WorkerObserver) -> None:
        """Tell `observer` what was added since the last time."""
        for kind in Counted:
            count = getattr(self, kind.value)
            if count != self._reported[kind]:
                observer.messages(kind, count - self._reported[kind])
                self._reported[kind] = count
