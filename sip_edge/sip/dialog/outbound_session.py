"""A session that we ask for: our INVITE (RFC 3261 13.2) and what cancels it (9.1)."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from sip_edge.sip.dialog.dialog import Dialog
from sip_edge.sip.dialog.invite_usage import InviteUsage, UsageState
from sip_edge.sip.effects import (
    AnswerReceived,
    EndCause,
    ProgressReceived,
    Refused,
    SendTo,
)
from sip_edge.sip.transaction.hop_by_hop import cancel_for
from sip_edge.sip.transaction.key import own_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_edge.sip.dialog.dialog import DialogId
    from sip_edge.sip.dialog.user_core import UserCore
    from sip_edge.sip.effects import Effect
    from sip_edge.sip.flow import Flow
    from sip_edge.sip.message import Request, Response
    from sip_edge.sip.transaction.invite_client import InviteClientTransaction
    from sip_edge.sip.transaction.invite_server import InviteServerTransaction
    from sip_edge.sip.transaction.key import OriginKey, ServerKey
    from sip_edge.sip.transaction.layer import AnyServerTransaction

MAX_BRANCHES: Final = 8
"""Answers from forks of one INVITE that are acknowledged; a proxy cancels all but one of them."""


class InviteState(Enum):
    """CALLING: nothing heard yet. CANCELLING: CANCEL sent. ENDED: there will be no dialog."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    CANCELLING = "cancelling"
    ANSWERED = "answered"
    ENDED = "ended"


class OutboundSession:
    """One call that we place."""

    origin: OriginKey | None = None
    invite_key: ServerKey | None = None

    def __init__(
        self,
        *,
        number: int,
        request: Request,
        transaction: InviteClientTransaction,
        core: UserCore,
    ) -> None:
        self.number = number
        self._core = core
        self._request = request
        self._transaction = transaction
        self._state = InviteState.CALLING
        self._usage: InviteUsage | None = None
        self._cancel_headers: Sequence[tuple[str, str]] | None = None
        self._give_up_at: float | None = None
        self._acks: dict[str, SendTo] = {}

    @property
    def dialog_id(self) -> DialogId | None:
        """The confirmed dialog, or the last early one; None while there is none."""
        return None if self._usage is None else self._usage.dialog.id

    @property
    def is_lingering(self) -> bool:
        """True when there is no dialog any more, but an answer of another fork may still come."""
        if self._state is InviteState.ENDED:
            return True
        return self._usage is not None and self._usage.state is UsageState.OVER

    @property
    def is_over(self) -> bool:
        """True when it may be forgotten."""
        return self._transaction.is_terminated and self.is_lingering

    # What the peer sends.

    def receive_request(
        self, request: Request, transaction: AnyServerTransaction, flow: Flow, now: float
    ) -> list[Effect]:
        """A request within the dialog, early or confirmed, other than ACK and CANCEL."""
        if self._usage is None or self._state is InviteState.ENDED:
            return [*self._core.respond(transaction, request, 481, now)]
        if self._state is not InviteState.ANSWERED and request.method == "BYE":
            # Section 15: the callee MUST NOT send a BYE on an early dialog.
            return [*self._core.respond(transaction, request, 481, now)]
        return self._usage.receive_request(request, transaction, flow, now)

    def receive_ack(self, request: Request, now: float) -> list[Effect]:
        """The ACK for our 2xx to a re-INVITE."""
        return [] if self._usage is None else self._usage.receive_ack(request, now)

    def receive_cancel(
        self, request: Request, transaction: InviteServerTransaction, now: float
    ) -> list[Effect]:
        """A CANCEL of a re-INVITE."""
        if self._usage is None or not self._usage.offers.is_pending(transaction):
            return []
        return self._usage.offers.refuse(487, now)

    def receive_response(self, response: Response, flow: Flow, now: float) -> list[Effect]:
        """A response to the INVITE or to a later request of ours."""
        method = response.cseq.method
        if method == "CANCEL":
            return []  # What counts is the final response to the INVITE (9.1).
        if method != "INVITE" or response.cseq.number != self._request.cseq.number:
            return [] if self._usage is None else self._usage.receive_response(response, now)
        status = response.status
        if status < 200:
            return self._receive_provisional(response, flow, now)
        if status < 300:
            return self._receive_2xx(response, flow, now)
        return self._end(response)

    def request_failed(self, method: str, now: float) -> list[Effect]:
        """A request of ours got no response, or could not be sent."""
        if method == "INVITE" and self._state is not InviteState.ANSWERED:
            return self._end(None)
        if method == "CANCEL" or self._usage is None:
            return []
        return self._usage.request_failed(method, now)

    # What the application asks for.

    def hang_up(self, now: float, headers: Sequence[tuple[str, str]]) -> list[Effect]:
        """Send CANCEL or BYE, whichever the state of the call asks for."""
        match self._state:
            case InviteState.CALLING:
                # 9.1: no CANCEL before a provisional response; it is held back until then.
                if self._cancel_headers is None:
                    self._cancel_headers = headers
                return []
            case InviteState.PROCEEDING:
                return self._cancel(now, headers)
            case InviteState.ANSWERED if self._usage is not None:
                return self._usage.hang_up(now, headers)
            case _:
                return []

    def accept_offer(self, sdp: bytes, now: float) -> list[Effect]:
        """Answer a re-INVITE or UPDATE."""
        return [] if self._usage is None else self._usage.offers.accept(sdp, now)

    def reject_offer(
        self, status: int, now: float, headers: Sequence[tuple[str, str]]
    ) -> list[Effect]:
        """Refuse a re-INVITE or UPDATE."""
        return [] if self._usage is None else self._usage.offers.refuse(status, now, headers)

    def send_request(
        self, method: str, now: float, headers: Sequence[tuple[str, str]], body: bytes
    ) -> list[Effect]:
        """Send a request within the confirmed dialog."""
        if self._state is not InviteState.ANSWERED or self._usage is None:
            return []
        return self._usage.send_request(method, now, headers, body)

    # Time.

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called."""
        if self._give_up_at is not None:
            return self._give_up_at
        return None if self._usage is None else self._usage.next_timeout()

    def handle_timer(self, now: float) -> list[Effect]:
        """Give up an INVITE that rings too long, or never ends after its CANCEL."""
        if self._give_up_at is None or now < self._give_up_at:
            return [] if self._usage is None else self._usage.handle_timer(now)
        if self._state is InviteState.PROCEEDING:
            return self._cancel(now, ())
        # 9.1: 64*T1 after the CANCEL without a final response: consider it cancelled.
        self._core.transactions.abandon(self._transaction)
        return self._end(None)

    # Within.

    def _receive_provisional(self, response: Response, flow: Flow, now: float) -> list[Effect]:
        effects: list[Effect] = [ProgressReceived(self.number, response)]
        if self._state in (InviteState.CALLING, InviteState.PROCEEDING):
            self._state = InviteState.PROCEEDING
            self._give_up_at = now + self._core.settings.timers.timer_c
            if response.to.tag is not None:
                self._enter_early_dialog(response, flow)
            if self._cancel_headers is not None:
                effects += self._cancel(now, self._cancel_headers)
        return effects

    def _receive_2xx(self, response: Response, flow: Flow, now: float) -> list[Effect]:
        tag = response.to.tag or ""
        if tag in self._acks:
            return [self._acks[tag]]  # 13.2.2.4: the ACK again each time the 2xx comes again.
        if len(self._acks) >= MAX_BRANCHES:
            return []
        if self._state in (InviteState.ANSWERED, InviteState.ENDED):
            return self._hang_up_fork(response, flow, now)
        usage = self._enter_dialog(response, flow)
        is_cancelled = self._state is InviteState.CANCELLING or self._cancel_headers is not None
        self._state = InviteState.ANSWERED
        self._give_up_at = None
        usage.refresh.note_allow(response)
        usage.offers.local_description = self._request.body
        usage.offers.timer.agree(response, now)
        effects: list[Effect] = [self._acknowledge(usage.dialog, tag)]
        if is_cancelled:
            # A 2xx that crossed our CANCEL: ACK, then BYE (9.1, section 15).
            return [*effects, *usage.bye(now, self._cancel_headers or (), EndCause.HUNG_UP)]
        return [*effects, AnswerReceived(self.number, response)]

    def _enter_early_dialog(self, response: Response, flow: Flow) -> None:
        """12.1.2. Of several early dialogs the last one heard of is kept."""
        dialog = Dialog.for_uac(self._request, response, flow)
        if self._usage is None or self._usage.dialog.id != dialog.id:
            self._usage = InviteUsage(session=self.number, dialog=dialog, core=self._core)
            self._usage.offers.has_own_invite = True

    def _enter_dialog(self, response: Response, flow: Flow) -> InviteUsage:
        """13.2.2.4: the 2xx decides on route set and target, whatever an early dialog had."""
        dialog = Dialog.for_uac(self._request, response, flow)
        early = self._usage
        if early is not None and early.dialog.id == dialog.id:
            dialog.remote_cseq = early.dialog.remote_cseq
        self._usage = InviteUsage(session=self.number, dialog=dialog, core=self._core)
        return self._usage

    def _acknowledge(self, dialog: Dialog, tag: str) -> SendTo:
        composed = dialog.compose("ACK", self._core, cseq=self._request.cseq.number)
        request = composed.request
        ack = SendTo(request.serialize(), composed.hop, composed.flow, own_key(request))
        self._acks[tag] = ack
        return ack

    def _hang_up_fork(self, response: Response, flow: Flow, now: float) -> list[Effect]:
        """13.2.2.4: another fork answered too; its dialog is acknowledged and ended."""
        dialog = Dialog.for_uac(self._request, response, flow)
        ack = self._acknowledge(dialog, response.to.tag or "")
        composed = dialog.compose("BYE", self._core)
        return [
            ack,
            *self._core.transactions.start(
                composed.request, composed.hop, composed.flow, session=0, now=now
            ),
        ]

    def _cancel(self, now: float, headers: Sequence[tuple[str, str]]) -> list[Effect]:
        self._state = InviteState.CANCELLING
        self._cancel_headers = headers
        self._give_up_at = now + self._core.settings.timers.timeout
        cancel = cancel_for(self._request, headers)
        return [
            *self._core.transactions.start(
                cancel, self._transaction.hop, None, session=self.number, now=now
            )
        ]

    def _end(self, response: Response | None) -> list[Effect]:
        if self._state in (InviteState.ANSWERED, InviteState.ENDED):
            return []
        self._state = InviteState.ENDED
        self._give_up_at = None
        return [Refused(self.number, response)]
