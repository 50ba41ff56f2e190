"""All ports of the application core, faked in one place: what a call meets, and what it did."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from support.virtual_time import VirtualTimeLoop

from sip_edge.media.audio import AudioListener
from sip_edge.routing.dispatch import DispatchRules
from sip_edge.routing.inbound import InboundCallHandler
from sip_edge.routing.outcome import AgentEnd, AttemptFailure, EndedBy, Outcome
from sip_edge.routing.plan import (
    AbnormalEnd,
    AccountCheck,
    AgentRecord,
    AgentStatus,
    NumberRecord,
    Route,
    VoicemailMessage,
    WorkerOptions,
)
from sip_edge.routing.ports import (
    AgentOffer,
    AgentUnavailableError,
    CallFacts,
    CallReport,
    RoutesUnavailableError,
)
from sip_edge.routing.refusal import RESPONSES, Refusal
from sip_edge.routing.timeline import CallTimeline, Stage

NUMBER = "+12025550100"
PRIMARY = "11111111-1111-4111-8111-111111111111"
FALLBACK = "22222222-2222-4222-8222-222222222222"


def agent(
    agent_id: str = PRIMARY,
    *,
    status: AgentStatus = AgentStatus.ACTIVE,
    accept_timeout_seconds: float | None = None,
    abnormal_end: AbnormalEnd = AbnormalEnd.FAILOVER,
    voicemail_message: str | None = None,
) -> AgentRecord:
    return AgentRecord(
        agent_id=agent_id,
        name="agent",
        status=status,
        worker_url="ws://127.0.0.1:7860/ws",
        options=WorkerOptions(
            accept_timeout_seconds=accept_timeout_seconds, abnormal_end=abnormal_end
        ),
        voicemail_message=voicemail_message,
        language=None,
    )


def route(
    primary: AgentRecord | None = None,
    fallback: AgentRecord | None = None,
    *,
    has_routing: bool = True,
    status: str = "active",
    voicemail_message: str | None = None,
    account_sid: str | None = None,
    max_calls: int | None = None,
    is_stale: bool = False,
) -> Route:
    record = NumberRecord(
        number_id="33333333-3333-4333-8333-333333333333",
        phone_number=NUMBER,
        provider="twilio",
        status=status,
        has_routing=has_routing,
        primary_id=PRIMARY if has_routing else None,
        fallback_id=FALLBACK if has_routing and fallback is not None else None,
        voicemail_message=voicemail_message,
        account_sid=account_sid,
        max_calls=max_calls,
    )
    return Route(record, primary, fallback, is_stale)


@dataclass
class FakeAudio:
    """A stream on which nothing needs time unless `drain_seconds` says so."""

    drain_seconds: float = 0.0
    is_drained: bool = False
    log: list[str] = field(default_factory=list)

    def listen(self, listener: AudioListener | None) -> None: ...

    def play(self, ulaw: bytes) -> None:
        self.log.append(f"play {len(ulaw) / 8000:g} s at {self._elapsed():.3f}")

    def mark(self, name: str) -> None: ...

    def clear(self) -> None:
        self.log.append("clear")

    def trim(self) -> None:
        self.log.append("trim")

    async def drained(self) -> None:
        await asyncio.sleep(self.drain_seconds)
        self.is_drained = True

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - VirtualTimeLoop.BEGIN


class FakeCall:
    """A caller's leg that writes down what is done to it."""

    def __init__(
        self,
        *,
        called_number: str | None = NUMBER,
        obstacle: Refusal | None = None,
        account_sid: str = "AC" + "0" * 32,
    ) -> None:
        self.facts = CallFacts(
            call_id="44444444-4444-4444-8444-444444444444",
            sip_call_id="a-call",
            carrier="local",
            provider=None,
            called_number=called_number,
            caller_number="+12025550123",
            caller="sip:+12025550123@127.0.0.1",
            call_sid="CA" + "4" * 32,
            stream_sid="MZ" + "4" * 32,
            account_sid=account_sid,
        )
        clock = asyncio.get_running_loop().time
        self.timeline = CallTimeline(clock(), clock=clock)
        self.ended_by: EndedBy | None = None
        self.peer_reason: str | None = None
        self.audio = FakeAudio()
        self.log: list[str] = []
        self.leave_without_a_word = False
        """The caller's CANCEL comes while the worker accepts; the task is not told in time."""
        self.task: asyncio.Task[None] | None = None
        self._obstacle = obstacle
        self._is_final = False

    def prepare(self) -> Refusal | None:
        return self._obstacle

    def ring(self) -> None:
        self.log.append(f"180 at {self._elapsed():.3f}")

    def answer(self) -> FakeAudio:
        self._is_final = True
        self.timeline.mark(Stage.ANSWER)
        self.log.append(f"200 at {self._elapsed():.3f}")
        return self.audio

    def reject(self, refusal: Refusal) -> int | None:
        if self._is_final:
            return None
        self._is_final = True
        self.log.append(f"{RESPONSES[refusal].status} at {self._elapsed():.3f}")
        return RESPONSES[refusal].status

    def hang_up(self, ended_by: EndedBy) -> None:
        if self.ended_by is None and self.timeline.at(Stage.ANSWER) is not None:
            self.ended_by = ended_by
            self.log.append(f"BYE at {self._elapsed():.3f}")

    def is_cancelled(self, ended_by: EndedBy = EndedBy.CALLER) -> None:
        """The CANCEL arrives; the task has not been told yet."""
        self.ended_by = ended_by
        self._is_final = True

    def caller_leaves(self, ended_by: EndedBy = EndedBy.CALLER) -> None:
        """What the leg does when a CANCEL or BYE arrives."""
        self.is_cancelled(ended_by)
        assert self.task is not None
        self.task.cancel()

    def _elapsed(self) -> float:
        return asyncio.get_running_loop().time() - self.timeline.invite_at


class FakeSession:
    """A worker that has taken a call and ends after `seconds` (None: never)."""

    def __init__(self, end: AgentEnd | None = None, *, seconds: float | None = 0.0) -> None:
        self.end: AgentEnd | None = None
        self._wanted = end
        self._seconds = seconds
        self.is_joined = False
        self.hang_ups = 0
        self.digits = "42"
        self.has_spoken = False

    def join(self, audio: object) -> None:
        self.is_joined = True

    async def wait_ended(self) -> AgentEnd:
        if self._seconds is None or self._wanted is None:
            await asyncio.Event().wait()
        await asyncio.sleep(self._seconds or 0.0)
        assert self._wanted is not None
        self.end = self._wanted
        return self._wanted

    def hang_up(self) -> None:
        self.hang_ups += 1


@dataclass
class Worker:
    """How an agent's worker takes an offer: after `seconds`, with a session or a failure.

    A list holds the sessions of one offer after the other; when it is used up, the worker fails.
    """

    session: FakeSession | list[FakeSession] | None = None
    failure: AttemptFailure = AttemptFailure.REFUSED
    seconds: float = 0.0
    is_broken: bool = False
    was_cancelled: bool = False


@dataclass
class FakeWorld:
    """Directory, agents, voicemail and observer; the test fills in what they know."""

    routes: dict[str, Route] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    refuse_all: Refusal | None = None
    is_directory_down: bool = False
    has_voicemail: bool = False
    offers: list[AgentOffer] = field(default_factory=list)
    messages: list[VoicemailMessage] = field(default_factory=list)
    answers: list[Outcome] = field(default_factory=list)
    """What each call's outcome was when it had been answered."""
    reports: list[CallReport] = field(default_factory=list)
    calls_ahead: int = 0
    account_check: AccountCheck = AccountCheck.OFF
    lookup_seconds: float = 0.0
    message_seconds: float = 0.0
    call: FakeCall | None = None

    async def lookup(self, phone_number: str) -> Route | None:
        await asyncio.sleep(self.lookup_seconds)
        if self.is_directory_down:
            raise RoutesUnavailableError
        return self.routes.get(phone_number)

    async def offer(
        self, record: AgentRecord, offer: AgentOffer, timeline: CallTimeline
    ) -> FakeSession:
        self.offers.append(offer)
        worker = self.workers[record.agent_id]
        if worker.is_broken:
            raise ZeroDivisionError("a defect in an adapter")
        if self.call is not None and self.call.leave_without_a_word:
            self.call.is_cancelled()
        try:
            async with asyncio.timeout(offer.accept_timeout_seconds):
                await asyncio.sleep(worker.seconds)
        except TimeoutError:
            raise AgentUnavailableError(AttemptFailure.TIMEOUT, "no answer") from None
        except asyncio.CancelledError:
            worker.was_cancelled = True
            raise
        session = worker.session
        if isinstance(session, list):
            session = session.pop(0) if session else None
        if session is None:
            raise AgentUnavailableError(worker.failure, "the worker said no")
        return session

    async def take_message(
        self,
        facts: CallFacts,
        timeline: CallTimeline,
        audio: FakeAudio,
        message: VoicemailMessage,
    ) -> None:
        self.messages.append(message)
        await asyncio.sleep(self.message_seconds)

    def call_answered(self, report: CallReport) -> None:
        self.answers.append(report.outcome)

    def call_ended(self, report: CallReport) -> None:
        self.reports.append(report)

    def handler(self) -> InboundCallHandler:
        return InboundCallHandler(
            calls_ahead=lambda call: self.calls_ahead,
            account_check=self.account_check,
            admission=lambda call: self.refuse_all,
            directory=self,
            agents=self,
            voicemail=self if self.has_voicemail else None,
            observer=self,
            clock=asyncio.get_running_loop().time,
            rules=DispatchRules(
                accept_timeout_seconds=0.9, ringing_after_seconds=2.0, deadline_seconds=10.0
            ),
        )

    async def serve(self, call: FakeCall, *, leaves_after: float | None = None) -> CallReport:
        """One call from INVITE to its end; the caller leaves after so many seconds."""
        self.call = call
        task = asyncio.create_task(self.handler().handle_invite(call))
        call.task = task
        if leaves_after is not None:
            asyncio.get_running_loop().call_later(leaves_after, call.caller_leaves)
        await asyncio.wait([task])
        if not task.cancelled() and task.exception() is not None:
            call.log.append(type(task.exception()).__name__)
        (report,) = self.reports
        return report
