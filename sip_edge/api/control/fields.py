"""Kinds of values that several operations take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field

MESSAGE_CHARACTERS: Final = 2_000
"""A voicemail message of two minutes; longer ones nobody listens to."""
_YEARS: Final = range(1970, 9_000)
"""What PostgreSQL, cursors and every time zone can hold."""


def _instant(value: datetime) -> datetime:
    """Without a time zone it is UTC."""
    if value.year not in _YEARS:
        raise ValueError("must be between 1970 and 8999")
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _with_plus(value: object) -> object:
    """In a query, a `+` that was not escaped has become a blank."""
    if isinstance(value, str) and value[:1] == " ":
        return "+" + value[1:]
    return value


PhoneNumber = Annotated[str, Field(pattern=r"^\+[1-9]\d{1,14}$", examples=["+12025550100"])]
"""E.164."""
QueryNumber = Annotated[PhoneNumber, BeforeValidator(_with_plus)]
"""E.164 in a query."""
Instant = Annotated[datetime, AfterValidator(_instant)]
"""ISO 8601; UTC if it names no time zone."""
VoicemailText = Annotated[str, Field(max_length=MESSAGE_CHARACTERS)]
"""What callers hear before the beep."""
