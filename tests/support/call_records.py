"""Calls as their records see them, a store without a database, and a log of what was told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from support.ticks import Ticks

from sip_edge.routing.outcome import EndedBy, Outcome
from sip_edge.routing.ports import CallFacts, CallReport
from sip_edge.routing.timeline import CallTimeline, Stage
from sip_edge.storage.call_rows import CallRows
from sip_edge.storage.call_store import RowsRefusedError
from sip_edge.storage.spool_lines import RowKind

INSTANCE = "5e55104e-0000-4000-8000-000000000001"
OTHER_INSTANCE = "5e55104e-0000-4000-8000-000000000002"
STARTED_AT = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def call_id(number: int) -> str:
    """The id of a call of a test."""
    return f"ca110000-0000-4000-8000-{number:012}"


def facts_of(number: int, **changes: Any) -> CallFacts:
    """What an INVITE said."""
    values: dict[str, Any] = {
        "call_id": call_id(number),
        "sip_call_id": f"{number}@192.0.2.1",
        "carrier": "office",
        "provider": "twilio",
        "called_number": "+12025550101",
        "caller_number": "+12025550123",
        "caller": "sip:+12025550123@192.0.2.1",
        "call_sid": f"CA{number:032x}",
        "stream_sid": f"MZ{number:032x}",
        "account_sid": "AC" + "0" * 32,
    }
    return CallFacts(**{**values, **changes})


def timeline_of(marks: dict[Stage, float], *, invite_at: float = 100.0) -> CallTimeline:
    """`marks`: seconds after the INVITE."""
    ticks = Ticks(invite_at)
    timeline = CallTimeline(invite_at, clock=ticks)
    for stage, seconds in marks.items():
        ticks.now = invite_at + seconds
        timeline.mark(stage)
    return timeline


def report_of(number: int, *, invite_at: float = 100.0, **changes: Any) -> CallReport:
    """A call of two seconds that an agent answered after a quarter of one."""
    values: dict[str, Any] = {
        "facts": facts_of(number),
        "timeline": timeline_of({Stage.ANSWER: 0.25, Stage.END: 2.0}, invite_at=invite_at),
        "outcome": Outcome.AGENT,
        "ended_by": EndedBy.CALLER,
    }
    return CallReport(**{**values, **changes})


def open_line(number: int, instance_id: str = INSTANCE) -> bytes:
    """The line of a call that has begun."""
    rows = CallRows(instance_id=instance_id, process="test")
    return rows.open_line(facts_of(number), STARTED_AT)


def ended_line(number: int, instance_id: str = INSTANCE, **changes: Any) -> bytes:
    """The line of a call that is over."""
    rows = CallRows(instance_id=instance_id, process="test")
    return rows.ended_line(report_of(number, **changes), STARTED_AT, None, None)


class SteppingClock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = STARTED_AT

    def __call__(self) -> datetime:
        return self.now

    def step(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class InMemoryCalls:
    """A `CallStore`. `is_down` refuses all, `is_hanging` never answers; `refused` names calls."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.batches: list[int] = []
        self.refused: set[str] = set()
        self.is_down = False
        self.is_hanging = False

    async def upsert(self, rows: Sequence[bytes]) -> None:
        await self._answer()
        given = [json.loads(row) for row in rows]
        bad = [row["id"] for row in given if row["id"] in self.refused]
        if bad:
            raise RowsRefusedError(f"22P02: {bad[0]} is refused")
        self.batches.append(len(given))
        for row in given:
            known = self.rows.get(row["id"])
            if known is None or (row["state"] == "ended" and known["state"] != "ended"):
                self.rows[row["id"]] = row

    async def close_lost(self, instance_id: str, died_at: datetime) -> int:
        await self._answer()
        lost = [
            row
            for row in self.rows.values()
            if row["instance_id"] == instance_id and row["state"] == "open"
        ]
        for row in lost:
            row |= {
                "state": "lost",
                "outcome": "failed",
                "ended_by": "internal",
                "ended_at": max(died_at.isoformat(), row["started_at"]),
            }
        return len(lost)

    def states(self) -> dict[str, str]:
        """The state of each call that is known."""
        return {key: row["state"] for key, row in self.rows.items()}

    async def _answer(self) -> None:
        if self.is_hanging:
            await asyncio.Event().wait()
        if self.is_down:
            raise ConnectionRefusedError("the server is down")


@dataclass
class RecordLog:
    """A `RecordObserver` that remembers."""

    written: int = 0
    seconds: list[float] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    dropped: dict[RowKind, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    writing: list[bool] = field(default_factory=list)
    spooling: list[tuple[bool, str]] = field(default_factory=list)
    adopted: list[tuple[str, int]] = field(default_factory=list)
    lost: list[tuple[str, int]] = field(default_factory=list)

    def rows_written(self, rows: int, seconds: float) -> None:
        self.written += rows
        self.seconds.append(seconds)

    def rows_rejected(self, rows: int, reason: str) -> None:
        self.rejected += [reason] * rows

    def rows_dropped(self, kind: RowKind, rows: int) -> None:
        self.dropped[kind] = self.dropped.get(kind, 0) + rows

    def write_failed(self, reason: str) -> None:
        self.failures.append(reason)

    def writing_changed(self, is_working: bool, reason: str) -> None:
        self.writing.append(is_working)

    def spool_changed(self, is_working: bool, reason: str) -> None:
        self.spooling.append((is_working, reason))

    def spool_adopted(self, instance_id: str, rows: int) -> None:
        self.adopted.append((instance_id, rows))

    def calls_lost(self, instance_id: str, calls: int) -> None:
        self.lost.append((instance_id, calls))
