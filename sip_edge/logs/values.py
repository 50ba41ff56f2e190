"""What a value looks like in a log line: bounded, on one line, phone numbers masked.

Much of what is logged came from the network, and it may try to forge lines, to drive a terminal,
or to fill the disk.
"""

from __future__ import annotations

import re
from typing import Any, Final

LONGEST_TEXT: Final = 1_000
"""Characters kept of a text from outside: a SIP URI or an error message is shorter."""
LONGEST_TRACEBACK: Final = 16_000
MOST_ITEMS: Final = 50
"""Kept of a list or table: a call has a handful of attempts."""
DEEPEST: Final = 4

NUMBER_KEYS: Final = frozenset(
    {
        "called",
        "called_number",
        "caller",
        "caller_number",
        "from_number",
        "number",
        "phone_number",
        "to_number",
    }
)
"""Whoever logs a phone number logs it under one of these keys."""

OWN_WORDS: Final = frozenset(
    {
        "agent_end",
        "agent_id",
        "call_id",
        "call_sid",
        "carrier",
        "ended_by",
        "instance",
        "logger",
        "outcome",
        "refusal",
        "result",
        "role",
    }
)
"""Keys of our own ids and words, which hold no number: most of a call's line is not searched."""

_PHONE_NUMBER: Final = re.compile(r"\d(?:[-. ()]{0,3}\d){6,}")
"""Seven digits or more, with what people write between them; shorter ones name nobody."""
_NUMBERS: Final = frozenset({int, float, bool})
_FIRST_KEPT: Final = 4
_LAST_KEPT: Final = 2


_NUMBER_IN_TEXT: Final = re.compile(
    r"(?:\+|%2[Bb]|\b(?:sips?|tel):)\d(?:[-. ()]{0,3}\d){6,}|(?<![\w.-])\d{10,15}(?![\w-])"
)
"""In a text that may hold other figures too (ids, times, ports): what is written as a number, after
a plus or in a URI, and ten to fifteen digits that stand alone."""


def mask_text(value: Any) -> Any:
    """The same in what `plain` gave, whatever text it holds, but of numbers written so.

    Lists and tables are changed in place.
    """
    kind = type(value)
    if kind is str:
        return _NUMBER_IN_TEXT.sub(_mask_after_mark, value)
    if kind is dict:
        for key, item in value.items():
            if type(item) not in _NUMBERS and key not in OWN_WORDS:
                value[key] = mask_text(item)
    elif kind is list:
        for index, item in enumerate(value):
            if type(item) not in _NUMBERS:
                value[index] = mask_text(item)
    return value


def mask_number(text: str) -> str:
    """`+12025550123` becomes `+1202*****23`, inside a URI or a sentence too."""
    return _PHONE_NUMBER.sub(_mask, text)


def one_line(text: str, longest: int = LONGEST_TEXT) -> str:
    """The text with its beginning kept and everything that is not printable written as escapes."""
    cut = len(text) - longest
    if cut > 0:
        text = f"{text[:longest]}... ({cut} more)"
    return text if text.isprintable() else "".join(map(_escape, text))


def plain(value: object, depth: int = 0) -> Any:
    """The value as JSON knows it, each text on one line."""
    # The first two lines are nearly always all: a call's line has some forty values.
    if type(value) is str:
        is_fine = len(value) <= LONGEST_TEXT and value.isprintable()
        return value if is_fine else one_line(value)
    if type(value) in _NUMBERS or value is None:
        return value
    if isinstance(value, dict) and depth < DEEPEST:
        items = list(value.items())[:MOST_ITEMS]
        return {plain(str(key)): plain(item, depth + 1) for key, item in items}
    if isinstance(value, list | tuple) and depth < DEEPEST:
        return [plain(item, depth + 1) for item in value[:MOST_ITEMS]]
    if isinstance(value, bytes):
        return one_line(value[: LONGEST_TEXT + 1].decode("latin-1"))
    return one_line(str(value))


def _mask(match: re.Match[str]) -> str:
    digits = re.sub(r"\D", "", match.group())
    hidden = max(len(digits) - _FIRST_KEPT - _LAST_KEPT, _FIRST_KEPT)
    first = len(digits) - hidden - _LAST_KEPT
    return f"{digits[:first]}{'*' * hidden}{digits[-_LAST_KEPT:]}"


def _mask_after_mark(match: re.Match[str]) -> str:
    return mask_number(match.group().replace("%2B", "+").replace("%2b", "+"))


def _escape(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
