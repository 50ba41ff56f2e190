"""The spools that dead processes left behind."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.call_records import INSTANCE, OTHER_INSTANCE, ended_line, open_line

from sip_edge.storage.adopted_spool import AdoptedSpool, adopt_dead_spools
from sip_edge.storage.spool_folder import SpoolFolder


def left_behind(parent: Path, *files: bytes, instance_id: str = INSTANCE) -> Path:
    """The folder of a process that was killed."""
    folder = SpoolFolder.create(parent, instance_id)
    for number, content in enumerate(files, start=1):
        (folder.path / f"{number:010}.calls").write_bytes(content)
    folder.release()
    return folder.path


def drain(spool: AdoptedSpool) -> list[list[bytes]]:
    batches = []
    while (batch := spool.next_batch()) is not None:
        batches.append(batch.lines)
        spool.remove(batch)
    return batches


def test_rows_come_in_the_order_in_which_they_were_written(tmp_path: Path) -> None:
    path = left_behind(tmp_path, open_line(1) + ended_line(2), ended_line(1))

    [spool] = adopt_dead_spools(tmp_path)

    assert spool.instance_id == INSTANCE
    assert (spool.rows, spool.size) == (3, len(open_line(1) + ended_line(2) + ended_line(1)))
    assert drain(spool) == [[open_line(1), ended_line(2)], [ended_line(1)]]
    assert (spool.rows, spool.size) == (0, 0)
    spool.finish()
    assert not path.exists()


def test_batch_that_is_not_removed_comes_again_also_to_the_next_who_adopts(tmp_path: Path) -> None:
    left_behind(tmp_path, ended_line(1))
    [spool] = adopt_dead_spools(tmp_path)
    first = spool.next_batch()
    second = spool.next_batch()
    assert first is not None
    assert second is not None
    assert first.lines == second.lines == [ended_line(1)]

    spool.release()

    [again] = adopt_dead_spools(tmp_path)
    assert drain(again) == [[ended_line(1)]]
    again.finish()


def test_torn_last_line_costs_no_other(tmp_path: Path) -> None:
    left_behind(tmp_path, ended_line(1) + ended_line(2)[:-30])
    [spool] = adopt_dead_spools(tmp_path)

    batch = spool.next_batch()

    assert batch is not None
    assert batch.lines == [ended_line(1)]
    assert batch.damaged == [ended_line(2)[:-30]]
    spool.release()


def test_process_without_rows_is_adopted_for_the_calls_that_it_had(tmp_path: Path) -> None:
    path = left_behind(tmp_path)
    moment = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
    os.utime(path / "lock", (0, moment.timestamp()))

    [spool] = adopt_dead_spools(tmp_path)

    assert spool.next_batch() is None
    assert spool.died_at == moment
    spool.finish()
    assert not path.exists()


def test_file_that_was_being_rewritten_is_forgotten(tmp_path: Path) -> None:
    path = left_behind(tmp_path, ended_line(1))
    (path / "0000000001.new").write_bytes(b"half")

    [spool] = adopt_dead_spools(tmp_path)

    assert drain(spool) == [[ended_line(1)]]
    spool.finish()
    assert not path.exists()


def test_file_that_cannot_be_read_now_stands_in_nobodys_way_and_stays(tmp_path: Path) -> None:
    path = left_behind(tmp_path, ended_line(1), ended_line(2))
    [spool] = adopt_dead_spools(tmp_path)
    (path / "0000000001.calls").unlink()
    (path / "0000000001.calls").mkdir()

    assert drain(spool) == [[ended_line(2)]]
    spool.finish()

    assert sorted(os.listdir(path)) == ["0000000001.calls", "lock"]


def test_file_that_somebody_removed_is_passed_over(tmp_path: Path) -> None:
    path = left_behind(tmp_path, ended_line(1), ended_line(2))
    [spool] = adopt_dead_spools(tmp_path)
    (path / "0000000001.calls").unlink()

    assert drain(spool) == [[ended_line(2)]]
    spool.finish()
    assert not path.exists()


def test_folder_that_cannot_be_read_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    broken = left_behind(tmp_path)
    (broken / "0000000001.calls").mkdir()
    left_behind(tmp_path, ended_line(2), instance_id=OTHER_INSTANCE)

    [spool] = adopt_dead_spools(tmp_path)

    assert spool.instance_id == OTHER_INSTANCE
    assert drain(spool) == [[ended_line(2)]]
    spool.finish()


def test_spool_of_a_living_process_is_let_alone(tmp_path: Path) -> None:
    folder = SpoolFolder.create(tmp_path, INSTANCE)

    assert adopt_dead_spools(tmp_path) == []

    folder.release()


def test_batch_in_memory_is_none_of_these(tmp_path: Path) -> None:
    left_behind(tmp_path, ended_line(1))
    [spool] = adopt_dead_spools(tmp_path)
    batch = spool.next_batch()
    assert batch is not None

    spool.remove(type(batch)([], [], None))

    assert spool.rows == 1
    spool.release()


def test_unreadable_parent_is_an_error_that_is_expected(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()

    with pytest.raises(OSError, match="Is a directory"):
        adopt_dead_spools(tmp_path)
