"""Offer and answer (RFC 3264): which sound goes where, in which codec.

One audio stream in G.711 under RTP/AVP; every other stream of an offer is refused with port 0. An
offer that leaves us no such stream raises NotAcceptableError, which names the warning code of
RFC 3261 section 20.43 for the 488.

Decisions that the RFCs leave open:

* We send 20 ms a packet, whatever `a=ptime` asks for (a wish, not a demand), and our answer says
  so. An `a=maxptime` below 20 is a demand that we do not meet; we answer `a=ptime:20` all the same,
  because receivers go by a packet's real length, and a refusal would be certain silence.
* A host name in `c=` is legal, but would put a DNS query between INVITE and answer, by a name that
  the caller chose. No carrier sends one. It is refused with warning 301.
* `a=crypto` under RTP/AVP is ignored: the answer is plain RTP, as the profile says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sip_edge.media.media_address import can_be_sent_to, parse_address, rtcp_address
from sip_edge.media.rtpmap import PCMA, PCMU, TELEPHONE_EVENT, read_formats
from sip_edge.media.sdp import (
    Attribute,
    Connection,
    Line,
    MediaDescription,
    Origin,
    SessionDescription,
)

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

PTIME_MS = 20
"""What we send in one packet, and wish to receive (the default of RFC 3551 section 4.5.14)."""

_PROFILE = "RTP/AVP"
_OFFERED_TELEPHONE_EVENT_PAYLOAD_TYPE = 101
"""Dynamic, so any would do; both carriers and nearly every telephone use this one."""
_RTCP_CONFLICTS = range(64, 96)
"""Payload types that look like RTCP packets when both share a port (RFC 5761 section 4)."""

_WARNING_ADDRESS_FORMAT = 301
_WARNING_TRANSPORT = 302
_WARNING_MEDIA_TYPE = 304
_WARNING_MEDIA_FORMAT = 305
_WARNING_MULTICAST = 330
_WARNING_MISCELLANEOUS = 399


class NotAcceptableError(Exception):
    """No stream that we can serve: 488 with a Warning of this code and text (RFC 3261 20.43).

    `text` never quotes the peer, so that it may be put between quotation marks as it is.
    """

    def __init__(self, warning_code: int, text: str) -> None:
        super().__init__(f"{warning_code} {text}")
        self.warning_code = warning_code
        self.text = text


class Codec(Enum):
    """A codec that we speak, by its encoding name (RFC 3551 section 6); 8000 Hz, one channel."""

    PCMU = "PCMU"
    PCMA = "PCMA"

    @property
    def static_payload_type(self) -> int:
        """The payload type that needs no rtpmap (RFC 3551 table 4)."""
        return 0 if self is Codec.PCMU else 8


class Direction(Enum):
    """Which way a stream flows, seen from the side that says it (RFC 3264 section 5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def can_send(self) -> bool:
        """Whether the side that says it may send."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def can_receive(self) -> bool:
        """Whether the side that says it is ready to receive."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMedia:
    """Our end: the advertised address (numeric, IPv4 or IPv6), the RTP port, and the o= line.

    RTCP is received on `port` + 1. `session_id` stays for the whole dialog; the caller of
    `answer_offer` adds one to `version` for each new description (RFC 3264 section 8).
    """

    address: str
    port: int
    session_id: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioParameters:
    """What was agreed. `direction` is ours: what we may do.

    `remote` and `remote_rtcp` are numeric address and port; they are equal where RTP and RTCP share
    a port. The address is 0.0.0.0 or :: only while `direction` forbids to send.
    """

    codec: Codec
    payload_type: int
    telephone_event_payload_type: int | None
    remote: tuple[str, int]
    remote_rtcp: tuple[str, int]
    direction: Direction
    ptime_ms: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The description to send, and what it agrees to."""

    description: SessionDescription
    parameters: AudioParameters


_CODECS = {PCMU: Codec.PCMU, PCMA: Codec.PCMA}
_DIRECTIONS = {direction.value: direction for direction in Direction}


def answer_offer(offer: SessionDescription, local: LocalMedia) -> Answer:
    """Answer an offer, the first or a later one: the first audio stream that we can serve.

    Among our codecs the offerer's order decides. Raises NotAcceptableError.
    """
    index, parameters = _choose_stream(offer, local)
    chosen = _answer_media(offer.media[index], parameters, local)
    description = SessionDescription(
        origin=_origin(local),
        connection=_connection(local),
        # "The "t=" line in the answer MUST exactly match that of the offer" (section 6).
        other_lines=tuple(line for line in offer.other_lines if line.kind == "t")
        or (Line("t", "0 0"),),
        media=tuple(
            chosen if position == index else _refuse(media)
            for position, media in enumerate(offer.media)
        ),
    )
    return Answer(description, parameters)


def make_offer(
    local: LocalMedia, *, codecs: Sequence[Codec] = (Codec.PCMU, Codec.PCMA)
) -> SessionDescription:
    """Offer audio in `codecs`, the preferred one first, and keys as telephone-event."""
    formats = [(codec.static_payload_type, codec) for codec in codecs]
    media = MediaDescription(
        kind="audio",
        port=local.port,
        protocol=_PROFILE,
        formats=(
            *(str(payload_type) for payload_type, _ in formats),
            str(_OFFERED_TELEPHONE_EVENT_PAYLOAD_TYPE),
        ),
        attributes=(
            *(_rtpmap(payload_type, codec.value) for payload_type, codec in formats),
            *_event_attributes(_OFFERED_TELEPHONE_EVENT_PAYLOAD_TYPE, "0-15"),
            Attribute("ptime", str(PTIME_MS)),
            Attribute(Direction.SENDRECV.value),
        ),
    )
    return SessionDescription(
        origin=_origin(local),
        connection=_connection(local),
        other_lines=(Line("t", "0 0"),),
        media=(media,),
    )


def read_answer(offer: SessionDescription, answer: SessionDescription) -> AudioParameters:
    """What the answer to our own offer agrees to. Raises NotAcceptableError."""
    index = next(
        (position for position, media in enumerate(offer.media) if _is_open_audio(media)), None
    )
    # "The answer MUST contain the same number of "m=" lines as the offer" (section 6).
    if index is None or len(answer.media) != len(offer.media):
        raise NotAcceptableError(_WARNING_MISCELLANEOUS, "The answer does not match the offer")
    ours, theirs = offer.media[index], answer.media[index]
    offered = set(read_formats(ours).values())
    formats = {
        payload_type: media_format
        for payload_type, media_format in read_formats(theirs).items()
        if media_format in offered
    }
    connection = ours.connection or offer.connection
    parameters = _accept(theirs, answer, formats, connection.address if connection else "")
    our_direction = _direction(ours, offer)
    return AudioParameters(
        codec=parameters.codec,
        payload_type=parameters.payload_type,
        telephone_event_payload_type=parameters.telephone_event_payload_type,
        remote=parameters.remote,
        remote_rtcp=parameters.remote_rtcp,
        direction=_direction_of(
            can_send=parameters.direction.can_send and our_direction.can_send,
            can_receive=parameters.direction.can_receive and our_direction.can_receive,
        ),
        ptime_ms=PTIME_MS,
    )


def _choose_stream(offer: SessionDescription, local: LocalMedia) -> tuple[int, AudioParameters]:
    """The first audio stream that we can serve; if there is none, the first one's refusal."""
    refusal: tuple[int, str] | None = None
    for index, media in enumerate(offer.media):
        if not _is_open_audio(media):
            continue
        try:
            return index, _accept(media, offer, read_formats(media), local.address)
        except NotAcceptableError as error:
            refusal = refusal or (error.warning_code, error.text)
    raise NotAcceptableError(*(refusal or (_WARNING_MEDIA_TYPE, "Only audio is available")))


def _is_open_audio(media: MediaDescription) -> bool:
    return media.kind.lower() == "audio" and media.port != 0


def _accept(
    media: MediaDescription,
    session: SessionDescription,
    formats: dict[int, str],
    local_address: str,
) -> AudioParameters:
    """What we do with the peer's stream, of whose formats `formats` are left to us."""
    if not _is_open_audio(media):
        raise NotAcceptableError(_WARNING_MEDIA_TYPE, "No audio stream")
    if media.protocol.upper() != _PROFILE:
        raise NotAcceptableError(_WARNING_TRANSPORT, "Only RTP/AVP is available")
    payload_type = next((number for number in formats if formats[number] in _CODECS), None)
    if payload_type is None:
        raise NotAcceptableError(_WARNING_MEDIA_FORMAT, "Only PCMU and PCMA are available")
    events = next((number for number in formats if formats[number] == TELEPHONE_EVENT), None)
    address = _remote_address(media.connection or session.connection, local_address)
    shares_port = _shares_port(media, payload_type, events)
    direction = _direction(media, session)
    return AudioParameters(
        codec=_CODECS[formats[payload_type]],
        payload_type=payload_type,
        telephone_event_payload_type=events,
        remote=(str(address), media.port),
        remote_rtcp=(str(address), media.port) if shares_port else rtcp_address(media, address),
        direction=_direction_of(
            # Hold as in RFC 2543: no address to send to (RFC 3264 section 8.4).
            can_send=direction.can_receive and not address.is_unspecified,
            can_receive=direction.can_send,
        ),
        ptime_ms=PTIME_MS,
    )


def _remote_address(connection: Connection | None, local_address: str) -> IPv4Address | IPv6Address:
    """Where the peer wants its packets; unspecified means hold."""
    address = parse_address(connection.address) if connection is not None else None
    if address is None:
        raise NotAcceptableError(
            _WARNING_ADDRESS_FORMAT, "The connection address must be a numeric IP address"
        )
    if address.is_multicast:
        raise NotAcceptableError(_WARNING_MULTICAST, "Multicast is not available")
    if not address.is_unspecified and not can_be_sent_to(address, local_address):
        raise NotAcceptableError(
            _WARNING_ADDRESS_FORMAT, "The connection address cannot be reached from here"
        )
    return address


def _shares_port(media: MediaDescription, payload_type: int, events: int | None) -> bool:
    """Whether RTCP travels on the RTP port (RFC 5761): offered, and no payload type forbids it."""
    return (
        media.has("rtcp-mux")
        and payload_type not in _RTCP_CONFLICTS
        and events not in _RTCP_CONFLICTS
    )


def _direction(media: MediaDescription, session: SessionDescription) -> Direction:
    """The stream's direction, else the session's, else sendrecv (RFC 8866 section 6.7)."""
    for attribute in (*media.attributes, *session.attributes):
        if attribute.value is None and attribute.name in _DIRECTIONS:
            return _DIRECTIONS[attribute.name]
    return Direction.SENDRECV


def _direction_of(*, can_send: bool, can_receive: bool) -> Direction:
    if can_send:
        return Direction.SENDRECV if can_receive else Direction.SENDONLY
    return Direction.RECVONLY if can_receive else Direction.INACTIVE


def _answer_media(
    media: MediaDescription, parameters: AudioParameters, local: LocalMedia
) -> MediaDescription:
    """Our line for the accepted stream: one codec, the events, the payload types as offered."""
    events = parameters.telephone_event_payload_type
    formats = [str(parameters.payload_type)]
    attributes = [_rtpmap(parameters.payload_type, parameters.codec.value)]
    if events is not None:
        formats.append(str(events))
        attributes += _event_attributes(events, _events_range(media, events))
    attributes.append(Attribute("ptime", str(PTIME_MS)))
    attributes.append(Attribute(parameters.direction.value))
    if _shares_port(media, parameters.payload_type, events):
        attributes.append(Attribute("rtcp-mux"))
    return MediaDescription(
        kind=media.kind,
        port=local.port,
        protocol=media.protocol,
        formats=tuple(formats),
        attributes=tuple(attributes),
    )


def _refuse(media: MediaDescription) -> MediaDescription:
    """Port 0; formats are ignored, but "at least one MUST be present" (RFC 3264 section 6)."""
    return MediaDescription(
        kind=media.kind, port=0, protocol=media.protocol, formats=media.formats or ("0",)
    )


def _events_range(media: MediaDescription, payload_type: int) -> str:
    """The events that we understand: keys, and hook flash (16) where it was offered."""
    offered = Attribute("fmtp", f"{payload_type} 0-16") in media.attributes
    return "0-16" if offered else "0-15"


def _event_attributes(payload_type: int, events: str) -> list[Attribute]:
    return [
        _rtpmap(payload_type, "telephone-event"),
        Attribute("fmtp", f"{payload_type} {events}"),
    ]


def _rtpmap(payload_type: int, name: str) -> Attribute:
    return Attribute("rtpmap", f"{payload_type} {name}/8000")


def _origin(local: LocalMedia) -> Origin:
    return Origin(
        "-", str(local.session_id), str(local.version), "IN", _family(local), local.address
    )


def _connection(local: LocalMedia) -> Connection:
    return Connection("IN", _family(local), local.address)


def _family(local: LocalMedia) -> str:
    return "IP6" if ":" in local.address else "IP4"
