"""The control API's own page of metrics."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from sip_edge.api_metrics import ApiMetrics


def samples(metrics: ApiMetrics) -> dict[tuple[str, str, str], float]:
    """Requests by operation and class."""
    page, content_type = metrics.render("")
    assert content_type.startswith("text/plain")
    return {
        (sample.name, sample.labels.get("operation", ""), sample.labels.get("status", "")): (
            sample.value
        )
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_requests_are_counted_by_operation_and_class_of_status() -> None:
    metrics = ApiMetrics(("list_agents",))
    metrics.request_ended("list_agents", 200, 0.001)
    metrics.request_ended("list_agents", 404, 0.001)
    metrics.request_ended("../../etc", 404, 0.001)
    metrics.request_ended("list_agents", 0, 0.001)
    metrics.request_ended("list_agents", 999, 0.001)

    counted = samples(metrics)
    assert counted["sip_edge_api_requests_total", "list_agents", "2xx"] == 1
    assert counted["sip_edge_api_requests_total", "list_agents", "4xx"] == 1
    assert counted["sip_edge_api_requests_total", "other", "4xx"] == 1
    assert counted["sip_edge_api_requests_total", "list_agents", "none"] == 2
    assert counted["sip_edge_api_request_seconds_count", "", ""] == 5


def test_faults_of_ours_are_told_from_outages() -> None:
    metrics = ApiMetrics(("list_agents",))
    for status in (200, 404, 502, 503, 504):
        metrics.request_ended("list_agents", status, 0.001)
    assert samples(metrics)["sip_edge_api_internal_errors_total", "", ""] == 0

    metrics.request_ended("list_agents", 500, 0.001)

    assert samples(metrics)["sip_edge_api_internal_errors_total", "", ""] == 1
    assert samples(metrics)["sip_edge_api_requests_total", "list_agents", "5xx"] == 4


def test_strangers_make_no_series() -> None:
    metrics = ApiMetrics(("list_agents",))
    before = len(samples(metrics))
    for number in range(100):
        metrics.request_ended(f"operation {number}", 100 + number, 0.001)

    assert len(samples(metrics)) == before


def test_purchases_that_take_too_long_are_as_many_as_was_said_last() -> None:
    metrics = ApiMetrics(("list_agents",))
    assert samples(metrics)["sip_edge_api_purchases_overdue", "", ""] == 0
    metrics.purchases_overdue.set(3)
    metrics.purchases_overdue.set(2)
    assert samples(metrics)["sip_edge_api_purchases_overdue", "", ""] == 2
