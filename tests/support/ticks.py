"""A clock that shows what a test sets."""

from __future__ import annotations


class Ticks:
    """Call it for the time; set `now` to move it. Seconds."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
