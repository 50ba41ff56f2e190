"""The caller's leg: one dialog and its sound, as `routing.ports.InboundCall`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.media.offer_answer import (
    Direction,
    LocalMedia,
    NotAcceptableError,
    answer_offer,
    make_offer,
    read_answer,
)
from sip_edge.media.sdp import SdpError, extract_sdp, parse_sdp
from sip_edge.routing.outcome import EndedBy
from sip_edge.routing.refusal import FinalResponse, Refusal, response_to
from sip_edge.routing.timeline import CallTimeline, Stage
from sip_edge.sip.effects import Acknowledged, EndCause, OfferReceived, SessionEnded
from sip_edge.transport.rtp_ports import NoRtpPortError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sip_edge.media.offer_answer import Answer, AudioParameters
    from sip_edge.media.sdp import SessionDescription
    from sip_edge.routing.ports import CallFacts
    from sip_edge.sip.effects import SessionEffect
    from sip_edge.sip.message import Request
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
_BYE_REASON: Final = {
    EndedBy.MEDIA_TIMEOUT: 'Q.850;cause=102;text="No RTP received"',
    EndedBy.AGENT_LOST: 'Q.850;cause=41;text="Agent lost"',
    EndedBy.DRAIN: 'Q.850;cause=41;text="Shutting down"',
    EndedBy.INTERNAL: 'Q.850;cause=41;text="Internal error"',
}
_NORMAL_CLEARING: Final = 'Q.850;cause=16;text="Normal call clearing"'


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
        self.statistics: RtpStatistics | None = None
        self._user_agent = user_agent
        self._media = media
        self._session = session
        self._request = request
        self._carrier = carrier
        self._loop = loop
        self._max_seconds = max_seconds
        self._sdp_session_id = sdp_session_id
        self._sdp_version = sdp_session_id
        self._end_call = end_call
        self._rtp: RtpSession | None = None
        self._answer: Answer | None = None
        self._offered: tuple[int, SessionDescription] | None = None
        """Our offer, and the CSeq of the INVITE whose ACK brings the answer."""
        self._warning: str | None = None
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
        if not self._request.body:
            return None  # A delayed offer: ours goes out with the 200, the answer is in the ACK.
        self._answer = self._read_offer(self._request)
        return None if self._answer is not None else Refusal.NO_CODEC

    def ring(self) -> None:
        """Send 180, once."""
        if self._is_final or self.timeline.at(Stage.RINGING) is not None:
            return
        self.timeline.mark(Stage.RINGING)
        self._user_agent.perform(
            self._user_agent.endpoint.ring(self._session, self._user_agent.now())
        )

    def answer(self) -> RtpSession:
        """Send 200; silence flows from now on, speech from the ACK on."""
        if self._rtp is None:
            raise RuntimeError("answer() before prepare()")
        self._is_final = True
        if self._answer is not None:
            sdp = self._answer.description.serialize()
            self._use(self._rtp, self._answer.parameters)
        else:
            offer = make_offer(self._local_media())
            self._offered = (self._request.cseq.number, offer)
            sdp = offer.serialize()
        self.timeline.mark(Stage.ANSWER)
        self._user_agent.perform(
            self._user_agent.endpoint.answer(self._session, sdp, self._user_agent.now())
        )
        self._limit = self._loop.call_later(self._max_seconds, self._lasted_too_long)
        if self._answer is not None:
            self._watch_hold(self._answer.parameters)
            self._is_sounding = True
            self._rtp.start(held=True)
            self._release = self._loop.call_later(HELD_SECONDS, self._rtp.release)
        return self._rtp

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
        reason = _BYE_REASON.get(ended_by, _NORMAL_CLEARING)
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
            case OfferReceived():
                self._offer_received(effect.request)
            case SessionEnded():
                self._session_ended(effect)
            case _:
                pass  # INFO is not for us yet; the rest concerns calls that we place.

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
        if self._rtp is None or self.ended_by is not None:
            return
        if self._offered is not None and self._offered[0] == request.cseq.number:
            (_, offered), self._offered = self._offered, None
            parameters = _read_delayed_answer(offered, request)
            if parameters is None:
                self.hang_up(EndedBy.EDGE)
                self._end_call(self)
                return
            self._use(self._rtp, parameters)
            if not self._is_sounding:
                self._is_sounding = True
                self._rtp.start(held=False)
        if self._release is not None:
            self._release.cancel()
            self._release = None
            self._rtp.release()

    def _offer_received(self, request: Request) -> None:
        """A re-INVITE or UPDATE: hold, resume, another address or codec (RFC 3264 section 8)."""
        endpoint, now = self._user_agent.endpoint, self._user_agent.now()
        self._sdp_version += 1
        if not request.body:
            offer = make_offer(self._local_media())
            self._offered = (request.cseq.number, offer)
            effects = endpoint.accept_offer(self._session, offer.serialize(), now)
        elif answer := self._read_offer(request):
            self._answer = answer
            self._watch_hold(answer.parameters)
            if self._rtp is not None:
                self._use(self._rtp, answer.parameters)
            effects = endpoint.accept_offer(self._session, answer.description.serialize(), now)
        else:
            headers = [("Warning", self._warning)] if self._warning else []
            effects = endpoint.reject_offer(self._session, 488, now, headers=headers)
        self._user_agent.perform(effects)

    def _use(self, rtp: RtpSession, parameters: AudioParameters) -> None:
        self.codec = parameters.codec.name
        rtp.configure(parameters)

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
        self.peer_reason = effect.reason
        if self.ended_by is None:
            self.ended_by = _ENDED_BY[effect.cause]
            self._end_call(self)
        self.close()

    def _refuse_with(self, response: FinalResponse) -> None:
        headers = [("Reason", response.reason_header)]
        if response.status == 488 and self._warning:
            headers.append(("Warning", self._warning))
        self._user_agent.perform(
            self._user_agent.endpoint.reject(
                self._session, response.status, self._user_agent.now(), headers=headers
            )
        )

    def _read_offer(self, request: Request) -> Answer | None:
        """Our answer to an offer; None, and a Warning for the 488, if there is none."""
        host = self._media.address
        sdp = extract_sdp(request.headers.get("Content-Type"), request.body)
        if sdp is None:
            self._warning = f'399 {host} "There is no session description in the body"'
            return None
        try:
            return answer_offer(parse_sdp(sdp), self._local_media())
        except NotAcceptableError as error:
            self._warning = f'{error.warning_code} {host} "{error.text}"'
        except SdpError:
            self._warning = f'399 {host} "The session description cannot be read"'
        return None

    def _local_media(self) -> LocalMedia:
        if self._rtp is None:
            raise RuntimeError("no RTP session")
        return LocalMedia(
            address=self._media.address,
            port=self._rtp.local_port,
            session_id=self._sdp_session_id,
            version=self._sdp_version,
            srtp=self._rtp.srtp.terms(),
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


def _read_delayed_answer(offered: SessionDescription, request: Request) -> AudioParameters | None:
    sdp = extract_sdp(request.headers.get("Content-Type"), request.body)
    try:
        return read_answer(offered, parse_sdp(sdp)) if sdp else None
    except (NotAcceptableError, SdpError):
        return None
