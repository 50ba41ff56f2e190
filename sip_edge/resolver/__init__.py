"""Names to addresses and services, without one dead name delaying the others.

The event loop's own resolver asks in a handful of threads: two names whose servers do not answer
stall every other look-up. c-ares (through aiodns) keeps any number of questions in the air at once
and honours /etc/hosts and /etc/resolv.conf. `Resolver` adds a bounded cache in front of it, joins
equal questions, and serves what it knew when the name servers are away (RFC 8767).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_edge.resolver.answers import (
    Answer,
    Lookup,
    ResolveError,
    ResolveFailure,
    ResolverSettings,
    Service,
    ServiceAnswer,
)
from sip_edge.resolver.cache import Resolver
from sip_edge.resolver.cares import CaresLookup
from sip_edge.resolver.names import is_host_name, numeric_address

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Answer",
    "CaresLookup",
    "Lookup",
    "ResolveError",
    "ResolveFailure",
    "Resolver",
    "ResolverSettings",
    "Service",
    "ServiceAnswer",
    "is_host_name",
    "make_resolver",
    "numeric_address",
]


def make_resolver(settings: ResolverSettings, clock: Callable[[], float]) -> Resolver:
    """A resolver that asks name servers through c-ares. `clock` is the loop's."""
    return Resolver(settings=settings, lookup=CaresLookup(settings=settings), clock=clock)
