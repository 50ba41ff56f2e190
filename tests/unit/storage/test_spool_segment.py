"""One file of a spool."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.call_records import ended_line, open_line
from support.disk import full_disk

from sip_edge.storage.spool_segment import Segment


def test_file_has_its_number_and_is_nobody_elses(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 12, began_at=5.0)

    assert segment.path == tmp_path / "0000000012.calls"
    assert segment.path.stat().st_mode & 0o777 == 0o600
    assert segment.began_at == 5.0
    segment.close()


def test_file_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "0000000001.calls").write_bytes(b"somebody's")

    with pytest.raises(FileExistsError):
        Segment.create(tmp_path, 1, began_at=0.0)


def test_lines_are_in_the_file_when_append_returns(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 1, began_at=0.0)

    segment.append([open_line(1), ended_line(1)])
    segment.append([ended_line(2)])

    assert segment.path.read_bytes() == open_line(1) + ended_line(1) + ended_line(2)
    assert (segment.rows, segment.size) == (3, len(segment.path.read_bytes()))
    segment.close()


def test_file_that_is_read_takes_no_more_lines(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 1, began_at=0.0)
    segment.append([ended_line(1)])

    assert segment.read().sound == [ended_line(1)]
    assert segment.is_sealed
    assert segment.read().sound == [ended_line(1)]
    with pytest.raises(ValueError, match="sealed"):
        segment.append([ended_line(2)])


def test_lines_are_read_though_the_file_was_removed_meanwhile(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 1, began_at=0.0)
    segment.append([ended_line(1)])
    segment.path.unlink()

    assert segment.read().sound == [ended_line(1)]


def test_lines_that_do_not_fit_on_the_disk_leave_no_trace(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 1, began_at=0.0)
    segment.append([ended_line(1)])

    with full_disk(segment.size + 100), pytest.raises(OSError, match="File too large"):
        segment.append([ended_line(2)])

    assert segment.path.read_bytes() == ended_line(1)
    segment.append([ended_line(3)])
    assert segment.read().sound == [ended_line(1), ended_line(3)]


def test_sync_covers_what_was_appended_before_it(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 1, began_at=0.0)
    segment.append([ended_line(1)])
    assert not segment.is_synced

    segment.sync()
    assert segment.is_synced

    segment.append([ended_line(2)])
    assert not segment.is_synced
    segment.close()


def test_calls_that_have_not_ended_can_be_dropped(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 1, began_at=0.0)
    segment.append([open_line(1), ended_line(1), open_line(2)])
    segment.close()

    assert segment.drop_opens() == 2

    assert segment.read().sound == [ended_line(1)]
    assert (segment.rows, segment.size) == (1, len(ended_line(1)))
    assert not segment.has_opens
    assert os.listdir(tmp_path) == ["0000000001.calls"]
    assert segment.path.stat().st_mode & 0o777 == 0o600


def test_file_of_another_process_is_found_with_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "0000000004.calls"
    path.write_bytes(ended_line(1) + ended_line(2) + b"torn")

    segment = Segment.find(path)

    assert (segment.rows, segment.size) == (2, path.stat().st_size)
    assert segment.read().sound == [ended_line(1), ended_line(2)]
    assert segment.read().damaged == [b"torn"]


def test_file_is_removed_once_or_more(tmp_path: Path) -> None:
    segment = Segment.create(tmp_path, 1, began_at=0.0)

    segment.remove()
    segment.remove()

    assert os.listdir(tmp_path) == []
