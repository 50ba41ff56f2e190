"""What the parts tell becomes numbers and log lines: each word moves its series and no other."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from support.metric_watch import series_of

from sip_edge.agents.counters import Counted
from sip_edge.app.observers import RecordEvents, RouteEvents, VoicemailEvents, WorkerEvents
from sip_edge.metrics import Metrics
from sip_edge.storage.routes import LookupAnswer
from sip_edge.storage.spool_lines import RowKind
from sip_edge.voicemail.results import GreetingSource, MessageResult, RenderResult


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(version="1.2.3")


def moved(metrics: Metrics) -> dict[str, float]:
    """The series that are not at 0."""
    page = metrics.render()[0].decode()
    return {name: value for name, value in series_of(page).items() if value != 0}


@pytest.mark.parametrize("result", MessageResult)
def test_each_end_of_a_message_is_counted(metrics: Metrics, result: MessageResult) -> None:
    VoicemailEvents(metrics).message_ended(result, 3.0)

    assert moved(metrics) == {f'sip_edge_voicemails_total{{result="{result.value}"}}': 1}


@pytest.mark.parametrize("source", GreetingSource)
def test_each_source_of_a_greeting_is_counted_with_its_wait(
    metrics: Metrics, source: GreetingSource
) -> None:
    VoicemailEvents(metrics).greeting_played(source, 0.5)

    assert moved(metrics) == {
        f'sip_edge_voicemail_greetings_total{{source="{source.value}"}}': 1,
        "sip_edge_voicemail_greeting_wait_seconds_count": 1,
    }


@pytest.mark.parametrize("result", RenderResult)
def test_each_end_of_a_rendering_is_counted(metrics: Metrics, result: RenderResult) -> None:
    VoicemailEvents(metrics).text_rendered(result, 0.1)

    assert moved(metrics) == {f'sip_edge_voicemail_renderings_total{{result="{result.value}"}}': 1}


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (Counted.MALFORMED_IN, "malformed"),
        (Counted.BINARY_IN, "malformed"),
        (Counted.DROPPED_OUT, "dropped"),
    ],
)
def test_bad_messages_of_workers_are_counted(metrics: Metrics, kind: Counted, fault: str) -> None:
    WorkerEvents(metrics).messages(kind, 3)

    assert moved(metrics) == {f'sip_edge_worker_frame_faults_total{{fault="{fault}"}}': 3}


def test_good_messages_of_workers_are_not_counted(metrics: Metrics) -> None:
    WorkerEvents(metrics).messages(Counted.MEDIA_IN, 3)

    assert moved(metrics) == {}


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (LookupAnswer.HIT, "hit"),
        (LookupAnswer.ASKED_HIT, "hit"),
        (LookupAnswer.MISS, "miss"),
        (LookupAnswer.ASKED_MISS, "miss"),
        (LookupAnswer.STALE_HIT, "stale"),
        (LookupAnswer.UNAVAILABLE, "unavailable"),
    ],
)
def test_look_ups_are_counted(metrics: Metrics, answer: LookupAnswer, result: str) -> None:
    RouteEvents(metrics, lambda: None).looked_up(answer)

    assert moved(metrics) == {f'sip_edge_route_lookups_total{{result="{result}"}}': 1}


def test_rows_are_counted_by_what_becomes_of_them(metrics: Metrics) -> None:
    events = RecordEvents(metrics)

    with capture_logs() as lines:
        events.rows_written(7, 0.01)
        events.rows_rejected(2, "23514: violates a check")
        events.rows_dropped(RowKind.ENDED, 1)
        events.write_failed("the database is not there")

    assert moved(metrics) == {
        'sip_edge_record_rows_total{result="written"}': 7,
        'sip_edge_record_rows_total{result="rejected"}': 2,
        'sip_edge_record_rows_total{result="dropped"}': 1,
        "sip_edge_record_write_seconds_count": 1,
        "sip_edge_record_write_failures_total": 1,
    }
    assert [line["event"] for line in lines] == ["call_records_rejected", "call_records_dropped"]
