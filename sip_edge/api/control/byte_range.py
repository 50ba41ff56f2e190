"""The header Range, one range of bytes (RFC 9110 section 14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_DIGITS: Final = 15
"""Of a position: a petabyte."""


class RangeError(ValueError):
    """No byte of the file is in the range: 416."""


@dataclass(frozen=True, slots=True)
class ByteRange:
    """`length` bytes from `first` on."""

    first: int
    length: int

    @property
    def last(self) -> int:
        """The position of the last byte."""
        return self.first + self.length - 1


def parse_range(header: str | None, size: int) -> ByteRange | None:
    """The part of a file of `size` bytes that is asked for; None for the whole.

    What is no range, and several ranges, are ignored, as section 14.2 allows. Raises RangeError.
    """
    unit, equals, text = (header or "").partition("=")
    first_text, dash, last_text = text.strip().partition("-")
    if unit.strip().lower() != "bytes" or not equals or not dash:
        return None
    if not (_is_position(first_text) and _is_position(last_text)) or not first_text + last_text:
        return None
    if not first_text:
        length = min(int(last_text), size)
        if length == 0:
            raise RangeError
        return ByteRange(size - length, length)
    first = int(first_text)
    last = min(int(last_text), size - 1) if last_text else size - 1
    if last_text and int(last_text) < first:
        return None
    if first >= size:
        raise RangeError
    return ByteRange(first, last - first + 1)


def _is_position(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS)
