"""A `CallWriter` between a spool and a store without a database, in virtual time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from support.call_records import INSTANCE, OTHER_INSTANCE, InMemoryCalls, RecordLog

from sip_edge.storage.call_spool import CallSpool, SpoolLimits
from sip_edge.storage.call_writer import CallWriter
from sip_edge.storage.rejected_rows import FILE_NAME
from sip_edge.storage.spool_folder import SpoolFolder
from sip_edge.storage.spool_lines import read_lines

Result = TypeVar("Result")


async def at_once(function: Callable[..., Result], *arguments: object) -> Result:
    """Instead of a thread, for which virtual time would not wait."""
    await asyncio.sleep(0)
    return function(*arguments)


class World:
    def __init__(self, parent: Path, **limits: int) -> None:
        self.parent = parent
        self.clock = asyncio.get_running_loop().time
        self.spool = CallSpool(
            parent=parent, instance_id=INSTANCE, clock=self.clock, limits=SpoolLimits(**limits)
        )
        self.spool.open()
        self.store = InMemoryCalls()
        self.log = RecordLog()
        self.writer = CallWriter(
            spool=self.spool,
            parent=parent,
            store=self.store,
            observer=self.log,
            clock=self.clock,
            in_thread=at_once,
        )

    def set_aside(self) -> list[bytes]:
        """The lines in the file of rejected rows."""
        path = self.parent / FILE_NAME
        return read_lines(path.read_bytes()).sound if path.exists() else []


@asynccontextmanager
async def running(parent: Path, **limits: int) -> AsyncIterator[World]:
    world = World(parent, **limits)
    task = asyncio.create_task(world.writer.run())
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.wait({task})
        world.spool.close()
        assert task.cancelled()


def died(parent: Path, *files: bytes, instance_id: str = OTHER_INSTANCE) -> Path:
    """The folder of a process that was killed."""
    folder = SpoolFolder.create(parent, instance_id)
    for number, content in enumerate(files, start=1):
        (folder.path / f"{number:010}.calls").write_bytes(content)
    os.utime(folder.path / "lock", (0, datetime(2026, 7, 1, 12, 30, tzinfo=UTC).timestamp()))
    folder.release()
    return folder.path
