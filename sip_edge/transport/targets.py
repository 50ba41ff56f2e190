"""Where a request may go, in which order: the choices of RFC 3263 section 4, without any I/O.

Only the transport is not chosen here. The core has written it into the Via by then: the one that
the URI names, TLS for `sips`, else the one that the call came by or UDP. So there is no NAPTR query
(its answer would choose the transport), and the SRV query is the one for that transport.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from sip_edge.resolver import numeric_address
from sip_edge.sip.flow import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sip_edge.resolver import Service
    from sip_edge.sip.flow import Address, NextHop

DEFAULT_PORTS: Final = {Transport.UDP: 5060, Transport.TCP: 5060, Transport.TLS: 5061}
"""Where a URI leads that names no port (RFC 3261 section 19.1.2)."""

_SERVICES: Final = {
    Transport.UDP: "_sip._udp.",
    Transport.TCP: "_sip._tcp.",
    Transport.TLS: "_sips._tcp.",
}
"""RFC 3263 section 4.2, and 4.1 for TLS."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The far end of a stream that is to be opened.

    `name` is the host that its certificate must be for (RFC 5922: the one in the URI, whatever SRV
    says); "" where the URI had an address.
    """

    address: Address
    transport: Transport
    name: str = ""


def service_name(hop: NextHop) -> str | None:
    """The name whose SRV records tell where `hop` is; None for an address or a port (4.2)."""
    if hop.port is not None or numeric_address(hop.host) is not None:
        return None
    return _SERVICES[hop.transport] + hop.host.lower().removesuffix(".")


def port_of(hop: NextHop) -> int:
    """The port of `hop` if no SRV record tells it."""
    return hop.port or DEFAULT_PORTS[hop.transport]


def in_order(services: Iterable[Service], draw: Callable[[int], int]) -> list[Service]:
    """The order in which to try services: by priority, then by lot (RFC 2782).

    `draw(n)` gives an integer from 0 to n, both included. Within a priority each place is drawn
    with the chances that the weights give; those without a weight have a small one.
    """
    ordered: list[Service] = []
    by_priority = sorted(services, key=lambda service: (service.priority, service.weight))
    for _, group in groupby(by_priority, key=lambda service: service.priority):
        left = list(group)  # Those of weight 0 stand first, as the RFC wants them.
        while left:
            ordered.append(left.pop(_drawn(left, draw)))
    return ordered


def _drawn(left: list[Service], draw: Callable[[int], int]) -> int:
    lot = draw(sum(service.weight for service in left))
    running = 0
    for index, service in enumerate(left):
        running += service.weight
        if running >= lot:
            return index
    return len(left) - 1
