"""What is counted and measured, and what nobody outside can make grow."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse_text
from support.metric_watch import series_of
from support.ticks import Ticks

from sip_edge.api import ReadyState
from sip_edge.metrics import (
    CODES,
    FAILED_BEFORE_ANSWER,
    LOST_AFTER_ANSWER,
    READY_STATES,
    Metrics,
)
from sip_edge.routing.outcome import AgentEnd, AttemptFailure, EndedBy, Outcome
from sip_edge.routing.plan import Role
from sip_edge.routing.ports import Attempt, CallFacts, CallReport, Move
from sip_edge.routing.refusal import RESPONSES, Refusal
from sip_edge.routing.timeline import CallTimeline, Stage
from sip_edge.sip.effects import Event
from sip_edge.sip.flow import Transport

FACTS = CallFacts(
    call_id="0190f3a0-0000-7000-8000-000000000001",
    sip_call_id="3848276298220188511@atlanta.example.com",
    carrier="local",
    provider=None,
    called_number="+12025550123",
    caller_number="+12025550124",
    caller="sip:+12025550124@atlanta.example.com",
    call_sid="CA" + "0" * 32,
    stream_sid="MZ" + "0" * 32,
    account_sid="AC" + "0" * 32,
)


@dataclass
class Totals:
    packets_sent: int = 500
    packets_received: int = 490
    packets_lost: int = 8
    late: int = 2
    strangers: int = 1


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(version="1.2.3")


def _value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"sip_edge_{name}", labels)


def _samples(metrics: Metrics) -> list[str]:
    page, _ = metrics.render()
    return [line for line in page.decode().splitlines() if not line.startswith("#")]


def _answered_call() -> CallReport:
    ticks = Ticks(100.0)
    timeline = CallTimeline(100.0, clock=ticks)
    for stage, at in (
        (Stage.TRYING, 100.0005),
        (Stage.ROUTE, 100.002),
        (Stage.WORKER_CONNECT, 100.02),
        (Stage.WORKER_ACCEPT, 100.2),
        (Stage.ANSWER, 100.25),
        (Stage.FIRST_RTP_IN, 100.24),
        (Stage.FIRST_AUDIO_OUT, 101.0),
        (Stage.END, 130.25),
    ):
        ticks.now = at
        timeline.mark(stage)
    return CallReport(
        facts=FACTS,
        timeline=timeline,
        outcome=Outcome.FALLBACK,
        ended_by=EndedBy.AGENT,
        agent_end=AgentEnd.HANG_UP,
        attempts=[
            Attempt(Role.PRIMARY, "a", 0.01, AttemptFailure.REFUSED),
            Attempt(Role.FALLBACK, "b", 0.2, None),
        ],
    )


def test_ended_call_is_counted_under_each_of_its_words(metrics: Metrics) -> None:
    metrics.call_ended(_answered_call())

    assert _value(metrics, "calls_total", outcome="fallback") == 1
    assert _value(metrics, "calls_total", outcome="agent") == 0
    assert _value(metrics, "call_ends_total", by="agent") == 1
    assert _value(metrics, "agent_ends_total", end="hang_up") == 1
    attempts = "dispatch_attempts_total"
    assert _value(metrics, attempts, result="failed", reason="refused") == 1
    assert _value(metrics, attempts, result="accepted", reason="none") == 1


def test_refused_call_is_counted_by_its_reason(metrics: Metrics) -> None:
    report = CallReport(
        FACTS, CallTimeline(5.0, clock=Ticks(5.0)), Outcome.REFUSED, Refusal.UNKNOWN_NUMBER, 404
    )

    metrics.call_ended(report)

    assert _value(metrics, "calls_total", outcome="refused") == 1
    assert _value(metrics, "calls_refused_total", refusal="unknown_number") == 1
    assert _value(metrics, "invite_to_answer_seconds_count") == 0


def test_stages_are_measured_from_the_stage_before(metrics: Metrics) -> None:
    metrics.call_ended(_answered_call())

    def stage_sum(stage: str) -> float | None:
        return _value(metrics, "setup_stage_seconds_sum", stage=stage)

    assert stage_sum("trying") == pytest.approx(0.0005)
    assert stage_sum("route") == pytest.approx(0.0015)
    assert stage_sum("worker_connect") == pytest.approx(0.018)
    assert stage_sum("worker_accept") == pytest.approx(0.18)
    assert stage_sum("answer") == pytest.approx(0.05)
    assert stage_sum("first_audio_out") == pytest.approx(0.75)
    assert _value(metrics, "invite_to_first_audio_seconds_sum") == pytest.approx(1.0)
    assert _value(metrics, "call_duration_seconds_sum") == pytest.approx(30.0)


def test_answer_is_counted_and_measured_when_it_is_given(metrics: Metrics) -> None:
    metrics.call_answered(_answered_call())

    assert _value(metrics, "answers_total", by="fallback") == 1
    assert _value(metrics, "answers_total", by="agent") == 0
    assert _value(metrics, "invite_to_answer_seconds_sum") == pytest.approx(0.25)
    assert _value(metrics, "calls_total", outcome="fallback") == 0


def test_end_of_a_call_does_not_count_its_answer_again(metrics: Metrics) -> None:
    metrics.call_answered(_answered_call())
    metrics.call_ended(_answered_call())

    assert _value(metrics, "answers_total", by="fallback") == 1
    assert _value(metrics, "invite_to_answer_seconds_count") == 1


def test_failover_before_the_answer_is_the_time_until_somebody_took_the_call(
    metrics: Metrics,
) -> None:
    metrics.call_ended(_answered_call())

    labels = {"phase": "before_answer", "reason": "unreachable"}
    assert _value(metrics, "failover_seconds_sum", **labels) == pytest.approx(0.21)
    assert _value(metrics, "failover_seconds_count", **labels) == 1


def test_failover_after_the_answer_is_measured_by_how_the_agent_was_lost(metrics: Metrics) -> None:
    report = _answered_call()
    report.moves = [
        Move(AgentEnd.PING_TIMEOUT, Role.FALLBACK, 0.3),
        Move(AgentEnd.ERROR_CODE, None, 2.0),
    ]

    metrics.call_ended(report)

    silent = {"phase": "after_answer", "reason": "silent"}
    assert _value(metrics, "failover_seconds_sum", **silent) == pytest.approx(0.3)
    assert _value(metrics, "failover_seconds_count", phase="after_answer", reason="closed") == 0
    assert _value(metrics, "moves_total", lost="ping_timeout") == 1
    assert _value(metrics, "moves_total", lost="error_code") == 1


def test_every_failure_has_a_reason_to_be_measured_by() -> None:
    assert set(FAILED_BEFORE_ANSWER) == set(AttemptFailure)
    assert set(LOST_AFTER_ANSWER) == {end for end in AgentEnd if end.is_failure}


def test_one_state_of_readiness_holds_at_a_time(metrics: Metrics) -> None:
    metrics.set_ready_state("starting")
    metrics.set_ready_state("degraded")

    states = {state: _value(metrics, "ready_state", state=state) for state in READY_STATES}
    assert states == {"starting": 0, "ready": 0, "degraded": 1, "draining": 0}
    assert {state.value for state in ReadyState} == set(READY_STATES)


def test_stage_that_came_early_counts_as_at_once(metrics: Metrics) -> None:
    metrics.call_ended(_answered_call())

    assert _value(metrics, "setup_stage_seconds_sum", stage="first_rtp_in") == 0
    assert _value(metrics, "setup_stage_seconds_count", stage="first_rtp_in") == 1


def test_stage_that_was_not_reached_is_not_measured(metrics: Metrics) -> None:
    metrics.call_ended(_answered_call())

    assert _value(metrics, "setup_stage_seconds_count", stage="ack") == 0


@pytest.mark.parametrize(
    ("word", "series"),
    [
        *((each, f'sip_edge_calls_total{{outcome="{each.value}"}}') for each in Outcome),
        *((each, f'sip_edge_call_ends_total{{by="{each.value}"}}') for each in EndedBy),
        *((each, f'sip_edge_calls_refused_total{{refusal="{each.value}"}}') for each in Refusal),
        *((each, f'sip_edge_agent_ends_total{{end="{each.value}"}}') for each in AgentEnd),
        *(
            (each, f'sip_edge_dispatch_attempts_total{{reason="{each.value}",result="failed"}}')
            for each in AttemptFailure
        ),
    ],
)
def test_every_word_of_a_call_moves_its_series(
    metrics: Metrics,
    word: Outcome | EndedBy | Refusal | AgentEnd | AttemptFailure,
    series: str,
) -> None:
    report = CallReport(FACTS, CallTimeline(5.0, clock=Ticks(5.0)), Outcome.REFUSED)
    match word:
        case Outcome():
            report.outcome = word
        case EndedBy():
            report.ended_by = word
        case Refusal():
            report.refusal = word
        case AgentEnd():
            report.agent_end = word
        case AttemptFailure():
            report.attempts = [Attempt(Role.PRIMARY, "a", 0.01, word)]

    metrics.call_ended(report)

    moved = {name for name, n in series_of(metrics.render()[0].decode()).items() if n}
    always = {'sip_edge_calls_total{outcome="refused"}'} - {series}
    assert moved - always == {series}


def test_response_without_a_series_of_its_own_is_counted_as_other(metrics: Metrics) -> None:
    metrics.response_sent(200)
    metrics.response_sent(699)
    metrics.response_sent(200)

    assert _value(metrics, "responses_total", code="200") == 2
    assert _value(metrics, "responses_total", code="other") == 1
    assert _value(metrics, "responses_total", code="699") is None


def test_every_refusal_has_a_response_series() -> None:
    assert {response.status for response in RESPONSES.values()} <= set(CODES)


def test_invites_and_sip_events_are_counted(metrics: Metrics) -> None:
    metrics.invite_received()
    metrics.sip_event(Event.PARSE_ERROR)
    metrics.dropped_sources[Transport.UDP.value].inc()

    assert _value(metrics, "invites_total") == 1
    assert _value(metrics, "sip_events_total", event="parse_error") == 1
    assert _value(metrics, "dropped_sources_total", transport="UDP") == 1


def test_rtp_is_added_up_at_the_end_of_each_call(metrics: Metrics) -> None:
    metrics.rtp_ended(Totals())
    metrics.rtp_ended(Totals(packets_lost=-3))

    assert _value(metrics, "rtp_packets_total", direction="in") == 980
    assert _value(metrics, "rtp_packets_total", direction="out") == 1000
    assert _value(metrics, "rtp_packets_lost_total") == 8
    assert _value(metrics, "rtp_packets_late_total") == 4
    assert _value(metrics, "rtp_packets_strangers_total") == 2


def test_total_that_is_kept_elsewhere_is_read_when_the_page_is_made(metrics: Metrics) -> None:
    dropped = 3
    metrics.count_elsewhere("log_lines_dropped", "Lines never written", lambda: dropped)
    dropped = 4

    assert "sip_edge_log_lines_dropped_total 4.0" in _samples(metrics)


def test_nothing_that_happens_adds_a_series(metrics: Metrics) -> None:
    before = {line.rsplit(" ", 1)[0] for line in _samples(metrics)}

    for outcome in Outcome:
        report = _answered_call()
        report.outcome = outcome
        metrics.call_ended(report)
    for outcome in (Outcome.AGENT, Outcome.FALLBACK, Outcome.VOICEMAIL):
        report = _answered_call()
        report.outcome = outcome
        metrics.call_answered(report)
    for status in range(100, 700):
        metrics.response_sent(status)
    for event in Event:
        metrics.sip_event(event)

    assert {line.rsplit(" ", 1)[0] for line in _samples(metrics)} == before
    assert len(before) < 500


def test_page_is_text_or_openmetrics_as_the_reader_asks(metrics: Metrics) -> None:
    text, text_type = metrics.render("text/html")
    modern, modern_type = metrics.render("application/openmetrics-text; version=1.0.0; q=0.8")

    assert text_type == "text/plain; version=0.0.4; charset=utf-8"
    assert modern_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    names = {family.name for family in parse_text(text.decode())}
    assert {"sip_edge_invites", "sip_edge_build_info", "process_cpu_seconds"} <= names
    assert "sip_edge_invites" in {family.name for family in parse_openmetrics(modern.decode())}


def test_every_name_follows_the_rule(metrics: Metrics) -> None:
    for line in _samples(metrics):
        assert line.startswith(("sip_edge_", "process_"))


def test_page_can_be_made_while_others_count(metrics: Metrics) -> None:
    is_over = threading.Event()
    pages = []

    def render() -> None:
        while not is_over.is_set():
            pages.append(metrics.render()[0])

    thread = threading.Thread(target=render)
    thread.start()
    for _ in range(2000):
        metrics.call_ended(_answered_call())
    is_over.set()
    thread.join()

    assert _value(metrics, "calls_total", outcome="fallback") == 2000
    assert all(page.endswith(b"\n") for page in pages)
