"""Offers of the peer within a dialog, and the 2xx that wait for their ACK.

re-INVITE (RFC 3261 section 14), UPDATE (RFC 3311), PRACK (RFC 3262 section 5), and what to say
when two of them meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sip_edge.sip.dialog.session_timer import SessionTimer
from sip_edge.sip.dialog.unacknowledged import UnacknowledgedAnswer
from sip_edge.sip.effects import OfferReceived

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_edge.sip.dialog.dialog import Dialog
    from sip_edge.sip.dialog.user_core import UserCore
    from sip_edge.sip.effects import Effect
    from sip_edge.sip.message import Request
    from sip_edge.sip.transaction.layer import AnyServerTransaction

MAX_UNACKNOWLEDGED: Final = 4
"""Answers of one dialog that wait for an ACK. Each is repeated for 32 s; a peer that asks for
more of them than its ACKs could get lost is told to wait."""

MAX_RETRY_AFTER: Final = 10
"""14.2 and RFC 3311 5.2: a random number of seconds from 0 to 10."""


@dataclass(frozen=True, slots=True)
class PendingOffer:
    """A re-INVITE, UPDATE or PRACK that the application has not answered yet."""

    request: Request
    transaction: AnyServerTransaction


class OfferExchange:
    """One dialog's offers. `session` is the number that its effects bear.

    `has_peer_invite` is true while the peer's initial INVITE has no final response,
    `is_agreed_early` if its offer was answered all the same, by a PRACK; `waits_for_prack` is true
    while our offer waits for that; `has_own_invite` while an INVITE of ours is in progress.
    `local_description` is the last session description that we sent and the peer did not refuse.
    """

    def __init__(self, *, session: int, dialog: Dialog, core: UserCore) -> None:
        self.has_peer_invite = False
        self.is_agreed_early = False
        self.waits_for_prack = False
        self.has_own_invite = False
        self.local_description = b""
        self.timer = SessionTimer(core.settings)
        self._session = session
        self._dialog = dialog
        self._core = core
        self._pending: PendingOffer | None = None
        self._unacknowledged: dict[int, UnacknowledgedAnswer] = {}

    @property
    def waits_for_ack(self) -> bool:
        """True while a 2xx of ours has no ACK."""
        return bool(self._unacknowledged)

    @property
    def is_busy(self) -> bool:
        """True while an INVITE of ours would meet another one (14.1)."""
        return (
            self.has_peer_invite
            or self.has_own_invite
            or self._pending is not None
            or self.waits_for_ack
        )

    @property
    def contact(self) -> str:
        """Our Contact in what we send within the dialog."""
        dialog = self._dialog
        return self._core.contact(dialog.flow.transport, is_secure=dialog.is_secure)

    def receive_invite(
        self, request: Request, transaction: AnyServerTransaction, now: float
    ) -> list[Effect]:
        """A re-INVITE whose number is in order."""
        if self.has_peer_invite or self._pending is not None:
            # 14.2: a second INVITE before the final response to the first.
            return self._retry_later(request, transaction, now)
        if self.has_own_invite or self._must_wait():
            return [*self._core.respond(transaction, request, 491, now)]
        self._pending = PendingOffer(request, transaction)
        return [
            *self._core.respond(transaction, request, 100, now),
            OfferReceived(self._session, request),
        ]

    def receive_update(
        self, request: Request, transaction: AnyServerTransaction, now: float
    ) -> list[Effect]:
        """An UPDATE whose number is in order."""
        if not request.body:  # No offer: it refreshes the target, or a session timer.
            self._refresh_target(request)
            return self._accept_update(request, transaction, now, b"")
        return self.receive_offer(request, transaction, now)

    def receive_offer(
        self, request: Request, transaction: AnyServerTransaction, now: float
    ) -> list[Effect]:
        """An UPDATE with an offer, or a PRACK with one."""
        if self.has_own_invite or self.waits_for_prack or self._must_wait():
            # RFC 3311 5.2: an offer of ours has no answer yet.
            return [*self._core.respond(transaction, request, 491, now)]
        is_unanswered = self.has_peer_invite and not self.is_agreed_early
        if is_unanswered or self._pending is not None:
            # RFC 3311 5.2: an earlier offer of the peer's has no answer yet.
            return self._retry_later(request, transaction, now)
        self._pending = PendingOffer(request, transaction)
        return [OfferReceived(self._session, request)]

    def receive_ack(self, request: Request) -> bool:
        """True if this is the first ACK of a 2xx: it is not repeated any more."""
        return self._unacknowledged.pop(request.cseq.number, None) is not None

    def is_pending(self, transaction: AnyServerTransaction) -> bool:
        """True if the application still owes `transaction` an answer."""
        return self._pending is not None and self._pending.transaction is transaction

    def answer_invite(
        self,
        transaction: AnyServerTransaction,
        request: Request,
        sdp: bytes,
        now: float,
    ) -> list[Effect]:
        """Send the 2xx to an INVITE, the first one included, and see to it that it arrives.

        Without a description if a PRACK has brought the answer to ours already.
        """
        headers = [*self._answer_headers(), *self.timer.accept(request, now)]
        if sdp:
            self.local_description = sdp
            headers.append(("Content-Type", "application/sdp"))
        sent = self._core.respond(transaction, request, 200, now, headers=headers, body=sdp)
        for effect in sent:
            self._unacknowledged[request.cseq.number] = UnacknowledgedAnswer(
                sent=effect,
                carries_offer=bool(sdp) and not request.body,
                settings=self._core.settings.timers,
                now=now,
            )
        return [*sent]

    def accept(self, sdp: bytes, now: float) -> list[Effect]:
        """Answer the pending request with 200."""
        pending, self._pending = self._pending, None
        if pending is None:
            return []
        request, transaction = pending.request, pending.transaction
        if request.method == "INVITE":
            self._refresh_target(request)
            return self.answer_invite(transaction, request, sdp, now)
        if request.method == "UPDATE":
            self._refresh_target(request)
        return self._accept_update(request, transaction, now, sdp)

    def refuse(
        self, status: int, now: float, headers: Sequence[tuple[str, str]] = ()
    ) -> list[Effect]:
        """Refuse the pending request; the session goes on as before (14.2)."""
        pending, self._pending = self._pending, None
        if pending is None:
            return []
        return [
            *self._core.respond(pending.transaction, pending.request, status, now, headers=headers)
        ]

    def end(self, now: float) -> list[Effect]:
        """15.1.2: what is pending is answered with 487; nothing is repeated any more."""
        self._unacknowledged.clear()
        self.timer.stop()
        return self.refuse(487, now)

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called."""
        if not self._unacknowledged:
            return None
        return min([answer.next_timeout() for answer in self._unacknowledged.values()])

    def is_expired(self, now: float) -> bool:
        """True if an ACK has not come for 64*T1."""
        return any(answer.is_expired(now) for answer in self._unacknowledged.values())

    def handle_timer(self, now: float) -> list[Effect]:
        """Repeat what has no ACK."""
        effects: list[Effect] = []
        for answer in self._unacknowledged.values():
            effects += answer.handle_timer(now)
        return effects

    def _must_wait(self) -> bool:
        """True while an offer of ours waits for the answer in an ACK (RFC 5407 3.1.4)."""
        answers = self._unacknowledged.values()
        return len(answers) >= MAX_UNACKNOWLEDGED or any(a.carries_offer for a in answers)

    def _accept_update(
        self, request: Request, transaction: AnyServerTransaction, now: float, sdp: bytes
    ) -> list[Effect]:
        headers = self._answer_headers()
        if request.method == "UPDATE" and not self.has_peer_invite:
            headers += self.timer.accept(request, now)
        if sdp:
            self.local_description = sdp
            headers.append(("Content-Type", "application/sdp"))
        return [*self._core.respond(transaction, request, 200, now, headers=headers, body=sdp)]

    def _answer_headers(self) -> list[tuple[str, str]]:
        return [("Contact", self.contact), *self._core.capabilities]

    def _retry_later(
        self, request: Request, transaction: AnyServerTransaction, now: float
    ) -> list[Effect]:
        seconds = self._core.ids.number() % (MAX_RETRY_AFTER + 1)
        headers = [("Retry-After", str(seconds))]
        return [*self._core.respond(transaction, request, 500, now, headers=headers)]

    def _refresh_target(self, request: Request) -> None:
        """12.2.2, but only once the request is accepted (RFC 6141 section 4.3)."""
        contact = request.contact
        if contact is not None:
            self._dialog.remote_target = contact.uri
