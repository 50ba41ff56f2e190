"""Rows that PostgreSQL refuses, and lines that cannot be read: set aside for people to look at.

One file for all processes that share a spool folder. Each line stands under a comment that says why
it is here. When the file has grown too long, it becomes the old one and a new one begins.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE_NAME: Final = "calls.rejected"
MAX_BYTES: Final = 8 << 20
"""Some 6,000 rows, and as many again in the old file."""
MAX_REASON: Final = 300


class RejectedRows:
    """The file in `parent`."""

    def __init__(self, parent: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = parent / FILE_NAME
        self._max_bytes = max_bytes

    def append(self, lines: Sequence[bytes], reason: str) -> None:
        """Set lines aside, with or without a newline. Raises OSError."""
        why = " ".join(reason.split())[:MAX_REASON].encode("utf-8", "replace")
        text = b"".join(b"# %b\n%b\n" % (why, line.rstrip(b"\n")) for line in lines)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Held while one process writes, so that no two put the file aside.
        lock_fd = os.open(
            self._path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX)
            self._make_room(len(text))
            file_fd = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            with os.fdopen(file_fd, "ab") as file:
                file.write(text)
        finally:
            os.close(lock_fd)

    def _make_room(self, needed: int) -> None:
        if self._path.exists() and self._path.stat().st_size + needed > self._max_bytes:
            self._path.replace(self._path.with_suffix(".rejected.old"))
