"""What can become of a message, a greeting and a rendering: closed lists, and who is told."""

from __future__ import annotations

from enum import Enum
from typing import Literal, Protocol

RowResult = Literal["stored", "unavailable", "refused"]
"""What PostgreSQL did with a message's row; `unavailable` is tried again, `refused` never."""


class MessageResult(Enum):
    """How one caller's turn with the voicemail ended: each `take_message` counts once.

    `SAVED` has its row; `DATABASE_UNAVAILABLE` is as safe on disk and gets its row later. The
    others leave no message, except that one whose disk ran full keeps what was written before.
    """

    SAVED = "saved"
    DATABASE_UNAVAILABLE = "database_unavailable"
    ROW_REFUSED = "row_refused"
    HUNG_UP_IN_GREETING = "hung_up_in_greeting"
    TOO_SHORT = "too_short"
    SILENT = "silent"
    TOO_MANY = "too_many"
    DISK_FULL = "disk_full"
    UNWRITABLE = "unwritable"


class GreetingSource(Enum):
    """What a caller heard before the beep: the text, or the packaged message and why."""

    TEXT = "text"
    NOT_READY = "not_ready"
    NO_VOICE = "no_voice"
    FAILED = "failed"
    BUSY = "busy"


class RenderResult(Enum):
    """What became of a text that was to be read aloud."""

    RENDERED = "rendered"
    BAD_SOUND = "bad_sound"
    ENGINE_ERROR = "engine_error"
    TIMED_OUT = "timed_out"
    DIED = "died"
    GIVEN_UP = "given_up"
    CUT = "cut"
    DROPPED = "dropped"


class VoicemailObserver(Protocol):
    """Told what happens, for metrics. Must return at once and never raise. Times in seconds."""

    def message_ended(self, result: MessageResult, seconds: float) -> None:
        """A caller's turn is over; `seconds` of it were kept."""
        ...

    def greeting_played(self, source: GreetingSource, waited_seconds: float) -> None:
        """A greeting begins; the caller had to wait for it so long."""
        ...

    def text_rendered(self, result: RenderResult, seconds: float) -> None:
        """A text was rendered or was not. `CUT` comes besides another result."""
        ...

    def row_written(self, result: RowResult) -> None:
        """An attempt to write a message's row ended."""
        ...
