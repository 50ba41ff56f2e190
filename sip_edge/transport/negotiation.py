"""What a leg has offered and answered: the descriptions of one call, and what they agree to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_edge.media.offer_answer import (
    LocalMedia,
    NotAcceptableError,
    answer_offer,
    make_offer,
    read_answer,
)
from sip_edge.media.sdp import SdpError, extract_sdp, parse_sdp

if TYPE_CHECKING:
    from sip_edge.media.offer_answer import AudioParameters
    from sip_edge.media.sdp import SessionDescription
    from sip_edge.sip.message import Message, Request
    from sip_edge.transport.rtp_session import RtpSession


class Negotiation:
    """The offers and answers of one leg (RFC 3264). `session_id` and version begin our o= line.

    The version counts on when a description differs from the last one, and only then (section 8):
    carriers may compare nothing else.

    `local` is the last description of ours, which a refresh offers again as it is; `warning` is
    the value of a Warning header for a 488.
    """

    def __init__(self, *, address: str, rtp: RtpSession, session_id: int) -> None:
        self.local: SessionDescription | None = None
        self.warning: str | None = None
        self._address = address
        self._rtp = rtp
        self._session_id = session_id
        self._version = session_id
        self._offered_to: int | None = None

    def make_first_offer(self) -> bytes:
        """Our offer in an INVITE of ours."""
        offer = make_offer(self._local_media())
        if self._is_another(offer):
            offer = make_offer(self._local_media())
        self.local = offer
        return offer.serialize()

    def make_offer(self, request: Request) -> bytes:
        """Our offer to an INVITE without one; its ACK or a PRACK brings the answer."""
        self._offered_to = request.cseq.number
        return self.make_first_offer()

    def answer(self, request: Request) -> AudioParameters | None:
        """Answer an offer: `local` is our answer. None, and a warning, if there is none."""
        sdp = extract_sdp(request.headers.get("Content-Type"), request.body)
        if sdp is None:
            self.warning = f'399 {self._address} "There is no session description in the body"'
            return None
        try:
            offer = parse_sdp(sdp)
            answer = answer_offer(offer, self._local_media())
            if self._is_another(answer.description):
                answer = answer_offer(offer, self._local_media())
        except NotAcceptableError as error:
            self.warning = f'{error.warning_code} {self._address} "{error.text}"'
        except SdpError:
            self.warning = f'399 {self._address} "The session description cannot be read"'
        else:
            self.local = answer.description
            return answer.parameters
        return None

    def is_answered_by(self, request: Request) -> bool:
        """True if this ACK (or, with the INVITE's number, PRACK) has to bring an answer."""
        return self._offered_to == request.cseq.number

    @property
    def waits_for_answer(self) -> bool:
        """True while an offer of ours has none."""
        return self._offered_to is not None

    def read_answer(self, message: Message) -> AudioParameters | None:
        """The answer to our offer, or to `local` once more. None if it cannot be used."""
        self._offered_to = None
        sdp = extract_sdp(message.headers.get("Content-Type"), message.body)
        try:
            return read_answer(self.local, parse_sdp(sdp)) if self.local and sdp else None
        except (NotAcceptableError, SdpError):
            return None

    def _is_another(self, description: SessionDescription) -> bool:
        """True if this differs from the last one: the version is another from now on."""
        if self.local is None or description == self.local:
            return False
        self._version += 1
        return True

    def _local_media(self) -> LocalMedia:
        return LocalMedia(
            address=self._address,
            port=self._rtp.local_port,
            session_id=self._session_id,
            version=self._version,
            srtp=self._rtp.srtp.terms(),
        )
