"""What connections and certificates tell operators."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from sip_edge.app.stream_events import StreamEvents
from sip_edge.metrics import Metrics
from sip_edge.transport.connection_books import Refused


def page(metrics: Metrics) -> set[str]:
    return set(metrics.render()[0].decode().splitlines())


def test_each_refusal_is_counted_by_its_reason() -> None:
    metrics = Metrics(version="1")
    events = StreamEvents(metrics)

    for why in Refused:
        events.connection_refused(why)
    events.connection_refused(Refused.CROWDED)
    events.connection_cut()
    events.handshake_failed()

    assert page(metrics) >= {
        'sip_edge_refused_connections_total{why="stranger"} 1.0',
        'sip_edge_refused_connections_total{why="crowded"} 2.0',
        'sip_edge_refused_connections_total{why="descriptors"} 1.0',
        "sip_edge_cut_connections_total 1.0",
        'sip_edge_tls_failures_total{what="handshake"} 1.0',
    }


@pytest.mark.parametrize(
    ("year", "level", "metric"),
    [(2100, "info", "4.1024448e+09"), (2020, "warning", "1.5778368e+09")],
)
def test_certificate_in_use_is_told_with_its_end_and_one_that_has_ended_as_a_warning(
    year: int, level: str, metric: str
) -> None:
    metrics = Metrics(version="1")

    with capture_logs() as lines:
        StreamEvents(metrics).certificate_loaded(datetime(year, 1, 1, tzinfo=UTC))

    assert lines == [
        {
            "event": "tls_certificate_loaded",
            "log_level": level,
            "expires_at": f"{year}-01-01T00:00:00+00:00",
        }
    ]
    assert f"sip_edge_tls_certificate_expiry_timestamp_seconds {metric}" in page(metrics)


def test_certificate_that_cannot_be_used_is_counted_and_every_reason_logged() -> None:
    metrics = Metrics(version="1")

    with capture_logs() as lines:
        StreamEvents(metrics).certificate_refused(("one", "two"))

    assert [(line["log_level"], line["problems"]) for line in lines] == [("error", ["one", "two"])]
    assert 'sip_edge_tls_failures_total{what="certificate"} 1.0' in page(metrics)
