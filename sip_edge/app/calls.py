"""The calls that are going on: started here, one task each, counted, and ended when we must go."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from typing import TYPE_CHECKING

from sip_edge.routing.outcome import EndedBy
from sip_edge.routing.refusal import Refusal
from sip_edge.routing.timeline import CallTimeline, Stage
from sip_edge.tasks import spawn
from sip_edge.transport.call_facts import call_facts
from sip_edge.transport.ids import call_uuid
from sip_edge.transport.inbound_leg import InboundLeg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sip_edge.routing.inbound import InboundCallHandler
    from sip_edge.routing.ports import CallFacts, CallReport, InboundCall
    from sip_edge.sip.effects import InviteReceived
    from sip_edge.sip.flow import Flow
    from sip_edge.sip.message import Request
    from sip_edge.transport.media_port import MediaPort
    from sip_edge.transport.rtp_session import RtpStatistics
    from sip_edge.transport.sources import Carrier
    from sip_edge.transport.user_agent import UserAgent

    CarrierOf = Callable[[Request, Flow], Carrier | None]
    SourceOf = Callable[[Request, Flow], str | None]
    CallAnswered = Callable[[CallReport], None]
    CallEnd = Callable[[CallReport, RtpStatistics | None], None]


class Calls:
    """Gives each INVITE its leg and its task, and keeps the books of who is on the line."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        carrier_of: CarrierOf,
        source_of: SourceOf,
        is_overloaded: Callable[[], bool],
        media: MediaPort,
        max_calls: int,
        max_call_seconds: float,
        forward_headers: Sequence[str],
        on_call_started: Callable[[CallFacts, float], None],
        on_call_answered: CallAnswered,
        on_call_ended: CallEnd,
        on_change: Callable[[int], None],
    ) -> None:
        self._loop = loop
        self._carrier_of = carrier_of
        self._source_of = source_of
        self._is_overloaded = is_overloaded
        self._media = media
        self._max_calls = max_calls
        self._max_call_seconds = max_call_seconds
        self._forward_headers = forward_headers
        self._on_call_started = on_call_started
        self._on_call_answered = on_call_answered
        self._on_call_ended = on_call_ended
        self._on_change = on_change
        self._tasks: dict[InboundLeg, asyncio.Task[None]] = {}
        self._legs: dict[str, InboundLeg] = {}
        self._refused: dict[str, Refusal] = {}
        self._by_number: Counter[str] = Counter()
        self._ahead: dict[str, int] = {}
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self.is_draining = False

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def is_full(self) -> bool:
        """True if a call that came now would be one too many."""
        return len(self._tasks) - len(self._refused) >= self._max_calls

    def calls_ahead(self, call: InboundCall) -> int:
        """How many calls to the same number were going on when this one came."""
        return self._ahead.get(call.facts.call_id, 0)

    def admission(self, call: InboundCall) -> Refusal | None:
        """Why a call may not come in; decided when its INVITE arrived, so that the newest lose."""
        return self._refused.get(call.facts.call_id)

    def start(
        self,
        effect: InviteReceived,
        received_at: float,
        *,
        user_agent: UserAgent,
        handler: InboundCallHandler,
    ) -> InboundLeg | None:
        """A new INVITE, whose 100 has just gone out: make its leg and start its task."""
        timeline = CallTimeline(received_at, clock=user_agent.now)
        timeline.mark(Stage.TRYING)
        carrier = self._carrier_of(effect.request, effect.flow)
        if carrier is None:
            # The listeners let no stranger in; a carrier that lost its place meanwhile gets 503.
            user_agent.perform(user_agent.endpoint.reject(effect.session, 503, user_agent.now()))
            return None
        facts = call_facts(
            effect.request,
            carrier=carrier,
            call_id=call_uuid(),
            forward_headers=self._forward_headers,
        )
        leg = InboundLeg(
            user_agent=user_agent,
            media=self._media.towards(carrier, self._source_of(effect.request, effect.flow)),
            session=effect.session,
            request=effect.request,
            carrier=carrier,
            facts=facts,
            timeline=timeline,
            loop=self._loop,
            max_seconds=self._max_call_seconds,
            sdp_session_id=secrets.randbits(31),
            end_call=self._end,
        )
        self._on_call_started(facts, received_at)
        refusal = self._refusal_of(effect.request, carrier)
        if refusal is not None:
            self._refused[facts.call_id] = refusal
        elif facts.called_number is not None:
            self._ahead[facts.call_id] = self._by_number[facts.called_number]
            self._by_number[facts.called_number] += 1
        self._legs[facts.call_id] = leg
        self._tasks[leg] = spawn(handler.handle_invite(leg), name=f"call {facts.call_id}")
        self._is_empty.clear()
        self._on_change(len(self._tasks))
        return leg

    def _refusal_of(self, request: Request, carrier: Carrier) -> Refusal | None:
        """Why a call may not come in now; whoever has no secret learns nothing else."""
        if not carrier.knows(request.headers):
            return Refusal.WRONG_SECRET
        if self.is_draining:
            return Refusal.DRAINING
        if self.is_full or self._is_overloaded():
            return Refusal.OVERLOADED
        return None

    def call_answered(self, report: CallReport) -> None:
        """The handler has sent 200 (routing.ports.CallObserver)."""
        self._on_call_answered(report)

    def call_ended(self, report: CallReport) -> None:
        """The handler's report (routing.ports.CallObserver)."""
        leg = self._legs.pop(report.facts.call_id)
        self._refused.pop(report.facts.call_id, None)
        self._leave(report.facts)
        leg.close()
        report.codec = leg.codec
        report.encryption = leg.encryption
        self._tasks.pop(leg, None)
        if not self._tasks:
            self._is_empty.set()
        self._on_change(len(self._tasks))
        self._on_call_ended(report, leg.statistics)

    async def drain(self, seconds: float) -> None:
        """Let no new call in and wait for the current ones; then end those that are left."""
        self.is_draining = True
        try:
            async with asyncio.timeout(seconds):
                await self._is_empty.wait()
        except TimeoutError:
            for leg in list(self._tasks):
                leg.hang_up(EndedBy.DRAIN)
                leg.reject(Refusal.DRAINING)
                self._end(leg)

    def _leave(self, facts: CallFacts) -> None:
        number = facts.called_number
        if self._ahead.pop(facts.call_id, None) is None or number is None:
            return
        self._by_number[number] -= 1
        if not self._by_number[number]:
            del self._by_number[number]

    def _end(self, leg: InboundLeg) -> None:
        """Cancel the call's task, but not before its first step: every call must be reported."""
        if task := self._tasks.get(leg):
            self._loop.call_soon(task.cancel)
