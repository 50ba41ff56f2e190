"""A thread that takes rows to the disk as soon as they are known.

Whoever has a row only hands it over: a disk that is busy must never stop speech. Rows that come
while the disk is busy are written together.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_WAITING: Final = 10_000
"""Rows, some 15 MB; beyond it they are refused, not memory used up."""
MAX_AT_ONCE: Final = 1_000
CLOSE_SECONDS: Final = 5.0
"""How long the end of the process waits for a disk that hangs."""


class SpoolThread:
    """Hands lines to `append`, in order, in a thread of its own."""

    def __init__(
        self, append: Callable[[Sequence[bytes]], None], *, max_waiting: int = MAX_WAITING
    ) -> None:
        self._append = append
        self._max_waiting = max_waiting
        self._queue: SimpleQueue[bytes | Callable[[], object] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="call-spool", daemon=True)

    def start(self) -> None:
        """Begin to append; lines may have been handed over before."""
        self._thread.start()

    @property
    def is_behind(self) -> bool:
        """True if half of what may wait is waiting."""
        return self._queue.qsize() > self._max_waiting // 2

    def put(self, line: bytes) -> bool:
        """Hand over a line; False, and it is not taken, if too many wait. Never blocks."""
        if self._queue.qsize() >= self._max_waiting:
            return False
        self._queue.put(line)
        return True

    def prod(self) -> None:
        """Have `append` called, with nothing if nothing waits."""
        self._queue.put(_nothing)

    async def appended(self) -> None:
        """Return when all that was handed over has been appended."""
        loop = asyncio.get_running_loop()
        done = asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):  # Nobody waits any more: the loop is closed.
                loop.call_soon_threadsafe(done.set)

        self._queue.put(tell)
        await done.wait()

    def close(self) -> None:
        """Append what was handed over, for at most CLOSE_SECONDS, then end."""
        self._queue.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            items = [self._queue.get()]
            try:
                while len(items) < MAX_AT_ONCE:
                    items.append(self._queue.get_nowait())
            except Empty:
                pass
            is_last = None in items
            self._append([item for item in items if isinstance(item, bytes)])
            for item in items:
                if callable(item):
                    item()


def _nothing() -> None:
    """What `prod` puts in the queue."""
