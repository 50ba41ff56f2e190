"""What should happen, said by the SIP core and done by `transport.user_agent`.

Transactions and dialogs use the first group among themselves as well; the second group speaks to
the application. A session is one INVITE dialog, numbered by the endpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_edge.sip.flow import Flow, NextHop
    from sip_edge.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes on a flow that exists: a response, or anything sent again.

    For a response over a stream whose connection is gone, RFC 3261 18.2.2 would open a new one; the
    shell may. `status` is the response's code the first time it is sent, 0 for all else.
    """

    data: bytes
    flow: Flow
    status: int = 0


@dataclass(frozen=True, slots=True)
class SendTo:
    """Send a request to its next hop, resolving a name and opening a connection if need be.

    `flow` is None, or a flow of the dialog that leads to `hop`, which is to be used as long as it
    is open: over a stream without a route set it is perhaps the only way to a peer behind a NAT,
    whatever host `hop` names. If sending fails, `Endpoint.send_failed(key, now)` is to be told; a
    repetition, and the ACK for an error, have the key of the first.
    """

    data: bytes
    hop: NextHop
    flow: Flow | None
    key: str


@dataclass(frozen=True, slots=True)
class InviteReceived:
    """A new call. 100 is already among the effects. `request` is the initial INVITE."""

    session: int
    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The ACK for our 2xx arrived; its body is the answer if our 2xx carried an offer."""

    session: int
    request: Request


@dataclass(frozen=True, slots=True)
class ProvisionalAcknowledged:
    """The PRACK for a provisional response that carried our offer; its body is the answer."""

    session: int
    request: Request


@dataclass(frozen=True, slots=True)
class RefreshAnswered:
    """The 2xx to a re-INVITE of ours that offered what is in force; its body is the answer."""

    session: int
    response: Response


@dataclass(frozen=True, slots=True)
class OfferReceived:
    """A re-INVITE (or UPDATE, or PRACK): answer with `accept_offer` or `reject_offer`.

    An empty body in a re-INVITE asks for an offer in our 2xx; its answer comes with `Acknowledged`.
    """

    session: int
    request: Request


@dataclass(frozen=True, slots=True)
class InfoReceived:
    """An INFO within the dialog whose body can be read; it was already answered 200."""

    session: int
    request: Request


@dataclass(frozen=True, slots=True)
class ResponseReceived:
    """A response to a request that `Endpoint.send_request` sent within a session."""

    session: int
    response: Response


@dataclass(frozen=True, slots=True)
class ProgressReceived:
    """A provisional response to an INVITE of ours, 100 included."""

    session: int
    response: Response


@dataclass(frozen=True, slots=True)
class AnswerReceived:
    """The first 2xx to an INVITE of ours; its ACK is already among the effects."""

    session: int
    response: Response


@dataclass(frozen=True, slots=True)
class Refused:
    """An INVITE of ours failed. `response` is None if nothing came or nothing could be sent."""

    session: int
    response: Response | None


class EndCause(Enum):
    """Why a session ended. SESSION_EXPIRED: no refresh came in time, or none succeeded."""

    CANCELLED = "cancelled"
    BYE_RECEIVED = "bye_received"
    NO_ACK = "no_ack"
    PEER_GONE = "peer_gone"
    SESSION_EXPIRED = "session_expired"
    HUNG_UP = "hung_up"


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session that was announced by `InviteReceived` or `AnswerReceived` is over.

    `reason` is the value of the peer's Reason header (RFC 3326), if it sent one. Said once a
    session; not said of an initial INVITE that we refused. Said, instead of `Refused`, of an
    INVITE of ours whose 2xx crossed our CANCEL.
    """

    session: int
    cause: EndCause
    reason: str | None


class Event(Enum):
    """Things worth counting.

    RATE_LIMIT: a request that began something one too many; FLOOD: a datagram that was not read,
    or a connection that is not for a while, because its source sent too many (the shell's).
    """

    RETRANSMISSION_RECEIVED = "retransmission_received"
    RETRANSMISSION_SENT = "retransmission_sent"
    PARSE_ERROR = "parse_error"
    STRAY_RESPONSE = "stray_response"
    STRAY_ACK = "stray_ack"
    MERGED_REQUEST = "merged_request"
    UNKNOWN_DIALOG = "unknown_dialog"
    TRANSACTION_LIMIT = "transaction_limit"
    SESSION_LIMIT = "session_limit"
    SESSION_EXPIRED = "session_expired"
    RATE_LIMIT = "rate_limit"
    FLOOD = "flood"


@dataclass(frozen=True, slots=True)
class Noted:
    """Something was seen that operators count."""

    event: Event


SessionEffect = (
    Acknowledged
    | ProvisionalAcknowledged
    | RefreshAnswered
    | OfferReceived
    | InfoReceived
    | ResponseReceived
    | ProgressReceived
    | AnswerReceived
    | Refused
    | SessionEnded
)
"""What concerns one session; its owner is told."""

Effect = Send | SendTo | Noted | InviteReceived | SessionEffect
