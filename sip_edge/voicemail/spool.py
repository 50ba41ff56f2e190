"""Messages on disk: while they are recorded, until PostgreSQL knows of them, and for good.

    DIRECTORY/incoming/<id>.wav.part   being recorded; locked by the process that does it
    DIRECTORY/incoming/<id>.json       what the row will say; removed when the row is written
    DIRECTORY/<day>/<id>.wav           complete

What a dead process left is known by its lock, which died with it: any process on the same folder
completes the recording and writes the row, and as the row's id is the message's, twice is once.
Everything here blocks and raises OSError: it is called on a thread.
"""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from sip_edge.media.audio import FRAME_SAMPLES
from sip_edge.media.wav import WavEncoding, wav_header
from sip_edge.voicemail.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from uuid import UUID

INCOMING: Final = "incoming"
SHORTEST_SECONDS: Final = 1.0
"""What is shorter is no message: somebody who hung up when they heard the beep."""

_RATE: Final = 8000
_HEADER_BYTES: Final = len(wav_header(encoding=WavEncoding.ULAW, data_bytes=0))
_PART: Final = ".wav.part"
_SIDECAR: Final = ".json"
_REFUSED: Final = ".refused"
_FILE_MODE: Final = 0o640
"""What callers say is not for everybody on the machine."""


def message_path(message_id: UUID, day: str) -> str:
    """Where a message's file goes, below the directory. `day` is YYYY-MM-DD."""
    return f"{day}/{message_id}.wav"


class MessageSpool:
    """The folder of all messages. Any number of processes may use it."""

    def __init__(self, directory: Path, *, min_free_bytes: int) -> None:
        self._directory = directory
        self._incoming = directory / INCOMING
        self._min_free_bytes = min_free_bytes

    def create(self, message: Message) -> MessageFile:
        """Begin a message's file. Raises OSError, with ENOSPC if the disk is nearly full."""
        self._incoming.mkdir(parents=True, exist_ok=True)
        status = os.statvfs(self._incoming)
        if status.f_bavail * status.f_frsize < self._min_free_bytes:
            raise OSError(errno.ENOSPC, "too little free space for messages")
        return MessageFile(self._directory, message, self._create_part(message))

    def _create_part(self, message: Message) -> int:
        path = self._incoming / f"{message.id}{_PART}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _write_at(fd, wav_header(encoding=WavEncoding.ULAW, data_bytes=0), 0)
            # After the locked file: a sidecar alone would be taken for that of a lost recording.
            _write_sidecar(self._incoming, message)
        except OSError:
            os.close(fd)
            path.unlink(missing_ok=True)
            raise
        return fd

    def undelivered(self) -> Iterator[str]:
        """The ids of all messages without a row, those that are being recorded included."""
        try:
            names = sorted(os.listdir(self._incoming))
        except FileNotFoundError:
            return
        for name in names:
            if name.endswith(_SIDECAR):
                yield name.removesuffix(_SIDECAR)

    def take_up(self, message_id: str) -> Message | None:
        """A complete message whose row is missing; None if there is none (any more).

        A recording that a dead process left is completed. One that is going on is left alone.
        """
        part = self._incoming / f"{message_id}{_PART}"
        try:
            fd = os.open(part, os.O_RDWR)
        except FileNotFoundError:
            return self._complete(message_id)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        message = self._read_sidecar(message_id)
        if message is None or not part.exists():  # Completed between our two looks.
            os.close(fd)
            return None
        size = os.fstat(fd).st_size - _HEADER_BYTES
        file = MessageFile(self._directory, message, fd, size=max(0, size))
        if file.seconds < SHORTEST_SECONDS:
            file.discard()
            return None
        return file.finish()

    def forget(self, message_id: str) -> None:
        """Its row is written."""
        (self._incoming / f"{message_id}{_SIDECAR}").unlink(missing_ok=True)

    def set_aside(self, message_id: str) -> None:
        """Its row will never be written: keep what is known of it for a person to look at."""
        sidecar = self._incoming / f"{message_id}{_SIDECAR}"
        with suppress(FileNotFoundError):
            sidecar.rename(sidecar.with_suffix(_REFUSED))

    def _complete(self, message_id: str) -> Message | None:
        message = self._read_sidecar(message_id)
        if message is None or message.seconds:
            return message
        # Neither a recording nor a complete file: it was dropped, and its process died over it.
        self.forget(message_id)
        return None

    def _read_sidecar(self, message_id: str) -> Message | None:
        try:
            data = (self._incoming / f"{message_id}{_SIDECAR}").read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(data, type=Message)
        except msgspec.MsgspecError:
            self.set_aside(message_id)
            return None


class MessageFile:
    """The file of a message that is being recorded. Each method may raise OSError."""

    def __init__(self, directory: Path, message: Message, fd: int, *, size: int = 0) -> None:
        self._directory = directory
        self._message = message
        self._fd = fd
        self._size = size

    @property
    def seconds(self) -> float:
        """How much was written."""
        return self._size / _RATE

    def append(self, sound: bytes) -> None:
        """Write more µ-law behind what is there; nothing of it counts if that fails."""
        _write_at(self._fd, sound, _HEADER_BYTES + self._size)
        self._size += len(sound)

    def finish(self) -> Message:
        """Complete the file and put it where it belongs. If that fails, `take_up` tries again."""
        try:
            return self._finish()
        finally:
            os.close(self._fd)

    def _finish(self) -> Message:
        # What a failed write left behind does not count, nor does half a frame.
        size = self._size - self._size % FRAME_SAMPLES
        os.ftruncate(self._fd, _HEADER_BYTES + size)
        _write_at(self._fd, wav_header(encoding=WavEncoding.ULAW, data_bytes=size), 0)
        os.fsync(self._fd)
        message = msgspec.structs.replace(
            self._message, seconds=size / _RATE, size=_HEADER_BYTES + size
        )
        incoming = self._directory / INCOMING
        # Before the file is where it belongs: from then on the sidecar is all that is looked at.
        _write_sidecar(incoming, message)
        path = self._directory / message.path
        path.parent.mkdir(parents=True, exist_ok=True)
        (incoming / f"{message.id}{_PART}").rename(path)
        for folder in (path.parent, incoming):
            _sync_folder(folder)
        return message

    def discard(self) -> None:
        """It is no message: remove what was written."""
        try:
            incoming = self._directory / INCOMING
            # In this order: a sidecar alone is cleared away by whoever sees it.
            (incoming / f"{self._message.id}{_PART}").unlink(missing_ok=True)
            (incoming / f"{self._message.id}{_SIDECAR}").unlink(missing_ok=True)
        finally:
            os.close(self._fd)


def _write_sidecar(incoming: Path, message: Message) -> None:
    path = incoming / f"{message.id}{_SIDECAR}"
    new = path.with_suffix(".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _FILE_MODE)
    try:
        _write_at(fd, msgspec.json.encode(message), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    new.replace(path)


def _write_at(fd: int, data: bytes, position: int) -> None:
    """All of `data`; a disk that runs full takes a part first and refuses the rest."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, position)
        view, position = view[written:], position + written


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
