"""The timer values of RFC 3261 (section 17, table 4) and RFC 6026."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimerSettings:
    """T1, T2, T4 and what follows from them, in seconds."""

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0

    @property
    def timeout(self) -> float:
        """64*T1: timers B, F, H, J, L and M, and how long an un-ACKed 2xx is repeated."""
        return 64 * self.t1

    @property
    def timer_c(self) -> float:
        """How long an outgoing INVITE may stay without a final response after a provisional one."""
        return 180.0

    @property
    def timer_d(self) -> float:
        """How long an INVITE client transaction absorbs repeated final responses over UDP."""
        return max(32.0, self.timeout)
