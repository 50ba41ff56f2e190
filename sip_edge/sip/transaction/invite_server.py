"""The INVITE server transaction: RFC 3261 17.2.1 and figure 7, as corrected by RFC 6026.

A 2xx moves it to ACCEPTED and no further: repeating the 2xx until the ACK is the business of the
transaction user (RFC 6026 section 7.1).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from sip_edge.sip.effects import Event, Noted, Send
from sip_edge.sip.transaction.effects import Failure, PassToUser, TransactionFailed

if TYPE_CHECKING:
    from sip_edge.sip.flow import Flow
    from sip_edge.sip.message import Request, Response
    from sip_edge.sip.timers import TimerSettings
    from sip_edge.sip.transaction.effects import TransactionEffect
    from sip_edge.sip.transaction.key import OriginKey, ServerKey


class State(Enum):
    """The states of figure 7, and RFC 6026's ACCEPTED."""

    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Timer(Enum):
    """G repeats a final error, H waits for its ACK, I absorbs ACKs, L absorbs INVITEs."""

    G = "G"
    H = "H"
    I = "I"  # noqa: E741 - the RFC's name
    L = "L"


class InviteServerTransaction:
    """One INVITE that was received. `flow` is where its responses go (18.2.2).

    `local_tag` is the To tag of all its responses; `origin` names the request on whatever way it
    came, None within a dialog; `session` is the session it belongs to, 0 for none. The request
    itself is not kept: a final error is remembered for half a minute, and there may be many.
    `absorbs_until` is 64*T1 after a final error: what comes by then is a repetition, even where
    timer I, which only counts from the ACK, is over before.
    """

    __slots__ = (
        "_deadlines",
        "_flow",
        "_interval",
        "_last_response",
        "_settings",
        "absorbs_until",
        "key",
        "local_tag",
        "origin",
        "session",
        "state",
    )

    def __init__(
        self,
        *,
        key: ServerKey,
        flow: Flow,
        settings: TimerSettings,
        local_tag: str,
        origin: OriginKey | None,
        session: int,
    ) -> None:
        self.key = key
        self.local_tag = local_tag
        self.origin = origin
        self.session = session
        self.absorbs_until = 0.0
        self.state = State.PROCEEDING
        self._flow = flow
        self._settings = settings
        self._deadlines: dict[Timer, float] = {}
        self._interval = settings.t1
        self._last_response = b""

    @property
    def is_terminated(self) -> bool:
        """True when the transaction may be forgotten."""
        return self.state is State.TERMINATED

    @property
    def is_ongoing(self) -> bool:
        """True while the same request by another way would be merged with this one (8.2.2.2).

        Not after an error: a proxy that then tries its next route (16.7), and finds us at its end
        once more, is making a new attempt.
        """
        return self.state in (State.PROCEEDING, State.ACCEPTED)

    def receive_request(self, request: Request, now: float) -> list[TransactionEffect]:
        """A repetition of the INVITE, or an ACK that matches it (17.2.3)."""
        match self.state, request.method:
            case ((State.PROCEEDING | State.COMPLETED), "INVITE"):
                return self._repeat_for_peer()
            case State.COMPLETED, "ACK":
                return self._confirm(now)
            case State.ACCEPTED, "ACK":
                # RFC 6026 7.1: an ACK in ACCEPTED is passed up, never absorbed.
                return [PassToUser(request)]
            case _:
                # ACCEPTED absorbs repeated INVITEs, CONFIRMED repeated ACKs.
                return [Noted(Event.RETRANSMISSION_RECEIVED)]

    def send_response(self, response: Response, now: float) -> list[Send]:
        """The user's response. What the figure does not list for this state is not sent."""
        status = response.status
        match self.state:
            case State.PROCEEDING:
                data = response.serialize()
                if status >= 300:
                    self._complete(now)
                elif status >= 200:
                    self._accept(now)
                self._last_response = data
                return [Send(data, self._flow, status)]
            case State.ACCEPTED if 200 <= status < 300:
                return [Send(response.serialize(), self._flow)]
            case _:
                return []

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called, None if no timer runs."""
        return min(self._deadlines.values(), default=None)

    def handle_timer(self, now: float) -> list[TransactionEffect]:
        """Fire what is due at `now`."""
        due = {timer for timer, at in self._deadlines.items() if at <= now}
        match self.state:
            case State.COMPLETED if Timer.H in due:
                self._terminate()
                return [TransactionFailed(Failure.TIMEOUT)]
            case State.COMPLETED if Timer.G in due:
                return self._repeat_final(now)
            case State.CONFIRMED if Timer.I in due:
                self._terminate()
            case State.ACCEPTED if Timer.L in due:
                self._terminate()
            case _:
                pass
        return []

    def _complete(self, now: float) -> None:
        self.state = State.COMPLETED
        self.absorbs_until = self._deadlines[Timer.H] = now + self._settings.timeout
        if not self._flow.transport.is_reliable:
            self._deadlines[Timer.G] = now + self._interval

    def _accept(self, now: float) -> None:
        self.state = State.ACCEPTED
        self._deadlines[Timer.L] = now + self._settings.timeout

    def _confirm(self, now: float) -> list[TransactionEffect]:
        self._deadlines.clear()
        if self._flow.transport.is_reliable:  # Timer I is zero: nothing can be repeated.
            self.state = State.TERMINATED
        else:
            self.state = State.CONFIRMED
            self._deadlines[Timer.I] = now + self._settings.t4
        return []

    def _terminate(self) -> None:
        self.state = State.TERMINATED
        self._deadlines.clear()

    def _repeat_for_peer(self) -> list[TransactionEffect]:
        noted = Noted(Event.RETRANSMISSION_RECEIVED)
        return [noted, Send(self._last_response, self._flow)] if self._last_response else [noted]

    def _repeat_final(self, now: float) -> list[TransactionEffect]:
        # 17.2.1: MIN(2*T1, T2), then doubled again and again, never above T2.
        self._interval = min(2 * self._interval, self._settings.t2)
        self._deadlines[Timer.G] = now + self._interval
        return [Send(self._last_response, self._flow), Noted(Event.RETRANSMISSION_SENT)]
