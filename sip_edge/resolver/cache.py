"""A bounded cache in front of a look-up: equal questions are joined, old answers a reserve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from sip_edge.resolver.answers import ResolveError, ResolveFailure
from sip_edge.resolver.names import is_host_name, numeric_address

if TYPE_CHECKING:
    from sip_edge.resolver.answers import (
        Answer,
        Lookup,
        ResolverSettings,
        Service,
        ServiceAnswer,
    )

MAX_ADDRESSES: Final = 16
"""Kept of one answer: more than anybody tries within the time of one attempt."""

_Found = TypeVar("_Found")
_Reply = TypeVar("_Reply")


@dataclass(slots=True)
class _Entry(Generic[_Found]):
    """What is known about a name: what was found or the failure, and until when to believe it."""

    found: tuple[_Found, ...]
    failure: ResolveFailure | None
    expires_at: float
    stale_until: float
    used: int = field(default=0)

    def is_usable_when_stale(self, now: float) -> bool:
        return bool(self.found) and now < self.stale_until

    def next_turn(self, host: str) -> int:
        """How many asked before. Raises ResolveError if nothing was found."""
        if self.failure is not None:
            raise ResolveError(host, self.failure)
        self.used += 1
        return self.used - 1


class _Cache(Generic[_Reply, _Found]):
    """The cache for one kind of question. `read` takes an answer apart: what was found, and TTL."""

    def __init__(
        self,
        *,
        settings: ResolverSettings,
        ask: Callable[[str], asyncio.Future[_Reply]],
        read: Callable[[_Reply], tuple[tuple[_Found, ...], float]],
        clock: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._ask = ask
        self._read = read
        self._clock = clock
        self._entries: dict[str, _Entry[_Found]] = {}
        self._questions: dict[str, asyncio.Future[_Entry[_Found]]] = {}

    @property
    def in_flight(self) -> int:
        return len(self._questions)

    async def get(self, name: str, deadline: float) -> _Entry[_Found]:
        """What is known, asking if need be. Raises ResolveError if that is not known in time."""
        now = self._clock()
        entry = self._entries.get(name)
        if entry is not None and now < entry.expires_at:
            return entry
        stale = entry if entry is not None and entry.is_usable_when_stale(now) else None
        question = self._join_or_ask(name)
        if question is not None:
            patience = deadline - now
            if stale is not None:
                patience = min(patience, self._settings.stale_after_seconds)
            # wait() and not await: neither a time-out nor a cancelled asker ends the question.
            await asyncio.wait({question}, timeout=max(0.0, patience))
            if question.done():
                return question.result()
        if stale is not None:
            return stale
        raise ResolveError(
            name, ResolveFailure.OVERLOADED if question is None else ResolveFailure.TIMEOUT
        )

    def _join_or_ask(self, name: str) -> asyncio.Future[_Entry[_Found]] | None:
        """The question for `name`, asked now unless it is in the air; None if there are too many.

        The future fails only if `Lookup` has a defect: why nothing was found is in the entry.
        """
        if name in self._questions:
            return self._questions[name]
        if len(self._questions) >= self._settings.max_in_flight:
            return None
        question: asyncio.Future[_Entry[_Found]] = asyncio.get_running_loop().create_future()
        self._questions[name] = question

        def answered(answer: asyncio.Future[_Reply]) -> None:
            del self._questions[name]
            error = None if answer.cancelled() else answer.exception()
            if error is None or isinstance(error, ResolveError):
                question.set_result(self._keep(name, answer))
            else:
                question.set_exception(error)

        self._ask(name).add_done_callback(answered)
        return question

    def _keep(self, name: str, answer: asyncio.Future[_Reply]) -> _Entry[_Found]:
        # Taken out and put in again: the first one of the dictionary is the longest unchanged.
        entry = self._entry_from(answer, known=self._entries.pop(name, None))
        self._entries[name] = entry
        if len(self._entries) > self._settings.max_names:
            del self._entries[next(iter(self._entries))]
        return entry

    def _entry_from(
        self, answer: asyncio.Future[_Reply], known: _Entry[_Found] | None
    ) -> _Entry[_Found]:
        now = self._clock()
        settings = self._settings
        failure = _failure_of(answer)
        if failure is None:
            found, ttl = self._read(answer.result())
            ttl = min(max(ttl, settings.min_ttl_seconds), settings.max_ttl_seconds)
            return _Entry(
                found=found,
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
            found=(), failure=failure, expires_at=believed_until, stale_until=believed_until
        )


class Resolver:
    """Resolves names with a cache. Close it before the loop ends.

    Whoever must not suffer from another's dead names has a resolver of its own.
    """

    def __init__(
        self, *, settings: ResolverSettings, lookup: Lookup, clock: Callable[[], float]
    ) -> None:
        self._lookup = lookup
        self._addresses: _Cache[Answer, str] = _Cache(
            settings=settings, ask=self._ask_addresses, read=_read_addresses, clock=clock
        )
        self._services: _Cache[ServiceAnswer, Service] = _Cache(
            settings=settings, ask=self._ask_services, read=_read_services, clock=clock
        )

    @property
    def in_flight(self) -> int:
        """How many questions are in the air."""
        return self._addresses.in_flight + self._services.in_flight

    async def resolve(self, host: str, deadline: float) -> list[str]:
        """Numeric addresses of `host`, best first, never empty; spread over the askers.

        A numeric `host` (IPv6 with or without brackets) is returned as it is, without brackets.
        `deadline` is an instant of the loop's clock. Raises ResolveError, not later than that.
        """
        literal = numeric_address(host)
        if literal is not None:
            return [literal]
        name = _checked(host)
        entry = await self._addresses.get(name, deadline)
        return _spread(entry.found, entry.next_turn(host))

    async def services(self, name: str, deadline: float) -> list[Service]:
        """The SRV records of `name` (RFC 2782), in no order that means anything, never empty.

        `deadline` is an instant of the loop's clock. Raises ResolveError, not later than that.
        """
        entry = await self._services.get(_checked(name), deadline)
        entry.next_turn(name)
        return list(entry.found)

    async def close(self) -> None:
        """End all questions; nothing can be resolved afterwards."""
        await self._lookup.close()

    def _ask_addresses(self, name: str) -> asyncio.Future[Answer]:
        return self._lookup.lookup(name)

    def _ask_services(self, name: str) -> asyncio.Future[ServiceAnswer]:
        return self._lookup.lookup_services(name)


def _checked(host: str) -> str:
    name = host.lower()
    if not is_host_name(name):
        raise ResolveError(host, ResolveFailure.BAD_NAME)
    return name


def _read_addresses(answer: Answer) -> tuple[tuple[str, ...], float]:
    return answer.addresses[:MAX_ADDRESSES], answer.ttl_seconds


def _read_services(answer: ServiceAnswer) -> tuple[tuple[Service, ...], float]:
    """The first of many by priority: those behind them would hardly be tried."""
    first = sorted(answer.services, key=lambda service: service.priority)[:MAX_ADDRESSES]
    return tuple(first), answer.ttl_seconds


def _failure_of(answer: asyncio.Future[_Reply]) -> ResolveFailure | None:
    if answer.cancelled():
        return ResolveFailure.SERVER_FAILURE
    error = answer.exception()
    return error.failure if isinstance(error, ResolveError) else None


def _spread(addresses: tuple[str, ...], turn: int) -> list[str]:
    """Rotated, but only within each address family."""
    first_is_ipv6 = ":" in addresses[0]
    preferred = [a for a in addresses if (":" in a) is first_is_ipv6]
    others = [a for a in addresses if (":" in a) is not first_is_ipv6]
    return _rotated(preferred, turn) + _rotated(others, turn)


def _rotated(addresses: list[str], turn: int) -> list[str]:
    at = turn % len(addresses) if addresses else 0
    return addresses[at:] + addresses[:at]
