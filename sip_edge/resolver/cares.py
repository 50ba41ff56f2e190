"""Look-ups through c-ares: asynchronous, any number at once, /etc/hosts included."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import aiodns

from sip_edge.resolver.answers import (
    Answer,
    ResolveError,
    ResolveFailure,
    ResolverSettings,
    Service,
    ServiceAnswer,
)
from sip_edge.resolver.names import is_host_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    import pycares

    _Raw = TypeVar("_Raw")
    _Reply = TypeVar("_Reply")

_SRV = 33
"""The type of a service record (RFC 2782); CNAMEs on the way come in the same answer."""


class CaresLookup:
    """Asks through c-ares. Belongs to the loop that runs when the first question is asked."""

    def __init__(self, *, settings: ResolverSettings) -> None:
        self._settings = settings
        self._resolver: aiodns.DNSResolver | None = None

    def lookup(self, host: str) -> asyncio.Future[Answer]:
        """Ask for the IPv4 and IPv6 addresses of `host`; /etc/hosts comes first."""
        question = self._cares().getaddrinfo(host, type=socket.SOCK_STREAM)
        return _read_later(host, question, _addresses)

    def lookup_services(self, name: str) -> asyncio.Future[ServiceAnswer]:
        """Ask for the SRV records of `name`."""
        return _read_later(name, self._cares().query_dns(name, "SRV"), _services)

    async def close(self) -> None:
        """End all questions; their futures fail."""
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None

    def _cares(self) -> aiodns.DNSResolver:
        if self._resolver is None:
            self._resolver = aiodns.DNSResolver(
                nameservers=self._settings.nameservers or None,
                loop=asyncio.get_running_loop(),
                timeout=self._settings.query_timeout_seconds,
                tries=self._settings.tries,
            )
        return self._resolver


def _read_later(
    name: str, question: asyncio.Future[_Raw], read: Callable[[_Raw], _Reply | None]
) -> asyncio.Future[_Reply]:
    """A future for what `read` makes of the answer; None from it means that there is nothing."""
    answer: asyncio.Future[_Reply] = asyncio.get_running_loop().create_future()

    def came(result: asyncio.Future[_Raw]) -> None:
        if answer.done():
            return
        failure = _cares_failure(result)
        reply = None if failure else read(result.result())
        if reply is None:
            answer.set_exception(ResolveError(name, failure or ResolveFailure.NOT_FOUND))
        else:
            answer.set_result(reply)

    question.add_done_callback(came)
    return answer


def _addresses(found: pycares.AddrInfoResult) -> Answer | None:
    nodes = found.nodes
    if not nodes:
        return None
    addresses = tuple(dict.fromkeys(node.addr[0].decode("ascii") for node in nodes))
    return Answer(addresses, min(float(node.ttl) for node in nodes))


def _services(found: pycares.DNSResult) -> ServiceAnswer | None:
    """The records that can be used. A target of "." (here: "") says that there is no service."""
    services: list[Service] = []
    ttl = float("inf")
    for record in found.answer:
        if record.type != _SRV:
            continue
        data: Any = record.data
        target = str(data.target).rstrip(".").lower()
        if target and (not is_host_name(target) or not data.port):
            continue
        services.append(Service(data.priority, data.weight, data.port, target))
        ttl = min(ttl, float(record.ttl))
    return ServiceAnswer(tuple(services), ttl) if services else None


def _cares_failure(result: asyncio.Future[_Raw]) -> ResolveFailure | None:
    if result.cancelled():
        return ResolveFailure.SERVER_FAILURE
    error = result.exception()
    if error is None:
        return None
    code = error.args[0] if isinstance(error, aiodns.error.DNSError) else None
    match code:
        case aiodns.error.ARES_ENOTFOUND | aiodns.error.ARES_ENODATA:
            return ResolveFailure.NOT_FOUND
        case aiodns.error.ARES_ETIMEOUT:
            return ResolveFailure.TIMEOUT
        case aiodns.error.ARES_EBADNAME:
            return ResolveFailure.BAD_NAME
        case _:
            return ResolveFailure.SERVER_FAILURE
