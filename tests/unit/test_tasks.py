"""Detached tasks: kept alive, named, and never failing in silence."""

from __future__ import annotations

import asyncio
import gc

import pytest
from structlog.testing import capture_logs

from sip_edge.tasks import count_failures_with, report_loop_errors, running_tasks, spawn


async def _fail() -> None:
    raise RuntimeError("worker gone")


async def _settle() -> None:
    """Let finished tasks run their callbacks."""
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_result_of_a_spawned_task_can_be_awaited() -> None:
    async def seven() -> int:
        return 7

    task = spawn(seven(), name="count")

    assert await task == 7
    assert task.get_name() == "count"


@pytest.mark.asyncio
async def test_task_that_nobody_holds_is_not_collected() -> None:
    done = asyncio.Event()

    async def wait_then_set(gate: asyncio.Event) -> None:
        await gate.wait()
        done.set()

    gate = asyncio.Event()
    spawn(wait_then_set(gate), name="background")
    await _settle()
    gc.collect()

    assert running_tasks() == 1
    gate.set()
    await _settle()

    assert done.is_set()
    assert running_tasks() == 0


@pytest.mark.asyncio
async def test_failure_is_logged_counted_and_handed_on_once() -> None:
    errors: list[BaseException] = []
    counted: list[int] = []
    stop = count_failures_with(lambda: counted.append(1))

    with capture_logs() as lines:
        spawn(_fail(), name="call 3848276298220188511@atlanta.example.com", on_error=errors.append)
        await _settle()
    stop()

    assert [str(error) for error in errors] == ["worker gone"]
    assert counted == [1]
    [line] = lines
    assert (line["event"], line["log_level"], line["task"]) == (
        "task_failed",
        "error",
        "call 3848276298220188511@atlanta.example.com",
    )


@pytest.mark.asyncio
async def test_cancelled_task_is_no_failure() -> None:
    errors: list[BaseException] = []

    with capture_logs() as lines:
        report_loop_errors(asyncio.get_running_loop())
        task = spawn(asyncio.sleep(3600), name="sleeper", on_error=errors.append)
        await _settle()
        task.cancel()
        await _settle()

    assert task.cancelled()
    assert (errors, lines) == ([], [])


@pytest.mark.asyncio
async def test_failing_task_leaves_its_neighbours_alone() -> None:
    gate = asyncio.Event()
    neighbour = spawn(gate.wait(), name="neighbour")

    with capture_logs():
        spawn(_fail(), name="failing")
        await _settle()
    gate.set()

    assert await neighbour is True


@pytest.mark.asyncio
async def test_counter_that_was_taken_away_is_not_called() -> None:
    counted: list[int] = []
    stop = count_failures_with(lambda: counted.append(1))
    stop()

    with capture_logs():
        spawn(_fail(), name="failing")
        await _settle()

    assert counted == []


@pytest.mark.asyncio
async def test_callback_that_fails_is_logged_and_counted() -> None:
    loop = asyncio.get_running_loop()
    counted: list[int] = []
    stop = count_failures_with(lambda: counted.append(1))

    def fail() -> None:
        raise RuntimeError("no socket")

    with capture_logs() as lines:
        report_loop_errors(loop)
        loop.call_soon(fail)
        await _settle()
    stop()

    assert counted == [1]
    [line] = lines
    assert (line["event"], str(line["exc_info"])) == ("loop_callback_failed", "no socket")
