"""Our session refreshes: UPDATE, or a re-INVITE that changes nothing (RFC 4028 sections 7.4, 10).

UPDATE where the peer's last Allow names it, as section 7.4 recommends; it carries no offer, so
that it cannot meet one. The re-INVITE carries the session description that is in force, with its
version as it is, and gives way to the peer's as RFC 3261 section 14.1 says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.sip.effects import RefreshAnswered, SendTo
from sip_edge.sip.fields import FieldError, parse_number
from sip_edge.sip.transaction.key import own_key

if TYPE_CHECKING:
    from sip_edge.sip.dialog.dialog import Dialog
    from sip_edge.sip.dialog.offer_exchange import OfferExchange
    from sip_edge.sip.dialog.session_timer import SessionTimer
    from sip_edge.sip.dialog.user_core import UserCore
    from sip_edge.sip.effects import Effect
    from sip_edge.sip.message import Message, Response
    from sip_edge.sip.transaction.invite_client import InviteClientTransaction

RETRY_SECONDS: Final = 10.0
"""After a refusal that names no time. The shortest interval leaves 15 seconds for a second try."""
MAX_RETRY_SECONDS: Final = 60.0
"""The longest wait that a Retry-After gets: the interval goes on meanwhile."""
BUSY_SECONDS: Final = 2.0
"""While an offer of the peer's is under way; its 2xx agrees on the interval anew anyhow."""
GLARE_STEP: Final = 0.01
"""RFC 3261 14.1: waits after a 491 are multiples of 10 ms."""
GLARE_STEPS: Final = 201
"""0 to 2 s for who did not make the Call-ID."""
OWNER_GLARE: Final = (2.1, 191)
"""2.1 to 4 s for who did: its first step and their number."""


class SessionRefresh:
    """The refreshes of one dialog; one at a time."""

    __slots__ = (
        "_ack",
        "_core",
        "_cseq",
        "_dialog",
        "_invite",
        "_is_over",
        "_may_update",
        "_offers",
        "_session",
        "_timer",
    )

    def __init__(
        self,
        *,
        session: int,
        dialog: Dialog,
        core: UserCore,
        offers: OfferExchange,
        timer: SessionTimer,
    ) -> None:
        self._session = session
        self._dialog = dialog
        self._core = core
        self._offers = offers
        self._timer = timer
        self._may_update = False
        self._is_over = False
        self._cseq: int | None = None
        self._invite: InviteClientTransaction | None = None
        self._ack: SendTo | None = None

    def note_allow(self, message: Message) -> None:
        """The peer says which methods it takes, perhaps."""
        if "Allow" in message.headers:
            self._may_update = "UPDATE" in message.headers.split("Allow")

    def owns(self, response: Response) -> bool:
        """True if the response is for the refresh that is under way, or was the last one."""
        return response.cseq.number == self._cseq

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called; None while a refresh is under way."""
        return self._timer.refresh_at

    def handle_timer(self, now: float) -> list[Effect]:
        """Send the refresh if it is time."""
        due = self._timer.refresh_at
        if due is None or now < due:
            return []
        if self._offers.is_busy:
            self._timer.refresh_at = now + BUSY_SECONDS
            return []
        self._timer.refresh_at = None
        return self._send_update(now) if self._may_update else self._send_invite(now)

    def receive_response(self, response: Response, now: float) -> list[Effect]:
        """A response that is no 408 and no 481: those end the session (12.2.1.2)."""
        if response.status < 200:
            return []
        if response.cseq.method == "INVITE" and response.status < 300:
            return self._accepted_invite(response, now)
        self._done()
        if response.status < 300:
            self._agree(response, now)
            return []
        if self._timer.is_refresher:
            self._refused(response, now)
        return []

    def stop(self, now: float) -> None:
        """The session is over. An INVITE that gets no answer any more is not waited for."""
        self._is_over = True
        self._timer.stop()
        if self._invite is not None:
            self._core.transactions.give_up(self._invite, now)
            self._invite = None

    def _send_update(self, now: float) -> list[Effect]:
        composed = self._dialog.compose("UPDATE", self._core, headers=self._headers())
        self._cseq = composed.request.cseq.number
        return [
            *self._core.transactions.start(
                composed.request, composed.hop, composed.flow, session=self._session, now=now
            )
        ]

    def _send_invite(self, now: float) -> list[Effect]:
        headers = [*self._headers(), ("Content-Type", "application/sdp")]
        composed = self._dialog.compose(
            "INVITE", self._core, headers=headers, body=self._offers.local_description
        )
        self._cseq = composed.request.cseq.number
        self._offers.has_own_invite = True
        self._ack = None
        self._invite, sent = self._core.transactions.start_invite(
            composed.request, composed.hop, composed.flow, session=self._session, now=now
        )
        return [*sent]

    def _headers(self) -> list[tuple[str, str]]:
        return [
            ("Contact", self._offers.contact),
            *self._core.requested_capabilities,
            *self._timer.refresh_headers(),
        ]

    def _accepted_invite(self, response: Response, now: float) -> list[Effect]:
        if self._ack is not None:
            return [self._ack]  # 13.2.2.4: the ACK again each time the 2xx comes again.
        composed = self._dialog.compose("ACK", self._core, cseq=response.cseq.number)
        request = composed.request
        self._ack = SendTo(request.serialize(), composed.hop, composed.flow, own_key(request))
        self._done()
        if self._is_over:
            return [self._ack]  # It crossed a BYE.
        self._agree(response, now)
        return [self._ack, RefreshAnswered(self._session, response)]

    def _agree(self, response: Response, now: float) -> None:
        if self._is_over:
            return
        self.note_allow(response)
        contact = response.contact
        if contact is not None:  # Both methods are target refreshes (12.2.1.2, RFC 3311 5.1).
            self._dialog.remote_target = contact.uri
        self._timer.agree(response, now)

    def _done(self) -> None:
        self._invite = None
        self._offers.has_own_invite = False

    def _refused(self, response: Response, now: float) -> None:
        status = response.status
        wait = _retry_after(response)
        if status in (405, 501) and response.cseq.method == "UPDATE":
            self._may_update = False
            wait = 0.0
        elif status == 422 and self._timer.raise_interval(response):
            wait = 0.0
        elif status == 491:
            wait = self._glare_wait()
        self._timer.refresh_at = now + wait

    def _glare_wait(self) -> float:
        number = self._core.ids.number()
        if not self._dialog.owns_call_id:
            return number % GLARE_STEPS * GLARE_STEP
        first, steps = OWNER_GLARE
        return first + number % steps * GLARE_STEP


def _retry_after(response: Response) -> float:
    value = response.headers.get("Retry-After") or ""
    digits = value.partition(";")[0].partition("(")[0].strip(" \t")
    try:
        return min(MAX_RETRY_SECONDS, max(1, parse_number(digits, 2**32 - 1)))
    except FieldError:
        return RETRY_SECONDS
