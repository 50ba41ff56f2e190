"""Rendered greetings by what they were made from: on disk, and the last ones used in memory.

The folder may be shared by processes and emptied at any time. When it cannot be written, memory has
to do. The functions that touch the disk block: they are called on a thread.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import msgspec

from sip_edge.media.audio import FRAME_SAMPLES
from sip_edge.voicemail.script import SCRIPT_VERSION

if TYPE_CHECKING:
    from pathlib import Path

    from sip_edge.voicemail.limits import CacheLimits
    from sip_edge.voicemail.voices import Voice

SHAPING_VERSION: Final = 1
"""To be counted up when the same sound is brought to another level or length."""
KEPT_SHARE: Final = 0.9
"""After an overflow so much is left, so that the folder is not read again for each new file."""

_SUFFIX: Final = ".ulaw"


def greeting_key(text: str, voice: Voice) -> str:
    """What a rendering is known by: everything that its sound depends on, as SHA-256."""
    parts = (
        " ".join(text.split()),
        voice.language,
        voice.provider,
        voice.name,
        voice.version,
        SCRIPT_VERSION,
        SHAPING_VERSION,
    )
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


class GreetingCache:
    """Sound by key. `recall` and `remember` use the memory, the others the disk."""

    def __init__(self, folder: Path, limits: CacheLimits) -> None:
        self._folder = folder
        self._limits = limits
        self._memory: OrderedDict[str, bytes] = OrderedDict()
        self._memory_bytes = 0
        self._files: int | None = None  # Unknown until the folder was read.
        self._bytes = 0

    def recall(self, key: str) -> bytes | None:
        """The sound, if it is in memory."""
        sound = self._memory.get(key)
        if sound is not None:
            self._memory.move_to_end(key)
        return sound

    def remember(self, key: str, sound: bytes) -> None:
        """Keep it in memory, in the place of what was not used for the longest time."""
        self._memory_bytes += len(sound) - len(self._memory.pop(key, b""))
        self._memory[key] = sound
        while self._memory_bytes > self._limits.max_memory_bytes and len(self._memory) > 1:
            _, oldest = self._memory.popitem(last=False)
            self._memory_bytes -= len(oldest)

    def read(self, key: str) -> bytes | None:
        """The sound, if it is on disk; it counts as used now. Raises OSError."""
        path = self._path(key)
        try:
            sound = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        if not sound or len(sound) % FRAME_SAMPLES:
            path.unlink(missing_ok=True)  # Not written by us.
            return None
        return sound

    def touch(self, key: str) -> bool:
        """True if it is on disk; it counts as used now. Raises OSError."""
        try:
            os.utime(self._path(key))
        except FileNotFoundError:
            return False
        return True

    def write(self, key: str, sound: bytes) -> None:
        """Keep it on disk, in the place of what was not used for the longest time. Raises OSError.

        Readers see the whole file or none.
        """
        path = self._path(key)
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{secrets.token_hex(4)}.part")
        try:
            part.write_bytes(sound)
            part.replace(path)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        if self._files is not None:
            self._files += 1
            self._bytes += len(sound)
        if self._is_overfull():
            self._evict()

    def _is_overfull(self) -> bool:
        """True if there is too much, or if nobody knows how much there is."""
        return (
            self._files is None
            or self._files > self._limits.max_files
            or self._bytes > self._limits.max_bytes
        )

    def _evict(self) -> None:
        """Count the files, and remove the ones that were used last the longest time ago."""
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # Another process evicted it.
                found.append((status.st_mtime_ns, status.st_size, entry.path))
        found.sort(reverse=True)
        total = sum(size for _, size, _ in found)
        is_too_much = len(found) > self._limits.max_files or total > self._limits.max_bytes
        share = KEPT_SHARE if is_too_much else 1.0
        while found and (
            len(found) > self._limits.max_files * share or total > self._limits.max_bytes * share
        ):
            _, size, path = found.pop()
            total -= size
            try:
                os.unlink(path)
            except FileNotFoundError:
                continue
        self._files, self._bytes = len(found), total

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{_SUFFIX}"
