"""Doubles for the voicemail: a disk without threads, a store, a speaker, and callers who talk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar
from uuid import UUID

from support.audio_stream import RecordingAudioStream

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.routing.ports import CallFacts
from sip_edge.voicemail.message import Message
from sip_edge.voicemail.render_messages import Reply
from sip_edge.voicemail.renderer import RenderError
from sip_edge.voicemail.results import GreetingSource, MessageResult, RenderResult, RowResult
from sip_edge.voicemail.voices import Voice

_Result = TypeVar("_Result")

# One period of 1000 Hz, 6 dB below full scale: somebody speaks.
SPEECH = bytes.fromhex("1E0B0B1E9E8B8B9E") * 20
ENGLISH = Voice("fake", "1.0", "heart", "en")
CALL_ID = "44444444-4444-4444-8444-444444444444"
MESSAGE_ID = UUID("55555555-5555-4555-8555-555555555555")
FACTS = CallFacts(
    call_id=CALL_ID,
    sip_call_id="a-call",
    carrier="local",
    provider=None,
    called_number="+12025550100",
    caller_number="+12025550123",
    caller="sip:+12025550123@127.0.0.1",
    call_sid="CA" + "4" * 32,
    stream_sid="MZ" + "4" * 32,
    account_sid="AC" + "0" * 32,
)


async def inline(work: Callable[[], _Result]) -> _Result:
    """Blocking work, done at once (implements Offload)."""
    return work()


def message(message_id: UUID = MESSAGE_ID, *, seconds: float = 0.0, size: int = 0) -> Message:
    """What is known of a message."""
    return Message(
        id=message_id,
        call_id=CALL_ID,
        phone_number="+12025550100",
        caller_number="+12025550123",
        agent_id=None,
        received_at=datetime(2025, 11, 21, 15, 30, tzinfo=UTC),
        path=f"2025-11-21/{message_id}.wav",
        seconds=seconds,
        size=size,
    )


class RecordingObserver:
    """Writes down what it is told (VoicemailObserver)."""

    def __init__(self) -> None:
        self.messages: list[tuple[MessageResult, float]] = []
        self.greetings: list[tuple[GreetingSource, float]] = []
        self.renderings: list[RenderResult] = []
        self.rows: list[RowResult] = []

    def message_ended(self, result: MessageResult, seconds: float) -> None:
        self.messages.append((result, seconds))

    def greeting_played(self, source: GreetingSource, waited_seconds: float) -> None:
        self.greetings.append((source, round(waited_seconds, 3)))

    def text_rendered(self, result: RenderResult, seconds: float) -> None:
        self.renderings.append(result)

    def row_written(self, result: RowResult) -> None:
        self.rows.append(result)


class MemoryStore:
    """Rows in memory; `answer` is what the database does with the next ones."""

    def __init__(self, answer: RowResult = "stored", *, seconds: float = 0.0) -> None:
        self.answer: RowResult = answer
        self.rows: dict[UUID, Message] = {}
        self.asked = 0
        self._seconds = seconds

    async def insert(self, row: Message) -> RowResult:
        self.asked += 1
        await asyncio.sleep(self._seconds)
        if self.answer == "stored":
            self.rows[row.id] = row
        return self.answer


class FakeSpeaker:
    """Speaks each chunk as a second of tone, in no time or `chunk_seconds`.

    A text is cut into chunks at `|`. `failures` are used up by the chunks, one after the other.
    """

    def __init__(self, *, chunk_seconds: float = 0.0) -> None:
        self.chunk_seconds = chunk_seconds
        self.failures: list[RenderResult] = []
        self.spoken: list[str] = []
        self.planned: list[str] = []
        self.warmed: list[Voice] = []
        self.is_cut = False

    def warm(self, voice: Voice) -> None:
        self.warmed.append(voice)

    async def plan(self, text: str, language: str) -> Reply:
        self.planned.append(text)
        chunks = tuple(chunk for chunk in text.split("|") if chunk)
        return Reply(1, chunks=chunks, is_cut=self.is_cut)

    async def speak(self, chunk: str, voice: Voice) -> bytes:
        await asyncio.sleep(self.chunk_seconds)
        self.spoken.append(chunk)
        if self.failures:
            raise RenderError(self.failures.pop(0), "as the test wants it")
        return SPEECH * 50


class Caller:
    """A caller on a `RecordingAudioStream`, in virtual time: 20 ms a frame until hung up."""

    def __init__(self) -> None:
        self.audio = RecordingAudioStream()
        self.voice = ULAW_SILENCE
        self._stepped = asyncio.Event()
        self._task = asyncio.create_task(self._live())

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(0.02)
            self.audio.step(said=self.voice)
            self._stepped.set()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():
            self._stepped.clear()
            await self._stepped.wait()

    async def hears(self, sound: bytes) -> None:
        """Return when the caller has heard the beginning of `sound`."""
        await self._until(lambda: sound[:160] in self.audio.heard)

    async def hears_the_end_of(self, sound: bytes) -> None:
        """Return when all of `sound` has been played, and nothing else is."""
        await self.hears(sound)
        await self._until(lambda: sound[-160:] in self.audio.heard and not self.audio.queued)

    async def says(self, seconds: float) -> None:
        """Speak for so long."""
        self.voice = SPEECH
        await asyncio.sleep(seconds)
        self.voice = ULAW_SILENCE

    def hang_up(self) -> None:
        """End."""
        self._task.cancel()
