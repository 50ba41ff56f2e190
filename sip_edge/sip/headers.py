"""The header section: ordered, case-insensitive, aware of compact forms (RFC 3261 section 7.3).

Header text is wire text: one character per byte (latin-1). So any byte survives a round trip and
nothing here can fail to encode; `fields.to_text` makes human text of it. Lines are kept as they
came, folding included, and a value is cut out of its line when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from sip_edge.sip.uri import is_safe_value, is_token, split_outside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COMPACT_FORMS: Final = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""IANA's registry of one-letter header names."""

_COMMON_NAMES: Final = (
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Max-Forwards",
    "Record-Route",
    "Route",
    "Content-Type",
    "Content-Length",
    "Content-Disposition",
    "Allow",
    "Allow-Events",
    "Supported",
    "Require",
    "Proxy-Require",
    "User-Agent",
    "Server",
    "Accept",
    "Reason",
    "Privacy",
    "Diversion",
    "P-Asserted-Identity",
    "Session-Expires",
    "Min-SE",
    "Identity",
    "Timestamp",
    "Date",
    "Expires",
)


def _known_keys() -> dict[str, str]:
    keys = dict(COMPACT_FORMS)
    keys.update({short.upper(): key for short, key in COMPACT_FORMS.items()})
    for name in _COMMON_NAMES:
        keys.update({name: name.lower(), name.lower(): name.lower()})
    return keys


KNOWN_KEYS: Final = _known_keys()
"""Key by name as usually written: one look-up for most lines. Never grows."""


def header_key(name: str) -> str:
    """What a header is looked up by: its long name in lower case."""
    return KNOWN_KEYS.get(name) or _uncommon_key(name)


def _uncommon_key(name: str) -> str:
    key = name.strip(" \t").lower()
    return COMPACT_FORMS.get(key, key)


def line_value(line: str) -> str:
    """The value in a header line: unfolded (section 7.3.1), without blanks around it."""
    value = line[line.find(":") + 1 :]
    if "\n" in value:
        value = " ".join([part.strip(" \t") for part in value.split("\r\n")])
    return value.strip(" \t")


def split_list(value: str) -> list[str]:
    """The elements of a comma-separated value; empty ones are left out.

    Commas within quoted strings and angle brackets separate nothing. Linear in the length.
    """
    if "," not in value:
        return [value] if value else []
    pieces = split_outside(value, ",") if '"' in value or "<" in value else value.split(",")
    return [stripped for piece in pieces if (stripped := piece.strip(" \t"))]


class Headers:
    """Header lines in their order. Changed only by copying: the `with_` methods."""

    __slots__ = ("_index", "_lines")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        """Build from names and values. Raises ValueError for what would break the message."""
        self._lines: list[str] = []
        self._index: dict[str, list[str]] | None = None
        for name, value in items:
            self._lines.append(header_line(name, value))

    @classmethod
    def from_lines(cls, lines: list[str], index: dict[str, list[str]] | None = None) -> Headers:
        """Take lines as they came from the wire, checked by the caller, without their CRLF.

        `index` maps each `header_key` to its lines, in order.
        """
        headers = cls.__new__(cls)
        headers._lines = lines
        headers._index = index
        return headers

    @property
    def lines(self) -> list[str]:
        """The lines as they came or go out; not to be changed."""
        return self._lines

    def lines_of(self, name: str) -> list[str]:
        """The lines of one header, as they came; not to be changed."""
        index = self._index
        if index is None:
            index = self._index = self._build_index()
        return index.get(KNOWN_KEYS.get(name) or _uncommon_key(name), [])

    def get(self, name: str) -> str | None:
        """The value of the first line of this name, unfolded and stripped."""
        lines = self.lines_of(name)
        return line_value(lines[0]) if lines else None

    def get_all(self, name: str) -> list[str]:
        """The values of all lines of this name."""
        return [line_value(line) for line in self.lines_of(name)]

    def split(self, name: str) -> list[str]:
        """The comma-separated values of all lines of this name, as one list (section 7.3.1)."""
        values: list[str] = []
        for line in self.lines_of(name):
            values += split_list(line_value(line))
        return values

    def with_added(self, name: str, value: str) -> Headers:
        """A copy with one more line at the end. Raises ValueError."""
        return Headers.from_lines([*self._lines, header_line(name, value)])

    def with_first_line(self, name: str, line: str) -> Headers:
        """A copy whose first line of this name, which is there, is this whole line instead.

        `line` is wire text that its caller vouches for.
        """
        old = self.lines_of(name)
        lines = self._lines.copy()
        lines[lines.index(old[0])] = line
        index = dict(self._index or {})
        index[header_key(name)] = [line, *old[1:]]
        return Headers.from_lines(lines, index)

    def without(self, name: str) -> Headers:
        """A copy without the lines of this name."""
        dropped = header_key(name)
        return Headers.from_lines([line for line in self._lines if _key_of(line) != dropped])

    def _build_index(self) -> dict[str, list[str]]:
        index: dict[str, list[str]] = {}
        for line in self._lines:
            index.setdefault(_key_of(line), []).append(line)
        return index

    def __contains__(self, name: str) -> bool:
        return bool(self.lines_of(name))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for line in self._lines:
            yield line.partition(":")[0].rstrip(" \t"), line_value(line)

    def __len__(self) -> int:
        return len(self._lines)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._lines == other._lines

    @override
    def __hash__(self) -> int:
        return hash(tuple(self._lines))

    @override
    def __repr__(self) -> str:
        return f"Headers({list(self)!r})"


def header_line(name: str, value: str) -> str:
    """`name: value`. Raises ValueError where either would break out of its line."""
    if not is_token(name):
        raise ValueError(f"not a header name: {name!r}")
    if not is_safe_value(value):
        raise ValueError(f"not fit for the header {name}: {value!r}")
    return f"{name}: {value}"


def _key_of(line: str) -> str:
    return header_key(line.partition(":")[0])
