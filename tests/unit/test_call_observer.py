"""The one line that tells a call's whole story."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from structlog.testing import capture_logs
from support.ticks import Ticks

from sip_edge.call_observer import CallObserver, call_line
from sip_edge.metrics import Metrics
from sip_edge.routing.outcome import AgentEnd, AttemptFailure, EndedBy, Outcome
from sip_edge.routing.plan import Role
from sip_edge.routing.ports import Attempt, CallFacts, CallReport
from sip_edge.routing.refusal import Refusal
from sip_edge.routing.timeline import CallTimeline, Stage

FACTS = CallFacts(
    call_id="0190f3a0-0000-7000-8000-000000000001",
    sip_call_id="3848276298220188511@atlanta.example.com",
    carrier="office",
    provider="twilio",
    called_number="+12025550123",
    caller_number=None,
    caller="anonymous",
    call_sid="CA00000000000000000000000000000001",
    stream_sid="MZ00000000000000000000000000000001",
    account_sid="AC00000000000000000000000000000001",
)


@dataclass
class Statistics:
    packets_sent: int = 1500
    packets_received: int = 1490
    packets_lost: int = 8
    late: int = 2
    strangers: int = 1
    jitter_ms: float = 3.14159


def _timeline(*marks: tuple[Stage, float]) -> CallTimeline:
    ticks = Ticks(100.0)
    timeline = CallTimeline(100.0, clock=ticks)
    for stage, at in marks:
        ticks.now = at
        timeline.mark(stage)
    return timeline


def test_answered_call_is_told_from_invite_to_end() -> None:
    report = CallReport(
        facts=FACTS,
        timeline=_timeline((Stage.TRYING, 100.0004), (Stage.ANSWER, 100.25), (Stage.END, 130.2504)),
        outcome=Outcome.FALLBACK,
        ended_by=EndedBy.AGENT,
        peer_reason="Q.850;cause=16",
        encryption="none",
        agent_id="b",
        agent_end=AgentEnd.HANG_UP,
        attempts=[
            Attempt(Role.PRIMARY, "a", 0.0123, AttemptFailure.HTTP_STATUS, "503 from worker"),
            Attempt(Role.FALLBACK, "b", 0.2, None),
        ],
    )

    assert call_line(report, Statistics()) == {
        "call_id": "0190f3a0-0000-7000-8000-000000000001",
        "sip_call_id": "3848276298220188511@atlanta.example.com",
        "call_sid": "CA00000000000000000000000000000001",
        "carrier": "office",
        "called_number": "+12025550123",
        "caller": "anonymous",
        "outcome": "fallback",
        "status": 200,
        "agent_id": "b",
        "agent_end": "hang_up",
        "ended_by": "agent",
        "peer_reason": "Q.850;cause=16",
        "encryption": "none",
        "attempts": [
            {
                "role": "primary",
                "agent_id": "a",
                "result": "http_status",
                "ms": 12.3,
                "detail": "503 from worker",
            },
            {"role": "fallback", "agent_id": "b", "result": "accepted", "ms": 200.0},
        ],
        "timeline_ms": {"trying": 0.4, "answer": 250.0, "end": 30250.4},
        "rtp": {
            "sent": 1500,
            "received": 1490,
            "lost": 8,
            "late": 2,
            "strangers": 1,
            "jitter_ms": 3.1,
        },
    }


def test_refused_call_says_why_and_with_what() -> None:
    report = CallReport(
        facts=FACTS,
        timeline=_timeline((Stage.END, 100.003)),
        outcome=Outcome.REFUSED,
        refusal=Refusal.UNKNOWN_NUMBER,
        status=404,
        is_stale_route=True,
    )

    line = call_line(report, None)

    assert (line["outcome"], line["refusal"], line["status"]) == ("refused", "unknown_number", 404)
    assert line["stale_route"] is True
    assert line["timeline_ms"] == {"end": 3.0}
    assert line["attempts"] == []
    assert not {"rtp", "agent_id", "ended_by"} & set(line)


def test_observer_counts_and_logs_a_call_once() -> None:
    metrics = Metrics(version="0")
    value = metrics.registry.get_sample_value
    report = CallReport(facts=FACTS, timeline=_timeline(), outcome=Outcome.CALLER_LEFT)

    with capture_logs() as lines:
        observer = CallObserver(metrics=metrics, logger=structlog.get_logger("calls"))
        observer.call_ended(report, Statistics())

    assert [(line["event"], line["outcome"]) for line in lines] == [("call_ended", "caller_left")]
    assert value("sip_edge_calls_total", {"outcome": "caller_left"}) == 1
    assert value("sip_edge_rtp_packets_lost_total") == 8


def test_call_without_sound_counts_no_packets() -> None:
    metrics = Metrics(version="0")
    report = CallReport(facts=FACTS, timeline=_timeline(), outcome=Outcome.REFUSED)

    with capture_logs() as lines:
        observer = CallObserver(metrics=metrics, logger=structlog.get_logger("calls"))
        observer.call_ended(report)

    assert len(lines) == 1
    assert metrics.registry.get_sample_value("sip_edge_rtp_packets_lost_total") == 0
