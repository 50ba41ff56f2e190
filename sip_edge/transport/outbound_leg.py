"""A leg that we place: one dialog as caller, and its sound."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sip_edge.sip.effects import (
    Acknowledged,
    AnswerReceived,
    EndCause,
    OfferReceived,
    ProgressReceived,
    RefreshAnswered,
    Refused,
    SessionEnded,
)
from sip_edge.transport.negotiation import Negotiation

if TYPE_CHECKING:
    from sip_edge.media.offer_answer import AudioParameters
    from sip_edge.sip.effects import SessionEffect
    from sip_edge.sip.flow import NextHop
    from sip_edge.sip.message import Message, Response
    from sip_edge.transport.media_port import MediaPort
    from sip_edge.transport.rtp_session import RtpSession
    from sip_edge.transport.user_agent import UserAgent

NORMAL_CLEARING: Final = 'Q.850;cause=16;text="Normal call clearing"'
"""RFC 3326: why our BYE or CANCEL goes out."""


@dataclass(slots=True)
class OutboundProgress:
    """When (loop's seconds) what came. `status` is the final response's, None if none came."""

    invite_at: float
    provisional_at: dict[int, float] = field(default_factory=dict)
    final_at: float | None = None
    status: int | None = None
    reason: str | None = None
    first_rtp_at: float | None = None
    first_audio_out_at: float | None = None
    end_cause: EndCause | None = None
    end_reason: str | None = None


class OutboundLeg:
    """One outgoing call. `rtp` is its sound, from `dial` until the end."""

    def __init__(self, *, user_agent: UserAgent, media: MediaPort, sdp_session_id: int) -> None:
        self._user_agent = user_agent
        self._session: int | None = None
        self._final = asyncio.Event()
        self._ended = asyncio.Event()
        self.rtp: RtpSession = media.open(self)
        self._negotiation = Negotiation(
            address=media.address, rtp=self.rtp, session_id=sdp_session_id
        )
        self._parameters: AudioParameters | None = None
        self.progress = OutboundProgress(user_agent.now())

    def dial(self, *, uri: str, from_: str, hop: NextHop) -> None:
        """Send the INVITE."""
        now = self._user_agent.now()
        self.progress = OutboundProgress(now)
        self._session, effects = self._user_agent.endpoint.invite(
            uri=uri,
            from_=from_,
            to=f"<{uri}>",
            hop=hop,
            sdp=self._negotiation.make_first_offer(),
            headers=[],
            now=now,
        )
        self._user_agent.adopt(self._session, self)
        self._user_agent.perform(effects)

    async def wait_final(self) -> bool:
        """Return when a final response came, or none will; True if the call was answered."""
        await self._final.wait()
        return self.progress.status is not None and 200 <= self.progress.status < 300

    async def wait_ended(self) -> None:
        """Return when the other side has ended an answered call."""
        await self._ended.wait()

    def hang_up(self) -> None:
        """CANCEL or BYE, whichever fits."""
        if self._session is not None and not self._ended.is_set():
            endpoint, now = self._user_agent.endpoint, self._user_agent.now()
            reason = [("Reason", NORMAL_CLEARING)]
            self._user_agent.perform(endpoint.hang_up(self._session, now, headers=reason))

    def close(self) -> None:
        """Give the ports back."""
        self.rtp.close()

    def receive(self, effect: SessionEffect) -> None:
        """One thing that happened to this leg's session (transport.user_agent.Leg)."""
        match effect:
            case ProgressReceived():
                now = self._user_agent.now()
                self.progress.provisional_at.setdefault(effect.response.status, now)
            case AnswerReceived():
                self._answered(effect.response)
            case Refused():
                self._note_final(effect.response)
                self._ended.set()
            case OfferReceived():
                self._offer_received(effect)
            case Acknowledged() if self._negotiation.is_answered_by(effect.request):
                self._take(effect.request)
            case RefreshAnswered():
                self._take(effect.response)
            case SessionEnded():
                self.progress.end_cause = effect.cause
                self.progress.end_reason = effect.reason
                self._final.set()
                self._ended.set()
            case _:
                pass

    def on_first_rtp(self, now: float) -> None:
        """The first packet from the other side (transport.rtp_session.RtpObserver)."""
        self.progress.first_rtp_at = now

    def on_first_audio_out(self, now: float) -> None:
        """Our first packet that is not silence."""
        self.progress.first_audio_out_at = now

    def on_rtp_timeout(self) -> None:
        """The other side's sound has stopped."""
        self.hang_up()

    def _answered(self, response: Response) -> None:
        if not self._take(response):
            self._note_final(response)
            self.progress.status = None
            self.progress.reason = "the answer's session description cannot be used"
            self.hang_up()
            return
        self.rtp.start(held=False)
        self._note_final(response)

    def _take(self, message: Message) -> bool:
        """Follow an answer to an offer of ours; False if it cannot be used."""
        parameters = self._negotiation.read_answer(message)
        if parameters is not None and parameters != self._parameters:
            self._configure(parameters)
        return parameters is not None

    def _configure(self, parameters: AudioParameters) -> None:
        self._parameters = parameters
        self.rtp.configure(parameters)

    def _note_final(self, response: Response | None) -> None:
        self.progress.final_at = self._user_agent.now()
        if response is not None:
            self.progress.status = response.status
            self.progress.reason = response.reason
        self._final.set()

    def _offer_received(self, effect: OfferReceived) -> None:
        endpoint, now, negotiation = (
            self._user_agent.endpoint,
            self._user_agent.now(),
            self._negotiation,
        )
        if not effect.request.body:
            offer = negotiation.make_offer(effect.request)
            effects = endpoint.accept_offer(effect.session, offer, now)
        elif (parameters := negotiation.answer(effect.request)) and negotiation.local:
            self._configure(parameters)
            effects = endpoint.accept_offer(effect.session, negotiation.local.serialize(), now)
        else:
            effects = endpoint.reject_offer(effect.session, 488, now)
        self._user_agent.perform(effects)
