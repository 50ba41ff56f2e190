"""SIP and SIPS URIs (RFC 3261 section 19.1), telephone URIs (RFC 3966) and the rest (RFC 3986).

Text is wire text, one character per byte (see `headers`); only `unescape` yields human text.
Escapes are kept as written, so that `str(parse_uri(text)) == text` but for the scheme's case.
The basic rules of the grammar that headers and their fields share are at the end (section 25.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from typing_extensions import override

MAX_URI_PARAMS: Final = 32
"""Carriers send up to six; a bound keeps look-ups, which are linear, cheap."""
MAX_PORT: Final = 65_535

TOKEN_CHARACTERS: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-.!%*_+`'~"
"""What a token is made of: header names, methods, tags."""

_ALPHANUMERIC: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_HOST_CHARACTERS: Final = _ALPHANUMERIC + "-._"
"""Letters, digits, `-` and `.`; `_` too, which is no RFC 1034 but common in private networks."""
_SCHEME_CHARACTERS: Final = _ALPHANUMERIC + "+-."
_IPV6_CHARACTERS: Final = "0123456789abcdefABCDEF:."
_NUMBER_CHARACTERS: Final = "0123456789ABCDEFabcdef+*#-.()"
"""RFC 3966 section 3: digits, visual separators, and those of a local number."""
_DELIMITERS: Final = ('"', "<", ">", "\\")

Params = tuple[tuple[str, str | None], ...]
"""Parameters in order, as written; None stands for a parameter without a value."""


class UriError(ValueError):
    """A text is not a URI, or not one that RFC 3261 section 25 allows."""


def unescape(text: str) -> str:
    """Human text of wire text: `%XX` decoded once, bytes that are no UTF-8 replaced."""
    if "%" not in text and text.isascii():
        return text
    return unquote(text.encode("latin-1").decode("utf-8", "replace"))


def find_param(params: Params, name: str) -> tuple[str, str | None] | None:
    """The first parameter of this name (lower-case), or None. Names ignore case (7.3.1)."""
    for param in params:
        written = param[0]
        if written == name or written.lower() == name:
            return param
    return None


def _find_escaped(params: Params, name: str) -> tuple[str, str | None] | None:
    """As `find_param`, and `%6C%72` is `lr`: an escape equals its character (19.1.4)."""
    for param in params:
        written = param[0]
        if written == name or unescape(written).lower() == name:
            return param
    return None


@dataclass(frozen=True, slots=True)
class SipUri:
    """A SIP or SIPS URI. `scheme` is lower-case; an IPv6 host stands without its brackets."""

    scheme: str
    user: str | None
    password: str | None
    host: str
    port: int | None
    params: Params
    headers: str | None

    def param(self, name: str) -> str | None:
        """The unescaped value of the parameter `name` (lower-case); None also without a value."""
        found = _find_escaped(self.params, name)
        return None if found is None or found[1] is None else unescape(found[1])

    def has_param(self, name: str) -> bool:
        """True if the parameter `name` (lower-case) is there, with a value or without."""
        return _find_escaped(self.params, name) is not None

    @property
    def user_unescaped(self) -> str | None:
        """The user part with its escapes decoded once."""
        return None if self.user is None else unescape(self.user)

    @property
    def transport(self) -> str | None:
        """The transport parameter in capitals, as a Via writes it."""
        value = self.param("transport")
        return None if value is None else value.upper()

    @override
    def __str__(self) -> str:
        parts = [self.scheme, ":"]
        if self.user is not None:
            parts.append(self.user)
            if self.password is not None:
                parts += (":", self.password)
            parts.append("@")
        parts.append(host_port(self.host, self.port))
        parts.append(join_params(self.params))
        if self.headers is not None:
            parts += ("?", self.headers)
        return "".join(parts)


@dataclass(frozen=True, slots=True)
class TelUri:
    """A telephone number. `number` is as written, separators included."""

    number: str
    params: Params

    def param(self, name: str) -> str | None:
        """The value of the parameter `name` (lower-case)."""
        found = find_param(self.params, name)
        return None if found is None else found[1]

    @override
    def __str__(self) -> str:
        return f"tel:{self.number}{join_params(self.params)}"


@dataclass(frozen=True, slots=True)
class OtherUri:
    """A URI of a scheme that is not ours: kept, so that 416 can name the trouble."""

    scheme: str
    rest: str

    @override
    def __str__(self) -> str:
        return f"{self.scheme}:{self.rest}"


Uri = SipUri | TelUri | OtherUri


def parse_uri(text: str) -> Uri:
    """Read an absolute URI without brackets or blanks around it. Raises UriError."""
    scheme, colon, rest = text.partition(":")
    if not colon or not rest:
        raise UriError("no scheme or nothing after it")
    if not text.isascii() or not text.isprintable() or " " in text:
        raise UriError("a blank, a control or a non-ASCII character")
    for delimiter in _DELIMITERS:
        if delimiter in text:
            raise UriError("a delimiter that must be escaped")
    if scheme not in ("sip", "sips", "tel"):
        scheme = _normalise_scheme(scheme)
    if scheme == "tel":
        return _parse_tel(rest)
    if scheme in ("sip", "sips"):
        return _parse_sip(scheme, rest)
    return OtherUri(scheme, rest)


def parse_host_port(text: str) -> tuple[str, int | None]:
    """Read `host`, `host:port`, `[v6]` or `[v6]:port`; brackets are dropped. Raises UriError."""
    if text.startswith("["):
        host, bracket, tail = text[1:].partition("]")
        if not bracket or host.count(":") < 2 or host.strip(_IPV6_CHARACTERS):
            raise UriError("a malformed IPv6 reference")
        if not tail:
            return host, None
        if tail[0] != ":":
            raise UriError("something between an IPv6 reference and its port")
        return host, _parse_port(tail[1:])
    host, found, port = text.partition(":")
    if not host or host.strip(_HOST_CHARACTERS):
        raise UriError("a malformed host")
    return host, _parse_port(port) if found else None


def host_port(host: str, port: int | None) -> str:
    """The inverse of `parse_host_port`."""
    if ":" in host:
        host = f"[{host}]"
    return host if port is None else f"{host}:{port}"


def join_params(params: Params) -> str:
    """`;name=value` for each, `;name` where there is no value."""
    if not params:
        return ""
    return "".join([f";{name}" if v is None else f";{name}={v}" for name, v in params])


def _normalise_scheme(scheme: str) -> str:
    if not scheme or not scheme[0].isalpha() or scheme.strip(_SCHEME_CHARACTERS):
        raise UriError("a malformed scheme")
    return scheme.lower()


def _parse_port(text: str) -> int:
    if len(text) > 5 or not text.isascii() or not text.isdigit():
        raise UriError("a malformed port")
    port = int(text)
    if not 0 < port <= MAX_PORT:
        raise UriError("a port out of range")
    return port


def _parse_sip(scheme: str, rest: str) -> SipUri:
    user: str | None
    password: str | None = None
    user, at, tail = rest.partition("@")
    if at:
        if not user or "@" in tail:
            # Where a second `@` stands unescaped, two parsers could see two different hosts.
            raise UriError("an empty user or a second @")
        user, colon, secret = user.partition(":")
        if colon:
            password = secret
    else:
        user, tail = None, rest
    headers: str | None
    tail, question_mark, headers = tail.partition("?")
    if not question_mark:
        headers = None
    address, semicolon, params = tail.partition(";")
    host, port = parse_host_port(address)
    return SipUri(
        scheme, user, password, host, port, _parse_params(params) if semicolon else (), headers
    )


def _parse_tel(rest: str) -> TelUri:
    number, semicolon, params = rest.partition(";")
    if not number or number.strip(_NUMBER_CHARACTERS):
        raise UriError("a malformed telephone number")
    return TelUri(number, _parse_params(params) if semicolon else ())


def _parse_params(text: str) -> Params:
    pieces = text.split(";", MAX_URI_PARAMS)
    if len(pieces) > MAX_URI_PARAMS:
        raise UriError("too many parameters")
    params: list[tuple[str, str | None]] = []
    for piece in pieces:
        name, equals, value = piece.partition("=")
        if not name:
            raise UriError("an empty parameter")
        params.append((name, value if equals else None))
    return tuple(params)


def is_token(text: str) -> bool:
    """True if `text` is a token."""
    return bool(text) and not text.strip(TOKEN_CHARACTERS)


def split_outside(text: str, separator: str) -> list[str]:
    """Split at every `separator` outside quoted strings and angle brackets, in linear time.

    A string or bracket that is never closed reaches to the end.
    """
    pieces: list[str] = []
    length = len(text)
    start = position = 0
    while position < length:
        character = text[position]
        if character == separator:
            pieces.append(text[start:position])
            start = position + 1
        elif character == '"':
            position = closing_quote(text, position)
        elif character == "<":
            position = text.find(">", position)
        if position < 0:
            break
        position += 1
    pieces.append(text[start:])
    return pieces


def closing_quote(text: str, opening: int) -> int:
    """Where the quoted string that opens at `opening` ends, or -1. Each character is seen once."""
    position = opening + 1
    quote = text.find('"', position)
    while quote >= 0:
        backslash = text.find("\\", position, quote)
        if backslash < 0:
            return quote
        position = backslash + 2  # A quoted pair: the next character means nothing.
        if position > quote:
            quote = text.find('"', position)
    return -1


def is_safe_value(value: str) -> bool:
    """True if `value` may stand in a header that we write.

    No CR or LF, which would begin a header of somebody else's making; NUL only where the grammar
    has it, as a quoted pair; one byte per character.
    """
    if value.isascii() and value.isprintable():
        return True
    if "\r" in value or "\n" in value:
        return False
    if "\x00" in value and "\x00" in value.replace("\\\x00", ""):
        return False
    return value.isascii() or max(value) <= "\xff"
