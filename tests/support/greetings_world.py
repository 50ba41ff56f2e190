"""Greetings with a speaker that a test directs: no speech engine, no time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.voicemail import ENGLISH, SPEECH, FakeSpeaker, RecordingObserver, inline

from sip_edge.routing.plan import VoicemailMessage
from sip_edge.voicemail.greeting_cache import GreetingCache
from sip_edge.voicemail.greetings import Greeting, Greetings
from sip_edge.voicemail.limits import CacheLimits, GreetingLimits
from sip_edge.voicemail.packaged import packaged_message
from sip_edge.voicemail.voices import Voice, find_voice

SECOND = SPEECH * 50
PACKAGED = packaged_message("en")


class World:
    """Greetings in a folder, with a speaker that the test directs."""

    def __init__(self, folder: Path, *, limits: GreetingLimits, chunk_seconds: float = 0.1) -> None:
        self.speaker = FakeSpeaker(chunk_seconds=chunk_seconds)
        self.observer = RecordingObserver()
        self.folder = folder
        # One sound is remembered, the last one.
        self.cache = GreetingCache(folder, CacheLimits(max_memory_bytes=1))
        self.greetings = Greetings(
            speaker=self.speaker,
            cache=self.cache,
            find_voice=self.find,
            offload=inline,
            observer=self.observer,
            clock=asyncio.get_running_loop().time,
            limits=limits,
        )

    def find(self, language: str) -> Voice | None:
        return find_voice(language, (ENGLISH,))

    def forget_everything(self) -> None:
        """Neither memory nor disk has any greeting that anybody wants."""
        self.cache.remember("something else", SECOND)
        for path in self.folder.iterdir():
            path.unlink()

    def want(self, text: str, language: str | None = "en") -> None:
        self.greetings.want(VoicemailMessage(text, language))

    async def call(self, text: str, language: str | None = "en") -> Greeting:
        return await self.greetings.for_call(VoicemailMessage(text, language))


@asynccontextmanager
async def world_in(
    folder: Path, *, chunk_seconds: float = 0.1, limits: GreetingLimits | None = None
) -> AsyncIterator[World]:
    world = World(folder, limits=limits or GreetingLimits(), chunk_seconds=chunk_seconds)
    task = asyncio.create_task(world.greetings.run())
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()
