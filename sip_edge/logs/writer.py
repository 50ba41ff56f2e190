"""Writes finished lines from a thread of its own, many at a time.

Whoever logs only appends to a list: a pipe that nobody reads must never stop speech. What does not
fit while the pipe is blocked is dropped and counted.
"""

from __future__ import annotations

import os
import select
import threading
from typing import Final

FLUSH_SECONDS: Final = 0.05
"""How long a line may wait for company: what a crash that skips `close` can lose."""
FLUSH_BYTES: Final = 65_536
"""As much as a pipe takes at once on Linux; more is written without waiting."""
MAX_WAITING_BYTES: Final = 8 << 20
"""Some ten seconds of lines at full load; beyond it lines are dropped, not memory used up."""
CLOSE_SECONDS: Final = 2.0
"""How long the end of the process waits for a pipe that nobody reads."""


class LineWriter:
    """Lines for a file descriptor, which it neither opens nor closes. Safe from any thread."""

    def __init__(self, fd: int, *, max_waiting_bytes: int = MAX_WAITING_BYTES) -> None:
        self._fd = fd
        self._max_waiting_bytes = max_waiting_bytes
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._waiting_bytes = 0
        self._dropped = 0
        self._closing = False
        self._has_lines = threading.Event()
        self._hurry = threading.Event()
        self._written = threading.Condition(self._lock)
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Lines that were never written."""
        return self._dropped

    def write(self, line: bytes, *, is_urgent: bool) -> None:
        """Queue a line, newline included; an urgent one is written without waiting for others."""
        with self._lock:
            if self._closing or self._waiting_bytes + len(line) > self._max_waiting_bytes:
                self._dropped += 1
                return
            self._lines.append(line)
            self._waiting_bytes += len(line)
            is_first = len(self._lines) == 1
            hurries = is_urgent or self._waiting_bytes >= FLUSH_BYTES
        if hurries and not self._hurry.is_set():
            self._hurry.set()
        if is_first:
            self._has_lines.set()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until all that was queued is written; False if it takes longer."""
        self._hurry.set()
        with self._written:
            return self._written.wait_for(lambda: not self._waiting_bytes, timeout_seconds)

    def close(self) -> None:
        """Write what is queued, for at most CLOSE_SECONDS, and take no more."""
        with self._lock:
            self._closing = True
        self._hurry.set()
        self._has_lines.set()
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        while True:
            self._has_lines.wait()
            self._hurry.wait(FLUSH_SECONDS)
            with self._lock:
                lines, self._lines = self._lines, []
                self._has_lines.clear()
                self._hurry.clear()
                is_last = self._closing
            data = b"".join(lines)
            if not self._write_all(data):
                self._dropped += len(lines)
            with self._written:
                self._waiting_bytes -= len(data)
                self._written.notify_all()
            if is_last:
                return

    def _write_all(self, data: bytes) -> bool:
        """Write it all, however long the reader takes; False if there is no reader any more."""
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                # The descriptor is shared with someone who made it non-blocking, like a terminal.
                select.select([], [self._fd], [])
            except OSError:
                return False
        return True
