"""The records of calls: one row of the table `calls` for each INVITE, whatever breaks around us.

The loop that carries speech only encodes a row and hands it to a thread, which appends it to the
spool at once: from then on it outlives the process. Another task brings the spool's rows into the
database (`call_writer`). A call that has not ended is written too, so that it is not forgotten if
this process dies, but only if it lasts longer than a moment: a refused call is one row, not two.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self

from sip_edge.storage.call_rows import CallRows
from sip_edge.storage.call_spool import STANDARD_LIMITS, SYNC_SECONDS, CallSpool, SpoolLimits
from sip_edge.storage.call_writer import CallWriter
from sip_edge.storage.spool_lines import RowKind
from sip_edge.storage.spool_thread import SpoolThread
from sip_edge.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

    from sip_edge.routing.ports import CallFacts, CallReport, SoundStatistics
    from sip_edge.storage.call_store import CallStore
    from sip_edge.storage.call_writer import RecordObserver

OPEN_SECONDS: Final = 0.2
"""A call that has not ended after this time gets a row that says so."""
OPENS_AT_ONCE: Final = 50
"""Rows encoded between two looks at the event loop: about 1 ms."""
TOUCH_SECONDS: Final = 5.0
"""How exactly a successor will know when this process died."""
FINISH_SECONDS: Final = 3.0
"""How long the end of the process waits for its last rows to be written; the spool keeps them."""
MAX_OPEN: Final = 100_000
"""Calls that may be going on; far more than a process carries."""


def wall_clock() -> datetime:
    """Now, for people."""
    return datetime.now(UTC)


class CallRecords:
    """`async with CallRecords(...) as records`: calls are kept; `run` brings them to the database.

    `clock` is the one of calls' timelines; the wall clock is read once a call, at its start, so
    that one which is set back makes no call end before it began. `process` tells people which
    process had the call. `call_started` and `call_ended` cost microseconds and never raise.
    """

    def __init__(
        self,
        *,
        spool_dir: Path,
        process: str,
        observer: RecordObserver,
        clock: Callable[[], float],
        wall_clock: Callable[[], datetime] = wall_clock,
        limits: SpoolLimits = STANDARD_LIMITS,
    ) -> None:
        self.instance_id = str(uuid.uuid4())
        self._spool_dir = spool_dir
        self._observer = observer
        self._clock = clock
        self._wall_clock = wall_clock
        self._rows = CallRows(instance_id=self.instance_id, process=process)
        self._spool = CallSpool(
            parent=spool_dir, instance_id=self.instance_id, clock=clock, limits=limits
        )
        self._thread = SpoolThread(self._spool.append)
        self._writer: CallWriter | None = None
        self._started: dict[str, datetime] = {}
        self._new: dict[str, CallFacts] = {}
        self._dropped = dict.fromkeys(RowKind, 0)
        self._told_dropped = dict.fromkeys(RowKind, 0)
        self._told_fault: str | None = None
        self._upkeep: asyncio.Task[None] | None = None

    @property
    def spool_rows(self) -> int:
        """Rows that the database has not committed."""
        return self._spool.rows + (self._writer.adopted_rows if self._writer else 0)

    @property
    def spool_bytes(self) -> int:
        """Their bytes on the disk."""
        return self._spool.size + (self._writer.adopted_size if self._writer else 0)

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._spool.open)
        self._thread.start()
        self._upkeep = spawn(self._keep_up(), name="call records")
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.wait({self._upkeep})
        await self._note_opens()
        await asyncio.to_thread(self._close)
        self._tell()

    def call_started(self, facts: CallFacts, at: float) -> None:
        """An INVITE arrived at `at`; whatever becomes of it, `call_ended` will be told."""
        if len(self._started) >= MAX_OPEN:
            self._dropped[RowKind.OPEN] += 1
            return
        self._started[facts.call_id] = self._wall_clock() - timedelta(seconds=self._clock() - at)
        self._new[facts.call_id] = facts

    def call_ended(
        self, report: CallReport, sound: SoundStatistics | None = None, *, codec: str | None = None
    ) -> None:
        """A call is over; `sound` is None if it never had an RTP session."""
        call_id = report.facts.call_id
        started_at = self._started.pop(call_id, None)
        if started_at is None:
            age = self._clock() - report.timeline.invite_at
            started_at = self._wall_clock() - timedelta(seconds=age)
        line = self._rows.ended_line(report, started_at, sound, codec)
        if not self._thread.put(line):
            self._dropped[RowKind.ENDED] += 1

    async def run(self, store: CallStore) -> None:
        """Bring all rows to the database until cancelled; the last ones after that."""
        writer = self._writer = CallWriter(
            spool=self._spool,
            parent=self._spool_dir,
            store=store,
            observer=self._observer,
            clock=self._clock,
        )
        try:
            await writer.run()
        finally:
            self._writer = None
            with suppress(TimeoutError):
                async with asyncio.timeout(FINISH_SECONDS):
                    await self._thread.appended()
                    await writer.finish()

    async def _keep_up(self) -> None:
        """What is to be done regularly, whether there is a database or not."""
        sync_at = touch_at = self._clock()
        while True:
            await asyncio.sleep(OPEN_SECONDS)
            await self._note_opens()
            if self._spool.has_unsaved:
                self._thread.prod()
            now = self._clock()
            if now >= sync_at and self._spool.rows:
                sync_at = now + SYNC_SECONDS
                await asyncio.to_thread(self._spool.sync)
            if now >= touch_at:
                touch_at = now + TOUCH_SECONDS
                await asyncio.to_thread(self._spool.touch)
            self._tell()

    async def _note_opens(self) -> None:
        """Write the rows of new calls that have not ended meanwhile."""
        new, self._new = self._new, {}
        for number, (call_id, facts) in enumerate(new.items(), start=1):
            started_at = self._started.get(call_id)
            if started_at is None:
                continue
            line = self._rows.open_line(facts, started_at)
            if self._thread.is_behind or not self._thread.put(line):
                self._dropped[RowKind.OPEN] += 1
            if number % OPENS_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _close(self) -> None:
        self._thread.close()
        self._spool.close()

    def _tell(self) -> None:
        """Tell the observer what the threads have counted."""
        for kind in RowKind:
            dropped = self._dropped[kind] + self._spool.dropped[kind]
            if rows := dropped - self._told_dropped[kind]:
                self._told_dropped[kind] = dropped
                self._observer.rows_dropped(kind, rows)
        fault = self._spool.fault
        if fault != self._told_fault:
            self._told_fault = fault
            self._observer.spool_changed(fault is None, fault or "")
