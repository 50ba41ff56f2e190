"""The one place that starts a detached task.

`asyncio` keeps only a weak reference to a task and says nothing of its failure until the task is
collected. `spawn` keeps it alive, names it, and logs and counts a failure; its neighbours live on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import structlog

_Result = TypeVar("_Result")

_running: Final[set[asyncio.Task[object]]] = set()
_failure_counters: Final[list[Callable[[], None]]] = []


def spawn(
    coroutine: Coroutine[object, object, _Result],
    *,
    name: str,
    on_error: Callable[[BaseException], None] | None = None,
) -> asyncio.Task[_Result]:
    """Run `coroutine` as a task of its own on the running loop.

    A failure is a defect: it is logged with its traceback, counted, and handed to `on_error`. A
    cancelled task has not failed.
    """
    task = asyncio.create_task(coroutine, name=name)
    _running.add(task)

    def finished(done: asyncio.Task[_Result]) -> None:
        _running.discard(done)
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            _report(name, error)
            if on_error is not None:
                on_error(error)

    task.add_done_callback(finished)
    return task


def count_failures_with(counter: Callable[[], None]) -> Callable[[], None]:
    """Call `counter` once for each failure from now on; returns what ends that."""
    _failure_counters.append(counter)

    def stop() -> None:
        if counter in _failure_counters:
            _failure_counters.remove(counter)

    return stop


def report_loop_errors(loop: asyncio.AbstractEventLoop) -> None:
    """Log and count what escapes from the loop's callbacks too; the loop lives on."""

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        _count_failure()
        structlog.get_logger("sip_edge.tasks").error(
            "loop_callback_failed",
            message=context.get("message"),
            exc_info=context.get("exception"),
        )

    loop.set_exception_handler(handle)


def running_tasks() -> int:
    """How many spawned tasks have not finished."""
    return len(_running)


def _report(name: str, error: BaseException) -> None:
    _count_failure()
    structlog.get_logger("sip_edge.tasks").error("task_failed", task=name, exc_info=error)


def _count_failure() -> None:
    for counter in _failure_counters:
        counter()
