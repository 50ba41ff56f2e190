"""The folder of one process's spool: `<parent>/<instance id>/`, held by a lock that dies with it.

The folder is there before the database has the first row of its instance, and outlives it. So
whoever can lock a folder knows an instance that has ended, and may speak for it: on this machine
only, because no other has the folder.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Final, Self

LOCK_NAME: Final = "lock"
ATTEMPTS: Final = 50
PAUSE_SECONDS: Final = 0.02
"""The lock on the parent is held for as long as it takes to look at each folder once."""

MAX_FOUND: Final = 16
"""Descriptors held while the database is away, however many processes have died meanwhile."""


class SpoolFolder:
    """A locked folder. `create` makes one's own, `find_dead` takes over those of the dead."""

    def __init__(self, path: Path, lock_fd: int) -> None:
        self.path = path
        self._lock_fd = lock_fd

    @classmethod
    def create(cls, parent: Path, instance_id: str) -> Self:
        """Make and lock the folder of an instance. Raises OSError."""
        # The rows hold phone numbers.
        parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = parent / instance_id
        with _locked(parent):
            path.mkdir(mode=0o700, exist_ok=True)
            lock_fd = _lock(path / LOCK_NAME, os.O_CREAT)
        if lock_fd is None:
            raise BlockingIOError(f"{path} is held by another process")
        return cls(path, lock_fd)

    @classmethod
    def find_dead(cls, parent: Path) -> list[Self]:
        """Take over folders of processes that have ended, a few at a time. Raises OSError."""
        found: list[Self] = []
        if not parent.is_dir():
            return found
        with _locked(parent):
            for name in sorted(os.listdir(parent)):
                if _is_instance_id(name) and len(found) < MAX_FOUND:
                    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
                        lock_fd = _lock(parent / name / LOCK_NAME, 0)
                        if lock_fd is not None:
                            found.append(cls(parent / name, lock_fd))
        return found

    @property
    def instance_id(self) -> str:
        """Whose folder it is."""
        return self.path.name

    @property
    def is_there(self) -> bool:
        """False once somebody has removed the folder."""
        return os.fstat(self._lock_fd).st_nlink > 0

    @property
    def seen_alive_at(self) -> float:
        """When its process last gave a sign of life, in seconds of the wall clock."""
        return os.fstat(self._lock_fd).st_mtime

    def touch(self) -> None:
        """Give a sign of life. Raises OSError."""
        os.utime(self._lock_fd)

    def sync(self) -> None:
        """Make the names of the files in it outlast a power cut. Raises OSError."""
        folder_fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder_fd)
        finally:
            os.close(folder_fd)

    def release(self) -> None:
        """Give up the lock and leave everything to whoever finds it."""
        os.close(self._lock_fd)

    def remove(self) -> None:
        """Remove the folder, then give up the lock; what does not belong in it is left there."""
        with suppress(OSError):
            (self.path / LOCK_NAME).unlink()
            self.path.rmdir()
        self.release()


@contextmanager
def _locked(parent: Path) -> Iterator[None]:
    """Nobody looks for dead folders while one is being made that is not locked yet."""
    for _ in range(ATTEMPTS):
        lock_fd = _lock(parent / LOCK_NAME, os.O_CREAT)
        if lock_fd is not None:
            break
        sleep(PAUSE_SECONDS)
    else:
        raise BlockingIOError(f"{parent / LOCK_NAME} is held by another process")
    try:
        yield
    finally:
        os.close(lock_fd)


def _lock(lock: Path, flags: int) -> int | None:
    """The descriptor of the locked file; None if another process holds it. Raises OSError."""
    lock_fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    is_ours = False
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it before may have removed it: then we hold a lock that nobody will see.
        is_ours = os.fstat(lock_fd).st_nlink > 0
    except BlockingIOError:
        return None
    finally:
        if not is_ours:
            os.close(lock_fd)
    return lock_fd if is_ours else None


def _is_instance_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False
