"""Errors as clients see them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sip_edge.api.control.errors import STATUSES, documented, error_response, invalid
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError


def shown(problem: dict[str, Any], path: str = "/v1/agents") -> dict[str, Any]:
    """One problem as a client sees it."""
    (detail,) = json.loads(bytes(invalid([problem], path).body))["detail"]
    return dict(detail)


def test_every_code_has_a_status() -> None:
    assert set(STATUSES) == set(ErrorCode)
    assert 422 not in STATUSES.values()  # Its bodies have another shape.


@pytest.mark.parametrize(("seconds", "header"), [(0.2, "1"), (2.0, "2"), (2.1, "3")])
def test_client_is_told_when_to_try_again_in_whole_seconds(seconds: float, header: str) -> None:
    error = ProvisioningError(ErrorCode.RATE_LIMITED, "Slow down.", retry_after_seconds=seconds)

    response = error_response(error)

    assert (response.status_code, response.headers["Retry-After"]) == (429, header)
    assert json.loads(bytes(response.body)) == {
        "error": {"code": "RATE_LIMITED", "message": "Slow down."}
    }


def test_codes_of_one_status_are_listed_together() -> None:
    responses = documented(ErrorCode.NUMBER_TAKEN, ErrorCode.NUMBER_UNAVAILABLE)

    assert responses[409]["description"] == "Error: `NUMBER_TAKEN`, `NUMBER_UNAVAILABLE`"
    assert {401, 403, 429, 503, 504} <= set(responses)


def test_input_is_repeated_where_it_is_no_secret() -> None:
    problem = {"loc": ("body", "name"), "msg": "m", "type": "t", "input": 5, "ctx": {"ge": 1}}

    assert shown(problem) == {
        "loc": ["body", "name"],
        "msg": "m",
        "type": "t",
        "input": 5,
        "ctx": {"ge": 1},
    }


@pytest.mark.parametrize("path", ["/v1/integrations", "/v1/phone-numbers", "/v1/phone-numbers/x"])
def test_body_that_may_hold_a_secret_is_never_repeated(path: str) -> None:
    problem = {"loc": ("body", "api_key"), "msg": "m", "type": "t", "input": "s", "ctx": {"x": "s"}}

    assert shown(problem, path) == {"loc": ["body", "api_key"], "msg": "m", "type": "t"}
    in_query = {**problem, "loc": ("query", "limit")}
    assert shown(in_query, path)["input"] == "s"


@pytest.mark.parametrize("value", [b"\xff\xfe", "x" * 2_000, {"a": ["x" * 100] * 50}, float("nan")])
def test_input_that_cannot_be_repeated_is_left_out(value: object) -> None:
    kept = shown({"loc": ("body",), "msg": "m", "type": "t", "input": value})

    assert kept.get("input") is None


def test_reason_of_a_validator_is_repeated_as_text() -> None:
    problem = {"loc": ("body",), "msg": "m", "type": "t", "ctx": {"error": ValueError("too odd")}}

    assert shown(problem)["ctx"] == {"error": "too odd"}


def test_thousands_of_problems_are_cut() -> None:
    problems = [{"loc": ("body", index), "msg": "m", "type": "t"} for index in range(5_000)]

    assert len(json.loads(bytes(invalid(problems, "/v1/agents").body))["detail"]) == 50
