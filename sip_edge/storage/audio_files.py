"""The folder of recorded messages, as the control API reads it."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

if TYPE_CHECKING:
    from io import RawIOBase
    from pathlib import Path


class AudioFolder:
    """See provisioning.ports.AudioFiles. The folder may belong to another machine."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def open(self, path: str) -> OpenAudio:
        """See AudioFiles.open."""
        return await asyncio.to_thread(self._open, path)

    def _open(self, path: str) -> OpenAudio:
        if not self._directory.is_dir():
            raise ProvisioningError(
                ErrorCode.AUDIO_NOT_HERE,
                "The recordings are on another machine, which this server cannot reach.",
            )
        try:
            folder = self._directory.resolve()
            file = (folder / path).resolve()
            # Rows can be written by SQL: nothing outside of the folder is read.
            if not file.is_relative_to(folder) or not file.is_file():
                raise _not_found()
            return OpenAudio(file.open("rb", buffering=0))
        except (OSError, ValueError) as error:
            raise _not_found() from error


class OpenAudio:
    """See provisioning.ports.AudioFile. A file that nobody closes is closed with its object."""

    def __init__(self, file: RawIOBase) -> None:
        self._file = file
        self._size = os.fstat(file.fileno()).st_size

    @property
    def size(self) -> int:
        """See AudioFile.size."""
        return self._size

    async def read(self, offset: int, length: int) -> bytes:
        """See AudioFile.read."""
        return await asyncio.to_thread(self._read, offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            return os.pread(self._file.fileno(), length, offset)
        except (OSError, ValueError):  # The latter if it is closed.
            return b""

    async def close(self) -> None:
        """See AudioFile.close."""
        self._file.close()


def _not_found() -> ProvisioningError:
    return ProvisioningError(ErrorCode.AUDIO_NOT_FOUND, "The recording is gone.")
