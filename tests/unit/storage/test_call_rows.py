"""What is written of a call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from support.call_records import STARTED_AT, call_id, facts_of, report_of, timeline_of

from sip_edge.routing.outcome import AgentEnd, AttemptFailure, EndedBy, Outcome
from sip_edge.routing.plan import Role
from sip_edge.routing.ports import Attempt, CallReport, Move, SoundStatistics
from sip_edge.routing.refusal import Refusal
from sip_edge.routing.timeline import Stage
from sip_edge.storage.call_rows import CallRows
from sip_edge.storage.spool_lines import RowKind, json_of, kind_of, read_lines

AGENT = "11111111-1111-4111-8111-111111111111"
FALLBACK = "22222222-2222-4222-8222-222222222222"
ROWS = CallRows(instance_id="5e55104e-0000-4000-8000-000000000001", process="edge-7/w0")

OPEN = {
    "id": "ca110000-0000-4000-8000-000000000007",
    "state": "open",
    "instance_id": "5e55104e-0000-4000-8000-000000000001",
    "process": "edge-7/w0",
    "carrier": "office",
    "provider": "twilio",
    "sip_call_id": "7@192.0.2.1",
    "call_sid": "CA00000000000000000000000000000007",
    "carrier_call_id": "CA00000000000000000000000000000007",
    "caller": "sip:+12025550123@192.0.2.1",
    "caller_number": "+12025550123",
    "called_number": "+12025550101",
    "started_at": "2026-07-01T12:00:00+00:00",
}


@dataclass
class Sound:
    packets_sent: int = 1500
    packets_received: int = 1490
    packets_lost: int = 8
    jitter_ms: float = 3.14159


def ended_row(
    report: CallReport, sound: SoundStatistics | None = None, codec: str | None = None
) -> dict[str, Any]:
    line = ROWS.ended_line(report, STARTED_AT, sound, codec)
    assert read_lines(line).sound == [line]
    assert kind_of(line) is RowKind.ENDED
    row: dict[str, Any] = orjson.loads(json_of(line))
    return row


def open_row(**changes: Any) -> dict[str, Any]:
    line = ROWS.open_line(facts_of(7, **changes), STARTED_AT)
    assert kind_of(line) is RowKind.OPEN
    row: dict[str, Any] = orjson.loads(json_of(line))
    return row


def test_call_that_has_begun_is_what_its_invite_said() -> None:
    assert open_row() == OPEN


def test_call_that_has_ended_is_its_whole_story() -> None:
    report = CallReport(
        facts=facts_of(7),
        timeline=timeline_of(
            {Stage.TRYING: 0.0004, Stage.ANSWER: 0.25, Stage.ACK: 0.3, Stage.END: 30.5}
        ),
        outcome=Outcome.FALLBACK,
        ended_by=EndedBy.AGENT,
        agent_id=FALLBACK,
        role=Role.FALLBACK,
        agent_end=AgentEnd.HANG_UP,
        attempts=[
            Attempt(Role.PRIMARY, AGENT, 0.0123, AttemptFailure.HTTP_STATUS, "503 from worker"),
            Attempt(Role.FALLBACK, FALLBACK, 0.2, None),
        ],
        moves=[Move(AgentEnd.NO_CLOSE_FRAME, Role.FALLBACK, 0.0561)],
        is_stale_route=True,
        encryption="none",
        workspace_id="99999999-9999-4999-8999-999999999999",
    )

    assert ended_row(report, Sound(), "PCMU") == {
        **OPEN,
        "state": "ended",
        "answered_at": "2026-07-01T12:00:00.250000+00:00",
        "ended_at": "2026-07-01T12:00:30.500000+00:00",
        "outcome": "fallback",
        "refusal": None,
        "status": 200,
        "ended_by": "agent",
        "agent_id": FALLBACK,
        "role": "fallback",
        "agent_end": "hang_up",
        "is_stale_route": True,
        "workspace_id": "99999999-9999-4999-8999-999999999999",
        "attempts": [
            {
                "role": "primary",
                "agent_id": AGENT,
                "result": "http_status",
                "ms": 12.3,
                "detail": "503 from worker",
            },
            {
                "role": "fallback",
                "agent_id": FALLBACK,
                "result": "accepted",
                "ms": 200.0,
                "detail": "",
            },
        ],
        "moves": [{"lost": "no_close_frame", "to_role": "fallback", "ms": 56.1}],
        "timeline": {"trying": 0.4, "answer": 250.0, "ack": 300.0, "end": 30500.0},
        "codec": "PCMU",
        "encryption": "none",
        "packets_sent": 1500,
        "packets_received": 1490,
        "packets_lost": 8,
        "jitter_ms": 3.142,
    }


def test_refused_call_has_its_status_and_neither_answer_nor_sound() -> None:
    row = ended_row(
        report_of(
            7,
            timeline=timeline_of({Stage.END: 0.001}),
            outcome=Outcome.REFUSED,
            refusal=Refusal.UNKNOWN_NUMBER,
            status=404,
            ended_by=None,
        )
    )

    assert (row["outcome"], row["refusal"], row["status"]) == ("refused", "unknown_number", 404)
    assert row["answered_at"] is row["ended_by"] is row["agent_id"] is None
    assert row["ended_at"] == "2026-07-01T12:00:00.001000+00:00"
    assert (row["attempts"], row["moves"]) == ([], [])
    assert not {"packets_sent", "jitter_ms"} & row.keys()


def test_more_packets_than_were_expected_are_no_negative_loss() -> None:
    row = ended_row(report_of(7), Sound(packets_lost=-2))

    assert row["packets_lost"] == 0


def test_instants_never_lie_before_the_start() -> None:
    row = ended_row(report_of(7, timeline=timeline_of({Stage.ANSWER: -0.5, Stage.END: -0.5})))

    assert row["answered_at"] == row["ended_at"] == row["started_at"]


def test_id_made_here_is_not_the_carriers() -> None:
    assert open_row(call_sid=f"CA{call_id(7).replace('-', '')}")["carrier_call_id"] is None
    assert open_row(provider=None)["carrier_call_id"] is None


@pytest.mark.parametrize("name", ["X-Telnyx-Session-ID", "x-telnyx-session-id"])
def test_session_id_of_telnyx_is_known_where_it_is_forwarded(name: str) -> None:
    row = open_row(provider="telnyx", forwarded_headers={"X-Other": "1", name: "f00-ba4"})

    assert row["carrier_call_id"] == "f00-ba4"


def test_what_postgresql_cannot_hold_is_replaced() -> None:
    hostile = "a\0b\udcffc\u202ed\U0001f600"

    row = open_row(sip_call_id=hostile, caller=hostile, forwarded_headers={})
    ended = ended_row(
        report_of(
            7,
            facts=facts_of(7, sip_call_id=hostile),
            attempts=[Attempt(Role.PRIMARY, AGENT, 0.1, AttemptFailure.TLS, hostile)],
        )
    )

    clean = "a?b?c\u202ed\U0001f600"
    assert (row["sip_call_id"], row["caller"]) == (clean, clean)
    assert (ended["sip_call_id"], ended["attempts"][0]["detail"]) == (clean, clean)


def test_nul_that_is_written_out_is_no_nul() -> None:
    assert open_row(caller="a\\u0000b")["caller"] == "a\\u0000b"


def test_row_is_bounded_whatever_the_network_said() -> None:
    attempts = [
        Attempt(Role.PRIMARY, "x" * 36, 0.1, AttemptFailure.TLS, "y" * 10_000) for _ in range(100)
    ]
    report = report_of(
        7, facts=facts_of(7, sip_call_id="z" * 60_000, caller="c" * 60_000), attempts=attempts
    )

    line = ROWS.ended_line(report, STARTED_AT, None, None)
    row = orjson.loads(json_of(line))

    assert len(line) < 25_000
    assert (len(row["sip_call_id"]), len(row["caller"]), len(row["attempts"])) == (256, 256, 32)
    assert len(row["attempts"][0]["detail"]) == 500


def test_agent_without_a_uuid_does_not_spoil_the_row() -> None:
    row = ended_row(
        report_of(7, agent_id="front-desk", attempts=[Attempt(Role.PRIMARY, "front-desk", 0, None)])
    )

    assert row["agent_id"] is None
    assert row["attempts"][0]["agent_id"] == "front-desk"


def test_number_beyond_json_is_left_out() -> None:
    row = ended_row(report_of(7), Sound(packets_sent=1 << 80))

    assert row["packets_sent"] is None


def test_instants_name_their_zone() -> None:
    line = ROWS.open_line(facts_of(7), datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC))

    assert orjson.loads(json_of(line))["started_at"] == "2026-07-01T12:00:00.123456+00:00"
