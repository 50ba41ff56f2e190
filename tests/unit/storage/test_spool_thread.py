"""The thread that takes rows to the disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from sip_edge.storage.spool_thread import SpoolThread


class SlowDisk:
    """Takes nothing before `free` is set."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.writes: list[list[bytes]] = []

    def append(self, lines: Sequence[bytes]) -> None:
        assert self.free.wait(10)
        self.writes.append(list(lines))

    @property
    def lines(self) -> list[bytes]:
        return [line for write in self.writes for line in write]


@pytest.mark.asyncio
async def test_lines_are_appended_in_order() -> None:
    disk = SlowDisk()
    disk.free.set()
    thread = SpoolThread(disk.append)
    thread.put(b"before the start")
    thread.start()

    thread.put(b"1")
    thread.put(b"2")
    await thread.appended()

    assert disk.lines == [b"before the start", b"1", b"2"]
    thread.close()


def test_lines_that_come_while_the_disk_is_busy_are_written_together() -> None:
    disk = SlowDisk()
    thread = SpoolThread(disk.append)
    lines = [b"%d" % number for number in range(100)]
    for line in lines:
        thread.put(line)
    thread.start()

    disk.free.set()
    thread.close()

    assert disk.lines == lines
    assert disk.writes[0] == lines


def test_what_a_disk_that_hangs_does_not_take_is_refused() -> None:
    disk = SlowDisk()
    thread = SpoolThread(disk.append, max_waiting=4)

    taken = [(thread.put(b"x"), thread.is_behind) for _ in range(6)]

    assert taken == [
        (True, False),
        (True, False),
        (True, True),
        (True, True),
        (False, True),
        (False, True),
    ]
    thread.start()
    disk.free.set()
    thread.close()
    assert len(disk.lines) == 4


@pytest.mark.asyncio
async def test_disk_is_tried_again_when_prodded() -> None:
    disk = SlowDisk()
    disk.free.set()
    thread = SpoolThread(disk.append)
    thread.start()

    thread.prod()
    await thread.appended()

    assert disk.lines == []
    assert len(disk.writes) >= 1
    thread.close()
