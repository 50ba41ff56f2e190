"""The spool of this process: what is kept where, in which order, and what is given up first."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from support.call_records import INSTANCE, ended_line, open_line
from support.disk import full_disk
from support.ticks import Ticks

from sip_edge.storage.call_spool import CallSpool, SpoolLimits
from sip_edge.storage.spool_lines import RowKind

LINE_BYTES = len(ended_line(1))


class World:
    def __init__(self, parent: Path, **limits: int) -> None:
        self.parent = parent
        self.clock = Ticks(50.0)
        self.spool = CallSpool(
            parent=parent, instance_id=INSTANCE, clock=self.clock, limits=SpoolLimits(**limits)
        )
        self.spool.open()

    @property
    def folder(self) -> Path:
        return self.parent / INSTANCE

    def on_disk(self) -> bytes:
        """All files, in their order."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.glob("*.calls")))

    def drain(self) -> list[list[bytes]]:
        """Take all batches out."""
        batches = []
        while (batch := self.spool.next_batch()) is not None:
            batches.append(batch.lines)
            self.spool.remove(batch)
        return batches


def test_folder_is_there_before_any_row(tmp_path: Path) -> None:
    world = World(tmp_path)

    assert os.listdir(world.folder) == ["lock"]
    assert (world.spool.rows, world.spool.size, world.spool.fault) == (0, 0, None)
    world.spool.close()


def test_row_is_on_the_disk_until_it_is_removed(tmp_path: Path) -> None:
    world = World(tmp_path)

    world.spool.append([ended_line(1)])
    assert world.on_disk() == ended_line(1)
    assert (world.spool.rows, world.spool.size) == (1, LINE_BYTES)

    batch = world.spool.next_batch()
    assert batch is not None
    assert batch.lines == [ended_line(1)]
    assert world.on_disk() == ended_line(1)

    world.spool.remove(batch)
    assert os.listdir(world.folder) == ["lock"]
    assert (world.spool.rows, world.spool.size) == (0, 0)
    assert world.spool.next_batch() is None
    world.spool.close()


def test_batch_that_is_not_removed_comes_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.spool.append([ended_line(1)])
    world.spool.next_batch()
    world.spool.append([ended_line(2)])

    assert world.drain() == [[ended_line(1)], [ended_line(2)]]
    world.spool.close()


def test_removing_a_batch_twice_does_no_harm(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.spool.append([ended_line(1)])
    batch = world.spool.next_batch()
    assert batch is not None
    world.spool.append([ended_line(2)])

    world.spool.remove(batch)
    world.spool.remove(batch)

    assert world.spool.rows == 1
    assert world.drain() == [[ended_line(2)]]
    world.spool.close()


def test_batches_are_bounded_in_rows(tmp_path: Path) -> None:
    world = World(tmp_path, segment_rows=2)

    world.spool.append([ended_line(number) for number in range(5)])

    assert world.spool.rows == 5
    assert world.drain() == [
        [ended_line(0), ended_line(1)],
        [ended_line(2), ended_line(3)],
        [ended_line(4)],
    ]
    world.spool.close()


def test_batches_are_bounded_in_bytes(tmp_path: Path) -> None:
    world = World(tmp_path, segment_bytes=2 * LINE_BYTES + 10)

    for number in range(3):
        world.spool.append([ended_line(number)])
    world.spool.append([ended_line(3), ended_line(4), ended_line(5)])

    assert [len(lines) for lines in world.drain()] == [2, 2, 2]
    world.spool.close()


def test_line_longer_than_a_batch_is_a_batch(tmp_path: Path) -> None:
    world = World(tmp_path, segment_bytes=10)

    world.spool.append([ended_line(1), ended_line(2)])

    assert world.drain() == [[ended_line(1)], [ended_line(2)]]
    world.spool.close()


def test_full_disk_keeps_rows_in_memory_until_there_is_room(tmp_path: Path) -> None:
    world = World(tmp_path)
    with full_disk(100):
        world.spool.append([ended_line(1)])
        world.spool.append([open_line(2)])

        assert world.on_disk() == b""
        assert world.spool.rows == 2
        assert world.spool.has_unsaved
        assert world.spool.fault == "append: File too large"

    world.spool.append([])

    assert world.on_disk() == ended_line(1) + open_line(2)
    assert (world.spool.rows, world.spool.has_unsaved, world.spool.fault) == (2, False, None)
    world.spool.close()


def test_rows_in_memory_reach_the_database_though_the_disk_is_full(tmp_path: Path) -> None:
    world = World(tmp_path)
    with full_disk(100):
        world.spool.append([open_line(1), ended_line(1)])

        assert world.drain() == [[open_line(1), ended_line(1)]]
    assert world.spool.rows == 0

    # Nobody knows that there is room again before something was written.
    world.spool.append([])
    assert world.spool.fault is not None
    world.spool.append([ended_line(2)])
    assert world.spool.fault is None
    world.spool.close()


def test_row_in_memory_that_the_disk_takes_meanwhile_is_written_twice_not_lost(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    with full_disk(100):
        world.spool.append([ended_line(1)])
        batch = world.spool.next_batch()
    assert batch is not None
    assert batch.segment is None
    world.spool.append([ended_line(2)])

    world.spool.remove(batch)

    assert world.drain() == [[ended_line(1), ended_line(2)]]
    world.spool.close()


def test_full_disk_stays_within_bounds_and_gives_up_open_calls_before_ended_ones(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, memory_rows=3)
    with full_disk(0):
        world.spool.append([ended_line(1), open_line(2), open_line(3)])
        assert world.spool.dropped == {RowKind.OPEN: 0, RowKind.ENDED: 0}

        world.spool.append([ended_line(4)])
        assert world.spool.dropped == {RowKind.OPEN: 2, RowKind.ENDED: 0}

        world.spool.append([ended_line(5), ended_line(6), ended_line(7)])
        assert world.spool.dropped == {RowKind.OPEN: 2, RowKind.ENDED: 2}
        assert world.drain() == [[ended_line(1), ended_line(4), ended_line(5)]]
    world.spool.close()


def test_full_spool_gives_up_the_oldest_open_calls_first(tmp_path: Path) -> None:
    opens = [open_line(number) for number in range(4)]
    world = World(tmp_path, segment_rows=2, max_bytes=2 * len(opens[0]) + 3 * LINE_BYTES)
    world.spool.append([opens[0], ended_line(5)])
    world.spool.append([opens[1], ended_line(6)])
    world.spool.append([ended_line(7)])
    assert world.spool.dropped[RowKind.OPEN] == 0

    world.spool.append([opens[2]])

    assert world.spool.dropped == {RowKind.OPEN: 1, RowKind.ENDED: 0}
    assert world.spool.rows == 5
    assert world.spool.size == len(world.on_disk())
    assert world.drain() == [
        [ended_line(5)],
        [opens[1], ended_line(6)],
        [ended_line(7), opens[2]],
    ]
    world.spool.close()


def test_spool_that_is_full_of_ended_calls_leaves_the_newest_in_memory(tmp_path: Path) -> None:
    world = World(tmp_path, segment_rows=2, max_bytes=2 * LINE_BYTES + 10)
    world.spool.append([ended_line(1), ended_line(2)])

    world.spool.append([ended_line(3)])

    assert world.spool.fault is not None
    assert "may hold" in world.spool.fault
    assert world.spool.rows == 3
    assert world.spool.dropped == {RowKind.OPEN: 0, RowKind.ENDED: 0}
    assert world.drain() == [[ended_line(1), ended_line(2)], [ended_line(3)]]
    world.spool.close()


def test_rows_wait_for_a_second_before_they_are_made_to_outlast_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fdatasync", lambda fd: synced.append(os.fstat(fd).st_size))
    world = World(tmp_path)
    world.spool.append([ended_line(1)])

    world.clock.now += 0.9
    world.spool.sync()
    assert synced == []

    world.clock.now += 0.1
    world.spool.sync()
    world.spool.sync()
    assert synced == [LINE_BYTES]

    world.spool.append([ended_line(2)])
    world.spool.sync()
    assert synced == [LINE_BYTES, 2 * LINE_BYTES]
    world.spool.close()


def test_disk_that_cannot_be_synced_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fail)
    world = World(tmp_path)
    world.spool.append([ended_line(1)])
    world.clock.now += 5

    world.spool.sync()
    world.spool.append([ended_line(2)])

    assert world.spool.fault == "sync: Input/output error"
    world.spool.close()


def test_folder_that_somebody_removed_is_made_again_and_no_open_file_is_lost(
    tmp_path: Path,
) -> None:
    world = World(tmp_path / "spool", segment_rows=2)
    world.spool.append([ended_line(1)])
    shutil.rmtree(world.parent)

    world.spool.append([ended_line(2), ended_line(3)])

    assert world.on_disk() == ended_line(3)
    assert (world.folder / "lock").exists()
    world.spool.close()


def test_file_that_somebody_removed_is_counted_as_lost_and_stands_in_nobodys_way(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, segment_rows=2)
    world.spool.append([ended_line(number) for number in range(4)])
    sorted(world.folder.glob("*.calls"))[0].unlink()

    assert world.spool.next_batch() is None
    assert world.spool.dropped[RowKind.ENDED] == 2
    assert world.spool.rows == 2
    assert world.drain() == [[ended_line(2), ended_line(3)]]
    world.spool.close()


def test_file_that_cannot_be_read_now_stands_in_nobodys_way(tmp_path: Path) -> None:
    world = World(tmp_path, segment_rows=2)
    world.spool.append([ended_line(number) for number in range(4)])
    first = sorted(world.folder.glob("*.calls"))[0]
    content = first.read_bytes()
    first.unlink()
    first.mkdir()

    assert world.spool.next_batch() is None
    assert world.spool.fault == "read: Is a directory"
    batch = world.spool.next_batch()
    assert batch is not None
    assert batch.lines == [ended_line(2), ended_line(3)]
    world.spool.remove(batch)

    first.rmdir()
    first.write_bytes(content)
    assert world.drain() == [[ended_line(0), ended_line(1)]]
    assert world.spool.fault is None
    world.spool.close()


def test_without_a_folder_only_ended_calls_are_written(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file")
    world = World(tmp_path / "spool")

    world.spool.append([open_line(1), ended_line(2)])

    assert world.spool.fault == "append: File exists"
    assert world.drain() == [[ended_line(2)]]

    (tmp_path / "spool").unlink()
    world.spool.append([])
    assert world.drain() == [[open_line(1)]]
    world.spool.close()


def test_damaged_lines_come_with_their_batch(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.spool.append([ended_line(1)])
    [path] = world.folder.glob("*.calls")
    with path.open("ab") as file:
        file.write(b"torn")

    batch = world.spool.next_batch()

    assert batch is not None
    assert (batch.lines, batch.damaged) == ([ended_line(1)], [b"torn"])
    world.spool.close()


def test_rows_that_stay_in_memory_at_the_end_are_counted_as_lost(tmp_path: Path) -> None:
    world = World(tmp_path)
    with full_disk(0):
        world.spool.append([ended_line(1), open_line(2)])
        world.spool.close()

    assert world.spool.dropped == {RowKind.OPEN: 1, RowKind.ENDED: 1}


def test_signs_of_life_are_given_on_the_lock(tmp_path: Path) -> None:
    world = World(tmp_path)
    os.utime(world.folder / "lock", (0, 0))

    world.spool.touch()

    assert (world.folder / "lock").stat().st_mtime > 0
    world.spool.close()
    world.spool.touch()
