"""How much voicemail may take of everything: each limit with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingLimits:
    """Bounds of messages. Times in seconds.

    `max_seconds` and `silence_seconds` end a message. `max_recordings` at once: one a call.
    Below `min_free_bytes` of free disk nothing is recorded, so that a full mailbox does not stop a
    database that lives on the same disk. What could not be written yet is kept in memory for
    `max_unwritten_seconds`: a stalled disk, not a broken one.
    """

    directory: Path
    max_seconds: float = 120.0
    silence_seconds: float = 5.0
    max_recordings: int = 250
    min_free_bytes: int = 64 << 20
    max_unwritten_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GreetingLimits:
    """Bounds of greetings that are read aloud by a machine. Times in seconds.

    A call waits `wait_seconds` for its text, then hears the packaged message. Of texts that only
    appeared in a table `max_wanted` wait their turn and `background_per_minute` are rendered: at a
    tenth of a second each, 2 % of a core. `max_urgent` texts of calls wait at most: those behind
    them could not be ready in time. `max_settled` texts are known to be there, so that a table that
    is read again wants nothing. A text that fails `max_attempts` times is left alone for
    `give_up_seconds`, `max_failures` of them are remembered. `max_sound_seconds` of speech is more
    than anybody listens to, and less than a call may have queued.
    """

    wait_seconds: float = 1.5
    max_wanted: int = 2_000
    background_per_minute: float = 120.0
    background_burst: float = 20.0
    max_urgent: int = 64
    max_settled: int = 20_000
    max_attempts: int = 3
    retry_seconds: float = 30.0
    give_up_seconds: float = 3600.0
    max_failures: int = 1_000
    max_sound_seconds: float = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """Bounds of the rendered greetings that are kept.

    On disk 10,000 of 5 s each fit into 512 MiB; in memory, for the case that the disk is away,
    about 400.
    """

    max_files: int = 10_000
    max_bytes: int = 512 << 20
    max_memory_bytes: int = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderLimits:
    """Bounds of the process that renders. Times in seconds.

    A chunk of text takes a tenth of a second, on a busy machine ten times that; a process that
    needs `chunk_seconds` is stuck. Its start reads 16 MB of model and words from the disk. It comes
    back after `restart_min_seconds`, doubled each time it dies soon, up to `restart_max_seconds`.
    """

    start_seconds: float = 60.0
    chunk_seconds: float = 20.0
    stop_seconds: float = 1.0
    restart_min_seconds: float = 1.0
    restart_max_seconds: float = 60.0
