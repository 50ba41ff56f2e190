"""What is written of a call: a row of the table `calls`, as JSON whose keys are its columns.

A row is encoded once, on the media loop, and costs some 20 microseconds; from then on it is bytes,
in the spool and on the way to PostgreSQL, which takes it apart.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import orjson

from sip_edge.routing.timeline import Stage
from sip_edge.storage.spool_lines import RowKind, make_line

if TYPE_CHECKING:
    from datetime import datetime

    from sip_edge.routing.ports import Attempt, CallFacts, CallReport, Move, SoundStatistics

ANSWERED: Final = 200

MAX_ID: Final = 256
"""Characters kept of an id that others made: a Call-ID may be as long as a header."""
MAX_CALLER: Final = 256
MAX_DETAIL: Final = 500
"""Characters kept of what an operator is told about an attempt."""
MAX_ATTEMPTS: Final = 32
"""Attempts and moves kept; a call has at most a handful."""

_CARRIER_CALL_IDS: Final = frozenset({"x-twilio-callsid", "x-telnyx-session-id"})
_UUID_LENGTH: Final = 36

Row = dict[str, object]


class CallRows:
    """Makes the lines of one process: `instance_id` is its own, `process` its name for people."""

    def __init__(self, *, instance_id: str, process: str) -> None:
        self._instance_id = instance_id
        self._process = process

    def open_line(self, facts: CallFacts, started_at: datetime) -> bytes:
        """The line of a call that has begun."""
        row = self._begin(facts, started_at)
        row["state"] = "open"
        return make_line(RowKind.OPEN, facts.call_id, _encode(row))

    def ended_line(
        self,
        report: CallReport,
        started_at: datetime,
        sound: SoundStatistics | None,
        codec: str | None,
    ) -> bytes:
        """The line of a call that is over; all instants are measured from `started_at`."""
        timeline = report.timeline
        answered_after = timeline.since_invite(Stage.ANSWER)
        row = self._begin(report.facts, started_at)
        row |= {
            "state": "ended",
            "answered_at": _later(started_at, answered_after),
            "ended_at": _later(started_at, timeline.since_invite(Stage.END)),
            "outcome": report.outcome.value,
            "refusal": None if report.refusal is None else report.refusal.value,
            "status": report.status if answered_after is None else ANSWERED,
            "ended_by": None if report.ended_by is None else report.ended_by.value,
            "agent_id": _uuid(report.agent_id),
            "role": None if report.role is None else report.role.value,
            "agent_end": None if report.agent_end is None else report.agent_end.value,
            "is_stale_route": report.is_stale_route,
            "workspace_id": report.workspace_id,
            "attempts": [_attempt(attempt) for attempt in report.attempts[:MAX_ATTEMPTS]],
            "moves": [_move(move) for move in report.moves[:MAX_ATTEMPTS]],
            "timeline": timeline.milliseconds(),
            "codec": codec,
            "encryption": report.encryption,
        }
        if sound is not None:
            row["packets_sent"] = sound.packets_sent
            row["packets_received"] = sound.packets_received
            row["packets_lost"] = max(0, sound.packets_lost)
            row["jitter_ms"] = round(sound.jitter_ms, 3)
        return make_line(RowKind.ENDED, report.facts.call_id, _encode(row))

    def _begin(self, facts: CallFacts, started_at: datetime) -> Row:
        return {
            "id": facts.call_id,
            "instance_id": self._instance_id,
            "process": self._process,
            "carrier": facts.carrier,
            "provider": facts.provider,
            "sip_call_id": facts.sip_call_id[:MAX_ID],
            "call_sid": facts.call_sid,
            "carrier_call_id": _carrier_call_id(facts),
            "caller": facts.caller[:MAX_CALLER],
            "caller_number": facts.caller_number,
            "called_number": facts.called_number,
            "started_at": started_at,
        }


def _carrier_call_id(facts: CallFacts) -> str | None:
    """The carrier's own id of the call, None if it sent none that we know."""
    if facts.provider == "twilio" and facts.call_sid[2:] != facts.call_id.replace("-", ""):
        return facts.call_sid
    for name, value in facts.forwarded_headers.items():
        if name.lower() in _CARRIER_CALL_IDS:
            return value[:MAX_ID]
    return None


def _later(started_at: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else started_at + timedelta(seconds=max(0.0, seconds))


def _uuid(text: str | None) -> str | None:
    """Agents' ids come from a column of UUIDs; a row must not be refused for one that does not."""
    return text if text is not None and len(text) == _UUID_LENGTH else None


def _attempt(attempt: Attempt) -> Row:
    return {
        "role": attempt.role.value,
        "agent_id": attempt.agent_id,
        "result": "accepted" if attempt.failure is None else attempt.failure.value,
        "ms": round(attempt.seconds * 1000, 1),
        "detail": attempt.detail[:MAX_DETAIL],
    }


def _move(move: Move) -> Row:
    return {
        "lost": move.lost.value,
        "to_role": None if move.to_role is None else move.to_role.value,
        "ms": round(move.seconds * 1000, 1),
    }


def _encode(row: Row) -> bytes:
    """JSON without what PostgreSQL cannot hold: the character NUL, and halves of surrogate pairs.

    Both are rare, so nobody looks for them before the text is made.
    """
    try:
        text = orjson.dumps(row)
    except orjson.JSONEncodeError:
        return orjson.dumps(_cleaned(row))
    return orjson.dumps(_cleaned(row)) if b"\\u0000" in text else text


def _cleaned(value: object) -> object:
    """A copy whose texts, keys included, are free of both."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\0", "?")
    if isinstance(value, dict):
        return {str(_cleaned(key)): _cleaned(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, int) and value.bit_length() > 63:
        return None
    return value
