"""Keeping a memory of the routes equal to PostgreSQL.

LISTEN first, then read everything, then fetch again what each notification names. A heartbeat
notices a server that hangs, and a digest of the contents, compared now and then, notices what no
notification told (a restored dump, a disabled trigger). The memory is changed by one task alone,
and a row that was named again while it was being fetched is not stored but fetched once more, so
that an older state never replaces a newer one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol, TypeVar

from sip_edge.routing.ports import Clock
from sip_edge.storage.pool import DATABASE_ERRORS
from sip_edge.storage.route_changes import Changes, PendingChanges
from sip_edge.storage.route_memory import Problem, RouteMemory
from sip_edge.storage.route_source import Listener, RouteSource

DECODE_SLICE_ROWS: Final = 50
"""Rows decoded between two looks at the event loop: 0.6 ms, when all of them are new."""

DROP_SLICE_KEYS: Final = 500
"""Keys compared and dropped between two looks at the event loop: below 1 ms."""

BUSY_RECONCILE_SECONDS: Final = 2.0
"""When rows changed while the digest was computed, it says nothing; try again after this time."""

_Item = TypeVar("_Item")


class TableState(Enum):
    """Whether the memory can be relied on."""

    STARTING = "starting"
    LIVE = "live"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class RouteTableSettings:
    """Intervals and bounds, in seconds."""

    heartbeat_seconds: float
    heartbeat_timeout_seconds: float
    reconcile_seconds: float
    ask_timeout_seconds: float
    reconnect_min_seconds: float
    reconnect_max_seconds: float


STANDARD_SETTINGS: Final = RouteTableSettings(
    # A server that hangs is noticed within 7 seconds, for one tiny query every 5.
    heartbeat_seconds=5.0,
    heartbeat_timeout_seconds=2.0,
    # The digest costs PostgreSQL 0.2 s for 100,000 numbers.
    reconcile_seconds=60.0,
    # A quarter of the time within which a call's way must be decided.
    ask_timeout_seconds=0.5,
    # A restart takes PostgreSQL a fraction of a second; an outage must not be met by a storm.
    reconnect_min_seconds=0.1,
    reconnect_max_seconds=5.0,
)


class KeeperObserver(Protocol):
    """Told what the keeper does, for metrics and logs. Must return at once and never raise."""

    def state_changed(self, state: TableState, reason: str) -> None:
        """The table went live, or stale and why."""
        ...

    def reloaded(self, *, entries: int, seconds: float) -> None:
        """All rows were read; there are so many numbers."""
        ...

    def refreshed(self, *, rows: int, seconds: float) -> None:
        """So many changed rows were fetched."""
        ...

    def drifted(self) -> None:
        """The memory did not equal PostgreSQL although no notification was missed."""
        ...

    def row_problem(self, problem: Problem) -> None:
        """A row cannot be used as it is; told once for each new problem."""
        ...


class _ListenerLostError(ConnectionError):
    """The listening connection has ended."""


class RouteKeeper:
    """Keeps `memory` equal to what `source` holds, as long as `run` runs."""

    def __init__(
        self,
        *,
        memory: RouteMemory,
        source: RouteSource,
        observer: KeeperObserver,
        clock: Clock,
        settings: RouteTableSettings,
    ) -> None:
        self._memory = memory
        self._source = source
        self._observer = observer
        self._clock = clock
        self._settings = settings
        self._pending = PendingChanges()
        self._changed = asyncio.Event()
        self._loaded = asyncio.Event()
        self._state = TableState.STARTING
        self._is_reloading = False
        self._confirmed_at: float | None = None
        self._reason = "the routes have not been loaded yet"

    @property
    def state(self) -> TableState:
        """Whether the memory can be relied on."""
        return self._state

    @property
    def reason(self) -> str:
        """Why the memory is not live, in words; empty if it is."""
        return self._reason

    @property
    def is_current(self) -> bool:
        """True if the memory is live and no change of everything is still being read."""
        is_live = self._state is TableState.LIVE
        return is_live and not (self._is_reloading or self._pending.everything)

    @property
    def age_seconds(self) -> float | None:
        """How long ago the memory was last known to equal PostgreSQL; None before it did."""
        return None if self._confirmed_at is None else self._clock() - self._confirmed_at

    async def wait_loaded(self) -> None:
        """Return once all routes have been loaded for the first time."""
        await self._loaded.wait()

    async def run(self) -> None:
        """Follow PostgreSQL until cancelled; outages are lived through."""
        delay = self._settings.reconnect_min_seconds
        while True:
            started_at = self._clock()
            reason = await self._follow_until_lost()
            self._set_stale(reason)
            if self._clock() - started_at > self._settings.reconnect_max_seconds:
                delay = self._settings.reconnect_min_seconds
            # Many edges lose the same server at the same moment: spread their return.
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(2 * delay, self._settings.reconnect_max_seconds)

    async def _follow_until_lost(self) -> str:
        """One connection's life: returns why it ended."""
        lost = asyncio.Event()

        def on_lost() -> None:
            # At once, not when the tasks have ended: calls come meanwhile.
            self._set_stale("the connection to PostgreSQL was lost")
            lost.set()

        # What is pending dates from before; reading everything covers it.
        self._pending.take()
        self._pending.add_everything()
        self._changed.set()
        try:
            async with self._source.listen(self._on_change, on_lost) as listener:
                await _until_one_fails(
                    _raise_when(lost),
                    self._apply_changes(lost),
                    self._beat(listener),
                    self._reconcile(),
                )
        except DATABASE_ERRORS as error:
            return _in_words(error)
        raise AssertionError("none of the four ends without an error")

    def _on_change(self, payload: str) -> None:
        self._pending.add(payload)
        self._changed.set()

    async def _apply_changes(self, lost: asyncio.Event) -> None:
        """The only task that changes the memory."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._pending:
                changes = self._pending.take()
                if changes.everything:
                    await self._reload()
                else:
                    await self._refetch(changes)
            # The connection may have ended while its last change was being fetched.
            if not lost.is_set():
                self._set_live()

    async def _refetch(self, changes: Changes) -> None:
        started_at = self._clock()
        memory, pending = self._memory, self._pending
        agents = await self._source.agents(list(changes.agents))
        self._report(memory.agents.store(agents, except_keys=pending.agents))
        memory.agents.drop(changes.agents - {row["id"] for row in agents} - pending.agents)
        numbers = await self._source.numbers(list(changes.numbers))
        self._report(memory.numbers.store(numbers, except_keys=pending.numbers))
        found = {row["phone_number"] for row in numbers}
        memory.numbers.drop(changes.numbers - found - pending.numbers)
        rows = len(changes.agents) + len(changes.numbers)
        self._observer.refreshed(rows=rows, seconds=self._clock() - started_at)

    async def _reload(self) -> None:
        """Read all rows, in slices; what has not changed is not decoded again."""
        started_at = self._clock()
        agents, numbers = self._memory.agents, self._memory.numbers
        self._is_reloading = True
        try:
            agents.start_pass()
            numbers.start_pass()
            async with aclosing(self._source.snapshot()) as batches:
                async for batch in batches:
                    for rows in _slices(batch.agents, DECODE_SLICE_ROWS):
                        self._report(agents.store(rows, except_keys=self._pending.agents))
                        await asyncio.sleep(0)
                    for rows in _slices(batch.numbers, DECODE_SLICE_ROWS):
                        self._report(numbers.store(rows, except_keys=self._pending.numbers))
                        await asyncio.sleep(0)
            for keys in _slices(agents.keys(), DROP_SLICE_KEYS):
                agents.drop_unseen(keys)
                await asyncio.sleep(0)
            for keys in _slices(numbers.keys(), DROP_SLICE_KEYS):
                numbers.drop_unseen(keys)
                await asyncio.sleep(0)
        finally:
            self._is_reloading = False
        self._observer.reloaded(
            entries=len(self._memory.numbers), seconds=self._clock() - started_at
        )

    async def _beat(self, listener: Listener) -> None:
        while True:
            await asyncio.sleep(self._settings.heartbeat_seconds)
            async with asyncio.timeout(self._settings.heartbeat_timeout_seconds):
                await listener.heartbeat()
            if not self._pending and self._state is TableState.LIVE:
                self._confirmed_at = self._clock()

    async def _reconcile(self) -> None:
        delay = self._settings.reconcile_seconds
        while True:
            await asyncio.sleep(delay)
            before = self._pending.generation
            digest = await self._source.digest()
            if self._pending or self._is_reloading or self._pending.generation != before:
                delay = min(BUSY_RECONCILE_SECONDS, self._settings.reconcile_seconds)
                continue
            delay = self._settings.reconcile_seconds
            if digest != self._memory.digest:
                self._observer.drifted()
                self._pending.add_everything()
                self._changed.set()

    def _report(self, problems: list[Problem]) -> None:
        for problem in problems:
            self._observer.row_problem(problem)

    def _set_live(self) -> None:
        self._confirmed_at = self._clock()
        if self._state is not TableState.LIVE:
            self._state = TableState.LIVE
            self._reason = ""
            self._loaded.set()
            self._observer.state_changed(TableState.LIVE, "")

    def _set_stale(self, reason: str) -> None:
        """A table that was never loaded stays `starting`, but says why."""
        self._reason = reason
        if self._state is TableState.LIVE:
            self._state = TableState.STALE
            self._observer.state_changed(TableState.STALE, reason)


async def _raise_when(lost: asyncio.Event) -> None:
    await lost.wait()
    raise _ListenerLostError("the connection to PostgreSQL was lost")


async def _until_one_fails(*coroutines: Coroutine[object, object, None]) -> None:
    """Run all until one fails, end the others, raise the failure; a defect before an outage.

    Not a TaskGroup: before Python 3.13 a group whose task fails at the moment when the group is
    cancelled swallows the cancellation, and whoever waits for our end would wait for ever.
    """
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        failures = [task.exception() for task in tasks if not task.cancelled()]
    found = [failure for failure in failures if failure is not None]
    for failure in sorted(found, key=lambda error: isinstance(error, DATABASE_ERRORS)):
        raise failure


def _slices(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _in_words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "PostgreSQL does not answer in time"
    return " ".join(str(error).split()) or type(error).__name__
