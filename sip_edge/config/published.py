"""The carriers' published networks, from the one dated file `carrier_networks.toml`."""

from __future__ import annotations

import ipaddress
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import datetime

    from sip_edge.config.fields import Network

PUBLISHED: Final = "published"
"""What a configuration writes in the place of a list of networks."""


@dataclass(frozen=True, slots=True)
class PublishedNetworks:
    """Where a carrier's signalling and RTP come from, by its own word, as it was on `as_of`."""

    networks: tuple[Network, ...]
    media_networks: tuple[Network, ...]
    source: str
    as_of: datetime.date


@lru_cache(maxsize=1)
def published_networks() -> dict[str, PublishedNetworks]:
    """The published networks of each provider, by its name."""
    text = files("sip_edge.config").joinpath("carrier_networks.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    as_of = table.pop("as_of")
    return {
        provider: PublishedNetworks(
            _networks(carrier["networks"]),
            _networks(carrier["media_networks"]),
            carrier["source"],
            as_of,
        )
        for provider, carrier in table.items()
    }


def _networks(texts: list[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)
