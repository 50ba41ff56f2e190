"""The closed list of ways in which a call, an attempt or an agent's turn can end.

Metrics, log lines and call records share these words; a new way to end is added here.
"""

from __future__ import annotations

from enum import Enum


class Outcome(Enum):
    """How a call ended, seen from the caller. Every admitted INVITE gets exactly one."""

    AGENT = "agent"
    FALLBACK = "fallback"
    VOICEMAIL = "voicemail"
    REFUSED = "refused"
    UNAVAILABLE = "unavailable"
    CALLER_LEFT = "caller_left"
    OVERLOADED = "overloaded"
    NOT_ACKNOWLEDGED = "not_acknowledged"
    FAILED = "failed"


class EndedBy(Enum):
    """Who ended an answered call, or why it was not answered any more."""

    CALLER = "caller"
    AGENT = "agent"
    EDGE = "edge"
    MEDIA_TIMEOUT = "media_timeout"
    NO_ACK = "no_ack"
    TRANSPORT = "transport"
    AGENT_LOST = "agent_lost"
    DRAIN = "drain"
    INTERNAL = "internal"


class AttemptFailure(Enum):
    """Why an agent's worker did not take a call that was offered to it."""

    DNS = "dns"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    HTTP_STATUS = "http_status"
    BAD_HANDSHAKE = "bad_handshake"
    TIMEOUT = "timeout"
    CLOSED_EARLY = "closed_early"
    FORBIDDEN_ADDRESS = "forbidden_address"
    MISCONFIGURED = "misconfigured"
    DEADLINE = "deadline"
    INTERNAL = "internal"


class AgentEnd(Enum):
    """How an agent's worker ended its part of a call that it had taken.

    Only `HANG_UP` is a wish to end the call; the others are failures (decision 13 of the design).
    """

    HANG_UP = "hang_up"
    NO_CLOSE_FRAME = "no_close_frame"
    GOING_AWAY = "going_away"
    ERROR_CODE = "error_code"
    PING_TIMEOUT = "ping_timeout"
    NO_FIRST_AUDIO = "no_first_audio"
    FLOOD = "flood"
    PROTOCOL_ERROR = "protocol_error"

    @property
    def is_failure(self) -> bool:
        """True unless the worker asked for the call to end."""
        return self is not AgentEnd.HANG_UP
