"""Gateways for tests: the real one with everything it needs, and a double without a network."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sip_edge.agents.counters import Counted
from sip_edge.agents.settings import WorkerSettings
from sip_edge.agents.websocket import WebSocketAgents
from sip_edge.resolver import Answer, ResolveError, ResolveFailure, Resolver, ResolverSettings


class KnownNames:
    """A look-up that knows what the test tells it; other names do not exist."""

    def __init__(self, names: Mapping[str, str | tuple[str, ...] | None]) -> None:
        self.names = dict(names)

    def lookup(self, host: str) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        known = self.names.get(host, ())
        if known is None:
            return future
        addresses = (known,) if isinstance(known, str) else known
        if addresses:
            future.set_result(Answer(addresses, 60.0))
        else:
            future.set_exception(ResolveError(host, ResolveFailure.NOT_FOUND))
        return future

    async def close(self) -> None: ...


class CountingObserver:
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.counts: Counter[Counted] = Counter()

    def messages(self, kind: Counted, count: int) -> None:
        self.counts[kind] += count


@asynccontextmanager
async def websocket_agents(
    *,
    settings: WorkerSettings | None = None,
    names: Mapping[str, str | tuple[str, ...] | None] | None = None,
    environment: Mapping[str, str] | None = None,
    observer: CountingObserver | None = None,
) -> AsyncIterator[WebSocketAgents]:
    """The real gateway on the running loop; `names` are all that its resolver knows.

    A name with the value None gets no answer. Checks at the end that nothing is left.
    """
    loop = asyncio.get_running_loop()
    agents = WebSocketAgents(
        settings=settings or WorkerSettings(),
        resolver=Resolver(
            settings=ResolverSettings(), lookup=KnownNames(names or {}), clock=loop.time
        ),
        environment=environment or {},
        observer=observer or CountingObserver(),
    )
    try:
        yield agents
    finally:
        agents.close()
        async with asyncio.timeout(10.0):
            while agents.connections:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.005)
