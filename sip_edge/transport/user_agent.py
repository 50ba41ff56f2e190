"""The shell around `sip.Endpoint`: the only place where its effects become deeds.

Bytes come in from the listeners with the loop's time, effects are carried out in order, then the
one timer is armed again. Nothing else does any of this.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from sip_edge.sip.effects import InviteReceived, Noted, Send, SendTo, SessionEnded
from sip_edge.sip.flow import Transport
from sip_edge.sip.parser import ParseError, parse_message
from sip_edge.transport.ids import random_up_to
from sip_edge.transport.request_sender import RequestSender

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from sip_edge.sip.effects import Effect, Event, SessionEffect
    from sip_edge.sip.endpoint import Endpoint
    from sip_edge.sip.flow import Flow
    from sip_edge.sip.stream import FramingError
    from sip_edge.transport.request_sender import NameResolver
    from sip_edge.transport.streams import StreamConnections
    from sip_edge.transport.udp import UdpListener


class SipObserver(Protocol):
    """Counts what happens on the SIP side."""

    def invite_received(self) -> None: ...

    def response_sent(self, status: int) -> None: ...

    def sip_event(self, event: Event) -> None: ...


class Leg(Protocol):
    """One session's owner: told all that happens to the session."""

    def receive(self, effect: SessionEffect) -> None: ...


class UserAgent:
    """Drives one `Endpoint`; knows the sockets and the legs.

    `draw(n)` gives a random integer from 0 to n, both included: it chooses among equal targets.

    `now` gives the `now` of every command, in seconds: the loop's clock, but finer (uvloop's stands
    still between two turns and counts whole milliseconds).
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        endpoint: Endpoint,
        clock: Callable[[], float],
        resolver: NameResolver,
        observer: SipObserver,
        on_invite: Callable[[InviteReceived, float], Leg | None],
        draw: Callable[[int], int] = random_up_to,
    ) -> None:
        self._loop = loop
        self.now = clock
        self.endpoint = endpoint
        self._observer = observer
        self._on_invite = on_invite
        self._udp: UdpListener | None = None
        self._streams: StreamConnections | None = None
        self._legs: dict[int, Leg] = {}
        self._effects: deque[Effect] = deque()
        self._is_performing = False
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._received_at = 0.0
        self._requests = RequestSender(
            loop=loop, resolver=resolver, draw=draw, on_failed=self._fail
        )

    def bind(self, *, udp: UdpListener | None, streams: StreamConnections | None) -> None:
        """Take the sockets that were opened with this user agent as their receiver."""
        self._udp = udp
        self._streams = streams
        self._requests.bind(udp=udp, streams=streams)

    def close(self) -> None:
        """Forget the timer; the sockets are closed by whoever opened them."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What comes in.

    def receive_datagram(self, data: bytes, flow: Flow) -> None:
        """One UDP datagram from a source that may speak."""
        self._received_at = now = self.now()
        self.perform(self.endpoint.receive_datagram(data, flow, now))

    def receive_stream_message(self, data: bytes, flow: Flow) -> None:
        """One whole message from a connection."""
        self._received_at = now = self.now()
        try:
            message = parse_message(data)
        except ParseError as error:
            self.perform(self.endpoint.receive_error(error, flow, now))
        else:
            self.perform(self.endpoint.receive_message(message, flow, now))

    def receive_framing_error(self, error: FramingError, flow: Flow) -> None:
        """A stream that cannot be trusted any more; it is closed after this."""
        if error.cause is not None:
            self.perform(self.endpoint.receive_error(error.cause, flow, self.now()))

    def stream_closed(self, flow: Flow) -> None:
        """A connection is gone; after `close` all are, and nothing is sent again."""
        if not self._is_closed:
            self.perform(self.endpoint.flow_closed(flow, self.now()))

    # What goes out.

    def perform(self, effects: Iterable[Effect]) -> None:
        """Carry out every effect in order, then re-arm the one timer. Nothing else may."""
        self._effects.extend(effects)
        if self._is_performing:
            return  # Called from a leg, from within the loop below: it will get there.
        self._is_performing = True
        try:
            while self._effects:
                self._do(self._effects.popleft())
        finally:
            self._is_performing = False
            self._arm()

    def adopt(self, session: int, leg: Leg) -> None:
        """Send a session's effects to `leg` from now on (a call that we placed)."""
        self._legs[session] = leg

    def forget(self, session: int) -> None:
        """The session's owner has lost interest."""
        self._legs.pop(session, None)

    def _do(self, effect: Effect) -> None:
        match effect:
            case Send():
                self._send(effect)
            case SendTo():
                self._requests.send(effect)
            case Noted():
                self._observer.sip_event(effect.event)
            case InviteReceived():
                self._observer.invite_received()
                if leg := self._on_invite(effect, self._received_at):
                    self._legs[effect.session] = leg
            case _:
                leg = self._legs.get(effect.session)
                if isinstance(effect, SessionEnded):
                    self._legs.pop(effect.session, None)
                if leg is not None:
                    leg.receive(effect)

    def _send(self, effect: Send) -> None:
        if effect.status:
            self._observer.response_sent(effect.status)
        if effect.flow.transport is Transport.UDP:
            if self._udp is not None:
                self._udp.send(effect.data, effect.flow.remote)
        elif self._streams is not None and not self._streams.send(effect.data, effect.flow):
            self._requests.answer_anew(effect)

    def _fail(self, key: str) -> None:
        self.perform(self.endpoint.send_failed(key, self.now()))

    # The one timer.

    def _arm(self) -> None:
        deadline = self.endpoint.next_timeout()
        if self._timer is not None:
            if deadline is not None and self._timer_at <= deadline:
                return  # It will ring early enough, find nothing due, and be armed again.
            self._timer.cancel()
            self._timer = None
        if deadline is not None:
            self._timer_at = deadline
            delay = max(0.0, deadline - self.now())
            self._timer = self._loop.call_later(delay, self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self.perform(self.endpoint.handle_timer(self.now()))
