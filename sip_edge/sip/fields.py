"""Structured header values: Via, name-addr, CSeq (RFC 3261 sections 20 and 25.1).

Each `parse_` function takes one unfolded value and raises FieldError for what the grammar forbids.
All of them are linear in the length of the value. Values are wire text (see `headers`), except
display names, which are human text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from sip_edge.sip.uri import (
    TOKEN_CHARACTERS,
    OtherUri,
    Params,
    Uri,
    UriError,
    closing_quote,
    find_param,
    host_port,
    is_token,
    join_params,
    parse_host_port,
    parse_uri,
    split_outside,
)

MAX_PARAMS: Final = 64
"""Header parameters of one value. Real ones have fewer than ten; looking one up is linear."""
MAX_CSEQ: Final = 2**32 - 1
"""RFC 4475 3.1.2.4 draws this line; numbers from 2**31 break only 8.1.1.5 and do no harm."""
MAX_DIGITS: Final = 20
"""Digits read as a number: enough for leading zeros, too few to cost anything."""
MAX_CAUSE: Final = 9_999
"""SIP's causes are status codes, Q.850's below 128; nobody has one with more digits."""
MAX_PROTOCOL_LENGTH: Final = 32
"""`SIP`, `Q.850`, `RELEASE_CAUSE`, `preemption`: real ones are below 20."""
MAX_REASONS: Final = 4
"""RFC 3326 allows one value for each protocol."""

_VALUE_CHARACTERS: Final = TOKEN_CHARACTERS + "[]:/@#$&=?(){}|^"
"""A token, a host, and what else is seen unquoted and does no harm: no blank, quote or bracket."""
_BLANKS: Final = " \t"


class FieldError(ValueError):
    """A header value is not what RFC 3261 section 25 allows."""


@dataclass(frozen=True, slots=True)
class Via:
    """One Via value. `transport` is in capitals; an IPv6 host stands without its brackets."""

    transport: str
    host: str
    port: int | None
    params: Params

    @property
    def branch(self) -> str | None:
        """The transaction's id (section 8.1.1.7); None from an RFC 2543 client."""
        return _value(self.params, "branch")

    @property
    def received(self) -> str | None:
        """The source address that the next element saw, without brackets (RFC 5118 4.5)."""
        value = _value(self.params, "received")
        return None if value is None else value.strip("[]")

    @property
    def rport(self) -> str | None:
        """None if absent, "" if asked for, else the source port as digits (RFC 3581)."""
        found = find_param(self.params, "rport")
        return None if found is None else found[1] or ""

    def with_received(self, host: str, port: int) -> Via:
        """This value with the source of the request in it (18.2.1, RFC 3581 section 4).

        `rport` is filled if it was asked for. `received` is set then, and also where the source is
        not the sent-by; one that came with the request is never kept.
        """
        asked = self.rport is not None
        params = [
            (name, str(port) if name.lower() == "rport" else value)
            for name, value in self.params
            if name.lower() != "received"
        ]
        if asked or self.host.lower() != host.lower():
            params.append(("received", host))
        return Via(self.transport, self.host, self.port, tuple(params))

    @override
    def __str__(self) -> str:
        address = host_port(self.host, self.port)
        return f"SIP/2.0/{self.transport} {address}{join_params(self.params)}"


@dataclass(frozen=True, slots=True)
class NameAddr:
    """A URI with a display name and header parameters: From, To, Contact, Route and their kind.

    `display_name` is human text, unquoted, or None.
    """

    display_name: str | None
    uri: Uri
    params: Params

    @property
    def tag(self) -> str | None:
        """The dialog tag (section 19.3)."""
        return _value(self.params, "tag")

    def param(self, name: str) -> str | None:
        """The value of the header parameter `name` (lower-case), as written."""
        return _value(self.params, name)

    def with_tag(self, tag: str) -> NameAddr:
        """This value with this tag instead of the one it had."""
        params = [param for param in self.params if param[0].lower() != "tag"]
        return NameAddr(self.display_name, self.uri, (*params, ("tag", tag)))

    @override
    def __str__(self) -> str:
        name = "" if self.display_name is None else f"{quote(self.display_name)} "
        return f"{name}<{self.uri}>{join_params(self.params)}"


@dataclass(frozen=True, slots=True)
class CSeq:
    """A command sequence number and its method (section 20.16)."""

    number: int
    method: str

    @override
    def __str__(self) -> str:
        return f"{self.number} {self.method}"


@dataclass(frozen=True, slots=True)
class Reason:
    """One value of a Reason header (RFC 3326): of which protocol, and its cause if it says one."""

    protocol: str
    cause: int | None

    @override
    def __str__(self) -> str:
        return self.protocol if self.cause is None else f"{self.protocol};cause={self.cause}"


def to_text(value: str) -> str:
    """Human text of wire text: UTF-8, with what is none replaced. Never raises."""
    if value.isascii():
        return value
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def to_wire(text: str) -> str:
    """Wire text of human text: its UTF-8, one character per byte."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("latin-1")


def quote(text: str) -> str:
    """A quoted-string that holds this human text. NUL becomes the quoted pair it has to be."""
    escaped = to_wire(text).replace("\\", "\\\\").replace('"', '\\"').replace("\x00", "\\\x00")
    return f'"{escaped}"'


def unquote(value: str) -> str:
    """What a quoted-string holds, as human text; other values come back as human text."""
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return to_text(value)
    inner = value[1:-1]
    if "\\" not in inner:
        return to_text(inner)
    # Splitting at escaped backslashes first leaves only lone ones, each before its character.
    return to_text("\\".join([part.replace("\\", "") for part in inner.split("\\\\")]))


def parse_number(text: str, maximum: int) -> int:
    """A decimal number of 0 to `maximum`; leading zeros are allowed (RFC 4475 3.1.1.1)."""
    if not text.isdigit() or not text.isascii() or len(text) > MAX_DIGITS:
        raise FieldError("not a number")
    number = int(text)
    if number > maximum:
        raise FieldError("a number out of range")
    return number


def parse_reasons(text: str) -> list[Reason]:
    """Read a Reason header: `Q.850;cause=16;text="..."`, perhaps several. The text is left out."""
    reasons = []
    for piece in split_outside(text, ","):
        protocol, semicolon, tail = piece.partition(";")
        protocol = protocol.strip(_BLANKS)
        if not is_token(protocol) or len(protocol) > MAX_PROTOCOL_LENGTH:
            raise FieldError("no protocol in Reason")
        cause = _value(parse_params(tail), "cause") if semicolon else None
        reasons.append(Reason(protocol, None if cause is None else parse_number(cause, MAX_CAUSE)))
    return reasons[:MAX_REASONS]


def parse_cseq(text: str) -> CSeq:
    """Read `4711 INVITE`."""
    digits, _, method = text.partition(" ")
    if not is_token(method):
        digits, method = _split_blank(text)
        if not is_token(method):
            raise FieldError("no method in CSeq")
    return CSeq(parse_number(digits, MAX_CSEQ), method)


def parse_via(text: str) -> Via:
    """Read one Via value: protocol, sent-by, parameters."""
    sent, semicolon, tail = text.partition(";")
    transport = ""
    if sent.startswith("SIP/2.0/"):
        transport, _, address = sent[8:].partition(" ")
    if not transport or "\t" in sent:
        transport, address = _split_sent_protocol(sent)
    address = address.strip(_BLANKS)
    if " " in address or "\t" in address:
        address = _join_around_colon(address)
    if not is_token(transport):
        raise FieldError("no transport in Via")
    try:
        host, port = parse_host_port(address)
    except UriError as error:
        raise FieldError(f"sent-by: {error}") from error
    return Via(transport.upper(), host, port, parse_params(tail) if semicolon else ())


def parse_name_addr(text: str) -> NameAddr:
    """Read a name-addr or an addr-spec with its header parameters."""
    display_name, uri_text, tail = _split_name_addr(text)
    try:
        uri = parse_uri(uri_text)
    except UriError as error:
        raise FieldError(str(error)) from error
    if not tail:
        return NameAddr(display_name, uri, ())
    tail = tail.lstrip(_BLANKS)
    if tail[0] != ";":
        raise FieldError("something between the URI and its parameters")
    return NameAddr(display_name, uri, parse_params(tail[1:]))


def parse_name_addr_leniently(text: str) -> NameAddr:
    """As `parse_name_addr`, but a caller with a strange name or URI does not fail.

    Gateways put what the telephone network gave them into From: unescaped quotes, blanks, no host.
    The URI is then an OtherUri; the tag counts all the same, as a dialog needs it.
    """
    try:
        return parse_name_addr(text)
    except FieldError:
        opening = text.rfind("<")
        closing = text.find(">", opening) if opening >= 0 else -1
        if closing >= 0:
            uri_text, tail = text[opening + 1 : closing], text[closing + 1 :]
        else:
            uri_text, _, tail = text.partition(";")
        params: list[tuple[str, str | None]] = []
        for piece in tail.split(";"):
            name, _, value = piece.partition("=")
            if name.strip(_BLANKS).lower() == "tag" and is_token(value.strip(_BLANKS)):
                params = [("tag", value.strip(_BLANKS))]
        uri_text = "".join([c if "!" <= c <= "~" and c not in '<>"\\' else "_" for c in uri_text])
        try:
            uri = parse_uri(uri_text)
        except UriError:
            scheme, _, rest = uri_text.partition(":")
            uri = OtherUri(scheme.lower(), rest)
        return NameAddr(None, uri, tuple(params))


def parse_name_addr_list(text: str) -> list[NameAddr]:
    """Read the comma-separated values of a Contact, Route or Record-Route line."""
    pieces = split_outside(text, ",") if "," in text else [text]
    return [parse_name_addr(piece.strip(_BLANKS)) for piece in pieces]


def parse_params(text: str) -> Params:
    """Read `name=value;name`, what comes after the first semicolon."""
    quoted = '"' in text
    pieces = split_outside(text, ";") if quoted else text.split(";", MAX_PARAMS)
    if len(pieces) > MAX_PARAMS:
        raise FieldError("too many parameters")
    params: list[tuple[str, str | None]] = []
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if not is_token(name):
            name = name.strip(_BLANKS)
            if not is_token(name):
                raise FieldError("a malformed parameter name")
        if not equals:
            params.append((name, None))
            continue
        if value.strip(_VALUE_CHARACTERS):
            value = _checked_value(value.strip(_BLANKS))
        params.append((name, value))
    return tuple(params)


def _checked_value(value: str) -> str:
    if not value.strip(_VALUE_CHARACTERS):
        return value
    if value[0] != '"' or closing_quote(value, 0) != len(value) - 1:
        raise FieldError("a malformed parameter value")
    return value


def _value(params: Params, name: str) -> str | None:
    found = find_param(params, name)
    return None if found is None else found[1]


def _split_blank(text: str) -> tuple[str, str]:
    first, _, rest = text.replace("\t", " ").partition(" ")
    return first, rest.strip(" ")


def _split_sent_protocol(text: str) -> tuple[str, str]:
    """`SIP / 2.0 / UDP   host` with blanks wherever the grammar has them."""
    parts = text.split("/", 2)
    if len(parts) != 3:
        raise FieldError("no protocol in Via")
    name, version, rest = [part.strip(_BLANKS) for part in parts]
    if name.upper() != "SIP" or not is_token(version):
        raise FieldError("not the SIP protocol in Via")
    return _split_blank(rest)


def _join_around_colon(address: str) -> str:
    """The grammar allows blanks around the colon of a sent-by, nowhere else."""
    host, _, port = address.rpartition(":")
    host, port = host.rstrip(_BLANKS), port.lstrip(_BLANKS)
    return f"{host}:{port}"  # A blank that is still there fails as part of the host or port.


def _split_name_addr(text: str) -> tuple[str | None, str, str]:
    """Display name, URI text, and what follows it."""
    display_name: str | None = None
    opening = 0
    if text.startswith('"'):
        closing = closing_quote(text, 0)
        if closing < 0:
            raise FieldError("a quoted string without an end")
        display_name = unquote(text[: closing + 1])
        opening = text.find("<", closing)
        if opening < 0 or text[closing + 1 : opening].strip(_BLANKS):
            raise FieldError("no address after the display name")
    elif not text.startswith("<"):
        opening = text.find("<")
        if opening < 0 or 0 <= text.find(";") < opening:
            return _split_addr_spec(text)
        display_name = text[:opening].strip(_BLANKS)
        if '"' in display_name or "," in display_name:
            raise FieldError("a display name that must be quoted")
        display_name = to_text(display_name)
    end = text.find(">", opening)
    if end < 0:
        raise FieldError("an angle bracket without an end")
    return display_name, text[opening + 1 : end], text[end + 1 :]


def _split_addr_spec(text: str) -> tuple[None, str, str]:
    """A bare URI: what follows its first semicolon belongs to the header (section 20.10)."""
    uri_text, semicolon, tail = text.partition(";")
    if "?" in uri_text or "," in uri_text:
        raise FieldError("a URI that must stand in angle brackets")
    return None, uri_text.rstrip(_BLANKS), semicolon + tail
