"""Cursors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from sip_edge.api.control.paging import decode_cursor, encode_cursor
from sip_edge.provisioning.values import Position

ID = UUID("3c90c3cc-0d44-4b50-8888-8dd25736052a")


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 7, 1, 12, 0, 0, 123456, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(2026, 7, 1, tzinfo=timezone(timedelta(hours=9))),
    ],
)
def test_cursor_is_a_place_to_the_microsecond(at: datetime) -> None:
    text = encode_cursor(Position(at, ID))

    assert text is not None
    assert decode_cursor(text) == Position(at, ID)
    assert len(text) == 32


def test_last_page_has_no_cursor() -> None:
    assert encode_cursor(None) is None


@pytest.mark.parametrize(
    "text", ["", "A", "A" * 31, "A" * 36, "ü" * 32, "!" * 32, "_" * 32, "f" + "_" * 31]
)
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a cursor"):
        decode_cursor(text)
