"""What a transaction hands on: things to send, and what its user has to know."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sip_edge.sip.effects import Noted, Send, SendTo
from sip_edge.sip.message import Request, Response


@dataclass(frozen=True, slots=True)
class PassToUser:
    """The transaction's user (a session, or the endpoint) is to have this message."""

    message: Request | Response


class Failure(Enum):
    """Why a transaction ended without what it was waiting for."""

    TIMEOUT = "timeout"
    TRANSPORT = "transport"


@dataclass(frozen=True, slots=True)
class TransactionFailed:
    """No final response came (client) or no ACK (server), or nothing could be sent."""

    failure: Failure


TransactionEffect = Send | SendTo | Noted | PassToUser | TransactionFailed
