"""Requests and responses as values (RFC 3261 section 7), and how they are built and written.

Immutable by convention. The typed fields are parsed once, when first asked for; `parser` asks for
them all, so that on a message that `parse_message` returned they never raise. Elsewhere they raise
FieldError where the header is missing or malformed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from typing_extensions import override

from sip_edge.sip.fields import (
    CSeq,
    FieldError,
    NameAddr,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_name_addr_leniently,
    parse_number,
    parse_via,
)
from sip_edge.sip.headers import Headers, header_key, header_line, line_value, split_list
from sip_edge.sip.status import reason_phrase
from sip_edge.sip.uri import Uri, is_safe_value, is_token, parse_uri, split_outside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sip_edge.sip.flow import Address

SIP_VERSION: Final = "SIP/2.0"
MAX_MAX_FORWARDS: Final = 255
"""RFC 3261 section 20.22: an integer in the range 0-255."""


class Message:
    """What requests and responses share: headers, body and the fields read from them."""

    __slots__ = ("_contact", "_cseq", "_from", "_to", "_top_via", "body", "headers")

    def __init__(self, *, headers: Headers, body: bytes) -> None:
        self.headers: Final = headers
        self.body: Final = body
        self._top_via: Via | None = None
        self._from: NameAddr | None = None
        self._to: NameAddr | None = None
        self._cseq: CSeq | None = None
        self._contact: NameAddr | None = None

    @property
    def top_via(self) -> Via:
        """The first Via value: who sent this request, or where this response goes."""
        via = self._top_via
        if via is None:
            via = self._top_via = parse_via(_first_of_list(self._required("Via")))
        return via

    @property
    def from_(self) -> NameAddr:
        """Who the request says it is from. Read leniently: no caller is lost to a strange name."""
        value = self._from
        if value is None:
            value = self._from = parse_name_addr_leniently(self._required("From"))
        return value

    @property
    def to(self) -> NameAddr:
        """Who the request was first meant for."""
        value = self._to
        if value is None:
            value = self._to = parse_name_addr(self._required("To"))
        return value

    @property
    def cseq(self) -> CSeq:
        """The sequence number and the method it belongs to."""
        value = self._cseq
        if value is None:
            value = self._cseq = parse_cseq(self._required("CSeq"))
        return value

    @property
    def call_id(self) -> str:
        """The Call-ID, compared byte by byte."""
        value = self._required("Call-ID")
        if not value or " " in value or "\t" in value:
            raise FieldError("a malformed Call-ID")
        return value

    @property
    def contact(self) -> NameAddr | None:
        """The first Contact; None if there is none, or the `*` of a REGISTER."""
        value = self._contact
        if value is None:
            text = self.headers.get("Contact")
            if text is None or text == "*":
                return None
            value = self._contact = parse_name_addr(_first_of_list(text))
        return value

    @property
    def content_type(self) -> str | None:
        """The media type in lower case without its parameters, or None."""
        value = self.headers.get("Content-Type")
        return None if value is None else value.partition(";")[0].strip(" \t").lower()

    @property
    def record_routes(self) -> list[str]:
        """The Record-Route values in the order of the message (section 12.1)."""
        return self.headers.split("Record-Route")

    def _required(self, name: str) -> str:
        value = self.headers.get(name)
        if value is None:
            raise FieldError(f"no {name}")
        return value

    def _serialize(self, start_line: str) -> bytes:
        text = "\r\n".join([start_line, *self.headers.lines, "\r\n"])
        return text.encode("latin-1") + self.body


class Request(Message):
    """A request. `uri` is the Request-URI as written; `version` the whole `SIP/2.0`."""

    __slots__ = ("_parsed_uri", "method", "uri", "version")

    def __init__(
        self, *, method: str, uri: str, headers: Headers, body: bytes, version: str = SIP_VERSION
    ) -> None:
        super().__init__(headers=headers, body=body)
        self.method: Final = method
        self.uri: Final = uri
        self.version: Final = version
        self._parsed_uri: Uri | None = None

    @property
    def parsed_uri(self) -> Uri:
        """The Request-URI; an OtherUri for a scheme that deserves 416. Raises UriError."""
        uri = self._parsed_uri
        if uri is None:
            uri = self._parsed_uri = parse_uri(self.uri)
        return uri

    @property
    def max_forwards(self) -> int | None:
        """How many more hops the request may make; None from an RFC 2543 client."""
        value = self.headers.get("Max-Forwards")
        return None if value is None else parse_number(value, MAX_MAX_FORWARDS)

    @property
    def routes(self) -> list[str]:
        """The Route values, top first."""
        return self.headers.split("Route")

    def with_received(self, address: Address) -> Request:
        """This request with its source in the top Via (section 18.2.1, RFC 3581 section 4).

        A request whose top Via cannot be read is returned as it is.
        """
        try:
            via = self.top_via
        except FieldError:
            return self
        marked = via.with_received(address.host, address.port)
        if marked == via:
            return self
        line = self.headers.lines_of("Via")[0]
        value = line_value(line)
        others = value[len(split_outside(value, ",")[0]) :]
        changed = Request(
            method=self.method,
            uri=self.uri,
            headers=self.headers.with_first_line("Via", f"{_name_of(line)}: {marked}{others}"),
            body=self.body,
            version=self.version,
        )
        changed._top_via = marked
        changed._from = self._from
        changed._to = self._to
        changed._cseq = self._cseq
        changed._contact = self._contact
        changed._parsed_uri = self._parsed_uri
        return changed

    def serialize(self) -> bytes:
        """The request as it goes on the wire."""
        return self._serialize(f"{self.method} {self.uri} {self.version}")

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Request) and self.serialize() == other.serialize()

    @override
    def __hash__(self) -> int:
        return hash(self.serialize())

    @override
    def __repr__(self) -> str:
        return f"<Request {self.method} {self.uri}>"


class Response(Message):
    """A response. `status` is 100 to 699."""

    __slots__ = ("reason", "status")

    def __init__(self, *, status: int, reason: str, headers: Headers, body: bytes) -> None:
        super().__init__(headers=headers, body=body)
        self.status: Final = status
        self.reason: Final = reason

    def serialize(self) -> bytes:
        """The response as it goes on the wire."""
        return self._serialize(f"SIP/2.0 {self.status} {self.reason}")

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Response) and self.serialize() == other.serialize()

    @override
    def __hash__(self) -> int:
        return hash(self.serialize())

    @override
    def __repr__(self) -> str:
        return f"<Response {self.status} {self.reason}>"


def make_request(
    method: str, uri: str, headers: Sequence[tuple[str, str]], body: bytes = b""
) -> Request:
    """Build a request; Content-Length is set here, whatever `headers` say about it.

    Raises ValueError for a value that would break out of its line, and where a token is none.
    """
    if not is_token(method):
        raise ValueError(f"not a method: {method!r}")
    if not uri or " " in uri or not is_safe_value(uri):
        raise ValueError(f"not a Request-URI: {uri!r}")
    lines = _built_lines(headers)
    lines.append(f"Content-Length: {len(body)}")
    return Request(method=method, uri=uri, headers=Headers.from_lines(lines), body=body)


def make_response(
    request: Request,
    status: int,
    *,
    reason: str | None = None,
    to_tag: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    body: bytes = b"",
) -> Response:
    """Answer a request (section 8.2.6). Works on the partial request of a ParseError too.

    Via, From, To, Call-ID and CSeq are echoed byte for byte; `to_tag` is added unless To has a
    tag. Record-Route goes into 101 to 299 (12.1.1), Timestamp into 100 (8.2.6.1), Content-Length
    always. Raises ValueError for a value that would break out of its line.
    """
    if not 100 <= status <= 699:
        raise ValueError(f"not a status code: {status}")
    phrase = reason_phrase(status) if reason is None else reason
    if not is_safe_value(phrase):
        raise ValueError(f"not a reason phrase: {phrase!r}")
    source = request.headers
    lines = source.lines_of("Via").copy()
    lines += source.lines_of("From")[:1]
    to_lines = source.lines_of("To")[:1]
    if to_tag is not None and to_lines and not _has_tag(request, to_lines[0]):
        if not is_token(to_tag):
            raise ValueError(f"not a tag: {to_tag!r}")
        to_lines = [f"{to_lines[0]};tag={to_tag}"]
    lines += to_lines
    lines += source.lines_of("Call-ID")[:1]
    lines += source.lines_of("CSeq")[:1]
    if 100 < status < 300:
        lines += source.lines_of("Record-Route")
    elif status == 100:
        lines += source.lines_of("Timestamp")[:1]
    if headers:
        lines += _built_lines(headers)
    lines.append(f"Content-Length: {len(body)}")
    return Response(status=status, reason=phrase, headers=Headers.from_lines(lines), body=body)


def _built_lines(headers: Iterable[tuple[str, str]]) -> list[str]:
    return [
        header_line(name, value) for name, value in headers if header_key(name) != "content-length"
    ]


def _has_tag(request: Request, to_line: str) -> bool:
    try:
        return request.to.tag is not None
    except FieldError:
        # A To that cannot be read is echoed in a 400; a second tag would make it worse.
        return ";tag" in to_line.replace(" ", "").lower()


def _first_of_list(value: str) -> str:
    if "," not in value:
        return value
    values = split_list(value)
    return values[0] if values else ""


def _name_of(line: str) -> str:
    return line.partition(":")[0].rstrip(" \t")
