"""promtool's judgement of the alert rules, their own unit tests, and the dashboard's queries."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.deployment import RULE_TESTS, RULES, dashboard_expressions, promtool


@pytest.fixture(scope="module")
def tool() -> Path:
    tool = promtool()
    if tool is None:
        pytest.skip("promtool cannot be had (scripts/promtool.sh): alert rules are not tested")
    return tool


def run(tool: Path, *arguments: str | Path) -> None:
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_and_the_configuration_that_names_them_are_valid(tool: Path) -> None:
    run(tool, "check", "config", RULES.parents[1] / "prometheus.yml")


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_each_situation_sets_off_its_alerts_and_no_other(tool: Path, path: Path) -> None:
    run(tool, "test", "rules", path)


def test_every_query_of_the_dashboard_is_valid(tool: Path, tmp_path: Path) -> None:
    rules = [
        {
            "record": f"panel:query{number}",
            "expr": promql.replace("$__rate_interval", "1m").replace("$instance", ".*"),
        }
        for number, (_, promql) in enumerate(dashboard_expressions())
    ]
    assert not any("$" in rule["expr"] for rule in rules)
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    run(tool, "check", "rules", path)
