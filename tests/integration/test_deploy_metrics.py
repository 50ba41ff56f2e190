"""Alerts and dashboard name only what the server exports: metrics, labels, and labels' values."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from support.deployment import (
    DASHBOARD,
    RULE_TESTS,
    RULES,
    alert_expression,
    alerts,
    dashboard_expressions,
    exported,
)
from support.promql import grouped_by, selections

PROMETHEUS_OWN = {"up": set[str](), "ALERTS": {"alertname", "alertstate"}}
SCRAPED = {"job", "instance"}
"""Labels that Prometheus adds to every series that it scrapes."""


def expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL text, and where it is."""
    for name, rule in alerts().items():
        yield name, alert_expression(rule)
    yield from dashboard_expressions()


@pytest.fixture(scope="module")
def metrics() -> dict[str, dict[str, set[str]]]:
    return exported()


def test_every_metric_that_is_named_is_exported(metrics: dict[str, dict[str, set[str]]]) -> None:
    unknown = {
        (where, selection.metric)
        for where, promql in expressions()
        for selection in selections(promql)
        if selection.metric not in metrics and selection.metric not in PROMETHEUS_OWN
    }

    assert unknown == set()


def test_every_label_that_is_selected_exists_and_can_have_that_value(
    metrics: dict[str, dict[str, set[str]]],
) -> None:
    wrong = set()
    for where, promql in expressions():
        for selection in selections(promql):
            if selection.metric in PROMETHEUS_OWN:
                continue
            labels = metrics[selection.metric]
            for label, values in selection.matchers:
                if label in SCRAPED:
                    continue
                if label not in labels:
                    wrong.add((where, selection.metric, label, ""))
                wrong |= {
                    (where, selection.metric, label, value)
                    for value in values
                    if value not in labels.get(label, set())
                }

    assert wrong == set()


def test_every_label_that_is_grouped_by_exists(metrics: dict[str, dict[str, set[str]]]) -> None:
    wrong = set()
    for where, promql in expressions():
        named = {selection.metric for selection in selections(promql)}
        known = SCRAPED.union(
            *(metrics[metric] for metric in named if metric in metrics),
            *(PROMETHEUS_OWN[metric] for metric in named if metric in PROMETHEUS_OWN),
        )
        wrong |= {(where, label) for label in grouped_by(promql) - known}

    assert wrong == set()


def test_something_was_looked_at() -> None:
    """The tests above would pass if nothing were found."""
    named = {selection.metric for _, promql in expressions() for selection in selections(promql)}

    assert len(alerts()) > 20
    assert len(named) > 30


def test_every_metric_of_ours_has_an_alert_or_a_panel(
    metrics: dict[str, dict[str, set[str]]],
) -> None:
    named = {selection.metric for _, promql in expressions() for selection in selections(promql)}
    of_one_kind = ("_bucket", "_count", "_sum")
    unseen = {
        name
        for name in metrics
        if name.startswith("sip_edge_")
        and not any(
            name.removesuffix(kind) + other in named
            for kind in of_one_kind
            for other in of_one_kind
        )
        and name not in named
    }

    # How long calls last is for accounting; nobody is called for it.
    assert {name.rsplit("_", 1)[0] for name in unseen} <= {"sip_edge_call_duration_seconds"}


def test_rule_tests_name_only_what_is_exported(metrics: dict[str, dict[str, set[str]]]) -> None:
    """A test with a series that does not exist would prove nothing."""
    wrong = set()
    for path in RULE_TESTS:
        series = re.findall(r"\{series: '(.+?)', values", path.read_text())
        assert series
        for selection in selections(" ".join(series)):
            if selection.metric in PROMETHEUS_OWN:
                continue
            labels = metrics.get(selection.metric, {})
            for label, values in selection.matchers:
                if label not in SCRAPED | {"le"} and not set(values) <= labels.get(label, set()):
                    wrong.add((path.name, selection.metric, label, values))
            if selection.metric not in metrics:
                wrong.add((path.name, selection.metric, "", ()))

    assert wrong == set()


def test_every_alert_is_set_off_by_a_test() -> None:
    tests = "".join(path.read_text() for path in RULE_TESTS)

    assert [name for name in alerts() if f'alertname="{name}"' not in tests] == []


def test_every_alert_says_how_bad_it_is_who_is_to_blame_and_what_to_do() -> None:
    for name, rule in alerts().items():
        assert any(f"severity: {word}," in rule for word in ("critical", "warning")), name
        blamed = ("carrier", "edge", "database", "worker")
        assert any(f"blame: {word}}}" in rule for word in blamed), name
        assert "summary: " in rule, name
        assert "action: " in rule, name


def test_prometheus_reads_these_rules() -> None:
    config = (RULES.parents[1] / "prometheus.yml").read_text()

    assert f"rules/{RULES.name}" in config
    assert "job_name: sip-edge" in config
    assert DASHBOARD.exists()
