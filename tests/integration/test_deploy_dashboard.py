"""The dashboard answers its three questions first, and every panel explains itself."""

from __future__ import annotations

import itertools
import json

from support.deployment import DASHBOARD, dashboard, panels

QUESTIONS = ["Are callers being answered?", "How fast?", "If not, who is to blame?"]


def test_three_questions_are_answered_in_the_first_line() -> None:
    first = sorted(
        (panel for panel in panels() if panel["gridPos"]["y"] == 0),
        key=lambda panel: panel["gridPos"]["x"],
    )

    assert [panel["title"] for panel in first] == QUESTIONS
    rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
    assert rows[:3] == QUESTIONS


def test_blame_is_laid_at_each_door() -> None:
    asked = {"carrier", "edge", "database", "worker"}
    for panel in panels():
        if "who" in panel["title"] and panel["type"] != "timeseries":
            assert asked <= {target["legendFormat"] for target in panel["targets"]}


def test_every_panel_has_a_unit_and_a_description() -> None:
    for panel in panels():
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["description"].endswith("."), panel["title"]


def test_any_prometheus_can_be_chosen() -> None:
    named = {
        json.dumps(source)
        for part in [*panels(), *(target for panel in panels() for target in panel["targets"])]
        if (source := part["datasource"])
    }

    assert named == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    variables = {each["name"]: each for each in dashboard()["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert "__inputs" not in dashboard()


def test_every_query_obeys_the_choice_of_edges() -> None:
    for panel in panels():
        for target in panel["targets"]:
            if "sip_edge_" in target["expr"]:
                assert 'instance=~"$instance"' in target["expr"], panel["title"]


def test_panels_neither_overlap_nor_share_a_number() -> None:
    everything = dashboard()["panels"]
    numbers = [panel["id"] for panel in everything]
    assert len(set(numbers)) == len(numbers)
    for one, other in itertools.combinations([panel["gridPos"] for panel in everything], 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
    assert max(panel["gridPos"]["x"] + panel["gridPos"]["w"] for panel in everything) == 24


def test_dashboard_is_mounted_where_its_provider_looks() -> None:
    deploy = DASHBOARD.parents[2]
    provider = (deploy / "grafana/provisioning/dashboards/sip_edge.yml").read_text()
    compose = (deploy / "compose/compose.yaml").read_text()

    assert "path: /var/lib/dashboards\n" in provider
    assert "../grafana/dashboards:/var/lib/dashboards:ro" in compose
    assert f"/var/lib/dashboards/{DASHBOARD.name}" in compose
