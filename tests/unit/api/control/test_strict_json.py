"""Bodies that are refused before anything looks at them."""

from __future__ import annotations

import pytest

from sip_edge.api.control.strict_json import DEEPEST, problem_of


@pytest.mark.parametrize("body", [b"{}", b"null", b'{"a": [1, 2.5, "\xc3\xbc", true, null]}'])
def test_ordinary_json_is_fine(body: bytes) -> None:
    assert problem_of(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": NaN}',
        b"[Infinity]",
        b'"\\ud800"',
        b'"\xff"',
        b"1e999",
        b"[" * 5_000,
        b"{}x",
    ],
)
def test_what_is_no_json_is_said_to_be_none(body: bytes) -> None:
    problem = problem_of(body)

    assert problem is not None
    assert (problem["type"], problem["loc"][0]) == ("json_invalid", "body")


@pytest.mark.parametrize(
    ("body", "location"),
    [
        (b'"a\\u0000b"', ("body",)),
        (b'{"a": ["x", "\\u0000"]}', ("body", "a", 1)),
        (b'{"a": {"\\u0000": 1}}', ("body", "a")),
    ],
)
def test_nul_is_found_wherever_it_is(body: bytes, location: tuple[object, ...]) -> None:
    problem = problem_of(body)

    assert problem is not None
    assert (problem["loc"], problem["msg"]) == (location, "must not contain the character NUL")


def test_depth_is_bounded() -> None:
    deepest = DEEPEST - 1

    assert problem_of(b"[" * deepest + b"]" * deepest) is None
    problem = problem_of(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))
    assert problem is not None
    assert problem["type"] == "too_deep"


def test_numbers_beyond_64_bits_are_refused() -> None:
    assert problem_of(b"9223372036854775807") is None
    assert problem_of(b'{"a": 9223372036854775808}') is not None
