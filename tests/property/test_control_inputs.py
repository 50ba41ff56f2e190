"""Whatever a client sends: cursors, ids, ranges, keys and bodies raise nothing unforeseen."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from sip_edge.api.control.byte_range import RangeError, parse_range
from sip_edge.api.control.ids import parse_id
from sip_edge.api.control.paging import decode_cursor, encode_cursor
from sip_edge.api.control.strict_json import problem_of
from sip_edge.provisioning.values import Position

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INSTANTS = st.integers(0, 250_000_000_000_000_000).map(
    lambda microseconds: EPOCH + timedelta(microseconds=microseconds)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(INSTANTS, st.uuids())
def test_cursor_comes_back_as_the_place_that_it_was(at: datetime, row: UUID) -> None:
    text = encode_cursor(Position(at, row))

    assert text is not None
    assert decode_cursor(text) == Position(at, row)


@given(st.text(max_size=64) | st.text("ABCDEFGHabcdefgh0123456789_-=", min_size=32, max_size=32))
def test_any_text_is_a_cursor_or_is_refused(text: str) -> None:
    with suppress(ValueError):
        position = decode_cursor(text)
        assert position.at.year <= 9999


@given(st.text(max_size=60))
def test_any_text_is_an_id_or_is_none(text: str) -> None:
    found = parse_id(text)

    assert found is None or found.hex in text.lower().replace("-", "")


@given(st.text(max_size=40) | st.from_regex(r"bytes=\d{0,20}-\d{0,20}"), st.integers(0, 10_000))
def test_any_range_lies_in_the_file(header: str, size: int) -> None:
    with suppress(RangeError):
        part = parse_range(header, size)
        assert part is None or (0 <= part.first <= part.last < size)


@given(st.binary(max_size=200))
def test_any_body_is_judged(body: bytes) -> None:
    problem_of(body)


@given(VALUES)
def test_body_that_passes_can_be_kept_by_postgresql(value: object) -> None:
    body = json.dumps(value).encode()

    if problem_of(body) is None:
        for text in texts(json.loads(body)):
            assert "\0" not in text
            text.encode()


def texts(value: object) -> list[str]:
    """Every text in a value, keys included."""
    if isinstance(value, dict):
        return [text for item in value.items() for each in item for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []
