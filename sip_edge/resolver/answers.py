"""What is asked of name servers and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

from sip_edge.resolver.names import MAX_NAME_LENGTH

if TYPE_CHECKING:
    import asyncio


class ResolveFailure(Enum):
    """Why a name has no addresses."""

    BAD_NAME = "bad_name"
    NOT_FOUND = "not_found"
    TIMEOUT = "timeout"
    SERVER_FAILURE = "server_failure"
    OVERLOADED = "overloaded"


class ResolveError(Exception):
    """A name could not be resolved; `failure` says why."""

    def __init__(self, host: str, failure: ResolveFailure) -> None:
        super().__init__(f"{host[:MAX_NAME_LENGTH]}: {failure.value.replace('_', ' ')}")
        self.failure = failure


@dataclass(frozen=True, slots=True)
class ResolverSettings:
    """How names are asked for and kept. Times in seconds.

    `nameservers` (`address` or `address:port`) replaces those of /etc/resolv.conf. One question
    takes about `query_timeout_seconds` times `tries` (doubling) at most, and goes on when its asker
    has given up, so that the next asker finds the answer; an answer for IPv4 alone waits one such
    time-out for IPv6. A time to live is bounded by `min_ttl_seconds` and
    `max_ttl_seconds`; a failure is believed for `negative_ttl_seconds`. When the name servers do
    not answer within `stale_after_seconds`, addresses that expired less than `stale_seconds` ago
    are used. `max_names` and `max_in_flight` bound memory and sockets, for addresses and for
    services each.
    """

    nameservers: tuple[str, ...] = ()
    query_timeout_seconds: float = 0.3
    tries: int = 3
    min_ttl_seconds: float = 1.0
    max_ttl_seconds: float = 300.0
    negative_ttl_seconds: float = 2.0
    stale_seconds: float = 3600.0
    stale_after_seconds: float = 0.2
    max_names: int = 4096
    max_in_flight: int = 256


@dataclass(frozen=True, slots=True)
class Answer:
    """Numeric addresses, the preferred ones first (RFC 6724), and how long they hold."""

    addresses: tuple[str, ...]
    ttl_seconds: float


@dataclass(frozen=True, slots=True)
class Service:
    """One SRV record (RFC 2782). `target` is lower-case, "" if there is decidedly no service."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class ServiceAnswer:
    """Services, in no order that means anything, and how long they hold."""

    services: tuple[Service, ...]
    ttl_seconds: float


class Lookup(Protocol):
    """Asks for one name, without a cache."""

    def lookup(self, host: str) -> asyncio.Future[Answer]:
        """The future ends with an answer that is not empty, or with ResolveError."""
        ...

    def lookup_services(self, name: str) -> asyncio.Future[ServiceAnswer]:
        """The future ends with an answer that is not empty, or with ResolveError."""
        ...

    async def close(self) -> None:
        """End all questions; must be called while the loop still runs."""
        ...
