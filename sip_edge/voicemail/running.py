"""The voicemail with everything that belongs to it, put together and kept running."""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sip_edge.media.tones import beep
from sip_edge.tasks import spawn
from sip_edge.voicemail.disk import DiskThreads
from sip_edge.voicemail.greeting_cache import GreetingCache
from sip_edge.voicemail.greetings import Greetings
from sip_edge.voicemail.limits import CacheLimits, GreetingLimits, RenderLimits
from sip_edge.voicemail.mailbox import Mailbox
from sip_edge.voicemail.packaged import APOLOGIES, packaged_message
from sip_edge.voicemail.render_process import start_worker, worker_command
from sip_edge.voicemail.renderer import Renderer
from sip_edge.voicemail.service import VoicemailService
from sip_edge.voicemail.spool import MessageSpool
from sip_edge.voicemail.voices import installed_voice

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sip_edge.routing.ports import Clock
    from sip_edge.voicemail.limits import RecordingLimits
    from sip_edge.voicemail.render_process import RenderProcess
    from sip_edge.voicemail.results import VoicemailObserver

GREETINGS_FOLDER: Final = "greetings"
CLOSE_SECONDS: Final = 5.0
"""How long the last messages may take to be written when the server ends."""


def make_renderer(clock: Clock, limits: RenderLimits) -> Renderer:
    """A renderer whose worker is a child process of ours."""

    async def start() -> RenderProcess:
        return await start_worker(worker_command(), os.environ, within_seconds=limits.start_seconds)

    return Renderer(start=start, clock=clock, limits=limits)


@asynccontextmanager
async def running_voicemail(
    limits: RecordingLimits, *, observer: VoicemailObserver, clock: Clock
) -> AsyncIterator[VoicemailService]:
    """A voicemail that takes messages until the block ends; then what it has begun is completed.

    It has no database until `mailbox.connect` gives it one. `clock` is the loop's.
    """
    for language in APOLOGIES:
        packaged_message(language)  # From the disk, while it is known to be there.
    beep()  # It takes a few milliseconds to compute, once.
    disk = DiskThreads()
    spool = MessageSpool(limits.directory, min_free_bytes=limits.min_free_bytes)
    renderer = make_renderer(clock, RenderLimits())
    greetings = Greetings(
        speaker=renderer,
        cache=GreetingCache(limits.directory / GREETINGS_FOLDER, CacheLimits()),
        find_voice=installed_voice,
        offload=disk,
        observer=observer,
        clock=clock,
        limits=GreetingLimits(),
    )
    mailbox = Mailbox(spool=spool, offload=disk, observer=observer)
    service = VoicemailService(
        greetings=greetings,
        mailbox=mailbox,
        spool=spool,
        offload=disk,
        observer=observer,
        limits=limits,
        wall_clock=lambda: datetime.now(UTC),
    )
    tasks = {
        spawn(renderer.run(), name="render worker"),
        spawn(greetings.run(), name="greetings"),
        spawn(mailbox.run(), name="mailbox"),
    }
    try:
        yield service
    finally:
        await service.wait_written(CLOSE_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        disk.close()
