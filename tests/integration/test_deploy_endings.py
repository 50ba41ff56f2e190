"""The tables of every ending in deploy/README.md say what the code does, and leave nothing out."""

from __future__ import annotations

import re
from enum import Enum

import pytest
from support.deployment import DEPLOY, panels
from support.promql import selections

from sip_edge.routing.outcome import AgentEnd, AttemptFailure, EndedBy, Outcome
from sip_edge.routing.refusal import BYE_REASONS, RESPONSES, Refusal
from sip_edge.voicemail.results import MessageResult

WHO = {"carrier", "edge", "database", "worker", "number", "nobody"}
LABELS = {"outcome": "outcome", "refusal": "refusal", "by": "ended_by"}
"""The label of a metric, and the table that has its words."""


def table(first: str, *, column: str = "who looks") -> dict[str, list[str]]:
    """The rows of the table whose header begins with `first`, by their first cell's word."""
    text = (DEPLOY / "README.md").read_text()
    section = text.partition("\n## Every ending\n")[2].partition("\n## ")[0]
    found = re.search(
        rf"^\| {first} \|.*\| {column} \|\n\| --- .*\n((?:\|.*\n)+)", section, re.MULTILINE
    )
    assert found, f"no table of {first}"
    rows: dict[str, list[str]] = {}
    for line in found[1].splitlines():
        word, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        assert word.strip("`") not in rows
        rows[word.strip("`")] = cells
    return rows


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("outcome", Outcome),
        ("refusal", Refusal),
        ("ended_by", EndedBy),
        ("agent_end", AgentEnd),
        ("result", AttemptFailure),
    ],
)
def test_every_word_has_its_row(first: str, words: type[Enum]) -> None:
    assert list(table(first)) == [word.value for word in words]
    assert {row[-1] for row in table(first).values()} <= WHO


def test_every_end_of_a_turn_with_the_voicemail_has_its_row() -> None:
    assert list(messages()) == [result.value for result in MessageResult]
    assert {row[-1] for row in messages().values()} <= WHO


def messages() -> dict[str, list[str]]:
    """The last table."""
    text = (DEPLOY / "README.md").read_text().partition("| result | the caller | kept |")[2]
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", text.partition("\n\n")[0], re.MULTILINE)
    return {word: [cell.strip() for cell in cells.split("|")] for word, cells in rows}


def test_refusals_have_the_code_and_the_cause_that_are_sent() -> None:
    written = {word: (row[0], row[1]) for word, row in table("refusal").items()}

    assert written == {
        refusal.value: (str(response.status), str(response.q850_cause))
        for refusal, response in RESPONSES.items()
    }


def test_ends_have_the_cause_of_our_bye() -> None:
    written = {word: row[0] for word, row in table("ended_by").items()}

    for ended_by in EndedBy:
        reason = BYE_REASONS.get(ended_by)
        cause = "-" if reason is None else reason.partition("cause=")[2].partition(";")[0]
        assert written[ended_by.value] == cause, ended_by


def test_agent_that_is_lost_leads_to_the_next_one_and_a_hang_up_does_not() -> None:
    moved = {word for word, row in table("agent_end").items() if "next agent" in row[1]}

    assert moved == {end.value for end in AgentEnd if end.is_failure}


def test_dashboard_lays_the_blame_where_the_tables_do() -> None:
    """Of the edge's own refusals the outcomes speak, which are counted at its door."""
    doors = {"the number itself": "number"}
    blamed = set()
    for panel in panels():
        if "who" not in panel["title"] or panel["type"] == "timeseries":
            continue
        for target in panel["targets"]:
            door = doors.get(target["legendFormat"], target["legendFormat"])
            for selection in selections(target["expr"]):
                for label, words in selection.matchers:
                    for word in words if label in LABELS else ():
                        blamed.add(word)
                        assert table(LABELS[label])[word][-1] == door, (word, door)
    unblamed = {word for word, row in table("refusal").items() if row[-1] != "edge"} - blamed
    assert unblamed == set()
