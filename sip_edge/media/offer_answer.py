"""Offer and answer (RFC 3264): which sound goes where, in which codec.

One audio stream in G.711 under RTP/AVP or, encrypted by SDES, RTP/SAVP; every other stream of an
offer is refused with port 0. An offer that leaves us no such stream raises NotAcceptableError,
which names the warning code of RFC 3261 section 20.43 for the 488.

Decisions that the RFCs leave open:

* Packets are as long as the offer's `a=ptime` asks, within `a=maxptime` and 10 to 60 ms, and our
  answer says the same length; where nothing is asked for, 20 ms.
* A host name in `c=` is legal, but would put a DNS query between INVITE and answer, by a name that
  the caller chose. No carrier sends one. It is refused with warning 301.
* What the answer need not take up (ICE, BUNDLE and other groups, codecs and events that we lack)
  is left out of it, which tells the offerer that it is not used (RFC 8839 section 4.2.5, RFC 5888
  section 9.1).
* See `sdes` for what is encrypted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sip_edge.media.agreement import (
    Answer,
    AudioParameters,
    Codec,
    Direction,
    LocalMedia,
    NotAcceptableError,
)
from sip_edge.media.media_address import can_be_sent_to, parse_address, rtcp_address
from sip_edge.media.ptime import PTIME_MS, packet_length
from sip_edge.media.rtp import RTCP_CONFLICTS
from sip_edge.media.rtpmap import PCMA, PCMU, TELEPHONE_EVENT, read_formats
from sip_edge.media.sdes import SAVP, SrtpKeys, SrtpPolicy, read_crypto_lines
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

    from sip_edge.media.sdes import SrtpTerms

__all__ = [
    "Answer",
    "AudioParameters",
    "Codec",
    "Direction",
    "LocalMedia",
    "NotAcceptableError",
    "answer_offer",
    "make_offer",
    "read_answer",
]

_AVP = "RTP/AVP"
_OFFERED_TELEPHONE_EVENT_PAYLOAD_TYPE = 101
"""Dynamic, so any would do; both carriers and nearly every telephone use this one."""

_WARNING_ADDRESS_FORMAT = 301
_WARNING_TRANSPORT = 302
_WARNING_MEDIA_TYPE = 304
_WARNING_MEDIA_FORMAT = 305
_WARNING_ATTRIBUTE = 306
_WARNING_MULTICAST = 330
_WARNING_MISCELLANEOUS = 399


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
    """Offer audio in `codecs`, the preferred one first, and keys as telephone-event.

    It is plain RTP, unless SRTP is in use or required.
    """
    crypto = local.srtp.offer_lines()
    in_use = local.srtp.in_use
    formats = [(codec.static_payload_type, codec) for codec in codecs]
    media = MediaDescription(
        kind="audio",
        port=local.port,
        protocol=in_use.profile if in_use is not None else SAVP if crypto else _AVP,
        formats=(
            *(str(payload_type) for payload_type, _ in formats),
            str(_OFFERED_TELEPHONE_EVENT_PAYLOAD_TYPE),
        ),
        attributes=(
            *(line.attribute() for line in crypto),
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
    if not _is_open_audio(theirs):
        raise NotAcceptableError(_WARNING_MEDIA_TYPE, "No audio stream")
    offered = set(read_formats(ours).values())
    formats = {
        payload_type: media_format
        for payload_type, media_format in read_formats(theirs).items()
        if media_format in offered
    }
    connection = ours.connection or offer.connection
    keys = _answered_keys(ours, theirs)
    parameters = _accept(theirs, answer, formats, connection.address if connection else "", keys)
    our_direction = _direction(ours, offer)
    return replace(
        parameters,
        direction=_direction_of(
            can_send=parameters.direction.can_send and our_direction.can_send,
            can_receive=parameters.direction.can_receive and our_direction.can_receive,
        ),
    )


def _choose_stream(offer: SessionDescription, local: LocalMedia) -> tuple[int, AudioParameters]:
    """The first audio stream that we can serve; if there is none, the first one's refusal."""
    refusal: tuple[int, str] | None = None
    for index, media in enumerate(offer.media):
        if not _is_open_audio(media):
            continue
        try:
            keys = _offered_keys(media, local.srtp)
            return index, _accept(media, offer, read_formats(media), local.address, keys)
        except NotAcceptableError as error:
            refusal = refusal or (error.warning_code, error.text)
    raise NotAcceptableError(*(refusal or (_WARNING_MEDIA_TYPE, "Only audio is available")))


def _is_open_audio(media: MediaDescription) -> bool:
    return media.kind.lower() == "audio" and media.port != 0


def _offered_keys(media: MediaDescription, terms: SrtpTerms) -> SrtpKeys | None:
    """The keys for an offered stream; None for plain RTP."""
    profile = media.protocol.upper()
    if terms.policy is SrtpPolicy.OFF:
        if profile != _AVP:
            raise NotAcceptableError(_WARNING_TRANSPORT, "Only RTP/AVP is available")
        return None
    if profile not in (_AVP, SAVP):
        raise NotAcceptableError(_WARNING_TRANSPORT, "Only RTP/AVP and RTP/SAVP are available")
    line = next(read_crypto_lines(media), None)
    if line is not None:
        return terms.answer_keys(line, profile)
    if profile == SAVP:
        raise NotAcceptableError(_WARNING_ATTRIBUTE, "No a=crypto that can be used")
    if terms.policy is SrtpPolicy.REQUIRED:
        raise NotAcceptableError(_WARNING_TRANSPORT, "Only RTP/SAVP with a=crypto is available")
    return None


def _answered_keys(ours: MediaDescription, theirs: MediaDescription) -> SrtpKeys | None:
    """The keys that the answer took from our offer; None for plain RTP."""
    if theirs.protocol.upper() != ours.protocol.upper():
        raise NotAcceptableError(_WARNING_TRANSPORT, f"Only {ours.protocol} was offered")
    offered = {line.tag: line for line in read_crypto_lines(ours)}
    if not offered:
        return None
    for line in read_crypto_lines(theirs):
        mine = offered.get(line.tag)
        if mine is not None and mine.suite is line.suite:
            return SrtpKeys(
                tag=line.tag,
                suite=line.suite,
                local_key=mine.key,
                remote_key=line.key,
                remote_mki=line.mki,
                profile=ours.protocol,
            )
    raise NotAcceptableError(_WARNING_ATTRIBUTE, "No a=crypto of the offer was taken")


def _accept(
    media: MediaDescription,
    session: SessionDescription,
    formats: dict[int, str],
    local_address: str,
    keys: SrtpKeys | None,
) -> AudioParameters:
    """What we do with the peer's stream, of whose formats `formats` are left to us."""
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
        ptime_ms=packet_length(media),
        srtp=keys,
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
        and payload_type not in RTCP_CONFLICTS
        and events not in RTCP_CONFLICTS
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
    attributes = [] if parameters.srtp is None else [parameters.srtp.line().attribute()]
    attributes.append(_rtpmap(parameters.payload_type, parameters.codec.value))
    if events is not None:
        formats.append(str(events))
        attributes += _event_attributes(events, _events_range(media, events))
    attributes.append(Attribute("ptime", str(parameters.ptime_ms)))
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
