"""The user agent server: what happens to a request, RFC 3261 8.2, 9.2, 11.2, 12.2.2 and 17.2.3.

Repetitions go to their transaction, requests within a dialog to its session; the rest is inspected
in the RFC's order and refused, answered, or made into a new session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_edge.sip.dialog.dialog import dialog_id_of
from sip_edge.sip.dialog.inbound_session import InboundSession
from sip_edge.sip.effects import Event, InviteReceived, Noted, Send
from sip_edge.sip.fields import FieldError, parse_via
from sip_edge.sip.inspection import (
    Rejection,
    inspect_accept,
    inspect_content,
    inspect_extensions,
    inspect_hops,
    inspect_method,
    inspect_session_interval,
)
from sip_edge.sip.message import Request, make_response
from sip_edge.sip.transaction.effects import PassToUser, TransactionFailed
from sip_edge.sip.transaction.invite_server import InviteServerTransaction
from sip_edge.sip.transaction.key import origin_key, reply_flow, server_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_edge.sip.dialog.session_table import Session, SessionTable
    from sip_edge.sip.dialog.user_core import UserCore
    from sip_edge.sip.effects import Effect
    from sip_edge.sip.flow import Flow
    from sip_edge.sip.transaction.effects import TransactionEffect
    from sip_edge.sip.transaction.key import OriginKey, ServerKey
    from sip_edge.sip.transaction.layer import AnyServerTransaction


class UserAgentServer:
    """Takes requests in. While `unavailable`, OPTIONS outside a dialog gets 503.

    `may_begin(host, now)` is asked once for each request from `host` that begins something: what
    repeats, cancels, acknowledges or belongs to a dialog never is. If it may not, it gets 503.

    New calls are the application's to refuse: each of them is counted and reported.
    """

    def __init__(self, *, core: UserCore, sessions: SessionTable) -> None:
        self.unavailable = False
        self.may_begin: Callable[[str, float], bool] = _anyone
        self._core = core
        self._transactions = core.transactions
        self._sessions = sessions

    def receive_request(self, request: Request, flow: Flow, now: float) -> list[Effect]:
        """Any request, as it was parsed."""
        method = request.method
        if method == "ACK":
            return self._receive_ack(request, now)
        request = request.with_received(flow.remote)
        key = server_key(request, method)
        transaction = self._transactions.find_server(key)
        if transaction is not None:
            effects = self._transactions.receive_request(transaction, request, now)
            return self._deliver(effects, now)
        flow_back = reply_flow(request.top_via, flow)
        if method == "CANCEL":
            return self._receive_cancel(request, key, flow_back, now)
        if request.to.tag is not None:
            return self._receive_within_dialog(request, key, flow, flow_back, now)
        return self._receive_out_of_dialog(request, key, flow, flow_back, now)

    # ACK and CANCEL.

    def _receive_ack(self, request: Request, now: float) -> list[Effect]:
        """An ACK for an error belongs to the INVITE's transaction, one for a 2xx to its dialog."""
        transaction = self._transactions.find_server(server_key(request, "INVITE"))
        if transaction is None:
            return self._pass_ack(request, now)
        return self._deliver(self._transactions.receive_request(transaction, request, now), now)

    def _pass_ack(self, request: Request, now: float) -> list[Effect]:
        session = self._sessions.find(dialog_id_of(request))
        if session is None:
            return [Noted(Event.STRAY_ACK)]
        effects = session.receive_ack(request, now)
        self._sessions.settle(session)
        return effects

    def _receive_cancel(
        self, request: Request, key: ServerKey, flow_back: Flow, now: float
    ) -> list[Effect]:
        """9.2: 200 to the CANCEL, and 487 to the INVITE if it is not too late."""
        invite = self._transactions.find_server(server_key(request, "INVITE"))
        if not isinstance(invite, InviteServerTransaction):
            return self._answer_statelessly(request, Rejection(481), flow_back)
        transaction = self._transactions.open(key, flow_back, origin=None)
        effects: list[Effect] = [
            *self._core.respond(transaction, request, 200, now, to_tag=invite.local_tag)
        ]
        session = self._sessions.get(invite.session)
        if session is not None:
            effects += session.receive_cancel(request, invite, now)
            self._sessions.settle(session)
        return effects

    # Requests within a dialog.

    def _receive_within_dialog(
        self, request: Request, key: ServerKey, flow: Flow, flow_back: Flow, now: float
    ) -> list[Effect]:
        session = self._sessions.find(dialog_id_of(request))
        rejection = inspect_method(request, self._core.settings)
        if session is None:
            # 12.2.2: MUST be answered with 481, not taken for a new call. Their rate is bounded by
            # nothing, so that they must not take the transactions that calls need.
            unknown = [] if rejection is not None else [Noted(Event.UNKNOWN_DIALOG)]
            rejection = rejection or Rejection(481)
            return [*unknown, *self._answer_statelessly(request, rejection, flow_back)]
        if request.method != "BYE" and not self._has_room_for(session, now):
            return self._refuse_statelessly(request, flow_back)
        transaction = self._open(request, key, flow_back, session=session.number, origin=None)
        if rejection is not None:
            return [*self._core.reject(transaction, request, rejection, now)]
        effects = session.receive_request(request, transaction, flow, now)
        self._sessions.settle(session)
        return effects

    def _has_room_for(self, session: Session, now: float) -> bool:
        """False where one request more of a call would cost others theirs. Its BYE frees room."""
        return not self._transactions.is_overfull and self._sessions.may_ask(session, now)

    # Requests outside any dialog.

    def _receive_out_of_dialog(
        self, request: Request, key: ServerKey, flow: Flow, flow_back: Flow, now: float
    ) -> list[Effect]:
        origin = origin_key(request)
        made = self._sessions.find_origin(origin)
        is_known = made is not None and made.invite_key == key
        if is_known or self._transactions.is_refused(key, now):
            # Older than its transaction: it has made its call, and will not make another.
            return [Noted(Event.RETRANSMISSION_RECEIVED)]
        if self._transactions.is_turned_away(key, now):
            return self._refuse_statelessly(request, flow_back, Event.RETRANSMISSION_RECEIVED)
        no_room = self._no_room(flow, now)
        if no_room is not None:
            if request.method == "INVITE":
                self._transactions.turn_away(key, now)
            return self._refuse_statelessly(request, flow_back, no_room)
        rejection = inspect_method(request, self._core.settings)
        is_merged = made is not None or self._transactions.find_origin(origin) is not None
        if rejection is None and is_merged:
            # 8.2.2.2: the same request by another way.
            transaction = self._open(request, key, flow_back, session=0, origin=None)
            return [
                Noted(Event.MERGED_REQUEST),
                *self._core.respond(transaction, request, 482, now, reason="Merged Request"),
            ]
        rejection = rejection or self._inspect(request)
        if rejection is None and request.method == "INVITE":
            return self._receive_invite(request, key, origin, flow, flow_back, now)
        transaction = self._open(request, key, flow_back, session=0, origin=origin)
        if rejection is not None:
            return [*self._core.reject(transaction, request, rejection, now)]
        if request.method == "OPTIONS":
            status = 503 if self.unavailable else 200
            headers = self._core.options_headers
            return [*self._core.respond(transaction, request, status, now, headers=headers)]
        # BYE, INFO, UPDATE, NOTIFY: they mean nothing without a dialog or a subscription of ours.
        return [
            Noted(Event.UNKNOWN_DIALOG),
            *self._core.respond(transaction, request, 481, now),
        ]

    def _no_room(self, flow: Flow, now: float) -> Event | None:
        """Why nothing new may begin, if so."""
        if self._transactions.is_full:
            return Event.TRANSACTION_LIMIT
        return None if self.may_begin(flow.remote.host, now) else Event.RATE_LIMIT

    def _inspect(self, request: Request) -> Rejection | None:
        settings = self._core.settings
        """8.2.2.2 to 8.2.4, in their order; the method and the scheme have passed."""
        rejection = inspect_hops(request)
        if rejection is None and self._has_looped(request):
            rejection = Rejection(482)
        rejection = rejection or inspect_extensions(request, settings)
        if rejection is None and request.method == "INVITE":
            rejection = (
                inspect_content(request, settings)
                or inspect_accept(request)
                or inspect_session_interval(request, settings)
            )
        return rejection

    def _receive_invite(
        self,
        request: Request,
        key: ServerKey,
        origin: OriginKey,
        flow: Flow,
        flow_back: Flow,
        now: float,
    ) -> list[Effect]:
        if len(self._sessions) >= self._core.settings.max_sessions:
            transaction = self._open(request, key, flow_back, session=0, origin=origin)
            refusal = self._core.respond(transaction, request, 503, now)
            return [Noted(Event.SESSION_LIMIT), *refusal]
        number = self._sessions.next_number()
        invite = self._transactions.open_invite(
            key,
            flow_back,
            local_tag=self._core.ids.tag(),
            origin=origin,
            session=number,
        )
        session = InboundSession(
            number=number, request=request, transaction=invite, flow=flow, core=self._core, now=now
        )
        self._sessions.add(session)
        return [
            *self._core.respond(invite, request, 100, now),
            InviteReceived(number, request, flow),
        ]

    # Within.

    def _open(
        self,
        request: Request,
        key: ServerKey,
        flow_back: Flow,
        *,
        session: int,
        origin: OriginKey | None,
    ) -> AnyServerTransaction:
        if request.method != "INVITE":
            return self._transactions.open(key, flow_back, origin=origin)
        local_tag = request.to.tag or self._core.ids.tag()
        return self._transactions.open_invite(
            key, flow_back, local_tag=local_tag, origin=origin, session=session
        )

    def _has_looped(self, request: Request) -> bool:
        """True if the request is one of ours that has come back: a Via bears our branch."""
        if not self._transactions.has_clients:
            return False
        for value in request.headers.split("Via"):
            try:
                branch = parse_via(value).branch
            except FieldError:
                continue
            if self._transactions.find_client(f"{branch} {request.method}") is not None:
                return True
        return False

    def _refuse_statelessly(
        self, request: Request, flow_back: Flow, why: Event = Event.TRANSACTION_LIMIT
    ) -> list[Effect]:
        return [Noted(why), *self._answer_statelessly(request, Rejection(503), flow_back)]

    def _answer_statelessly(
        self, request: Request, answer: Rejection, flow_back: Flow
    ) -> list[Effect]:
        """Without a transaction: each repetition is answered like the first (8.2.7)."""
        tag = None if request.to.tag is not None else self._core.ids.tag()
        headers = [*answer.headers, self._core.server]
        response = make_response(request, answer.status, to_tag=tag, headers=headers)
        return [Send(response.serialize(), flow_back, response.status)]

    def _deliver(self, effects: list[TransactionEffect], now: float) -> list[Effect]:
        """Of what a server transaction hands on, an ACK is for its session."""
        delivered: list[Effect] = []
        for effect in effects:
            match effect:
                case PassToUser(Request() as request):
                    delivered += self._pass_ack(request, now)
                case PassToUser() | TransactionFailed():
                    pass
                case _:
                    delivered.append(effect)
        return delivered


def _anyone(host: str, now: float) -> bool:
    return True
