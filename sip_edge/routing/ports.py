"""The ports of the application core: what `inbound` and `dispatch` need of the world.

Each is a small Protocol owned by this side and implemented by one adapter; tests implement them
again as doubles that pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from sip_edge.media.audio import AudioStream
    from sip_edge.routing.outcome import AgentEnd, AttemptFailure, EndedBy, Outcome
    from sip_edge.routing.plan import AgentRecord, Role, Route, VoicemailMessage
    from sip_edge.routing.refusal import Refusal
    from sip_edge.routing.timeline import CallTimeline


NO_ACCOUNT: Final = "AC" + "0" * 32
"""The `account_sid` of a call that names no account."""


class Clock(Protocol):
    """The loop's clock, in seconds."""

    def __call__(self) -> float: ...


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What an INVITE said about its call; made once, never changed.

    `called_number` and `caller_number` are E.164 or None; `caller` is the caller as the carrier
    wrote it (never a reason to refuse). `call_sid`, `stream_sid` and `account_sid` have the shape
    that Twilio's SDKs expect: `CA`, `MZ`, `AC` and 32 hexadecimal digits. `forwarded_headers` are
    the `X-` headers that the configuration lets through to workers.
    """

    call_id: str
    sip_call_id: str
    carrier: str
    provider: str | None
    called_number: str | None
    caller_number: str | None
    caller: str
    call_sid: str
    stream_sid: str
    account_sid: str
    forwarded_headers: Mapping[str, str] = field(default_factory=dict)


class InboundCall(Protocol):
    """The caller's leg, as the application core sees it.

    When the caller leaves (CANCEL, BYE) or the leg dies, the call's task is cancelled and
    `ended_by` says why.
    """

    @property
    def facts(self) -> CallFacts: ...

    @property
    def timeline(self) -> CallTimeline: ...

    @property
    def ended_by(self) -> EndedBy | None:
        """Who ended the call, None while it has not ended."""
        ...

    @property
    def peer_reason(self) -> str | None:
        """The Reason header with which the other side ended the call (RFC 3326)."""
        ...

    def prepare(self) -> Refusal | None:
        """Make ready to carry the call's sound; a refusal if its offer or our ports forbid it."""
        ...

    def ring(self) -> None:
        """Send 180, once."""
        ...

    def answer(self) -> AudioStream:
        """Send 200 with SDP and start sending silence; what is played is held until the ACK.

        Only after `prepare` found no obstacle.
        """
        ...

    def reject(self, refusal: Refusal) -> int | None:
        """Send the final response for `refusal` and return its status code.

        Nothing happens, and None is returned, if a final response was sent already.
        """
        ...

    def hang_up(self, ended_by: EndedBy) -> None:
        """Send BYE if the call was answered; nothing happens if it has ended."""
        ...


class RoutesUnavailableError(Exception):
    """The routes are stale, the number is not among them, and PostgreSQL cannot be asked."""


class NumberDirectory(Protocol):
    """Knows which way each number's calls go."""

    async def lookup(self, phone_number: str) -> Route | None:
        """The route of an E.164 number; None if there is certainly no such number.

        Raises RoutesUnavailableError when that cannot be known.
        """
        ...


class AgentUnavailableError(Exception):
    """The agent's worker did not take the call; `failure` says why, `detail` helps an operator."""

    def __init__(self, failure: AttemptFailure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail


@dataclass(frozen=True, slots=True)
class LostAgent:
    """The agent whose place another one takes in mid-call, and what it had been told.

    `seconds` is how long it had the caller; `digits` are the keys that were pressed meanwhile.
    """

    agent_id: str
    seconds: float
    digits: str


@dataclass(frozen=True, slots=True)
class AgentOffer:
    """A call offered to an agent. `attempt` counts from 1; times in seconds.

    `lost` is None unless the caller was talking with an agent that was lost.
    """

    facts: CallFacts
    role: Role
    attempt: int
    failover_reason: str | None
    accept_timeout_seconds: float
    lost: LostAgent | None


class AgentSession(Protocol):
    """A worker that has taken a call. It may be given up at any time without waiting."""

    @property
    def end(self) -> AgentEnd | None:
        """How the worker ended, None while it has not."""
        ...

    @property
    def has_spoken(self) -> bool:
        """True if sound came from the worker."""
        ...

    @property
    def digits(self) -> str:
        """The keys that the worker was told of, in order; the last ones if there were many."""
        ...

    def join(self, audio: AudioStream) -> None:
        """Connect the worker with the caller's sound; what it said before is played first."""
        ...

    async def wait_ended(self) -> AgentEnd:
        """Return when the worker has ended its part."""
        ...

    def hang_up(self) -> None:
        """Tell the worker that the call is over (`stop`, then close) and let go of it at once."""
        ...


class AgentGateway(Protocol):
    """Reaches agents' workers."""

    async def offer(
        self, agent: AgentRecord, offer: AgentOffer, timeline: CallTimeline
    ) -> AgentSession:
        """Offer the call; return once the worker has accepted it and was told of its start.

        Marks WORKER_CONNECT and WORKER_ACCEPT. Raises AgentUnavailableError. When cancelled, closes
        what it had opened.
        """
        ...


class Voicemail(Protocol):
    """Takes a message from a caller whom no agent could serve."""

    async def take_message(
        self,
        facts: CallFacts,
        timeline: CallTimeline,
        audio: AudioStream,
        message: VoicemailMessage,
    ) -> None:
        """Greet the caller of an answered call and record; return when the message is complete.

        Marks VOICEMAIL_START when the greeting begins. Cancelled when the caller hangs up: what was
        recorded by then is kept.
        """
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One agent that was offered the call. `failure` is None if it took it; seconds it needed."""

    role: Role
    agent_id: str
    seconds: float
    failure: AttemptFailure | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """A caller whose agent was lost in mid-call, how, and who took over after `seconds`.

    `to_role` is None if no agent did.
    """

    lost: AgentEnd
    to_role: Role | None
    seconds: float


@dataclass(slots=True)
class CallReport:
    """All that is said of a call at its end: one log line, one observation of each metric.

    `encryption` is that of the sound, "none" or "sdes:" and the suite; None if nothing was agreed.
    `is_other_account`: the call named another account than the number's, refused or not.
    `agent_id` and `role` are the last agent's that spoke with the caller; `workspace_id` is whose
    number was called, None if it is nobody's.
    """

    facts: CallFacts
    timeline: CallTimeline
    outcome: Outcome
    refusal: Refusal | None = None
    status: int | None = None
    ended_by: EndedBy | None = None
    peer_reason: str | None = None
    codec: str | None = None
    encryption: str | None = None
    agent_id: str | None = None
    role: Role | None = None
    agent_end: AgentEnd | None = None
    attempts: list[Attempt] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    is_stale_route: bool = False
    is_other_account: bool = False
    workspace_id: str | None = None


class SoundStatistics(Protocol):
    """What an RTP session counted while it lived. `jitter_ms` is RFC 3550's estimate."""

    @property
    def packets_sent(self) -> int: ...
    @property
    def packets_received(self) -> int: ...
    @property
    def packets_lost(self) -> int: ...
    @property
    def late(self) -> int: ...
    @property
    def strangers(self) -> int: ...
    @property
    def jitter_ms(self) -> float: ...


class CallObserver(Protocol):
    """Told of each call that is answered, and of each call once at its end. Must not raise."""

    def call_answered(self, report: CallReport) -> None:
        """The 200 went out; `outcome` says who answered: AGENT, FALLBACK or VOICEMAIL."""
        ...

    def call_ended(self, report: CallReport) -> None: ...
