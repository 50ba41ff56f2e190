"""The whole voicemail for real: threads, a render worker, a speech engine, files, PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from support.audio_stream import RecordingAudioStream
from support.loops import on_both_loops
from support.polling import eventually
from support.voicemail import CALL_ID, FACTS, SPEECH, RecordingObserver

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.media.tones import beep
from sip_edge.media.wav import read_wav
from sip_edge.routing.plan import VoicemailMessage
from sip_edge.routing.timeline import CallTimeline
from sip_edge.storage.pool import create_pool
from sip_edge.storage.voicemails import VoicemailStore
from sip_edge.voicemail.files import render_text
from sip_edge.voicemail.limits import RecordingLimits
from sip_edge.voicemail.results import GreetingSource, MessageResult, RenderResult
from sip_edge.voicemail.running import running_voicemail
from sip_edge.voicemail.service import VoicemailService

TEXT = VoicemailMessage("Our office is closed. Please call 555-0100 tomorrow at 9am.", "en-US")


def render_workers() -> list[int]:
    """The render workers that this process has started."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return [
        int(pid)
        for pid in children
        if b"render_worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


async def leave_message(service: VoicemailService) -> bytes:
    """A call: what the caller heard, having said two seconds."""
    audio = RecordingAudioStream()
    clock = asyncio.get_running_loop().time
    call = asyncio.create_task(
        service.take_message(FACTS, CallTimeline(clock(), clock=clock), audio, TEXT)
    )
    while beep()[-160:] not in audio.heard or audio.queued:
        audio.step()
        await asyncio.sleep(0)
    audio.step(3)
    await asyncio.sleep(0.01)
    audio.step(100, said=SPEECH)
    audio.press("#")
    await call
    return b"".join(audio.heard)


@pytest.mark.postgres
@on_both_loops
async def test_message_is_left_from_its_text_to_its_row(database_dsn: str, tmp_path: Path) -> None:
    observer = RecordingObserver()
    clock = asyncio.get_running_loop().time
    async with (
        create_pool(database_dsn) as pool,
        running_voicemail(
            RecordingLimits(directory=tmp_path), observer=observer, clock=clock
        ) as service,
    ):
        store = VoicemailStore(pool)
        service.mailbox.connect(store)
        service.want(TEXT)
        await eventually(lambda: observer.renderings, what="the text is rendered", seconds=60)

        heard = await leave_message(service)
        await eventually(lambda: observer.messages, what="the message is written")
        (row,) = await store.newest(limit=10)

    assert observer.renderings == [RenderResult.RENDERED]
    assert observer.greetings[0][0] is GreetingSource.TEXT
    assert observer.messages == [(MessageResult.SAVED, row.seconds)]
    (rendered,) = (path.read_bytes() for path in (tmp_path / "greetings").glob("*.ulaw"))
    assert rendered in heard
    assert 3.0 < len(rendered) / 8000 < 9.0
    assert (row.call_id, row.phone_number) == (CALL_ID, "+12025550100")
    assert SPEECH * 100 in read_wav((tmp_path / row.path).read_bytes())
    assert row.size == (tmp_path / row.path).stat().st_size
    assert list((tmp_path / "incoming").iterdir()) == []
    assert render_workers() == []


@pytest.mark.asyncio
async def test_worker_that_is_killed_costs_one_text_one_attempt(tmp_path: Path) -> None:
    observer = RecordingObserver()
    clock = asyncio.get_running_loop().time
    async with running_voicemail(
        RecordingLimits(directory=tmp_path), observer=observer, clock=clock
    ) as service:
        service.want(TEXT)
        (worker,) = await eventually(render_workers, what="a worker is started")
        os.kill(worker, signal.SIGKILL)
        service.want(VoicemailMessage("Another text.", "en"))

        await eventually(
            lambda: RenderResult.RENDERED in observer.renderings, what="a text", seconds=60
        )


@pytest.mark.asyncio
async def test_text_is_rendered_for_the_command_line() -> None:
    sound = await render_text("Hello. This is a test.", None)

    assert 1.0 < len(sound) / 8000 < 5.0
    assert sound != ULAW_SILENCE * (len(sound) // 160)
    assert render_workers() == []
