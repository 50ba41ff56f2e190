"""The records of calls as a whole, with a store that is no database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
import pytest
from support.call_records import (
    InMemoryCalls,
    RecordLog,
    SteppingClock,
    call_id,
    facts_of,
    report_of,
    timeline_of,
)
from support.disk import full_disk
from support.polling import eventually

from sip_edge.routing.timeline import Stage
from sip_edge.storage import call_records as module
from sip_edge.storage.call_records import CallRecords, wall_clock
from sip_edge.storage.call_spool import SpoolLimits
from sip_edge.storage.call_store import CallStore
from sip_edge.storage.spool_lines import RowKind, json_of, read_lines

pytestmark = pytest.mark.asyncio


class World:
    def __init__(self, spool_dir: Path, **limits: int) -> None:
        self.spool_dir = spool_dir
        self.log = RecordLog()
        self.wall = SteppingClock()
        self.store = InMemoryCalls()
        self.records = CallRecords(
            spool_dir=spool_dir,
            process="test",
            observer=self.log,
            clock=perf_counter,
            wall_clock=self.wall,
            limits=SpoolLimits(**limits),
        )

    @property
    def folder(self) -> Path:
        return self.spool_dir / self.records.instance_id

    def spooled(self) -> list[dict[str, Any]]:
        """The rows in the files of this process."""
        data = b"".join(path.read_bytes() for path in sorted(self.folder.glob("*.calls")))
        return [orjson.loads(json_of(line)) for line in read_lines(data).sound]

    async def spooled_states(self, count: int) -> dict[str, str]:
        """The rows in the files, once there are so many."""
        rows = await eventually(self.spooled, lambda rows: len(rows) == count, what="the spool")
        return {row["id"]: row["state"] for row in rows}


@asynccontextmanager
async def opened(spool_dir: Path, **limits: int) -> AsyncIterator[World]:
    """Records that no database takes."""
    world = World(spool_dir, **limits)
    async with world.records:
        yield world


@asynccontextmanager
async def running(records: CallRecords, store: CallStore) -> AsyncIterator[None]:
    """A database that takes them."""
    task = asyncio.create_task(records.run(store))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()


async def test_call_that_ended_is_on_the_disk_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        world.records.call_started(facts_of(1), perf_counter())
        world.records.call_ended(report_of(1))

        assert await world.spooled_states(1) == {call_id(1): "ended"}
        assert world.records.spool_rows == 1
        assert world.records.spool_bytes > 500


async def test_call_that_lasts_is_on_the_disk_before_its_end(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        world.records.call_started(facts_of(1), perf_counter())
        assert await world.spooled_states(1) == {call_id(1): "open"}

        world.records.call_ended(report_of(1))
        assert await world.spooled_states(2) == {call_id(1): "ended"}


async def test_call_begins_when_its_invite_arrived(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        world.records.call_started(facts_of(1), perf_counter() - 1.5)
        await world.spooled_states(1)

        [row] = world.spooled()
    began = row["started_at"]
    assert began.startswith("2026-07-01T11:59:58.")
    assert began.endswith("+00:00")


async def test_wall_clock_that_is_set_back_makes_no_call_end_before_it_began(
    tmp_path: Path,
) -> None:
    async with opened(tmp_path) as world:
        now = perf_counter()
        world.records.call_started(facts_of(1), now)
        world.wall.step(-3600)
        timeline = timeline_of({Stage.ANSWER: 0.25, Stage.END: 2.0}, invite_at=now)
        world.records.call_ended(report_of(1, timeline=timeline))
        await world.spooled_states(1)

        [row] = world.spooled()
    began = wall_time(row["started_at"])
    assert 11.99 < began <= 12.0
    assert wall_time(row["answered_at"]) - began == pytest.approx(0.25 / 3600)
    assert wall_time(row["ended_at"]) - began == pytest.approx(2.0 / 3600)


def wall_time(text: str) -> float:
    """Hours since midnight."""
    hours, minutes, seconds = text[11:-6].split(":")
    return int(hours) + int(minutes) / 60 + float(seconds) / 3600


async def test_end_of_a_call_that_nobody_announced_is_kept_too(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        now = perf_counter()
        timeline = timeline_of({Stage.END: 2.0}, invite_at=now - 2.0)
        world.records.call_ended(report_of(1, timeline=timeline))
        await world.spooled_states(1)

        [row] = world.spooled()
    assert wall_time(row["started_at"]) == pytest.approx(12 - 2 / 3600, abs=1 / 3600)


async def test_rows_reach_the_database_and_leave_the_spool(tmp_path: Path) -> None:
    async with opened(tmp_path) as world, running(world.records, world.store):
        world.records.call_started(facts_of(1), perf_counter())
        await eventually(world.store.states, lambda it: it == {call_id(1): "open"}, what="open")
        world.records.call_ended(report_of(1))
        await eventually(world.store.states, lambda it: it == {call_id(1): "ended"}, what="end")
        await eventually(
            lambda: os.listdir(world.folder), lambda names: names == ["lock"], what="the spool"
        )

        assert (world.records.spool_rows, world.records.spool_bytes) == (0, 0)


async def test_rows_of_before_the_database_was_there_reach_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        world.records.call_ended(report_of(1))
        await world.spooled_states(1)

        async with running(world.records, world.store):
            await eventually(world.store.states, what="the row")


async def test_last_rows_are_written_when_the_process_ends(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        async with running(world.records, world.store):
            for number in range(20):
                world.records.call_ended(report_of(number))

        assert len(world.store.rows) == 20


async def test_what_the_database_did_not_take_is_left_to_the_successor(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        world.store.is_hanging = True
        async with running(world.records, world.store):
            world.records.call_started(facts_of(1), perf_counter())
            await world.spooled_states(1)
            for number in range(2, 5):
                world.records.call_ended(report_of(number))

    async with opened(tmp_path) as successor, running(successor.records, successor.store):
        await eventually(
            successor.store.states,
            lambda states: (
                states
                == {
                    call_id(1): "lost",
                    call_id(2): "ended",
                    call_id(3): "ended",
                    call_id(4): "ended",
                }
            ),
            what="the rows of the predecessor",
        )
        assert successor.log.adopted == [(world.records.instance_id, 4)]
        await eventually(lambda: not world.folder.exists(), what="the folder's end")


async def test_calls_left_open_by_a_process_that_ended_in_peace_are_lost_too(
    tmp_path: Path,
) -> None:
    store = InMemoryCalls()
    async with opened(tmp_path) as world, running(world.records, store):
        world.records.call_started(facts_of(1), perf_counter())
        await eventually(store.states, what="the open row")

    async with opened(tmp_path) as successor, running(successor.records, store):
        await eventually(store.states, lambda it: it == {call_id(1): "lost"}, what="the loss")
        assert successor.log.adopted == []
        assert successor.log.lost == [(world.records.instance_id, 1)]


async def test_call_that_began_just_before_the_end_of_the_process_is_known(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        world.records.call_started(facts_of(1), perf_counter())

    assert [row["state"] for row in world.spooled()] == ["open"]


async def test_disk_that_is_full_is_told_of_and_costs_no_row(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        with full_disk(0):
            world.records.call_ended(report_of(1))
            await eventually(lambda: world.log.spooling, what="the fault")
            assert world.log.spooling == [(False, "append: File too large")]
            async with running(world.records, world.store):
                await eventually(world.store.states, what="the row")

        world.records.call_ended(report_of(2))
        await eventually(lambda: len(world.log.spooling) == 2, what="the recovery")
        assert world.log.spooling[1] == (True, "")
        assert world.log.dropped == {}


async def test_disk_that_has_room_again_gets_the_rows_of_meanwhile(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        with full_disk(0):
            world.records.call_ended(report_of(1))
            await eventually(lambda: world.log.spooling, what="the fault")

        assert await world.spooled_states(1) == {call_id(1): "ended"}


async def test_rows_that_wait_are_made_to_outlast_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(os.fstat(fd).st_size))
    async with opened(tmp_path) as world:
        world.records.call_ended(report_of(1))
        await world.spooled_states(1)
        size = world.records.spool_bytes

        await eventually(lambda: size in synced, what="the sync")


async def test_rows_that_are_given_up_are_counted(tmp_path: Path) -> None:
    async with opened(tmp_path, memory_rows=2) as world:
        with full_disk(0):
            for number in range(5):
                world.records.call_ended(report_of(number))
            await eventually(lambda: world.log.dropped == {RowKind.ENDED: 3}, what="the loss")


async def test_refused_calls_take_no_more_than_one_row_each(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        for number in range(200):
            world.records.call_started(facts_of(number), perf_counter())
            world.records.call_ended(report_of(number))
        await world.spooled_states(200)
        await asyncio.sleep(2 * module.OPEN_SECONDS)

        assert len(world.spooled()) == 200


async def test_folder_that_cannot_be_made_stops_no_call(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("")
    async with opened(tmp_path / "spool") as world, running(world.records, world.store):
        world.records.call_ended(report_of(1))
        await eventually(world.store.states, what="the row")
        await eventually(lambda: world.log.spooling, what="the fault")

        assert world.log.spooling == [(False, "append: File exists")]


async def test_process_gives_signs_of_life(tmp_path: Path) -> None:
    async with opened(tmp_path) as world:
        os.utime(world.folder / "lock", (0, 0))
        await eventually(lambda: (world.folder / "lock").stat().st_mtime > 0, what="a sign of life")


async def test_wall_clock_knows_its_zone() -> None:
    assert wall_clock().utcoffset() is not None
