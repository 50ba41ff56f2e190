"""Gateways for tests: the real one with everything it needs, and a double without a network."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from sip_edge.agents.counters import Counted
from sip_edge.agents.settings import WorkerSettings
from sip_edge.agents.websocket import WebSocketAgents
from sip_edge.media.audio import AudioStream
from sip_edge.resolver import Answer, ResolveError, ResolveFailure, Resolver, ResolverSettings
from sip_edge.routing.outcome import AgentEnd, AttemptFailure
from sip_edge.routing.plan import AgentRecord
from sip_edge.routing.ports import AgentOffer, AgentUnavailableError
from sip_edge.routing.timeline import CallTimeline, Stage


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


class InMemorySession:
    """A worker that has taken a call, and both its sides.

    The caller's side is `AgentSession` and `AudioListener`. The worker's side is `say`, `mark`,
    `clear`, `close`, `drop`; what it was told is in `told`: sound as bytes, "digit D", "mark NAME",
    "stop" and "closed CODE".
    """

    def __init__(self) -> None:
        self.told: asyncio.Queue[bytes | str] = asyncio.Queue()
        self.digits = ""
        self._has_spoken = False
        self._audio: AudioStream | None = None
        self._early: list[bytes | str] = []
        self._end: AgentEnd | None = None
        self._ended = asyncio.Event()
        self._has_hung_up = False

    @property
    def end(self) -> AgentEnd | None:
        return self._end

    @property
    def has_spoken(self) -> bool:
        return self._has_spoken

    def join(self, audio: AudioStream) -> None:
        self._audio = audio
        audio.listen(self)
        for item in self._early:
            if isinstance(item, bytes):
                audio.play(item)
            else:
                audio.mark(item)
        self._early.clear()

    async def wait_ended(self) -> AgentEnd:
        await self._ended.wait()
        assert self._end is not None
        return self._end

    def hang_up(self) -> None:
        if self._has_hung_up or self._end is not None:
            return
        self.told.put_nowait("stop")
        self.told.put_nowait("closed 1000")
        self._has_hung_up = True
        # A real worker closes too, a moment later.
        asyncio.get_running_loop().call_soon(self._finish, AgentEnd.HANG_UP)

    def on_audio(self, frame: bytes) -> None:
        self._tell(frame)

    def on_digit(self, digit: str) -> None:
        self.digits += digit
        self._tell(f"digit {digit}")

    def on_mark(self, name: str) -> None:
        self._tell(f"mark {name}")

    async def say(self, ulaw: bytes) -> None:
        self._has_spoken = True
        if self._audio is None:
            self._early.append(ulaw)
        elif not self._has_hung_up:
            self._audio.play(ulaw)

    async def mark(self, name: str) -> None:
        if self._audio is None:
            self._early.append(name)
        elif not self._has_hung_up:
            self._audio.mark(name)

    async def clear(self) -> None:
        if self._audio is None:
            self._early = [item for item in self._early if isinstance(item, str)]
        elif not self._has_hung_up:
            self._audio.clear()

    async def close(self, code: int = 1000) -> None:
        self._finish(AgentEnd.HANG_UP if code == 1000 else AgentEnd.ERROR_CODE)

    def drop(self) -> None:
        self._finish(AgentEnd.NO_CLOSE_FRAME)

    def _tell(self, what: bytes | str) -> None:
        if self._end is None and not self._has_hung_up:
            self.told.put_nowait(what)

    def _finish(self, end: AgentEnd) -> None:
        if self._end is None:
            self._end = AgentEnd.HANG_UP if self._has_hung_up else end
            self._ended.set()


class InMemoryAgents:
    """Implements `AgentGateway` without a network.

    Agents take calls unless `failures` names how they fail; those in `silent` never answer. Who
    took which call is in `sessions`, by agent.
    """

    def __init__(self) -> None:
        self.failures: dict[str, AttemptFailure] = {}
        self.silent: set[str] = set()
        self.offers: list[tuple[str, AgentOffer]] = []
        self.sessions: dict[str, list[InMemorySession]] = {}
        self.connections = 0

    async def offer(
        self, agent: AgentRecord, offer: AgentOffer, timeline: CallTimeline
    ) -> InMemorySession:
        self.offers.append((agent.agent_id, offer))
        failure = self.failures.get(agent.agent_id)
        if failure is not None:
            raise AgentUnavailableError(failure, "scripted")
        timeline.mark(Stage.WORKER_CONNECT)
        self.connections += 1
        try:
            async with asyncio.timeout(offer.accept_timeout_seconds):
                await (
                    asyncio.Event().wait() if agent.agent_id in self.silent else asyncio.sleep(0)
                )
        except TimeoutError:
            raise AgentUnavailableError(AttemptFailure.TIMEOUT, "scripted") from None
        finally:
            self.connections -= 1
        timeline.mark(Stage.WORKER_ACCEPT)
        session = InMemorySession()
        self.sessions.setdefault(agent.agent_id, []).append(session)
        return session
