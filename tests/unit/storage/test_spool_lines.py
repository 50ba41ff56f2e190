"""Lines of a spool file: a checksum, and what can be known without parsing the row."""

from __future__ import annotations

import pytest

from sip_edge.storage.spool_lines import (
    RowKind,
    json_of,
    kind_of,
    latest_of_each_call,
    make_line,
    read_lines,
)

A = "7d1f4a11-93a6-4f0e-9b1a-0c2d3e4f5a6b"
B = "3c90c3cc-0d44-4b50-8888-8dd25736052a"

LINE = b'0060e6d8 e 7d1f4a11-93a6-4f0e-9b1a-0c2d3e4f5a6b {"id":1}\n'


def test_line_is_checksum_kind_id_and_row() -> None:
    assert make_line(RowKind.ENDED, A, b'{"id":1}') == LINE


def test_line_gives_back_its_row_and_its_kind() -> None:
    line = make_line(RowKind.OPEN, A, b'{"id":1}')

    assert json_of(line) == b'{"id":1}'
    assert kind_of(line) is RowKind.OPEN
    assert kind_of(LINE) is RowKind.ENDED


def test_sound_lines_are_read_in_order() -> None:
    other = make_line(RowKind.OPEN, B, b"{}")

    found = read_lines(LINE + other)

    assert found.sound == [LINE, other]
    assert found.damaged == []


@pytest.mark.parametrize("cut", [1, 2, 20, 48, len(LINE) - 1])
def test_torn_last_line_hides_no_other(cut: int) -> None:
    found = read_lines(LINE + LINE[:-cut])

    assert found.sound == [LINE]
    assert found.damaged == [LINE[:-cut]]


@pytest.mark.parametrize(
    "damaged",
    [
        LINE.replace(b"1", b"2"),
        LINE.replace(b"e6d8", b"E6D8"),
        LINE[9:],
        b"00000000 \n",
        b"{}\n",
        b"\x1a\xe4\x00\x9f {}\n",
    ],
)
def test_line_that_is_not_what_was_written_is_damaged(damaged: bytes) -> None:
    found = read_lines(LINE + damaged + LINE)

    assert found.sound == [LINE, LINE]
    assert found.damaged == [damaged.rstrip(b"\n")]


def test_kind_that_this_version_does_not_know_is_damaged() -> None:
    # The checksum of "x 7d1f... {}" is right.
    line = b"f18569e1 x 7d1f4a11-93a6-4f0e-9b1a-0c2d3e4f5a6b {}\n"

    assert read_lines(line).sound == []


def test_zeros_that_a_power_cut_leaves_are_nothing() -> None:
    found = read_lines(LINE + b"\0" * 4096)

    assert found.sound == [LINE]
    assert found.damaged == []


def test_empty_file_has_no_lines() -> None:
    assert read_lines(b"").sound == []


def test_end_of_a_call_replaces_its_beginning() -> None:
    began = make_line(RowKind.OPEN, A, b"{}")
    ended = make_line(RowKind.ENDED, A, b"{}")
    other = make_line(RowKind.OPEN, B, b"{}")

    assert latest_of_each_call([began, other, ended]) == [ended, other]
    assert latest_of_each_call([ended, began]) == [ended]


def test_last_end_of_a_call_counts() -> None:
    first = make_line(RowKind.ENDED, A, b'{"n":1}')
    second = make_line(RowKind.ENDED, A, b'{"n":2}')

    assert latest_of_each_call([first, second]) == [second]
