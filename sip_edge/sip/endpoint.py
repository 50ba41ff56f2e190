"""The whole SIP side: bytes, commands and time in, effects out. Nothing here does any I/O.

What is received goes message -> transaction -> session; what the application asks for goes to its
session, which uses transactions. Each method returns what should happen, in order; after each, the
caller asks `next_timeout` and sees to it that `handle_timer` is called then.

No method raises for what was received, whatever it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.sip.dialog.inbound_session import InboundSession
from sip_edge.sip.dialog.outbound_session import OutboundSession
from sip_edge.sip.dialog.session_table import SessionTable
from sip_edge.sip.dialog.user_core import UserCore
from sip_edge.sip.effects import Event, Noted, Send
from sip_edge.sip.fields import FieldError
from sip_edge.sip.message import Response, make_request, make_response
from sip_edge.sip.parser import ParseError, is_keepalive, parse_message
from sip_edge.sip.settings import EndpointSettings
from sip_edge.sip.transaction.effects import PassToUser, TransactionFailed
from sip_edge.sip.transaction.hop_by_hop import MAX_FORWARDS
from sip_edge.sip.transaction.invite_server import InviteServerTransaction
from sip_edge.sip.transaction.key import client_key, reply_flow
from sip_edge.sip.transaction.layer import TransactionLayer
from sip_edge.sip.transaction.non_invite_server import ServerTransaction
from sip_edge.sip.user_agent_server import UserAgentServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_edge.sip.dialog.session_table import Session
    from sip_edge.sip.effects import Effect
    from sip_edge.sip.flow import Flow, NextHop
    from sip_edge.sip.ids import IdSource
    from sip_edge.sip.message import Request
    from sip_edge.sip.transaction.effects import TransactionEffect
    from sip_edge.sip.transaction.layer import AnyTransaction

__all__ = ["Endpoint", "EndpointSettings"]

MAX_FIRST_CSEQ: Final = 1_000_000
"""8.1.1.5: any number below 2**31; a small one is read more easily, and there is room to count."""


class Endpoint:
    """One user agent: any number of sessions over any number of flows."""

    def __init__(self, *, settings: EndpointSettings, ids: IdSource) -> None:
        self._transactions = TransactionLayer(
            settings=settings.timers, limit=settings.max_transactions
        )
        self._core = UserCore(settings=settings, ids=ids, transactions=self._transactions)
        self._sessions = SessionTable()
        self._server = UserAgentServer(core=self._core, sessions=self._sessions)

    @property
    def unavailable(self) -> bool:
        """While true, OPTIONS outside a dialog gets 503; calls are the application's to refuse."""
        return self._server.unavailable

    @unavailable.setter
    def unavailable(self, value: bool) -> None:
        self._server.unavailable = value

    def limit(self, may_begin: Callable[[str, float], bool]) -> None:
        """Ask `may_begin(host, now)` from now on whether a source may begin something new."""
        self._server.may_begin = may_begin

    @property
    def sessions(self) -> int:
        """Sessions that are not done: those whose BYE is under way included."""
        return self._sessions.live

    @property
    def transactions(self) -> int:
        """Transactions that are remembered, those included that only absorb repetitions."""
        return len(self._transactions)

    # What comes in.

    def receive_datagram(self, data: bytes, flow: Flow, now: float) -> list[Effect]:
        """One UDP datagram."""
        if is_keepalive(data):
            return []
        try:
            message = parse_message(data)
        except ParseError as error:
            return self.receive_error(error, flow, now)
        return self.receive_message(message, flow, now)

    def receive_message(self, message: Request | Response, flow: Flow, now: float) -> list[Effect]:
        """One message that `parse_message` returned."""
        if isinstance(message, Response):
            return self._receive_response(message, flow, now)
        return self._server.receive_request(message, flow, now)

    def receive_error(self, error: ParseError, flow: Flow, now: float) -> list[Effect]:
        """A message that could not be parsed; it is answered where that is possible.

        Without a transaction: what cannot be read cannot be told from its repetition either.
        """
        noted = Noted(Event.PARSE_ERROR)
        if error.request is None or error.status is None or error.request.method == "ACK":
            return [noted]
        request = error.request.with_received(flow.remote)
        try:
            flow_back = reply_flow(request.top_via, flow)
        except FieldError:
            flow_back = flow
        response = make_response(
            request,
            error.status,
            reason=error.phrase,
            to_tag=self._core.ids.tag(),
            headers=[self._core.server],
        )
        return [noted, Send(response.serialize(), flow_back, response.status)]

    def flow_closed(self, flow: Flow, now: float) -> list[Effect]:
        """A connection is gone. Calls outlive their connections, so that nothing happens to them.

        The next request of such a call opens a connection of its own (RFC 3261 18.1.1), and so does
        one that went out too late to arrive. A call whose peer is really gone ends when that fails,
        or when its sound stops.
        """
        return [*self._transactions.flow_closed(flow)]

    def send_failed(self, key: str, now: float) -> list[Effect]:
        """A `SendTo` could not be carried out: a transport error, as in 17.1.4."""
        transaction = self._transactions.find_client(key)
        if transaction is None:
            return []
        effects = self._transactions.transport_failed(transaction)
        return self._deliver(transaction, effects, None, now)

    # Time.

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called, None if nothing waits."""
        ours, theirs = self._transactions.next_timeout(), self._sessions.next_timeout()
        if ours is None or theirs is None:
            return theirs if ours is None else ours
        return min(ours, theirs)

    def handle_timer(self, now: float) -> list[Effect]:
        """Do all that is due at `now`."""
        effects: list[Effect] = []
        while (transaction := self._transactions.pop_due(now)) is not None:
            handed_on = self._transactions.handle_timer(transaction, now)
            effects += self._deliver(transaction, handed_on, None, now)
        while (session := self._sessions.pop_due(now)) is not None:
            effects += session.handle_timer(now)
            self._sessions.settle(session)
        return effects

    # As callee.

    def ring(
        self,
        session: int,
        now: float,
        *,
        headers: Sequence[tuple[str, str]] = (),
        offer: bytes = b"",
    ) -> list[Effect]:
        """Send 180.

        A caller that requires 100rel and made no offer has to get ours with it: `offer`, whose
        answer comes with `ProvisionalAcknowledged`. Without one nothing is sent to such a caller.
        """
        found = self._inbound(session)
        return [] if found is None else self._settled(found, found.ring(now, headers, offer))

    def answer(self, session: int, sdp: bytes, now: float) -> list[Effect]:
        """Send 200 with this session description; it is repeated until the ACK.

        The 200 waits for a PRACK that is to answer the offer of a 180, and has no body then.
        """
        found = self._inbound(session)
        return [] if found is None else self._settled(found, found.answer(sdp, now))

    def reject(
        self,
        session: int,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> list[Effect]:
        """Send a final error (300 to 699); the session is forgotten."""
        found = self._inbound(session)
        if found is None:
            return []
        return self._settled(found, found.reject(status, now, reason, headers))

    # In either role.

    def accept_offer(self, session: int, sdp: bytes, now: float) -> list[Effect]:
        """Answer the offer of an `OfferReceived`, or make one if it asked for it."""
        found = self._sessions.get(session)
        return [] if found is None else self._settled(found, found.accept_offer(sdp, now))

    def reject_offer(
        self,
        session: int,
        status: int,
        now: float,
        *,
        headers: Sequence[tuple[str, str]] = (),
    ) -> list[Effect]:
        """Refuse the offer of an `OfferReceived`; the session goes on as before."""
        found = self._sessions.get(session)
        if found is None:
            return []
        return self._settled(found, found.reject_offer(status, now, headers))

    def hang_up(
        self, session: int, now: float, *, headers: Sequence[tuple[str, str]] = ()
    ) -> list[Effect]:
        """End a session, whatever its state: with BYE, CANCEL or 480.

        A BYE waits for the ACK of our 2xx, a CANCEL for a provisional response to our INVITE; the
        `SessionEnded` or `Refused` comes when it is done.
        """
        found = self._sessions.get(session)
        return [] if found is None else self._settled(found, found.hang_up(now, headers))

    def send_request(
        self,
        session: int,
        method: str,
        now: float,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> list[Effect]:
        """Send INFO, OPTIONS or the like within an established session.

        Not for INVITE, ACK, CANCEL and BYE. The answer comes as `ResponseReceived`; a 408, a 481 or
        none at all ends the session (12.2.1.2).
        """
        found = self._sessions.get(session)
        if found is None:
            return []
        return self._settled(found, found.send_request(method, now, headers, body))

    # As caller.

    def invite(
        self,
        *,
        uri: str,
        from_: str,
        to: str,
        hop: NextHop,
        sdp: bytes,
        headers: Sequence[tuple[str, str]] = (),
        now: float,
    ) -> tuple[int, list[Effect]]:
        """Place a call to `uri` through `hop`. `from_` and `to` are header values without a tag.

        Returns the number of the session, which ends in `Refused`, or after `AnswerReceived` in
        `SessionEnded`; in that alone if a 2xx crossed our CANCEL.
        """
        ids, core = self._core.ids, self._core
        lines = [
            ("Via", core.via(hop.transport)),
            ("Max-Forwards", MAX_FORWARDS),
            ("From", f"{from_};tag={ids.tag()}"),
            ("To", to),
            ("Call-ID", ids.call_id()),
            ("CSeq", f"{ids.number() % MAX_FIRST_CSEQ + 1} INVITE"),
            ("Contact", core.contact(hop.transport, is_secure=uri[:5].lower() == "sips:")),
            *core.requested_capabilities,
            core.user_agent,
            *headers,
            ("Content-Type", "application/sdp"),
        ]
        request = make_request("INVITE", uri, lines, sdp)
        number = self._sessions.next_number()
        transaction, sent = self._transactions.start_invite(
            request, hop, None, session=number, now=now
        )
        session = OutboundSession(
            number=number, request=request, transaction=transaction, core=core
        )
        self._sessions.add(session)
        return number, [*sent]

    # Within.

    def _receive_response(self, response: Response, flow: Flow, now: float) -> list[Effect]:
        transaction = self._transactions.find_client(client_key(response))
        if transaction is None:
            return [Noted(Event.STRAY_RESPONSE)]
        effects = self._transactions.receive_response(transaction, response, now)
        return self._deliver(transaction, effects, flow, now)

    def _deliver(
        self,
        transaction: AnyTransaction,
        effects: list[TransactionEffect],
        flow: Flow | None,
        now: float,
    ) -> list[Effect]:
        """Give a client transaction's session what is for it, and pass on the rest."""
        if isinstance(transaction, InviteServerTransaction | ServerTransaction):
            session, method = None, ""  # That no ACK came for an error concerns nobody.
        else:
            session, method = self._sessions.get(transaction.session), transaction.method
        delivered: list[Effect] = []
        for effect in effects:
            match effect:
                case PassToUser(Response() as response):
                    if session is not None and flow is not None:
                        delivered += session.receive_response(response, flow, now)
                case TransactionFailed():
                    if session is not None:
                        delivered += session.request_failed(method, now)
                case PassToUser():
                    pass
                case _:
                    delivered.append(effect)
        if session is not None:
            self._sessions.settle(session)
        return delivered

    def _inbound(self, number: int) -> InboundSession | None:
        session = self._sessions.get(number)
        return session if isinstance(session, InboundSession) else None

    def _settled(self, session: Session, effects: list[Effect]) -> list[Effect]:
        self._sessions.settle(session)
        return effects
