"""The INVITE client transaction: RFC 3261 17.1.1 and figure 5, as corrected by RFC 6026."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from sip_edge.sip.effects import Event, Noted, SendTo
from sip_edge.sip.transaction.effects import Failure, PassToUser, TransactionFailed
from sip_edge.sip.transaction.hop_by_hop import ack_for_failure
from sip_edge.sip.transaction.key import own_key

if TYPE_CHECKING:
    from sip_edge.sip.flow import Flow, NextHop
    from sip_edge.sip.message import Request, Response
    from sip_edge.sip.timers import TimerSettings
    from sip_edge.sip.transaction.effects import TransactionEffect
    from sip_edge.sip.transaction.key import ClientKey


class State(Enum):
    """The states of figure 5, and RFC 6026's ACCEPTED."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Timer(Enum):
    """A repeats the INVITE, B and C give up, D absorbs errors, M lets in more 2xx.

    C runs once nobody waits for the answer any more (`give_up`); a proxy's timer C is our user's.
    """

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    M = "M"


class InviteClientTransaction:
    """One INVITE of ours. `flow`, if any, is a connection on which it may go."""

    __slots__ = (
        "_ack",
        "_deadlines",
        "_flow",
        "_interval",
        "_send",
        "_settings",
        "hop",
        "key",
        "method",
        "request",
        "session",
        "state",
    )

    def __init__(
        self,
        *,
        request: Request,
        hop: NextHop,
        flow: Flow | None,
        settings: TimerSettings,
        session: int,
    ) -> None:
        self.key: ClientKey = own_key(request)
        self.method = "INVITE"
        self.request = request
        self.session = session
        self.hop = hop
        self.state = State.CALLING
        self._flow = flow
        self._settings = settings
        self._deadlines: dict[Timer, float] = {}
        self._interval = settings.t1
        self._send = SendTo(request.serialize(), hop, flow, self.key)
        self._ack: SendTo | None = None

    @property
    def is_terminated(self) -> bool:
        """True when the transaction may be forgotten."""
        return self.state is State.TERMINATED

    def start(self, now: float) -> list[SendTo]:
        """Send the INVITE for the first time."""
        self._deadlines[Timer.B] = now + self._settings.timeout
        if not self.hop.transport.is_reliable:
            self._deadlines[Timer.A] = now + self._interval
        return [self._send]

    def receive_response(self, response: Response, now: float) -> list[TransactionEffect]:
        """A response that matches (17.1.3)."""
        status = response.status
        match self.state:
            case State.CALLING | State.PROCEEDING:
                if status < 200:
                    self.state = State.PROCEEDING
                    self._deadlines.pop(Timer.A, None)
                    self._deadlines.pop(Timer.B, None)
                elif status < 300:
                    self._accept(now)
                else:
                    return [*self._complete(response, now), PassToUser(response)]
                return [PassToUser(response)]
            case State.ACCEPTED if 200 <= status < 300:
                # RFC 6026 7.2: repeated and forked 2xx go to the user, who sends the ACKs.
                return [PassToUser(response)]
            case State.COMPLETED if status >= 300 and self._ack is not None:
                return [Noted(Event.RETRANSMISSION_RECEIVED), self._ack]
            case _:
                return []

    def flow_closed(self, flow: Flow) -> list[SendTo]:
        """The connection that it was sent on is gone: it may not have arrived, so it goes again."""
        if self._send.flow != flow or self.state is not State.CALLING:
            return []
        self._flow = None
        self._send = replace(self._send, flow=None)
        return [self._send]

    def transport_failed(self) -> list[TransactionEffect]:
        """The INVITE, or the ACK, could not be sent."""
        match self.state:
            case State.CALLING | State.PROCEEDING | State.COMPLETED:
                self._terminate()
                return [TransactionFailed(Failure.TRANSPORT)]
            case _:
                return []

    def abandon(self) -> None:
        """Give up waiting for a final response: 64*T1 after a CANCEL, RFC 3261 9.1."""
        self._terminate()

    def give_up(self, now: float) -> None:
        """Its session is over: a final response is absorbed if it comes within 64*T1."""
        if self.state in (State.CALLING, State.PROCEEDING):
            self._deadlines[Timer.C] = now + self._settings.timeout

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called, None if no timer runs."""
        return min(self._deadlines.values(), default=None)

    def handle_timer(self, now: float) -> list[TransactionEffect]:
        """Fire what is due at `now`."""
        due = {timer for timer, at in self._deadlines.items() if at <= now}
        match self.state:
            case State.CALLING | State.PROCEEDING if due & {Timer.B, Timer.C}:
                self._terminate()
                return [TransactionFailed(Failure.TIMEOUT)]
            case State.CALLING if Timer.A in due:
                return self._repeat(now)
            case State.COMPLETED if Timer.D in due:
                self._terminate()
            case State.ACCEPTED if Timer.M in due:
                self._terminate()
            case _:
                pass
        return []

    def _accept(self, now: float) -> None:
        self.state = State.ACCEPTED
        self._deadlines = {Timer.M: now + self._settings.timeout}

    def _complete(self, response: Response, now: float) -> list[TransactionEffect]:
        ack = ack_for_failure(self.request, response)
        self._ack = SendTo(ack.serialize(), self.hop, self._flow, self.key)
        if self.hop.transport.is_reliable:  # Timer D is zero: nothing can be repeated.
            self._terminate()
        else:
            self.state = State.COMPLETED
            self._deadlines = {Timer.D: now + self._settings.timer_d}
        return [self._ack]

    def _repeat(self, now: float) -> list[TransactionEffect]:
        self._interval *= 2  # 17.1.1.2: doubled without a cap, timer B ends it.
        self._deadlines[Timer.A] = now + self._interval
        return [self._send, Noted(Event.RETRANSMISSION_SENT)]

    def _terminate(self) -> None:
        self.state = State.TERMINATED
        self._deadlines.clear()
