"""Writes a recording to disk while it is spoken, and completes it when it is over.

It runs beside the call, not in it: when the caller hangs up, the call's task is cancelled, and what
was said still has to be written. A caller never waits for a disk.
"""

from __future__ import annotations

import asyncio
import errno
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sip_edge.media.audio import FRAME_SAMPLES
from sip_edge.voicemail.recording import Recording, RecordingEnd
from sip_edge.voicemail.results import MessageResult
from sip_edge.voicemail.spool import SHORTEST_SECONDS

if TYPE_CHECKING:
    from sip_edge.voicemail.disk import Offload
    from sip_edge.voicemail.limits import RecordingLimits
    from sip_edge.voicemail.message import Message
    from sip_edge.voicemail.spool import MessageFile, MessageSpool

SLICE_BYTES: Final = 50 * FRAME_SAMPLES
"""A second of sound is written at a time: the most that dies with the process."""

_BYTES_PER_SECOND: Final = 8000
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


class LiveRecording:
    """A recording that is going on: the caller's side adds to it, the scribe takes from it."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._is_slice_ready = asyncio.Event()
        self._has_ended = asyncio.Event()

    @property
    def end(self) -> RecordingEnd | None:
        """Why it ended, None while it goes on."""
        return self._recording.end

    @property
    def has_sound(self) -> bool:
        """True once the caller said anything."""
        return self._recording.has_sound

    def add(self, frame: bytes) -> None:
        """20 ms of what the caller says."""
        self._recording.add(frame)
        if self._recording.end is not None:
            self._wake()
        elif self._recording.ready_bytes >= SLICE_BYTES:
            self._is_slice_ready.set()

    def finish(self, end: RecordingEnd) -> None:
        """End it; the first end counts."""
        self._recording.finish(end)
        self._wake()

    async def wait_ended(self) -> None:
        """Return when it is over."""
        await self._has_ended.wait()

    async def next_slice(self) -> bytes:
        """The next second of it; after its end what is left, then nothing."""
        await self._is_slice_ready.wait()
        if self._recording.end is None:
            self._is_slice_ready.clear()
        return self._recording.take()

    def _wake(self) -> None:
        self._has_ended.set()
        self._is_slice_ready.set()


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a recording on disk: `message` if it is complete, else why it is not."""

    message: Message | None
    result: MessageResult
    problem: str = ""


class Scribe:
    """Writes one recording. A disk that refuses is tried again with each second of sound."""

    def __init__(
        self,
        *,
        spool: MessageSpool,
        offload: Offload,
        limits: RecordingLimits,
        live: LiveRecording,
        message: Message,
    ) -> None:
        self._spool = spool
        self._offload = offload
        self._limits = limits
        self._live = live
        self._message = message
        self._file: MessageFile | None = None
        self._unwritten = bytearray()
        self._error: OSError | None = None

    async def write(self) -> Written:
        """Write until the recording is over, then complete it."""
        most = self._limits.max_unwritten_seconds * _BYTES_PER_SECOND
        while True:
            self._unwritten += await self._live.next_slice()
            if self._live.end is not None:
                break
            await self._try_to_write()
            if len(self._unwritten) > most:
                self._live.finish(RecordingEnd.NOT_WRITABLE)
        await self._try_to_write()
        return await self._complete()

    async def _try_to_write(self) -> None:
        sound = bytes(self._unwritten)

        def append() -> MessageFile:
            file = self._file or self._spool.create(self._message)
            # Kept even if it takes no sound: it is locked, and has to be closed.
            self._file = file
            file.append(sound)
            return file

        try:
            await self._offload(append)
        except OSError as error:
            self._error = error
        else:
            self._error = None
            self._unwritten.clear()

    async def _complete(self) -> Written:
        file, error = self._file, self._error
        if file is None:
            return self._failure(error)
        try:
            if file.seconds >= SHORTEST_SECONDS and self._live.has_sound:
                message = await self._offload(file.finish)
            else:
                message = None
                await self._offload(file.discard)
        except OSError as late_error:
            return self._failure(late_error)
        if error is not None:
            # What is safe is its beginning, if anything; the rest found no place.
            failure = self._failure(error)
            return Written(message, failure.result, failure.problem)
        if message is not None:
            return Written(message, MessageResult.SAVED)
        is_short = file.seconds < SHORTEST_SECONDS
        return Written(None, MessageResult.TOO_SHORT if is_short else MessageResult.SILENT)

    def _failure(self, error: OSError | None) -> Written:
        number = None if error is None else error.errno
        result = MessageResult.DISK_FULL if number in _FULL else MessageResult.UNWRITABLE
        return Written(None, result, str(error))
