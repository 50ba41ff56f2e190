"""Kinds of values that several operations take."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import TypeAdapter, ValidationError

from sip_edge.api.control.fields import Instant, PhoneNumber, QueryNumber

NUMBER: TypeAdapter[str] = TypeAdapter(PhoneNumber)
QUERY_NUMBER: TypeAdapter[str] = TypeAdapter(QueryNumber)
INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


def test_plus_that_was_not_escaped_is_taken_for_one() -> None:
    assert QUERY_NUMBER.validate_python(" 12025550100") == "+12025550100"
    assert QUERY_NUMBER.validate_python("+12025550100") == "+12025550100"
    with pytest.raises(ValidationError):
        NUMBER.validate_python(" 12025550100")


@pytest.mark.parametrize("text", ["", "12025550100", "+0", "+1202555010x", "+" + "1" * 16])
def test_number_is_e164(text: str) -> None:
    with pytest.raises(ValidationError):
        NUMBER.validate_python(text)


def test_instant_without_a_time_zone_is_utc() -> None:
    assert INSTANT.validate_python("2026-07-01T12:00:00") == datetime(2026, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "x"])
def test_instant_that_no_database_holds_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        INSTANT.validate_python(text)
