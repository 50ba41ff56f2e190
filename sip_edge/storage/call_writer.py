"""Brings calls from the spool into the database, however often it goes away and comes back.

A batch is removed from the spool after the database has committed it, so it may be written twice
and is never lost; that is harmless, because a row is known by its call's id. Spools of dead
processes are written too; then their calls that have not ended are closed as lost.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from sip_edge.storage.adopted_spool import adopt_dead_spools
from sip_edge.storage.call_store import RowsRefusedError
from sip_edge.storage.pool import DATABASE_ERRORS, failure_in_words
from sip_edge.storage.rejected_rows import RejectedRows
from sip_edge.storage.spool_lines import RowKind, json_of, kind_of, latest_of_each_call

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from sip_edge.storage.adopted_spool import AdoptedSpool
    from sip_edge.storage.call_spool import CallSpool, SpoolBatch
    from sip_edge.storage.call_store import CallStore

BATCH_SECONDS: Final = 0.2
"""Rows wait so long for company, in the spool, where they are safe."""
PAUSE_SECONDS: Final = 0.05
"""Between two batches of a backlog, which must not take from speech the processors that it needs:
an hour at 10 calls a second is written in a quarter of a minute."""
RETRY_MIN_SECONDS: Final = 0.1
RETRY_MAX_SECONDS: Final = 5.0
"""A restart takes PostgreSQL a fraction of a second; an outage must not be met by a storm."""
ADOPT_SECONDS: Final = 10.0
"""How often we look for processes that have died beside us."""

Result = TypeVar("Result")


class RecordObserver(Protocol):
    """Told what becomes of the rows, for metrics and logs. Must return at once and never raise."""

    def rows_written(self, rows: int, seconds: float) -> None:
        """The database has committed rows, by a statement that took so long."""
        ...

    def rows_rejected(self, rows: int, reason: str) -> None:
        """The database refuses rows, or they were damaged: they were set aside."""
        ...

    def rows_dropped(self, kind: RowKind, rows: int) -> None:
        """Rows were given up: an open one says less than the end that will come, an end is lost."""
        ...

    def write_failed(self, reason: str) -> None:
        """An attempt to write failed; it is repeated."""
        ...

    def writing_changed(self, is_working: bool, reason: str) -> None:
        """The database takes rows (again), or not any more and why."""
        ...

    def spool_changed(self, is_working: bool, reason: str) -> None:
        """The disk takes rows (again), or not any more and why."""
        ...

    def spool_adopted(self, instance_id: str, rows: int) -> None:
        """The spool of a dead process was found."""
        ...

    def calls_lost(self, instance_id: str, calls: int) -> None:
        """A dead process's calls that had not ended were closed as lost."""
        ...


async def in_thread(function: Callable[..., Result], *arguments: object) -> Result:
    """Run what may wait for the disk, off the loop."""
    return await asyncio.to_thread(function, *arguments)


class InThread(Protocol):
    """The shape of `in_thread`."""

    def __call__(
        self, function: Callable[..., Result], *arguments: object
    ) -> Awaitable[Result]: ...


class CallWriter:
    """Writes what is in `spool`, and in the spools of the dead in `parent`, to `store`."""

    def __init__(
        self,
        *,
        spool: CallSpool,
        parent: Path,
        store: CallStore,
        observer: RecordObserver,
        clock: Callable[[], float],
        in_thread: InThread = in_thread,
    ) -> None:
        self._spool = spool
        self._parent = parent
        self._store = store
        self._observer = observer
        self._clock = clock
        self._in_thread = in_thread
        self._rejected = RejectedRows(parent)
        self._adopted: list[AdoptedSpool] = []
        self._adopt_at = clock()
        self._is_working: bool | None = None

    @property
    def adopted_rows(self) -> int:
        """Rows of dead processes that are not written yet."""
        return sum(spool.rows for spool in self._adopted)

    @property
    def adopted_size(self) -> int:
        """Their bytes on the disk."""
        return sum(spool.size for spool in self._adopted)

    async def run(self) -> None:
        """Write until cancelled; outages are lived through."""
        delay = RETRY_MIN_SECONDS
        try:
            while True:
                try:
                    has_more = await self._turn()
                except DATABASE_ERRORS as error:
                    self._note_failure(error)
                    # Many edges lose the same server at the same moment: spread their return.
                    await asyncio.sleep(delay * random.uniform(0.5, 1.5))
                    delay = min(2 * delay, RETRY_MAX_SECONDS)
                    continue
                delay = RETRY_MIN_SECONDS
                await asyncio.sleep(PAUSE_SECONDS if has_more else BATCH_SECONDS)
        finally:
            for adopted in self._adopted:
                adopted.release()

    async def finish(self) -> None:
        """Write what is left, unless the database is away: then the spool keeps it."""
        if self._is_working is not False:
            with suppress(*DATABASE_ERRORS):
                while await self._write_next(self._spool):
                    pass

    async def _turn(self) -> bool:
        """Write a batch of ours and one of the dead; True if more waits.

        Raises one of DATABASE_ERRORS.
        """
        has_more = await self._write_next(self._spool) and self._spool.is_behind
        await self._adopt()
        if self._adopted:
            adopted = self._adopted[0]
            if not await self._write_next(adopted):
                await self._bury(adopted)
        return has_more or bool(self._adopted)

    async def _adopt(self) -> None:
        if self._adopted or self._clock() < self._adopt_at:
            return
        self._adopt_at = self._clock() + ADOPT_SECONDS
        # Left alone if the folder cannot be read: the process's own spool says why.
        with suppress(OSError):
            self._adopted = await self._in_thread(adopt_dead_spools, self._parent)
        for adopted in self._adopted:
            if adopted.rows:
                self._observer.spool_adopted(adopted.instance_id, adopted.rows)

    async def _bury(self, adopted: AdoptedSpool) -> None:
        """All that a dead process knew is written: close the calls that it had."""
        calls = await self._store.close_lost(adopted.instance_id, adopted.died_at)
        self._note_success()
        self._adopted.remove(adopted)
        if calls:
            self._observer.calls_lost(adopted.instance_id, calls)
        await self._in_thread(adopted.finish)

    async def _write_next(self, spool: CallSpool | AdoptedSpool) -> bool:
        """Write the oldest batch; False if there is none. Raises one of DATABASE_ERRORS."""
        if not spool.rows and spool is self._spool:
            return False
        found = await self._in_thread(_next_batch, spool)
        if found is None:
            return False
        batch, lines = found
        refused = await self._write(lines)
        await self._set_aside(refused, batch)
        await self._in_thread(spool.remove, batch)
        return True

    async def _write(self, lines: list[bytes]) -> list[tuple[bytes, str]]:
        """Write all but those that the database refuses: these are returned, each with why."""
        if not lines:
            return []
        started_at = self._clock()
        try:
            await self._store.upsert([json_of(line) for line in lines])
        except RowsRefusedError as error:
            if len(lines) == 1:
                return [(lines[0], str(error))]
            middle = len(lines) // 2
            return await self._write(lines[:middle]) + await self._write(lines[middle:])
        self._note_success()
        self._observer.rows_written(len(lines), self._clock() - started_at)
        return []

    async def _set_aside(self, refused: list[tuple[bytes, str]], batch: SpoolBatch) -> None:
        """Only once the rest is written: a batch that is repeated sets nothing aside twice."""
        bad = [*refused, *((line, "damaged") for line in batch.damaged)]
        for line, reason in bad:
            try:
                await self._in_thread(self._rejected.append, [line], reason)
            except OSError:
                kind = RowKind.ENDED if reason == "damaged" else kind_of(line)
                self._observer.rows_dropped(kind, 1)
            else:
                self._observer.rows_rejected(1, reason)

    def _note_success(self) -> None:
        was_working, self._is_working = self._is_working, True
        if was_working is False:
            self._observer.writing_changed(True, "")

    def _note_failure(self, error: BaseException) -> None:
        reason = failure_in_words(error)
        self._observer.write_failed(reason)
        if self._is_working is not False:
            self._is_working = False
            self._observer.writing_changed(False, reason)


def _next_batch(spool: CallSpool | AdoptedSpool) -> tuple[SpoolBatch, list[bytes]] | None:
    """The oldest batch, and those of its rows that are to be written."""
    batch = spool.next_batch()
    return None if batch is None else (batch, latest_of_each_call(batch.lines))
