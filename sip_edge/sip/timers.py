"""The timer values of RFC 3261 (section 17, table 4) and RFC 6026, and the keeping of deadlines."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Final, Generic, TypeVar

Owner = TypeVar("Owner")


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


DEFAULT_TIMERS: Final = TimerSettings()
"""The RFC's own values. Tests and private networks may have shorter ones."""

SMALLEST_SWEPT_HEAP: Final = 64
"""Below this many entries, dead ones are not worth a sweep."""


class DeadlineQueue(Generic[Owner]):
    """The nearest of many deadlines, one for each owner.

    A heap with lazy deletion: a deadline that is moved or cleared leaves a dead entry behind, which
    is dropped when it comes to the top, or in a sweep once dead entries outnumber the living. No
    operation looks at all owners but that sweep, whose cost the dead entries have paid.
    """

    __slots__ = ("_deadlines", "_heap", "_serial")

    def __init__(self) -> None:
        self._deadlines: dict[Owner, float] = {}
        self._heap: list[tuple[float, int, Owner]] = []
        self._serial = 0

    def set(self, owner: Owner, at: float | None) -> None:
        """Give `owner` the deadline `at` in place of any other; None clears it."""
        if at is None:
            self._deadlines.pop(owner, None)
        elif self._deadlines.get(owner) != at:
            self._deadlines[owner] = at
            self._serial += 1
            heappush(self._heap, (at, self._serial, owner))
        if len(self._heap) > 2 * len(self._deadlines) + SMALLEST_SWEPT_HEAP:
            self._sweep()

    def next(self) -> float | None:
        """The nearest deadline, None if there is none."""
        heap = self._heap
        while heap:
            at, _, owner = heap[0]
            if self._deadlines.get(owner) == at:
                return at
            heappop(heap)
        return None

    def pop_due(self, now: float) -> Owner | None:
        """Take out the owner of the nearest deadline if that is not after `now`."""
        at = self.next()
        if at is None or at > now:
            return None
        owner = heappop(self._heap)[2]
        del self._deadlines[owner]
        return owner

    def __len__(self) -> int:
        return len(self._deadlines)

    def _sweep(self) -> None:
        self._heap = [entry for entry in self._heap if self._deadlines.get(entry[2]) == entry[0]]
        heapify(self._heap)
