"""What a request must fulfil before it is processed: RFC 3261 8.2.1 to 8.2.3.

Pure functions of the request. Each returns why the request is refused, or None. The user agent
server calls them in the RFC's order; what needs its state (merged requests, loops) is its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_edge.sip.parser import KNOWN_METHODS
from sip_edge.sip.uri import OtherUri

if TYPE_CHECKING:
    from sip_edge.sip.message import Request
    from sip_edge.sip.settings import EndpointSettings


@dataclass(frozen=True, slots=True)
class Rejection:
    """A final response in place of any processing. `reason` replaces the usual phrase."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    reason: str | None = None


def inspect_method(request: Request, settings: EndpointSettings) -> Rejection | None:
    """8.2.1 and 8.2.2.1: the method, then the scheme of the Request-URI."""
    if request.method not in settings.allow:
        status = 405 if request.method in KNOWN_METHODS else 501
        return Rejection(status, (("Allow", ", ".join(settings.allow)),))
    if isinstance(request.parsed_uri, OtherUri):
        return Rejection(416)
    return None


def inspect_hops(request: Request) -> Rejection | None:
    """RFC 7332 section 5: a B2BUA is a hop too, and MUST refuse what has no hop left."""
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
