"""No row is lost, in whatever order things happen and wherever files are torn."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from support.call_records import INSTANCE, ended_line, open_line
from support.disk import full_disk

from sip_edge.storage.adopted_spool import adopt_dead_spools
from sip_edge.storage.call_spool import CallSpool, SpoolBatch, SpoolLimits
from sip_edge.storage.spool_lines import RowKind, latest_of_each_call, read_lines

LINES = [open_line(number) for number in range(4)] + [ended_line(number) for number in range(4)]


@given(st.binary(max_size=300))
def test_any_bytes_are_taken_apart_and_none_of_them_is_a_row(data: bytes) -> None:
    found = read_lines(data)

    assert found.sound == []
    assert sum(map(len, found.damaged)) <= len(data)


@given(st.lists(st.sampled_from(LINES), max_size=8), st.data())
def test_file_that_was_cut_anywhere_has_every_row_before_the_cut(
    lines: list[bytes], data: st.DataObject
) -> None:
    text = b"".join(lines)
    cut = data.draw(st.integers(0, len(text)))
    whole = [line for number, line in enumerate(lines) if len(b"".join(lines[: number + 1])) <= cut]

    assert read_lines(text[:cut]).sound == whole


@given(
    st.lists(st.sampled_from(LINES), min_size=1, max_size=4),
    st.integers(0, 10_000),
    st.integers(1, 255),
)
def test_byte_that_changed_costs_at_most_two_rows(
    lines: list[bytes], position: int, change: int
) -> None:
    text = bytearray(b"".join(lines))
    text[position % len(text)] ^= change

    sound = read_lines(bytes(text)).sound

    assert len(sound) >= len(lines) - 2
    assert set(sound) <= set(lines)


@given(st.lists(st.sampled_from(LINES)))
def test_each_call_is_written_once_and_as_ended_if_it_ever_was(lines: list[bytes]) -> None:
    latest = latest_of_each_call(lines)

    assert len(latest) == len({line[11:47] for line in lines})
    assert {line for line in lines if line[9:10] == b"e"} <= set(latest)


class SpoolMachine(RuleBasedStateMachine):
    """A process, its successors, and a disk that is full now and then."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._parent = Path(self._folder.name)
        self._starts = 0
        self._number = 0
        self._kept: set[bytes] = set()
        self._written: set[bytes] = set()
        self._batch: SpoolBatch | None = None
        self._start()

    def _start(self) -> None:
        self._starts += 1
        instance = f"{INSTANCE[:-4]}{self._starts:04}"
        limits = SpoolLimits(segment_rows=3, segment_bytes=3000, max_bytes=9000, memory_rows=5)
        self._spool = CallSpool(
            parent=self._parent, instance_id=instance, clock=lambda: 0.0, limits=limits
        )
        self._spool.open()

    @rule(ended=st.lists(st.booleans(), min_size=1, max_size=5), disk_is_full=st.booleans())
    def append(self, ended: list[bool], disk_is_full: bool) -> None:
        """Calls begin and end."""
        lines = []
        for is_ended in ended:
            self._number += 1
            lines.append((ended_line if is_ended else open_line)(self._number))
        if disk_is_full:
            with full_disk(1500):
                self._spool.append(lines)
        else:
            self._spool.append(lines)
        self._kept |= set(lines)

    @rule()
    def take(self) -> None:
        """The database is asked to write the oldest rows."""
        self._batch = self._spool.next_batch()

    @precondition(lambda self: self._batch is not None)
    @rule()
    def commit(self) -> None:
        """It has written them."""
        assert self._batch is not None
        self._written |= set(self._batch.lines)
        self._spool.remove(self._batch)
        self._batch = None

    @rule()
    def sync(self) -> None:
        """A second has gone by."""
        self._spool.sync()

    @precondition(lambda self: not self._spool.has_unsaved)
    @rule()
    def die_and_be_succeeded(self) -> None:
        """The process is killed; what it has on the disk is written by its successor."""
        dropped = dict(self._spool.dropped)
        self._spool.close()
        for adopted in adopt_dead_spools(self._parent):
            while (batch := adopted.next_batch()) is not None:
                self._written |= set(batch.lines)
                adopted.remove(batch)
            adopted.finish()
        self._check(dropped)
        self._kept, self._written, self._batch = set(), set(), None
        self._start()

    def _check(self, dropped: dict[RowKind, int]) -> None:
        assert self._written <= self._kept
        lost = self._kept - self._written
        ends = {line for line in lost if line[9:10] == b"e"}
        assert len(ends) <= dropped[RowKind.ENDED]
        assert len(lost) <= sum(dropped.values())

    def teardown(self) -> None:
        """At the end all that is left is written."""
        while (batch := self._spool.next_batch()) is not None:
            self._written |= set(batch.lines)
            self._spool.remove(batch)
        self._check(self._spool.dropped)
        assert self._spool.rows == 0
        assert self._spool.size == 0
        self._spool.close()
        self._folder.cleanup()


TestSpool: Any = SpoolMachine.TestCase
TestSpool.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
