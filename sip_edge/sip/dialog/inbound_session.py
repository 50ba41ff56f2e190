"""A session that the peer asked for: its INVITE (RFC 3261 13.3) and what cancels it (9.2)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from sip_edge.sip.dialog.dialog import Dialog
from sip_edge.sip.dialog.invite_usage import InviteUsage, UsageState
from sip_edge.sip.effects import EndCause, SessionEnded
from sip_edge.sip.fields import FieldError, parse_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_edge.sip.dialog.dialog import DialogId
    from sip_edge.sip.dialog.user_core import UserCore
    from sip_edge.sip.effects import Effect
    from sip_edge.sip.flow import Flow
    from sip_edge.sip.message import Request, Response
    from sip_edge.sip.transaction.invite_server import InviteServerTransaction
    from sip_edge.sip.transaction.key import OriginKey
    from sip_edge.sip.transaction.layer import AnyServerTransaction

MAX_EXPIRES: Final = 2**32 - 1
"""RFC 3261 20.19: seconds, up to 2**32 - 1."""


class InviteState(Enum):
    """What has become of the initial INVITE. ENDED: refused, cancelled, or BYE came first."""

    PROCEEDING = "proceeding"
    ANSWERED = "answered"
    ENDED = "ended"


class InboundSession:
    """One call that was offered to us. 100 is sent as it is made."""

    is_lingering: Final = False

    def __init__(
        self,
        *,
        number: int,
        request: Request,
        transaction: InviteServerTransaction,
        flow: Flow,
        core: UserCore,
        now: float,
    ) -> None:
        self.number = number
        self.origin: OriginKey | None = transaction.origin
        self.invite_key = transaction.key
        self._core = core
        self._request = request
        self._transaction = transaction
        self._state = InviteState.PROCEEDING
        # 12.1.1: the local sequence number is empty until we send a request; any start will do.
        dialog = Dialog.for_uas(request, transaction.local_tag, 0, flow)
        self._usage = InviteUsage(session=number, dialog=dialog, core=core)
        self._usage.offers.has_peer_invite = True
        self._expires_at = _expiry(request, now)

    @property
    def dialog_id(self) -> DialogId:
        """The dialog, early or confirmed."""
        return self._usage.dialog.id

    @property
    def is_over(self) -> bool:
        """True when it may be forgotten."""
        return self._state is InviteState.ENDED or self._usage.state is UsageState.OVER

    # What the peer sends.

    def receive_request(
        self, request: Request, transaction: AnyServerTransaction, flow: Flow, now: float
    ) -> list[Effect]:
        """A request within the dialog, early or confirmed, other than ACK and CANCEL."""
        effects = self._usage.receive_request(request, transaction, flow, now)
        if self._state is InviteState.PROCEEDING and self._usage.state is UsageState.OVER:
            # 15.1.2: a BYE on the early dialog; the INVITE is pending and gets its 487.
            effects += self._refuse(487, now)
        return effects

    def receive_ack(self, request: Request, now: float) -> list[Effect]:
        """The ACK for a 2xx."""
        return self._usage.receive_ack(request, now)

    def receive_cancel(
        self, request: Request, transaction: InviteServerTransaction, now: float
    ) -> list[Effect]:
        """A CANCEL for an INVITE of this session. Too late: it changes nothing (9.2)."""
        if self._usage.offers.is_pending(transaction):
            return self._usage.offers.refuse(487, now)
        if transaction is not self._transaction or self._state is not InviteState.PROCEEDING:
            return []
        return self._cancelled(request.headers.get("Reason"), now)

    def receive_response(self, response: Response, flow: Flow, now: float) -> list[Effect]:
        """A response to a request of ours."""
        return self._usage.receive_response(response, now)

    def request_failed(self, method: str, now: float) -> list[Effect]:
        """A request of ours got no response."""
        return self._usage.request_failed(method, now)

    # What the application asks for.

    def ring(self, now: float, headers: Sequence[tuple[str, str]]) -> list[Effect]:
        """Send 180; it makes the early dialog (12.1)."""
        if self._state is not InviteState.PROCEEDING:
            return []
        contact = self._usage.offers.contact
        return self._respond(180, now, headers=[("Contact", contact), *headers])

    def answer(self, sdp: bytes, now: float) -> list[Effect]:
        """Send 200; it is repeated until the ACK."""
        if self._state is not InviteState.PROCEEDING:
            return []
        self._state = InviteState.ANSWERED
        self._usage.offers.has_peer_invite = False
        return self._usage.offers.answer_invite(self._transaction, self._request, sdp, now)

    def reject(
        self,
        status: int,
        now: float,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> list[Effect]:
        """Refuse the INVITE."""
        if self._state is not InviteState.PROCEEDING:
            return []
        return self._refuse(status, now, reason=reason, headers=headers)

    def accept_offer(self, sdp: bytes, now: float) -> list[Effect]:
        """Answer a re-INVITE or UPDATE."""
        return self._usage.offers.accept(sdp, now)

    def reject_offer(
        self, status: int, now: float, headers: Sequence[tuple[str, str]]
    ) -> list[Effect]:
        """Refuse a re-INVITE or UPDATE."""
        return self._usage.offers.refuse(status, now, headers)

    def hang_up(self, now: float, headers: Sequence[tuple[str, str]]) -> list[Effect]:
        """Send BYE; an INVITE that has no answer yet is refused instead."""
        match self._state:
            case InviteState.PROCEEDING:
                return [
                    *self._refuse(480, now, headers=headers),
                    SessionEnded(self.number, EndCause.HUNG_UP, None),
                ]
            case InviteState.ANSWERED:
                return self._usage.hang_up(now, headers)
            case InviteState.ENDED:
                return []

    def send_request(
        self, method: str, now: float, headers: Sequence[tuple[str, str]], body: bytes
    ) -> list[Effect]:
        """Send a request within the confirmed dialog."""
        if self._state is not InviteState.ANSWERED:
            return []
        return self._usage.send_request(method, now, headers, body)

    # Time.

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called."""
        if self._state is InviteState.PROCEEDING:
            return self._expires_at
        return self._usage.next_timeout()

    def handle_timer(self, now: float) -> list[Effect]:
        """Repeat the 2xx, or end an INVITE whose time is up."""
        if self._state is not InviteState.PROCEEDING:
            return self._usage.handle_timer(now)
        return self._cancelled(None, now)  # 13.3.1: the invitation expired: 487.

    # Within.

    def _cancelled(self, reason: str | None, now: float) -> list[Effect]:
        return [
            *self._refuse(487, now),
            SessionEnded(self.number, EndCause.CANCELLED, reason),
        ]

    def _refuse(
        self,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> list[Effect]:
        self._state = InviteState.ENDED
        return self._respond(status, now, reason=reason, headers=headers)

    def _respond(
        self,
        status: int,
        now: float,
        *,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> list[Effect]:
        return [
            *self._core.respond(
                self._transaction,
                self._request,
                status,
                now,
                reason=reason,
                headers=headers,
            )
        ]


def _expiry(request: Request, now: float) -> float | None:
    value = request.headers.get("Expires")
    if value is None:
        return None
    try:
        return now + parse_number(value, MAX_EXPIRES)
    except FieldError:
        return None
