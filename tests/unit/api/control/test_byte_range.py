"""The header Range (RFC 9110 section 14)."""

from __future__ import annotations

import pytest

from sip_edge.api.control.byte_range import ByteRange, RangeError, parse_range


@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=0-99", 0, 99),
        ("bytes=10-19", 10, 19),
        ("bytes=90-200", 90, 99),
        ("bytes=5-", 5, 99),
        ("bytes=-1", 99, 99),
        ("bytes=-500", 0, 99),
        ("Bytes = 3-4", 3, 4),
    ],
)
def test_part_is_taken_from_a_hundred_bytes(header: str, first: int, last: int) -> None:
    part = parse_range(header, 100)

    assert part == ByteRange(first, last - first + 1)
    assert part.last == last


@pytest.mark.parametrize(
    "header",
    [
        None, "", "bytes", "bytes=", "bytes=-", "items=0-1", "bytes=a-b", "bytes=2-1",
        "bytes=0-1,5-6", "bytes=+1-2", "bytes=\u0661-2", "bytes=0-" + "9" * 400,
    ],
)  # fmt: skip
def test_what_is_no_single_range_means_the_whole(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=100-", 100), ("bytes=-0", 9), ("bytes=0-", 0)]
)
def test_range_behind_the_end_is_refused(header: str, size: int) -> None:
    with pytest.raises(RangeError):
        parse_range(header, size)
