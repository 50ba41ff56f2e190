"""Reason phrases: RFC 3261 section 21."""

from __future__ import annotations

import pytest

from sip_edge.sip.status import reason_phrase


@pytest.mark.parametrize(
    ("code", "phrase"),
    [
        (100, "Trying"),
        (180, "Ringing"),
        (200, "OK"),
        (404, "Not Found"),
        (481, "Call/Transaction Does Not Exist"),
        (486, "Busy Here"),
        (487, "Request Terminated"),
        (488, "Not Acceptable Here"),
        (503, "Service Unavailable"),
        (603, "Decline"),
    ],
)
def test_registered_code_has_its_phrase(code: int, phrase: str) -> None:
    assert reason_phrase(code) == phrase


@pytest.mark.parametrize(("code", "phrase"), [(299, "Success"), (455, "Request Failure")])
def test_unregistered_code_is_named_after_its_class(code: int, phrase: str) -> None:
    assert reason_phrase(code) == phrase


def test_code_of_no_class_is_unknown() -> None:
    assert reason_phrase(700) == "Unknown"
