"""What offer and answer are about: codecs, directions, our end of it, and what was agreed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sip_edge.media.sdes import PLAIN, SrtpKeys, SrtpTerms

if TYPE_CHECKING:
    from sip_edge.media.sdp import SessionDescription


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
    `answer_offer` adds one to `version` for each new description (RFC 3264 section 8). `srtp` says
    whether the sound may, must or must not be encrypted.
    """

    address: str
    port: int
    session_id: int
    version: int
    srtp: SrtpTerms = PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioParameters:
    """What was agreed. `direction` is ours: what we may do.

    `remote` and `remote_rtcp` are numeric address and port; they are equal where RTP and RTCP share
    a port. The address is 0.0.0.0 or :: only while `direction` forbids to send. `ptime_ms` is how
    much sound the other side wants in a packet, `srtp` None where nothing is encrypted.
    """

    codec: Codec
    payload_type: int
    telephone_event_payload_type: int | None
    remote: tuple[str, int]
    remote_rtcp: tuple[str, int]
    direction: Direction
    ptime_ms: int
    srtp: SrtpKeys | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The description to send, and what it agrees to."""

    description: SessionDescription
    parameters: AudioParameters
