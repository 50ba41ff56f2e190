"""Which texts are addresses, and which names may be asked for."""

from __future__ import annotations

import ipaddress
from typing import Final

MAX_NAME_LENGTH: Final = 253
MAX_LABEL_LENGTH: Final = 63
"""RFC 1035 section 2.3.4, without the final dot."""

_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


def numeric_address(host: str) -> str | None:
    """The address that `host` spells out, without brackets; None if it is a name."""
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return None
    if bare is not host and address.version == 4:
        return None
    return str(address)


def is_host_name(name: str) -> bool:
    """True for a lower-case name that may be asked for; underscores are in use and allowed."""
    bare = name.removesuffix(".")
    if not 0 < len(bare) <= MAX_NAME_LENGTH:
        return False
    return all(
        0 < len(label) <= MAX_LABEL_LENGTH and _NAME_CHARACTERS.issuperset(label)
        for label in bare.split(".")
    )
