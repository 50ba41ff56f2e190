"""The spool of this process: what is known of calls is here before it is in the database.

A row is appended to a file as soon as it is known, so that it outlives `kill -9` of the process,
and stays there until the database has committed it. A file is the unit of both: its rows are
written by one statement, then it is removed. While the database is away, files pile up. What the
disk does not take is kept in memory, within bounds.
"""

from __future__ import annotations

import errno
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sip_edge.storage.spool_folder import SpoolFolder
from sip_edge.storage.spool_lines import RowKind, kind_of
from sip_edge.storage.spool_segment import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sip_edge.storage.spool_lines import SpoolLines

SYNC_SECONDS: Final = 1.0
"""Rows that have waited for so long are made to outlast a power cut; with a database that answers
none waits for longer than a fraction of it."""


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much is kept, and where."""

    segment_rows: int = 500
    """One statement writes so many rows in 20 to 40 ms."""
    segment_bytes: int = 512 << 10
    max_bytes: int = 1 << 30
    """Some 700,000 calls: 20 hours at 10 calls a second."""
    memory_rows: int = 10_000
    """Some 15 MB, for a disk that is full."""


STANDARD_LIMITS: Final = SpoolLimits()


@dataclass(frozen=True, slots=True)
class SpoolBatch:
    """Rows to be written together, in their order; `segment` is None if they are in memory."""

    lines: list[bytes]
    damaged: list[bytes]
    segment: Segment | None


class CallSpool:
    """The spool of instance `instance_id` in a folder of `parent`. Made for several threads.

    No method raises OSError: `fault` says what is wrong. `dropped` counts the rows given up.
    """

    def __init__(
        self,
        *,
        parent: Path,
        instance_id: str,
        clock: Callable[[], float],
        limits: SpoolLimits = STANDARD_LIMITS,
    ) -> None:
        self._parent = parent
        self._instance_id = instance_id
        self._clock = clock
        self._limits = limits
        self._lock = threading.Lock()
        self._folder: SpoolFolder | None = None
        self._segments: list[Segment] = []
        self._unsaved: list[bytes] = []
        self._next_number = 1
        self._disk_bytes = 0
        self._disk_rows = 0
        self._faults: dict[str, str] = {}
        self.dropped = dict.fromkeys(RowKind, 0)

    @property
    def rows(self) -> int:
        """Rows that the database has not committed."""
        return self._disk_rows + len(self._unsaved)

    @property
    def size(self) -> int:
        """Their bytes on the disk."""
        return self._disk_bytes

    @property
    def is_behind(self) -> bool:
        """True if more waits than one batch takes."""
        return len(self._segments) > 1 or len(self._unsaved) > self._limits.segment_rows

    @property
    def has_unsaved(self) -> bool:
        """True if the disk has not taken every row."""
        return bool(self._unsaved)

    @property
    def fault(self) -> str | None:
        """What is wrong with the disk, None if nothing is."""
        return "; ".join(self._faults.copy().values()) or None

    def open(self) -> None:
        """Make the folder, so that a successor will know of us."""
        with self._lock, self._noting_faults("append"):
            self._open_folder()

    def append(self, lines: Sequence[bytes]) -> None:
        """Write rows to the disk; without any, try again with those that it did not take."""
        with self._lock:
            self._unsaved += lines
            if not self._unsaved:
                return
            with self._noting_faults("append"):
                while self._unsaved:
                    self._save_some()
            if len(self._unsaved) > self._limits.memory_rows:
                self._bound_memory()

    def next_batch(self) -> SpoolBatch | None:
        """The oldest rows; the same ones again until they are removed. None if there are none."""
        with self._lock:
            # A full disk leaves a file without rows.
            segment = next((each for each in self._segments if each.rows), None)
            if segment is None:
                return self._batch_in_memory()
            found = self._read(segment)
            if found is not None:
                return SpoolBatch(found.sound, found.damaged, segment)
            self._segments.remove(segment)
            if segment.path.exists():
                # It must not stand in the way of the others.
                self._segments.append(segment)
            else:
                self.dropped[RowKind.ENDED] += segment.rows
                self._uncount(segment)
            return self._batch_in_memory()

    def remove(self, batch: SpoolBatch) -> None:
        """The database has committed these rows."""
        segment = batch.segment
        with self._lock:
            if segment is None:
                # Meanwhile the disk may have taken some: they will be written once more.
                written = set(batch.lines)
                self._unsaved = [line for line in self._unsaved if line not in written]
                return
            if segment in self._segments:
                self._segments.remove(segment)
                self._uncount(segment)
            with self._noting_faults("remove"):
                segment.remove()

    def sync(self) -> None:
        """Make the rows that have waited for SYNC_SECONDS outlast a power cut; may take long."""
        latest = self._clock() - SYNC_SECONDS
        with self._lock:
            folder = self._folder
            waiting = [
                segment
                for segment in self._segments
                if not segment.is_synced and segment.began_at <= latest
            ]
        if folder is None or not waiting:
            return
        with self._noting_faults("sync"):
            for segment in waiting:
                with suppress(FileNotFoundError):
                    segment.sync()
            folder.sync()

    def touch(self) -> None:
        """Say that this process lives: the calls of a dead one ended when it said so last."""
        with self._lock, suppress(OSError):
            if self._folder is not None:
                self._folder.touch()

    def close(self) -> None:
        """Let go of the folder. It stays, for a successor to close what we have left open."""
        with self._lock:
            for line in self._unsaved:
                self.dropped[kind_of(line)] += 1
            for segment in self._segments:
                segment.close()
            folder, self._folder = self._folder, None
            if folder is not None:
                folder.release()

    def _read(self, segment: Segment) -> SpoolLines | None:
        found = None
        with self._noting_faults("read"):
            found = segment.read()
        return found

    def _batch_in_memory(self) -> SpoolBatch | None:
        lines = self._unsaved
        if self._folder is None:
            # Nobody would know of us if we died: what we leave open would be open for ever.
            lines = [line for line in lines if kind_of(line) is RowKind.ENDED]
        lines = lines[: self._limits.segment_rows]
        return SpoolBatch(lines, [], None) if lines else None

    def _save_some(self) -> None:
        """Write as many of the unsaved rows as the last file takes. Raises OSError."""
        segment = self._writable_segment()
        limits = self._limits
        count = size = 0
        for line in self._unsaved[: limits.segment_rows - segment.rows]:
            is_first = not (count or segment.rows)
            if segment.size + size + len(line) > limits.segment_bytes and not is_first:
                break
            count += 1
            size += len(line)
        if not count:
            segment.close()
            return
        self._make_room(size)
        segment.append(self._unsaved[:count])
        del self._unsaved[:count]
        self._disk_rows += count
        self._disk_bytes += size

    def _writable_segment(self) -> Segment:
        last = self._segments[-1] if self._segments else None
        if last is not None and not last.is_sealed:
            if last.rows < self._limits.segment_rows:
                return last
            last.close()
        folder = self._open_folder()
        segment = Segment.create(folder.path, self._next_number, began_at=self._clock())
        self._next_number += 1
        self._segments.append(segment)
        return segment

    def _open_folder(self) -> SpoolFolder:
        """The folder, made again if somebody has removed it. Raises OSError."""
        if self._folder is not None and not self._folder.is_there:
            self._folder.release()
            self._folder = None
        if self._folder is None:
            self._folder = SpoolFolder.create(self._parent, self._instance_id)
        return self._folder

    def _make_room(self, needed: int) -> None:
        """Drop the oldest rows of calls that have not ended. Raises OSError if that is in vain."""
        for segment in self._segments:
            if self._disk_bytes + needed <= self._limits.max_bytes:
                return
            if segment.is_sealed and segment.has_opens:
                rows, size = segment.rows, segment.size
                self.dropped[RowKind.OPEN] += segment.drop_opens()
                self._disk_rows -= rows - segment.rows
                self._disk_bytes -= size - segment.size
        if self._disk_bytes + needed > self._limits.max_bytes:
            raise OSError(errno.ENOSPC, f"the spool may hold {self._limits.max_bytes} bytes")

    def _bound_memory(self) -> None:
        """Give up calls that have not ended, then the newest."""
        ended = [line for line in self._unsaved if kind_of(line) is RowKind.ENDED]
        self.dropped[RowKind.OPEN] += len(self._unsaved) - len(ended)
        self.dropped[RowKind.ENDED] += max(0, len(ended) - self._limits.memory_rows)
        self._unsaved = ended[: self._limits.memory_rows]

    def _uncount(self, segment: Segment) -> None:
        self._disk_rows -= segment.rows
        self._disk_bytes -= segment.size

    @contextmanager
    def _noting_faults(self, what: str) -> Iterator[None]:
        """Keep an OSError in `fault` instead of raising it, until the same works again."""
        try:
            yield
        except OSError as error:
            self._faults[what] = f"{what}: {error.strerror or type(error).__name__}"
        else:
            self._faults.pop(what, None)
