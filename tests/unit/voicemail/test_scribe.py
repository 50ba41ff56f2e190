"""Writing a recording while it is spoken. Virtual time; the disk refuses when the test says so."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from support.virtual_time import run
from support.voicemail import SPEECH, inline, message

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.media.wav import read_wav
from sip_edge.voicemail.limits import RecordingLimits
from sip_edge.voicemail.recording import Recording, RecordingEnd
from sip_edge.voicemail.results import MessageResult
from sip_edge.voicemail.scribe import LiveRecording, Scribe, Written
from sip_edge.voicemail.spool import MessageSpool

_Result = TypeVar("_Result")


class Disk:
    """Offload that fails with `error` the next `failures` times, and counts what it does."""

    def __init__(self) -> None:
        self.error = OSError(errno.EIO, "the cable was out")
        self.failures = 0
        self.works = 0

    async def __call__(self, work: Callable[[], _Result]) -> _Result:
        self.works += 1
        if self.failures:
            self.failures -= 1
            raise self.error
        return await inline(work)


class World:
    """A recording and its scribe, in a folder."""

    def __init__(self, folder: Path, *, min_free_bytes: int = 0) -> None:
        self.disk = Disk()
        self.live = LiveRecording(Recording(max_seconds=120.0, silence_seconds=5.0))
        self._folder = folder
        self._task = asyncio.create_task(
            Scribe(
                spool=MessageSpool(folder, min_free_bytes=min_free_bytes),
                offload=self.disk,
                limits=RecordingLimits(directory=folder, max_unwritten_seconds=3.0),
                live=self.live,
                message=message(),
            ).write()
        )

    async def hear(self, frame: bytes, seconds: float) -> None:
        for _ in range(round(seconds * 50)):
            await asyncio.sleep(0.02)
            self.live.add(frame)

    async def hang_up(self) -> Written:
        self.live.finish(RecordingEnd.HUNG_UP)
        return await self._task

    def part_bytes(self) -> int:
        return sum(path.stat().st_size for path in self._folder.rglob("*.part"))

    def files(self) -> list[str]:
        return [path.name for path in self._folder.rglob("*") if path.is_file()]

    def sound(self) -> bytes:
        (path,) = self._folder.rglob("*.wav")
        return read_wav(path.read_bytes())


def test_message_is_written_second_by_second(tmp_path: Path) -> None:
    async def check() -> None:
        world = World(tmp_path)

        await world.hear(SPEECH, 2.5)
        await asyncio.sleep(0)
        assert world.part_bytes() == 58 + 16000
        written = await world.hang_up()

        assert written.result is MessageResult.SAVED
        assert written.message is not None
        assert written.message.seconds == 2.5
        assert world.sound() == SPEECH * 125

    run(check())


def test_recording_that_ends_by_itself_is_completed(tmp_path: Path) -> None:
    async def check() -> None:
        world = World(tmp_path)

        await world.hear(SPEECH, 2.0)
        await world.hear(ULAW_SILENCE, 6.0)

        assert world.live.end is RecordingEnd.SILENCE
        assert (await world.hang_up()).result is MessageResult.SAVED
        assert world.sound() == SPEECH * 100 + ULAW_SILENCE * 50

    run(check())


def test_less_than_a_second_is_no_message(tmp_path: Path) -> None:
    async def check() -> None:
        world = World(tmp_path)

        await world.hear(SPEECH, 0.98)

        assert await world.hang_up() == Written(None, MessageResult.TOO_SHORT)
        assert world.files() == []

    run(check())


def test_silence_is_no_message(tmp_path: Path) -> None:
    async def check() -> None:
        world = World(tmp_path)

        await world.hear(ULAW_SILENCE, 4.0)

        assert await world.hang_up() == Written(None, MessageResult.SILENT)
        assert world.files() == []

    run(check())


def test_disk_that_recovers_loses_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        world = World(tmp_path)
        await world.hear(SPEECH, 1.5)
        world.disk.failures = 2
        await world.hear(SPEECH, 3.5)

        written = await world.hang_up()

        assert written.result is MessageResult.SAVED
        assert world.sound() == SPEECH * 250

    run(check())


def test_disk_that_fills_up_keeps_the_beginning(tmp_path: Path) -> None:
    async def check() -> None:
        world = World(tmp_path)
        await world.hear(SPEECH, 2.5)
        world.disk.error = OSError(errno.ENOSPC, "no space left")
        # The slices at 3 and 4 s, and the rest; completing needs no space.
        world.disk.failures = 3
        await world.hear(SPEECH, 2.0)

        written = await world.hang_up()

        assert written.result is MessageResult.DISK_FULL
        assert "no space left" in written.problem
        assert written.message is not None
        assert written.message.seconds == 2.0
        assert world.sound() == SPEECH * 100

    run(check())


def test_disk_that_refuses_for_long_ends_the_recording(tmp_path: Path) -> None:
    async def check() -> None:
        world = World(tmp_path)
        world.disk.error = PermissionError(errno.EACCES, "not yours")
        world.disk.failures = 100

        await world.hear(SPEECH, 5.0)

        assert world.live.end is RecordingEnd.NOT_WRITABLE
        written = await world.hang_up()
        assert written.result is MessageResult.UNWRITABLE
        assert written.message is None
        # Once a second, and once at the end.
        assert world.disk.works == 5

    run(check())


def test_disk_that_is_nearly_full_is_reported_as_full(tmp_path: Path) -> None:
    async def check() -> None:
        world = World(tmp_path, min_free_bytes=1 << 62)

        await world.hear(SPEECH, 2.0)

        assert (await world.hang_up()).result is MessageResult.DISK_FULL

    run(check())


def test_message_that_cannot_be_completed_is_reported(tmp_path: Path) -> None:
    async def check() -> None:
        (tmp_path / "2025-11-21").write_text("a file where the day's folder should be")
        world = World(tmp_path)

        await world.hear(SPEECH, 2.0)
        written = await world.hang_up()

        assert written.result is MessageResult.UNWRITABLE
        assert written.message is None

    run(check())


def test_whoever_waits_for_the_end_is_told(tmp_path: Path) -> None:
    async def check() -> None:
        world = World(tmp_path)
        waiting = asyncio.create_task(world.live.wait_ended())
        await asyncio.sleep(0)
        assert not waiting.done()

        await world.hang_up()

        await waiting
        assert world.live.end is RecordingEnd.HUNG_UP
        assert not world.live.has_sound

    run(check())
