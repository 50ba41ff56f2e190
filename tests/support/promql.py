"""What a PromQL text names: metrics, the labels they are selected by, what they are grouped by.

Not a parser: promtool judges the syntax.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME = r"(?:sip_edge_|process_|up\b|ALERTS\b)\w*"
_SELECTION = re.compile(rf"\b({_NAME})\s*(?:\{{([^}}]*)\}})?")
_MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring)\s*\(([^)]*)\)")
_ALTERNATIVES = re.compile(r"\w+(?:\|\w+)*")


@dataclass(frozen=True)
class Selection:
    """A metric and its matchers: label, and the values named; none for a pattern."""

    metric: str
    matchers: tuple[tuple[str, tuple[str, ...]], ...]


def selections(promql: str) -> list[Selection]:
    """Every metric that is selected in the text."""
    return [
        Selection(name, tuple(_matchers(matchers or "")))
        for name, matchers in _SELECTION.findall(promql)
    ]


def grouped_by(promql: str) -> set[str]:
    """Every label that something is grouped or joined by."""
    names = ",".join(_GROUPING.findall(promql)).split(",")
    return {name.strip() for name in names if name.strip()}


def _matchers(text: str) -> list[tuple[str, tuple[str, ...]]]:
    found = []
    for label, _, value in _MATCHER.findall(text):
        is_list = _ALTERNATIVES.fullmatch(value) is not None
        found.append((label, tuple(value.split("|")) if is_list else ()))
    return found
