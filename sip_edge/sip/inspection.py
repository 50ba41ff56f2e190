"""What a request must fulfil before it is processed: RFC 3261 8.2.1 to 8.2.4.

Pure functions of the request. Each returns why the request is refused, or None. The user agent
server calls them in the RFC's order; what needs its state (merged requests, loops) is its own.
What an extension reads from a message to be inspected is read here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sip_edge.sip.fields import FieldError, parse_number, parse_params
from sip_edge.sip.parser import KNOWN_METHODS
from sip_edge.sip.settings import MIN_SE
from sip_edge.sip.uri import OtherUri, SipUri, find_param

if TYPE_CHECKING:
    from sip_edge.sip.message import Message, Request
    from sip_edge.sip.settings import EndpointSettings

MAX_DELTA_SECONDS: Final = 2**32 - 1
"""RFC 3261 section 25.1: delta-seconds; section 20.19 says where they end."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A final response in place of any processing. `reason` replaces the usual phrase."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SessionExpires:
    """The value of a Session-Expires: `refresher` is "uac", "uas", or None for whoever likes."""

    seconds: int
    refresher: str | None


def lists_option(message: Message, header: str, option: str) -> bool:
    """True if `header` (Require or Supported) has this option tag."""
    return any(value.lower() == option for value in message.headers.split(header))


def session_expires_of(message: Message) -> SessionExpires | None:
    """RFC 4028 section 4. One that cannot be read is taken for none: the call may do without."""
    value = message.headers.get("Session-Expires")
    if value is None:
        return None
    digits, semicolon, tail = value.partition(";")
    try:
        seconds = parse_number(digits.strip(" \t"), MAX_DELTA_SECONDS)
        found = find_param(parse_params(tail), "refresher") if semicolon else None
    except FieldError:
        return None
    refresher = (found[1] or "").lower() if found is not None else ""
    return SessionExpires(seconds, refresher if refresher in ("uac", "uas") else None)


def min_se_of(message: Message) -> int:
    """RFC 4028 section 5: what Min-SE says, and never less than 90 seconds."""
    value = (message.headers.get("Min-SE") or "").partition(";")[0]
    try:
        return max(MIN_SE, parse_number(value.strip(" \t"), MAX_DELTA_SECONDS))
    except FieldError:
        return MIN_SE


def inspect_method(request: Request, settings: EndpointSettings) -> Rejection | None:
    """8.2.1 and 8.2.2.1: the method, then the scheme of the Request-URI.

    Who may be reached by TLS alone (26.2.2) must not be answered by who has none.
    """
    if request.method not in settings.allow:
        status = 405 if request.method in KNOWN_METHODS else 501
        return Rejection(status, (("Allow", ", ".join(settings.allow)),))
    uri = request.parsed_uri
    is_sips = isinstance(uri, SipUri) and uri.scheme == "sips"
    if isinstance(uri, OtherUri) or (is_sips and not settings.has_tls):
        return Rejection(416)
    return None


def inspect_hops(request: Request) -> Rejection | None:
    """RFC 7332 section 5: a B2BUA is a hop too, and MUST refuse what has no hop left.

    Within a dialog as well, but for BYE: whom would it help if the call went on?
    """
    return Rejection(483) if request.max_forwards == 0 else None


def inspect_extensions(request: Request, settings: EndpointSettings) -> Rejection | None:
    """8.2.2.3: options that the caller requires and we do not have."""
    required = request.headers.split("Require")
    if not required:
        return None
    supported = {option.lower() for option in settings.supported}
    missing = [option for option in required if option.lower() not in supported]
    return Rejection(420, (("Unsupported", ", ".join(missing)),)) if missing else None


def inspect_content(request: Request, settings: EndpointSettings) -> Rejection | None:
    """8.2.3: a body that we cannot read, unless its sender does not mind."""
    if not request.body:
        return None  # An INVITE without a body asks for our offer.
    encoding = request.headers.get("Content-Encoding")
    if encoding is not None and encoding.lower() not in ("", "identity"):
        return Rejection(415, (("Accept-Encoding", "identity"),))
    if request.content_type in settings.accept or _is_optional(request):
        return None
    return Rejection(415, (("Accept", ", ".join(settings.accept)),))


def inspect_info(request: Request, settings: EndpointSettings) -> Rejection | None:
    """RFC 6086: a package that was not agreed upon (4.2.2), or a body that tells us nothing."""
    if "Info-Package" in request.headers:
        return Rejection(469, (("Recv-Info", ""),))
    if not request.body or request.content_type in settings.info_types or _is_optional(request):
        return None
    return Rejection(415, (("Accept", ", ".join(settings.info_types)),))


def inspect_session_interval(request: Request, settings: EndpointSettings) -> Rejection | None:
    """RFC 4028 section 9: an interval below ours, asked for by a caller that can raise it."""
    asked = session_expires_of(request)
    if asked is None or asked.seconds >= settings.min_se:
        return None
    if not lists_option(request, "Supported", "timer"):
        return None  # A proxy's doing; the caller would not know what a 422 is.
    return Rejection(422, (("Min-SE", str(settings.min_se)),))


def inspect_accept(request: Request) -> Rejection | None:
    """20.1: the caller lists what it reads, and a session description is not on the list."""
    if "Accept" not in request.headers:
        return None
    for value in request.headers.split("Accept"):
        media_range = value.partition(";")[0].strip(" \t").lower()
        if media_range in ("application/sdp", "application/*", "*/*"):
            return None
    return Rejection(406)


def _is_optional(request: Request) -> bool:
    disposition = request.headers.get("Content-Disposition")
    if disposition is None:
        return False
    params = disposition.lower().replace(" ", "").split(";")[1:]
    return "handling=optional" in params
