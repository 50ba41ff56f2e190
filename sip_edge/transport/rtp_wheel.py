"""The one clock of all calls' sound in a process: every 20 ms each call takes its step.

Deadlines are absolute (`start + n * 0.02`), so lateness never adds up. Calls are spread over ten
slots of 2 ms, so that two hundred packets do not leave in one burst. A slot without calls costs
nothing; without any call there is no timer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sip_edge.media.audio import FRAME_SECONDS

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

SLOTS: Final = 10
SLOT_SECONDS: Final = FRAME_SECONDS / SLOTS
TOLERANCE_SECONDS: Final = 0.001
"""uvloop's timers count milliseconds: one may fire this much before its time."""


class WheelMember(Protocol):
    """Whoever takes a step every 20 ms."""

    def tick(self, now: float, frames: int) -> None:
        """It is time for the next frame; `frames` is more than 1 if the loop was held up."""
        ...


class _Slot:
    __slots__ = ("deadline", "members")

    def __init__(self) -> None:
        self.deadline = 0.0
        self.members: dict[WheelMember, None] = {}


class RtpWheel:
    """Ticks its members. `on_lag` is told by how many seconds each turn of a slot was late."""

    def __init__(
        self, *, loop: asyncio.AbstractEventLoop, on_lag: Callable[[float], None] | None = None
    ) -> None:
        self.max_lag = 0.0
        """The longest lag since this was last set to 0, in seconds."""
        self._loop = loop
        self._on_lag = on_lag
        self._slots = tuple(_Slot() for _ in range(SLOTS))
        self._started_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, member: WheelMember) -> None:
        """Tick `member` from now on, in the slot with the fewest members."""
        if self._count == 0:
            self._started_at = self._loop.time()
        index = min(range(SLOTS), key=lambda i: len(self._slots[i].members))
        slot = self._slots[index]
        if not slot.members:
            slot.deadline = self._first_deadline(index)
        slot.members[member] = None
        self._count += 1
        self._arm()

    def remove(self, member: WheelMember) -> None:
        """Tick `member` no more; not even in the turn that is under way."""
        for slot in self._slots:
            if member in slot.members:
                del slot.members[member]
                self._count -= 1
        if self._count == 0 and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _first_deadline(self, index: int) -> float:
        """The slot's next instant on the grid that began with `_started_at`."""
        offset = self._started_at + index * SLOT_SECONDS
        passed = (self._loop.time() - offset) // FRAME_SECONDS + 1
        return offset + passed * FRAME_SECONDS

    def _arm(self) -> None:
        """Set the one timer to the earliest deadline."""
        deadline = min(slot.deadline for slot in self._slots if slot.members)
        if self._timer is not None:
            if self._timer_at <= deadline:
                return
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = self._loop.time()
        try:
            for slot in self._slots:
                if slot.members and slot.deadline - now < TOLERANCE_SECONDS:
                    self._turn_slot(slot, now)
        finally:
            # A member that raises (a bug) must not stop the clock of all others.
            if self._count:
                self._arm()

    def _turn_slot(self, slot: _Slot, now: float) -> None:
        lag = max(0.0, now - slot.deadline)
        frames = 1 + int(lag / FRAME_SECONDS)
        slot.deadline += frames * FRAME_SECONDS
        if lag > self.max_lag:
            self.max_lag = lag
        if self._on_lag is not None:
            self._on_lag(lag)
        members = slot.members
        current: WheelMember | None = None
        try:
            for current in tuple(members):
                if current in members:
                    current.tick(now, frames)
            current = None
        finally:
            if current in members:
                # It raised: last in its slot, it keeps nobody else from a second tick.
                del members[current]
                members[current] = None
