"""The INVITE usage of a dialog (RFC 5057's word): what either side does within a call.

BYE (RFC 3261 section 15), INFO (RFC 6086), OPTIONS, NOTIFY, the end of a session that nobody
refreshes (RFC 4028); offers are `offer_exchange`'s, refreshes of ours `session_refresh`'s. The
initial INVITE is the business of the session that owns the usage.

Every NOTIFY is answered 200, one that comes after our BYE included: carriers send them after a
transfer, and end the call that refuses one.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from sip_edge.sip.dialog.offer_exchange import OfferExchange
from sip_edge.sip.dialog.session_refresh import SessionRefresh
from sip_edge.sip.effects import (
    Acknowledged,
    EndCause,
    Event,
    InfoReceived,
    Noted,
    ResponseReceived,
    SessionEnded,
)
from sip_edge.sip.inspection import (
    inspect_content,
    inspect_extensions,
    inspect_hops,
    inspect_info,
    inspect_session_interval,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_edge.sip.dialog.dialog import Dialog
    from sip_edge.sip.dialog.user_core import UserCore
    from sip_edge.sip.effects import Effect
    from sip_edge.sip.flow import Flow
    from sip_edge.sip.inspection import Rejection
    from sip_edge.sip.message import Request, Response
    from sip_edge.sip.transaction.layer import AnyServerTransaction

_REASON: Final = {
    EndCause.NO_ACK: 'Q.850;cause=102;text="No ACK"',
    EndCause.PEER_GONE: 'Q.850;cause=102;text="No response"',
    EndCause.SESSION_EXPIRED: 'Q.850;cause=102;text="Session timer expired"',
}
"""RFC 3326: why a BYE goes out that the application has not asked for. 102: a timer expired."""


class UsageState(Enum):
    """ENDING: our BYE is under way. OVER: nothing is left to do."""

    ACTIVE = "active"
    ENDING = "ending"
    OVER = "over"


class InviteUsage:
    """One dialog's call. `session` is the number that its effects bear."""

    def __init__(self, *, session: int, dialog: Dialog, core: UserCore) -> None:
        self.dialog = dialog
        self.state = UsageState.ACTIVE
        self.offers = OfferExchange(session=session, dialog=dialog, core=core)
        self.refresh = SessionRefresh(
            session=session, dialog=dialog, core=core, offers=self.offers, timer=self.offers.timer
        )
        self._session = session
        self._core = core
        self._bye_headers: Sequence[tuple[str, str]] | None = None

    # What the peer sends.

    def receive_request(
        self, request: Request, transaction: AnyServerTransaction, flow: Flow, now: float
    ) -> list[Effect]:
        """A new request within the dialog, other than ACK, CANCEL and PRACK."""
        refused = self.inspect(request, transaction, flow, now)
        return self._process(request, transaction, now) if refused is None else refused

    def inspect(
        self, request: Request, transaction: AnyServerTransaction, flow: Flow, now: float
    ) -> list[Effect] | None:
        """Refuse a request that must not be processed; None if it may be."""
        method = request.method
        is_leaving = self.state is not UsageState.ACTIVE or self._bye_headers is not None
        if is_leaving and method not in ("BYE", "NOTIFY"):
            return self._respond(transaction, request, 481, now)
        if not self._is_in_order(request):
            # 12.2.2: a request out of order MUST be rejected with a 500.
            return self._respond(transaction, request, 500, now)
        self.dialog.remote_cseq = request.cseq.number
        self.dialog.flow = flow
        rejection = self._rejection(request)
        if rejection is not None:
            return [*self._core.reject(transaction, request, rejection, now)]
        self.refresh.note_allow(request)
        return None

    def receive_ack(self, request: Request, now: float) -> list[Effect]:
        """An ACK within the dialog."""
        if not self.offers.receive_ack(request):
            return [Noted(Event.STRAY_ACK)]
        effects: list[Effect] = [Acknowledged(self._session, request)]
        if self._bye_headers is not None and not self.offers.waits_for_ack:
            effects += self.bye(now, self._bye_headers, EndCause.HUNG_UP)
        return effects

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        """A response to a request of ours within the dialog."""
        status = response.status
        if response.cseq.method == "BYE":
            if status >= 200:  # 15.1.1: it is over whatever the response says.
                self.state = UsageState.OVER
            return []
        effects: list[Effect] = []
        if not self.refresh.owns(response):
            effects.append(ResponseReceived(self._session, response))
        elif status not in (408, 481):
            effects += self.refresh.receive_response(response, now)
        if status in (408, 481):  # 12.2.1.2: the other end knows the dialog no more.
            effects += self._lose_peer(now, is_unknown=status == 481)
        return effects

    def request_failed(self, method: str, now: float) -> list[Effect]:
        """No response came to a request of ours, or it could not be sent (8.1.3.1: as a 408)."""
        if method == "BYE":
            self.state = UsageState.OVER
            return []
        return self._lose_peer(now, is_unknown=False)

    # What the application asks for.

    def hang_up(self, now: float, headers: Sequence[tuple[str, str]]) -> list[Effect]:
        """Send BYE as soon as section 15 allows it: not before the ACK of our 2xx."""
        if self.state is not UsageState.ACTIVE or self._bye_headers is not None:
            return []
        if self.offers.waits_for_ack:
            self._bye_headers = headers
            return []
        return self.bye(now, headers, EndCause.HUNG_UP)

    def bye(self, now: float, headers: Sequence[tuple[str, str]], cause: EndCause) -> list[Effect]:
        """End the session from our side. 15.1.1: it is over as soon as the BYE goes out."""
        self.refresh.stop(now)
        effects = self.offers.end(now)
        reason = _REASON.get(cause)
        effects += self._send("BYE", now, [("Reason", reason)] if reason else headers, b"")
        self.state = UsageState.ENDING
        effects.append(SessionEnded(self._session, cause, None))
        return effects

    def send_request(
        self, method: str, now: float, headers: Sequence[tuple[str, str]], body: bytes
    ) -> list[Effect]:
        """Send INFO, OPTIONS or another request that changes nothing of the dialog."""
        if self.state is not UsageState.ACTIVE:
            return []
        return self._send(method, now, headers, body)

    # Time.

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called."""
        instants = (
            self.offers.next_timeout(),
            self.refresh.next_timeout(),
            self.offers.timer.expires_at,
        )
        return min([at for at in instants if at is not None], default=None)

    def handle_timer(self, now: float) -> list[Effect]:
        """Repeat what has no ACK, refresh the session; end it if an ACK or a refresh never came."""
        if not self.offers.is_expired(now):
            if self.offers.timer.is_expired(now):
                ended = self.bye(now, (), EndCause.SESSION_EXPIRED)
                return [Noted(Event.SESSION_EXPIRED), *ended]
            return [*self.offers.handle_timer(now), *self.refresh.handle_timer(now)]
        # 13.3.1.4: no ACK within 64*T1: the session SHOULD be terminated with a BYE.
        if self._bye_headers is not None:
            return self.bye(now, self._bye_headers, EndCause.HUNG_UP)
        return self.bye(now, (), EndCause.NO_ACK)

    # Within.

    def _rejection(self, request: Request) -> Rejection | None:
        """8.2.2.3 to 8.2.4, in their order."""
        settings, method = self._core.settings, request.method
        rejection = None if method == "BYE" else inspect_hops(request)
        rejection = rejection or inspect_extensions(request, settings)
        if method in ("INVITE", "UPDATE", "PRACK"):
            rejection = rejection or inspect_content(request, settings)
        if method in ("INVITE", "UPDATE"):
            rejection = rejection or inspect_session_interval(request, settings)
        if method == "INFO":
            rejection = rejection or inspect_info(request, settings)
        return rejection

    def _is_in_order(self, request: Request) -> bool:
        """False if the number says that this request comes late, or again on another way.

        A BYE is taken whatever its number: nothing older than itself can follow it, and a call
        whose BYE was refused would go on, and be billed, for nobody.
        """
        last = self.dialog.remote_cseq
        return last is None or request.cseq.number > last or request.method == "BYE"

    def _process(
        self, request: Request, transaction: AnyServerTransaction, now: float
    ) -> list[Effect]:
        match request.method:
            case "BYE":
                return self._receive_bye(request, transaction, now)
            case "INVITE":
                return self.offers.receive_invite(request, transaction, now)
            case "UPDATE":
                return self.offers.receive_update(request, transaction, now)
            case "INFO":
                return self._receive_info(request, transaction, now)
            case "OPTIONS":
                headers = self._core.options_headers
                return self._respond(transaction, request, 200, now, headers)
            case "NOTIFY":
                return self._respond(transaction, request, 200, now)
            case "PRACK":  # RFC 3262 section 3: for no provisional response of ours.
                return self._respond(transaction, request, 481, now)
            case _:
                return self._respond(transaction, request, 501, now)

    def _receive_bye(
        self, request: Request, transaction: AnyServerTransaction, now: float
    ) -> list[Effect]:
        effects = self._respond(transaction, request, 200, now)
        if self.state is UsageState.ACTIVE:
            self.refresh.stop(now)
            effects += self.offers.end(now)
            reason = request.headers.get("Reason")
            effects.append(SessionEnded(self._session, EndCause.BYE_RECEIVED, reason))
            self.state = UsageState.OVER
        return effects

    def _receive_info(
        self, request: Request, transaction: AnyServerTransaction, now: float
    ) -> list[Effect]:
        answer = self._respond(transaction, request, 200, now)
        if request.content_type not in self._core.settings.info_types:
            return answer  # Without a body it asks whether we are there; nothing is in it.
        return [*answer, InfoReceived(self._session, request)]

    def _lose_peer(self, now: float, *, is_unknown: bool) -> list[Effect]:
        """12.2.1.2: a call that the peer does not know is over, any other is ended with BYE."""
        if self.state is not UsageState.ACTIVE:
            return []
        if not is_unknown:
            return self.bye(now, (), EndCause.PEER_GONE)
        self.state = UsageState.OVER
        self.refresh.stop(now)
        return [*self.offers.end(now), SessionEnded(self._session, EndCause.PEER_GONE, None)]

    def _send(
        self, method: str, now: float, headers: Sequence[tuple[str, str]], body: bytes
    ) -> list[Effect]:
        composed = self.dialog.compose(method, self._core, headers=headers, body=body)
        return [
            *self._core.transactions.start(
                composed.request, composed.hop, composed.flow, session=self._session, now=now
            )
        ]

    def _respond(
        self,
        transaction: AnyServerTransaction,
        request: Request,
        status: int,
        now: float,
        headers: Sequence[tuple[str, str]] = (),
    ) -> list[Effect]:
        return [*self._core.respond(transaction, request, status, now, headers=headers)]
