"""When each stage of a call was reached: marked once, measured once, at the end of the call."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class Stage(Enum):
    """A point in a call's life. The order is the usual one."""

    INVITE = "invite"
    TRYING = "trying"
    ROUTE = "route"
    WORKER_CONNECT = "worker_connect"
    WORKER_ACCEPT = "worker_accept"
    RINGING = "ringing"
    ANSWER = "answer"
    ACK = "ack"
    FIRST_RTP_IN = "first_rtp_in"
    FIRST_AUDIO_OUT = "first_audio_out"
    VOICEMAIL_START = "voicemail_start"
    END = "end"


class CallTimeline:
    """The instants at which a call reached its stages, in seconds of `clock`.

    The clock ticks with the loop's but is finer: uvloop's own stands still between two turns of the
    loop and counts whole milliseconds.
    """

    __slots__ = ("_clock", "_marks", "_milliseconds", "_ruled_out")

    def __init__(self, invite_at: float, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ruled_out: set[Stage] = set()
        self._marks: dict[Stage, float] = {Stage.INVITE: invite_at}
        self._milliseconds: dict[str, float] | None = None

    @property
    def invite_at(self) -> float:
        """When the INVITE arrived."""
        return self._marks[Stage.INVITE]

    def mark(self, stage: Stage) -> None:
        """Note that `stage` is reached now; only the first time counts."""
        if stage not in self._ruled_out:
            self._marks.setdefault(stage, self._clock())

    def rule_out(self, stage: Stage) -> None:
        """A stage that was not reached by now never will be: what looks like it is not it."""
        self._ruled_out.add(stage)

    def at(self, stage: Stage) -> float | None:
        """When `stage` was reached, None if it was not."""
        return self._marks.get(stage)

    def since_invite(self, stage: Stage) -> float | None:
        """Seconds from the INVITE to `stage`, None if it was not reached."""
        at = self._marks.get(stage)
        return None if at is None else at - self._marks[Stage.INVITE]

    def milliseconds(self) -> dict[str, float]:
        """Each stage reached, as milliseconds after the INVITE, in the order they were reached.

        Of a call that has ended they are worked out once: its log line and its row both have them.
        """
        if self._milliseconds is not None:
            return self._milliseconds
        start = self._marks[Stage.INVITE]
        milliseconds = {
            stage.value: round((at - start) * 1000, 1)
            for stage, at in self._marks.items()
            if stage is not Stage.INVITE
        }
        if Stage.END in self._marks:
            self._milliseconds = milliseconds
        return milliseconds
