"""A flow: where a message came from and where its answer goes (RFC 5626's word)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address


class Transport(Enum):
    """A SIP transport, named as in a Via (RFC 3261 section 20.42)."""

    UDP = "UDP"
    TCP = "TCP"
    TLS = "TLS"

    @property
    def is_reliable(self) -> bool:
        """True where the network neither loses nor repeats what was sent (RFC 3261 17.1.1.1)."""
        return self is not Transport.UDP


@dataclass(frozen=True, slots=True)
class Address:
    """A numeric IPv4 or IPv6 address (no brackets) and a port."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Flow:
    """The path of a message: a value, not a socket.

    `connection` numbers the TCP or TLS connection within this process; it is 0 for UDP.
    """

    transport: Transport
    local: Address
    remote: Address
    connection: int


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where a request goes when it has to find its own way (RFC 3263): a name or a number.

    `port` is None when the URI named none, so that a resolver may ask for SRV records. `named_by`
    is the address of the peer whose Contact or Record-Route this is (see `may_be_named`), empty for
    a hop of our own choice.
    """

    host: str
    port: int | None
    transport: Transport
    named_by: str = field(default="", compare=False)


def may_be_named(address: str, peer: str) -> bool:
    """Whether `peer` may have us send to `address`, both numeric. True for a name, as it stands.

    A private address may be a gateway's beside its proxy. But a peer must not lead us to this
    machine's own services, to the metadata services of clouds and other neighbours on the link, or
    to many at once; unless it speaks to us from there itself.
    """
    if address == peer:
        return True
    try:
        target = _meant(address)
    except ValueError:
        return True
    if target.is_loopback:
        try:
            return _meant(peer).is_loopback
        except ValueError:
            return False
    is_class_e = target.version == 4 and target.is_reserved
    is_nowhere = target.is_unspecified or target.is_multicast or is_class_e
    return not (is_nowhere or target.is_link_local)


def _meant(text: str) -> IPv4Address | IPv6Address:
    """The address, and for an IPv4-mapped one that which it means. Raises ValueError."""
    address = ip_address(text)
    return address.ipv4_mapped or address if isinstance(address, IPv6Address) else address
