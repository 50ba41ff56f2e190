"""Bytes to messages (RFC 3261 sections 7 and 25; RFC 4475 for what goes wrong).

`parse_message` reads one whole message: a datagram, or what `stream` cut out of a stream. It checks
all that a transaction needs, so that whoever gets a message may read its fields without care. Time
is linear in the length of the input; every bound is in `Limits`.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from sip_edge.sip.fields import FieldError, parse_number
from sip_edge.sip.headers import KNOWN_KEYS, Headers, header_key
from sip_edge.sip.ids import BRANCH_COOKIE
from sip_edge.sip.message import SIP_VERSION, Request, Response
from sip_edge.sip.uri import SipUri, UriError, is_token

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_MESSAGE_BYTES: Final = 65_535
"""What a UDP datagram can hold (RFC 3261 18.1.1); streams get no more."""
MAX_HEADER_BYTES: Final = 32_768
"""Start line and headers. RFC 4475's `longreq` has 3,365; a carrier's INVITE about 1,000."""
MAX_HEADER_LINES: Final = 256
"""Folded lines count too. Carriers send about twenty; a path of 70 Vias still fits."""
MAX_LINE_LENGTH: Final = 8_192
"""One header with its folds. The longest in use, Identity with a PASSporT, has below 2,000."""
MAX_VIAS: Final = 70
"""The Max-Forwards that section 8.1.1.6 recommends: no request can have come further."""
MAX_CONTENT_LENGTH: Final = 2**31 - 1
"""Above this a Content-Length is nonsense rather than too large."""

KNOWN_METHODS: Final = frozenset(
    {"INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "PRACK", "SUBSCRIBE", "NOTIFY"}
    | {"PUBLISH", "INFO", "REFER", "MESSAGE", "UPDATE"}
)
"""Methods whose CSeq must agree; for the others 501 is the better answer (RFC 4475 3.1.2.18)."""

_REQUIRED: Final = (
    ("via", "Via"),
    ("from", "From"),
    ("to", "To"),
    ("call-id", "Call-ID"),
    ("cseq", "CSeq"),
)
_SINGLE: Final = (
    *_REQUIRED[1:],
    ("max-forwards", "Max-Forwards"),
    ("content-length", "Content-Length"),
    ("content-type", "Content-Type"),
)
_READERS: Final = (
    ("Via", attrgetter("top_via")),
    ("From", attrgetter("from_")),
    ("To", attrgetter("to")),
    ("Call-ID", attrgetter("call_id")),
    ("CSeq", attrgetter("cseq")),
    ("Contact", attrgetter("contact")),
)
"""What `_check_fields` reads, so that nobody fails to read it later."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what is read. Bytes, or counts."""

    message_bytes: int = MAX_MESSAGE_BYTES
    header_bytes: int = MAX_HEADER_BYTES
    header_lines: int = MAX_HEADER_LINES
    line_length: int = MAX_LINE_LENGTH
    vias: int = MAX_VIAS


DEFAULT_LIMITS: Final = Limits()


class ParseError(ValueError):
    """A message that cannot be accepted.

    `status` and `phrase` are what to answer; `status` is None where nothing may be answered.
    `request` is what `make_response` needs for it: only its method, headers and `with_received`
    are to be relied upon. It is None for a response, an ACK, or where there is no Via to answer to.
    """

    def __init__(self, status: int | None, phrase: str, request: Request | None) -> None:
        super().__init__(phrase)
        self.status = status
        self.phrase = phrase
        self.request = request


class _Fault(Exception):
    """What is wrong, on its way to `parse_message`, which makes a ParseError of it."""

    def __init__(self, status: int, phrase: str) -> None:
        super().__init__(phrase)
        self.status = status
        self.phrase = phrase


def is_keepalive(data: bytes) -> bool:
    """True for a datagram of line ends only, or of nothing: it holds a NAT open (RFC 5626 3.5)."""
    return not data.strip(b"\r\n")


def parse_message(data: bytes, limits: Limits = DEFAULT_LIMITS) -> Request | Response:
    """Read one message. Raises ParseError, and nothing else, whatever `data` is."""
    if data[:1] in (b"\r", b"\n"):
        data = data.lstrip(b"\r\n")  # Section 7.5: ignore any CRLF before the start-line.
    try:
        return _parse(data, limits)
    except _Fault as fault:
        raise explain(data, fault.status, fault.phrase, limits) from fault


def explain(data: bytes, status: int, phrase: str, limits: Limits = DEFAULT_LIMITS) -> ParseError:
    """A ParseError for `data`, a message or its beginning, answerable where it can be."""
    request = _partial_request(data, limits)
    return ParseError(status if request is not None else None, phrase, request)


def content_length(values: Sequence[str]) -> int | None:
    """The Content-Length that these header values say, None if there are none.

    Raises FieldError if they are no number or more than one (RFC 4475 3.3.9).
    """
    if not values:
        return None
    if len(values) > 1:
        raise FieldError("more than one")
    return parse_number(values[0], MAX_CONTENT_LENGTH)


def _parse(data: bytes, limits: Limits) -> Request | Response:
    if len(data) > limits.message_bytes:
        raise _Fault(513, "Message Too Large")
    end = data.find(b"\r\n\r\n")
    if end > limits.header_bytes:
        raise _Fault(513, "Header Section Too Large")
    if end < 0:
        is_bare = b"\n\n" in data
        raise _Fault(400, "CR or LF Without the Other" if is_bare else "No End of Headers")
    lines = _split_lines(data[:end].decode("latin-1"), limits)
    start_line = lines.pop(0)
    if start_line[:4].upper() == "SIP/":
        status, reason = _parse_status_line(start_line)
        headers = _parse_headers(lines, limits)
        response = Response(
            status=status, reason=reason, headers=headers, body=_cut_body(data, end + 4, headers)
        )
        _check_fields(response)
        return response
    method, uri = _parse_request_line(start_line)
    headers = _parse_headers(lines, limits)
    request = Request(
        method=method, uri=uri, headers=headers, body=_cut_body(data, end + 4, headers)
    )
    _check_fields(request)
    _check_request(request)
    return request


def _split_lines(head: str, limits: Limits) -> list[str]:
    """The lines of the header section. None of them can break out of a message that we build."""
    lines = head.split("\r\n", limits.header_lines)
    if len(lines) > limits.header_lines:
        raise _Fault(400, "Too Many Header Lines")
    rest = "".join(lines)
    if "\n" in rest or "\r" in rest:
        # Two parsers on the path could see two messages in it, so it is not guessed at.
        raise _Fault(400, "CR or LF Without the Other")
    if "\x00" in rest and "\x00" in head.replace("\\\x00", ""):
        raise _Fault(400, "NUL Outside a Quoted Pair")
    if len(lines[0]) > limits.line_length:
        raise _Fault(414, "Request-URI Too Long")
    return lines


def _parse_request_line(line: str) -> tuple[str, str]:
    parts = line.split(" ")
    if len(parts) != 3:
        raise _Fault(400, "Malformed Request Line")
    method, uri, version = parts
    if version != SIP_VERSION and version.upper() != SIP_VERSION:
        if version[:4].upper() == "SIP/":
            raise _Fault(505, "Version Not Supported")
        raise _Fault(400, "Malformed Request Line")
    if not is_token(method):
        raise _Fault(400, "Malformed Method")
    return method, uri


def _parse_status_line(line: str) -> tuple[int, str]:
    version, _, rest = line.partition(" ")
    code, _, reason = rest.partition(" ")
    if version.upper() != SIP_VERSION:
        raise _Fault(505, "Version Not Supported")
    if len(code) != 3 or not code.isascii() or not code.isdigit() or not "100" <= code <= "699":
        raise _Fault(400, "Malformed Status Code")
    return int(code), reason


def _parse_headers(lines: list[str], limits: Limits) -> Headers:
    """Sort header lines by name; check which are there, how often and how long."""
    index: dict[str, list[str]] = {}
    for line in lines:
        name, colon, _ = line.partition(":")
        if colon and name in KNOWN_KEYS:
            key = KNOWN_KEYS[name]
        elif line[:1] in (" ", "\t"):
            return _parse_headers(_join_folded(lines), limits)
        else:
            key = _uncommon_key(name, colon)
        if key in index:
            index[key].append(line)
        else:
            index[key] = [line]
    if max(map(len, lines), default=0) > limits.line_length:
        raise _Fault(400, "Header Too Long")
    _check_counts(index, limits)
    return Headers.from_lines(lines, index)


def _uncommon_key(name: str, colon: str) -> str:
    if not colon or (not is_token(name) and not is_token(name.rstrip(" \t"))):
        raise _Fault(400, "Malformed Header Name")
    return header_key(name)


def _join_folded(lines: list[str]) -> list[str]:
    """Each header with the lines that continue it as one; none begins with a blank any more."""
    joined: list[list[str]] = []
    for line in lines:
        if line[:1] not in (" ", "\t"):
            joined.append([line])
        elif joined:
            joined[-1].append(line)
        else:
            raise _Fault(400, "Folded Start Line")
    return ["\r\n".join(parts) for parts in joined]


def _check_counts(index: dict[str, list[str]], limits: Limits) -> None:
    for key, name in _REQUIRED:
        if key not in index:
            raise _Fault(400, f"Missing {name}")
    for key, name in _SINGLE:
        if key in index and len(index[key]) > 1:
            raise _Fault(400, f"Multiple {name}")
    if sum([line.count(",") + 1 for line in index["via"]]) > limits.vias:
        raise _Fault(400, "Too Many Via Values")


def _cut_body(data: bytes, start: int, headers: Headers) -> bytes:
    """The body: the rest of the datagram, or what Content-Length says of it (section 18.3)."""
    try:
        length = content_length(headers.get_all("Content-Length"))
    except FieldError as error:
        raise _Fault(400, f"Malformed Content-Length: {error}") from error
    if length is None:
        return data[start:]
    if start + length > len(data):
        raise _Fault(400, "Content-Length Larger Than the Body")
    return data[start : start + length]


def _check_fields(message: Request | Response) -> None:
    for name, read in _READERS:
        try:
            read(message)
        except FieldError as error:
            raise _Fault(400, f"Malformed {name}: {error}") from error


def _check_request(request: Request) -> None:
    if request.cseq.method != request.method and request.method in KNOWN_METHODS:
        raise _Fault(400, "CSeq Method Differs")
    if request.top_via.branch == BRANCH_COOKIE:
        raise _Fault(400, "Malformed Via: an empty branch")  # RFC 4475 3.2.1
    try:
        _ = request.max_forwards
    except FieldError as error:
        raise _Fault(400, f"Malformed Max-Forwards: {error}") from error
    try:
        uri = request.parsed_uri
    except UriError as error:
        raise _Fault(400, f"Malformed Request-URI: {error}") from error
    if isinstance(uri, SipUri) and uri.headers is not None:
        raise _Fault(400, "Malformed Request-URI: headers in it")  # Section 19.1.1, table 1


def _partial_request(data: bytes, limits: Limits) -> Request | None:
    """What of a broken request is good enough for `make_response`, or None.

    Needed are a method that is answered at all and a Via; whatever else is missing is missing in
    the answer as well. Any kind of line end counts here, so that none gets into the answer.
    """
    head = data[: limits.header_bytes].decode("latin-1").replace("\r\n", "\n")
    lines = [line.replace("\r", " ") for line in head.split("\n", limits.header_lines)]
    start_line = lines[0]
    if "" in lines:
        del lines[lines.index("") :]
    else:
        del lines[-1]  # Perhaps cut short.
    method, _, rest = start_line.partition(" ")
    if not lines or not is_token(method) or method == "ACK":
        return None
    kept: list[str] = []
    for line in lines[1:]:
        if line[:1] in (" ", "\t"):
            if kept:
                kept[-1] += f"\r\n{line}"
        elif ":" in line and len(line) <= limits.line_length:
            kept.append(line)
    request = Request(
        method=method, uri=rest.rpartition(" ")[0], headers=Headers.from_lines(kept), body=b""
    )
    return request if "Via" in request.headers else None
