"""What is known about a number, and the plan for a call to it, as values.

The records are `msgspec.Struct`s outside the garbage collector's sight: an edge holds hundreds of
thousands of them, and a full collection over as many dataclasses stops all speech for 30 ms.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from sip_edge.routing.refusal import Refusal


class AgentStatus(Enum):
    """`agents.status`: only an active agent is offered calls."""

    ACTIVE = "active"
    PAUSED = "paused"
    DELETED = "deleted"


class AccountCheck(Enum):
    """What to do about a call that names another account than its number's (`account_check`)."""

    OFF = "off"
    LOG = "log"
    ENFORCE = "enforce"


class AbnormalEnd(Enum):
    """What a worker's connection that drops in mid-call means (`worker_options.abnormal_end`)."""

    FAILOVER = "failover"
    HANG_UP = "hangup"


class WorkerOptions(msgspec.Struct, frozen=True, gc=False):
    """`agents.worker_options`, validated. Times in seconds; None means the edge's own setting.

    `bearer_token` and `signing_secret` are names of environment variables (`env:NAME` in the row),
    never secrets themselves.
    """

    accept_timeout_seconds: float | None = None
    first_audio_timeout_seconds: float | None = None
    abnormal_end: AbnormalEnd = AbnormalEnd.FAILOVER
    bearer_token: str | None = None
    signing_secret: str | None = None


class AgentRecord(msgspec.Struct, frozen=True, gc=False):
    """A row of `agents`. `problem` says why the row cannot be used, None if it can."""

    agent_id: str
    name: str
    status: AgentStatus
    worker_url: str | None
    options: WorkerOptions
    voicemail_message: str | None
    language: str | None
    problem: str | None = None


class NumberRecord(msgspec.Struct, frozen=True, gc=False):
    """A row of `phone_numbers` with its `inbound_routing` taken apart.

    `primary_id` and `fallback_id` are what the row names; the agents are looked up when a call
    comes, so that a change to an agent touches no number. `has_routing` is False for SQL NULL,
    JSON `null` and `{}`: the number is outbound-only. `account_sid` is the account at the provider
    that the number was bought in, if that is known; `max_calls` how many calls to it may go on at
    once, None if that is not limited.
    """

    number_id: str
    phone_number: str
    provider: str
    status: str
    has_routing: bool
    primary_id: str | None
    fallback_id: str | None
    voicemail_message: str | None
    account_sid: str | None = None
    max_calls: int | None = None
    problem: str | None = None
    workspace_id: str | None = None


class Route(msgspec.Struct, frozen=True, gc=False):
    """A number and the agents it names, joined at look-up; None where no such agent exists."""

    number: NumberRecord
    primary: AgentRecord | None
    fallback: AgentRecord | None
    is_stale: bool = False


class Role(Enum):
    """In which role an agent is tried."""

    PRIMARY = "primary"
    FALLBACK = "fallback"


@dataclass(frozen=True, slots=True)
class AgentTarget:
    """An agent that may be offered the call."""

    role: Role
    agent: AgentRecord


@dataclass(frozen=True, slots=True)
class VoicemailMessage:
    """The text that a caller hears before the beep; whose agent, and workspace, is answered."""

    text: str
    language: str | None
    agent_id: str | None = None
    workspace_id: str | None = None


@dataclass(frozen=True, slots=True)
class SkippedAgent:
    """An agent that the number names and that is not offered the call, and why.

    `why` is one of `missing`, `paused`, `deleted`, `misconfigured`.
    """

    role: Role
    agent_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Reject:
    """The call is refused without asking any agent."""

    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Connect:
    """Offer the call to `targets` in order; then voicemail; then `refusal_if_unanswered`.

    `targets` is empty when all agents are skipped; then `refusal_if_unanswered` says so.
    """

    targets: tuple[AgentTarget, ...]
    skipped: tuple[SkippedAgent, ...]
    voicemail: VoicemailMessage | None
    refusal_if_unanswered: Refusal


RoutePlan = Reject | Connect
