"""A session that the peer asked for: its INVITE (RFC 3261 13.3) and what cancels it (9.2).

A caller may require reliable provisional responses (RFC 3262). The first of them is then the first
reliable message of all: where the INVITE has no offer it MUST carry ours, and the 200 has to wait
for the PRACK that answers it.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from sip_edge.sip.dialog.dialog import Dialog
from sip_edge.sip.dialog.invite_usage import InviteUsage, UsageState
from sip_edge.sip.dialog.reliable_provisional import ReliableProvisional
from sip_edge.sip.effects import EndCause, ProvisionalAcknowledged, SessionEnded
from sip_edge.sip.fields import FieldError, parse_number
from sip_edge.sip.inspection import lists_option

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

NO_PRACK: Final = 'Q.850;cause=102;text="No PRACK"'
"""RFC 3326; 102: a timer expired."""
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
        self._usage.refresh.note_allow(request)
        self._expires_at = _expiry(request, now)
        self._reliable: ReliableProvisional | None = None
        if lists_option(request, "Require", "100rel"):
            self._reliable = ReliableProvisional(
                number=core.ids.number(), settings=core.settings.timers
            )
        self._held_answer: bytes | None = None

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
        if request.method == "PRACK":
            refused = self._usage.inspect(request, transaction, flow, now)
            return self._receive_prack(request, transaction, now) if refused is None else refused
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

    def ring(
        self, now: float, headers: Sequence[tuple[str, str]], offer: bytes = b""
    ) -> list[Effect]:
        """Send 180; it makes the early dialog (12.1). `offer` is for a reliable one that needs it.

        Nothing is sent while the last one waits for its PRACK, or if there is no offer for it.
        """
        if self._state is not InviteState.PROCEEDING or self._held_answer is not None:
            return []
        lines = [("Contact", self._usage.offers.contact), *headers]
        if self._reliable is None:
            return self._respond(180, now, headers=lines)
        return self._ring_reliably(self._reliable, lines, offer, now)

    def answer(self, sdp: bytes, now: float) -> list[Effect]:
        """Send 200; it is repeated until the ACK. It waits for a PRACK that brings an answer."""
        if self._state is not InviteState.PROCEEDING or self._held_answer is not None:
            return []
        if self._usage.offers.waits_for_prack:
            self._held_answer = sdp  # RFC 3262 section 3: MUST NOT send a 2xx before.
            return []
        return self._answer(sdp, now)

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
        if self._state is not InviteState.PROCEEDING:
            return self._usage.next_timeout()
        repeat_at = None if self._reliable is None else self._reliable.next_timeout()
        if repeat_at is None or self._expires_at is None:
            return self._expires_at if repeat_at is None else repeat_at
        return min(repeat_at, self._expires_at)

    def handle_timer(self, now: float) -> list[Effect]:
        """Repeat what has to arrive, or end an INVITE whose time is up."""
        if self._state is not InviteState.PROCEEDING:
            return self._usage.handle_timer(now)
        if self._expires_at is not None and now >= self._expires_at:
            return self._cancelled(None, now)  # 13.3.1: the invitation expired: 487.
        if self._reliable is None:
            return []
        if not self._reliable.is_expired(now):
            return self._reliable.handle_timer(now)
        # RFC 3262 section 3: no PRACK within 64*T1: a 5xx SHOULD refuse the INVITE.
        return [
            *self._refuse(504, now, headers=[("Reason", NO_PRACK)]),
            SessionEnded(self.number, EndCause.NO_ACK, None),
        ]

    # Within.

    def _ring_reliably(
        self, reliable: ReliableProvisional, lines: list[tuple[str, str]], offer: bytes, now: float
    ) -> list[Effect]:
        offers = self._usage.offers
        needs_offer = not self._request.body and not offers.is_agreed_early
        if reliable.is_unacknowledged or (needs_offer and not offer):
            return []
        body = offer if needs_offer else b""
        lines += reliable.next_headers()
        if body:
            offers.local_description = body
            offers.waits_for_prack = True
            lines.append(("Content-Type", "application/sdp"))
        sent = self._core.respond(
            self._transaction, self._request, 180, now, headers=lines, body=body
        )
        for send in sent:
            reliable.sent(send, now, carries_offer=bool(body))
        return [*sent]

    def _receive_prack(
        self, request: Request, transaction: AnyServerTransaction, now: float
    ) -> list[Effect]:
        offers, reliable = self._usage.offers, self._reliable
        if reliable is None or not reliable.acknowledge(request, self._request.cseq.number):
            return [*self._core.respond(transaction, request, 481, now)]
        if reliable.carries_offer:
            offers.waits_for_prack, offers.is_agreed_early = False, True
            effects: list[Effect] = [
                *self._core.respond(transaction, request, 200, now),
                ProvisionalAcknowledged(self.number, request),
            ]
            held, self._held_answer = self._held_answer, None
            return effects if held is None else [*effects, *self._answer(held, now)]
        if request.body:  # RFC 3262 section 5: another offer.
            return offers.receive_offer(request, transaction, now)
        return [*self._core.respond(transaction, request, 200, now)]

    def _answer(self, sdp: bytes, now: float) -> list[Effect]:
        offers = self._usage.offers
        self._state = InviteState.ANSWERED
        offers.has_peer_invite = False
        return offers.answer_invite(
            self._transaction, self._request, b"" if offers.is_agreed_early else sdp, now
        )

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
