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
    "NOTIFY",
)
"""What we do something sensible with. REFER is not among them: it is refused with 405."""

ACCEPTED_TYPES: Final = ("application/sdp", "multipart/mixed")
"""Bodies of INVITE and UPDATE; gateways wrap SDP and ISUP into multipart/mixed."""

MAX_SESSIONS: Final = 2_000
"""Ten times the bridged calls that one process carries; one costs about 10 KiB."""

MAX_TRANSACTIONS: Final = 65_536
"""Those of 32 s (64*T1) at 1,000 calls a second; one costs about 2 KiB."""


@dataclass(frozen=True, slots=True)
class EndpointSettings:
    """Settings of one endpoint.

    `public_host` and the ports are what Contact and Via advertise (a name, or an address without
    brackets); `contact_user` is the user part of Contact, by which a datagram finds its process;
    `user_agent` is the value of Server and User-Agent. `supported` lists option tags.
    """

    public_host: str
    public_port: int
    contact_user: str
    user_agent: str
    public_tls_port: int = 5061
    timers: TimerSettings = DEFAULT_TIMERS
    max_sessions: int = MAX_SESSIONS
    max_transactions: int = MAX_TRANSACTIONS
    allow: tuple[str, ...] = ALLOWED_METHODS
    accept: tuple[str, ...] = ACCEPTED_TYPES
    supported: tuple[str, ...] = ()
