"""Pages: `limit` and an opaque `cursor` in, `items` and `next_cursor` out.

A cursor is a place in the list, not a count: while rows come and go, nothing is shown twice and
nothing is left out.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Query
from fastapi.exceptions import RequestValidationError

from sip_edge.provisioning.values import PageRequest, Position

MOST_ITEMS: Final = 100
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LENGTH: Final = 8 + 16
_LATEST: Final = 253_402_300_799_999_999
"""Microseconds to the end of the year 9999, after which there are no instants."""


def encode_cursor(position: Position | None) -> str | None:
    """The text for a place: its microseconds and id."""
    if position is None:
        return None
    microseconds = (position.at - _EPOCH) // timedelta(microseconds=1)
    data = microseconds.to_bytes(8, "big", signed=True) + position.id.bytes
    return base64.urlsafe_b64encode(data).decode()


def decode_cursor(text: str) -> Position:
    """The place that a text stands for. Raises ValueError."""
    try:
        data = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise ValueError("is not a cursor") from None
    microseconds = int.from_bytes(data[:8], "big", signed=True)
    if len(data) != _LENGTH or not 0 <= microseconds <= _LATEST:
        raise ValueError("is not a cursor")
    return Position(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=data[8:]))


async def _page_request(
    limit: Annotated[int, Query(ge=1, le=MOST_ITEMS, description="How many at most.")] = 50,
    cursor: Annotated[
        str | None,
        Query(max_length=64, description="`next_cursor` of the page before; omit for the first."),
    ] = None,
) -> PageRequest:
    if cursor is None:
        return PageRequest(limit, None)
    try:
        return PageRequest(limit, decode_cursor(cursor))
    except ValueError:
        problem = {
            "type": "value_error",
            "loc": ("query", "cursor"),
            "msg": "Value error, must be the next_cursor of an answer",
            "input": cursor,
        }
        raise RequestValidationError([problem]) from None


PageQuery = Annotated[PageRequest, Depends(_page_request)]
