"""Where a peer wants its RTP and RTCP: `c=` (RFC 8866 section 5.7) and `a=rtcp` (RFC 3605)."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_edge.media.sdp import MediaDescription

_MAX_PORT = 0xFFFF
_ADDRESSES_REMEMBERED = 1024
"""Reading an address costs 10 us; calls come again and again from a carrier's media servers."""


@lru_cache(maxsize=_ADDRESSES_REMEMBERED)
def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """A numeric address, `/ttl` ignored; None for a name or an address with a zone.

    An IPv4-mapped IPv6 address becomes the IPv4 address that it means (RFC 5118 section 4.10).
    """
    try:
        address = ip_address(text.partition("/")[0])
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    return None if address.scope_id is not None else address.ipv4_mapped or address


def can_be_sent_to(address: IPv4Address | IPv6Address, local_address: str) -> bool:
    """Whether `address` is one host's, and of the family that our sockets speak.

    Broadcast and the rest of 240.0.0.0/4 reach nobody. Private addresses are fine: the peer may be
    on our own network, or behind a NAT that the first packet from it will tell us about.
    """
    local = parse_address(local_address)
    if local is None or local.version != address.version:
        return False
    is_class_e = address.version == 4 and address.is_reserved
    return not (address.is_multicast or address.is_unspecified or is_class_e)


def rtcp_address(media: MediaDescription, address: IPv4Address | IPv6Address) -> tuple[str, int]:
    """`a=rtcp:port [IN IP4 address]`, else the RTP address with the next port, if there is one.

    An attribute that makes no sense counts for nothing; so does an address while the stream is held
    (`address` unspecified) or one that packets cannot be sent to.
    """
    # "port", "IN", address type, address.
    fields = (media.value("rtcp") or "").split(" ")
    port = _parse_port(fields[0]) or min(media.port + 1, _MAX_PORT)
    elsewhere = parse_address(fields[3]) if len(fields) == 4 else None
    if elsewhere is None or address.is_unspecified or not can_be_sent_to(elsewhere, str(address)):
        return str(address), port
    return str(elsewhere), port


def _parse_port(text: str) -> int | None:
    if len(text) > 5 or not (text.isascii() and text.isdigit()):
        return None
    return int(text) if int(text) <= _MAX_PORT else None
