"""The lines of a spool file: a checksum, what the line is about, and a row of `calls` as JSON.

    5f3a1b2c e 7d1f4a11-93a6-4f0e-9b1a-0c2d3e4f5a6b {"id":"7d1f4a11-...","state":"ended",...}

The checksum is the CRC-32 of all that follows it. `o` is a call that is going on, `e` one that has
ended. The kind and the id stand before the JSON so that nobody needs to parse it: PostgreSQL is the
first to do so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable

_KIND_AT: Final = 9
_JSON_AT: Final = _KIND_AT + 2 + 36 + 1
"""The checksum's 8 digits, the kind and the id's 36 characters, a blank after each."""


class RowKind(Enum):
    """What a row says of its call."""

    OPEN = "open"
    ENDED = "ended"


_LETTERS: Final = {RowKind.OPEN: b"o", RowKind.ENDED: b"e"}
_KINDS: Final = {b"o": RowKind.OPEN, b"e": RowKind.ENDED}


@dataclass(frozen=True, slots=True)
class SpoolLines:
    """What was found in a file: sound lines in their order, and the rest as it was."""

    sound: list[bytes]
    damaged: list[bytes]


def make_line(kind: RowKind, call_id: str, json: bytes) -> bytes:
    """A line, newline included. `call_id` is a UUID of 36 characters; `json` holds no newline."""
    body = b"%b %b %b" % (_LETTERS[kind], call_id.encode(), json)
    return b"%08x %b\n" % (crc32(body), body)


def kind_of(line: bytes) -> RowKind:
    """What a sound line says of its call."""
    return _KINDS[line[_KIND_AT : _KIND_AT + 1]]


def json_of(line: bytes) -> bytes:
    """The row of a sound line."""
    return line[_JSON_AT:-1]


def read_lines(data: bytes) -> SpoolLines:
    """Take a file apart. Its last line may be torn, and a power cut leaves zeros: never raises."""
    sound, damaged = [], []
    for line in data.splitlines(keepends=True):
        if _is_sound(line):
            sound.append(line)
        elif rest := line.strip(b"\0\r\n"):
            damaged.append(rest)
    return SpoolLines(sound, damaged)


def latest_of_each_call(lines: Iterable[bytes]) -> list[bytes]:
    """One line a call: its last one, but an open one never after the end."""
    latest: dict[bytes, bytes] = {}
    for line in lines:
        call_id = line[_KIND_AT + 2 : _JSON_AT]
        known = latest.get(call_id)
        if known is None or not (kind_of(known) is RowKind.ENDED and kind_of(line) is RowKind.OPEN):
            latest[call_id] = line
    return list(latest.values())


def _is_sound(line: bytes) -> bool:
    body = line[_KIND_AT:-1]
    return (
        line.endswith(b"\n")
        and len(line) > _JSON_AT
        and body[:1] in _KINDS
        and line[:_KIND_AT] == b"%08x " % crc32(body)
    )
