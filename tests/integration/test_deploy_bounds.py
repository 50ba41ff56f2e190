"""The table of bounds that operators read: settings with their defaults, metrics that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel
from support.deployment import exported

from sip_edge.config import Config

README = Path(__file__).parents[2] / "deploy" / "README.md"


def rows() -> Iterator[list[str]]:
    """The cells of each row of `Every other bound`."""
    section = README.read_text().split("## Every other bound", 1)[1].split("\n## ", 1)[0]
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith(("| what", "| ---")):
            yield [cell.strip() for cell in line.strip("|").split("|")]


@pytest.fixture(scope="module")
def metrics() -> dict[str, dict[str, set[str]]]:
    return exported()


def test_there_are_rows_to_look_at() -> None:
    assert len(list(rows())) > 15


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row[0])
def test_every_setting_named_exists_and_has_the_default_that_is_told(row: list[str]) -> None:
    for path, told in re.findall(r"`([a-z]+\.[a-z_]+)` ([0-9.]+)?", row[1]):
        section, name = path.split(".")
        model = getattr(Config(), section, None)
        if model is None:
            assert section in ("phone_numbers",)
            continue
        assert isinstance(model, BaseModel)
        value = getattr(model, name)
        assert not told or float(value) == float(told)


@pytest.mark.parametrize("row", list(rows()), ids=lambda row: row[0])
def test_every_metric_named_exists_with_that_label(
    row: list[str], metrics: dict[str, dict[str, set[str]]]
) -> None:
    for name, labels in re.findall(r"`([a-z_]+)(?:\{([^}]*)\})?`", row[3]):
        if name == "overloaded":
            continue
        found = [
            metrics[each]
            for each in (f"sip_edge_{name}", f"sip_edge_{name}_total", f"sip_edge_{name}_bucket")
            if each in metrics
        ]
        assert found, name
        for label, value in re.findall(r'([a-z]+)="([a-z_]+)"', labels):
            assert value in found[0][label]
