"""Who may call: the carrier whose networks hold a source address, or nobody.

The source is the socket's address, never a header (decision 24).
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sip_edge.media.sdes import SrtpPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sip_edge.routing.refusal import Refusal

MAX_REMEMBERED_SOURCES: Final = 4096
"""Verdicts kept by address: a scan from many addresses costs time then, never memory."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Carrier:
    """A carrier that may call us. `country` (ISO 3166, two letters) completes national numbers."""

    name: str
    networks: Sequence[Network]
    provider: str | None
    country: str | None
    responses: Mapping[Refusal, int]
    srtp: SrtpPolicy = SrtpPolicy.OPTIONAL


class CarrierTable:
    """Finds the carrier of a source address."""

    def __init__(self, carriers: Iterable[Carrier]) -> None:
        self._carriers = tuple(carriers)
        self._verdicts: dict[str, Carrier | None] = {}

    def carrier_of(self, host: str) -> Carrier | None:
        """The carrier of a numeric address; None for a stranger. The first carrier listed wins."""
        if host in self._verdicts:
            return self._verdicts[host]
        if len(self._verdicts) >= MAX_REMEMBERED_SOURCES:
            self._verdicts.clear()
        verdict = self._search(host)
        self._verdicts[host] = verdict
        return verdict

    def _search(self, host: str) -> Carrier | None:
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return None
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        for carrier in self._carriers:
            if any(address in network for network in carrier.networks):
                return carrier
        return None
