"""Rows that are set aside."""

from __future__ import annotations

from pathlib import Path

from support.call_records import ended_line

from sip_edge.storage.rejected_rows import RejectedRows
from sip_edge.storage.spool_lines import read_lines


def test_line_stands_under_the_reason(tmp_path: Path) -> None:
    RejectedRows(tmp_path).append([ended_line(1)], "22P05: bad\nescape")

    path = tmp_path / "calls.rejected"
    assert path.read_bytes() == b"# 22P05: bad escape\n" + ended_line(1)
    assert path.stat().st_mode & 0o777 == 0o600


def test_all_processes_append_to_one_file(tmp_path: Path) -> None:
    RejectedRows(tmp_path / "spool").append([ended_line(1)], "a")
    RejectedRows(tmp_path / "spool").append([ended_line(2), b"torn"], "b")

    data = (tmp_path / "spool" / "calls.rejected").read_bytes()
    assert read_lines(data).sound == [ended_line(1), ended_line(2)]
    assert data.splitlines()[-2:] == [b"# b", b"torn"]


def test_file_that_is_full_becomes_the_old_one(tmp_path: Path) -> None:
    rejected = RejectedRows(tmp_path, max_bytes=2 * len(ended_line(1)))
    for number in (1, 2, 3):
        rejected.append([ended_line(number)], "x")

    old = (tmp_path / "calls.rejected.old").read_bytes()
    assert read_lines(old).sound == [ended_line(2)]
    assert read_lines((tmp_path / "calls.rejected").read_bytes()).sound == [ended_line(3)]


def test_reason_is_cut_short(tmp_path: Path) -> None:
    RejectedRows(tmp_path).append([ended_line(1)], "x" * 10_000)

    assert (tmp_path / "calls.rejected").read_bytes().startswith(b"# " + b"x" * 300 + b"\n")
