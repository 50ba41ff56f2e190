"""Where workers may be, asked before an agent is saved; `websocket` asks again at each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.agents.dialer import permitted
from sip_edge.resolver import ResolveError
from sip_edge.routing.worker_url import WorkerUrlError, parse_worker_url

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_edge.agents.settings import Network
    from sip_edge.resolver import Resolver

RESOLVE_SECONDS: Final = 2.0
"""A name that takes longer is looked at when a call comes."""


class PermittedPlaces:
    """See provisioning.ports.WorkerPlaces. `clock` is the loop's."""

    def __init__(
        self,
        *,
        resolver: Resolver,
        allowed: Sequence[Network],
        denied: Sequence[Network],
        clock: Callable[[], float],
    ) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._denied = denied
        self._clock = clock

    async def problem(self, worker_url: str) -> str | None:
        """See WorkerPlaces.problem. A name that has no address yet may be saved."""
        try:
            url = parse_worker_url(worker_url)
        except WorkerUrlError as error:
            return f"{error}."
        try:
            found = await self._resolver.resolve(url.host, self._clock() + RESOLVE_SECONDS)
        except ResolveError:
            return None
        if permitted(found, allowed=self._allowed, denied=self._denied):
            return None
        # Not the address: a name of an inner network must not be resolved for strangers.
        return "worker_url leads to a network where this server looks for no workers."
