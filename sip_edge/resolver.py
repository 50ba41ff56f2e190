"""Names to addresses, for workers and SIP alike, without one dead name delaying the others.

The event loop's own resolver asks in a handful of threads: two names whose servers do not answer
stall every other look-up. c-ares (through aiodns) keeps any number of questions in the air at once
and honours /etc/hosts and /etc/resolv.conf. `Resolver` adds a bounded cache in front of it, joins
equal questions, and serves what it knew when the name servers are away (RFC 8767).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

import aiodns

if TYPE_CHECKING:
    from collections.abc import Callable

    import pycares

MAX_NAME_LENGTH: Final = 253
MAX_LABEL_LENGTH: Final = 63
"""RFC 1035 section 2.3.4, without the final dot."""
MAX_ADDRESSES: Final = 16
"""Kept of one answer: more than anybody tries within the time of one attempt."""

_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


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
    are used. `max_names` and `max_in_flight` bound memory and sockets.
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


class Lookup(Protocol):
    """Asks for one name, without a cache."""

    def lookup(self, host: str) -> asyncio.Future[Answer]:
        """The future ends with an answer that is not empty, or with ResolveError."""
        ...

    async def close(self) -> None:
        """End all questions; must be called while the loop still runs."""
        ...


@dataclass(slots=True)
class _Entry:
    """What is known about a name: addresses or the failure, and until when it is believed."""

    addresses: tuple[str, ...]
    failure: ResolveFailure | None
    expires_at: float
    stale_until: float
    used: int = field(default=0)

    def is_usable_when_stale(self, now: float) -> bool:
        return bool(self.addresses) and now < self.stale_until

    def give(self, host: str) -> list[str]:
        """The addresses, spread over the askers: rotated, but only within each address family."""
        if self.failure is not None:
            raise ResolveError(host, self.failure)
        turn = self.used
        self.used += 1
        first_is_ipv6 = ":" in self.addresses[0]
        preferred = [a for a in self.addresses if (":" in a) is first_is_ipv6]
        others = [a for a in self.addresses if (":" in a) is not first_is_ipv6]
        return _rotated(preferred, turn) + _rotated(others, turn)


class Resolver:
    """Resolves host names with a cache. One for the process; close it before the loop ends."""

    def __init__(
        self, *, settings: ResolverSettings, lookup: Lookup, clock: Callable[[], float]
    ) -> None:
        self._settings = settings
        self._lookup = lookup
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._questions: dict[str, asyncio.Future[_Entry]] = {}

    @property
    def in_flight(self) -> int:
        """How many names are being asked for."""
        return len(self._questions)

    async def resolve(self, host: str, deadline: float) -> list[str]:
        """Numeric addresses of `host`, best first, never empty.

        A numeric `host` (IPv6 with or without brackets) is returned as it is, without brackets.
        `deadline` is an instant of the loop's clock. Raises ResolveError, not later than that.
        """
        literal = numeric_address(host)
        if literal is not None:
            return [literal]
        name = host.lower()
        if not is_host_name(name):
            raise ResolveError(host, ResolveFailure.BAD_NAME)
        now = self._clock()
        entry = self._entries.get(name)
        if entry is not None and now < entry.expires_at:
            return entry.give(host)

        stale = entry if entry is not None and entry.is_usable_when_stale(now) else None
        question = self._join_or_ask(name)
        if question is not None:
            patience = deadline - now
            if stale is not None:
                patience = min(patience, self._settings.stale_after_seconds)
            # wait() and not await: neither a time-out nor a cancelled asker ends the question.
            await asyncio.wait({question}, timeout=max(0.0, patience))
            if question.done():
                return question.result().give(host)
        if stale is not None:
            return stale.give(host)
        raise ResolveError(
            host, ResolveFailure.OVERLOADED if question is None else ResolveFailure.TIMEOUT
        )

    async def close(self) -> None:
        """End all questions; nothing can be resolved afterwards."""
        await self._lookup.close()

    def _join_or_ask(self, name: str) -> asyncio.Future[_Entry] | None:
        """The question for `name`, asked now unless it is in the air; None if there are too many.

        The future fails only if `Lookup` has a defect: why a name has no address is in the entry.
        """
        if name in self._questions:
            return self._questions[name]
        if len(self._questions) >= self._settings.max_in_flight:
            return None
        question: asyncio.Future[_Entry] = asyncio.get_running_loop().create_future()
        self._questions[name] = question

        def answered(answer: asyncio.Future[Answer]) -> None:
            del self._questions[name]
            error = None if answer.cancelled() else answer.exception()
            if error is None or isinstance(error, ResolveError):
                question.set_result(self._keep(name, answer))
            else:
                question.set_exception(error)

        self._lookup.lookup(name).add_done_callback(answered)
        return question

    def _keep(self, name: str, answer: asyncio.Future[Answer]) -> _Entry:
        # Taken out and put in again: the first one of the dictionary is the longest unchanged.
        entry = self._entry_from(answer, known=self._entries.pop(name, None))
        self._entries[name] = entry
        if len(self._entries) > self._settings.max_names:
            del self._entries[next(iter(self._entries))]
        return entry

    def _entry_from(self, answer: asyncio.Future[Answer], known: _Entry | None) -> _Entry:
        now = self._clock()
        settings = self._settings
        failure = _failure_of(answer)
        if failure is None:
            found = answer.result()
            ttl = min(max(found.ttl_seconds, settings.min_ttl_seconds), settings.max_ttl_seconds)
            return _Entry(
                addresses=found.addresses[:MAX_ADDRESSES],
                failure=None,
                expires_at=now + ttl,
                stale_until=now + ttl + settings.stale_seconds,
            )
        believed_until = now + settings.negative_ttl_seconds
        if (
            failure is not ResolveFailure.NOT_FOUND
            and known is not None
            and known.is_usable_when_stale(now)
        ):
            # RFC 8767 section 5, failure recheck timer: not every call waits for dead servers.
            known.expires_at = believed_until
            return known
        return _Entry(
            addresses=(), failure=failure, expires_at=believed_until, stale_until=believed_until
        )


class CaresLookup:
    """Asks through c-ares. Belongs to the loop that runs when the first question is asked."""

    def __init__(self, *, settings: ResolverSettings) -> None:
        self._settings = settings
        self._resolver: aiodns.DNSResolver | None = None

    def lookup(self, host: str) -> asyncio.Future[Answer]:
        """Ask for the IPv4 and IPv6 addresses of `host`; /etc/hosts comes first."""
        if self._resolver is None:
            self._resolver = aiodns.DNSResolver(
                nameservers=self._settings.nameservers or None,
                loop=asyncio.get_running_loop(),
                timeout=self._settings.query_timeout_seconds,
                tries=self._settings.tries,
            )
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def found(result: asyncio.Future[pycares.AddrInfoResult]) -> None:
            if answer.done():
                return
            failure = _cares_failure(result)
            nodes = [] if failure else result.result().nodes
            if failure is None and not nodes:
                failure = ResolveFailure.NOT_FOUND
            if failure is not None:
                answer.set_exception(ResolveError(host, failure))
                return
            addresses = tuple(dict.fromkeys(node.addr[0].decode("ascii") for node in nodes))
            answer.set_result(Answer(addresses, min(float(node.ttl) for node in nodes)))

        self._resolver.getaddrinfo(host, type=socket.SOCK_STREAM).add_done_callback(found)
        return answer

    async def close(self) -> None:
        """End all questions; their futures fail."""
        if self._resolver is not None:
            await self._resolver.close()
            self._resolver = None


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


def _failure_of(answer: asyncio.Future[Answer]) -> ResolveFailure | None:
    if answer.cancelled():
        return ResolveFailure.SERVER_FAILURE
    error = answer.exception()
    return error.failure if isinstance(error, ResolveError) else None


def _cares_failure(result: asyncio.Future[pycares.AddrInfoResult]) -> ResolveFailure | None:
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


def _rotated(addresses: list[str], turn: int) -> list[str]:
    at = turn % len(addresses) if addresses else 0
    return addresses[at:] + addresses[:at]
