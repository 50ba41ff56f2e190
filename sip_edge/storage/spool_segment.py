"""One file of a spool: lines are appended to it until it is full or read; then it is removed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Self

from sip_edge.storage.spool_lines import RowKind, SpoolLines, kind_of, read_lines

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SUFFIX: Final = ".calls"


class Segment:
    """A file and how many rows and bytes of it count. Its methods raise OSError.

    `began_at` is when its first row was written, on the caller's clock. Only `sync` may be called
    while another method runs in another thread.
    """

    def __init__(self, path: Path, *, began_at: float, rows: int = 0, size: int = 0) -> None:
        self.path = path
        self.began_at = began_at
        self.rows = rows
        self.size = size
        self.has_opens = True
        self.is_sealed = False
        self._fd: int | None = None
        self._synced_size = 0

    @classmethod
    def create(cls, folder: Path, number: int, *, began_at: float) -> Self:
        """A new file; the next numbers that are taken are passed over."""
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        segment = cls(folder / f"{number:010}{SUFFIX}", began_at=began_at)
        segment._fd = os.open(segment.path, flags, 0o600)
        return segment

    @classmethod
    def find(cls, path: Path) -> Self:
        """A file that another process left behind."""
        data = path.read_bytes()
        segment = cls(path, began_at=0.0, rows=data.count(b"\n"), size=len(data))
        segment.is_sealed = True
        return segment

    @property
    def is_synced(self) -> bool:
        """True if what was appended outlasts a power cut."""
        return self._synced_size == self.size

    def append(self, lines: Sequence[bytes]) -> None:
        """Write all lines or none; kill -9 does not undo it, a power cut may before `sync`."""
        if self._fd is None:
            raise ValueError("the file is sealed")
        data = b"".join(lines)
        try:
            _write_all(self._fd, data)
        except OSError:
            # What was written of it would be a torn line before the next one.
            try:
                os.ftruncate(self._fd, self.size)
            except OSError:
                self.is_sealed = True
            raise
        self.rows += len(lines)
        self.size += len(data)

    def close(self) -> None:
        """Let nothing be appended any more."""
        self.is_sealed = True
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def read(self) -> SpoolLines:
        """All lines; none is appended from now on. Reads too what lost its name meanwhile."""
        if self._fd is None:
            return read_lines(self.path.read_bytes())
        data = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
        self.close()
        return read_lines(data)

    def sync(self) -> None:
        """Make what was appended so far outlast a power cut. Takes as long as the disk wants."""
        size = self.size
        fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(fd)
        finally:
            os.close(fd)
        self._synced_size = size

    def drop_opens(self) -> int:
        """Write the file again without the calls that have not ended; how many they were."""
        found = read_lines(self.path.read_bytes())
        kept = [line for line in found.sound if kind_of(line) is RowKind.ENDED]
        data = b"".join(kept)
        new = self.path.with_suffix(".new")
        new.write_bytes(data)
        new.chmod(0o600)
        new.replace(self.path)
        self.has_opens = False
        self.rows, self.size, self._synced_size = len(kept), len(data), 0
        return len(found.sound) - len(kept)

    def remove(self) -> None:
        """Remove the file; it may be gone already."""
        self.close()
        self.path.unlink(missing_ok=True)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
