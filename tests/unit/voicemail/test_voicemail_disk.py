"""Blocking work on threads of its own."""

from __future__ import annotations

import asyncio
import threading

import pytest

from sip_edge.voicemail.disk import THREADS, DiskThreads

pytestmark = pytest.mark.asyncio


async def test_work_is_done_on_another_thread() -> None:
    disk = DiskThreads()

    name = await disk(lambda: threading.current_thread().name)

    assert name.startswith("voicemail")
    disk.close()


async def test_what_work_raises_is_raised_to_whoever_asked() -> None:
    disk = DiskThreads()

    def fail() -> None:
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        await disk(fail)
    disk.close()


async def test_a_disk_that_hangs_holds_nobody_on_the_loop() -> None:
    disk = DiskThreads()
    gate = threading.Event()
    hanging = [asyncio.create_task(disk(lambda: gate.wait(60))) for _ in range(THREADS)]
    await asyncio.sleep(0)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await disk(lambda: None)

    gate.set()
    assert await asyncio.gather(*hanging) == [True] * THREADS
    disk.close()


async def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    disk = DiskThreads()
    gate = threading.Event()
    done: list[str] = []
    hanging = [asyncio.create_task(disk(lambda: gate.wait(60))) for _ in range(THREADS)]
    abandoned = asyncio.create_task(disk(lambda: done.append("abandoned")))
    await asyncio.sleep(0)

    abandoned.cancel()
    await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*hanging)
    await disk(lambda: done.append("wanted"))

    assert done == ["wanted"]
    disk.close()


async def test_threads_do_not_hold_the_process_when_it_ends() -> None:
    disk = DiskThreads()

    assert await disk(lambda: threading.current_thread().daemon)
    disk.close()
