"""One render worker kept alive, warm and busy with one thing at a time. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.virtual_time import VirtualTimeLoop, run
from support.voicemail import ENGLISH, SPEECH

from sip_edge.voicemail.limits import RenderLimits
from sip_edge.voicemail.render_messages import Reply, Request
from sip_edge.voicemail.render_process import Answer, WorkerDiedError
from sip_edge.voicemail.renderer import Renderer, RenderError
from sip_edge.voicemail.results import RenderResult

LIMITS = RenderLimits(
    start_seconds=60.0,
    chunk_seconds=20.0,
    stop_seconds=1.0,
    restart_min_seconds=1.0,
    restart_max_seconds=60.0,
)


class FakeWorker:
    """Answers after `seconds`, or dies with exit code 1 over the text `die`."""

    def __init__(self, log: list[str], *, seconds: float) -> None:
        self.log = log
        self.seconds = seconds
        self.asking = 0
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def ask(self, request: Request) -> Answer:
        assert self.asking == 0, "two requests at once"
        self.asking += 1
        try:
            await asyncio.sleep(1000.0 if request.text == "hang" else self.seconds)
        finally:
            self.asking -= 1
        if self._code.done() or request.text == "die":
            self.end(1)
            raise WorkerDiedError("it ended")
        self.log.append(f"{request.kind} {request.text}{request.provider}")
        if request.kind == "plan":
            return Answer(Reply(request.id, chunks=(request.text,)), b"")
        if request.text in ("bad_sound", "engine_error"):
            return Answer(Reply(request.id, request.text, "as the test wants it"), b"")
        return Answer(Reply(request.id), b"" if request.text == "nothing" else SPEECH)

    async def wait_ended(self) -> int:
        return await asyncio.shield(self._code)

    def kill(self) -> None:
        self.end(-9)

    async def stop(self, seconds: float) -> None:
        self.log.append("stop")
        self.end(0)

    def end(self, code: int) -> None:
        if not self._code.done():
            self._code.set_result(code)


class World:
    """A renderer whose workers the test makes."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.started_at: list[float] = []
        self.failing_starts = 0
        self.seconds = 0.1
        self.workers: list[FakeWorker] = []
        self.renderer = Renderer(
            start=self._start, clock=asyncio.get_running_loop().time, limits=LIMITS
        )

    async def _start(self) -> FakeWorker:
        self.started_at.append(asyncio.get_running_loop().time() - VirtualTimeLoop.BEGIN)
        if self.failing_starts:
            self.failing_starts -= 1
            raise WorkerDiedError("it cannot be started")
        self.workers.append(FakeWorker(self.log, seconds=self.seconds))
        return self.workers[-1]

    async def fails(self, text: str) -> RenderResult:
        with pytest.raises(RenderError) as caught:
            await self.renderer.speak(text, ENGLISH)
        return caught.value.result


@asynccontextmanager
async def running(*, is_warm: bool = True) -> AsyncIterator[World]:
    world = World()
    task = asyncio.create_task(world.renderer.run())
    if is_warm:
        world.renderer.warm(ENGLISH)
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.wait([task])


def test_nothing_is_started_before_a_voice_is_wanted() -> None:
    async def check() -> None:
        async with running(is_warm=False) as world:
            await asyncio.sleep(1000)
            assert world.started_at == []

            world.renderer.warm(ENGLISH)
            world.renderer.warm(ENGLISH)
            await asyncio.sleep(1)
            assert world.log == ["warm fake"]

    run(check())


def test_a_chunk_is_spoken_and_a_text_is_planned() -> None:
    async def check() -> None:
        async with running() as world:
            assert (await world.renderer.plan("Hello.", "en")).chunks == ("Hello.",)
            assert await world.renderer.speak("Hello.", ENGLISH) == SPEECH
            assert world.log == ["warm fake", "plan Hello.", "speak Hello.fake"]

    run(check())


def test_requests_take_turns() -> None:
    async def check() -> None:
        async with running() as world:
            sounds = await asyncio.gather(
                *(world.renderer.speak(f"{number}", ENGLISH) for number in range(5))
            )
            assert sounds == [SPEECH] * 5

    run(check())


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("bad_sound", RenderResult.BAD_SOUND),
        ("engine_error", RenderResult.ENGINE_ERROR),
        ("nothing", RenderResult.ENGINE_ERROR),
        ("die", RenderResult.DIED),
        ("hang", RenderResult.TIMED_OUT),
    ],
)
def test_a_text_that_fails_says_how_and_the_next_one_is_spoken(
    text: str, result: RenderResult
) -> None:
    async def check() -> None:
        async with running() as world:
            assert await world.fails(text) is result
            assert await world.renderer.speak("Hello.", ENGLISH) == SPEECH

    run(check())


def test_worker_that_is_stuck_is_killed_after_its_time() -> None:
    async def check() -> None:
        async with running() as world:
            loop = asyncio.get_running_loop()
            await asyncio.sleep(1)
            began_at = loop.time()
            await world.fails("hang")

            assert loop.time() - began_at == pytest.approx(20.0)
            assert await world.workers[0].wait_ended() == -9

    run(check())


def test_worker_whose_request_was_given_up_is_not_used_again() -> None:
    async def check() -> None:
        async with running() as world:
            asking = asyncio.create_task(world.renderer.speak("hang", ENGLISH))
            await asyncio.sleep(1)
            asking.cancel()

            assert await world.renderer.speak("Hello.", ENGLISH) == SPEECH
            assert len(world.workers) == 2

    run(check())


def test_worker_that_dies_comes_back_later_each_time() -> None:
    async def check() -> None:
        async with running() as world:
            world.failing_starts = 8
            await asyncio.sleep(300)

            assert world.started_at == [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 123.0, 183.0]
            assert await world.renderer.speak("Hello.", ENGLISH) == SPEECH

    run(check())


def test_worker_that_lived_long_comes_back_at_once() -> None:
    async def check() -> None:
        async with running() as world:
            world.failing_starts = 4
            await asyncio.sleep(200)
            assert world.started_at[-1] == 15.0
            world.workers[0].end(-11)
            await asyncio.sleep(5)

            assert world.started_at[-1] == 201.0

    run(check())


def test_voices_are_loaded_again_after_a_restart() -> None:
    async def check() -> None:
        async with running() as world:
            await world.fails("die")
            await asyncio.sleep(5)

            assert world.log == ["warm fake", "stop", "warm fake"]

    run(check())


def test_worker_that_dies_or_hangs_while_loading_is_replaced() -> None:
    async def check() -> None:
        async with running() as world:
            world.seconds = 1000.0
            await asyncio.sleep(30)
            world.seconds = 0.1
            await asyncio.sleep(40)

            assert world.started_at == [0.0, 61.0]
            assert await world.renderer.speak("Hello.", ENGLISH) == SPEECH

    run(check())


def test_work_waits_for_the_worker() -> None:
    async def check() -> None:
        async with running() as world:
            world.failing_starts = 3
            loop = asyncio.get_running_loop()

            assert await world.renderer.speak("Hello.", ENGLISH) == SPEECH
            assert loop.time() - VirtualTimeLoop.BEGIN == pytest.approx(7.2)

    run(check())


def test_worker_ends_with_the_renderer() -> None:
    async def check() -> None:
        async with running() as world:
            await world.renderer.speak("Hello.", ENGLISH)

        assert world.log[-1] == "stop"

    run(check())
