"""Whether this process is too late to take more calls: admission by its own lag, not by a count.

How many calls a machine carries depends on the machine, its neighbours and what workers send. What
callers hear of it is lateness: so that is what decides.
"""

from __future__ import annotations

from typing import Final

WEIGHT: Final = 0.1
"""Of the newest look in the mean; ten looks a second make it one of the last second. Stalls of
150 ms again and again turn calls away within two seconds."""
MOST: Final = 5.0
"""What one look counts at most, in limits: one stall, however long, makes half of what it takes. It
is over by now, and on a machine with neighbours it was not our calls' doing."""
RELIEF: Final = 0.5
"""The mean must fall to this part of a limit before calls are taken again, or every second call
would be."""


class LagGuard:
    """Told every 100 ms how late the loop, and the worst turn of RTP since then, has been.

    Limits and lags in seconds.
    """

    def __init__(self, *, max_loop_lag: float, max_pacing_lag: float) -> None:
        self._limits = (max_loop_lag, max_pacing_lag)
        self._means = (0.0, 0.0)
        self.is_overloaded = False

    @property
    def means(self) -> tuple[float, float]:
        """The means of the loop's lag and of RTP's."""
        return self._means

    def note(self, *, loop_lag: float, pacing_lag: float) -> bool:
        """Take one look into account; True if `is_overloaded` has changed by it."""
        loop_limit, pacing_limit = self._limits
        loop_mean, pacing_mean = self._means
        self._means = (
            loop_mean + WEIGHT * (min(loop_lag, MOST * loop_limit) - loop_mean),
            pacing_mean + WEIGHT * (min(pacing_lag, MOST * pacing_limit) - pacing_mean),
        )
        factor = RELIEF if self.is_overloaded else 1.0
        is_late = any(
            mean > factor * limit for mean, limit in zip(self._means, self._limits, strict=True)
        )
        has_changed = is_late != self.is_overloaded
        self.is_overloaded = is_late
        return has_changed

    def reset(self) -> None:
        """Forget what was: starting up makes any process late."""
        self._means = (0.0, 0.0)
        self.is_overloaded = False
