"""The thread that writes lines, and what it does when nobody reads them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest

from sip_edge.logs import LineWriter

PIPE_BYTES = 65_536


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    yield reader, writer
    os.close(reader)
    os.close(writer)


def _read_exactly(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.read(fd, size - len(data))
    return data


def test_lines_are_written_in_order(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1])

    for number in range(1000):
        writer.write(b"line %d\n" % number, is_urgent=False)
    writer.close()

    expected = b"".join(b"line %d\n" % number for number in range(1000))
    assert os.read(pipe[0], PIPE_BYTES) == expected
    assert writer.dropped == 0


def test_line_is_written_though_no_other_follows(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1])

    writer.write(b"alone\n", is_urgent=False)

    assert _read_exactly(pipe[0], 6) == b"alone\n"
    writer.close()


def test_blocked_reader_costs_lines_not_time_or_memory(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1], max_waiting_bytes=200_000)
    line = b"x" * 999 + b"\n"

    for _ in range(1000):
        writer.write(line, is_urgent=False)

    assert writer.flush(0.1) is False
    assert writer.dropped == 800
    received = _read_exactly(pipe[0], 200_000)
    assert received == line * 200
    assert writer.flush(10) is True
    writer.write(b"again\n", is_urgent=True)
    assert _read_exactly(pipe[0], 6) == b"again\n"
    writer.close()


def test_lines_for_a_reader_that_is_gone_are_counted() -> None:
    reader, descriptor = os.pipe()
    os.close(reader)
    writer = LineWriter(descriptor)

    writer.write(b"one\n", is_urgent=False)
    writer.write(b"two\n", is_urgent=False)
    writer.close()
    os.close(descriptor)

    assert writer.dropped == 2


def test_descriptor_that_does_not_block_loses_nothing(pipe: tuple[int, int]) -> None:
    os.set_blocking(pipe[1], False)
    writer = LineWriter(pipe[1])
    lines = [b"%06d" % number + b"x" * 993 + b"\n" for number in range(300)]

    for line in lines:
        writer.write(line, is_urgent=False)

    assert _read_exactly(pipe[0], 300_000) == b"".join(lines)
    writer.close()
    assert writer.dropped == 0


def test_closed_writer_takes_no_more_lines(pipe: tuple[int, int]) -> None:
    writer = LineWriter(pipe[1])
    writer.close()

    writer.write(b"late\n", is_urgent=True)

    assert writer.dropped == 1
