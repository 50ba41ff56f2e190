"""Blocking work off the event loop, on threads that nobody waits for.

A disk that hangs (a network file system whose server is away) holds these threads, and the
voicemail's work behind them, but no call, and not the end of the process either: that is why these
are not the threads of `concurrent.futures`, which are waited for at exit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Final, Protocol, TypeVar

_Result = TypeVar("_Result")

THREADS: Final = 4
"""250 recordings write once a second, each for less than a millisecond."""


class Offload(Protocol):
    """Does blocking work somewhere else; what it raises is raised here."""

    async def __call__(self, work: Callable[[], _Result]) -> _Result: ...


class DiskThreads:
    """Threads of our own (implements Offload). Work goes on when who asked for it has left."""

    def __init__(self) -> None:
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        for number in range(THREADS):
            Thread(target=self._serve, name=f"voicemail-disk-{number}", daemon=True).start()

    async def __call__(self, work: Callable[[], _Result]) -> _Result:
        """Run `work` on a thread and return its result."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_Result] = loop.create_future()

        def run() -> None:
            if done.cancelled():
                return
            try:
                result = work()
            except Exception as error:  # noqa: BLE001  # Raised where the work was asked for.
                tell(_raise_in, done, error)
            else:
                tell(_return_from, done, result)

        def tell(how: Callable[..., None], *what: object) -> None:
            with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                loop.call_soon_threadsafe(how, *what)

        self._waiting.put(run)
        return await done

    def close(self) -> None:
        """End the threads when all work is done."""
        for _ in range(THREADS):
            self._waiting.put(None)

    def _serve(self) -> None:
        while (run := self._waiting.get()) is not None:
            run()


def _return_from(done: asyncio.Future[_Result], result: _Result) -> None:
    if not done.done():
        done.set_result(result)


def _raise_in(done: asyncio.Future[_Result], error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
