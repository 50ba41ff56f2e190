"""What an endpoint says of itself, and its bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sip_edge.sip.timers import DEFAULT_TIMERS, TimerSettings

ALLOWED_METHODS: Final = (
    "INVITE",
    "ACK",
    "CANCEL",
    "BYE",
    "OPTIONS",
    "INFO",
    "UPDATE",
    "PRACK",
    "NOTIFY",
)
"""What we do something sensible with. REFER is not among them: it is refused with 405, which RFC
3261 8.2.1 wants for a method that is known and not taken; the call that it came in goes on."""

ACCEPTED_TYPES: Final = ("application/sdp", "multipart/mixed")
"""Bodies of INVITE and UPDATE; gateways wrap SDP and ISUP into multipart/mixed."""

INFO_TYPES: Final = ("application/dtmf-relay", "application/dtmf")
"""Bodies of INFO: keys, in the two ways in which gateways write them."""

SUPPORTED_OPTIONS: Final = ("timer", "100rel")
"""Extensions that a caller may require: RFC 4028 and RFC 3262."""

REQUESTED_OPTIONS: Final = ("timer",)
"""Extensions that a callee of ours may use. Not 100rel: we send no PRACK."""

SESSION_EXPIRES: Final = 1_800
"""Seconds: what RFC 4028 section 4 recommends. A refresh goes out every quarter of an hour."""

MIN_SE: Final = 90
"""Seconds: the least that RFC 4028 section 5 lets anybody ask for."""

MAX_SESSIONS: Final = 2_000
"""Ten times the bridged calls that one process carries; one costs about 10 KiB."""

MAX_TRANSACTIONS: Final = 65_536
"""Those of 32 s (64*T1) at 1,000 calls a second; one costs about 2 KiB."""


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Settings of one endpoint.

    `public_host` and the ports are what Contact and Via advertise (a name, or an address without
    brackets); `contact_user` is the user part of Contact, by which a datagram finds its process;
    `user_agent` is the value of Server and User-Agent. `supported` lists the option tags of our
    responses, `requested` those of our INVITEs. `session_expires` and `min_se` are seconds. Without
    `has_tls` nobody listens at the TLS port: a SIPS URI cannot be ours then.
    """

    public_host: str
    public_port: int
    contact_user: str
    user_agent: str
    public_tls_port: int = 5061
    has_tls: bool = True
    timers: TimerSettings = DEFAULT_TIMERS
    max_sessions: int = MAX_SESSIONS
    max_transactions: int = MAX_TRANSACTIONS
    allow: tuple[str, ...] = ALLOWED_METHODS
    accept: tuple[str, ...] = ACCEPTED_TYPES
    info_types: tuple[str, ...] = INFO_TYPES
    supported: tuple[str, ...] = SUPPORTED_OPTIONS
    requested: tuple[str, ...] = REQUESTED_OPTIONS
    session_expires: int = SESSION_EXPIRES
    min_se: int = MIN_SE
