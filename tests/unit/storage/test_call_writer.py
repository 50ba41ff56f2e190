"""From the spool to the database: batches, outages, refused rows, the dead. Time is virtual."""

from __future__ import annotations

import asyncio
from pathlib import Path

from support.call_records import (
    INSTANCE,
    OTHER_INSTANCE,
    call_id,
    ended_line,
    open_line,
)
from support.disk import full_disk
from support.virtual_time import run
from support.writer_world import World, died, running

from sip_edge.storage.call_writer import ADOPT_SECONDS
from sip_edge.storage.rejected_rows import FILE_NAME
from sip_edge.storage.spool_lines import RowKind


def test_rows_are_written_within_a_fraction_of_a_second_and_then_removed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            await asyncio.sleep(1)
            world.spool.append([open_line(1), ended_line(2)])
            assert world.store.rows == {}

            await asyncio.sleep(0.21)

            assert world.store.states() == {call_id(1): "open", call_id(2): "ended"}
            assert world.spool.rows == 0
            assert world.store.batches == [2]
            assert (world.log.written, world.log.failures) == (2, [])

    run(scenario())


def test_call_that_begins_and_ends_within_a_batch_is_one_row(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.spool.append([open_line(1), ended_line(1)])
            await asyncio.sleep(0.5)

            assert world.store.states() == {call_id(1): "ended"}
            assert world.store.batches == [1]

    run(scenario())


def test_nothing_is_asked_of_the_database_while_there_is_nothing_to_write(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.store.is_down = True
            await asyncio.sleep(60)

            assert world.log.failures == []

    run(scenario())


def test_long_backlog_is_written_in_bounded_batches_one_soon_after_the_other(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with running(tmp_path, segment_rows=500) as world:
            await asyncio.sleep(0.01)
            world.spool.append([ended_line(number) for number in range(2600)])
            await asyncio.sleep(0.45)
            assert world.store.batches == [500, 500, 500, 500, 500]

            # The last ones may get company.
            world.spool.append([ended_line(3000)])
            await asyncio.sleep(0.2)
            assert world.store.batches == [500, 500, 500, 500, 500, 101]
            assert len(world.store.rows) == 2601

    run(scenario())


def test_rows_wait_for_a_database_that_is_away_and_then_none_is_missing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, segment_rows=10) as world:
            world.store.is_down = True
            for number in range(100):
                world.spool.append([open_line(number)])
                await asyncio.sleep(0.5)
                world.spool.append([ended_line(number)])
            assert world.store.rows == {}
            assert world.spool.rows == 200
            assert world.log.writing == [False]
            # Every 5 s or so, not every time that a row comes.
            assert 8 < len(world.log.failures) < 40

            world.store.is_down = False
            await asyncio.sleep(15)

            assert set(world.store.states().values()) == {"ended"}
            assert len(world.store.rows) == 100
            assert world.spool.rows == 0
            assert world.log.writing == [False, True]

    run(scenario())


def test_short_outage_is_over_soon_also_after_a_long_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.store.is_down = True
            world.spool.append([ended_line(1)])
            await asyncio.sleep(100)
            world.store.is_down = False
            await asyncio.sleep(10)
            assert len(world.store.rows) == 1

            world.store.is_down = True
            world.spool.append([ended_line(2)])
            await asyncio.sleep(0.3)
            world.store.is_down = False
            await asyncio.sleep(1.5)
            assert len(world.store.rows) == 2

    run(scenario())


def test_flapping_database_loses_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path, segment_rows=3) as world:
            for number in range(200):
                world.spool.append([open_line(number), ended_line(number)])
                world.store.is_down = number % 3 != 0
                await asyncio.sleep(0.37)
            world.store.is_down = False
            await asyncio.sleep(60)

            assert len(world.store.rows) == 200
            assert set(world.store.states().values()) == {"ended"}

    run(scenario())


def test_row_that_the_database_refuses_is_set_aside_and_the_rest_is_written(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.store.refused = {call_id(3), call_id(4), call_id(90)}
            world.spool.append([ended_line(number) for number in range(100)])
            await asyncio.sleep(0.5)

            assert len(world.store.rows) == 97
            assert world.spool.rows == 0
            assert sorted(world.set_aside()) == sorted(ended_line(n) for n in (3, 4, 90))
            assert world.log.rejected == [
                f"22P02: {call_id(number)} is refused" for number in (3, 4, 90)
            ]
            assert world.log.failures == []

    run(scenario())


def test_refused_row_is_set_aside_once_however_often_the_database_goes_away(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.store.refused = {call_id(1)}
            upsert = world.store.upsert
            calls = 0

            async def goes_away(rows: list[bytes]) -> None:
                nonlocal calls
                calls += 1
                # The batch is refused, its first half is, then the server is gone.
                world.store.is_down = calls % 4 == 3
                await upsert(rows)

            world.store.upsert = goes_away  # type: ignore[assignment, method-assign]
            world.spool.append([ended_line(1), ended_line(2), ended_line(3)])
            await asyncio.sleep(30)

            assert world.log.failures != []
            assert sorted(world.store.rows) == [call_id(2), call_id(3)]
            assert world.set_aside() == [ended_line(1)]

    run(scenario())


def test_line_that_is_damaged_is_set_aside(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.spool.append([ended_line(1)])
            [path] = (tmp_path / INSTANCE).glob("*.calls")
            with path.open("ab") as file:
                file.write(b"torn")
            await asyncio.sleep(0.5)

            assert world.store.states() == {call_id(1): "ended"}
            assert (tmp_path / FILE_NAME).read_bytes() == b"# damaged\ntorn\n"
            assert world.log.rejected == ["damaged"]

    run(scenario())


def test_row_that_cannot_even_be_set_aside_is_counted_as_lost(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.store.refused = {call_id(1)}
            (tmp_path / FILE_NAME).mkdir()
            world.spool.append([ended_line(1), ended_line(2)])
            await asyncio.sleep(0.5)

            assert world.store.states() == {call_id(2): "ended"}
            assert world.log.dropped == {RowKind.ENDED: 1}
            assert world.log.rejected == []

    run(scenario())


def test_rows_that_the_disk_does_not_take_are_written_from_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            with full_disk(0):
                world.spool.append([open_line(1), ended_line(1), ended_line(2)])
                await asyncio.sleep(1)

            assert world.store.states() == {call_id(1): "ended", call_id(2): "ended"}
            assert world.spool.rows == 0

    run(scenario())


def test_dead_process_leaves_its_rows_and_its_open_calls_are_lost(tmp_path: Path) -> None:
    path = died(
        tmp_path,
        open_line(1, OTHER_INSTANCE) + open_line(2, OTHER_INSTANCE),
        ended_line(2, OTHER_INSTANCE) + ended_line(3, OTHER_INSTANCE),
    )

    async def scenario() -> None:
        async with running(tmp_path) as world:
            await asyncio.sleep(1)

            assert world.store.states() == {
                call_id(1): "lost",
                call_id(2): "ended",
                call_id(3): "ended",
            }
            assert world.store.rows[call_id(1)]["ended_at"] == "2026-07-01T12:30:00+00:00"
            assert world.log.adopted == [(OTHER_INSTANCE, 4)]
            assert world.log.lost == [(OTHER_INSTANCE, 1)]
            assert not path.exists()
            assert world.writer.adopted_rows == world.writer.adopted_size == 0

    run(scenario())


def test_open_calls_of_the_living_are_let_alone(tmp_path: Path) -> None:
    died(tmp_path)

    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.spool.append([open_line(1)])
            await world.store.upsert([open_line(2, "5e55104e-0000-4000-8000-000000000003")[48:]])
            await asyncio.sleep(1)

            assert world.store.states() == {call_id(1): "open", call_id(2): "open"}
            assert world.log.lost == []

    run(scenario())


def test_spool_of_the_dead_waits_for_the_database_too(tmp_path: Path) -> None:
    path = died(tmp_path, ended_line(1, OTHER_INSTANCE))

    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.store.is_down = True
            await asyncio.sleep(20)
            assert world.writer.adopted_rows == 1
            assert world.writer.adopted_size == len(ended_line(1, OTHER_INSTANCE))

            world.store.is_down = False
            await asyncio.sleep(10)

            assert world.store.states() == {call_id(1): "ended"}
            assert not path.exists()

    run(scenario())


def test_process_that_dies_beside_us_is_noticed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            await asyncio.sleep(1)
            died(tmp_path, ended_line(1, OTHER_INSTANCE))
            await asyncio.sleep(ADOPT_SECONDS)

            assert world.store.states() == {call_id(1): "ended"}

    run(scenario())


def test_own_rows_do_not_wait_for_the_backlog_of_the_dead(tmp_path: Path) -> None:
    files = [ended_line(number, OTHER_INSTANCE) for number in range(100)]
    died(tmp_path, *files)

    async def scenario() -> None:
        async with running(tmp_path) as world:
            upsert = world.store.upsert

            async def call_ends_meanwhile(rows: list[bytes]) -> None:
                if len(world.store.rows) == 10:
                    world.spool.append([ended_line(500)])
                await upsert(rows)

            world.store.upsert = call_ends_meanwhile  # type: ignore[assignment, method-assign]
            await asyncio.sleep(10)

            assert len(world.store.rows) == 101
            assert list(world.store.rows).index(call_id(500)) in (11, 12)

    run(scenario())


def test_what_is_not_written_of_the_dead_is_left_to_the_next(tmp_path: Path) -> None:
    died(tmp_path, ended_line(1, OTHER_INSTANCE))

    async def first() -> None:
        async with running(tmp_path) as world:
            world.store.is_down = True
            await asyncio.sleep(1)

    async def second() -> None:
        async with running(tmp_path) as world:
            await asyncio.sleep(1)

            assert world.store.states() == {call_id(1): "ended"}

    run(first())
    run(second())


def test_spool_folder_that_cannot_be_searched_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("")

    async def scenario() -> None:
        async with running(tmp_path / "spool") as world:
            world.spool.append([ended_line(1)])
            await asyncio.sleep(1)

            assert world.store.states() == {call_id(1): "ended"}

    run(scenario())


def test_end_of_the_process_writes_what_is_left(tmp_path: Path) -> None:
    async def scenario() -> None:
        world = World(tmp_path, segment_rows=2)
        world.spool.append([ended_line(number) for number in range(5)])

        await world.writer.finish()

        assert len(world.store.rows) == 5
        world.spool.close()

    run(scenario())


def test_end_of_the_process_does_not_wait_for_a_database_that_is_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running(tmp_path) as world:
            world.store.is_down = True
            world.spool.append([ended_line(1)])
            await asyncio.sleep(1)
            world.store.is_hanging = True
            failures = len(world.log.failures)

            await world.writer.finish()

            assert len(world.log.failures) == failures
            assert world.spool.rows == 1

    run(scenario())
