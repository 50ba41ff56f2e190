"""Session descriptions (RFC 8866, before it RFC 4566): read them, write them, find them in a body.

The reader is one pass over the lines, bounded in every dimension, and forgiving where that costs
nothing: a bare LF ends a line, missing `s=` and `t=` lines are no reason to lose a call, and lines
that it does not know are kept. What it cannot make sense of raises SdpError, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sip_edge.media.multipart import find_part

MAX_SDP_BYTES = 32 * 1024
"""A browser's offer with many codecs and candidates has 8 to 12 KiB; a carrier's has 600 bytes."""
MAX_LINES = 1000
"""Such a browser's offer has about 300 lines."""
MAX_MEDIA = 32
"""Each `m=` line costs one in the answer; no telephone offers more than four."""
MAX_FORMATS = 128
"""RTP has 128 payload types (RFC 3550 section 5.1)."""

_SESSION_LINES_BEFORE_CONNECTION = "iuep"
_MEDIA_LINES_BEFORE_CONNECTION = "i"


class SdpError(ValueError):
    """These bytes are not a session description. The text says why, and quotes none of them."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is kept as it came: its letter and its value."""

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class Origin:
    """`o=` (section 5.2): who made the description, and which version of it this is."""

    username: str
    session_id: str
    version: str
    network_type: str
    address_type: str
    address: str

    def serialize(self) -> str:
        """The value of the line."""
        return (
            f"{self.username} {self.session_id} {self.version} "
            f"{self.network_type} {self.address_type} {self.address}"
        )


@dataclass(frozen=True, slots=True)
class Connection:
    """`c=` (section 5.7). `address` is as written: a number or a name, perhaps with `/ttl`."""

    network_type: str
    address_type: str
    address: str

    def serialize(self) -> str:
        """The value of the line."""
        return f"{self.network_type} {self.address_type} {self.address}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """`a=name` or `a=name:value` (section 5.13); `value` is None in the first form."""

    name: str
    value: str | None = None

    def serialize(self) -> str:
        """The value of the line."""
        return self.name if self.value is None else f"{self.name}:{self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaDescription:
    """One `m=` line and what belongs to it (section 5.14).

    `port_count` is the 2 of `m=audio 49170/2`. `other_lines` holds i=, b=, k= and unknown lines.
    """

    kind: str
    port: int
    port_count: int = 1
    protocol: str
    formats: tuple[str, ...]
    connection: Connection | None = None
    attributes: tuple[Attribute, ...] = ()
    other_lines: tuple[Line, ...] = ()

    def value(self, name: str) -> str | None:
        """The value of the first attribute `name` that has one."""
        return _first_value(self.attributes, name)

    def has(self, name: str) -> bool:
        """Whether there is an attribute `name`, with or without a value."""
        return any(attribute.name == name for attribute in self.attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """A whole description. `other_lines` holds t=, i=, u=, e=, p=, b=, r=, z=, k= and unknown ones.

    What `parse_sdp` returns, `serialize` turns back into an equal description.
    """

    origin: Origin
    name: str = "-"
    connection: Connection | None = None
    attributes: tuple[Attribute, ...] = ()
    media: tuple[MediaDescription, ...] = ()
    other_lines: tuple[Line, ...] = ()

    def serialize(self) -> bytes:
        """The description on the wire: lines in the order of section 5, each ended by CRLF."""
        lines = ["v=0", f"o={self.origin.serialize()}", f"s={self.name}"]
        lines += _section(
            self.connection, self.attributes, self.other_lines, _SESSION_LINES_BEFORE_CONNECTION
        )
        for media in self.media:
            port = str(media.port)
            if media.port_count != 1:
                port += f"/{media.port_count}"
            lines.append(" ".join((f"m={media.kind}", port, media.protocol, *media.formats)))
            lines += _section(
                media.connection,
                media.attributes,
                media.other_lines,
                _MEDIA_LINES_BEFORE_CONNECTION,
            )
        lines.append("")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _first_value(attributes: Sequence[Attribute], name: str) -> str | None:
    for attribute in attributes:
        if attribute.name == name and attribute.value is not None:
            return attribute.value
    return None


def _section(
    connection: Connection | None,
    attributes: Sequence[Attribute],
    other_lines: Sequence[Line],
    before_connection: str,
) -> Iterator[str]:
    """The lines of one section. Other lines keep their order, which has a meaning (t=, then r=)."""
    split = 0
    while split < len(other_lines) and other_lines[split].kind in before_connection:
        split += 1
    yield from (f"{line.kind}={line.value}" for line in other_lines[:split])
    if connection is not None:
        yield f"c={connection.serialize()}"
    yield from (f"{line.kind}={line.value}" for line in other_lines[split:])
    yield from (f"a={attribute.serialize()}" for attribute in attributes)


def parse_sdp(data: bytes) -> SessionDescription:
    """Read a description. Raises SdpError, for whatever reason it cannot be read."""
    lines = _split_lines(data)
    starts = [index for index, (kind, _) in enumerate(lines) if kind == "m"]
    if len(starts) > MAX_MEDIA:
        raise SdpError("too many m= lines")
    bounds = [*starts, len(lines)]
    media = tuple(
        _parse_media(lines[start][1], lines[start + 1 : end]) for start, end in pairwise(bounds)
    )
    return _parse_session(lines[: bounds[0]], media)


def _split_lines(data: bytes) -> list[tuple[str, str]]:
    """The letter and the value of each line."""
    if len(data) > MAX_SDP_BYTES:
        raise SdpError("too long")
    if b"\0" in data:
        raise SdpError("a line with NUL in it")
    # Bytes that are not UTF-8 (section 4.6 asks for it) survive a round trip as surrogates.
    text = data.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
    raw_lines = text.replace("\r\n", "\n").split("\n")
    if len(raw_lines) > MAX_LINES:
        raise SdpError("too many lines")
    lines: list[tuple[str, str]] = []
    for raw_line in raw_lines:
        kind = raw_line[:1]
        if raw_line[1:2] != "=" or not (kind.isascii() and kind.isalpha()) or "\r" in raw_line:
            raise SdpError("a line that is not letter=value")
        lines.append((kind, raw_line[2:]))
    return lines


def _parse_session(
    lines: Sequence[tuple[str, str]], media: tuple[MediaDescription, ...]
) -> SessionDescription:
    if not lines or lines[0][0] != "v" or lines[0][1].strip(" ") != "0":
        raise SdpError("does not begin with v=0")
    origin: Origin | None = None
    name: str | None = None
    others: list[tuple[str, str]] = []
    for kind, value in lines[1:]:
        if kind == "o" and origin is None:
            origin = _parse_origin(value)
        elif kind == "s" and name is None:
            name = value
        elif kind in "vos":
            raise SdpError("a second v=, o= or s= line")
        else:
            others.append((kind, value))
    if origin is None:
        raise SdpError("no o= line")
    connection, attributes, other_lines = _sort_lines(others)
    return SessionDescription(
        origin=origin,
        name=name or "",
        connection=connection,
        attributes=attributes,
        media=media,
        other_lines=other_lines,
    )


def _parse_origin(value: str) -> Origin:
    # Split from the right: some telephones put their name, blanks included, into the user name.
    fields = value.rstrip(" ").rsplit(" ", 5)
    if len(fields) != 6 or not all(fields):
        raise SdpError("an o= line without its six fields")
    return Origin(*fields)


def _parse_connection(value: str) -> Connection:
    fields = _split_on_blanks(value)
    if len(fields) != 3:
        raise SdpError("a c= line without its three fields")
    return Connection(*fields)


def _sort_lines(
    lines: Sequence[tuple[str, str]],
) -> tuple[Connection | None, tuple[Attribute, ...], tuple[Line, ...]]:
    """Sort a section's lines into connection, attributes, and others.

    A further c= line (layered multicast, section 5.7) stays among the others.
    """
    connection: Connection | None = None
    attributes: list[Attribute] = []
    others: list[Line] = []
    for kind, value in lines:
        if kind == "a":
            name, colon, rest = value.partition(":")
            attributes.append(Attribute(name, rest if colon else None))
        elif kind == "c" and connection is None:
            connection = _parse_connection(value)
        else:
            others.append(Line(kind, value))
    return connection, tuple(attributes), tuple(others)


def _parse_media(value: str, lines: Sequence[tuple[str, str]]) -> MediaDescription:
    fields = _split_on_blanks(value)
    # Section 9 demands a format; some telephones leave it out of a line that they refuse.
    if len(fields) < 3:
        raise SdpError("an m= line without kind, port and protocol")
    if len(fields) - 3 > MAX_FORMATS:
        raise SdpError("an m= line with too many formats")
    port, slash, count = fields[1].partition("/")
    port_count = _parse_number(count) if slash else 1
    if port_count == 0:
        raise SdpError("an m= line with no ports")
    connection, attributes, other_lines = _sort_lines(lines)
    return MediaDescription(
        kind=fields[0],
        port=_parse_number(port),
        port_count=port_count,
        protocol=fields[2],
        formats=tuple(fields[3:]),
        connection=connection,
        attributes=attributes,
        other_lines=other_lines,
    )


def _split_on_blanks(value: str) -> list[str]:
    """The fields of a line. Not `str.split()`: that also splits on a dozen exotic characters."""
    return [field for field in value.split(" ") if field]


def _parse_number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > 0xFFFF:
        raise SdpError("an m= line with an impossible port")
    return int(text)


def extract_sdp(content_type: str | None, body: bytes) -> bytes | None:
    """The session description in a SIP body, or None if there is none in it.

    `content_type` is the header's whole value. A body without Content-Type, which RFC 3261 section
    7.4.1 forbids, is judged by its beginning.
    """
    if content_type is None:
        return body if body.startswith(b"v=0") else None
    media_type = content_type.partition(";")[0].strip(" \t").lower()
    if media_type == "application/sdp":
        return body or None
    if media_type.startswith("multipart/"):
        return find_part(content_type, body, b"application/sdp")
    return None
