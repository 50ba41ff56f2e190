"""A flow: where a message came from and where its answer goes (RFC 5626's word)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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

    `port` is None when the URI named none, so that a resolver may ask for SRV records.
    """

    host: str
    port: int | None
    transport: Transport
