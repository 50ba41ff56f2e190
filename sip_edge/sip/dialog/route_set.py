"""Which way a request within a dialog goes: RFC 3261 12.2.1.1 and 16.12.1."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sip_edge.sip.fields import FieldError, parse_name_addr
from sip_edge.sip.flow import NextHop, Transport
from sip_edge.sip.uri import SipUri

if TYPE_CHECKING:
    from sip_edge.sip.uri import Uri


@dataclass(frozen=True, slots=True)
class Routing:
    """The Request-URI, the Route values, and the URI that tells the next hop.

    `first_uri` is None if it is none that we can send to.
    """

    request_uri: str
    routes: tuple[str, ...]
    first_uri: SipUri | None


def route_request(remote_target: Uri, route_set: tuple[str, ...]) -> Routing:
    """Apply a dialog's route set; a strict router on top of it swaps places with the target."""
    target = _as_request_uri(remote_target)
    if not route_set:
        return Routing(str(target), (), target if isinstance(target, SipUri) else None)
    first = _route_uri(route_set[0])
    if first is None or first.has_param("lr"):
        return Routing(str(target), route_set, first)
    # 12.2.1.1: the strict router's URI becomes the Request-URI, the target the last Route.
    strict = _as_request_uri(first)
    return Routing(str(strict), (*route_set[1:], f"<{target}>"), first)


def next_hop(uri: SipUri, otherwise: Transport, *, named_by: str) -> NextHop:
    """Where `uri` leads (RFC 3263); `otherwise` is taken where it names no transport.

    `named_by` is the address of the peer that gave us the URI.

    `maddr` is not followed, as in 18.2.2 for responses: it names whatever its author likes.
    """
    return NextHop(uri.host, uri.port, _transport_of(uri, otherwise), named_by)


def _transport_of(uri: SipUri, otherwise: Transport) -> Transport:
    if uri.scheme == "sips":
        return Transport.TLS
    match uri.transport:
        case "TCP":
            return Transport.TCP
        case "TLS":
            return Transport.TLS
        case "UDP":
            return Transport.UDP
        case _:
            return otherwise


def _route_uri(text: str) -> SipUri | None:
    try:
        uri = parse_name_addr(text).uri
    except FieldError:
        return None
    return uri if isinstance(uri, SipUri) else None


def _as_request_uri(uri: Uri) -> Uri:
    """19.1.1, table 1: headers and the method parameter may not stand in a Request-URI."""
    if not isinstance(uri, SipUri) or (uri.headers is None and not uri.has_param("method")):
        return uri
    params = tuple(param for param in uri.params if param[0].lower() != "method")
    return replace(uri, params=params, headers=None)
