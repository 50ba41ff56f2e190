"""The non-INVITE client transaction: RFC 3261 17.1.2, figure 6."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from sip_edge.sip.effects import Event, Noted, SendTo
from sip_edge.sip.transaction.effects import Failure, PassToUser, TransactionFailed
from sip_edge.sip.transaction.key import own_key

if TYPE_CHECKING:
    from sip_edge.sip.flow import Flow, NextHop
    from sip_edge.sip.message import Request, Response
    from sip_edge.sip.timers import TimerSettings
    from sip_edge.sip.transaction.effects import TransactionEffect
    from sip_edge.sip.transaction.key import ClientKey


class State(Enum):
    """The states of figure 6."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class Timer(Enum):
    """E repeats the request, F gives up, K absorbs repeated responses."""

    E = "E"
    F = "F"
    K = "K"


class ClientTransaction:
    """One request of ours other than INVITE and ACK. `flow` as in `InviteClientTransaction`."""

    __slots__ = (
        "_deadlines",
        "_interval",
        "_send",
        "_settings",
        "hop",
        "key",
        "method",
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
        self.method = request.method
        self.session = session
        self.hop = hop
        self.state = State.TRYING
        self._settings = settings
        self._deadlines: dict[Timer, float] = {}
        self._interval = settings.t1
        self._send = SendTo(request.serialize(), hop, flow, self.key)

    @property
    def is_terminated(self) -> bool:
        """True when the transaction may be forgotten."""
        return self.state is State.TERMINATED

    def start(self, now: float) -> list[SendTo]:
        """Send the request for the first time."""
        self._deadlines[Timer.F] = now + self._settings.timeout
        if not self.hop.transport.is_reliable:
            self._deadlines[Timer.E] = now + self._interval
        return [self._send]

    def receive_response(self, response: Response, now: float) -> list[TransactionEffect]:
        """A response that matches (17.1.3)."""
        match self.state:
            case State.TRYING | State.PROCEEDING:
                if response.status < 200:
                    self.state = State.PROCEEDING
                else:
                    self._complete(now)
                return [PassToUser(response)]
            case _:
                return [Noted(Event.RETRANSMISSION_RECEIVED)]

    def flow_closed(self, flow: Flow) -> list[SendTo]:
        """The connection that it was sent on is gone: it may never have arrived, so it goes again.

        A peer that has it takes it for a repetition.
        """
        if self._send.flow != flow or self.state not in (State.TRYING, State.PROCEEDING):
            return []
        self._send = replace(self._send, flow=None)
        return [self._send]

    def transport_failed(self) -> list[TransactionEffect]:
        """The request could not be sent."""
        match self.state:
            case State.TRYING | State.PROCEEDING:
                self._terminate()
                return [TransactionFailed(Failure.TRANSPORT)]
            case _:
                return []

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called, None if no timer runs."""
        return min(self._deadlines.values(), default=None)

    def handle_timer(self, now: float) -> list[TransactionEffect]:
        """Fire what is due at `now`."""
        due = {timer for timer, at in self._deadlines.items() if at <= now}
        match self.state:
            case State.TRYING | State.PROCEEDING if Timer.F in due:
                self._terminate()
                return [TransactionFailed(Failure.TIMEOUT)]
            case State.TRYING | State.PROCEEDING if Timer.E in due:
                return self._repeat(now)
            case State.COMPLETED if Timer.K in due:
                self._terminate()
            case _:
                pass
        return []

    def _complete(self, now: float) -> None:
        if self.hop.transport.is_reliable:  # Timer K is zero: nothing can be repeated.
            self._terminate()
        else:
            self.state = State.COMPLETED
            self._deadlines = {Timer.K: now + self._settings.t4}

    def _repeat(self, now: float) -> list[TransactionEffect]:
        # 17.1.2.2: MIN(2*T1, T2) and on; once a provisional response came, T2 at once.
        t2 = self._settings.t2
        is_trying = self.state is State.TRYING
        self._interval = min(2 * self._interval, t2) if is_trying else t2
        self._deadlines[Timer.E] = now + self._interval
        return [self._send, Noted(Event.RETRANSMISSION_SENT)]

    def _terminate(self) -> None:
        self.state = State.TERMINATED
        self._deadlines.clear()
