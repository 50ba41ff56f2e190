"""The files in deploy/, read as far as tests need it, and what the server's page of metrics has."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from sip_edge.api.control.app import operations
from sip_edge.api_metrics import ApiMetrics
from sip_edge.metrics import Metrics

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules" / "sip_edge.yml"
RULE_TESTS = tuple(sorted(RULES.parent.glob("*_test.yml")))
DASHBOARD = DEPLOY / "grafana" / "dashboards" / "sip_edge.json"

_COUNTED_ELSEWHERE = re.compile(r'count_elsewhere\(\s*"(\w+)"')


def exported() -> dict[str, dict[str, set[str]]]:
    """Every sample that the server and the control API export: name, labels, and their values.

    All label values exist from the start (`sip_edge.metrics`), so a fresh page has them.
    """
    metrics = Metrics(version="1")
    for source in (ROOT / "sip_edge").rglob("*.py"):
        for name in _COUNTED_ELSEWHERE.findall(source.read_text()):
            metrics.count_elsewhere(name, "kept elsewhere", lambda: 0)
    pages = (metrics.render()[0], ApiMetrics(operations()).render("")[0])
    names: dict[str, dict[str, set[str]]] = {}
    for page in pages:
        for family in text_string_to_metric_families(page.decode()):
            for sample in family.samples:
                labels = names.setdefault(sample.name, {})
                for label, value in sample.labels.items():
                    labels.setdefault(label, set()).add(value)
    return names


def alerts() -> dict[str, str]:
    """The rules' alerts, and the text of each rule."""
    parts = re.split(r"^ +- alert: ", RULES.read_text(), flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0]: part for part in parts}


def alert_expression(rule: str) -> str:
    """The expression in the text of a rule."""
    found = re.search(r"expr:\s*\|?\s*(.*?)\n +(?:for|labels):", rule, re.DOTALL)
    assert found, rule
    return found[1]


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return loaded


def panels() -> list[dict[str, Any]]:
    """Its panels, without the rows' titles."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard, with the title of its panel."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for annotation in dashboard()["annotations"]["list"]:
        yield f"annotation {annotation['name']}", annotation["expr"]


def promtool() -> Path | None:
    """promtool, which scripts/promtool.sh gets where it can be had."""
    tool = ROOT / ".tools" / "promtool"
    if not tool.exists():
        subprocess.run(["sh", "scripts/promtool.sh"], cwd=ROOT, check=True)
    return tool if tool.exists() else None
