"""The life of one call, from its INVITE to its end. Read this first.

The story in order: may the call come in at all, which way does it go, can we carry its sound, which
agent takes it, voicemail if none does, a refusal if that is missing too. Whatever happens, the call
is reported once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sip_edge.routing.conversation import talk
from sip_edge.routing.dispatch import first_to_answer
from sip_edge.routing.outcome import EndedBy, Outcome
from sip_edge.routing.plan import AccountCheck, Reject, Role
from sip_edge.routing.policy import is_other_account, plan_route
from sip_edge.routing.ports import NO_ACCOUNT, CallReport, RoutesUnavailableError
from sip_edge.routing.refusal import Refusal
from sip_edge.routing.timeline import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_edge.media.audio import AudioStream
    from sip_edge.routing.dispatch import Connected, DispatchRules
    from sip_edge.routing.plan import Connect, VoicemailMessage
    from sip_edge.routing.ports import (
        AgentGateway,
        CallObserver,
        Clock,
        InboundCall,
        NumberDirectory,
        Voicemail,
    )

REQUEST_TERMINATED: Final = 487
"""What a caller who cancels gets (RFC 3261 section 9.2)."""
_OVERLOADS = frozenset({Refusal.OVERLOADED, Refusal.DRAINING, Refusal.NO_RTP_PORT})


class InboundCallHandler:
    """Serves calls: one `handle_invite` a call, each in a task of its own."""

    def __init__(
        self,
        *,
        admission: Callable[[InboundCall], Refusal | None],
        calls_ahead: Callable[[InboundCall], int],
        account_check: AccountCheck,
        directory: NumberDirectory,
        agents: AgentGateway,
        voicemail: Voicemail | None,
        observer: CallObserver,
        clock: Clock,
        rules: DispatchRules,
    ) -> None:
        self._admission = admission
        self._calls_ahead = calls_ahead
        self._account_check = account_check
        self._directory = directory
        self._agents = agents
        self._voicemail = voicemail
        self._observer = observer
        self._clock = clock
        self._rules = rules

    async def handle_invite(self, call: InboundCall) -> None:
        """Serve one call until it is over and report it, however it ends.

        Cancelled when the caller leaves; `call.ended_by` then says why.
        """
        report = CallReport(facts=call.facts, timeline=call.timeline, outcome=Outcome.FAILED)
        try:
            report.outcome = await self._serve(call, report)
        except asyncio.CancelledError:
            report.outcome = _outcome_of_a_call_cut_short(call, report)
            raise
        finally:
            # Both do nothing for a call that has ended as it should; a fault of ours must not leave
            # a caller in silence.
            if (status := call.reject(Refusal.INTERNAL_ERROR)) is not None:
                report.refusal, report.status = Refusal.INTERNAL_ERROR, status
            call.hang_up(EndedBy.INTERNAL)
            report.ended_by = call.ended_by
            report.peer_reason = call.peer_reason
            if report.outcome is Outcome.CALLER_LEFT:
                report.status = REQUEST_TERMINATED
            call.timeline.mark(Stage.END)
            self._observer.call_ended(report)

    async def _serve(self, call: InboundCall, report: CallReport) -> Outcome:
        if refusal := self._admission(call):
            return _refuse(call, report, refusal)
        try:
            plan = await self._plan(call, report)
        except RoutesUnavailableError:
            return _refuse(call, report, Refusal.ROUTES_UNAVAILABLE)
        if isinstance(plan, Reject):
            return _refuse(call, report, plan.refusal)
        if _is_over(call):
            return Outcome.CALLER_LEFT  # In the same breath as a step of ours; nothing is open yet.
        if (plan.targets or plan.voicemail) and (refusal := call.prepare()):
            return _refuse(call, report, refusal)

        if connected := await self._offer_to_agents(call, plan, report):
            return await self._talk(call, connected, plan, report)
        if _is_over(call):
            return Outcome.CALLER_LEFT
        if plan.voicemail is not None and self._voicemail is not None:
            audio = call.answer()
            report.outcome = Outcome.VOICEMAIL
            self._observer.call_answered(report)
            return await self._take_message(call, audio, plan.voicemail, report)
        outcome = _refuse(call, report, plan.refusal_if_unanswered)
        return Outcome.UNAVAILABLE if outcome is Outcome.REFUSED else outcome

    async def _plan(self, call: InboundCall, report: CallReport) -> Reject | Connect:
        number = call.facts.called_number
        route = None if number is None else await self._directory.lookup(number)
        if route is not None:
            report.is_stale_route = route.is_stale
            report.workspace_id = route.number.workspace_id
        call.timeline.mark(Stage.ROUTE)
        account = self._account_to_check(call)
        report.is_other_account = route is not None and is_other_account(route.number, account)
        return plan_route(
            route,
            number=number,
            provider=call.facts.provider,
            account_sid=account if self._account_check is AccountCheck.ENFORCE else None,
            calls_ahead=self._calls_ahead(call),
        )

    def _account_to_check(self, call: InboundCall) -> str | None:
        account = call.facts.account_sid
        if self._account_check is AccountCheck.OFF or account == NO_ACCOUNT:
            return None
        return account

    async def _offer_to_agents(
        self, call: InboundCall, plan: Connect, report: CallReport
    ) -> Connected | None:
        invite_at = call.timeline.invite_at
        ringing = asyncio.get_running_loop().call_later(
            invite_at + self._rules.ringing_after_seconds - self._clock(), call.ring
        )
        try:
            return await first_to_answer(
                call,
                plan.targets,
                self._agents,
                attempts=report.attempts,
                failover_reason=_why_the_primary_is_skipped(plan),
                lost=None,
                accept_timeout_seconds=self._rules.accept_timeout_seconds,
                deadline=invite_at + self._rules.deadline_seconds,
                clock=self._clock,
            )
        finally:
            ringing.cancel()

    async def _talk(
        self, call: InboundCall, connected: Connected, plan: Connect, report: CallReport
    ) -> Outcome:
        if _is_over(call):
            # The caller left in the same turn of the loop in which the worker accepted.
            connected.session.hang_up()
            return Outcome.CALLER_LEFT
        try:
            audio = call.answer()
            report.outcome = _outcome_of(connected.target.role)
            self._observer.call_answered(report)
            has_hung_up = await talk(
                call,
                audio,
                connected,
                plan,
                self._agents,
                report=report,
                rules=self._rules,
                clock=self._clock,
            )
        finally:
            connected.session.hang_up()
        report.outcome = _outcome_of(report.role)
        if has_hung_up:
            call.hang_up(EndedBy.AGENT)
        elif plan.voicemail is not None and self._voicemail is not None:
            return await self._take_message(call, audio, plan.voicemail, report)
        else:
            call.hang_up(EndedBy.AGENT_LOST)
        return report.outcome

    async def _take_message(
        self,
        call: InboundCall,
        audio: AudioStream,
        message: VoicemailMessage,
        report: CallReport,
    ) -> Outcome:
        report.outcome = Outcome.VOICEMAIL
        call.timeline.rule_out(Stage.FIRST_AUDIO_OUT)  # The greeting is no agent's sound.
        if self._voicemail is not None:
            await self._voicemail.take_message(call.facts, call.timeline, audio, message)
        call.hang_up(EndedBy.EDGE)
        return report.outcome


def _is_over(call: InboundCall) -> bool:
    """True if the caller has left; the task is told at its next pause, which may not come first."""
    return call.ended_by is not None


def _outcome_of(role: Role | None) -> Outcome:
    return Outcome.FALLBACK if role is Role.FALLBACK else Outcome.AGENT


def _why_the_primary_is_skipped(plan: Connect) -> str | None:
    """What the fallback is told when the primary is not even asked."""
    return next((skipped.why for skipped in plan.skipped if skipped.role is Role.PRIMARY), None)


def _refuse(call: InboundCall, report: CallReport, refusal: Refusal) -> Outcome:
    report.refusal = refusal
    report.status = call.reject(refusal)
    if report.status is None:
        return Outcome.CALLER_LEFT  # Between two of our steps: the caller has had its 487.
    return Outcome.OVERLOADED if refusal in _OVERLOADS else Outcome.REFUSED


def _outcome_of_a_call_cut_short(call: InboundCall, report: CallReport) -> Outcome:
    """What to call a call whose task was cancelled: by the caller, a dead leg, or our own end."""
    if call.ended_by is EndedBy.NO_ACK:
        return Outcome.NOT_ACKNOWLEDGED
    if call.timeline.at(Stage.ANSWER) is not None:
        return report.outcome
    return Outcome.CALLER_LEFT if call.ended_by is EndedBy.CALLER else Outcome.FAILED
