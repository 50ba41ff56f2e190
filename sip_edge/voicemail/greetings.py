"""What a caller hears before the beep: the number's own text, read aloud before it is needed.

Texts come from a table that anybody may fill with a million of them, so nothing here grows with
their number: those that appeared wait in a short list, newest first (whoever has just changed a
greeting calls to hear it), and are rendered at a bounded rate. The text of a call goes before all
of them, between two chunks of whatever is being read. What is not ready in time is replaced by the
packaged message, and will be ready for the next call.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from sip_edge.logs import get_logger
from sip_edge.tasks import spawn
from sip_edge.voicemail.greeting_cache import greeting_key
from sip_edge.voicemail.pace import Failures, Pace
from sip_edge.voicemail.packaged import packaged_message
from sip_edge.voicemail.renderer import RenderError
from sip_edge.voicemail.results import GreetingSource, RenderResult
from sip_edge.voicemail.script import bounded, language_of

if TYPE_CHECKING:
    from sip_edge.routing.plan import VoicemailMessage
    from sip_edge.routing.ports import Clock
    from sip_edge.voicemail.disk import Offload
    from sip_edge.voicemail.greeting_cache import GreetingCache
    from sip_edge.voicemail.limits import GreetingLimits
    from sip_edge.voicemail.render_messages import Reply
    from sip_edge.voicemail.results import VoicemailObserver
    from sip_edge.voicemail.voices import FindVoice, Voice

TOUCH_SECONDS: Final = 1.0
"""How long the disk may take to say whether it has a file, before the text is rendered instead."""
_BYTES_PER_SECOND: Final = 8000
_log = get_logger("sip_edge.voicemail")


class Speaker(Protocol):
    """Reads chunks of text aloud (`renderer.Renderer`)."""

    def warm(self, voice: Voice) -> None: ...

    async def plan(self, text: str, language: str) -> Reply: ...

    async def speak(self, chunk: str, voice: Voice) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Greeting:
    """What to play (µ-law), where it comes from, and how long the caller waited for it."""

    sound: bytes
    source: GreetingSource
    waited_seconds: float


@dataclass(slots=True, eq=False)
class _Job:
    """A text on its way to being sound. `chunks` is None until the text was looked at."""

    key: str
    text: str
    voice: Voice
    began_at: float
    chunks: deque[str] | None = None
    sound: bytearray = field(default_factory=bytearray)
    waiters: list[asyncio.Future[bytes]] = field(default_factory=list)


class Greetings:
    """Finds or makes the greeting of a call. `run` must run as long as it is used."""

    def __init__(
        self,
        *,
        speaker: Speaker,
        cache: GreetingCache,
        find_voice: FindVoice,
        offload: Offload,
        observer: VoicemailObserver,
        clock: Clock,
        limits: GreetingLimits,
    ) -> None:
        self._speaker = speaker
        self._cache = cache
        self._find_voice = find_voice
        self._offload = offload
        self._observer = observer
        self._clock = clock
        self._limits = limits
        self._wanted: OrderedDict[tuple[str, str | None], None] = OrderedDict()
        self._settled: OrderedDict[int, None] = OrderedDict()
        self._retries: OrderedDict[str, tuple[float, str, Voice]] = OrderedDict()
        self._jobs: dict[str, _Job] = {}
        self._urgent: deque[_Job] = deque()
        self._background: _Job | None = None
        self._changed = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._is_folder_bad = False
        self._pace = Pace(
            per_minute=limits.background_per_minute, burst=limits.background_burst, now=clock()
        )
        self._failures = Failures(
            max_attempts=limits.max_attempts,
            retry_seconds=limits.retry_seconds,
            give_up_seconds=limits.give_up_seconds,
            most=limits.max_failures,
        )

    def want(self, message: VoicemailMessage) -> None:
        """A text appeared or changed: have it ready some day. Costs two microseconds.

        To be told again of a text that is ready changes nothing. Of too many texts the oldest are
        left for the calls that need them.
        """
        wanted = (bounded(message.text), message.language)
        if hash(wanted) in self._settled:
            return
        self._wanted[wanted] = None
        self._wanted.move_to_end(wanted)
        if len(self._wanted) > self._limits.max_wanted:
            self._wanted.popitem(last=False)
            self._observer.text_rendered(RenderResult.DROPPED, 0.0)
        self._changed.set()

    async def for_call(self, message: VoicemailMessage) -> Greeting:
        """The greeting of a call that was answered, within `wait_seconds`."""
        began_at = self._clock()
        text = bounded(message.text)
        language = language_of(text, message.language)
        voice = self._find_voice(language)
        if voice is None:
            return Greeting(packaged_message(language), GreetingSource.NO_VOICE, 0.0)
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                sound = await self._sound(text, voice)
        except TimeoutError:
            source = GreetingSource.NOT_READY
        except RenderError as error:
            is_busy = error.result is RenderResult.DROPPED
            source = GreetingSource.BUSY if is_busy else GreetingSource.FAILED
        else:
            return Greeting(sound, GreetingSource.TEXT, self._clock() - began_at)
        return Greeting(packaged_message(language), source, self._clock() - began_at)

    async def run(self) -> None:
        """Render what is wanted until cancelled."""
        while True:
            await self._step(await self._next_job())

    # A call's own text.

    async def _sound(self, text: str, voice: Voice) -> bytes:
        key = greeting_key(text, voice)
        sound = self._cache.recall(key)
        if sound is not None:
            return sound
        if self._failures.is_resting(key, self._clock()):
            raise RenderError(RenderResult.GIVEN_UP, "it has failed before")
        try:
            sound = await self._offload(lambda: self._cache.read(key))
        except OSError as error:
            self._note_folder(error)
        if sound is not None:
            self._cache.remember(key, sound)
            return sound
        return await self._render_now(key, text, voice)

    async def _render_now(self, key: str, text: str, voice: Voice) -> bytes:
        """Before everything that no call waits for. Raises RenderError."""
        job = self._jobs.get(key)
        if job is None or job is self._background:
            if len(self._urgent) >= self._limits.max_urgent:
                raise RenderError(RenderResult.DROPPED, "too many texts are wanted at once")
            if job is None:
                job = self._jobs[key] = _Job(key, text, voice, self._clock())
            self._background = None if job is self._background else self._background
            self._urgent.append(job)
        self._speaker.warm(voice)
        self._changed.set()
        waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        job.waiters.append(waiter)
        return await waiter

    # What is rendered next.

    async def _next_job(self) -> _Job:
        while True:
            self._changed.clear()
            if self._urgent:
                return self._urgent[0]
            if self._background is not None:
                return self._background
            if self._wanted:
                candidate = await self._newest_wanted()
            else:
                candidate = self._due_retry()
                if candidate is None:
                    await self._wait_changed(self._seconds_to_next_retry())
            if candidate is not None:
                await self._wait_for_pace()
                # A call may have come for it meanwhile.
                if candidate.key not in self._jobs:
                    self._pace.take(self._clock())
                    candidate.began_at = self._clock()
                    self._jobs[candidate.key] = self._background = candidate

    async def _newest_wanted(self) -> _Job | None:
        """The newest text, if it is not there yet."""
        wanted, _ = self._wanted.popitem()
        text, tag = wanted
        voice = self._find_voice(language_of(text, tag))
        if voice is None:
            return None
        self._speaker.warm(voice)
        key = greeting_key(text, voice)
        now = self._clock()
        if self._failures.is_resting(key, now):
            return None
        if await self._is_there(key):
            self._settled[hash(wanted)] = None
            if len(self._settled) > self._limits.max_settled:
                self._settled.popitem(last=False)
            return None
        return _Job(key, text, voice, now)

    def _due_retry(self) -> _Job | None:
        """A text that has failed and whose time has come."""
        now = self._clock()
        for key, (retry_at, text, voice) in self._retries.items():
            if retry_at <= now:
                del self._retries[key]
                return _Job(key, text, voice, now)
        return None

    async def _is_there(self, key: str) -> bool:
        if key in self._jobs or self._cache.recall(key) is not None:
            return True
        try:
            async with asyncio.timeout(TOUCH_SECONDS):
                return await self._offload(lambda: self._cache.touch(key))
        except OSError as error:  # A TimeoutError is one.
            self._note_folder(error)
            return False

    async def _wait_for_pace(self) -> None:
        """Until background work may begin, or a call needs something."""
        while not self._urgent and (seconds := self._pace.wait_seconds(self._clock())) > 0:
            await self._wait_changed(seconds)

    def _seconds_to_next_retry(self) -> float | None:
        if not self._retries:
            return None
        return max(0.0, min(at for at, _, _ in self._retries.values()) - self._clock())

    async def _wait_changed(self, seconds: float | None) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    # One step of a job: afterwards a more urgent one may come in between.

    async def _step(self, job: _Job) -> None:
        try:
            if job.chunks is None:
                plan = await self._speaker.plan(job.text, job.voice.language)
                if plan.is_cut:
                    self._observer.text_rendered(RenderResult.CUT, 0.0)
                if not plan.chunks:
                    raise RenderError(RenderResult.BAD_SOUND, "nothing in it can be spoken")
                job.chunks = deque(plan.chunks)
                return
            job.sound += await self._speaker.speak(job.chunks.popleft(), job.voice)
        except RenderError as error:
            self._fail(job, error)
            return
        most = self._limits.max_sound_seconds * _BYTES_PER_SECOND
        if not job.chunks or len(job.sound) >= most:
            self._finish(job)

    def _finish(self, job: _Job) -> None:
        self._forget(job)
        self._failures.forget(job.key)
        sound = bytes(job.sound)
        self._cache.remember(job.key, sound)
        self._observer.text_rendered(RenderResult.RENDERED, self._clock() - job.began_at)
        for waiter in job.waiters:
            if not waiter.done():
                waiter.set_result(sound)
        # One at a time: a disk that hangs must not collect all that is rendered meanwhile.
        if self._writing is None or self._writing.done():
            self._writing = spawn(self._write(job.key, sound), name="keep a greeting")

    async def _write(self, key: str, sound: bytes) -> None:
        try:
            await self._offload(lambda: self._cache.write(key, sound))
        except OSError as error:
            self._note_folder(error)
        else:
            self._is_folder_bad = False

    def _fail(self, job: _Job, error: RenderError) -> None:
        self._forget(job)
        now = self._clock()
        self._observer.text_rendered(error.result, now - job.began_at)
        retry_at = self._failures.note(job.key, now)
        if retry_at is None:
            self._observer.text_rendered(RenderResult.GIVEN_UP, 0.0)
        else:
            self._retries[job.key] = (retry_at, job.text, job.voice)
            if len(self._retries) > self._limits.max_failures:
                self._retries.popitem(last=False)
        _log.warning(
            "greeting_not_rendered",
            result=error.result.value,
            detail=error.detail,
            key=job.key[:16],
            characters=len(job.text),
            is_given_up=retry_at is None,
        )
        for waiter in job.waiters:
            if not waiter.done():
                waiter.set_exception(error)

    def _forget(self, job: _Job) -> None:
        del self._jobs[job.key]
        if job is self._background:
            self._background = None
        else:
            self._urgent.remove(job)

    def _note_folder(self, error: OSError) -> None:
        """The folder cannot be used: said once, until it can be again."""
        if not self._is_folder_bad:
            self._is_folder_bad = True
            _log.warning("greetings_not_kept", problem=error.strerror or str(error))
