"""A whole voicemail without threads, processes or time, and one caller."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from support.voicemail import (
    ENGLISH,
    FACTS,
    Caller,
    FakeSpeaker,
    MemoryStore,
    RecordingObserver,
    inline,
)

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.media.tones import beep
from sip_edge.media.wav import read_wav
from sip_edge.routing.plan import VoicemailMessage
from sip_edge.routing.timeline import CallTimeline
from sip_edge.voicemail.greeting_cache import GreetingCache, greeting_key
from sip_edge.voicemail.greetings import Greetings
from sip_edge.voicemail.limits import CacheLimits, GreetingLimits, RecordingLimits
from sip_edge.voicemail.mailbox import Mailbox
from sip_edge.voicemail.results import MessageResult
from sip_edge.voicemail.service import VoicemailService
from sip_edge.voicemail.spool import MessageSpool
from sip_edge.voicemail.voices import Voice

GREETING = b"\x90" * 160 * 100
"""Two seconds of something."""
AGENT_ID = "66666666-6666-4666-8666-666666666666"
TEXT = VoicemailMessage("Please leave a message.", "en", AGENT_ID)


def english_only(language: str) -> Voice | None:
    return ENGLISH if language == "en" else None


class World:
    """A voicemail in a folder, and one caller."""

    def __init__(self, folder: Path, *, max_recordings: int, max_seconds: float) -> None:
        clock = asyncio.get_running_loop().time
        self.observer = RecordingObserver()
        self.store = MemoryStore()
        self.speaker = FakeSpeaker()
        self.caller = Caller()
        self.timeline = CallTimeline(clock(), clock=clock)
        self.folder = folder
        self._cache = GreetingCache(folder / "greetings", CacheLimits())
        self._cache.remember(greeting_key(TEXT.text, ENGLISH), GREETING)
        spool = MessageSpool(folder, min_free_bytes=0)
        self.mailbox = Mailbox(spool=spool, offload=inline, observer=self.observer)
        self.mailbox.connect(self.store)
        self.service = VoicemailService(
            greetings=Greetings(
                speaker=self.speaker,
                cache=self._cache,
                find_voice=english_only,
                offload=inline,
                observer=self.observer,
                clock=clock,
                limits=GreetingLimits(),
            ),
            mailbox=self.mailbox,
            spool=spool,
            offload=inline,
            observer=self.observer,
            limits=RecordingLimits(
                directory=folder,
                max_seconds=max_seconds,
                silence_seconds=5.0,
                max_recordings=max_recordings,
                min_free_bytes=0,
            ),
            wall_clock=lambda: datetime(2025, 11, 21, 15, 30, tzinfo=UTC),
        )

    def call(self, message: VoicemailMessage = TEXT) -> asyncio.Task[None]:
        """A call that has just been answered."""
        return asyncio.create_task(
            self.service.take_message(FACTS, self.timeline, self.caller.audio, message)
        )

    async def call_until_the_beep(self) -> asyncio.Task[None]:
        """The caller has heard the greeting and the beep."""
        task = self.call()
        await self.caller.hears_the_end_of(GREETING)
        await self.caller.hears_the_end_of(beep())
        return task

    async def results(self) -> list[tuple[MessageResult, float]]:
        """What was counted when all was written."""
        await asyncio.sleep(1)
        return self.observer.messages

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]

    def sound(self) -> bytes:
        """What is in the only message's file."""
        (row,) = self.store.rows.values()
        return read_wav((self.folder / row.path).read_bytes())


@asynccontextmanager
async def world_in(
    folder: Path, *, max_recordings: int = 10, max_seconds: float = 120.0
) -> AsyncIterator[World]:
    world = World(folder, max_recordings=max_recordings, max_seconds=max_seconds)
    try:
        yield world
    finally:
        world.caller.hang_up()


def is_heard_in_order(heard: list[bytes], *sounds: bytes) -> bool:
    """True if nothing but these sounds was heard, with silence around them."""
    audible = b"".join(frame for frame in heard if frame != ULAW_SILENCE)
    return audible == b"".join(sounds)
