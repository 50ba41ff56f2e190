"""What any `AgentGateway` promises: the same tests for the double and for real WebSockets."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

import pytest
import uvloop
from support.gateway import InMemoryAgents, InMemorySession, websocket_agents
from support.offers import ScriptedAudio, agent_at, agent_offer, call_timeline
from support.workers import WorkerCall, scripted_worker, tcp_server
from websockets.exceptions import ConnectionClosed

from sip_edge.agents.settings import WorkerSettings
from sip_edge.routing.outcome import AgentEnd, AttemptFailure
from sip_edge.routing.plan import AgentRecord
from sip_edge.routing.ports import AgentGateway, AgentSession, AgentUnavailableError
from sip_edge.routing.timeline import Stage

FRAME = b"\x55" * 160


class Worker(Protocol):
    """The other end of a call."""

    async def say(self, ulaw: bytes) -> None: ...

    async def mark(self, name: str) -> None: ...

    async def clear(self) -> None: ...

    async def close(self, code: int = 1000) -> None: ...

    def drop(self) -> None: ...


class World(Protocol):
    """A gateway and the agents behind it."""

    gateway: AgentGateway

    def taking_calls(self) -> AgentRecord: ...

    def busy(self) -> AgentRecord: ...

    def silent(self) -> AgentRecord: ...

    async def worker(self, session: AgentSession) -> Worker: ...

    async def told(self, worker: Worker) -> bytes | str:
        """The next thing that the worker was told, as in `InMemorySession.told`."""
        ...

    def connections(self) -> int: ...


class MemoryWorld:
    """The double."""

    def __init__(self) -> None:
        self.gateway = InMemoryAgents()
        self.gateway.failures["busy"] = AttemptFailure.HTTP_STATUS
        self.gateway.silent.add("silent")

    def taking_calls(self) -> AgentRecord:
        return agent_at("ws://memory/", agent_id="taking calls")

    def busy(self) -> AgentRecord:
        return agent_at("ws://memory/", agent_id="busy")

    def silent(self) -> AgentRecord:
        return agent_at("ws://memory/", agent_id="silent")

    async def worker(self, session: AgentSession) -> InMemorySession:
        assert isinstance(session, InMemorySession)
        return session

    async def told(self, worker: InMemorySession) -> bytes | str:
        return await worker.told.get()

    def connections(self) -> int:
        return self.gateway.connections


class NetworkWorld:
    """The real one, with workers that another library serves."""

    async def __aenter__(self) -> NetworkWorld:
        self._stack = AsyncExitStack()
        enter = self._stack.enter_async_context
        self._taking_calls = await enter(scripted_worker())
        self._busy = await enter(scripted_worker(status=503))
        self._silent = await enter(tcp_server(lambda reader, _: reader.read()))
        self.gateway = await enter(
            websocket_agents(settings=WorkerSettings(close_timeout_seconds=0.2))
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def taking_calls(self) -> AgentRecord:
        return agent_at(self._taking_calls.url)

    def busy(self) -> AgentRecord:
        return agent_at(self._busy.url)

    def silent(self) -> AgentRecord:
        return agent_at(f"ws://127.0.0.1:{self._silent}/")

    async def worker(self, session: AgentSession) -> WorkerCall:
        call = await self._taking_calls.call()
        await call.receive_start()
        return call

    async def told(self, worker: WorkerCall) -> bytes | str:
        try:
            message = await worker.receive()
        except ConnectionClosed as closed:
            return f"closed {closed.rcvd.code if closed.rcvd else None}"
        match message["event"]:
            case "media":
                return b64decode(message["media"]["payload"])
            case "dtmf":
                return f"digit {message['dtmf']['digit']}"
            case "mark":
                return f"mark {message['mark']['name']}"
            case event:
                return str(event)

    def connections(self) -> int:
        return self.gateway.connections


@asynccontextmanager
async def memory_world() -> AsyncIterator[MemoryWorld]:
    yield MemoryWorld()


NewWorld = Callable[[], AbstractAsyncContextManager[World]]


@pytest.fixture(
    params=[
        (asyncio.new_event_loop, memory_world),
        (asyncio.new_event_loop, NetworkWorld),
        (uvloop.new_event_loop, NetworkWorld),
    ],
    ids=["double", "websocket on asyncio", "websocket on uvloop"],
)
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[World], object]], None]:
    """Run a scenario in each world, on a loop of its own."""
    new_loop, new_world = request.param

    def run_scenario(scenario: Callable[[World], object]) -> None:
        async def in_world() -> None:
            async with new_world() as world, asyncio.timeout(20.0):
                await scenario(world)

        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(in_world())

    return run_scenario


Run = Callable[[Callable[[World], object]], None]


async def joined(world: World) -> tuple[AgentSession, Worker, ScriptedAudio]:
    session = await world.gateway.offer(world.taking_calls(), agent_offer(), call_timeline())
    worker = await world.worker(session)
    audio = ScriptedAudio()
    session.join(audio)
    return session, worker, audio


async def log_of(audio: ScriptedAudio, count: int) -> list[bytes | str]:
    while len(audio.log) < count:  # noqa: ASYNC110 - the double has no event
        await asyncio.sleep(0.005)
    return audio.log


def test_a_worker_that_takes_the_call_gives_a_session_that_has_not_ended(run: Run) -> None:
    async def scenario(world: World) -> None:
        timeline = call_timeline()

        session = await world.gateway.offer(world.taking_calls(), agent_offer(), timeline)

        assert session.end is None
        assert timeline.at(Stage.WORKER_CONNECT) is not None
        assert timeline.at(Stage.WORKER_ACCEPT) is not None

    run(scenario)


def test_a_worker_that_refuses_is_unavailable_and_says_why(run: Run) -> None:
    async def scenario(world: World) -> None:
        timeline = call_timeline()

        with pytest.raises(AgentUnavailableError) as caught:
            await world.gateway.offer(world.busy(), agent_offer(), timeline)

        assert caught.value.failure is AttemptFailure.HTTP_STATUS
        assert timeline.at(Stage.WORKER_ACCEPT) is None

    run(scenario)


def test_a_worker_that_does_not_answer_is_given_up_after_the_time_offered(run: Run) -> None:
    async def scenario(world: World) -> None:
        with pytest.raises(AgentUnavailableError) as caught:
            await world.gateway.offer(
                world.silent(), agent_offer(accept_timeout_seconds=0.05), call_timeline()
            )

        assert caught.value.failure is AttemptFailure.TIMEOUT

    run(scenario)


def test_a_cancelled_offer_leaves_no_connection(run: Run) -> None:
    async def scenario(world: World) -> None:
        attempt = asyncio.ensure_future(
            world.gateway.offer(world.silent(), agent_offer(), call_timeline())
        )
        await asyncio.sleep(0.02)

        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt

        assert world.connections() == 0

    run(scenario)


def test_the_worker_is_told_of_sound_and_keys_in_order(run: Run) -> None:
    async def scenario(world: World) -> None:
        session, worker, audio = await joined(world)
        assert audio.listener is not None

        audio.listener.on_audio(FRAME)
        audio.listener.on_digit("7")
        audio.listener.on_audio(b"\x66" * 160)

        told = [await world.told(worker) for _ in range(3)]
        assert told == [FRAME, "digit 7", b"\x66" * 160]
        assert session.digits == "7"

    run(scenario)


def test_what_the_worker_says_is_played_in_order(run: Run) -> None:
    async def scenario(world: World) -> None:
        session, worker, audio = await joined(world)
        assert not session.has_spoken

        await worker.say(FRAME)
        await worker.mark("m")
        await worker.say(b"\x01" * 7)
        await worker.clear()

        assert await log_of(audio, 4) == [FRAME, "mark m", b"\x01" * 7, "clear"]
        assert await world.told(worker) == "mark m"
        assert session.has_spoken

    run(scenario)


def test_a_mark_is_returned_when_its_sound_was_heard(run: Run) -> None:
    async def scenario(world: World) -> None:
        _, worker, audio = await joined(world)
        await worker.say(FRAME)
        await worker.mark("first")
        await worker.mark("second")
        await log_of(audio, 3)

        audio.heard()

        assert [await world.told(worker) for _ in range(2)] == ["mark first", "mark second"]

    run(scenario)


def test_what_the_worker_says_before_the_answer_is_not_lost(run: Run) -> None:
    async def scenario(world: World) -> None:
        session = await world.gateway.offer(world.taking_calls(), agent_offer(), call_timeline())
        worker = await world.worker(session)
        await worker.say(FRAME)
        await worker.mark("dropped")
        await worker.clear()
        await worker.say(b"\x01" * 10)
        await worker.mark("kept")
        await worker.close()
        await session.wait_ended()

        audio = ScriptedAudio()
        session.join(audio)

        assert audio.log == ["mark dropped", b"\x01" * 10, "mark kept"]

    run(scenario)


@pytest.mark.parametrize(("code", "end"), [(1000, AgentEnd.HANG_UP), (1011, AgentEnd.ERROR_CODE)])
def test_the_worker_ends_the_call_or_fails_by_its_close_code(
    run: Run, code: int, end: AgentEnd
) -> None:
    async def scenario(world: World) -> None:
        session, worker, _ = await joined(world)

        await worker.close(code)

        assert await session.wait_ended() is end
        assert session.end is end

    run(scenario)


def test_a_worker_that_vanishes_has_failed(run: Run) -> None:
    async def scenario(world: World) -> None:
        session, worker, _ = await joined(world)

        worker.drop()

        assert await session.wait_ended() is AgentEnd.NO_CLOSE_FRAME

    run(scenario)


def test_hanging_up_tells_the_worker_once_and_is_no_failure(run: Run) -> None:
    async def scenario(world: World) -> None:
        session, worker, audio = await joined(world)

        session.hang_up()
        session.hang_up()
        assert audio.listener is not None
        audio.listener.on_audio(FRAME)

        assert [await world.told(worker) for _ in range(2)] == ["stop", "closed 1000"]
        assert await session.wait_ended() is AgentEnd.HANG_UP
        session.hang_up()

    run(scenario)


def test_hanging_up_on_a_worker_that_has_ended_does_nothing(run: Run) -> None:
    async def scenario(world: World) -> None:
        session, worker, _ = await joined(world)
        await worker.close(1011)
        await session.wait_ended()

        session.hang_up()

        assert session.end is AgentEnd.ERROR_CODE

    run(scenario)


def test_giving_up_the_wait_for_the_end_does_not_end_the_session(run: Run) -> None:
    async def scenario(world: World) -> None:
        session, worker, audio = await joined(world)
        waiter = asyncio.ensure_future(session.wait_ended())
        await asyncio.sleep(0)

        waiter.cancel()
        await asyncio.wait([waiter])

        assert session.end is None
        await worker.say(FRAME)
        assert await log_of(audio, 1) == [FRAME]

    run(scenario)
