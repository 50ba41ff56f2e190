"""The caller's leg: one dialog and its sound, as `routing.ports.InboundCall`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.media.info_keys import read_key
from sip_edge.media.offer_answer import Direction
from sip_edge.routing.outcome import EndedBy
from sip_edge.routing.refusal import FinalResponse, Refusal, bye_reason, response_to
from sip_edge.routing.timeline import CallTimeline, Stage
from sip_edge.sip.effects import (
    Acknowledged,
    EndCause,
    InfoReceived,
    OfferReceived,
    ProvisionalAcknowledged,
    RefreshAnswered,
    SessionEnded,
)
from sip_edge.sip.fields import FieldError, parse_reasons
from sip_edge.sip.inspection import lists_option
from sip_edge.transport.negotiation import Negotiation
from sip_edge.transport.rtp_ports import NoRtpPortError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sip_edge.media.offer_answer import AudioParameters
    from sip_edge.routing.ports import CallFacts
    from sip_edge.sip.effects import SessionEffect
    from sip_edge.sip.message import Request, Response
    from sip_edge.transport.media_port import MediaPort
    from sip_edge.transport.rtp_session import RtpSession, RtpStatistics
    from sip_edge.transport.sources import Carrier
    from sip_edge.transport.user_agent import UserAgent

PROBE_SECONDS: Final = 120.0
"""How often a caller on hold is asked whether it is still there: its silence says nothing then."""
HELD_SECONDS: Final = 0.5
"""How long the agent's first words wait for the ACK, so that the caller's phone is listening."""

_ENDED_BY: Final = {
    EndCause.CANCELLED: EndedBy.CALLER,
    EndCause.BYE_RECEIVED: EndedBy.CALLER,
    EndCause.NO_ACK: EndedBy.NO_ACK,
    EndCause.PEER_GONE: EndedBy.TRANSPORT,
    EndCause.SESSION_EXPIRED: EndedBy.TRANSPORT,
    EndCause.HUNG_UP: EndedBy.EDGE,
}


class InboundLeg:
    """One inbound call. `end_call` is called when the leg is over before the call's task is."""

    def __init__(
        self,
        *,
        user_agent: UserAgent,
        media: MediaPort,
        session: int,
        request: Request,
        carrier: Carrier,
        facts: CallFacts,
        timeline: CallTimeline,
        loop: asyncio.AbstractEventLoop,
        max_seconds: float,
        sdp_session_id: int,
        end_call: Callable[[InboundLeg], None],
    ) -> None:
        self.facts = facts
        self.timeline = timeline
        self.ended_by: EndedBy | None = None
        self.peer_reason: str | None = None
        self.codec: str | None = None
        """The name of the codec in use, None before an answer."""
        self.encryption: str | None = None
        """How the sound is encrypted, None before an answer (routing.ports.CallReport)."""
        self.statistics: RtpStatistics | None = None
        self._user_agent = user_agent
        self._media = media
        self._session = session
        self._request = request
        self._carrier = carrier
        self._loop = loop
        self._max_seconds = max_seconds
        self._sdp_session_id = sdp_session_id
        self._end_call = end_call
        self._rtp: RtpSession | None = None
        self._negotiation: Negotiation | None = None
        self._parameters: AudioParameters | None = None
        self._is_final = False
        self._is_sounding = False
        self._release: asyncio.TimerHandle | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._limit: asyncio.TimerHandle | None = None

    # What the application asks for (routing.ports.InboundCall).

    def prepare(self) -> Refusal | None:
        """Read the offer and open the ports."""
        if self._is_final:
            return Refusal.INTERNAL_ERROR  # Nothing may be opened for a call that is over.
        try:
            self._rtp = self._media.open(self)
        except NoRtpPortError:
            return Refusal.NO_RTP_PORT
        self._negotiation = Negotiation(
            address=self._media.address, rtp=self._rtp, session_id=self._sdp_session_id
        )
        if not self._request.body:
            return None  # A delayed offer: ours goes out with the 200, the answer is in the ACK.
        self._parameters = self._negotiation.answer(self._request)
        return None if self._parameters is not None else Refusal.NO_CODEC

    def ring(self) -> None:
        """Send 180, once."""
        if self._is_final or self.timeline.at(Stage.RINGING) is not None:
            return
        self.timeline.mark(Stage.RINGING)
        endpoint, now = self._user_agent.endpoint, self._user_agent.now()
        self._user_agent.perform(endpoint.ring(self._session, now, offer=self._early_offer()))

    def answer(self) -> RtpSession:
        """Send 200; silence flows from now on, speech from the ACK on."""
        rtp, negotiation = self._rtp, self._negotiation
        if rtp is None or negotiation is None:
            raise RuntimeError("answer() before prepare()")
        self._is_final = True
        if self._parameters is not None and self.codec is None:
            self._use(rtp, self._parameters)  # Else a PRACK has brought them already.
        if negotiation.local is not None:
            sdp = negotiation.local.serialize()
        else:
            sdp = negotiation.make_offer(self._request)
        self.timeline.mark(Stage.ANSWER)
        self._user_agent.perform(
            self._user_agent.endpoint.answer(self._session, sdp, self._user_agent.now())
        )
        self._limit = self._loop.call_later(self._max_seconds, self._lasted_too_long)
        if self._parameters is not None:
            self._sound(rtp, self._parameters)
        return rtp

    def reject(self, refusal: Refusal) -> int | None:
        """Send the final response of the table, or of the carrier's own choice, for `refusal`."""
        if self._is_final:
            return None
        self._is_final = True
        response = response_to(refusal, self._carrier.responses)
        self._refuse_with(response)
        self._user_agent.forget(self._session)
        self.close()
        return response.status

    def hang_up(self, ended_by: EndedBy) -> None:
        """Send BYE, with a Reason that tells the carrier who or what ended the call."""
        if self.ended_by is not None or self.timeline.at(Stage.ANSWER) is None:
            return
        self.ended_by = ended_by
        self.close()
        reason = bye_reason(ended_by)
        self._user_agent.perform(
            self._user_agent.endpoint.hang_up(
                self._session, self._user_agent.now(), headers=[("Reason", reason)]
            )
        )

    # What the endpoint tells (transport.user_agent.Leg).

    def receive(self, effect: SessionEffect) -> None:
        """One thing that happened to this leg's session."""
        match effect:
            case Acknowledged():
                self._acknowledged(effect.request)
            case ProvisionalAcknowledged():
                self._provisional_acknowledged(effect.request)
            case OfferReceived():
                self._offer_received(effect.request)
            case RefreshAnswered():
                self._refresh_answered(effect.response)
            case InfoReceived():
                self._info_received(effect.request)
            case SessionEnded():
                self._session_ended(effect)
            case _:
                pass  # The rest concerns calls that we place.

    # What the sound tells (transport.rtp_session.RtpObserver).

    def on_first_rtp(self, now: float) -> None:
        """The caller's first packet."""
        self.timeline.mark(Stage.FIRST_RTP_IN)

    def on_first_audio_out(self, now: float) -> None:
        """The first packet that is not silence went to the caller."""
        self.timeline.mark(Stage.FIRST_AUDIO_OUT)

    def on_rtp_timeout(self) -> None:
        """The caller's sound has stopped for good: a dead call must not be billed for hours."""
        self.hang_up(EndedBy.MEDIA_TIMEOUT)
        self._end_call(self)

    def _acknowledged(self, request: Request) -> None:
        self.timeline.mark(Stage.ACK)
        if self._rtp is None or self._negotiation is None or self.ended_by is not None:
            return
        if self._negotiation.is_answered_by(request):
            # An answer to a later offer that is missing, or cannot be used, leaves what was agreed.
            parameters = self._negotiation.read_answer(request) or self._parameters
            if parameters is None:
                self.hang_up(EndedBy.EDGE)
                self._end_call(self)
                return
            self._use(self._rtp, parameters)
            self._watch_hold(parameters)
            if not self._is_sounding:
                self._is_sounding = True
                self._rtp.start(held=False)
        if self._release is not None:
            self._release.cancel()
            self._release = None
            self._rtp.release()

    def _provisional_acknowledged(self, request: Request) -> None:
        """The answer to the offer of our 180. If the 200 waited for it, it goes out now."""
        negotiation = self._negotiation
        if self._rtp is None or negotiation is None or not negotiation.waits_for_answer:
            return
        parameters = negotiation.read_answer(request)
        if parameters is None:
            endpoint, now = self._user_agent.endpoint, self._user_agent.now()
            self._user_agent.perform(endpoint.hang_up(self._session, now))
            return
        self._use(self._rtp, parameters)
        if self._is_final:
            self._sound(self._rtp, parameters)

    def _refresh_answered(self, response: Response) -> None:
        """The peer may have moved meanwhile; an answer that we cannot read changes nothing."""
        if self._rtp is None or self._negotiation is None:
            return
        parameters = self._negotiation.read_answer(response)
        if parameters is not None and parameters != self._parameters:
            self._use(self._rtp, parameters)
            self._watch_hold(parameters)

    def _info_received(self, request: Request) -> None:
        key = read_key(request.content_type, request.body)
        if key and self._rtp is not None:
            self._rtp.hear_key(key)

    def _offer_received(self, request: Request) -> None:
        """A re-INVITE or UPDATE: hold, resume, another address or codec (RFC 3264 section 8)."""
        endpoint, now = self._user_agent.endpoint, self._user_agent.now()
        rtp, negotiation = self._rtp, self._negotiation
        if rtp is None or negotiation is None:
            self._user_agent.perform(endpoint.reject_offer(self._session, 488, now))
            return
        if not request.body:
            offer = negotiation.make_offer(request)
            effects = endpoint.accept_offer(self._session, offer, now)
        elif (parameters := negotiation.answer(request)) and negotiation.local:
            self._watch_hold(parameters)
            self._use(rtp, parameters)
            effects = endpoint.accept_offer(self._session, negotiation.local.serialize(), now)
        else:
            headers = [("Warning", negotiation.warning)] if negotiation.warning else []
            effects = endpoint.reject_offer(self._session, 488, now, headers=headers)
        self._user_agent.perform(effects)

    def _early_offer(self) -> bytes:
        """Our offer for a 180 that has to arrive, where the INVITE had none (RFC 3262)."""
        is_required = lists_option(self._request, "Require", "100rel")
        if self._request.body or not is_required or self._negotiation is None:
            return b""
        return self._negotiation.make_offer(self._request)

    def _use(self, rtp: RtpSession, parameters: AudioParameters) -> None:
        self._parameters = parameters
        self.codec = parameters.codec.name
        keys = parameters.srtp
        self.encryption = "none" if keys is None else f"sdes:{keys.suite.value}"
        rtp.configure(parameters)

    def _sound(self, rtp: RtpSession, parameters: AudioParameters) -> None:
        """Begin to send: silence at first, what is played once the ACK is here."""
        self._watch_hold(parameters)
        self._is_sounding = True
        rtp.start(held=True)
        self._release = self._loop.call_later(HELD_SECONDS, rtp.release)

    def _watch_hold(self, parameters: AudioParameters) -> None:
        """A caller on hold may be silent: ask it now and then, instead of listening for sound."""
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None
        if parameters.direction is not Direction.SENDRECV:
            self._probe = self._loop.call_later(PROBE_SECONDS, self._ask_caller)

    def _ask_caller(self) -> None:
        """OPTIONS within the dialog: 481, 408 or nothing at all ends the session (12.2.1.2)."""
        self._probe = self._loop.call_later(PROBE_SECONDS, self._ask_caller)
        endpoint, now = self._user_agent.endpoint, self._user_agent.now()
        self._user_agent.perform(endpoint.send_request(self._session, "OPTIONS", now))

    def _lasted_too_long(self) -> None:
        self.hang_up(EndedBy.EDGE)
        self._end_call(self)

    def _session_ended(self, effect: SessionEnded) -> None:
        self._is_final = True
        self.peer_reason = _reason(effect.reason)
        if self.ended_by is None:
            self.ended_by = _ENDED_BY[effect.cause]
            self._end_call(self)
        self.close()

    def _refuse_with(self, response: FinalResponse) -> None:
        headers = [("Reason", response.reason_header)]
        negotiation = self._negotiation
        if response.status == 488 and negotiation is not None and negotiation.warning:
            headers.append(("Warning", negotiation.warning))
        self._user_agent.perform(
            self._user_agent.endpoint.reject(
                self._session, response.status, self._user_agent.now(), headers=headers
            )
        )

    def close(self) -> None:
        """Give the ports back; nothing is left of the leg's sound. Once more does nothing."""
        for timer in (self._release, self._probe, self._limit):
            if timer is not None:
                timer.cancel()
        self._release = self._probe = self._limit = None
        if self._rtp is not None:
            self.statistics = self._rtp.statistics()
            self._rtp.close()
            self._rtp = None


def _reason(value: str | None) -> str | None:
    """The protocols and causes of a peer's Reason (RFC 3326), fit for a log line."""
    try:
        return ", ".join([str(reason) for reason in parse_reasons(value)]) if value else None
    except FieldError:
        return None
