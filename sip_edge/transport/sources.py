"""Who may call: the carrier whose networks hold a source address, or nobody.

The source is the socket's address, never a header (decision 24); but for proxies of our own, whose
one header `transport.gate` reads.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sip_edge.media.sdes import SrtpPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sip_edge.routing.refusal import Refusal
    from sip_edge.sip.headers import Headers

MAX_REMEMBERED_SOURCES: Final = 4096
"""Verdicts kept by address: a scan from many addresses costs time then, never memory."""

IPV6_PREFIX: Final = 64
"""The least that a site is given (RFC 6177); its hosts choose the rest freely (RFC 4291 2.5.1)."""

_MAPPED: Final = 0xFFFF
"""How the address of an IPv4 peer on an IPv6 socket begins (RFC 4291 section 2.5.5.2)."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier that may call us. `country` (ISO 3166, two letters) completes national numbers.

    With a `secret_header`, an INVITE must bring one of `secrets` in it. RTP may come from
    `media_hosts` without the SDP's saying so.
    """

    name: str
    networks: Sequence[Network]
    provider: str | None
    country: str | None
    responses: Mapping[Refusal, int]
    secret_header: str | None = None
    secrets: tuple[bytes, ...] = field(default=(), repr=False)
    srtp: SrtpPolicy = SrtpPolicy.OPTIONAL
    media_hosts: NetworkSet | None = None

    def knows(self, headers: Headers) -> bool:
        """True if no secret is asked for, or one is there, once; however wrong, as slowly."""
        if self.secret_header is None:
            return True
        values = headers.get_all(self.secret_header)
        given = values[0].encode("utf-8", "replace") if len(values) == 1 else b""
        # All of them are compared, whichever it is.
        return sum(hmac.compare_digest(given, secret) for secret in self.secrets) > 0


class NetworkSet:
    """Finds the first network listed that holds an address: one look-up a prefix length."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._tables: dict[int, dict[int, dict[int, int]]] = {4: {}, 6: {}}
        for index, network in enumerate(networks):
            host_bits = network.max_prefixlen - network.prefixlen
            table = self._tables[network.version].setdefault(host_bits, {})
            table.setdefault(int(network.network_address) >> host_bits, index)

    def __contains__(self, host: str) -> bool:
        return self.find(host) is not None

    def find(self, host: str) -> int | None:
        """The position of that network; None if there is none, or `host` is no address."""
        version, number = _read(host)
        first = None
        for host_bits, table in self._tables.get(version, {}).items():
            index = table.get(number >> host_bits)
            if index is not None and (first is None or index < first):
                first = index
        return first


def _read(host: str) -> tuple[int, int]:
    """The version and the number of an address, by the kernel's reading: 1 µs. (0, 0) if none."""
    try:
        return 4, int.from_bytes(socket.inet_pton(socket.AF_INET, host), "big")
    except (OSError, ValueError):
        pass
    try:
        number = int.from_bytes(socket.inet_pton(socket.AF_INET6, host.partition("%")[0]), "big")
    except (OSError, ValueError):
        return 0, 0
    if number >> 32 == _MAPPED:
        return 4, number & 0xFFFF_FFFF
    return 6, number


def limited_as(host: str) -> str:
    """What limits count as one source: an IPv4 address, or an IPv6 network of `IPV6_PREFIX` bits.

    Whoever has one IPv6 address has all of its network, 2^64 of them.
    """
    if ":" not in host:
        return host
    version, number = _read(host)
    if version == 4:
        return str(ipaddress.IPv4Address(number))
    return f"{number >> 128 - IPV6_PREFIX:x}::/{IPV6_PREFIX}" if version else host


class CarrierTable:
    """Finds the carrier of a source address."""

    def __init__(self, carriers: Iterable[Carrier]) -> None:
        owners = [(network, carrier) for carrier in carriers for network in carrier.networks]
        self._networks = NetworkSet(network for network, _ in owners)
        self._owners = [carrier for _, carrier in owners]
        self._verdicts: dict[str, Carrier | None] = {}

    def carrier_of(self, host: str) -> Carrier | None:
        """The carrier of a numeric address; None for a stranger. The first carrier listed wins."""
        if host in self._verdicts:
            return self._verdicts[host]
        if len(self._verdicts) >= MAX_REMEMBERED_SOURCES:
            self._verdicts.clear()
        index = self._networks.find(host)
        verdict = None if index is None else self._owners[index]
        self._verdicts[host] = verdict
        return verdict
