"""The non-INVITE server transaction: RFC 3261 17.2.2, figure 8."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from sip_edge.sip.effects import Event, Noted, Send

if TYPE_CHECKING:
    from sip_edge.sip.flow import Flow
    from sip_edge.sip.message import Request, Response
    from sip_edge.sip.timers import TimerSettings
    from sip_edge.sip.transaction.effects import TransactionEffect
    from sip_edge.sip.transaction.key import OriginKey, ServerKey


class State(Enum):
    """The states of figure 8."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    TERMINATED = "terminated"


class Timer(Enum):
    """J: how long repeated requests are answered with the same final response."""

    J = "J"


class ServerTransaction:
    """One request other than INVITE and ACK. `flow` and `origin` as for an INVITE."""

    __slots__ = (
        "_deadlines",
        "_flow",
        "_last_response",
        "_settings",
        "key",
        "origin",
        "state",
    )

    def __init__(
        self,
        *,
        key: ServerKey,
        flow: Flow,
        settings: TimerSettings,
        origin: OriginKey | None,
    ) -> None:
        self.key = key
        self.origin = origin
        self.state = State.TRYING
        self._flow = flow
        self._settings = settings
        self._deadlines: dict[Timer, float] = {}
        self._last_response = b""

    @property
    def is_terminated(self) -> bool:
        """True when the transaction may be forgotten."""
        return self.state is State.TERMINATED

    @property
    def is_ongoing(self) -> bool:
        """True while the same request by another way would be merged with this one (8.2.2.2)."""
        return self.state is not State.TERMINATED

    def receive_request(self, request: Request, now: float) -> list[TransactionEffect]:
        """A repetition of the request: it gets the last response again, if there is one."""
        noted = Noted(Event.RETRANSMISSION_RECEIVED)
        match self.state:
            case State.PROCEEDING | State.COMPLETED:
                return [noted, Send(self._last_response, self._flow)]
            case _:
                return [noted]

    def send_response(self, response: Response, now: float) -> list[Send]:
        """The user's response. 17.2.2: after a final one, any other MUST be discarded."""
        match self.state:
            case State.TRYING | State.PROCEEDING:
                self._last_response = response.serialize()
                if response.status < 200:
                    self.state = State.PROCEEDING
                else:
                    self._complete(now)
                return [Send(self._last_response, self._flow, response.status)]
            case _:
                return []

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called, None if no timer runs."""
        return self._deadlines.get(Timer.J)

    def handle_timer(self, now: float) -> list[TransactionEffect]:
        """Fire what is due at `now`."""
        due = {timer for timer, at in self._deadlines.items() if at <= now}
        match self.state:
            case State.COMPLETED if Timer.J in due:
                self.state = State.TERMINATED
                self._deadlines.clear()
            case _:
                pass
        return []

    def _complete(self, now: float) -> None:
        if self._flow.transport.is_reliable:  # Timer J is zero: nothing can be repeated.
            self.state = State.TERMINATED
        else:
            self.state = State.COMPLETED
            self._deadlines[Timer.J] = now + self._settings.timeout
