"""How late the media loop runs, and what keeps it from running late.

A stall of the loop is a gap in every caller's sound, so it is measured all the time: a timer is due
every 100 ms, and how much later it runs is what anything else on the loop would have waited too.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from typing import Final

INTERVAL_SECONDS: Final = 0.1
"""Ten samples a second cost nothing and see any stall that a caller could hear."""
WINDOW_SECONDS: Final = 60.0
"""`longest_stall` looks back one to two windows, so that an alert on it ends by itself."""
GC_THRESHOLDS: Final = (50_000, 20, 50)
"""With the default of (700, 10, 10) a full collection of 60 ms is due every few seconds at 2400
calls a second; with these none was, and the longest stall went from 60-76 ms to 9-21 ms."""


def tune_gc() -> None:
    """Keep the garbage collector away from what was made so far, and let it run rarely.

    Once, when everything is loaded: what exists now is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


class LoopWatch:
    """Measures how late a loop runs. `clock` gives seconds and must not stand still in a callback.

    (uvloop's own `time()` does: it is read once a turn, to the millisecond.)
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        on_lag: Callable[[float], None],
    ) -> None:
        self._loop = loop
        self._clock = clock
        self._on_lag = on_lag
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._ticked_at = clock()
        self._window_began_at = self._ticked_at
        self._longest_now = 0.0
        self._longest_before = 0.0

    @property
    def longest_stall(self) -> float:
        """The longest lateness of the last one to two minutes, in seconds."""
        return max(self._longest_now, self._longest_before)

    def start(self) -> None:
        """Begin to measure; from the loop's own thread."""
        self._ticked_at = self._due_at = self._clock()
        self._arm(self._ticked_at)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def seconds_since_tick(self) -> float:
        """How long the loop has not been seen running; from any thread."""
        return self._clock() - self._ticked_at

    def _arm(self, now: float) -> None:
        self._due_at += INTERVAL_SECONDS
        if self._due_at <= now:
            # Turns were missed: they are one stall, not many.
            self._due_at = now + INTERVAL_SECONDS
        self._timer = self._loop.call_later(self._due_at - now, self._tick)

    def _tick(self) -> None:
        now = self._clock()
        lag = max(0.0, now - self._due_at)
        self._ticked_at = now
        if now - self._window_began_at >= WINDOW_SECONDS:
            self._window_began_at = now
            self._longest_before, self._longest_now = self._longest_now, 0.0
        self._longest_now = max(self._longest_now, lag)
        self._on_lag(lag)
        self._arm(now)
