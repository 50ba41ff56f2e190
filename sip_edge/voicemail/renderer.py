"""Keeps one render worker alive and warm, and gives it one piece of work at a time.

A worker that dies comes back, the later the more often it dies; one that is stuck is killed.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from sip_edge.logs import get_logger
from sip_edge.voicemail.render_messages import Request
from sip_edge.voicemail.render_process import WorkerDiedError
from sip_edge.voicemail.results import RenderResult

if TYPE_CHECKING:
    from sip_edge.routing.ports import Clock
    from sip_edge.voicemail.limits import RenderLimits
    from sip_edge.voicemail.render_messages import Reply
    from sip_edge.voicemail.render_process import Answer, Worker
    from sip_edge.voicemail.voices import Voice

_log = get_logger("sip_edge.voicemail")


class RenderError(Exception):
    """A text was not rendered; `result` says why, `detail` in words."""

    def __init__(self, result: RenderResult, detail: str) -> None:
        super().__init__(detail)
        self.result = result
        self.detail = detail


class Renderer:
    """Reads chunks of text aloud, in another process. `run` must run as long as it is used.

    `start` starts a worker. Nothing is started before `warm` was called for the first time: an edge
    without voicemail messages needs no 200 MB of speech synthesis.
    """

    def __init__(
        self, *, start: Callable[[], Awaitable[Worker]], clock: Clock, limits: RenderLimits
    ) -> None:
        self._start = start
        self._clock = clock
        self._limits = limits
        self._voices: dict[Voice, None] = {}
        self._is_wanted = asyncio.Event()
        self._is_ready = asyncio.Event()
        self._turn = asyncio.Lock()
        self._ids = itertools.count(1)
        self._worker: Worker | None = None

    def warm(self, voice: Voice) -> None:
        """Have this voice loaded before it is needed; called again, it costs nothing."""
        if voice not in self._voices:
            self._voices[voice] = None
            self._is_wanted.set()

    async def plan(self, text: str, language: str) -> Reply:
        """The chunks in which `text` is to be read. Raises RenderError."""
        answer = await self._ask(
            lambda number: Request(id=number, kind="plan", text=text, language=language)
        )
        return answer.reply

    async def speak(self, chunk: str, voice: Voice) -> bytes:
        """One chunk as µ-law, whole frames. Waits for the worker. Raises RenderError."""
        answer = await self._ask(
            lambda number: Request(
                id=number,
                kind="speak",
                text=chunk,
                language=voice.language,
                provider=voice.provider,
                voice=voice.name,
            )
        )
        reply = answer.reply
        if reply.fault == "bad_sound":
            raise RenderError(RenderResult.BAD_SOUND, reply.problem)
        if reply.fault or not answer.sound:
            raise RenderError(RenderResult.ENGINE_ERROR, reply.problem or "no sound came")
        return answer.sound

    async def run(self) -> None:
        """Keep a worker alive until cancelled."""
        await self._is_wanted.wait()
        delay = self._limits.restart_min_seconds
        while True:
            started_at = self._clock()
            reason = await self._live()
            if self._clock() - started_at > self._limits.restart_max_seconds:
                delay = self._limits.restart_min_seconds
            _log.warning("render_worker_ended", reason=reason, restart_in_seconds=delay)
            await asyncio.sleep(delay)
            delay = min(2 * delay, self._limits.restart_max_seconds)

    async def _live(self) -> str:
        """One worker's life: returns why it ended."""
        try:
            worker = await self._start()
        except WorkerDiedError as error:
            return str(error)
        try:
            await self._load_voices(worker)
            self._worker = worker
            self._is_ready.set()
            code = await worker.wait_ended()
        except (TimeoutError, WorkerDiedError) as error:
            return str(error) or "it does not get its voices loaded"
        finally:
            self._worker = None
            self._is_ready.clear()
            await worker.stop(self._limits.stop_seconds)
        return f"exit code {code}" if code >= 0 else f"signal {-code}"

    async def _load_voices(self, worker: Worker) -> None:
        """The voices wanted by now; one that comes later is loaded with its first text."""
        for voice in list(self._voices):
            request = Request(id=next(self._ids), kind="warm", provider=voice.provider)
            async with asyncio.timeout(self._limits.start_seconds):
                answer = await worker.ask(request)
            if answer.reply.fault:
                _log.warning("voice_unusable", voice=voice.name, problem=answer.reply.problem)

    async def _ask(self, make: Callable[[int], Request]) -> Answer:
        async with self._turn:
            worker = await self._ready_worker()
            return await self._ask_worker(worker, make(next(self._ids)))

    async def _ready_worker(self) -> Worker:
        while self._worker is None:
            await self._is_ready.wait()
        return self._worker

    async def _ask_worker(self, worker: Worker, request: Request) -> Answer:
        try:
            async with asyncio.timeout(self._limits.chunk_seconds):
                return await worker.ask(request)
        except TimeoutError:
            self._lose(worker)
            raise RenderError(
                RenderResult.TIMED_OUT, f"not done after {self._limits.chunk_seconds:g} s"
            ) from None
        except WorkerDiedError as error:
            self._lose(worker)
            raise RenderError(RenderResult.DIED, str(error)) from error
        except asyncio.CancelledError:
            # Its answer would be taken for that of the next request.
            self._lose(worker)
            raise

    def _lose(self, worker: Worker) -> None:
        """Kill it; `run` sees its end and brings the next one."""
        worker.kill()
        if self._worker is worker:
            self._worker = None
            self._is_ready.clear()
